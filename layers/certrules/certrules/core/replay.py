"""Replay: a record told from its first fact on becomes a certificate and the list of its transitions.

Facts change at the instants of their entries, when an ID verification runs out, and when the deployment's policy
or the rules change; a hold runs out by itself. At each of these instants, oldest first, the one decision is taken.
"""

from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from certrules.core.decision import Decision, Judgement, judge, judge_by
from certrules.core.facts import UNKNOWN_FACTS, CurrentFacts, Facts, Record, Recorded
from certrules.core.policy import Policies, Policy
from certrules.core.rules import EDITION_DATES, edition_at
from certrules.core.terms import PERSON, Cause, Fact, RevocationAction, Status, is_person
from certrules.core.timeline import Entry

_NONE: frozenset[str] = frozenset()
_ONLY_PERSON = frozenset({PERSON})
_NO_SUBJECT = frozenset({""})
_UNJUDGED = Judgement(_NONE, _NONE, None, None)


class Certificate(NamedTuple):
    """A certificate of whatever status."""

    status: Status
    mode: str  # the enrollment mode when the status was set
    grade: str  # percent as a fraction of one when the status was set, as the platform writes it; "" if unknown
    certificate_id: str = ""  # "" until it is saved
    issued_at: datetime | None = None  # UTC; None: never downloadable
    first_issued_at: datetime | None = None  # UTC


class Actor(NamedTuple):
    """Who brought something about ("" for the platform itself), and why."""

    by: str = ""
    reason: str = ""


class Transition(NamedTuple):
    """A certificate changed its status."""

    at: datetime  # UTC
    previous: Status | None
    certificate: Certificate  # as it was from then on
    cause: Cause
    actor: Actor
    decision: Decision

    @property
    def status(self) -> Status:
        """The status that the certificate got."""
        return self.certificate.status


class Pending(NamedTuple):
    """A revocation that has not taken effect."""

    cause: Cause
    since: datetime  # UTC
    due: datetime | None  # UTC; None: held until a person decides
    actor: Actor = Actor()


