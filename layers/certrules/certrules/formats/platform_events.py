"""Open edX's public events that are read: a row for each, with its data, its reader and its export."""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.facts import Record
from certrules.core.terms import PERSON, Status, is_ccx, is_nothing, mode_of
from certrules.core.timeline import Entry
from certrules.formats.course_keys import is_course_key
from certrules.formats.event_form import (
    AttemptId,
    EntryBuilder,
    EventContent,
    EventType,
    Export,
    Instant,
    LearnerId,
    Required,
    ShortText,
    event_type,
    from_one_entry,
    is_set,
    is_unset,
)
from certrules.formats.id_verification_events import is_of_a_kind
from certrules.formats.stored import as_time

# --- data


class _User(Struct):
    id: LearnerId


class _Course(Struct):
    course_key: str


class _CcxCourse(Struct):
    ccx_course_key: str


class _Enrollment(Struct):
    user: _User
    course: _Course
    mode: Required
    is_active: bool


class _PassingStatus(Struct):
    user: _User
    course: _Course
    is_passing: bool


class _CcxPassingStatus(Struct):
    user: _User
    course: _CcxCourse
    is_passing: bool


class _GradeSummary(Struct):
    user_id: LearnerId
    course: _Course
    percent_grade: Annotated[float, Meta(ge=0)] | None = None
    letter_grade: ShortText | None = None
    passed_timestamp: Instant | None = None


class _IdvAttempt(Struct):
    attempt_id: AttemptId
    user: _User


class _ApprovedIdvAttempt(_IdvAttempt):
    expiration_date: Instant | None = None


class _ExamAttempt(Struct):
    student_user: _User
    course_key: str
    usage_key: Required


class _AccessRole(Struct):
    user: _User
    role: str
    course_key: str | None = None


class _OldCertificate(Struct):
    user: _User
    course: _Course
    mode: ShortText
    grade: ShortText
    current_status: Status
    download_url: str = ""


# --- read


def _enrolled(body: _Enrollment, builder: EntryBuilder) -> EventContent:
    value = Enrollment(builder.mode(body.mode, "mode"), body.is_active)
    course_run = builder.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (builder.entry(Fact.ENROLLMENT, value),))


def _passing(body: _PassingStatus, builder: EntryBuilder) -> EventContent:
    course_run = builder.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (builder.entry(Fact.PASSING, body.is_passing),))


def _ccx_passing(body: _CcxPassingStatus, builder: EntryBuilder) -> EventContent:
    course_run = builder.course_run(body.course.ccx_course_key, "course.ccx_course_key")
    return EventContent(body.user.id, course_run, (builder.entry(Fact.PASSING, body.is_passing),))


def _graded(body: _GradeSummary, builder: EntryBuilder) -> EventContent:
    """Read percent and letter. The core judges by the policy in force whether the letter means passed."""
    letter = (body.letter_grade or "").strip()
    letter = "" if is_nothing(letter) else letter
    value = Grade(body.percent_grade, letter, bool(letter) and body.passed_timestamp is not None)
    course_run = builder.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user_id, course_run, (builder.entry(Fact.GRADE, value),))


def _id_approved(body: _ApprovedIdvAttempt, builder: EntryBuilder) -> EventContent:
    value = Approval(builder.utc(body.expiration_date, "expiration_date") if body.expiration_date else None)
    return EventContent(body.user.id, None, (builder.entry(Fact.ID_VERIFICATION, value, str(body.attempt_id)),))


def _id_denied(body: _IdvAttempt, builder: EntryBuilder) -> EventContent:
    return EventContent(body.user.id, None, (builder.entry(Fact.ID_VERIFICATION, None, str(body.attempt_id)),))


def _exam(*, rejected: bool) -> Callable[[_ExamAttempt, EntryBuilder], EventContent]:
    def read(body: _ExamAttempt, builder: EntryBuilder) -> EventContent:
        course_run = builder.course_run(body.course_key, "course_key")
        entry = builder.entry(
            Fact.INVALIDATION, rejected, body.usage_key, notes="exam attempt rejected" if rejected else ""
        )
        return EventContent(body.student_user.id, course_run, (entry,))

    return read


def _role(*, added: bool) -> Callable[[_AccessRole, EntryBuilder], EventContent]:
    def read(body: _AccessRole, builder: EntryBuilder) -> EventContent:
        if body.role != "beta_testers":
            return EventContent(body.user.id, body.course_key if is_course_key(body.course_key or "") else None)
        course_run = builder.course_run(body.course_key or "", "course_key")
        return EventContent(body.user.id, course_run, (builder.entry(Fact.BETA_TESTER, added),))

    return read


