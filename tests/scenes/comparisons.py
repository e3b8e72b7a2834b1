"""Learners whose certificates the two logics decide differently."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from certrules.core.terms import Status
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from tests.scenes.bulk_runs import class_of
from tests.scenes.scene import Learner, Scene, day


def recorded(learner: Learner, at: datetime | None = None, status: Status = Status.DOWNLOADABLE, **more: Any) -> Detail:
    """Report the old logic's certificate, of day 3, which is as it should be but for what is given."""
    at = at or day(3)
    stated: dict[str, Any] = {"mode": "verified", "grade": "0.85", "certificate_id": UUID(int=learner.learner_id)}
    stated |= {"created": at, "modified": at, **more}
    return event_builders.recorded_certificate(
        "recorded", uuid4(), at, learner.learner_id, learner.course_run, status=status, **stated
    )


def plant(scene: Scene, first: Learner) -> dict[str, Learner]:
    """Have a course run in shadow, with a learner of each class of difference; return them by class."""
    learners = class_of(12, first)
    scene.ingest(first.configured(day(1), rollout="shadow"))
    names = (
        "agree", "contradiction", "no_opinion", "would_revoke", "would_issue", "label", "mode_or_grade", "date",
        "fell", "invalidated", "nothing", "noncore",
    )  # fmt: skip
    by_name = dict(zip(names, learners, strict=True))
    for name, one in by_name.items():
        qualifying = [one.enrolled(day(1)), one.id_approved(day(1)), one.graded(day(3), 0.8499999, "B")]
        reported: list[Detail] = {
            "agree": [*qualifying, recorded(one)],
            "contradiction": [*qualifying, recorded(one, mode="honor")],
            "no_opinion": [recorded(one)],
            "would_revoke": [one.enrolled(day(1)), one.id_approved(day(1)), one.failing(day(2)), recorded(one)],
            "would_issue": [*qualifying, recorded(one, day(2), Status.NOTPASSING)],
            "label": [one.enrolled(day(1)), one.failing(day(2)), recorded(one, day(2), Status.UNAVAILABLE)],
            "mode_or_grade": [*qualifying, recorded(one, grade="0.9")],
            "date": [*qualifying, recorded(one, day(9))],
            "fell": [*qualifying, recorded(one), one.failing(day(20))],
            "invalidated": [*qualifying, recorded(one), one.invalidated(day(20))],
            "nothing": [one.enrolled(day(1), mode="audit")],
            "noncore": [*qualifying],
        }[name]
        if name == "label":
            reported.insert(1, one.id_approved(day(1)))
        scene.ingest(*reported)
    return by_name


EXPECTED = {
    "agree": ("agree", "none"),
    "contradiction": ("contradiction", "details"),
    "no_opinion": ("no_opinion", "none"),
    "would_revoke": ("would_revoke", "none"),
    "would_issue": ("would_issue", "issue"),
    "label": ("label", "label"),
    "mode_or_grade": ("mode_or_grade", "none"),
    "date": ("date", "none"),
    "fell": ("would_revoke", "hold"),
    "invalidated": ("would_revoke", "hold"),
    "nothing": ("agree", "none"),
    "noncore": ("would_issue", "issue"),
}


def reported(scene: Scene, learner: Learner) -> list[tuple[str | None, str]]:
    """Return the event about a learner's certificate."""
    return [(item.get("previous"), item.get("status", item["kind"])) for item in scene.history(learner)]
