"""Ingest: a batch of messages in; certificates, parked messages, requests to decide again and an answer out."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from certrules.core.certificate import Certificate
from certrules.core.fact_types import Fact
from certrules.core.terms import Status
from certrules.formats.event_form import EventType
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.program_events import PROGRAM_EVENTS
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from certs.sources.program_builder import program, program_revocation
from tests.scenes.published import sent
from tests.scenes.scene import ACTOR, Learner, Queued, Scene, Wire, as_time, day, failed

ALL_TAKEN = failed()


def without_ids(messages: list[Queued]) -> list[Queued]:
    """Return requests to decide again without their random ids."""
    for message in messages:
        message.body.get("metadata", {}).pop("id", None)
    return messages


def request(learner: Learner, why: str, at: Any) -> Queued:
    """Return the message that has a learner's certificate decided again, but for its id."""
    metadata = {
        "event_type": "certificates.generation.requested.v1",
        "time": as_time(at),
        "source": f"course-certificates/{why}",
    }
    stated = {
        "learner_id": learner.learner_id,
        "course_key": learner.course_run,
        "by": f"system:{why}",
        "notes": "",
    }
    return Queued({"metadata": metadata, "request": stated})


def test_the_events_of_a_qualifying_learner_become_a_certificate(scene: Scene, learner: Learner) -> None:
    answer = scene.ingest(*learner.qualifying())

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert answer == ALL_TAKEN
    assert certificate == Certificate(Status.DOWNLOADABLE, "verified", "", certificate.certificate_id, day(3), day(3))
    assert [(item["previous"], item["status"], item["cause"]) for item in scene.history(learner)] == [
        (None, "downloadable", "earned")
    ]
    assert scene.queued("ParkedQueue") == []


def test_events_come_in_envelopes_of_the_bus_or_bare(scene: Scene, learner: Learner) -> None:
    reported = learner.qualifying()

    assert scene.ingest(*(sent(detail) for detail in reported[:2]), *reported[2:]) == ALL_TAKEN

    assert scene.certificate(learner) is not None


def test_a_batch_with_nothing_in_it_is_answered(scene: Scene) -> None:
    assert scene.ingest() == ALL_TAKEN


# --- every kind of event


def reported_of(event_type: str, learner: Learner) -> Detail:
    """Return an event of this type about the learner in the course run."""
    name = event_type.removeprefix("org.openedx.learning.").removeprefix("certificates.").removesuffix(".v1")
    about: tuple[UUID, datetime, int, str] = (uuid4(), day(5), learner.learner_id, learner.course_run)
    builders: dict[str, Callable[[Any], Detail]] = {
        "course": lambda n: event_builders.enrollment(n, *about, mode="verified"),
        "course.passing": lambda n: event_builders.passing_status(n, *about, is_passing=True),
        "course.persistent": lambda n: event_builders.grade_summary(n, *about, percent=0.9, letter="A"),
        "ccx": lambda n: event_builders.passing_status(n, *about[:3], "ccx-v1:A+B+C+ccx@1", is_passing=True),
        "idv": lambda n: event_builders.idv_attempt(n, *about[:3], attempt_id=1),
        "id_verification": lambda n: event_builders.id_verification(n, *about[:3], kind="sso", attempt="1", **ACTOR),
        "exam": lambda n: event_builders.exam_attempt(n, *about, usage_key="block-v1:A+B+C+type@sequential+block@x"),
        "user": lambda n: event_builders.course_access_role(n, *about),
        "certificate": lambda n: event_builders.certificate(
            n, *about, mode="verified", grade="0.9", status="downloadable", certificate_id=uuid4()
        ),
        "allowlist": lambda n: event_builders.allowlist(n, *about, **ACTOR),
        "invalidation": lambda n: event_builders.invalidation(n, *about, **ACTOR),
        "date_override": lambda n: event_builders.date_override(n, *about, **ACTOR, date=day(4)),
        "course_run": lambda n: event_builders.configuration(n, *about[:2], learner.course_run, self_paced=True),
        "revocation": lambda n: event_builders.revocation(n, *about, cause="grade_fell", **ACTOR),
        "automatic_revocations": lambda n: event_builders.automatic_revocations(
            n, *about[:2], learner.course_run, **ACTOR
        ),
        "generation": lambda n: event_builders.generation_request(n, *about, **ACTOR),
        "recorded": lambda n: event_builders.recorded_certificate(
            n,
            *about,
            status="downloadable",
            mode="verified",
            grade="0.9",
            certificate_id=uuid4(),
            created=day(4),
            modified=day(4),
        ),
        "learner": lambda n: event_builders.learner(n, *about[:3], username="ann", name="Ann"),
    }
    first, _, rest = name.partition(".")
    phrase = f"{first}.{rest.partition('.')[0].partition('_')[0]}"
    return (builders.get(phrase) or builders[first.partition("_attempt")[0]])(name)


