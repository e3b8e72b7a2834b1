"""Builders of event details, `{"metadata": …, "<data key>": …}`: one for each kind of data in the contract.

Each takes the name of its event type without prefix and version, then the event's id and the instant (UTC) at
which it became true, then its content. Personal data is left empty, as in the contract.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

type Detail = dict[str, Any]
"""An event as it stands in `detail` of an EventBridge event, ready for JSON."""

type EnrollmentEvent = Literal[
    "course.enrollment.created", "course.enrollment.changed", "course.unenrollment.completed"
]
type ExamEvent = Literal["exam.attempt.rejected", "exam.attempt.verified", "exam.attempt.reset"]

_PRODUCER = "openedx/lms/web"
_HOST = "lms.example.org"
_LIBRARY = [11, 2, 0]  # the version of openedx-events whose fields these are

_GRADING_POLICY = "Vx2Yh8bZkQ3nJr0sTtWd6Fg1LcA="  # opaque, like a hash of one


def _detail(event_type: str, event_id: UUID, at: datetime, **content: Detail) -> Detail:
    metadata = {
        "id": str(event_id),
        "event_type": event_type,
        "minorversion": 0,
        "time": at.isoformat(),
        "source": _PRODUCER,
        "sourcehost": _HOST,
        "sourcelib": [*_LIBRARY],
    }
    return {"metadata": metadata, **content}


def envelope(detail: Detail) -> Detail:
    """Wrap a detail as EventBridge does: an entry for PutEvents, and the body of the queue's message."""
    metadata = detail["metadata"]
    return {
        "source": metadata["source"],
        "detail-type": metadata["event_type"],
        "time": metadata["time"],
        "detail": detail,
    }


# --- events of the platform


def _open_edx(event: str, event_id: UUID, at: datetime, **content: Detail) -> Detail:
    return _detail(f"org.openedx.learning.{event}.v1", event_id, at, **content)


def _user(learner_id: int) -> Detail:
    return {"id": learner_id, "is_active": True, "pii": {"username": "", "email": "", "name": ""}}


def _course(course_run: str) -> Detail:
    return {"course_key": course_run, "display_name": "", "start": None, "end": None}


def enrollment(
    event: EnrollmentEvent,
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    mode: str,
    created: datetime | None = None,
) -> Detail:
    """Build an event on an enrollment; `created` (UTC) is when it began, None for now."""
    content = {
        "user": _user(learner_id),
        "course": _course(course_run),
        "mode": mode,
        "is_active": event != "course.unenrollment.completed",
        "creation_date": (created or at).isoformat(),
        "created_by": None,
    }
    return _open_edx(event, event_id, at, enrollment=content)


