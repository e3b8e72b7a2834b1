"""Deciding programs: a learner's certificates and the dated definitions, applied from the first on, give the outcome.

A program is completed at the instant at which its last course was satisfied. It is lost only if a course that it rests
on is no longer satisfied by any certificate, for as long as the policy's hold. What a definition changes takes nothing
away: that waits for a person.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType

from certrules.core.instants import BEGINNING
from certrules.core.policy import Policies
from certrules.core.programs.certificates import CertificateChange, Certificates
from certrules.core.programs.definitions import (
    AWARDING,
    DatedDefinition,
    DefinitionTimeline,
    ProgramCourse,
    ProgramStatus,
)
from certrules.core.programs.kill_switches import NO_SWITCHES, KillSwitches
from certrules.core.programs.outcome import (
    Carrier,
    ProgramAction,
    ProgramOutcome,
    ProgramPending,
    ProgramTransition,
    missing_in,
)
from certrules.core.programs.reasons import GAPS, ProgramCause, ProgramCertificateStatus, ProgramReason
from certrules.core.terms import Actor, RevocationAction, Status, is_person

_AWARDED = ProgramCertificateStatus.AWARDED
_NOBODY = Actor()


_NO_ACTIONS: Mapping[str, Sequence[ProgramAction]] = MappingProxyType({})


def decide_programs(
    programs: Iterable[DefinitionTimeline],
    certificates: Certificates,
    until: datetime,
    policies: Policies,
    actions: Mapping[str, Sequence[ProgramAction]] = _NO_ACTIONS,
    *,
    switches: KillSwitches = NO_SWITCHES,
) -> tuple[ProgramOutcome, ...]:
    """Decide each program in one of whose course runs a learner has a record, as of an instant (UTC); sorted by uuid.

    `policies` are the deployment's, and give the hold. `actions` are by program. `switches` are the kill switches of
    the deployment and of course runs: a loss that one stops is held.
    """
    outcomes = []
    for timeline in programs:
        if concerns(timeline, certificates, until):
            own = actions.get(timeline[0].definition.uuid, ())
            outcomes.append(decide_program(timeline, certificates, until, policies, own, switches=switches))
    return tuple(sorted(outcomes, key=lambda outcome: outcome.program))


def concerns(timeline: DefinitionTimeline, certificates: Certificates, until: datetime) -> bool:
    """Whether a program is known at an instant (UTC), and the learner has a record in one of its course runs."""
    known = certificates.keys()
    return any(
        run in known
        for entry in timeline
        if entry.at <= until
        for course in entry.definition.courses
        for run in course.course_runs
    )


def decide_program(
    timeline: DefinitionTimeline,
    certificates: Certificates,
    until: datetime,
    policies: Policies,
    actions: Sequence[ProgramAction] = (),
    *,
    switches: KillSwitches = NO_SWITCHES,
) -> ProgramOutcome:
    """Decide whether a learner has completed a program, as of an instant (UTC); see `decide_programs`.

    Raises ValueError if the program has no definition yet at that instant.
    """
    by_instant = {entry.at: entry for entry in timeline if entry.at <= until}  # of two at one instant, the last holds
    if not by_instant:
        raise ValueError("the program has no definition yet")
    timeline = tuple(by_instant.values())
    return _Replay(timeline[0], policies, switches).run(_steps(timeline, certificates, actions, until), until)


type _Step = tuple[datetime, str, CertificateChange | DatedDefinition | ProgramAction]
"""An instant, the course run of a certificate ("" for all else), and what changes."""


def _steps(
    timeline: DefinitionTimeline, certificates: Certificates, actions: Iterable[ProgramAction], until: datetime
) -> list[_Step]:
    """Return what a program depends on up to an instant (UTC), oldest first."""
    steps: list[_Step] = [(entry.at, "", entry) for entry in timeline[1:]]
    listed = {run for entry in timeline for course in entry.definition.courses for run in course.course_runs}
    for run in listed & certificates.keys():
        steps += [(change.at, run, change) for change in certificates[run] if change.at <= until]
    steps += [(action.at, "", action) for action in sorted(set(actions)) if action.at <= until]
    steps.sort(key=itemgetter(0))
    return steps


@lru_cache(maxsize=1024)
def _positions(courses: tuple[ProgramCourse, ...]) -> Mapping[str, tuple[int, ...]]:
    """Return the positions of the courses that each course run satisfies."""
    positions: dict[str, tuple[int, ...]] = {}
    for position, course in enumerate(courses):
        for run in course.course_runs:
            positions[run] = (*positions.get(run, ()), position)
    return positions


class _Replay:
    """A program certificate while the steps are applied."""

    def __init__(self, first: DatedDefinition, policies: Policies, switches: KillSwitches) -> None:
        self._policies, self._switches = policies, switches
        self._certificates: dict[str, CertificateChange] = {}  # by course run, as of now
        self._had: set[str] = set()  # course runs in which a certificate was ever downloadable
        self._status: ProgramCertificateStatus | None = None
        self._dates: tuple[datetime, datetime] | None = None  # awarded, first awarded
        self._latest = BEGINNING  # when the newest certificate was earned that ever carried it
        self._transitions: list[ProgramTransition] = []
        self._pending: ProgramPending | None = None
        self._rests_on: frozenset[str] = frozenset()  # courses that were all satisfied, when last all were
        self._listed: dict[str, set[str]] = {}  # runs of each course in any definition since the award
        self._accepted_since: frozenset[str] = frozenset()  # modes in any definition since the award
        self._lost: dict[str, datetime] = {}  # courses that no certificate satisfies any more, since when
        self._discarded: frozenset[str | None] = frozenset()  # what is unmet, and a person let the certificate stay
        self._define(first)

    def run(self, steps: list[_Step], until: datetime) -> ProgramOutcome:
        position = 0
        while position < len(steps):
            at = steps[position][0]
            self._end_hold(at)
            actions: list[ProgramAction] = []
            while position < len(steps) and steps[position][0] == at:
                _, course_run, change = steps[position]
                if isinstance(change, CertificateChange):
                    self._certificates[course_run] = change
                    if change.status is Status.DOWNLOADABLE:
                        self._had.add(course_run)
                    for course in self._positions.get(course_run, ()):
                        self._carriers[course] = self._carrier(self._courses[course].course_runs, self._accepted)
                elif isinstance(change, DatedDefinition):
                    self._define(change)
                else:
                    actions.append(change)
                position += 1
            self._decide(at)
            for action in actions:
                self._apply_action(action)
        self._end_hold(until, inclusive=True)
        return self._outcome()

    # --- what satisfies the courses

    def _define(self, dated: DatedDefinition) -> None:
        """Apply a definition."""
        definition = dated.definition
        self._definition = dated
        self._courses, self._accepted = definition.courses, definition.accepted
        self._awards = bool(self._courses) and definition.status in AWARDING
        self._positions = _positions(self._courses)
        self._carriers: list[Carrier | None] = [None] * len(self._courses)
        if self._certificates:
            self._carriers = [self._carrier(course.course_runs, self._accepted) for course in self._courses]
        if self._status is _AWARDED:
            self._list_definition()

    def _list_definition(self) -> None:
        """Add to what satisfies the courses of an awarded certificate: a run or a mode that goes takes nothing away."""
        self._accepted_since |= self._accepted
        for course in self._courses:
            self._listed.setdefault(course.key, set()).update(course.course_runs)

    def _carrier(self, course_runs: Iterable[str], accepted: frozenset[str]) -> Carrier | None:
        """Return the earliest certificate in one of these runs that counts."""
        found = None
        for run in course_runs:
            certificate = self._certificates.get(run)
            if certificate is None or certificate.status is not Status.DOWNLOADABLE or certificate.mode not in accepted:
                continue
            if found is None or (certificate.since, run) < found:
                found = Carrier(certificate.since, run)
        return found

    def _unmet(self) -> frozenset[str | None]:
        """Return the courses that nothing satisfies; None among them stands for the program as a whole."""
        courses: list[str | None] = [
            course.key for course, carrier in zip(self._courses, self._carriers, strict=True) if carrier is None
        ]
        return frozenset(courses if self._awards else [*courses, None])

    # --- the decision at an instant

    def _decide(self, at: datetime) -> None:
        """Decide once, after all steps of the instant are applied."""
        is_complete = self._awards and None not in self._carriers
        if self._status is _AWARDED:
            if is_complete:
                self._rest_on_definition()
            else:
                self._hold(at, self._unmet())
        elif is_complete:
            self._award(at)
        elif self._is_reinstated():
            self._set(at, _AWARDED, ProgramCause.REINSTATED)
            self._list_definition()
            self._hold(at, self._unmet())

    def _is_reinstated(self) -> bool:
        """Whether the certificates are back that carried a lost one, though the definition is another one by now."""
        if not self._transitions or self._transitions[-1].cause is not ProgramCause.COURSE_LOST:
            return False
        carriers = [self._carrier(self._listed[key], self._accepted_since) for key in self._rests_on]
        return all(carrier is not None and carrier.since <= self._latest for carrier in carriers)

    def _award(self, at: datetime) -> None:
        completed_at = self._completed_at()
        if self._dates is not None and completed_at <= self._latest:
            self._set(at, _AWARDED, ProgramCause.REINSTATED)
        else:
            self._dates = completed_at, self._dates[1] if self._dates else completed_at
            self._set(at, _AWARDED, ProgramCause.EARNED)
        self._listed, self._accepted_since = {}, frozenset()
        self._list_definition()
        self._rest_on_definition()

    def _completed_at(self) -> datetime:
        """Return when the last course was satisfied; all are."""
        return max(carrier.since for carrier in self._carriers if carrier is not None)

    def _rest_on_definition(self) -> None:
        """Record that the certificates satisfy the definition in force."""
        self._rests_on = frozenset(course.key for course in self._courses)
        self._latest = max(self._latest, self._completed_at())
        self._pending, self._discarded, self._lost = None, frozenset(), {}

    def _hold(self, at: datetime, unmet: frozenset[str | None]) -> None:
        """Hold the revocation of an awarded certificate: for a while if a course was lost, else for a person."""
        self._discarded &= unmet
        unmet -= self._discarded
        lost = {key for key in self._rests_on if self._carrier(self._listed[key], self._accepted_since) is None}
        self._lost = {key: self._lost.get(key, at) for key in lost if key in unmet}
        self._rests_on -= lost - {course.key for course in self._courses}  # lost while it was left out: no loss
        if self._lost:
            since = min(self._lost.values())
            pending = ProgramPending(ProgramCause.COURSE_LOST, since, since + self._hold_at(since))
        elif unmet:
            pending = ProgramPending(self._cause_of(unmet), at, None)
        else:
            self._pending = None
            return
        before = self._pending
        if before is None or before.cause is not pending.cause or (self._lost and before.since != pending.since):
            self._pending = pending

    def _cause_of(self, unmet: frozenset[str | None]) -> ProgramCause:
        """Return why a definition is not satisfied by the certificates that satisfied one before."""
        if self._definition.definition.status not in AWARDING:
            return ProgramCause.PROGRAM_WITHDRAWN
        is_gap = None in unmet or any(course.key in unmet and not course.course_runs for course in self._courses)
        return ProgramCause.DEFINITION_GAP if is_gap else ProgramCause.DEFINITION_CHANGED

    def _hold_at(self, instant: datetime) -> timedelta:
        """Return the hold of the policy in force; the first one is in force before its date, too."""
        in_force = self._policies[0][1]
        for since, policy in self._policies[1:]:
            if since <= instant:
                in_force = policy
        return in_force.hold

    def _end_hold(self, until: datetime, *, inclusive: bool = False) -> None:
        """Revoke at the end of a hold before `until`, or at it; what the kill switch stops is held for a person."""
        pending = self._pending
        if pending is None or pending.due is None or pending.due > until or (pending.due == until and not inclusive):
            return
        if self._switches.stop(self._lost_in(), pending.due):
            self._pending = pending._replace(due=None)
        else:
            self._revoke(pending.due, pending.cause, _NOBODY)

    def _lost_in(self) -> Iterator[str]:
        """Yield the course runs whose certificates carried the courses that are lost, or could have."""
        for course in self._lost:
            for run in self._listed[course]:
                if run in self._had and self._carrier([run], self._accepted_since) is None:
                    yield run

    def _apply_action(self, action: ProgramAction) -> None:
        """Apply an action to the pending revocation; ignore it if its cause is not pending."""
        pending = self._pending
        if pending is None or pending.cause is not action.cause:
            return
        match action.action:
            case RevocationAction.HELD:
                self._pending = pending._replace(due=None)
            case RevocationAction.DISCARDED:
                self._discarded = self._unmet()
                self._pending, self._lost = None, {}
            case RevocationAction.RELEASED if is_person(action.by):
                self._revoke(action.at, pending.cause, Actor(action.by, action.notes))
            case _:
                pass

    def _revoke(self, at: datetime, cause: ProgramCause, actor: Actor) -> None:
        self._pending, self._lost, self._discarded = None, {}, frozenset()
        self._set(at, ProgramCertificateStatus.REVOKED, cause, actor)

    def _set(self, at: datetime, status: ProgramCertificateStatus, cause: ProgramCause, actor: Actor = _NOBODY) -> None:
        assert self._dates is not None
        self._status = status
        self._transitions.append(ProgramTransition(at, status, cause, actor, *self._dates))

    # --- the outcome

    def _outcome(self) -> ProgramOutcome:
        missing = frozenset(self._missing())
        awarded_at, first_awarded_at = self._dates or (None, None)
        return ProgramOutcome(
            self._definition,
            self._status,
            () if self._status is _AWARDED else tuple(sorted(missing)),
            tuple(sorted(missing & GAPS)),
            {course.key: carrier for course, carrier in zip(self._courses, self._carriers, strict=True)},
            awarded_at,
            first_awarded_at,
            tuple(self._transitions),
            self._pending,
        )

    def _missing(self) -> Iterator[ProgramReason]:
        """Yield what is missing as of now."""
        status = self._definition.definition.status
        if status is ProgramStatus.UNPUBLISHED:
            yield ProgramReason.PROGRAM_UNPUBLISHED
        elif status is ProgramStatus.DELETED:
            yield ProgramReason.PROGRAM_DELETED
        if not self._courses:
            yield ProgramReason.NO_COURSES
        for course, carrier in zip(self._courses, self._carriers, strict=True):
            if carrier is None:
                yield missing_in(course, self._certificates)
