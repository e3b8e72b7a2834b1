"""The event types that are taken in: their data, and the entries that they make."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.instants import BEGINNING
from certrules.core.policy import PolicyError, read_overrides
from certrules.core.terms import PERSON, Cause, RevocationAction, Status
from certrules.core.timeline import Entry
from certrules.formats.refusals import COURSE_KEY, Reason, RefusedError, checked_course_key, in_utc
from certrules.formats.table_rows import Observation

OWN_SOURCE = "course-certificates"
"""The source of the events that this service sends: it never takes them in."""


EVERYWHERE = ""
"""In the place of a course run: all of the deployment's."""


_CERTIFICATE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Name(NamedTuple):
    """Personal data of a learner, kept in one item that can be erased."""

    username: str
    name: str


class Message(NamedTuple):
    """What one event says."""

    event_id: str
    event_type: str
    at: datetime  # UTC: when it became true
    learner_id: int | None  # None: about the whole course run
    course_run: str | None  # None: about the learner in all course runs
    entries: tuple[Entry, ...] = ()
    name: Name | None = None  # of learner.named; learner.erased has none
    sent_at: datetime = BEGINNING  # UTC: the clock by which it is decided, see `decode`
    seen: tuple[Observation, ...] = ()  # of rows of tables rather than an event


_LearnerId = Annotated[int, Meta(ge=1, le=2**63 - 1)]


_AttemptId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


_Text = Annotated[str, Meta(max_length=2_000)]


_ShortText = Annotated[str, Meta(max_length=255)]


_Required = Annotated[str, Meta(min_length=1, max_length=255)]


Instant = Annotated[datetime, Meta(tz=True)]


class Metadata(Struct):
    """What every event says of itself, as far as it is looked at."""

    id: _Required
    event_type: _Required
    time: Instant
    minorversion: int = 0
    source: str = ""


class _User(Struct):
    id: _LearnerId


class _Course(Struct):
    course_key: str


class _CcxCourse(Struct):
    ccx_course_key: str


class _Enrollment(Struct):
    user: _User
    course: _Course
    mode: _Required
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
    user_id: _LearnerId
    course: _Course
    percent_grade: Annotated[float, Meta(ge=0, le=1)]
    letter_grade: _ShortText | None


class _IdvAttempt(Struct):
    attempt_id: _AttemptId
    user: _User


class _ApprovedIdvAttempt(_IdvAttempt):
    expiration_date: Instant | None = None


class _ExamAttempt(Struct):
    student_user: _User
    course_key: str
    usage_key: _Required


class _AccessRole(Struct):
    user: _User
    role: str
    course_key: str | None = None


class _OldCertificate(Struct):
    user: _User
    course: _Course
    mode: _ShortText
    grade: _ShortText
    current_status: Status
    download_url: str = ""


class _Act(Struct):
    learner_id: _LearnerId
    course_key: str
    by: _Text = ""
    notes: _Text = ""


class _Revocation(_Act, kw_only=True):
    cause: Cause


class _Switch(Struct):
    course_key: str | None
    by: _Text = ""
    notes: _Text = ""


class _DateOverride(_Act, kw_only=True):
    date: Instant


class _RecordedCertificate(Struct):
    learner_id: _LearnerId
    course_key: str
    status: Status
    mode: _ShortText | None = None
    grade: _ShortText | float | None = None
    certificate_id: _ShortText | None = None
    created: Instant | None = None
    modified: Instant | None = None


class _CourseRun(Struct):
    course_key: str
    web_certificates_enabled: bool | UnsetType = UNSET
    display_behavior: Literal["early_no_info", "end", "end_with_date"] | UnsetType | None = UNSET
    available_date: Instant | UnsetType | None = UNSET
    end: Instant | UnsetType | None = UNSET
    self_paced: bool | UnsetType = UNSET
    policy: Any = UNSET
    rollout: Literal["off", "shadow", "live"] | UnsetType = UNSET
    by: _Text = ""
    notes: _Text = ""


class _Named(Struct):
    learner_id: _LearnerId
    username: _ShortText
    name: _ShortText


class _Erased(Struct):
    learner_id: _LearnerId


class EventContent(NamedTuple):
    """About whom, and what."""

    learner_id: int | None
    course_run: str | None
    entries: tuple[Entry, ...] = ()
    name: Name | None = None


