"""Learners who earned certificates, and grading jobs that break them."""

from datetime import datetime

from certrules.core.terms import Status
from certs.sources import event_builders
from tests.scenes.scene import Learner, Scene, day


def class_of(size: int, first: Learner) -> list[Learner]:
    """Return learners of one course run."""
    return [Learner(first.learner_id * 1000 + number, first.course_run) for number in range(size)]


def earn(scene: Scene, learners: list[Learner]) -> None:
    """Give all of them a certificate, on day 3."""
    for learner in learners:
        scene.ingest(*learner.qualifying())


def break_grades(scene: Scene, learners: list[Learner], at: datetime) -> None:
    """Have a grading job fail all of them at once, and time pass until no hold is left."""
    for learner in learners:
        scene.ingest(sent(learner.failing(at), at))
    for learner in learners:
        scene.ingest(sent(learner.requested(later(at)), later(at)))


def later(at: datetime) -> datetime:
    return day((at - day(1)).days + 1, hours=4)


def sent(detail: event_builders.Detail, at: datetime) -> event_builders.Detail:
    """Return a detail in the bus's envelope, sent at an instant."""
    return {**event_builders.envelope(detail), "time": at.isoformat()}


def statuses(scene: Scene, learners: list[Learner]) -> list[Status]:
    found = [scene.certificate(learner) for learner in learners]
    return [certificate.status for certificate in found if certificate is not None]


def held(scene: Scene, learners: list[Learner]) -> list[Learner]:
    pending = [(learner, scene.stored_record(learner).published.pending) for learner in learners]
    return [learner for learner, found in pending if found is not None and found.due is None]


def broken(scene: Scene, learner: Learner, size: int = 5) -> list[Learner]:
    """Return the learners of a course run whose grades a job has broken: all are held."""
    learners = class_of(size, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    assert held(scene, learners) == learners
    return learners