def _old_certificate(body: _OldCertificate, builder: EntryBuilder) -> EventContent:
    from certrules.formats.certificate_ids import ids_in, last_part  # noqa: PLC0415 - only the old logic's events do

    last = last_part(body.download_url)
    plain = last.replace("-", "").lower()
    certificate_id = plain if ids_in(last) == (plain,) else ""  # a file's name has the id of a download
    value = Recorded(body.current_status, mode_of(body.mode), body.grade, certificate_id)
    course_run = builder.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (builder.entry(Fact.RECORDED, value),))


# --- write


def _user_data(record: Record) -> dict[str, Any]:
    """Return the platform's UserData, without personal data."""
    return {"id": record.learner_id, "is_active": True, "pii": {"username": "", "email": "", "name": ""}}


def _course_data(record: Record) -> dict[str, Any]:
    """Return the platform's CourseData, with the key alone."""
    return {"course_key": record.course_run, "display_name": "", "start": None, "end": None}


@from_one_entry
def _enrollment_data(record: Record, entry: Entry) -> dict[str, Any]:
    mode, active = entry.value
    return {"user": _user_data(record), "course": _course_data(record), "mode": mode, "is_active": active}


@from_one_entry
def _passing_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {"is_passing": entry.value, "user": _user_data(record), "course": _course_data(record)}


@from_one_entry
def _ccx_passing_data(record: Record, entry: Entry) -> dict[str, Any]:
    course = {"ccx_course_key": record.course_run}
    return {"is_passing": entry.value, "user": _user_data(record), "course": course}


@from_one_entry
def _grade_data(record: Record, entry: Entry) -> dict[str, Any]:
    percent, letter, has_passed_timestamp = entry.value
    return {
        "user_id": record.learner_id,
        "course": _course_data(record),
        "percent_grade": percent,
        "letter_grade": letter,
        "passed_timestamp": as_time(entry.at) if has_passed_timestamp else None,
    }


def _idv_attempt_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {"attempt_id": int(entry.subject), "user": _user_data(record)}


@from_one_entry
def _id_approved_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {**_idv_attempt_data(record, entry), "expiration_date": as_time(entry.value.expires_at)}


@from_one_entry
def _exam_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {"student_user": _user_data(record), "course_key": record.course_run, "usage_key": entry.subject}


@from_one_entry
def _beta_tester_data(record: Record, _entry: Entry) -> dict[str, Any]:
    return {"user": _user_data(record), "role": "beta_testers", "course_key": record.course_run, "org_key": ""}


def _is_numbered_approval(_record: Record, entry: Entry) -> bool:
    return not is_of_a_kind(entry) and bool(entry.value)


def _is_numbered_denial(_record: Record, entry: Entry) -> bool:
    return not is_of_a_kind(entry) and not entry.value


def _is_in_ccx(record: Record, _entry: Entry) -> bool:
    return is_ccx(record.course_run)


def _is_in_course_run(record: Record, _entry: Entry) -> bool:
    return not is_ccx(record.course_run)


def _is_rejection(_record: Record, entry: Entry) -> bool:
    return entry.subject != PERSON and bool(entry.value)


def _is_end_of_rejection(_record: Record, entry: Entry) -> bool:
    return entry.subject != PERSON and not entry.value


# --- rows

_EDX = "org.openedx.learning"

