"""Events in: bytes become a message, strictly, or are refused with a reason that a machine can read.

The contract is Open edX's public events, and our own in the same form: `detail` holds `metadata` and, under a key
of the type's own, the data. What an event says beyond what decides a certificate is not looked at.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from certrules.core.facts import Approval, Enrollment, Grade, Recorded
from certrules.core.policy import PolicyError, read_overrides
from certrules.core.terms import PERSON, Cause, Fact, Status, Word
from certrules.core.timeline import BEGINNING, Entry
from certrules.formats.table_rows import Seen

OWN_SOURCE = "course-certificates"
"""The source of the events that this service sends: it never takes them in."""

MAX_BYTES = 64 * 1024
"""A body larger than this is no event of ours: the largest is some 2 KB."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the clock of a producer may be."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Before this, an event's time is a clock that was never set."""

_PIECE = r"[\w\-~.:]+"
_OLD_PIECE = r"[\w\-.%]+"
COURSE_KEY = re.compile(
    rf"course-v1:{_PIECE}\+{_PIECE}\+{_PIECE}"
    rf"|ccx-v1:{_PIECE}\+{_PIECE}\+{_PIECE}\+ccx@\d+"
    rf"|{_OLD_PIECE}/{_OLD_PIECE}/{_OLD_PIECE}"
)
"""Course runs of today, CCX, and the platform's old style (organization/course/run)."""

EVERYWHERE = ""
"""In the place of a course run: all of the deployment's."""

_CERTIFICATE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Reason(StrEnum):
    """Why an event was refused. Never renamed: parked messages, metrics and docs carry it."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    TYPE_MISMATCH = "type_mismatch"
    NAIVE_TIME = "naive_time"
    FUTURE_TIME = "future_time"
    BAD_COURSE_KEY = "bad_course_key"
    TIMELINE_FULL = "timeline_full"


class RefusedError(ValueError):
    """An event that can't be taken in as it is; a retry can't help. Names the field and the fix."""

    def __init__(self, reason: Reason, field: str, fix: str) -> None:
        """Refuse for a reason; `field` is its path within the event, "" for the whole."""
        super().__init__(f"{reason}: {field}: {fix}" if field else f"{reason}: {fix}")
        self.reason = reason
        self.field = _printable(field)
        self.fix = _printable(fix)

    def as_json(self) -> dict[str, str]:
        """Return the refusal for a parked message."""
        return {"reason": self.reason.value, "field": self.field, "fix": self.fix}


def _printable(text: str) -> str:
    """Escape what a queue doesn't take in an attribute, should it come from the event."""
    return text if text.isprintable() else ascii(text)[1:-1]


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
    seen: tuple[Seen, ...] = ()  # of rows of tables rather than an event


# --- the data of the events, as far as it decides anything

_LearnerId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_AttemptId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Text = Annotated[str, Meta(max_length=2_000)]
_Word = Annotated[str, Meta(max_length=255)]
_Required = Annotated[str, Meta(min_length=1, max_length=255)]
_Instant = Annotated[datetime, Meta(tz=True)]


class Metadata(Struct):
    """What every event says of itself, as far as it is looked at."""

    id: _Required
    event_type: _Required
    time: _Instant
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
    letter_grade: _Word | None


class _IdvAttempt(Struct):
    attempt_id: _AttemptId
    user: _User


class _ApprovedIdvAttempt(_IdvAttempt):
    expiration_date: _Instant | None = None


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
    mode: _Word
    grade: _Word
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
    date: _Instant


class _RecordedCertificate(Struct):
    learner_id: _LearnerId
    course_key: str
    status: Status
    mode: _Word | None = None
    grade: _Word | float | None = None
    certificate_id: _Word | None = None
    created: _Instant | None = None
    modified: _Instant | None = None


class _CourseRun(Struct):
    course_key: str
    web_certificates_enabled: bool | UnsetType = UNSET
    display_behavior: Literal["early_no_info", "end", "end_with_date"] | UnsetType | None = UNSET
    available_date: _Instant | UnsetType | None = UNSET
    end: _Instant | UnsetType | None = UNSET
    self_paced: bool | UnsetType = UNSET
    policy: Any = UNSET
    rollout: Literal["off", "shadow", "live"] | UnsetType = UNSET
    by: _Text = ""
    notes: _Text = ""


class _Named(Struct):
    learner_id: _LearnerId
    username: _Word
    name: _Word


class _Erased(Struct):
    learner_id: _LearnerId


