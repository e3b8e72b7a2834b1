"""Certificates, their transitions, and the outcome of a replay."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.decision import Decision
from certrules.core.terms import Actor, Cause, Status
from certrules.core.timeline import Entry


class Certificate(NamedTuple):
    """A certificate of whatever status."""

    status: Status
    mode: str  # the enrollment mode when the status was set
    grade: str  # percent as a fraction of one when the status was set, as the platform writes it; "" if unknown
    certificate_id: str = ""  # "" until it is saved
    issued_at: datetime | None = None  # UTC; None: never downloadable
    first_issued_at: datetime | None = None  # UTC


class Transition(NamedTuple):
    """A change of a certificate's status."""

    at: datetime  # UTC
    previous: Status | None
    certificate: Certificate  # from then on
    cause: Cause
    actor: Actor
    decision: Decision

    @property
    def status(self) -> Status:
        """The new status."""
        return self.certificate.status


class Pending(NamedTuple):
    """A revocation that has not taken effect."""

    cause: Cause
    since: datetime  # UTC
    due: datetime | None  # UTC, the end of the hold; None: held until a person decides
    actor: Actor = Actor()


class Outcome(NamedTuple):
    """The result of a replay up to an instant."""

    certificate: Certificate | None
    transitions: tuple[Transition, ...]
    pending: Pending | None
    decision: Decision  # at the end of the replay
    graded_at: datetime | None  # UTC; from when the certificate's grade is; None: from the old logic, or no certificate
    next_change_at: datetime | None  # UTC; when the certificate or `pending` changes without a new entry; None: never

    @property
    def status(self) -> Status | None:
        """The certificate's status, None without a certificate."""
        return self.certificate.status if self.certificate else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why there is no downloadable certificate, as sorted codes; empty when there is one."""
        return () if self.status is Status.DOWNLOADABLE else tuple(sorted(self.decision.unmet))


def as_recorded(entry: Entry, before: Certificate | None) -> Certificate:
    """Return a certificate as the old logic recorded it; an id or date that it lacks is that of the one before."""
    recorded = entry.value
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