class EntryBuilder:
    """Makes entries of one event: all have its id and time."""

    def __init__(self, metadata: Metadata, key: str) -> None:
        self._at = in_utc(metadata.time, "metadata.time")
        self._id = metadata.id
        self._key = key

    def entry(self, fact: Fact, value: object, subject: str = "", by: str = "", notes: str = "") -> Entry:
        """Return an entry of this event."""
        return Entry(self._at, self._id, fact, subject, value, by, notes)

    def utc(self, instant: datetime, field: str) -> datetime:
        """Return an instant of this event in UTC. Raises RefusedError."""
        return in_utc(instant, f"{self._key}.{field}")

    def course_run(self, course_key: str, field: str) -> str:
        """Return the course run's key. Raises RefusedError if no course run can have it."""
        return checked_course_key(course_key, f"{self._key}.{field}")


def _enrolled(body: _Enrollment, say: EntryBuilder) -> EventContent:
    value = Enrollment(body.mode, body.is_active)
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (say.entry(Fact.ENROLLMENT, value),))


def _passing(body: _PassingStatus, say: EntryBuilder) -> EventContent:
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (say.entry(Fact.PASSING, body.is_passing),))


def _ccx_passing(body: _CcxPassingStatus, say: EntryBuilder) -> EventContent:
    course_run = say.course_run(body.course.ccx_course_key, "course.ccx_course_key")
    return EventContent(body.user.id, course_run, (say.entry(Fact.PASSING, body.is_passing),))


def implies_passing(letter: str) -> bool:
    """Tell whether a letter grade is a word on passing."""
    return bool(letter) and letter.casefold() not in {"f", "fail"}


def _graded(body: _GradeSummary, say: EntryBuilder) -> EventContent:
    """Take a letter for passed; none, or one that names failing, for no evidence of failing."""
    letter = (body.letter_grade or "").strip()
    entries = [say.entry(Fact.GRADE, Grade(body.percent_grade, letter))]
    if implies_passing(letter):
        entries.append(say.entry(Fact.PASSING, value=True))
    return EventContent(body.user_id, say.course_run(body.course.course_key, "course.course_key"), tuple(entries))


def _id_approved(body: _ApprovedIdvAttempt, say: EntryBuilder) -> EventContent:
    value = Approval(say.utc(body.expiration_date, "expiration_date") if body.expiration_date else None)
    return EventContent(body.user.id, None, (say.entry(Fact.ID_VERIFICATION, value, str(body.attempt_id)),))


def _id_denied(body: _IdvAttempt, say: EntryBuilder) -> EventContent:
    return EventContent(body.user.id, None, (say.entry(Fact.ID_VERIFICATION, None, str(body.attempt_id)),))


def _exam(*, rejected: bool) -> Callable[[_ExamAttempt, EntryBuilder], EventContent]:
    def read(body: _ExamAttempt, say: EntryBuilder) -> EventContent:
        course_run = say.course_run(body.course_key, "course_key")
        entry = say.entry(
            Fact.INVALIDATION, rejected, body.usage_key, notes="exam attempt rejected" if rejected else ""
        )
        return EventContent(body.student_user.id, course_run, (entry,))

    return read


def _role(*, added: bool) -> Callable[[_AccessRole, EntryBuilder], EventContent]:
    def read(body: _AccessRole, say: EntryBuilder) -> EventContent:
        if body.role != "beta_testers":
            return EventContent(body.user.id, body.course_key if COURSE_KEY.fullmatch(body.course_key or "") else None)
        course_run = say.course_run(body.course_key or "", "course_key")
        return EventContent(body.user.id, course_run, (say.entry(Fact.BETA_TESTER, added),))

    return read


def _old_certificate(body: _OldCertificate, say: EntryBuilder) -> EventContent:
    last = body.download_url.rstrip("/").rpartition("/")[2]
    certificate_id = last if _CERTIFICATE_ID.fullmatch(last) else ""
    value = Recorded(body.current_status, body.mode, body.grade, certificate_id)
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return EventContent(body.user.id, course_run, (say.entry(Fact.RECORDED, value),))


def _act(fact: Fact, *, value: object) -> Callable[[_Act, EntryBuilder], EventContent]:
    def read(body: _Act, say: EntryBuilder) -> EventContent:
        course_run = say.course_run(body.course_key, "course_key")
        return EventContent(body.learner_id, course_run, (say.entry(fact, value, PERSON, body.by, body.notes),))

    return read


def _revocation(word: RevocationAction) -> Callable[[_Revocation, EntryBuilder], EventContent]:
    def read(body: _Revocation, say: EntryBuilder) -> EventContent:
        course_run = say.course_run(body.course_key, "course_key")
        entry = say.entry(Fact.REVOCATION, word, body.cause, body.by, body.notes)
        return EventContent(body.learner_id, course_run, (entry,))

    return read