@pytest.mark.parametrize("event_type", [row.name for row in EVENT_TYPES.values() if row not in PROGRAM_EVENTS])
def test_every_type_of_event_is_taken_in_once(scene: Scene, learner: Learner, wire: Wire, event_type: str) -> None:
    detail = reported_of(event_type, learner)
    assert detail["metadata"]["event_type"] == event_type

    answers = [scene.ingest(detail), scene.ingest(detail)]

    writes = wire.operations()["PutItem"] + wire.operations()["TransactWriteItems"]
    assert answers == [ALL_TAKEN, ALL_TAKEN]
    assert scene.queued("ParkedQueue") == []
    assert writes == (0 if event_type == "certificates.generation.requested.v1" else 1)


def program_event(event: Any, learner: Learner) -> Detail:
    if event == "program.configured":
        return program(event, uuid4(), day(1), str(uuid4()), {"CertX": [learner.course_run]}, title="Data")
    about = (event, uuid4(), day(1), learner.learner_id, str(uuid4()))
    return program_revocation(*about, cause="course_lost", by="ada", notes="Agreed.")


@pytest.mark.parametrize("row", PROGRAM_EVENTS, ids=lambda row: row.name)
def test_an_event_on_a_program_that_comes_here_all_the_same_is_parked_and_hinders_nothing(
    scene: Scene, learner: Learner, row: EventType
) -> None:
    event = program_event(row.name.removeprefix("certificates.").removesuffix(".v1"), learner)

    assert scene.ingest(event, learner.enrolled(day(1))) == failed()

    (parked,) = scene.queued("ParkedQueue")
    assert (parked.attributes["reason"], parked.attributes["field"]) == ("unknown_type", "metadata.event_type")
    assert scene.facts_stored(learner) == {Fact.ENROLLMENT: 1}


def test_an_event_of_another_role_is_not_stored(scene: Scene, learner: Learner, wire: Wire) -> None:
    about: Any = (uuid4(), day(1), learner.learner_id, learner.course_run)
    staff = event_builders.course_access_role("user.course_access_role.added", *about, role="staff")
    of_the_organization = json.loads(json.dumps(staff))
    of_the_organization["course_access_role_data"]["course_key"] = None

    assert scene.ingest(staff, of_the_organization) == ALL_TAKEN

    assert wire.operations() == {"BatchGetItem": 1}
    assert scene.queued("ParkedQueue") == scene.queued("IngestQueue") == []


def test_a_request_about_a_learner_of_whom_nothing_is_known_writes_nothing(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    scene.ingest(learner.configured(day(1)), learner.id_approved(day(1)))
    wire.sent.clear()

    assert scene.ingest(learner.requested(day(2))) == ALL_TAKEN

    assert wire.operations() == {"BatchGetItem": 1}
    assert scene.stored_record(learner).version == 0


# --- duplicates, and several messages at once


def test_messages_of_one_learner_in_a_batch_are_merged_and_saved_once(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)), learner.id_approved(day(1)))

    answer = scene.ingest(
        learner.failing(day(2)),
        learner.enrolled(day(1)),
        learner.graded(day(3), 0.9, "A"),
        learner.passing(day(4)),
    )

    assert answer == ALL_TAKEN
    assert scene.stored_record(learner).version == 1
    assert scene.facts_stored(learner) == {Fact.ENROLLMENT: 1, Fact.PASSING: 2, Fact.GRADE: 1}
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.issued_at, certificate.grade) == (day(3), "0.9")