# --- what they say, as entries


class _Said(NamedTuple):
    """About whom, and what."""

    learner_id: int | None
    course_run: str | None
    entries: tuple[Entry, ...] = ()
    name: Name | None = None


class _Sayer:
    """Makes entries of one event: all have its id and time."""

    def __init__(self, metadata: Metadata, key: str) -> None:
        self._at = _utc(metadata.time, "metadata.time")
        self._id = metadata.id
        self._key = key

    def entry(self, fact: Fact, value: object, subject: str = "", by: str = "", notes: str = "") -> Entry:
        return Entry(self._at, self._id, fact, subject, value, by, notes)

    def utc(self, instant: datetime, field: str) -> datetime:
        return _utc(instant, f"{self._key}.{field}")

    def course_run(self, course_key: str, field: str) -> str:
        return checked_course_key(course_key, f"{self._key}.{field}")


def checked_course_key(course_key: str, field: str) -> str:
    """Return the course-run key as it is. Raises RefusedError if no course run can have it."""
    if len(course_key) > 255 or COURSE_KEY.fullmatch(course_key) is None:
        fix = f"{course_key[:80]!r} is no key of a course run, such as course-v1:edX+DemoX+2026_T1"
        raise RefusedError(Reason.BAD_COURSE_KEY, field, fix)
    return course_key


def _enrolled(body: _Enrollment, say: _Sayer) -> _Said:
    value = Enrollment(body.mode, body.is_active)
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return _Said(body.user.id, course_run, (say.entry(Fact.ENROLLMENT, value),))


def _passing(body: _PassingStatus, say: _Sayer) -> _Said:
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return _Said(body.user.id, course_run, (say.entry(Fact.PASSING, body.is_passing),))


def _ccx_passing(body: _CcxPassingStatus, say: _Sayer) -> _Said:
    course_run = say.course_run(body.course.ccx_course_key, "course.ccx_course_key")
    return _Said(body.user.id, course_run, (say.entry(Fact.PASSING, body.is_passing),))


def implies_passing(letter: str) -> bool:
    """Tell whether a letter grade is a word on passing."""
    return bool(letter) and letter.casefold() not in {"f", "fail"}


def _graded(body: _GradeSummary, say: _Sayer) -> _Said:
    """Take a letter for passed; none, or one that names failing, for no evidence of failing."""
    letter = (body.letter_grade or "").strip()
    entries = [say.entry(Fact.GRADE, Grade(body.percent_grade, letter))]
    if implies_passing(letter):
        entries.append(say.entry(Fact.PASSING, value=True))
    return _Said(body.user_id, say.course_run(body.course.course_key, "course.course_key"), tuple(entries))


def _id_approved(body: _ApprovedIdvAttempt, say: _Sayer) -> _Said:
    value = Approval(say.utc(body.expiration_date, "expiration_date") if body.expiration_date else None)
    return _Said(body.user.id, None, (say.entry(Fact.ID_VERIFICATION, value, str(body.attempt_id)),))


def _id_denied(body: _IdvAttempt, say: _Sayer) -> _Said:
    return _Said(body.user.id, None, (say.entry(Fact.ID_VERIFICATION, None, str(body.attempt_id)),))


def _exam(*, rejected: bool) -> Callable[[_ExamAttempt, _Sayer], _Said]:
    def read(body: _ExamAttempt, say: _Sayer) -> _Said:
        course_run = say.course_run(body.course_key, "course_key")
        entry = say.entry(
            Fact.INVALIDATION, rejected, body.usage_key, notes="exam attempt rejected" if rejected else ""
        )
        return _Said(body.student_user.id, course_run, (entry,))

    return read


def _role(*, added: bool) -> Callable[[_AccessRole, _Sayer], _Said]:
    def read(body: _AccessRole, say: _Sayer) -> _Said:
        if body.role != "beta_testers":
            return _Said(body.user.id, body.course_key if COURSE_KEY.fullmatch(body.course_key or "") else None)
        course_run = say.course_run(body.course_key or "", "course_key")
        return _Said(body.user.id, course_run, (say.entry(Fact.BETA_TESTER, added),))

    return read


def _old_certificate(body: _OldCertificate, say: _Sayer) -> _Said:
    last = body.download_url.rstrip("/").rpartition("/")[2]
    certificate_id = last if _CERTIFICATE_ID.fullmatch(last) else ""
    value = Recorded(body.current_status, body.mode, body.grade, certificate_id)
    course_run = say.course_run(body.course.course_key, "course.course_key")
    return _Said(body.user.id, course_run, (say.entry(Fact.RECORDED, value),))


