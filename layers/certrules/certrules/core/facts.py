"""The facts about one learner in one course run: as a record (all timelines), and as of an instant."""

from copy import copy
from datetime import datetime
from typing import Any, NamedTuple, assert_never

from certrules.core.fact_types import AFTER_PUBLICATION, Fact, Recorded
from certrules.core.instants import BEGINNING
from certrules.core.letters import means_passed
from certrules.core.policy import DEFAULT, Overrides, Policy, overridden
from certrules.core.terms import PERSON, is_ccx
from certrules.core.timeline import Entry, Timeline


class Record(NamedTuple):
    """All timelines of one learner in one course run as one: their own, their ID verification, the configuration."""

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
    """Return every invalidation in a timeline, oldest first; a repeated one counts once."""
    found: list[CertificateInvalidation] = []
    active: dict[str, int] = {}  # by exam (PERSON: a person's): where the active one stands in `found`
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
    """The facts at an instant. None is unknown: it makes nobody eligible and revokes nothing.

    The first two are for the certificate and the record. Rules look only at the others.
    """

    as_of: datetime  # UTC
    percent: float | None  # a fraction of one
    policy: Policy
    ccx: bool = False
    course_run_known: bool = False
    web_certificates: bool = True  # of the course run; the platform's own default
    mode: str | None = None  # None: no enrollment was received
    passed: bool | None = None
    id_verified: bool = False
    id_verification_expired: bool = False  # was verified, and that attempt has not been denied since
    beta_tester: bool = False
    allowlisted: bool = False
    invalidations: frozenset[str] = frozenset()  # PERSON and the usage keys of rejected exams


UNKNOWN_FACTS = Facts(BEGINNING, None, DEFAULT)
"""The facts before any entry."""

_POSITIONS = {field: position for position, field in enumerate(Facts._fields)}
_new_tuple = tuple.__new__  # Facts._make without its own cost: 5 % of a replay