def test_a_duplicate_changes_nothing_in_its_batch_or_later(scene: Scene, learner: Learner, wire: Wire) -> None:
    reported = learner.qualifying()
    scene.ingest(*reported, *reported)
    before = scene.items("CertificatesTable"), scene.items("HistoryTable")
    wire.sent.clear()

    assert scene.ingest(*reversed(reported)) == ALL_TAKEN

    assert (scene.items("CertificatesTable"), scene.items("HistoryTable")) == before
    assert not wire.operations().keys() & {"PutItem", "TransactWriteItems"}


def test_the_order_of_delivery_makes_no_difference(scene: Scene, learner: Learner) -> None:
    for detail in reversed(learner.qualifying()):
        scene.ingest(detail)
    scene.cloud.deliver()

    certificate = scene.certificate(learner)

    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))


def test_more_transitions_than_a_transaction_holds_are_saved_in_parts(scene: Scene, learner: Learner) -> None:
    flips = [
        learner.passing(day(3, number)) if number % 2 else learner.failing(day(3, number)) for number in range(150)
    ]
    for start in range(0, len(flips), 10):
        scene.ingest(*flips[start : start + 10])
    hold = {"hold_seconds": 0}

    answer = scene.ingest(
        learner.configured(day(1), policy=hold), learner.enrolled(day(1)), learner.id_approved(day(1))
    )

    history = scene.history(learner)
    assert answer == ALL_TAKEN
    assert len(history) == 149
    assert [item["previous"] for item in history] == [None, *(item["status"] for item in history[:-1])]


# --- what can't be taken in


def test_malformed_messages_are_parked_beside_good_ones(scene: Scene, learner: Learner) -> None:
    no_grade = learner.passing(day(3))
    no_grade["course_passing_status"]["is_passing"] = "perhaps"
    unknown = learner.passing(day(3))
    unknown["metadata"]["event_type"] = "org.openedx.learning.course.passing.status.updated.v2"
    odd_policy = learner.configured(day(3), policy={"\u0000": 1})
    good = learner.qualifying()

    answer = scene.ingest("{not JSON \u00e9", good[0], no_grade, good[1], unknown, *good[2:], odd_policy)

    parked = scene.queued("ParkedQueue")
    assert answer == ALL_TAKEN
    assert scene.certificate(learner) is not None
    assert [message.body for message in parked] == ["{not JSON \u00e9", no_grade, unknown, odd_policy]
    assert [
        {name: message.attributes.get(name) for name in ("message_id", "reason", "field")} for message in parked
    ] == [
        {"message_id": "m0", "reason": "not_json", "field": None},
        {"message_id": "m2", "reason": "wrong_type", "field": "course_passing_status.is_passing"},
        {"message_id": "m4", "reason": "unknown_version", "field": "metadata.event_type"},
        {"message_id": "m7", "reason": "bad_value", "field": "course_run.policy"},
    ]
    assert all(message.attributes["fix"].isprintable() for message in parked)


def test_wrapped_events_are_ingested_and_what_holds_several_is_parked_whole(scene: Scene, learner: Learner) -> None:
    *others, passing = learner.qualifying()
    notification = {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(passing)}
    several = json.dumps([passing, passing])

    assert scene.ingest(*others, json.dumps(notification), several) == ALL_TAKEN

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    (parked,) = scene.queued("ParkedQueue")
    assert (parked.body, parked.attributes["reason"]) == (json.loads(several), "wrong_form")
    assert "a list of events: it holds 2" in parked.attributes["fix"]


def test_an_oversized_message_is_parked_whole(scene: Scene) -> None:
    body = "x" * 200_000

    assert scene.ingest(body, body) == ALL_TAKEN

    assert [(message.body, message.attributes["reason"]) for message in scene.queued("ParkedQueue")] == [
        (body, "too_large"),
        (body, "too_large"),
    ]


def test_events_that_the_service_published_itself_are_ignored(scene: Scene, learner: Learner, wire: Wire) -> None:
    subject = (learner.learner_id, learner.course_run)
    own = event_builders.certificate(
        "certificate.created", uuid4(), day(3), *subject, mode="verified", grade="", status="downloadable"
    )
    own["metadata"]["source"] = "course-certificates"

    assert scene.ingest(own, sent(own)) == ALL_TAKEN

    assert wire.sent == []


# --- facts of a learner, and of a course run


