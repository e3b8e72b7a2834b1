"""Sweep: on a schedule, what is due goes to ingest."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from certrules.core.terms import Status
from tests.scenes.scene import Learner, Scene, Wire, as_time, day


@pytest.fixture(autouse=True)
def _nothing_is_due(scene: Scene) -> None:
    """Forget what other tests left due."""
    scene.empty_tables()


def statuses(scene: Scene, learner: Learner) -> list[Any]:
    """Return all statuses that the certificate had."""
    return [item["status"] for item in scene.history(learner)]


def test_a_hold_that_ran_out_takes_effect(scene: Scene, learner: Learner) -> None:
    scene.send(*learner.qualifying(), at=day(3))
    scene.send(learner.failing(day(5)), at=day(5))
    scene.cloud.deliver()

    early = scene.sweep(day(5, 0.99))
    due = scene.sweep(day(7))
    (request,) = scene.take("IngestQueue")[-1:]
    answer = scene.ingest(request)

    assert (early, due, answer) == ({"due": 0}, {"due": 1}, {"batchItemFailures": []})
    assert request["metadata"] | {"id": ""} == {
        "id": "",
        "event_type": "certificates.generation.requested.v1",
        "time": as_time(day(5, 1)),
        "source": "course-certificates/sweep",
    }
    assert request["request"] == {
        "learner_id": learner.learner_id,
        "course_key": learner.course_run,
        "by": "system:sweep",
        "notes": "",
    }
    assert statuses(scene, learner) == [Status.DOWNLOADABLE, Status.NOTPASSING]
    assert scene.history(learner)[-1]["at"] == as_time(day(5, 1))
    assert scene.sweep(day(6)) == {"due": 0}


def test_a_passing_grade_before_it_ends_cancels_a_hold(scene: Scene, learner: Learner) -> None:
    scene.send(*learner.qualifying(), at=day(3))
    scene.send(learner.failing(day(5)), at=day(5))
    scene.send(learner.passing(day(5, 0.5)), at=day(5, 0.5))
    scene.cloud.deliver()

    assert scene.sweep(day(6)) == {"due": 0}

    assert statuses(scene, learner) == [Status.DOWNLOADABLE]


def test_what_was_swept_twice_changes_once(scene: Scene, learner: Learner) -> None:
    scene.send(*learner.qualifying(), at=day(3))
    scene.send(learner.failing(day(5)), at=day(5))
    scene.cloud.deliver()

    assert scene.sweep(day(6)) == scene.sweep(day(7)) == {"due": 1}
    scene.cloud.deliver()

    assert statuses(scene, learner) == [Status.DOWNLOADABLE, Status.NOTPASSING]


def test_every_shard_is_swept(scene: Scene, learner: Learner) -> None:
    learners = [Learner(learner.learner_id + 700_000 + number, learner.course_run) for number in range(5)]
    for each in learners:
        scene.send(*each.qualifying(), at=day(3))
        scene.send(each.failing(day(5)), at=day(5))
    scene.cloud.deliver()

    assert scene.sweep(day(6)) == {"due": 5}
    scene.cloud.deliver()

    assert [statuses(scene, each)[-1] for each in learners] == [Status.NOTPASSING] * 5


def holds(scene: Scene, learners: list[Learner]) -> None:
    """Have the holds of learners end on day 5, an hour after midnight."""
    for each in learners:
        scene.send(*each.qualifying(), at=day(3))
        scene.send(each.failing(day(5)), at=day(5))
    scene.cloud.deliver(delayed=True)
    scene.empty_queues()


def requested(scene: Scene) -> list[int]:
    """Return the learners who were requested, and forget it."""
    return sorted(message["request"]["learner_id"] for message in scene.take("IngestQueue"))


def test_what_is_on_its_way_is_not_sent_again_before_an_hour_is_over(scene: Scene, learner: Learner) -> None:
    holds(scene, [learner])
    sent = {}
    for minutes in (0, 1, 2, 59, 60, 61, 119, 121):
        assert scene.sweep(day(6, minutes / 60)) == {"due": 1}
        sent[minutes] = requested(scene)

    assert [minutes for minutes, learners in sent.items() if learners] == [0, 60, 121]


def test_what_becomes_due_meanwhile_is_sent_once_whatever_waits_before_it(scene: Scene, learner: Learner) -> None:
    first, late = (Learner(learner.learner_id + 4 * number, learner.course_run) for number in range(2))  # of one shard
    holds(scene, [first])
    scene.sweep(day(6))
    assert requested(scene) == [first.learner_id]
    holds(scene, [late])  # its due time is the same, and came late

    assert scene.sweep(day(6, 0.1)) == {"due": 2}
    assert requested(scene) == [late.learner_id]
    scene.sweep(day(6, 0.2))
    assert requested(scene) == []


def test_a_time_that_is_lived_through_again_is_swept_again(scene: Scene, learner: Learner) -> None:
    """As when the archive is replayed: the notes are of later."""
    holds(scene, [learner])
    scene.sweep(day(8))
    assert requested(scene) == [learner.learner_id]

    scene.sweep(day(6))
    assert requested(scene) == [learner.learner_id]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")  # Powertools: the run failed before it counted
def test_a_request_that_the_queue_did_not_take_is_sent_by_the_next_run(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    holds(scene, [learner])
    wire.refuse("SendMessageBatch", str(learner.learner_id))
    with pytest.raises(ClientError):
        scene.sweep(day(6))
    wire.around = lambda _, answer: answer()

    scene.sweep(day(6, 0.1))
    assert requested(scene) == [learner.learner_id]


def test_more_than_a_run_lists_is_sent_as_the_first_are_decided(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = [Learner(learner.learner_id + 4 * number, learner.course_run) for number in range(5)]
    holds(scene, learners)
    monkeypatch.setattr(scene.module("SweepFunction", "certrules.sweeping"), "AT_ONCE", 2)

    for minute in range(4):
        scene.sweep(day(6, minute / 60))
        scene.sweep(day(6, minute / 60))
        assert len(scene.queued("IngestQueue")) <= 2
        scene.cloud.deliver()

    assert [statuses(scene, each)[-1] for each in learners] == [Status.NOTPASSING] * 5


def test_a_sweep_of_a_replayed_archive_requests_again_what_was_lost_on_its_way(scene: Scene, learner: Learner) -> None:
    holds(scene, [learner])
    scene.sweep(day(6))
    assert requested(scene) == [learner.learner_id]

    assert (scene.sweep(day(6)), requested(scene)) == ({"due": 1}, [])
    assert (scene.sweep(day(6), again=True), requested(scene)) == ({"due": 1}, [learner.learner_id])
