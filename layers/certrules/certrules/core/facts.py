"""The facts about one learner in one course run: all that was ever heard (Record), and as of an instant (Facts)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from certrules.core.policy import DEFAULT, Overrides, Policy, overridden
from certrules.core.terms import PERSON, Fact, Status, is_ccx
from certrules.core.timeline import BEGINNING, Entry, Timeline


class Enrollment(NamedTuple):
    """The value of an enrollment entry."""

    mode: str
    active: bool


class Grade(NamedTuple):
    """The value of a grade entry. An empty letter is no evidence of failing."""

    percent: float  # 0 to 1
    letter: str


class Approval(NamedTuple):
    """The value of an approved ID verification attempt."""

    expires_at: datetime | None  # UTC; None: never


class Recorded(NamedTuple):
    """A certificate as the old logic had it."""

    status: Status
    mode: str
    grade: str  # as the platform writes it; "" if it has none
    certificate_id: str  # "" if it has none
    created: datetime | None = None  # UTC; None: an event said so, that carries no dates
    modified: datetime | None = None  # UTC: the date that the platform shows


@dataclass(frozen=True, slots=True)
class Record:
    """All timelines of one learner in one course run, as one: theirs in it, their ID verification, the run's own."""

    learner_id: int
    course_run: str
    timeline: Timeline = ()


class CertificateInvalidation(NamedTuple):
    """An invalidation of a learner's certificate in a course run, active or lifted."""

    exam: str  # the usage key of the exam whose attempt was rejected; PERSON if a person made it
    at: datetime  # UTC
    by: str
    notes: str
    lifted_at: datetime | None = None  # UTC; None: active
    lifted_by: str = ""


def invalidations(timeline: Timeline) -> tuple[CertificateInvalidation, ...]:
    """Return every invalidation that a timeline tells of, oldest first; a repeated one counts once."""
    found: list[CertificateInvalidation] = []
    active: dict[str, int] = {}  # where each exam's, or the person's, active one stands
    for entry in timeline:
        if entry.fact is not Fact.INVALIDATION:
            continue
        position = active.get(entry.subject)
        if entry.value and position is None:
            active[entry.subject] = len(found)
            found.append(CertificateInvalidation(entry.subject, entry.at, entry.by, entry.notes))
        elif not entry.value and position is not None:
            del active[entry.subject]
            found[position] = found[position]._replace(lifted_at=entry.at, lifted_by=entry.by)
    return tuple(found)


def active_by_person(timeline: Timeline) -> CertificateInvalidation | None:
    """Return the invalidation by a person that is active at the timeline's end, None if there is none."""
    found = (item for item in invalidations(timeline) if item.exam == PERSON and item.lifted_at is None)
    return next(found, None)


class Facts(NamedTuple):
    """What is true at an instant. None is unknown: it makes nobody eligible and revokes nothing.

    The first two are for the certificate and the record; rules look only at the others.
    """

    as_of: datetime  # UTC
    percent: float | None  # 0 to 1
    policy: Policy
    ccx: bool = False
    course_run_known: bool = False
    web_certificates: bool = True  # of the course run; the platform's own default
    mode: str | None = None  # None: no enrollment was ever heard of
    passed: bool | None = None
    id_verified: bool = False
    id_verification_expired: bool = False  # was verified, and that attempt has not been denied since
    beta_tester: bool = False
    allowlisted: bool = False
    invalidations: frozenset[str] = frozenset()  # PERSON and the usage keys of rejected exams


_new_tuple = tuple.__new__  # what Facts._make calls, without its detour
_FIELDS = {name: position for position, name in enumerate(Facts._fields)}
_AS_OF = _FIELDS["as_of"]
_PERCENT = _FIELDS["percent"]
_POLICY = _FIELDS["policy"]
_CCX = _FIELDS["ccx"]
_COURSE_RUN_KNOWN = _FIELDS["course_run_known"]
_WEB_CERTIFICATES = _FIELDS["web_certificates"]
_MODE = _FIELDS["mode"]
_PASSED = _FIELDS["passed"]
_ID_VERIFIED = _FIELDS["id_verified"]
_ID_VERIFICATION_EXPIRED = _FIELDS["id_verification_expired"]
_BETA_TESTER = _FIELDS["beta_tester"]
_ALLOWLISTED = _FIELDS["allowlisted"]
_INVALIDATIONS = _FIELDS["invalidations"]
UNKNOWN_FACTS = Facts(BEGINNING, None, DEFAULT)
"""What is true before anything is told."""


