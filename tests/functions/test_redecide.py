"""A course run that changed: one run for changes that come together decides each of its learners, without a chain."""

import json
from collections.abc import Callable
from itertools import batched, count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules import storage
from certrules.core.terms import Status
from certs.sources import event_builders
from localcloud.machines import Execution
from tests.scenes.scene import ACTOR, Answer, Learner, Request, Scene, Wire, as_time, day, failed

AT = as_time(day(9))
_numbers = count()


def runs(scene: Scene, course_run: str) -> list[Execution]:
    """Return the runs that decide a course run again, oldest first."""
    executions = (found for found in scene.cloud.executions() if found.machine == "RedecideMachine")
    return [found for found in executions if found.input.get("course_run") == course_run and "run" in found.input]


def begin(scene: Scene, run: Execution) -> None:
    """Have a run begin, as its state machine does when changes were gathered."""
    scene.cloud.invoke("DecideFunction", {"step": "begin", **run.input})


def stop(scene: Scene, run: Execution) -> None:
    """Stop a run by hand."""
    scene.client("stepfunctions").stop_execution(executionArn=run.arn)


def small_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a page hold two learners, and a call of the function decide but one page."""
    monkeypatch.setattr(scene.module("DecideFunction", "certrules.redeciding"), "PAGE", 2)
    monkeypatch.setattr(scene.app("DecideFunction"), "RESERVE_MS", 10_000_000)


def changed(learner: Learner) -> dict[str, str]:
    """Return the message that the learner's course run changed."""
    return {"course_run": learner.course_run, "at": AT}


def undecided(learners: list[Learner]) -> list[int]:
    """Return the learners that have no certificate, of whatever status, though the course run is known."""
    loaded = storage.load([each.pair for each in learners])
    return [pair.learner_id for pair, stored in loaded.records.items() if stored.published.certificate is None]


def test_a_switch_for_everywhere_is_no_course_run_that_changed(scene: Scene) -> None:
    scene.empty_tables()
    event = event_builders.automatic_revocations("automatic_revocations.stopped", uuid4(), day(5), None, **ACTOR)
    scene.ingest(event)
    scene.empty_tables()  # it would hold what other tests revoke
    assert scene.queued("RedecideQueue") == []


def test_what_a_course_run_changes_reaches_its_certificates(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.enrolled(day(1)), learner.passing(day(3)), learner.id_approved(day(1)))
    assert scene.certificate(learner) is None
    scene.empty_queues()

    scene.ingest(learner.configured(day(1)))
    assert scene.cloud.deliver().errors == []

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))
    (run,) = runs(scene, learner.course_run)
    assert run.status == "SUCCEEDED"


def test_changes_that_come_together_share_a_run_and_a_later_one_has_its_own(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying(), learner.configured(day(2), policy="open-edx"))
    scene.ingest(learner.configured(day(4), web_certificates_enabled=True))
    messages = scene.take("RedecideQueue")
    assert len(messages) == 3

    assert scene.redecide(*messages, *messages) == failed()
    assert len(runs(scene, learner.course_run)) == 1
    scene.cloud.deliver()
    assert runs(scene, learner.course_run)[0].status == "SUCCEEDED"

    scene.redecide(changed(learner))
    assert len(runs(scene, learner.course_run)) == 2


def test_a_change_after_a_run_has_begun_starts_another(scene: Scene, learner: Learner) -> None:
    scene.redecide(changed(learner))
    (first,) = runs(scene, learner.course_run)
    begin(scene, first)
    begin(scene, first)  # the state machine may try it twice

    scene.redecide(changed(learner), changed(learner))

    assert [run.status for run in runs(scene, learner.course_run)] == ["RUNNING", "RUNNING"]


def test_a_run_that_ended_before_it_began_is_replaced(scene: Scene, learner: Learner) -> None:
    scene.redecide(changed(learner))
    stop(scene, runs(scene, learner.course_run)[0])

    scene.redecide(changed(learner))

    assert [run.status for run in runs(scene, learner.course_run)] == ["ABORTED", "RUNNING"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["change", "change", "begin", "stop"]), max_size=8))
def test_after_each_change_there_is_one_run_that_has_not_begun(
    scene: Scene, learner: Learner, steps: list[str]
) -> None:
    here = Learner(learner.learner_id, f"{learner.course_run}_{next(_numbers)}")
    started = 0
    is_waiting = False
    for step in steps:
        if step == "change":
            scene.redecide(changed(here))
            started += not is_waiting
            is_waiting = True
            found = runs(scene, here.course_run)
            assert len(found) == started
            assert found[-1].status == "RUNNING"
        elif is_waiting:
            (begin if step == "begin" else stop)(scene, runs(scene, here.course_run)[-1])
            is_waiting = False
    for run in runs(scene, here.course_run):
        stop(scene, run)