def _switch(*, on: bool) -> Callable[[_Switch, EntryBuilder], EventContent]:
    def read(body: _Switch, say: EntryBuilder) -> EventContent:
        course_run = EVERYWHERE if body.course_key is None else say.course_run(body.course_key, "course_key")
        return EventContent(None, course_run, (say.entry(Fact.AUTOMATIC_REVOCATIONS, on, "", body.by, body.notes),))

    return read


def _date_set(body: _DateOverride, say: EntryBuilder) -> EventContent:
    entry = say.entry(Fact.DATE_OVERRIDE, say.utc(body.date, "date"), "", body.by, body.notes)
    return EventContent(body.learner_id, say.course_run(body.course_key, "course_key"), (entry,))


def _requested(body: _Act, say: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, say.course_run(body.course_key, "course_key"))


def _recorded(body: _RecordedCertificate, say: EntryBuilder) -> EventContent:
    value = Recorded(
        body.status,
        body.mode or "",
        "" if body.grade is None else str(body.grade),
        body.certificate_id or "",
        say.utc(body.created, "created") if body.created else None,
        say.utc(body.modified, "modified") if body.modified else None,
    )
    return EventContent(
        body.learner_id, say.course_run(body.course_key, "course_key"), (say.entry(Fact.RECORDED, value),)
    )


def _configured(body: _CourseRun, say: EntryBuilder) -> EventContent:
    course_run = say.course_run(body.course_key, "course_key")
    entries = [say.entry(Fact.COURSE_RUN, value=True, by=body.by, notes=body.notes)]
    for setting in (
        "web_certificates_enabled",
        "display_behavior",
        "available_date",
        "end",
        "self_paced",
        "rollout",
    ):
        value = getattr(body, setting)
        if value is not UNSET:
            value = say.utc(value, setting) if isinstance(value, datetime) else value
            entries.append(say.entry(Fact.COURSE_RUN, value, setting, body.by, body.notes))
    if body.policy is not UNSET:
        try:
            policy = read_overrides(body.policy)
        except PolicyError as error:
            field, _, fix = str(error).partition(": ")
            raise RefusedError(Reason.BAD_VALUE, f"course_run.{field}", fix) from error
        entries.append(say.entry(Fact.COURSE_RUN, policy, "policy", body.by, body.notes))
    return EventContent(None, course_run, tuple(entries))


def _named(body: _Named, _say: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, None, (), Name(body.username, body.name))


