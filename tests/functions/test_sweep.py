"""Sweep: on a schedule, what is due goes to ingest."""

from typing import Any

from certrules.core.terms import Status
from tests.scenes.scene import Learner, Scene, as_time, day


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

    assert scene.sweep(day(6)) == scene.sweep(day(6)) == {"due": 1}
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