class Outcome(NamedTuple):
    """What a record amounts to at an instant."""

    certificate: Certificate | None
    transitions: tuple[Transition, ...]
    pending: Pending | None
    decision: Decision  # at the instant asked for
    next_change_at: datetime | None  # UTC; when the certificate will change though nothing new is heard

    @property
    def status(self) -> Status | None:
        """The certificate's status, None without a certificate."""
        return self.certificate.status if self.certificate else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why there is no downloadable certificate, as sorted codes; empty when there is one."""
        return () if self.status is Status.DOWNLOADABLE else tuple(sorted(self.decision.unmet))


def replay(record: Record, policies: Policies, until: datetime) -> Outcome:
    """Tell the record from its first fact up to and including `until` (UTC), and return what it amounts to."""
    return _Replay(record, policies).run(until)


def as_recorded(entry: Entry, before: Certificate | None) -> Certificate:
    """Return a certificate as the old logic records it, with the id and the dates from before where it names none."""
    recorded: Recorded = entry.value
    certificate_id, issued_at, first_issued_at = before[3:] if before else ("", None, None)
    if recorded.status is Status.DOWNLOADABLE:
        if (dated := recorded.modified or recorded.created) is not None:
            issued_at = dated
            first_issued_at = min(recorded.created or dated, dated)
        elif before is None or before.status is not Status.DOWNLOADABLE:
            issued_at = entry.at
            first_issued_at = first_issued_at or issued_at
    certificate_id = recorded.certificate_id or certificate_id
    return Certificate(recorded.status, recorded.mode, recorded.grade, certificate_id, issued_at, first_issued_at)


def _grade(facts: Facts) -> str:
    """Return the percent as the platform writes it; "" if unknown."""
    return "" if facts.percent is None else str(facts.percent)


def _calendar(policies: Policies) -> list[tuple[datetime, Policy | None]]:
    """Return when the policy or the rules (None) change, latest first. The first policy holds before its date, too."""
    if len(policies) == len(EDITION_DATES) == 1:
        return []
    changes: list[tuple[datetime, Policy | None]] = [
        *policies[1:],
        *((date, None) for date in EDITION_DATES[1:]),
    ]
    return sorted(changes, key=itemgetter(0), reverse=True)


class _Replay:
    """The certificate as it stands while the record is being told."""

    def __init__(self, record: Record, policies: Policies) -> None:
        self._timeline = record.timeline
        self._calendar = _calendar(policies)
        self._edition = 0  # of the rules: later ones are adopted as their time comes
        self._standing = CurrentFacts(record, policies[0][1])
        self._facts = UNKNOWN_FACTS
        self._judgement = _UNJUDGED
        self._told = 0, 0  # where in the timeline the entries of the instant begin and end
        self._certificate: Certificate | None = None
        self._transitions: list[Transition] = []
        self._held: Pending | None = None  # an automatic revocation that waits for its due time
        self._earned = False  # the certificate does not rest on the allowlist alone
        self._fell = False  # the grade fell since it became downloadable, whether or not that counted
        self._lost_passing = False  # ... and took effect: earned again, it gets a new date
        self._tolerated = _NONE  # invalidations that were active when the old logic recorded it as downloadable
        self._tolerated_since: datetime | None = None
        self._wake = self._next_wake()

    def run(self, until: datetime) -> Outcome:
        standing = self._standing
        timeline = self._timeline
        stop, count = 0, len(timeline)
        while stop < count and (instant := timeline[stop].at) <= until:
            if self._wake is not None and self._wake < instant:
                self._pass_time(instant)
            start = stop
            standing.tell(timeline[start])
            stop += 1
            while stop < count and timeline[stop].at == instant:
                standing.tell(timeline[stop])
                stop += 1
            if standing.changed or standing.recorded or standing.word or self._wake == instant:
                self._told = start, stop
                if self._calendar:
                    self._adopt_policy(instant)
                self._step(instant)
        self._pass_time(until, inclusive=True)
        self._facts = standing.at(until)  # nothing that is judged has changed since the last step
        if self._judgement is _UNJUDGED:
            self._judgement = judge(self._facts)
        return Outcome(
            self._certificate,
            tuple(self._transitions),
            self._held or self._contradiction(),
            Decision(self._facts, self._judgement.unmet, self._judgement.waived),
            self._wakes_at(),
        )

    # --- what happens without an entry

    def _pass_time(self, until: datetime, *, inclusive: bool = False) -> None:
        """Let happen what happens by itself before (or at) this instant: what is told there may still prevent it."""
        while (wake := self._wake) is not None and (wake < until or (inclusive and wake == until)):
            self._told = 0, 0
            self._adopt_policy(wake)
            self._step(wake)
            if self._held is not None and self._held.due == wake:
                self._let_go(self._held)

    def _next_wake(self) -> datetime | None:
        """Return the next instant at which something changes by itself: a hold, an ID verification, a policy."""
        wake = self._standing.verified_until
        if self._calendar and (wake is None or self._calendar[-1][0] < wake):
            wake = self._calendar[-1][0]
        if self._held is not None and self._held.due is not None and (wake is None or self._held.due < wake):
            wake = self._held.due
        return wake

    def _adopt_policy(self, instant: datetime) -> None:
        while self._calendar and self._calendar[-1][0] <= instant:
            policy = self._calendar.pop()[1]
            if policy is None:
                self._edition = edition_at(instant)
            else:
                self._standing.adopt(policy)

    def _wakes_at(self) -> datetime | None:
        """Return when the certificate or what is pending changes by itself: time passes until it does.

        The last thing that is asked of a replay: it stands in the future afterwards.
        """
        if self._held is None and self._is_downloadable() and not self._calendar:
            return None
        now = self._certificate, self._held
        while (wake := self._wake) is not None:
            self._pass_time(wake, inclusive=True)
            if (self._certificate, self._held) != now:
                return wake
        return None

    # --- what happens at an instant

    def _step(self, instant: datetime) -> None:
        """Decide once, now that all entries of the instant are told."""
        standing, before = self._standing, self._facts
        self._facts = facts = standing.at(instant)
        self._judgement = judge_by(self._edition, facts[2:])
        stood = self._is_downloadable()
        if standing.recorded is not None and (recorded := standing.take_recorded()) is not None:
            self._adopt_recorded(recorded)
        if stood:
            self._defend(before, facts)
        if standing.word is not None and (word := standing.take_word()) is not None and self._is_downloadable():
            self._heed(word)
        if not self._is_downloadable():
            self._award_or_label()
        elif not self._judgement.unmet:
            self._renew()
        self._wake = self._next_wake() if self._calendar or self._held is not None else standing.verified_until

    def _is_downloadable(self) -> bool:
        return self._certificate is not None and self._certificate.status is Status.DOWNLOADABLE

    def _award_or_label(self) -> None:
        judgement, certificate = self._judgement, self._certificate
        if judgement.unmet:
            status = judgement.label if certificate is None else judgement.label_if_exists
            if status is not None and (certificate is None or status is not certificate.status):
                self._set(status, Cause.LABELLED, self._actor())
                self._lost_passing = self._lost_passing or status is Status.NOTPASSING
            return
        instant = self._facts.as_of
        if certificate is None or certificate.first_issued_at is None:
            self._set(Status.DOWNLOADABLE, Cause.EARNED, self._actor(), (instant, instant))
        elif self._lost_passing:
            dates = (instant, certificate.first_issued_at)
            self._set(Status.DOWNLOADABLE, Cause.EARNED, self._actor(), dates)
        else:
            self._set(Status.DOWNLOADABLE, Cause.REINSTATED, self._actor())
        self._rest_on()

    def _renew(self) -> None:
        """Have an old certificate in a mode that earns none be one in the mode that now does; its id and dates stay."""
        facts, certificate = self._facts, self._certificate
        assert certificate is not None
        if certificate.mode not in facts.policy.eligible_modes:
            self._certificate = certificate._replace(mode=facts.mode or "", grade=_grade(facts))

    def _adopt_recorded(self, entry: Entry) -> None:
        """Start from a certificate of the old logic; what is downloadable here it can't take away."""
        recorded: Recorded = entry.value
        certificate = self._certificate
        told = as_recorded(entry, certificate)
        if certificate is not None and self._is_downloadable() and recorded.status is not Status.DOWNLOADABLE:
            self._certificate = certificate._replace(certificate_id=told.certificate_id)
            return
        self._certificate = told
        self._lost_passing = self._lost_passing or recorded.status is Status.NOTPASSING
        previous = certificate.status if certificate else None
        if previous is not recorded.status:
            actor = self._actor(Fact.RECORDED)
            self._tell(entry.at, previous, Cause.RECORDED, actor)
            if recorded.status is Status.DOWNLOADABLE:
                self._rest_on()
                self._tolerated = self._facts.invalidations
                self._tolerated_since = entry.at

    def _rest_on(self) -> None:
        """Note what a certificate that just became downloadable rests on."""
        self._earned = not self._judgement.waived
        self._fell = self._lost_passing = False
        self._tolerated = _NONE

    # --- what may take a downloadable certificate away

    def _defend(self, before: Facts, facts: Facts) -> None:
        """Apply the listed causes to a downloadable certificate, and nothing else."""
        self._fell = self._fell and not facts.passed
        self._earned = self._earned or not (self._judgement.unmet or self._judgement.waived)
        self._tolerated &= facts.invalidations

        fell = facts.passed is False and before.passed is not False
        invalidated = facts.invalidations - before.invalidations
        if facts.allowlisted:
            invalidated &= _ONLY_PERSON
        if invalidated:
            cause = Cause.INVALIDATED if PERSON in invalidated else Cause.EXAM_REJECTED
            by_whom = invalidated & _ONLY_PERSON or invalidated
            self._revoke(cause, self._actor(Fact.INVALIDATION, by_whom))
        elif facts.allowlisted:
            self._held = None
        elif before.allowlisted and not self._is_carried(facts):
            self._leave_allowlist(self._actor(Fact.ALLOWLIST))
        else:
            if self._held is not None and (
                not self._fell if self._held.cause is Cause.GRADE_FELL else self._is_carried(facts)
            ):
                self._held = None
            if fell and self._held is None:
                self._hold(Cause.GRADE_FELL, self._actor(Fact.PASSING))
        self._fell = self._fell or fell

    def _is_carried(self, facts: Facts) -> bool:
        """Whether the certificate stands without an allowlist entry."""
        return self._earned and not self._fell and facts.invalidations <= self._tolerated

    def _leave_allowlist(self, actor: Actor) -> None:
        if is_person(actor.by):
            self._revoke(Cause.ALLOWLIST_REMOVED, actor)
        else:
            self._hold(Cause.ALLOWLIST_REMOVED, actor)

    def _hold(self, cause: Cause, actor: Actor) -> None:
        facts = self._facts
        self._held = Pending(cause, facts.as_of, facts.as_of + facts.policy.hold, actor)

    def _let_go(self, held: Pending) -> None:
        """Let the revocation take effect that was held until now."""
        self._revoke(held.cause, held.actor)
        self._award_or_label()
        self._wake = self._next_wake()

    def _heed(self, word: Entry) -> None:
        """Do as was said of the revocation that is pending; a word on one that is not says nothing."""
        pending = self._held or self._contradiction()
        if pending is None or pending.cause != word.subject:
            return
        if word.value is RevocationAction.RELEASED:
            if is_person(word.by):
                self._revoke(pending.cause, Actor(word.by, word.notes))
        elif word.value is RevocationAction.DISCARDED:
            self._held = self._tolerated_since = None
            self._fell = False
        elif self._held is not None:
            self._held = self._held._replace(due=None)

    def _revoke(self, cause: Cause, actor: Actor) -> None:
        match cause:
            case Cause.GRADE_FELL:
                status = Status.NOTPASSING
            case Cause.ALLOWLIST_REMOVED:
                status = self._judgement.label_if_exists or Status.UNAVAILABLE
            case _:
                status = Status.UNAVAILABLE
        self._set(status, cause, actor)
        self._lost_passing = cause in {Cause.GRADE_FELL, Cause.ALLOWLIST_REMOVED}
        self._held = None
        self._tolerated = _NONE

    def _contradiction(self) -> Pending | None:
        """Return what is held because the old logic recorded a certificate as downloadable while invalidated."""
        contradicting = self._tolerated & _ONLY_PERSON if self._facts.allowlisted else self._tolerated
        if not contradicting or self._tolerated_since is None:
            return None
        return Pending(Cause.RECORDED_WHILE_INVALIDATED, self._tolerated_since, None)

    # --- setting it

    def _actor(self, fact: Fact | None = None, subjects: frozenset[str] = _NO_SUBJECT) -> Actor:
        """Return who last changed something at the instant: any fact, or this one on these subjects."""
        start, stop = self._told
        for position in range(stop - 1, start - 1, -1):
            entry = self._timeline[position]
            concerned = bool(entry.by) if fact is None else entry.fact is fact and entry.subject in subjects
            if concerned and not self._is_repeat(position):
                return Actor(entry.by, entry.notes)
        return Actor()

    def _is_repeat(self, position: int) -> bool:
        """Whether an entry of the timeline says what was said before: such a word changes nothing."""
        entry = self._timeline[position]
        for earlier in reversed(self._timeline[:position]):
            if earlier.fact is entry.fact and earlier.subject == entry.subject:
                return bool(earlier.value == entry.value)
        return False

    def _set(self, status: Status, cause: Cause, actor: Actor, dates: tuple[datetime, datetime] | None = None) -> None:
        """Give the certificate a status as of the facts; its id and dates stay unless new ones are given."""
        facts, old = self._facts, self._certificate
        issued_at, first_issued_at = dates or ((old.issued_at, old.first_issued_at) if old else (None, None))
        self._certificate = Certificate(
            status,
            facts.mode or "",
            _grade(facts),
            old.certificate_id if old else "",
            issued_at,
            first_issued_at,
        )
        self._tell(facts.as_of, old.status if old else None, cause, actor)

    def _tell(self, at: datetime, previous: Status | None, cause: Cause, actor: Actor) -> None:
        """Note that the certificate has got another status, and the decision by which it has."""
        assert self._certificate is not None
        decision = Decision(self._facts, self._judgement.unmet, self._judgement.waived)
        self._transitions.append(Transition(at, previous, self._certificate, cause, actor, decision))