def _act(fact: Fact, *, value: object) -> Callable[[_Act, _Sayer], _Said]:
    def read(body: _Act, say: _Sayer) -> _Said:
        course_run = say.course_run(body.course_key, "course_key")
        return _Said(body.learner_id, course_run, (say.entry(fact, value, PERSON, body.by, body.notes),))

    return read


def _revocation(word: Word) -> Callable[[_Revocation, _Sayer], _Said]:
    def read(body: _Revocation, say: _Sayer) -> _Said:
        course_run = say.course_run(body.course_key, "course_key")
        entry = say.entry(Fact.REVOCATION, word, body.cause, body.by, body.notes)
        return _Said(body.learner_id, course_run, (entry,))

    return read


def _switch(*, on: bool) -> Callable[[_Switch, _Sayer], _Said]:
    def read(body: _Switch, say: _Sayer) -> _Said:
        course_run = EVERYWHERE if body.course_key is None else say.course_run(body.course_key, "course_key")
        return _Said(None, course_run, (say.entry(Fact.AUTOMATIC_REVOCATIONS, on, "", body.by, body.notes),))

    return read


def _date_set(body: _DateOverride, say: _Sayer) -> _Said:
    entry = say.entry(Fact.DATE_OVERRIDE, say.utc(body.date, "date"), "", body.by, body.notes)
    return _Said(body.learner_id, say.course_run(body.course_key, "course_key"), (entry,))


def _requested(body: _Act, say: _Sayer) -> _Said:
    return _Said(body.learner_id, say.course_run(body.course_key, "course_key"))


def _recorded(body: _RecordedCertificate, say: _Sayer) -> _Said:
    value = Recorded(
        body.status,
        body.mode or "",
        "" if body.grade is None else str(body.grade),
        body.certificate_id or "",
        say.utc(body.created, "created") if body.created else None,
        say.utc(body.modified, "modified") if body.modified else None,
    )
    return _Said(body.learner_id, say.course_run(body.course_key, "course_key"), (say.entry(Fact.RECORDED, value),))


def _configured(body: _CourseRun, say: _Sayer) -> _Said:
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
    return _Said(None, course_run, tuple(entries))


def _named(body: _Named, _say: _Sayer) -> _Said:
    return _Said(body.learner_id, None, (), Name(body.username, body.name))


