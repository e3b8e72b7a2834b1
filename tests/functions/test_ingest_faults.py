"""What ingestion does with names, faults and messages that come late."""

import json
from typing import Any
from uuid import uuid4

from certrules import storage
from certrules.core.fact_types import Fact
from certs.sources import event_builders
from tests.scenes.scene import Learner, Scene, Wire, day, failed

# --- the learner's name


def test_a_learner_is_named_and_erased_and_a_late_value_loses(scene: Scene, learner: Learner) -> None:
    def stored_name() -> tuple[str, str]:
        return storage.name_of(storage.load(names=[learner.learner_id]).names[learner.learner_id]).current

    about: Any = learner.learner_id
    named = event_builders.learner("learner.named", uuid4(), day(1), about, username="ann", name="Ann")
    renamed = event_builders.learner("learner.named", uuid4(), day(3), about, username="ann", name="Anna")
    erased = event_builders.learner("learner.erased", uuid4(), day(5), about)

    names = []
    for batch in ([renamed, named], [named], [erased], [renamed]):
        assert scene.ingest(*batch) == failed()
        names.append(stored_name())

    assert names == [("ann", "Anna"), ("ann", "Anna"), ("", ""), ("", "")]
    assert scene.queued("IngestQueue") == []


# --- what fails is retried, and nothing else


def test_only_the_messages_of_the_record_that_could_not_be_saved_are_retried(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    other = Learner(learner.learner_id + 500_000, learner.course_run)
    wire.refuse("PutItem", f"L#{learner.learner_id}")

    answer = scene.ingest(
        other.enrolled(day(1)),
        learner.enrolled(day(1)),
        "malformed",
        learner.passing(day(3)),
        other.passing(day(3)),
    )

    assert answer == failed("m1", "m3")
    assert scene.stored_record(learner).version == 0
    assert scene.facts_stored(other) == {Fact.ENROLLMENT: 1, Fact.PASSING: 1}
    assert [message.body for message in scene.queued("ParkedQueue")] == ["malformed"]


def test_messages_that_could_not_be_parked_are_retried(scene: Scene, learner: Learner, wire: Wire) -> None:
    wire.refuse("SendMessageBatch", "ParkedQueue")

    assert scene.ingest("malformed", learner.enrolled(day(1)), "too") == failed("m0", "m2")

    assert scene.stored_record(learner).version == 1


def test_messages_that_the_queue_takes_only_in_part_are_retried(scene: Scene, wire: Wire) -> None:
    def partly(request: Any, answer: Any) -> Any:
        if request.operation != "SendMessageBatch":
            return answer()
        refused = {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "later"}
        return 200, {}, json.dumps({"Successful": [], "Failed": [refused]})

    wire.around = partly

    assert scene.ingest("malformed", "too") == failed("m0", "m1")


def test_a_fan_out_that_failed_is_retried(scene: Scene, learner: Learner, wire: Wire) -> None:
    wire.refuse("SendMessageBatch", "IngestQueue")

    answer = scene.ingest(learner.passing(day(3)), learner.id_approved(day(1)), learner.configured(day(1)))

    assert answer == failed("m1")
    assert [message.body["course_run"] for message in scene.queued("RedecideQueue")] == [learner.course_run]


def test_what_cannot_be_read_for_is_retried_and_what_is_malformed_parked_all_the_same(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    wire.refuse("BatchGetItem", learner.course_run)

    assert scene.ingest(learner.passing(day(3)), "malformed", learner.enrolled(day(1))) == failed("m0", "m2")

    assert [message.body for message in scene.queued("ParkedQueue")] == ["malformed"]
    assert wire.operations() == {"BatchGetItem": 1, "SendMessageBatch": 1}


# --- a message that comes late


def test_a_late_message_does_not_take_back_what_is_known_from_after_it_was_sent(scene: Scene, learner: Learner) -> None:
    scene.ingest(*(event_builders.envelope(detail) for detail in learner.qualifying()))
    scene.ingest(event_builders.envelope(learner.failing(day(6))))
    held = scene.stored_record(learner).published.pending
    assert held is not None

    scene.ingest(event_builders.envelope(learner.graded(day(1), 0.2)))  # sent on day 1, too

    assert scene.stored_record(learner).published.pending == held


def test_what_is_taken_in_again_from_nothing_has_the_same_id_and_history(scene: Scene, learner: Learner) -> None:
    reported = [*learner.qualifying(), learner.failing(day(5)), learner.passing(day(8))]
    found = []
    for batches in ([[detail] for detail in reported], [reported]):
        scene.empty_tables()
        for batch in batches:
            scene.ingest(*batch)
        found.append((scene.certificate(learner), list(storage.history_of(learner.pair))))

    first, again = found
    assert first == again
    assert len(first[1]) == 3
