"""The builders of the events on programs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from certs.sources import event_builders
from certs.sources.event_builders import Detail


def program(
    event: Literal["program.configured"],
    event_id: UUID,
    at: datetime,
    uuid: str,
    courses: Mapping[str, Sequence[str]],
    *,
    title: str,
    kind: str = "MicroMasters",
    status: str = "active",
    accepted_modes: Sequence[str] | None = None,
) -> Detail:
    """Build a definition that holds from an instant (UTC) on: `courses` has the course runs of each course."""
    content = {
        "uuid": uuid,
        "title": title,
        "type": kind,
        "status": status,
        "accepted_modes": None if accepted_modes is None else [*accepted_modes],
        "courses": [{"key": key, "course_runs": [*course_runs]} for key, course_runs in courses.items()],
    }
    return event_builders.own(event, event_id, at, program=content)


def program_revocation(
    event: Literal["program.revocation.held", "program.revocation.released", "program.revocation.discarded"],
    event_id: UUID,
    at: datetime,
    learner_id: int,
    uuid: str,
    *,
    cause: str,
    by: str,
    notes: str,
) -> Detail:
    """Build an action on the pending revocation of a program certificate with this cause: by whom, and why."""
    content = {"learner_id": learner_id, "program": uuid, "by": by, "notes": notes, "cause": cause}
    return event_builders.own(event, event_id, at, revocation=content)
