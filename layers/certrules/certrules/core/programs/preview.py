"""What becomes of program certificates if course certificates are lost, or are shown later: seen before it is done."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from certrules.core.policy import Policies
from certrules.core.programs.certificates import CertificateChange, Certificates
from certrules.core.programs.deciding import concerns, decide_program
from certrules.core.programs.definitions import DefinitionTimeline, ProgramDefinition
from certrules.core.programs.kill_switches import NO_SWITCHES, KillSwitches
from certrules.core.programs.outcome import ProgramAction, ProgramOutcome, ProgramPending
from certrules.core.programs.publication import PublishedProgram, merge_actions, next_program_publication
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import Status

_AWARDED = ProgramCertificateStatus.AWARDED


class FallingProgram(NamedTuple):
    """A program certificate that would be revoked."""

    program: str  # uuid
    title: str
    courses: tuple[str, ...]  # that no certificate would satisfy any more, sorted
    due: datetime | None  # UTC: when, at the end of the hold; None: when a person decides


class OtherCarrier(NamedTuple):
    """A course that another certificate satisfies."""

    course: str
    course_run: str
    since: datetime  # UTC: when that certificate was earned


class SurvivingProgram(NamedTuple):
    """A program certificate that would stay, because other certificates carry it."""

    program: str  # uuid
    title: str
    carriers: tuple[OtherCarrier, ...]  # of each course that a lost certificate satisfies, sorted


class HiddenProgram(NamedTuple):
    """A program certificate that would stay and not be shown for a time.

    The Credentials service shows it from the latest available date of all its course credentials on, those that are
    revoked or surplus included.
    """

    program: str  # uuid
    title: str
    course_run: str  # with that date
    visible_from: datetime  # UTC


class ProgramsPreview(NamedTuple):
    """What would become of a learner's awarded program certificates; each part sorted by uuid."""

    falling: tuple[FallingProgram, ...] = ()
    surviving: tuple[SurvivingProgram, ...] = ()
    hidden: tuple[HiddenProgram, ...] = ()


class ActionPreview(NamedTuple):
    """What a person's action would do to a program certificate."""

    program: str  # uuid
    title: str
    before: ProgramCertificateStatus | None
    after: ProgramCertificateStatus | None
    was_pending: ProgramPending | None
    pending: ProgramPending | None  # afterwards
    unmet: tuple[str, ...]  # courses that nothing satisfies, sorted
    carriers: tuple[OtherCarrier, ...]  # of the other courses, sorted

    @property
    def takes_away(self) -> bool:
        """Whether the program certificate would be revoked."""
        return self.before is _AWARDED and self.after is not _AWARDED


_NOTHING_SHOWN_LATER: Mapping[str, datetime] = MappingProxyType({})
_NO_ACTIONS: Mapping[str, Sequence[ProgramAction]] = MappingProxyType({})


def preview_programs(
    programs: Iterable[DefinitionTimeline],
    certificates: Certificates,
    now: datetime,
    policies: Policies,
    published: Mapping[str, PublishedProgram],
    actions: Mapping[str, Sequence[ProgramAction]] = _NO_ACTIONS,
    *,
    lost: Collection[str] = (),
    shown_from: Mapping[str, datetime] = _NOTHING_SHOWN_LATER,
    switches: KillSwitches = NO_SWITCHES,
) -> ProgramsPreview:
    """Return what would become of the awarded program certificates of a learner, now (UTC).

    `lost` are the course runs whose certificate would be lost, `shown_from` those in which the learner would have a
    credential that is shown from an instant (UTC) on. `published` are the program certificates by uuid, as they are,
    `actions` what people did with their pending revocations.
    """
    falling: list[FallingProgram] = []
    surviving: list[SurvivingProgram] = []
    hidden: list[HiddenProgram] = []
    for timeline in sorted(programs, key=lambda entries: entries[0].definition.uuid):
        if not concerns(timeline, certificates, now):
            continue
        own = actions.get(timeline[0].definition.uuid, ())
        found = _Program(timeline, certificates, now, policies, own, switches=switches)
        if found.held(published).status is not _AWARDED:
            continue
        falls = found.falling(lost)
        if falls is not None:
            falling.append(falls)
            continue
        stays = found.surviving(lost)
        if stays is not None:
            surviving.append(stays)
        hides = found.hidden(shown_from)
        if hides is not None:
            hidden.append(hides)
    return ProgramsPreview(tuple(falling), tuple(surviving), tuple(hidden))


def preview_action(
    timeline: DefinitionTimeline,
    certificates: Certificates,
    now: datetime,
    policies: Policies,
    published: PublishedProgram,
    *,
    actions: Sequence[ProgramAction],
    action: ProgramAction,
    switches: KillSwitches = NO_SWITCHES,
) -> ActionPreview:
    """Return what an action of now (UTC) on the pending revocation of a program certificate would do.

    `published` is the program certificate as it is, `actions` what people did before. Raises ValueError if the program
    has no definition yet.
    """
    found = _Program(timeline, certificates, now, policies, actions, switches=switches)
    before = found.held({timeline[0].definition.uuid: published})
    return found.acted(before, action)


