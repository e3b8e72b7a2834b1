"""The builder of the event that defines a program."""

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