def test_every_learner_of_the_course_run_is_decided_part_by_part(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    learners = [Learner(number, learner.course_run) for number in range(1, 90)]
    for each in (*learners, learner.elsewhere("course-v1:CertX+Other+2026")):
        scene.ingest(each.enrolled(day(1)), each.passing(day(1)))
    small_pages(scene, monkeypatch)
    scene.ingest(learner.configured(day(2)))
    assert len(undecided(learners)) == 89
    wire.sent.clear()

    deliveries = scene.cloud.deliver()

    assert undecided(learners) == []
    assert deliveries.errors == []
    assert deliveries["RedecideFunction"].invocations == 1
    assert deliveries["DecideFunction"].invocations > storage.COURSE_RUN_SHARDS * 2
    assert not wire.operations().keys() & {"SendMessage", "SendMessageBatch"}


LEARNERS = 600_000
ON_A_PAGE = 500


def many_learners(course_run: str) -> Callable[[Request, Callable[[], Answer]], Answer]:
    """Answer as DynamoDB does for a course run of so many learners, with no record of theirs."""

    def around(request: Request, answer: Callable[[], Answer]) -> Answer:
        if request.operation == "Query" and request.names(f"{course_run}#"):
            return 200, {}, json.dumps(page(course_run, request.body))
        if request.operation == "BatchGetItem" and request.names(course_run) and request.names("L#"):
            none: dict[str, Any] = {table: [] for table in request.body["RequestItems"]}
            return 200, {}, json.dumps({"Responses": none, "UnprocessedKeys": {}})
        return answer()

    return around


def page(course_run: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the index of the course run's learners, of whom only the last one is listed."""
    (key,) = (value["S"] for value in asked["ExpressionAttributeValues"].values())
    start = asked.get("ExclusiveStartKey")
    before = int(start["p"]["S"][2:]) if start else int(key.rpartition("#")[2]) - storage.COURSE_RUN_SHARDS
    last = before + ON_A_PAGE * storage.COURSE_RUN_SHARDS
    item = {"p": {"S": f"L#{last}"}, "s": {"S": course_run}, "r": {"S": key}}
    more = {"LastEvaluatedKey": item} if last + storage.COURSE_RUN_SHARDS < LEARNERS else {}
    return {"Items": [item], "Count": 1, "ScannedCount": 1, **more}


def test_a_course_run_of_six_hundred_thousand_learners_needs_no_chain(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    """There are as many pages as so many learners have, but each lists one: it is about the calls between them."""
    scene.cloud.deliver()  # what other tests left
    redeciding = scene.module("DecideFunction", "certrules.redeciding")
    assert redeciding.PAGE == ON_A_PAGE
    monkeypatch.setattr(redeciding, "PAGE", 1)
    scene.ingest(learner.configured(day(2)))
    wire.around = many_learners(learner.course_run)
    wire.sent.clear()

    deliveries = scene.cloud.deliver()

    (run,) = runs(scene, learner.course_run)
    assert (run.status, deliveries.errors) == ("SUCCEEDED", [])
    listed = [request for request in wire.sent if request.operation == "Query"]
    assert len(listed) == LEARNERS / ON_A_PAGE
    assert deliveries["RedecideFunction"].invocations == 1
    assert deliveries["DecideFunction"].invocations == 2 + storage.COURSE_RUN_SHARDS
    assert deliveries["IngestFunction"].invocations == 0
    assert not wire.operations().keys() & {"SendMessage", "SendMessageBatch"}


def test_a_record_that_cannot_be_decided_is_left_to_the_ingest_queue_and_stops_no_other(
    scene: Scene, learner: Learner
) -> None:
    others = [Learner(learner.learner_id + 16 * number, learner.course_run) for number in range(1, 4)]
    for each in (learner, *others):
        scene.ingest(each.enrolled(day(1)), each.passing(day(1)))
    key = {"p": {"S": f"L#{learner.learner_id}"}, "s": {"S": learner.course_run}}
    table = {"TableName": scene.cloud.physical("CertificatesTable")}
    found = scene.client("dynamodb").get_item(**table, Key=key)["Item"]
    scene.client("dynamodb").put_item(**table, Item={**found, "c": {"S": "spoiled"}})
    scene.ingest(learner.configured(day(2)))

    scene.cloud.deliver()

    assert undecided(others) == []
    (waiting,) = scene.take("IngestDeadLetters")
    assert waiting["request"]["learner_id"] == learner.learner_id
    scene.client("dynamodb").put_item(**table, Item=found)


def test_an_outage_has_the_step_tried_again_and_sends_no_course_run_to_the_ingest_queue(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    learners = [Learner(learner.learner_id + 16 * number, learner.course_run) for number in range(40)]
    for each in learners:
        scene.ingest(each.enrolled(day(1)), each.passing(day(1)))
    scene.ingest(learner.configured(day(2)))
    scene.redecide(*scene.take("RedecideQueue"))
    (run,) = runs(scene, learner.course_run)
    begin(scene, run)
    wire.refuse("BatchGetItem", "L#")
    with pytest.raises(Exception, match="the test refuses it"):
        scene.cloud.invoke("DecideFunction", {"step": "first", **run.input})
    assert scene.queued("IngestQueue") == []
    wire.around = lambda _, answer: answer()

    scene.cloud.deliver()

    assert undecided(learners) == []


def test_only_learners_whose_certificate_changes_are_written(scene: Scene, learner: Learner, wire: Wire) -> None:
    learners = [Learner(number, learner.course_run) for number in range(1, 1_001)]
    earning, others = learners[:10], learners[10:]
    for some in batched(others, 10, strict=False):
        scene.ingest(*(each.enrolled(day(1)) for each in some))
    for each in earning:
        scene.ingest(each.enrolled(day(1), "honor"), each.id_approved(day(1)), each.passing(day(1)))
    scene.ingest(learner.configured(day(2)))
    scene.cloud.deliver()
    scene.ingest(learner.configured(day(3), policy={"eligible_modes": ["verified", "honor"]}))
    before = storage.load([each.pair for each in learners]).records
    wire.sent.clear()

    scene.cloud.deliver()

    table = scene.cloud.physical("CertificatesTable")
    assert sum(request.operation == "TransactWriteItems" for request in wire.sent) == 10
    assert not [request for request in wire.sent if request.operation == "PutItem" and request.names(table)]
    after = storage.load([each.pair for each in learners]).records
    assert {pair.learner_id for pair, stored in after.items() if stored.version != before[pair].version} == {
        each.learner_id for each in earning
    }


def test_events_do_not_wait_behind_a_course_run(scene: Scene, learner: Learner) -> None:
    other = learner.elsewhere(f"{learner.course_run}_other")
    scene.ingest(*learner.qualifying())
    scene.empty_queues()
    scene.redecide(changed(learner))
    (run,) = runs(scene, learner.course_run)
    begin(scene, run)
    scene.cloud.invoke("DecideFunction", {"step": "first", **run.input})

    assert scene.queued("IngestQueue") == []
    assert scene.ingest(*other.qualifying()) == failed()
    assert scene.certificate(other) is not None


def test_revocations_that_a_change_brings_up_go_through_the_breaker(scene: Scene, learner: Learner) -> None:
    learners = [Learner(learner.learner_id + number, learner.course_run) for number in range(3)]
    limit = {"breaker_limit": 1, "breaker_window_seconds": 86_400}
    scene.send(learner.configured(day(2), policy=limit), at=day(2))
    for each in learners:
        scene.send(*each.qualifying(), at=day(3))
        scene.send(each.failing(day(5)), at=day(5))
    scene.cloud.deliver()
    scene.send(learner.configured(day(6), web_certificates_enabled=True), at=day(9))

    scene.cloud.deliver()

    statuses = [scene.certificate(each) for each in learners]
    assert sorted(str(found and found.status) for found in statuses) == ["downloadable", "downloadable", "notpassing"]
    held = [scene.stored_record(each).published.pending for each in learners]
    assert sum(pending is not None and pending.due is None for pending in held) == 2


def test_only_the_message_that_failed_is_retried(scene: Scene, learner: Learner, wire: Wire) -> None:
    other = learner.elsewhere(f"{learner.course_run}_other")
    wire.refuse("StartExecution", other.course_run)

    assert scene.redecide(changed(learner), changed(other), "malformed") == failed("m1", "m2")

    wire.around = lambda _, answer: answer()
    assert scene.redecide(changed(other)) == failed()
    assert len(runs(scene, other.course_run)) == 1


def test_a_page_of_the_last_release_has_its_course_run_decided(scene: Scene, learner: Learner) -> None:
    """Messages that were on their way when this was deployed."""
    page_of_old = {**changed(learner), "shard": 3, "after": {"p": {"S": "L#3"}}}
    assert scene.redecide(page_of_old, {**page_of_old, "shard": 4}) == failed()
    assert len(runs(scene, learner.course_run)) == 1