def _erased(body: _Erased, _say: _Sayer) -> _Said:
    return _Said(body.learner_id, None)


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event that is taken in."""

    name: str
    key: str  # under which `detail` holds the data
    says: str  # for the docs
    decoder: msgspec.json.Decoder[Any]
    read: Callable[[Any, _Sayer], _Said]


def _row(name: str, key: str, body: type[Struct], read: Callable[[Any, _Sayer], _Said], says: str) -> EventType:
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
            "certificates.revocation.held.v1", "revocation", _Revocation, _revocation(Word.HELD),
            "The pending revocation with this cause waits for a person, however long.",
        ),
        _row(
            "certificates.revocation.released.v1", "revocation", _Revocation, _revocation(Word.RELEASED),
            "A person lets the pending revocation with this cause take effect, now.",
        ),
        _row(
            "certificates.revocation.discarded.v1", "revocation", _Revocation, _revocation(Word.DISCARDED),
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
_KNOWN_STEMS = {name.rpartition(".v")[0] for name in EVENT_TYPES}


class _Envelope(Struct):
    detail_type: str = msgspec.field(name="detail-type")
    source: str
    detail: msgspec.Raw
    time: _Instant | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_metadata = msgspec.json.Decoder(Metadata).decode


def decode(body: bytes | str, received_at: datetime) -> Message | None:
    """Read one event: an EventBridge envelope, or only its `detail`.

    Returns None for an event that this service sent itself. Raises RefusedError for everything that can't be
    taken in: it is to be parked. `received_at` (UTC) is the clock by which a time is in the future.

    A message says when it was sent, and is decided as of then, however long it waited in a queue: so a hold does
    not run out while the passing grade that ends it waits behind the failing one. That is the envelope's time; of
    a bare request to decide again, its own; of any other bare detail, `received_at`.
    """
    with _Refusing(""):
        text = body if isinstance(body, str) else body.decode()
        raw = text.encode()  # UTF-8 throughout, where nothing is read too
    if len(raw) > MAX_BYTES:
        raise RefusedError(Reason.TOO_LARGE, "", f"{len(raw)} bytes; an event has at most {MAX_BYTES}")
    with _Refusing(""):
        parts = _decode_object(raw)
        if "metadata" in parts:
            return _read(parts, None, received_at)
        envelope = _decode_envelope(raw)
    if envelope.source == OWN_SOURCE:
        return None
    with _Refusing("detail"):
        detail = _decode_object(envelope.detail)
    return _read(detail, envelope, received_at)


def _read(detail: Mapping[str, msgspec.Raw], envelope: _Envelope | None, received_at: datetime) -> Message | None:
    if "metadata" not in detail:
        raise RefusedError(Reason.MISSING_FIELD, "metadata", "an event has `metadata` beside its data")
    with _Refusing("metadata"):
        metadata = _decode_metadata(detail["metadata"])
    at = _utc(metadata.time, "metadata.time")
    if metadata.source == OWN_SOURCE:
        return None
    name = metadata.event_type
    if envelope is not None and envelope.detail_type != name:
        fix = f"{name!r}, but the envelope's detail-type is {envelope.detail_type!r}: they must be the same"
        raise RefusedError(Reason.TYPE_MISMATCH, "metadata.event_type", fix)
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        if name.rpartition(".v")[0] in _KNOWN_STEMS:
            fix = f"{name!r}: this version is not known; v1 is"
            raise RefusedError(Reason.UNKNOWN_VERSION, "metadata.event_type", fix)
        raise RefusedError(Reason.UNKNOWN_TYPE, "metadata.event_type", f"{name!r} is not taken in, see docs/events.md")
    if at > received_at + CLOCK_SKEW:
        fix = f"{at.isoformat()} is in the future; it was {received_at.isoformat()} when the event was read"
        raise RefusedError(Reason.FUTURE_TIME, "metadata.time", fix)
    if at < EARLIEST:
        fix = f"{at.isoformat()} is before {EARLIEST:%Y}; it is to be when the fact became true"
        raise RefusedError(Reason.BAD_VALUE, "metadata.time", fix)
    if event_type.key not in detail:
        raise RefusedError(Reason.MISSING_FIELD, event_type.key, f"the data of {name} stands under this key")
    with _Refusing(event_type.key):
        said = event_type.read(event_type.decoder.decode(detail[event_type.key]), _Sayer(metadata, event_type.key))
    if envelope is not None and envelope.time is not None:
        sent_at = _utc(envelope.time, "time")
    else:
        sent_at = at if name == REQUESTED else received_at
    return Message(metadata.id, name, at, *said, sent_at=min(sent_at, received_at))


class _Refusing:
    """Turns what the decoder says into a refusal that names the field."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, msgspec.ValidationError):
            raise _refusal(self._field, str(error)) from error
        if isinstance(error, (msgspec.DecodeError, UnicodeError, RecursionError)):
            raise RefusedError(Reason.NOT_JSON, self._field, str(error)) from error


_SAYINGS = (
    ("Object missing required field", Reason.MISSING_FIELD),
    ("Expected `datetime` with a timezone", Reason.NAIVE_TIME),
    ("Invalid", Reason.BAD_VALUE),
    ("Integer value out of range", Reason.BAD_VALUE),
    ("Number out of range", Reason.BAD_VALUE),
    ("Expected `str` of length", Reason.BAD_VALUE),
    ("Expected `int` >", Reason.BAD_VALUE),
    ("Expected `int` <", Reason.BAD_VALUE),
    ("Expected `float` >", Reason.BAD_VALUE),
    ("Expected `float` <", Reason.BAD_VALUE),
)


def _refusal(prefix: str, saying: str) -> RefusedError:
    """Return the refusal for a decoder's saying, such as "Expected `int`, got `str` - at `$.user.id`"."""
    fix, _, path = saying.partition(" - at `$")
    reason = next((reason for start, reason in _SAYINGS if fix.startswith(start)), Reason.WRONG_TYPE)
    field = path.rstrip("`").partition("[")[0]
    if reason is Reason.MISSING_FIELD:
        field += "." + fix.split("`")[1]
    return RefusedError(reason, (prefix + field).strip("."), fix)


def _utc(instant: datetime, field: str) -> datetime:
    try:
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    except OverflowError as error:
        raise RefusedError(Reason.BAD_VALUE, field, "a time that can't be expressed in UTC") from error
