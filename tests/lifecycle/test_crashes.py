"""A function dies between any two steps, and what it was given comes again: nothing shows that it died."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from certs.sources.event_builders import Detail
from tests.scenes.crashes import Death
from tests.scenes.lifecycle_story import State, state, story, transitions
from tests.scenes.scene import OWN_EVENTS, Answer, Learner, Request, Scene, Wire, day, failed

MALFORMED = "not JSON"

# Powertools warns that an invocation that died has counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def batches_of(reported: list[Detail]) -> list[list[Detail | str]]:
    """Return batches, a malformed message among them; the ID verification comes when there is a record."""
    configured, enrolled, approved, *rest = reported
    return [[configured, enrolled, MALFORMED, rest[0]], [approved, rest[1]], [*rest[2:4]], [*rest[4:]]]


def ended(scene: Scene, wire: Wire, reported: list[Detail], learner: Learner, death: Death) -> tuple[State, list[Any]]:
    """Return how a story ends in which the process dies once: what is stored, and history without its ids."""
    scene.empty_tables()
    scene.empty_queues()
    wire.around = death
    for batch in batches_of(reported):
        assert death.run(partial(scene.ingest, *batch)) == failed()
    wire.around = lambda _, answer: answer()
    parked = scene.take("ParkedQueue")
    assert parked
    assert set(parked) == {MALFORMED}
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []
    stated = [(item["at"], item["previous"], item["status"], item["cause"]) for item in transitions(scene, learner)]
    return state(scene, learner), stated


@pytest.mark.parametrize("done", [False, True])
def test_ingest_may_die_between_any_two_steps(scene: Scene, learner: Learner, wire: Wire, done: bool) -> None:
    reported = story(learner)
    whole = ended(scene, wire, reported, learner, Death(10_000, done=done))

    for step in range(10_000):
        death = Death(step, done=done)
        end = ended(scene, wire, reported, learner, death)
        assert end == whole, f"it died at request {step}"
        if not death.came:
            break
    assert step > 10


@pytest.mark.parametrize("done", [False, True])
def test_deciding_a_course_run_again_may_die_between_any_two_steps(
    scene: Scene, learner: Learner, wire: Wire, done: bool
) -> None:
    for step in range(10_000):
        scene.empty_tables()
        scene.ingest(learner.enrolled(day(1)), learner.passing(day(3)), learner.id_approved(day(1)))
        scene.empty_queues()
        scene.ingest(learner.configured(day(1)))
        (changed,) = scene.take("RedecideQueue")
        wire.around = death = Death(step, done=done)
        assert death.run(partial(scene.redecide, changed)) == failed()
        run = [found for found in scene.cloud.executions() if found.input.get("course_run") == learner.course_run][-1]
        for name in ("begin", "first"):
            death.run(partial(scene.cloud.invoke, "DecideFunction", {"step": name, **run.input}))
        wire.around = lambda _, answer: answer()

        assert scene.redecide(changed) == failed()  # a change after this one has a run of its own
        later = [found for found in scene.cloud.executions() if found.input.get("course_run") == learner.course_run][-1]
        assert later.name != run.name
        for each in (run, later):
            scene.client("stepfunctions").stop_execution(executionArn=each.arn)
        assert [item["status"] for item in transitions(scene, learner)] == ["downloadable"], f"died at request {step}"
        if not death.came:
            break
    assert step > 20


def many_transitions(scene: Scene, learner: Learner) -> list[dict[str, Any]]:
    """Return what the history table's stream has of a certificate that was issued, lost and issued again."""
    scene.ingest(*story(learner))
    scene.empty_queues()
    items = sorted(
        (item for item in scene.items("HistoryTable") if item["p"]["S"] == f"L#{learner.learner_id}"),
        key=lambda item: str(item["s"]["S"]),
    )
    records = []
    for number, item in enumerate(items * 3):  # more than the bus takes in one request
        image = {**item, "s": {"S": f"{item['s']['S']}{number // len(items)}"}}
        records.append({"eventName": "INSERT", "dynamodb": {"SequenceNumber": str(number), "NewImage": image}})
    return records


def arrived(scene: Scene) -> dict[str, Any]:
    """Return the events that consumers got, each once, in the order of their first coming; equal ids, equal words."""
    events: dict[str, Any] = {}
    for event in scene.take(OWN_EVENTS):
        assert events.setdefault(event["detail"]["metadata"]["id"], event["detail"]) == event["detail"]
    return events


@pytest.mark.parametrize("done", [False, True])
def test_publish_may_die_between_any_two_steps(scene: Scene, learner: Learner, wire: Wire, done: bool) -> None:
    records = many_transitions(scene, learner)
    scene.publish(*records)
    whole = arrived(scene)
    assert len(whole) > 20

    for step in range(10_000):
        death = Death(step, done=done)
        wire.around = death
        assert death.run(partial(scene.publish, *records)) == failed()
        events = arrived(scene)
        assert list(events.items()) == list(whole.items())
        if not death.came:
            break
    assert step == (len(whole) + 9) // 10 + 1  # the last notes the receipts


@pytest.mark.parametrize("accepted", range(11))
def test_the_bus_may_take_any_part_of_each_request(scene: Scene, learner: Learner, wire: Wire, accepted: int) -> None:
    records = many_transitions(scene, learner)
    scene.publish(*records)
    whole = arrived(scene)
    refusing = True

    def partly(request: Request, answer: Callable[[], Answer]) -> Answer:
        """Answer that only so many events were taken: which consumers get, too, as at-least-once has it."""
        given = answer()
        if not refusing or given is None or request.operation != "PutEvents":
            return given
        status, headers, text = given
        body = json.loads(text)
        for entry in body["Entries"][accepted:]:
            entry |= {"ErrorCode": "InternalFailure", "ErrorMessage": "later"}
        return status, headers, json.dumps(body)

    wire.around = partly
    left = records
    for _ in range(len(records)):
        answer = scene.publish(*left)["batchItemFailures"]
        if not answer:
            break
        before, number = left, answer[0]["itemIdentifier"]
        left = [record for record in records if int(record["dynamodb"]["SequenceNumber"]) >= int(number)]
        refusing = len(left) < len(before)  # the bus recovers when nothing gets through

    assert answer == []
    assert list(arrived(scene).items()) == list(whole.items())