def _erased(body: _Erased, _say: EntryBuilder) -> EventContent:
    return EventContent(body.learner_id, None)


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event that is taken in."""

    name: str
    key: str  # under which `detail` holds the data
    says: str  # for the docs
    decoder: msgspec.json.Decoder[Any]
    read: Callable[[Any, EntryBuilder], EventContent]


def _row(
    name: str, key: str, body: type[Struct], read: Callable[[Any, EntryBuilder], EventContent], says: str
) -> EventType:
    return EventType(name, key, says, msgspec.json.Decoder(body), read)


_EDX = "org.openedx.learning"


NAMED = "certificates.learner.named.v1"


ERASED = "certificates.learner.erased.v1"


REQUESTED = "certificates.generation.requested.v1"


EVENT_TYPES: Mapping[str, EventType] = {
    row.name: row
    for row in (
        _row(f"{_EDX}.course.enrollment.created.v1", "enrollment", _Enrollment, _enrolled, "Enrolled, in this mode."),
        _row(
            f"{_EDX}.course.enrollment.changed.v1", "enrollment", _Enrollment, _enrolled,
            "The enrollment has this mode now, and is active or not.",
        ),
        _row(
            f"{_EDX}.course.unenrollment.completed.v1", "enrollment", _Enrollment, _enrolled,
            "Unenrolled: the enrollment stays, inactive.",
        ),
        _row(
            f"{_EDX}.course.passing.status.updated.v1", "course_passing_status", _PassingStatus, _passing,
            "The word on passing: the learner passes, or fails, from now on.",
        ),
        _row(
            f"{_EDX}.ccx.course.passing.status.updated.v1", "course_passing_status", _CcxPassingStatus, _ccx_passing,
            "The word on passing in a CCX.",
        ),
        _row(
            f"{_EDX}.course.persistent_grade_summary.changed.v1", "grade", _GradeSummary, _graded,
            "Percent and letter. A letter means passed from now on; an empty one (or F) is no evidence of failing.",
        ),
        _row(
            f"{_EDX}.idv_attempt.approved.v1", "idv_attempt", _ApprovedIdvAttempt, _id_approved,
            "ID-verified from now to the expiration date (null: no end).",
        ),
        _row(f"{_EDX}.idv_attempt.denied.v1", "idv_attempt", _IdvAttempt, _id_denied, "This attempt counts no more."),
        _row(
            f"{_EDX}.exam.attempt.rejected.v1", "exam_attempt", _ExamAttempt, _exam(rejected=True),
            "The exam invalidates the certificate, until the same exam is verified or reset.",
        ),
        _row(
            f"{_EDX}.exam.attempt.verified.v1", "exam_attempt", _ExamAttempt, _exam(rejected=False),
            "Lifts this exam's rejection.",
        ),
        _row(
            f"{_EDX}.exam.attempt.reset.v1", "exam_attempt", _ExamAttempt, _exam(rejected=False),
            "Lifts this exam's rejection.",
        ),
        _row(
            f"{_EDX}.user.course_access_role.added.v1", "course_access_role_data", _AccessRole, _role(added=True),
            "Role `beta_testers`: a beta tester from now on. Other roles say nothing.",
        ),
        _row(
            f"{_EDX}.user.course_access_role.removed.v1", "course_access_role_data", _AccessRole, _role(added=False),
            "Role `beta_testers`: no beta tester any more. Other roles say nothing.",
        ),
        _row(
            f"{_EDX}.certificate.created.v1", "certificate", _OldCertificate, _old_certificate,
            "The old logic has a certificate of this status.",
        ),
        _row(
            f"{_EDX}.certificate.changed.v1", "certificate", _OldCertificate, _old_certificate,
            "The old logic has a certificate of this status.",
        ),
        _row(
            f"{_EDX}.certificate.revoked.v1", "certificate", _OldCertificate, _old_certificate,
            "The old logic has a certificate of this status; it takes nothing away here.",
        ),
        _row(
            "certificates.allowlist.entry.added.v1", "entry", _Act, _act(Fact.ALLOWLIST, value=True),
            "On the allowlist from now on.",
        ),
        _row(
            "certificates.allowlist.entry.removed.v1", "entry", _Act, _act(Fact.ALLOWLIST, value=False),
            "No longer on the allowlist.",
        ),
        _row(
            "certificates.invalidation.created.v1", "invalidation", _Act, _act(Fact.INVALIDATION, value=True),
            "Invalidated by a person from now on.",
        ),
        _row(
            "certificates.invalidation.lifted.v1", "invalidation", _Act, _act(Fact.INVALIDATION, value=False),
            "The person's invalidation is lifted.",
        ),
        _row(
            "certificates.date_override.set.v1", "override", _DateOverride, _date_set,
            "The certificate shows this date from now on.",
        ),
        _row(
            "certificates.date_override.removed.v1", "override", _Act, _act(Fact.DATE_OVERRIDE, value=None),
            "The certificate shows its own date again.",
        ),
        _row(
            "certificates.course_run.configured.v1", "course_run", _CourseRun, _configured,
            "The course run exists and has these settings; what is left out stays as it was.",
        ),
        _row(
            "certificates.revocation.held.v1", "revocation", _Revocation, _revocation(RevocationAction.HELD),
            "The pending revocation with this cause waits for a person, however long.",
        ),
        _row(
            "certificates.revocation.released.v1", "revocation", _Revocation, _revocation(RevocationAction.RELEASED),
            "A person lets the pending revocation with this cause take effect, now.",
        ),
        _row(
            "certificates.revocation.discarded.v1", "revocation", _Revocation, _revocation(RevocationAction.DISCARDED),
            "A person has the certificate stay: what is pending with this cause is forgotten.",
        ),
        _row(
            "certificates.automatic_revocations.stopped.v1", "switch", _Switch, _switch(on=False),
            "What would be revoked by itself is held, in the course run or (`course_key` null) everywhere.",
        ),
        _row(
            "certificates.automatic_revocations.resumed.v1", "switch", _Switch, _switch(on=True),
            "Automatic revocations take effect again; what was held meanwhile stays held.",
        ),
        _row(REQUESTED, "request", _Act, _requested, "Decide again; changes no fact."),
        _row(
            "certificates.recorded.v1", "certificate", _RecordedCertificate, _recorded,
            "The old logic has this certificate, with its id and dates.",
        ),
        _row(NAMED, "learner", _Named, _named, "The learner's name, for the certificate page; kept in one item."),
        _row(ERASED, "learner", _Erased, _erased, "The learner's name is erased."),
    )
}  # fmt: skip


KNOWN_STEMS = {name.rpartition(".v")[0] for name in EVENT_TYPES}
