"""Replay: the entries of a record, applied from the first on, give a certificate and its transitions.

Facts change at the instants of entries, when an ID verification expires, and when the deployment's policy or the rules
change; and a hold ends. At each of these instants, oldest first, the decision is made once.
"""

from datetime import datetime
from operator import itemgetter

from certrules.core.certificate import Certificate, Outcome, Pending, Transition, as_recorded
from certrules.core.decision import Decision, Judgement, judge, judge_by
from certrules.core.fact_types import Fact, Recorded
from certrules.core.facts import UNKNOWN_FACTS, CurrentFacts, Facts, Record
from certrules.core.policy import Policies, Policy
from certrules.core.rules import RULEBOOK, Edition, Rulebook
from certrules.core.terms import PERSON, Actor, Cause, RevocationAction, Status, is_person
from certrules.core.timeline import Entry

_NONE: frozenset[str] = frozenset()
_ONLY_PERSON = frozenset({PERSON})
_NO_SUBJECT = frozenset({""})
_UNJUDGED = Judgement(_NONE, _NONE, None, None)


def replay(record: Record, policies: Policies, until: datetime, rulebook: Rulebook = RULEBOOK) -> Outcome:
    """Apply the record's entries up to and including `until` (UTC), by the policies and rules in force at each."""
    return _Replay(record, policies, rulebook).run(until)


def _grade(facts: Facts) -> str:
    """Return the percent as the platform writes it; "" if unknown."""
    return "" if facts.percent is None else str(facts.percent)


type _Calendar = list[tuple[datetime, Policy | Edition]]


def _calendar(policies: Policies, rulebook: Rulebook) -> _Calendar:
    """Return when the policy or the rules change, latest first. The first of each hold before their dates, too."""
    if len(policies) == len(rulebook.editions) == 1:
        return []
    changes: _Calendar = [*policies[1:], *((edition.since, edition) for edition in rulebook.editions[1:])]
    return sorted(changes, key=itemgetter(0), reverse=True)