class CurrentFacts:
    """The facts while the entries of a record are applied one after another."""

    __slots__ = (
        "_applied_record",
        "_approvals",
        "_letters",
        "_overrides",
        "_passed_before",
        "_passing",
        "_policy",
        "_values",
        "changed",
        "recorded",
        "revocation_actions",
        "verified_until",
    )

    def __init__(self, record: Record, policy: Policy) -> None:
        """Start before the first entry."""
        self.changed = False  # whether a fact that rules look at changed since the last call of `at`
        self._policy = policy
        self._overrides: Overrides | None = None
        self._approvals: dict[str, datetime | None] = {}  # by attempt: when it expires
        self._passing: bool | None = None  # the value of the last passing entry
        self._passed_before: bool | None = None  # as of the last instant, if no passing entry came since
        self._letters: frozenset[tuple[str, bool]] = frozenset()  # those that came after it, with their timestamp
        self._values: list[Any] = [*UNKNOWN_FACTS]  # in the order of the fields of Facts
        self._values[_POSITIONS["policy"]] = policy
        self._values[_POSITIONS["ccx"]] = is_ccx(record.course_run)
        self.recorded: Entry | None = None  # the last recorded certificate, until it is taken
        self._applied_record: Recorded | None = None  # the last one that was taken
        self.verified_until: datetime | None = None  # when (UTC) the ID verification expires
        self.revocation_actions: list[Entry] = []  # until they are taken

    def apply(self, entry: Entry) -> None:  # noqa: C901, PLR0912 - a branch for every fact
        """Apply one entry."""
        fact = entry.fact  # a chain of `is` takes 4 % less of a replay than `match` does
        if fact is Fact.PASSING:
            self._passing = self._passed_before = entry.value
            self._letters = frozenset()
            self._put("passed", entry.value)
        elif fact is Fact.GRADE:
            self._values[_POSITIONS["percent"]] = entry.value.percent
            if entry.value.letter:
                self._letters |= {entry.value[1:]}
                self._apply_letters()
        elif fact is Fact.COURSE_RUN:
            self._apply_setting(entry)
        elif fact is Fact.ENROLLMENT:
            self._put("mode", entry.value.mode)
        elif fact is Fact.ID_VERIFICATION:
            self._apply_id_verification(entry)
        elif fact is Fact.BETA_TESTER:
            self._put("beta_tester", entry.value)
        elif fact is Fact.ALLOWLIST:
            self._put("allowlisted", entry.value)
        elif fact is Fact.INVALIDATION:
            active: frozenset[str] = self._values[_POSITIONS["invalidations"]]
            self._put("invalidations", active | {entry.subject} if entry.value else active - {entry.subject})
        elif fact is Fact.RECORDED:
            self.recorded = self.recorded if entry.subject == AFTER_PUBLICATION else entry
        elif fact is Fact.REVOCATION:
            self.revocation_actions.append(entry)
        elif fact is Fact.DATE_OVERRIDE or fact is Fact.OLDER_GRADES:
            pass
        elif fact is Fact.AUTOMATIC_REVOCATIONS or fact is Fact.IGNORED_FIELD:
            pass  # no rule looks at them: they change the shown date, are applied by the breaker, or warn people
        else:
            assert_never(fact)

    def set_policy(self, policy: Policy) -> None:
        """Change the deployment's policy; what the course run overrides stays."""
        self._policy = policy
        self._put("policy", overridden(policy, self._overrides))
        self._apply_letters()

    def copy(self) -> "CurrentFacts":
        """Return the facts as they are; entries that are applied to the copy leave these alone."""
        copied = copy(self)
        copied._approvals = dict(self._approvals)  # noqa: SLF001 - of the same class
        copied._values = [*self._values]  # noqa: SLF001
        copied.revocation_actions = [*self.revocation_actions]
        return copied

    def at(self, instant: datetime) -> Facts:
        """Return the facts at this instant (UTC), which is not before the last entry."""
        if self.verified_until is not None and self.verified_until <= instant:
            self._verify(instant)
        self.changed = False
        self._values[0] = instant
        self._passed_before = self._values[_POSITIONS["passed"]]
        return _new_tuple(Facts, self._values)

    def take_recorded(self) -> Entry | None:
        """Return the recorded certificate once; None if it repeats the one before."""
        entry, self.recorded = self.recorded, None
        if entry is None or entry.value == self._applied_record:
            return None
        self._applied_record = entry.value
        return entry

    def take_revocation_actions(self) -> list[Entry]:
        """Return the actions on a pending revocation once, oldest first."""
        actions, self.revocation_actions = self.revocation_actions, []
        return actions

    def _put(self, field: str, value: object) -> None:
        position = _POSITIONS[field]
        if self._values[position] != value:
            self._values[position] = value
            self.changed = True

    def _apply_letters(self) -> None:
        """Judge the letters since the last passing entry by the policy in force; without evidence that entry counts.

        A letter that counted once counts until the next passing entry: a new policy judges no past.
        """
        known = self._values[_POSITIONS["policy"]].passing_letters
        passed = any(means_passed(letter, known, has_passed_timestamp=dated) for letter, dated in self._letters)
        self._put("passed", passed or self._passed_before or self._passing)

    def _apply_id_verification(self, entry: Entry) -> None:
        if entry.value is None:
            self._approvals.pop(entry.subject, None)
        else:
            self._approvals[entry.subject] = entry.value.expires_at
        self._verify(entry.at)

    def _verify(self, instant: datetime) -> None:
        """Work out whether any approval is unexpired at an instant, and until when."""
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
            self.changed = True  # the facts change at that instant, too
        self._put("id_verified", verified)
        self._put("id_verification_expired", bool(self._approvals) and not verified)

    def _apply_setting(self, entry: Entry) -> None:
        if entry.subject != "rollout":  # who decides is known of a course run before its settings are
            self._put("course_run_known", True)
        if entry.subject == "web_certificates_enabled":
            self._put("web_certificates", entry.value)
        elif entry.subject == "policy":
            self._overrides = entry.value
            self._put("policy", overridden(self._policy, self._overrides))
            self._apply_letters()