class _Program:
    """A program and a learner, as of now."""

    def __init__(
        self,
        timeline: DefinitionTimeline,
        certificates: Certificates,
        now: datetime,
        policies: Policies,
        actions: Sequence[ProgramAction],
        *,
        switches: KillSwitches,
    ) -> None:
        self._timeline, self._certificates, self._now = timeline, certificates, now
        self._policies, self._actions, self._switches = policies, actions, switches
        self._before = self._decided(certificates, now)

    @property
    def _definition(self) -> ProgramDefinition:
        return self._before.definition.definition

    def _decided(self, certificates: Certificates, until: datetime) -> ProgramOutcome:
        return decide_program(
            self._timeline, certificates, until, self._policies, self._actions, switches=self._switches
        )

    def held(self, published: Mapping[str, PublishedProgram]) -> PublishedProgram:
        """Return what the learner has."""
        before = published.get(self._definition.uuid, PublishedProgram())
        return next_program_publication(before, self._before, self._now, self._actions).published

    def acted(self, before: PublishedProgram, action: ProgramAction) -> ActionPreview:
        """Return what an action does to what the learner has."""
        actions = merge_actions(self._actions, [action])
        outcome = decide_program(
            self._timeline, self._certificates, self._now, self._policies, actions, switches=self._switches
        )
        after = next_program_publication(before, outcome, self._now, actions).published
        courses = outcome.courses.items()
        return ActionPreview(
            self._definition.uuid,
            self._definition.title,
            before.status,
            after.status,
            before.pending,
            after.pending,
            tuple(course for course, carrier in courses if carrier is None),
            tuple(
                OtherCarrier(course, found.course_run, found.since) for course, found in courses if found is not None
            ),
        )

    def falling(self, lost: Collection[str]) -> FallingProgram | None:
        """Return the loss of the program certificate; None: it stays, or its revocation is held already."""
        runs = {run for entry in self._timeline for course in entry.definition.courses for run in course.course_runs}
        if self._before.status is not _AWARDED or not any(self._has(run) for run in runs.intersection(lost)):
            return None
        certificates = self._without(lost)
        after = self._decided(certificates, self._now)
        due: datetime | None = self._now
        if after.status is _AWARDED:
            if after.pending is None or after.pending.cause is not ProgramCause.COURSE_LOST:
                return None
            due = after.pending.due
        if due is not None and self._decided(certificates, due).status is _AWARDED:
            due = None  # the kill switch holds what is due then
        unmet = {course for course, carrier in after.courses.items() if carrier is None}
        newly = {course for course in unmet if self._before.courses[course] is not None}
        return FallingProgram(self._definition.uuid, self._definition.title, tuple(sorted(newly or unmet)), due)

    def surviving(self, lost: Collection[str]) -> SurvivingProgram | None:
        """Return how a program certificate survives that doesn't fall; None: no certificate of it would be lost."""
        after = self._decided(self._without(lost), self._now).courses
        carriers = tuple(
            OtherCarrier(course.key, carrier.course_run, carrier.since)
            for course in self._definition.courses
            if any(self._counts(run) for run in course.course_runs if run in lost)
            and (carrier := after[course.key]) is not None
        )
        return SurvivingProgram(self._definition.uuid, self._definition.title, carriers) if carriers else None

    def hidden(self, shown_from: Mapping[str, datetime]) -> HiddenProgram | None:
        """Return from when on the program certificate would be shown; None: nothing hides it."""
        runs = {run for course in self._definition.courses for run in course.course_runs}
        later = [(at, run) for run, at in shown_from.items() if run in runs and at > self._now]
        if not later:
            return None
        visible_from, course_run = max(later)
        return HiddenProgram(self._definition.uuid, self._definition.title, course_run, visible_from)

    def _has(self, course_run: str) -> bool:
        """Whether the learner has a certificate there now."""
        changes = self._certificates.get(course_run)
        return changes is not None and bool(changes) and changes[-1].status is Status.DOWNLOADABLE

    def _counts(self, course_run: str) -> bool:
        """Whether the learner's certificate there satisfies a course."""
        return self._has(course_run) and self._certificates[course_run][-1].mode in self._definition.accepted

    def _without(self, lost: Collection[str]) -> Certificates:
        """Return the certificates as they would be."""
        changed = {
            run: (*changes, CertificateChange(self._now, Status.UNAVAILABLE, changes[-1].mode, changes[-1].since))
            for run, changes in self._certificates.items()
            if run in lost and self._has(run)
        }
        return {**self._certificates, **changed}