class _Replay:
    """The certificate while the entries of a record are applied."""

    def __init__(self, record: Record, policies: Policies, rulebook: Rulebook) -> None:
        self._timeline = record.timeline
        self._calendar = _calendar(policies, rulebook)  # the changes that are still ahead
        self._edition = rulebook.editions[0]
        self._current = CurrentFacts(record, policies[0][1])
        self._facts = UNKNOWN_FACTS
        self._judgement = _UNJUDGED
        self._applied = 0, 0  # from where to where in the timeline the entries of this instant are
        self._certificate: Certificate | None = None
        self._transitions: list[Transition] = []
        self._graded_at: datetime | None = None  # from when the certificate's grade is
        self._pending: Pending | None = None  # an automatic revocation
        self._is_earned = False  # the certificate does not rest on the allowlist alone
        self._grade_fell = False  # and the learner has not passed since
        self._passing_lost = False  # the fall of the grade cost the certificate: earned again, it gets a new date
        self._loss_due: datetime | None = None  # when a fall costs a certificate that is not downloadable
        self._held: dict[Cause, datetime] = {}  # contradictions that wait for a person, and since when
        self._contradicting = _NONE  # invalidations that were active when it was recorded as downloadable
        self._next_change = self._next_automatic_change()

    def run(self, until: datetime) -> Outcome:
        current = self._current
        timeline = self._timeline
        stop, count = 0, len(timeline)
        while stop < count and (instant := timeline[stop].at) <= until:
            if self._next_change is not None and self._next_change < instant:
                self._advance(instant)
            start = stop
            current.apply(timeline[start])
            stop += 1
            while stop < count and timeline[stop].at == instant:
                current.apply(timeline[stop])
                stop += 1
            if current.changed or current.recorded or current.revocation_actions or self._next_change == instant:
                self._applied = start, stop
                if self._calendar:
                    self._apply_calendar(instant)
                self._decide(instant)
        self._advance(until, inclusive=True)
        self._facts = current.at(until)  # no fact that rules look at has changed since the last decision
        if self._judgement is _UNJUDGED:
            self._judgement = judge(self._facts, self._edition)
        return Outcome(
            self._certificate,
            tuple(self._transitions),
            self._pending or next(iter(self._contradictions()), None),
            Decision(self._facts, self._judgement, self._edition),
            self._graded_at,
            self._next_change_at(),
        )

    # --- changes without an entry

    def _advance(self, until: datetime, *, inclusive: bool = False) -> None:
        """Apply every end of a hold, expiry of an ID verification and change of policy or rules before `until`.

        With `inclusive`, those at `until` as well. Without it they wait, since an entry of that instant may come first.
        """
        while (at := self._next_change) is not None and (at < until or (inclusive and at == until)):
            self._applied = 0, 0
            self._apply_calendar(at)
            self._decide(at)
            if self._pending is not None and self._pending.due == at:
                self._end_hold(self._pending)

    def _next_automatic_change(self) -> datetime | None:
        """Return the next instant at which a hold or an ID verification ends, or policy or rules change."""
        at = self._current.verified_until
        if self._calendar and (at is None or self._calendar[-1][0] < at):
            at = self._calendar[-1][0]
        for due in (self._pending and self._pending.due, self._loss_due):
            if due is not None and (at is None or due < at):
                at = due
        return at

    def _apply_calendar(self, instant: datetime) -> None:
        """Apply the changes of policy and rules up to and including an instant."""
        while self._calendar and self._calendar[-1][0] <= instant:
            change = self._calendar.pop()[1]
            if isinstance(change, Edition):
                self._edition = change
            else:
                self._current.set_policy(change)

    def _next_change_at(self) -> datetime | None:
        """Return when the certificate or the pending revocation changes without an entry.

        This advances the replay into the future, so it comes last.
        """
        if self._pending is None and self._is_downloadable() and not self._calendar:
            return None
        now = self._certificate, self._pending
        while (at := self._next_change) is not None:
            self._advance(at, inclusive=True)
            if (self._certificate, self._pending) != now:
                return at
        return None

    # --- the decision at an instant

    def _decide(self, instant: datetime) -> None:
        """Decide once, after all entries of the instant are applied."""
        current, before, unmet = self._current, self._facts, self._judgement.unmet
        self._facts = facts = current.at(instant)
        self._judgement = judge_by(self._edition, facts[2:])
        certificate = self._certificate
        was_downloadable = self._is_downloadable()
        if not was_downloadable and before.passed is not facts.passed:
            self._grade_fell = before.passed is True
        if current.recorded is not None and (recorded := current.take_recorded()) is not None:
            self._apply_recorded(recorded)
        if was_downloadable:
            self._apply_revoking_facts(before, facts)
        if current.revocation_actions:
            for action in current.take_revocation_actions():
                if self._is_downloadable():
                    self._apply_action(action)
        if not self._is_downloadable():
            self._award_or_label(may_label=self._judgement.unmet != unmet or self._certificate is not certificate)
            self._apply_loss()
        elif not self._judgement.unmet:
            self._update_mode()
        calls_for_more = self._calendar or self._pending is not None or self._loss_due is not None
        self._next_change = self._next_automatic_change() if calls_for_more else current.verified_until

    def _is_downloadable(self) -> bool:
        return self._certificate is not None and self._certificate.status is Status.DOWNLOADABLE

    def _award_or_label(self, *, may_label: bool) -> None:
        """Award the certificate; or label it, if the unmet rules or the certificate changed at this instant."""
        judgement, certificate = self._judgement, self._certificate
        if judgement.unmet:
            status = judgement.label if certificate is None else judgement.label_if_exists
            if may_label and status is not None and (certificate is None or status is not certificate.status):
                self._set(status, Cause.LABELLED, self._actor())
            return
        instant = self._facts.as_of
        if certificate is None or certificate.first_issued_at is None:
            self._set(Status.DOWNLOADABLE, Cause.EARNED, self._actor(), (instant, instant))
        elif self._passing_lost:
            dates = (instant, certificate.first_issued_at)
            self._set(Status.DOWNLOADABLE, Cause.EARNED, self._actor(), dates)
        else:
            self._set(Status.DOWNLOADABLE, Cause.REINSTATED, self._actor())
        self._start_downloadable()
        self._grade_fell = self._grade_fell and not self._facts.passed

    def _apply_loss(self) -> None:
        """Give a certificate a new date when it is earned again, if the fall of the grade cost it.

        A grade that falls while something else stands against the certificate costs it only if it stays failing for a
        hold once nothing else does.
        """
        certificate = self._certificate
        is_failing_alone = self._judgement.label_if_exists is Status.NOTPASSING
        if certificate is None or certificate.first_issued_at is None or not (self._grade_fell and is_failing_alone):
            self._loss_due = None
        elif self._loss_due is None:
            self._loss_due = None if self._passing_lost else self._facts.as_of + self._facts.policy.hold
        if self._loss_due is not None and self._loss_due <= self._facts.as_of:
            self._passing_lost, self._loss_due = True, None

    def _update_mode(self) -> None:
        """Give a certificate whose mode earns none the learner's mode, which now does; its id and dates stay."""
        facts, certificate = self._facts, self._certificate
        assert certificate is not None
        if certificate.mode not in facts.policy.eligible_modes:
            self._certificate = certificate._replace(mode=facts.mode or "", grade=_grade(facts))
            self._graded_at = facts.as_of

    def _apply_recorded(self, entry: Entry) -> None:
        """Start from a certificate of the old logic. It can't revoke one that is downloadable here."""
        recorded: Recorded = entry.value
        certificate = self._certificate
        theirs = as_recorded(entry, certificate)
        if certificate is not None and self._is_downloadable() and recorded.status is not Status.DOWNLOADABLE:
            self._certificate = certificate._replace(certificate_id=theirs.certificate_id)
            return
        self._certificate, self._graded_at = theirs, None
        self._passing_lost = self._passing_lost or recorded.status is Status.NOTPASSING
        previous = certificate.status if certificate else None
        if previous is not recorded.status:
            actor = self._actor(Fact.RECORDED)
            self._add_transition(entry.at, previous, Cause.RECORDED, actor)
            if recorded.status is Status.DOWNLOADABLE:
                self._start_downloadable()
                self._grade_fell = False
                self._contradicting = self._facts.invalidations
                self._held[Cause.RECORDED_WHILE_INVALIDATED] = entry.at

    def _start_downloadable(self) -> None:
        """Record on what a certificate rests that just became downloadable."""
        self._is_earned = not self._judgement.waived
        self._passing_lost, self._loss_due = False, None
        self._contradicting = _NONE
        self._held.clear()

    # --- revocation of a downloadable certificate

    def _apply_revoking_facts(self, before: Facts, facts: Facts) -> None:
        """Revoke a downloadable certificate, or hold its revocation, for one of the listed causes and no other."""
        self._grade_fell = self._grade_fell and not facts.passed
        self._is_earned = self._is_earned or not (self._judgement.unmet or self._judgement.waived)
        self._contradicting &= facts.invalidations

        fell = facts.passed is False and before.passed is True
        if facts.passed:
            self._held.pop(Cause.NEVER_PASSED, None)
        elif facts.passed is False and before.passed is None:
            self._held[Cause.NEVER_PASSED] = facts.as_of
        invalidated = facts.invalidations - before.invalidations
        if facts.allowlisted:
            invalidated &= _ONLY_PERSON
        if invalidated:
            cause = Cause.INVALIDATED if PERSON in invalidated else Cause.EXAM_REJECTED
            subjects = invalidated & _ONLY_PERSON or invalidated
            self._revoke(cause, self._actor(Fact.INVALIDATION, subjects))
        elif facts.allowlisted:
            self._pending = None
        elif before.allowlisted and not self._stands_without_allowlist(facts):
            self._remove_from_allowlist(self._actor(Fact.ALLOWLIST))
        else:
            if self._pending is not None and (
                not self._grade_fell
                if self._pending.cause is Cause.GRADE_FELL
                else self._stands_without_allowlist(facts)
            ):
                self._pending = None
            if fell and self._pending is None:
                self._hold(Cause.GRADE_FELL, self._actor(Fact.PASSING))
        self._grade_fell = self._grade_fell or fell

    def _stands_without_allowlist(self, facts: Facts) -> bool:
        """Whether the certificate stands without an allowlist entry."""
        return self._is_earned and not self._grade_fell and facts.invalidations <= self._contradicting

    def _remove_from_allowlist(self, actor: Actor) -> None:
        if is_person(actor.by):
            self._revoke(Cause.ALLOWLIST_REMOVED, actor)
        else:
            self._hold(Cause.ALLOWLIST_REMOVED, actor)

    def _hold(self, cause: Cause, actor: Actor) -> None:
        facts = self._facts
        self._pending = Pending(cause, facts.as_of, facts.as_of + facts.policy.hold, actor)

    def _end_hold(self, pending: Pending) -> None:
        """Revoke the certificate at the end of a hold."""
        self._revoke(pending.cause, pending.actor)
        self._award_or_label(may_label=True)
        self._apply_loss()
        self._next_change = self._next_automatic_change()

    def _apply_action(self, action: Entry) -> None:
        """Apply an action (release, discard, hold) to the pending revocation; ignore it if its cause is not pending."""
        if action.subject == Cause.LATE_ENTRY and action.value is RevocationAction.HELD:
            self._held.setdefault(Cause.LATE_ENTRY, action.at)
            return
        waiting = [self._pending, *self._contradictions()]
        pending = next((item for item in waiting if item is not None and item.cause == action.subject), None)
        if pending is None:
            return
        if action.value is RevocationAction.RELEASED:
            if is_person(action.by):
                self._revoke(pending.cause, Actor(action.by, action.notes))
        elif action.value is RevocationAction.DISCARDED:
            self._held.pop(pending.cause, None)
            if pending is self._pending:
                self._pending = None
                self._grade_fell = False
        elif pending is self._pending:
            self._pending = pending._replace(due=None)

    def _revoke(self, cause: Cause, actor: Actor) -> None:
        match cause:
            case Cause.GRADE_FELL | Cause.NEVER_PASSED:
                status = Status.NOTPASSING
            case Cause.ALLOWLIST_REMOVED:
                status = self._judgement.label_if_exists or Status.UNAVAILABLE
            case _:
                status = Status.UNAVAILABLE
        self._set(status, cause, actor)
        self._passing_lost = cause in {Cause.GRADE_FELL, Cause.NEVER_PASSED}
        self._pending = None
        self._contradicting = _NONE
        self._held.clear()

    def _contradictions(self) -> list[Pending]:
        """Return the revocations that wait for a person, because what is known contradicts the certificate."""
        if not self._held:
            return []
        allowlisted = self._facts.allowlisted
        contradicting = self._contradicting & _ONLY_PERSON if allowlisted else self._contradicting
        ended = set() if contradicting else {Cause.RECORDED_WHILE_INVALIDATED}
        if allowlisted:
            ended.add(Cause.NEVER_PASSED)
        return [Pending(cause, since, None) for cause, since in self._held.items() if cause not in ended]

    # --- transitions

    def _actor(self, fact: Fact | None = None, subjects: frozenset[str] = _NO_SUBJECT) -> Actor:
        """Return the actor of the last change at this instant: of any fact, or of this one on these subjects."""
        start, stop = self._applied
        for position in range(stop - 1, start - 1, -1):
            entry = self._timeline[position]
            concerned = bool(entry.by) if fact is None else entry.fact is fact and entry.subject in subjects
            if concerned and not self._is_repeat(position):
                return Actor(entry.by, entry.notes)
        return Actor()

    def _is_repeat(self, position: int) -> bool:
        """Whether an entry of the timeline repeats the value before it, and so changes nothing."""
        entry = self._timeline[position]
        for earlier in reversed(self._timeline[:position]):
            if earlier.fact is entry.fact and earlier.subject == entry.subject:
                return bool(earlier.value == entry.value)
        return False

    def _set(self, status: Status, cause: Cause, actor: Actor, dates: tuple[datetime, datetime] | None = None) -> None:
        """Give the certificate a status as of the facts; its id and dates stay unless new dates are given.

        Its mode and its grade stay if none was ever received.
        """
        facts, old = self._facts, self._certificate
        issued_at, first_issued_at = dates or ((old.issued_at, old.first_issued_at) if old else (None, None))
        self._certificate = Certificate(
            status,
            facts.mode or (old.mode if old else ""),
            _grade(facts) or (old.grade if old else ""),
            old.certificate_id if old else "",
            issued_at,
            first_issued_at,
        )
        self._graded_at = facts.as_of
        self._add_transition(facts.as_of, old.status if old else None, cause, actor)

    def _add_transition(self, at: datetime, previous: Status | None, cause: Cause, actor: Actor) -> None:
        """Record the change of the certificate's status, with the decision that led to it."""
        assert self._certificate is not None
        decision = Decision(self._facts, self._judgement, self._edition)
        self._transitions.append(Transition(at, previous, self._certificate, cause, actor, decision))