class CurrentFacts:
    """The facts as they stand while the entries of a record are told one after another."""

    __slots__ = (
        "_adopted",
        "_approvals",
        "_overrides",
        "_policy",
        "_values",
        "changed",
        "recorded",
        "verified_until",
        "word",
    )

    def __init__(self, record: Record, policy: Policy) -> None:
        """Start with nothing heard."""
        self._policy = policy
        self._overrides: Overrides | None = None
        self._approvals: dict[str, datetime | None] = {}
        self._values: list[Any] = [*UNKNOWN_FACTS]
        self._values[_POLICY] = policy
        self._values[_CCX] = is_ccx(record.course_run)
        self.changed = False  # whether a fact that rules look at changed since the last look
        self.recorded: Entry | None = None  # the old logic's certificate, if told since it was last taken
        self._adopted: Recorded | None = None  # as it was last taken
        self.verified_until: datetime | None = None  # when the ID verification runs out
        self.word: Entry | None = None  # on a pending revocation, if told since it was last taken

    def tell(self, entry: Entry) -> None:  # noqa: C901 - one branch a fact, the most frequent first
        """Take in one entry."""
        fact = entry.fact
        if fact is Fact.PASSING:
            self._put(_PASSED, entry.value)
        elif fact is Fact.GRADE:
            self._values[_PERCENT] = entry.value.percent
        elif fact is Fact.ENROLLMENT:
            self._put(_MODE, entry.value.mode)
        elif fact is Fact.ID_VERIFICATION:
            if entry.value is None:
                self._approvals.pop(entry.subject, None)
            else:
                self._approvals[entry.subject] = entry.value.expires_at
            self._verify(entry.at)
        elif fact is Fact.COURSE_RUN:
            self._configure(entry)
        elif fact is Fact.BETA_TESTER:
            self._put(_BETA_TESTER, entry.value)
        elif fact is Fact.ALLOWLIST:
            self._put(_ALLOWLISTED, entry.value)
        elif fact is Fact.INVALIDATION:
            active: frozenset[str] = self._values[_INVALIDATIONS]
            self._put(_INVALIDATIONS, active | {entry.subject} if entry.value else active - {entry.subject})
        elif fact is Fact.RECORDED:
            self.recorded = entry
        elif fact is Fact.REVOCATION:
            self.word = entry
        # Only the date that is shown depends on a date override; what stops automatic revocations has them held.

    def adopt(self, policy: Policy) -> None:
        """Take in that the deployment has another policy."""
        self._policy = policy
        self._put(_POLICY, overridden(policy, self._overrides))

    def at(self, instant: datetime) -> Facts:
        """Return the facts at this instant (UTC), not before any that was told."""
        if self.verified_until is not None and self.verified_until <= instant:
            self._verify(instant)
        self.changed = False
        self._values[_AS_OF] = instant
        return _new_tuple(Facts, self._values)

    def take_recorded(self) -> Entry | None:
        """Return the old logic's certificate if it changed since it was last taken; a repeat says nothing."""
        entry, self.recorded = self.recorded, None
        if entry is None or entry.value == self._adopted:
            return None
        self._adopted = entry.value
        return entry

    def take_word(self) -> Entry | None:
        """Return what was said of a pending revocation since it was last taken."""
        word, self.word = self.word, None
        return word

    def _put(self, position: int, value: object) -> None:
        if self._values[position] != value:
            self._values[position] = value
            self.changed = True

    def _verify(self, instant: datetime) -> None:
        ends: datetime | None = None
        verified = False
        for expires_at in self._approvals.values():
            if expires_at is None:
                verified, ends = True, None
                break
            if expires_at > instant:
                verified = True
                ends = expires_at if ends is None or expires_at > ends else ends
        if self.verified_until != ends:
            self.verified_until = ends
            self.changed = True  # for the end is an instant at which a fact changes
        self._put(_ID_VERIFIED, verified)
        self._put(_ID_VERIFICATION_EXPIRED, bool(self._approvals) and not verified)

    def _configure(self, entry: Entry) -> None:
        self._put(_COURSE_RUN_KNOWN, True)
        if entry.subject == "web_certificates_enabled":
            self._put(_WEB_CERTIFICATES, entry.value)
        elif entry.subject == "policy":
            self._overrides = entry.value
            self._put(_POLICY, overridden(self._policy, self._overrides))
