"""The outcome for a learner and a program, and what people do with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.programs.certificates import CertificateChange
from certrules.core.programs.definitions import DatedDefinition, ProgramCourse
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus, ProgramReason
from certrules.core.terms import Actor, RevocationAction, Status


class Carrier(NamedTuple):
    """The course run whose certificate satisfies a course."""

    since: datetime  # UTC: when that certificate was earned
    course_run: str


class ProgramTransition(NamedTuple):
    """A change of a program certificate's status."""

    at: datetime  # UTC
    status: ProgramCertificateStatus
    cause: ProgramCause
    actor: Actor
    awarded_at: datetime  # UTC
    first_awarded_at: datetime  # UTC


class ProgramPending(NamedTuple):
    """A revocation that has not taken effect."""

    cause: ProgramCause
    since: datetime  # UTC
    due: datetime | None  # UTC, the end of the hold; None: held until a person decides


class ProgramOutcome(NamedTuple):
    """Whether a learner has completed a program as of an instant, and why."""

    definition: DatedDefinition  # in force then
    status: ProgramCertificateStatus | None  # None: never awarded
    reasons: tuple[ProgramReason, ...]  # what is missing, sorted; empty if awarded
    gaps: tuple[ProgramReason, ...]  # those reasons that show a gap in the definition, also if awarded
    courses: Mapping[str, Carrier | None]  # by course, sorted
    awarded_at: datetime | None  # UTC: when the last course was satisfied; it stays while awarded and when reinstated
    first_awarded_at: datetime | None  # UTC
    transitions: tuple[ProgramTransition, ...]
    pending: ProgramPending | None

    @property
    def program(self) -> str:
        """The program's uuid."""
        return self.definition.definition.uuid

    @property
    def cause(self) -> ProgramCause | None:
        """The cause of the last transition."""
        return self.transitions[-1].cause if self.transitions else None

    @property
    def next_change_at(self) -> datetime | None:
        """When (UTC) it changes without a new fact; None: never."""
        return self.pending.due if self.pending else None


class ProgramAction(NamedTuple):
    """What a person, the breaker or the kill switch does with the pending revocation of a program certificate."""

    at: datetime  # UTC
    event_id: str
    action: RevocationAction
    cause: ProgramCause  # of the pending revocation; an action on another one is ignored
    by: str = ""  # only a person releases
    notes: str = ""


class ActionOnProgram(NamedTuple):
    """An action on a learner's certificate of one program."""

    program: str  # uuid
    action: ProgramAction


def missing_in(course: ProgramCourse, certificates: Mapping[str, CertificateChange]) -> ProgramReason:
    """Return why nothing satisfies a course, given the learner's certificates by course run, as they are then."""
    if not course.course_runs:
        return ProgramReason.NO_COURSE_RUNS
    found = [certificates[run] for run in course.course_runs if run in certificates]
    if any(certificate.status is Status.DOWNLOADABLE for certificate in found):
        return ProgramReason.MODE_NOT_ACCEPTED
    return ProgramReason.CERTIFICATE_NOT_DOWNLOADABLE if found else ProgramReason.NO_CERTIFICATE