def passing_status(
    event: Literal["course.passing.status.updated", "ccx.course.passing.status.updated"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    is_passing: bool,
) -> Detail:
    """Build the platform's passing status; for a CCX the course run is its `ccx-v1:` key."""
    course = _course(course_run) if event == "course.passing.status.updated" else _ccx(course_run)
    content = {"is_passing": is_passing, "user": _user(learner_id), "course": course}
    return _open_edx(event, event_id, at, course_passing_status=content)


def _ccx(course_run: str) -> Detail:
    master, _, _ = course_run.rpartition("+")
    return {
        "ccx_course_key": course_run,
        "master_course_key": master.replace("ccx-v1:", "course-v1:", 1),
        "display_name": "",
        "coach_email": "",
        "start": None,
        "end": None,
        "max_students_allowed": None,
    }


def grade_summary(
    event: Literal["course.persistent_grade_summary.changed"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    percent: float,
    letter: str,
    passed: datetime | None = None,
    edited: datetime | None = None,
) -> Detail:
    """Build a grade summary: percent from 0 to 1, letter "" where there is none.

    `passed` is when the learner first passed, `edited` when the course was last edited (UTC). The contract
    demands both, so the instant of the event stands for None.
    """
    content = {
        "user_id": learner_id,
        "course": _course(course_run),
        "course_edited_timestamp": (edited or at).isoformat(),
        "course_version": "1",
        "grading_policy_hash": _GRADING_POLICY,
        "percent_grade": percent,
        "letter_grade": letter,
        "passed_timestamp": (passed or at).isoformat(),
    }
    return _open_edx(event, event_id, at, grade=content)


def idv_attempt(
    event: Literal["idv_attempt.approved", "idv_attempt.denied"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    *,
    attempt_id: int,
    expires: datetime | None = None,
) -> Detail:
    """Build the outcome of an ID verification attempt; `expires` (UTC) is None for never."""
    content = {
        "attempt_id": attempt_id,
        "user": _user(learner_id),
        "status": event.removeprefix("idv_attempt."),
        "name": None,
        "expiration_date": expires.isoformat() if expires else None,
    }
    return _open_edx(event, event_id, at, idv_attempt=content)


def exam_attempt(
    event: ExamEvent,
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    usage_key: str,
) -> Detail:
    """Build the verdict on a proctored exam attempt."""
    content = {
        "student_user": _user(learner_id),
        "course_key": course_run,
        "usage_key": usage_key,
        "exam_type": "proctored",
        "requesting_user": None,
    }
    return _open_edx(event, event_id, at, exam_attempt=content)


def course_access_role(
    event: Literal["user.course_access_role.added", "user.course_access_role.removed"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    role: str = "beta_testers",
) -> Detail:
    """Build an event on a role in the course run."""
    content = {
        "user": _user(learner_id),
        "org_key": course_run.partition(":")[2].partition("+")[0],
        "course_key": course_run,
        "role": role,
    }
    return _open_edx(event, event_id, at, course_access_role_data=content)


def certificate(
    event: Literal["certificate.created", "certificate.changed", "certificate.revoked"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    mode: str,
    grade: str,
    status: str,
    previous_status: str = "",
    certificate_id: UUID | None = None,
) -> Detail:
    """Build the old logic's own event on a certificate; its id is in the URL, None for no URL."""
    content = {
        "user": _user(learner_id),
        "course": _course(course_run),
        "mode": mode,
        "grade": grade,
        "download_url": f"https://{_HOST}/certificates/{certificate_id.hex}" if certificate_id else "",
        "name": "",
        "current_status": status,
        "previous_status": previous_status,
    }
    return _open_edx(event, event_id, at, certificate=content)


# --- what the platform has no public event for


def own(event: str, event_id: UUID, at: datetime, **content: Detail) -> Detail:
    """Build one of our own events."""
    return _detail(f"certificates.{event}.v1", event_id, at, **content)


def _act(learner_id: int, course_run: str, by: str, notes: str) -> Detail:
    return {"learner_id": learner_id, "course_key": course_run, "by": by, "notes": notes}


def allowlist(
    event: Literal["allowlist.entry.added", "allowlist.entry.removed"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    by: str,
    notes: str,
) -> Detail:
    """Build an event on an allowlist entry: who did it, and why."""
    return own(event, event_id, at, entry=_act(learner_id, course_run, by, notes))


def id_verification(
    event: Literal["id_verification.approved", "id_verification.denied"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    *,
    kind: str,
    attempt: str,
    by: str,
    notes: str,
    expires: datetime | None = None,
) -> Detail:
    """Build the outcome of an ID verification of a kind that the platform has no event for; `expires` is in UTC."""
    content: Detail = {"learner_id": learner_id, "kind": kind, "attempt": attempt, "by": by, "notes": notes}
    if event == "id_verification.approved":
        content["expiration_date"] = expires.isoformat() if expires else None
    return own(event, event_id, at, id_verification=content)


def invalidation(
    event: Literal["invalidation.created", "invalidation.lifted"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    by: str,
    notes: str,
) -> Detail:
    """Build an event on a person's invalidation: who did it, and why."""
    return own(event, event_id, at, invalidation=_act(learner_id, course_run, by, notes))


def revocation(
    event: Literal["revocation.held", "revocation.released", "revocation.discarded"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    cause: str,
    by: str,
    notes: str,
) -> Detail:
    """Build an action on the pending revocation with this cause: by whom, and why."""
    return own(event, event_id, at, revocation={**_act(learner_id, course_run, by, notes), "cause": cause})


def automatic_revocations(
    event: Literal["automatic_revocations.stopped", "automatic_revocations.resumed"],
    event_id: UUID,
    at: datetime,
    course_run: str | None,
    *,
    by: str,
    notes: str,
) -> Detail:
    """Build an event on the kill switch of a course run, or (None) of all: who turned it, and why."""
    return own(event, event_id, at, switch={"course_key": course_run, "by": by, "notes": notes})


def date_override(
    event: Literal["date_override.set", "date_override.removed"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    by: str,
    notes: str,
    date: datetime | None = None,
) -> Detail:
    """Build an event on a date override: the date to show (UTC) where one is set, who did it, and why."""
    content = _act(learner_id, course_run, by, notes)
    if date:
        content["date"] = date.isoformat()
    return own(event, event_id, at, override=content)


def generation_request(
    event: Literal["generation.requested"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    by: str,
    notes: str,
) -> Detail:
    """Build a request to decide again, which changes no fact: who made it, and why."""
    return own(event, event_id, at, request=_act(learner_id, course_run, by, notes))


def configuration(
    event: Literal["course_run.configured"],
    event_id: UUID,
    at: datetime,
    course_run: str,
    **settings: str | bool | datetime | None,
) -> Detail:
    """Build a configuration of the course run; what is left out stays as it was. Instants are UTC."""
    content: Detail = {"course_key": course_run}
    for setting, value in settings.items():
        content[setting] = value.isoformat() if isinstance(value, datetime) else value
    return own(event, event_id, at, course_run=content)


def recorded_certificate(
    event: Literal["recorded"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    course_run: str,
    *,
    status: str,
    mode: str,
    grade: str,
    certificate_id: UUID | None,
    created: datetime | None,
    modified: datetime | None,
) -> Detail:
    """Build an imported certificate of the old logic, with the id and dates (UTC) that it gave it, if any."""
    content = {
        "learner_id": learner_id,
        "course_key": course_run,
        "status": status,
        "mode": mode,
        "grade": grade,
        "certificate_id": certificate_id and certificate_id.hex,
        "created": created and created.isoformat(),
        "modified": modified and modified.isoformat(),
    }
    return own(event, event_id, at, certificate=content)


def learner(
    event: Literal["learner.named", "learner.renamed", "learner.erased"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    **personal: str,
) -> Detail:
    """Build an event on the learner's personal data: `username` and `name`, none of them where it is erased."""
    return own(event, event_id, at, learner={"learner_id": learner_id, **personal})