def test_an_id_verification_is_evaluated_in_each_course_run_of_the_learner(scene: Scene, learner: Learner) -> None:
    other = learner.elsewhere(f"{learner.course_run}-other")
    scene.ingest(learner.passing(day(3)), other.passing(day(3)))
    named = event_builders.learner("learner.named", uuid4(), day(1), learner.learner_id, username="a", name="b")
    scene.ingest(named)
    approved = learner.id_approved(day(4))

    answer = scene.ingest(sent(approved))

    assert answer == ALL_TAKEN
    assert without_ids(scene.queued("IngestQueue")) == [
        request(learner, "id-verification", day(4)),
        request(other, "id-verification", day(4)),
        Queued(sent(approved), 60, {"Echo": "1"}),
    ]


def test_a_redelivered_id_verification_is_evaluated_again_and_its_echo_does_not_echo(
    scene: Scene, learner: Learner
) -> None:
    scene.ingest(learner.passing(day(3)))
    approved = sent(learner.id_approved(day(4)))
    scene.ingest(approved)
    first = scene.queued("IngestQueue")

    scene.empty_queues()
    assert scene.ingest(approved) == ALL_TAKEN
    again = scene.queued("IngestQueue")
    scene.empty_queues()
    assert scene.ingest(approved, Echo="1") == ALL_TAKEN
    echoed = scene.queued("IngestQueue")

    assert without_ids(again) == without_ids(first)
    assert without_ids(echoed) == without_ids(first)[:1]


def test_what_was_decided_with_an_id_verification_is_not_requested_again(scene: Scene, learner: Learner) -> None:
    other = learner.elsewhere(f"{learner.course_run}-other")
    scene.ingest(learner.passing(day(3)), other.passing(day(3)))
    approved = sent(learner.id_approved(day(4)))
    scene.ingest(approved)
    own, others, echo = scene.queued("IngestQueue")
    scene.empty_queues()
    scene.ingest(own.body)

    scene.ingest(approved, Echo="1")
    left = scene.queued("IngestQueue")
    scene.empty_queues()
    scene.ingest(others.body)
    scene.ingest(approved)

    assert without_ids(left) == without_ids([others])
    assert scene.queued("IngestQueue") == [echo]


def test_the_requests_of_many_id_verifications_are_sent_together(scene: Scene, learner: Learner, wire: Wire) -> None:
    several = [Learner(learner.learner_id * 1000 + number, learner.course_run) for number in range(4)]
    scene.ingest(*(one.passing(day(3)) for one in several))
    wire.sent.clear()

    scene.ingest(*(one.id_approved(day(4)) for one in several))

    assert len(scene.queued("IngestQueue")) == 8
    assert [request.operation for request in wire.sent].count("SendMessageBatch") == 1


def test_an_id_verification_reaches_a_record_that_was_being_made_meanwhile(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    scene.ingest(learner.configured(day(1)))
    approved = sent(learner.id_approved(day(1)))

    def meanwhile(request: Any, answer: Any) -> Any:
        if request.operation == "TransactWriteItems":
            wire.around = lambda _, answer: answer()
            scene.ingest(approved)
        return answer()

    wire.around = meanwhile
    scene.ingest(learner.enrolled(day(1)), learner.passing(day(3)))
    (echo,) = scene.queued("IngestQueue")
    assert scene.certificate(learner) is not None  # unverified: it was read before
    assert echo == Queued(approved, 60, {"Echo": "1"})

    scene.ingest(echo.body, **echo.attributes)
    scene.cloud.deliver()

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))


def test_a_course_run_that_becomes_known_or_changes_its_rules_is_decided_again(scene: Scene, learner: Learner) -> None:
    changes = [
        learner.configured(day(1)),
        learner.configured(day(2), web_certificates_enabled=False),
        learner.configured(day(3), policy="open-edx"),
        learner.configured(day(4), end=day(90)),
    ]

    for change in changes:
        assert scene.ingest(sent(change)) == ALL_TAKEN

    assert scene.queued("RedecideQueue") == [
        Queued({"course_run": learner.course_run, "at": as_time(day(number))}) for number in (1, 2, 3)
    ]


def test_a_redelivered_change_of_a_course_run_is_decided_again(scene: Scene, learner: Learner) -> None:
    known, changed = learner.configured(day(1)), learner.configured(day(2), policy="open-edx")
    scene.ingest(known, changed)
    scene.empty_queues()

    assert scene.ingest(known) == scene.ingest(changed) == ALL_TAKEN

    assert len(scene.queued("RedecideQueue")) == 2