# fmt: off
ENROLLMENT_CREATED = event_type(
    f"{_EDX}.course.enrollment.created.v1", "enrollment", _Enrollment, _enrolled,
    "Enrolled, in this mode.",
)
ENROLLMENT_CHANGED = event_type(
    f"{_EDX}.course.enrollment.changed.v1", "enrollment", _Enrollment, _enrolled,
    "The enrollment has this mode now, and is active or not.",
    export=Export(Fact.ENROLLMENT, _enrollment_data),
)
UNENROLLMENT_COMPLETED = event_type(
    f"{_EDX}.course.unenrollment.completed.v1", "enrollment", _Enrollment, _enrolled,
    "Unenrolled: the enrollment stays, inactive.",
)
PASSING_UPDATED = event_type(
    f"{_EDX}.course.passing.status.updated.v1", "course_passing_status", _PassingStatus, _passing,
    "The learner passes, or fails, from now on.",
    export=Export(Fact.PASSING, _passing_data, _is_in_course_run),
)
CCX_PASSING_UPDATED = event_type(
    f"{_EDX}.ccx.course.passing.status.updated.v1", "course_passing_status", _CcxPassingStatus, _ccx_passing,
    "The learner passes, or fails, in a CCX from now on.",
    export=Export(Fact.PASSING, _ccx_passing_data, _is_in_ccx),
)
GRADE_CHANGED = event_type(
    f"{_EDX}.course.persistent_grade_summary.changed.v1", "grade", _GradeSummary, _graded,
    "Percent and letter. A letter that means passed by the policy counts from now on; none is evidence of failing.",
    export=Export(Fact.GRADE, _grade_data),
)
ID_APPROVED = event_type(
    f"{_EDX}.idv_attempt.approved.v1", "idv_attempt", _ApprovedIdvAttempt, _id_approved,
    "ID-verified from now to the expiration date (null: no end).",
    strict=("expiration_date",),
    export=Export(Fact.ID_VERIFICATION, _id_approved_data, _is_numbered_approval),
)
ID_DENIED = event_type(
    f"{_EDX}.idv_attempt.denied.v1", "idv_attempt", _IdvAttempt, _id_denied,
    "This attempt counts no more.",
    export=Export(Fact.ID_VERIFICATION, from_one_entry(_idv_attempt_data), _is_numbered_denial),
)
EXAM_REJECTED = event_type(
    f"{_EDX}.exam.attempt.rejected.v1", "exam_attempt", _ExamAttempt, _exam(rejected=True),
    "The exam invalidates the certificate, until the same exam is verified or reset.",
    export=Export(Fact.INVALIDATION, _exam_data, _is_rejection),
)
EXAM_VERIFIED = event_type(
    f"{_EDX}.exam.attempt.verified.v1", "exam_attempt", _ExamAttempt, _exam(rejected=False),
    "Lifts this exam's rejection.",
)
EXAM_RESET = event_type(
    f"{_EDX}.exam.attempt.reset.v1", "exam_attempt", _ExamAttempt, _exam(rejected=False),
    "Lifts this exam's rejection.",
    export=Export(Fact.INVALIDATION, _exam_data, _is_end_of_rejection),
)
BETA_TESTER_ADDED = event_type(
    f"{_EDX}.user.course_access_role.added.v1", "course_access_role_data", _AccessRole, _role(added=True),
    "Role `beta_testers`: a beta tester from now on. Other roles are ignored.",
    export=Export(Fact.BETA_TESTER, _beta_tester_data, is_set), strict=("course_key",),
)
BETA_TESTER_REMOVED = event_type(
    f"{_EDX}.user.course_access_role.removed.v1", "course_access_role_data", _AccessRole, _role(added=False),
    "Role `beta_testers`: no beta tester any more. Other roles are ignored.",
    export=Export(Fact.BETA_TESTER, _beta_tester_data, is_unset), strict=("course_key",),
)
OLD_CERTIFICATE_CREATED = event_type(
    f"{_EDX}.certificate.created.v1", "certificate", _OldCertificate, _old_certificate,
    "The old logic has a certificate of this status.",
)
OLD_CERTIFICATE_CHANGED = event_type(
    f"{_EDX}.certificate.changed.v1", "certificate", _OldCertificate, _old_certificate,
    "The old logic has a certificate of this status.",
)
OLD_CERTIFICATE_REVOKED = event_type(
    f"{_EDX}.certificate.revoked.v1", "certificate", _OldCertificate, _old_certificate,
    "The old logic has a certificate of this status; it takes nothing away here.",
)
# fmt: on

PLATFORM_EVENTS: tuple[EventType, ...] = (
    ENROLLMENT_CREATED,
    ENROLLMENT_CHANGED,
    UNENROLLMENT_COMPLETED,
    PASSING_UPDATED,
    CCX_PASSING_UPDATED,
    GRADE_CHANGED,
    ID_APPROVED,
    ID_DENIED,
    EXAM_REJECTED,
    EXAM_VERIFIED,
    EXAM_RESET,
    BETA_TESTER_ADDED,
    BETA_TESTER_REMOVED,
    OLD_CERTIFICATE_CREATED,
    OLD_CERTIFICATE_CHANGED,
    OLD_CERTIFICATE_REVOKED,
)
