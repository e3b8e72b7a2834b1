"""What the Credentials service should hold of a learner, from the published certificates and programs. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.deliveries.delivery import Delivery, first_wanted, wanted
from certrules.core.deliveries.desired import (
    CourseCredential,
    Desired,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.fact_types import Fact
from certrules.core.guard import PublishedCertificate
from certrules.core.programs.outcome import ProgramOutcome
from certrules.core.programs.publication import PublishedProgram
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.core.terms import Status
from certrules.core.timeline import at_instant
from certrules.formats.learner_names import LearnerName
from certrules.storage import StoredRecord
from certrules.storage.learner_records import StoredDelivery

_GRADED = frozenset({Status.DOWNLOADABLE, Status.NOTPASSING})
"""The statuses of a certificate beside which a learner record shows the grade."""


class LearnerFacts(NamedTuple):
    """A learner as it is stored."""

    learner_id: int
    records: Mapping[str, StoredRecord]  # by course run
    name: LearnerName

    @property
    def is_erased(self) -> bool:
        """Whether the names were erased, and none was sent since: nothing more is delivered."""
        return self.name.erased_at is not None and not self.name.current.username


def desired_username(facts: LearnerFacts) -> Iterator[tuple[Target, Desired]]:
    """Yield the username under which the service should have the learner; none where none is stored."""
    if username := facts.name.current.username:
        yield Target(Kind.USERNAME, facts.learner_id), Username(name=username)


def is_credential(published: PublishedCertificate) -> bool:
    """Whether there is a credential, awarded or revoked: a certificate that was never downloadable is none."""
    certificate, downloadable = published.certificate, Status.DOWNLOADABLE
    if certificate is None:
        return False
    return certificate.status is downloadable or any(item.status is downloadable for item in published.transitions)


def desired_in_course_run(
    facts: LearnerFacts, course_run: str, now: datetime, *, in_program: bool
) -> Iterator[tuple[Target, Desired]]:
    """Yield what is desired in a course run as of now (UTC): the credential, and in a program the grade."""
    record = facts.records[course_run]
    published = record.published
    certificate = published.certificate
    if certificate is None or not is_credential(published):
        return
    is_awarded = certificate.status is Status.DOWNLOADABLE
    entries = at_instant(record.timeline, now)
    override = entries.get((Fact.DATE_OVERRIDE, ""))
    yield (
        Target(Kind.COURSE, facts.learner_id, course_run),
        CourseCredential(
            is_awarded=is_awarded, mode=certificate.mode, date_override=None if override is None else override.value
        ),
    )
    grade = entries.get((Fact.GRADE, ""))
    if in_program and certificate.status in _GRADED and grade is not None and grade.value.percent is not None:
        yield (
            Target(Kind.GRADE, facts.learner_id, course_run),
            Grade(percent=grade.value.percent, letter=grade.value.letter, updated_at=grade.at),
        )


def desired_program(
    learner_id: int, outcome: ProgramOutcome, published: PublishedProgram
) -> Iterator[tuple[Target, Desired]]:
    """Yield the credential that is desired of a learner in a program, if the program was ever awarded."""
    if published.status is not None:
        runs = {carrier.course_run for carrier in outcome.courses.values() if carrier is not None}
        is_awarded = published.status is ProgramCertificateStatus.AWARDED
        credential = ProgramCredential(is_awarded=is_awarded, course_runs=tuple(sorted(runs)))
        yield Target(Kind.PROGRAM, learner_id, outcome.program), credential


def former_username(facts: LearnerFacts) -> Username | None:
    """Return the username that the learner had before the current one; None: none is known."""
    former = facts.name.former_username
    return Username(name=former.text) if former else None


def next_delivery(
    stored: StoredDelivery | None, target: Target, desired: Desired, now: datetime, former: Username | None = None
) -> Delivery | None:
    """Return the delivery with what is desired from now on; None if nothing else was desired before.

    `former` is the learner's username before, for a first delivery.

    What is stored was read before the facts that the desired state comes from, and is saved under the condition that
    nobody changed it since. So of two who decide at once, the one with the older facts loses, and the number of the
    desired state needs no other source: it counts the changes.
    """
    if stored is None:
        return first_wanted(target, desired, 1, now, former)
    before = stored.delivery.desired
    if desired == before and _awaited(desired) == _awaited(before):
        return None
    return wanted(stored.delivery, desired, stored.delivery.number + 1, now)


def _awaited(desired: Desired) -> tuple[str, ...]:
    """Return the course runs whose credentials a program's award waits for; they count for no comparison."""
    return desired.course_runs if isinstance(desired, ProgramCredential) else ()
