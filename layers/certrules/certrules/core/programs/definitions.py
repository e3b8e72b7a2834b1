"""Definitions of programs: dated facts like any other, in a timeline for each program."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from certrules.core.limits import DEFINITIONS_BYTES
from certrules.core.policy import PRESETS

PAID_MODES = PRESETS["edx-2021"].eligible_modes.names
"""The modes that a program accepts if it names none."""


class ProgramStatus(StrEnum):
    """The status of a program, as the catalog has it."""

    UNPUBLISHED = "unpublished"
    ACTIVE = "active"
    RETIRED = "retired"  # closed to new learners; who completes it still gets the certificate
    DELETED = "deleted"


AWARDING = frozenset({ProgramStatus.ACTIVE, ProgramStatus.RETIRED})
"""The statuses in which a program awards certificates."""


class ProgramCourse(NamedTuple):
    """A course of a program: any one of its course runs satisfies it."""

    key: str  # of the course, such as edX+DemoX
    course_runs: tuple[str, ...]  # sorted; empty: a gap, which nobody can satisfy


class ProgramDefinition(NamedTuple):
    """What a program demands."""

    uuid: str  # in lower case, with dashes
    title: str
    type: str  # such as MicroMasters; "" if the catalog has none
    status: ProgramStatus
    accepted_modes: tuple[str, ...] | None  # of certificates, sorted; None: every paid mode
    courses: tuple[ProgramCourse, ...]  # sorted by key; empty: a gap, which nobody can satisfy

    @property
    def accepted(self) -> frozenset[str]:
        """The modes of certificates that count."""
        return PAID_MODES if self.accepted_modes is None else frozenset(self.accepted_modes)


class DatedDefinition(NamedTuple):
    """A definition that holds from an instant on, until a newer one does. The first holds before its date, too."""

    at: datetime  # UTC
    event_id: str
    definition: ProgramDefinition
    by: str = ""  # the actor, "" for the platform itself
    notes: str = ""


type DefinitionTimeline = tuple[DatedDefinition, ...]
"""The definitions of one program, oldest first."""

_order = itemgetter(0, 1)


def merge_definitions(timeline: DefinitionTimeline, entries: Iterable[DatedDefinition]) -> DefinitionTimeline:
    """Add definitions to the timeline of a program: commutative, associative and idempotent.

    Of two at the same instant, the one with the greater event id holds. If a producer uses an event id again for
    another definition, the earlier (then the lesser) of the two is stored, whichever came first. If no definition is
    new, the same tuple is returned.
    """
    known = {entry.event_id: entry for entry in timeline}
    added = False
    for entry in entries:
        earlier = known.get(entry.event_id)
        if earlier is None or (earlier != entry and (entry.at, repr(entry)) < (earlier.at, repr(earlier))):
            known[entry.event_id] = entry
            added = True
    return tuple(sorted(known.values(), key=_order)) if added else timeline


def fit_definitions(timeline: DefinitionTimeline, limit: int = DEFINITIONS_BYTES) -> DefinitionTimeline:
    """Return a timeline that has no more bytes than a limit, about.

    Definitions that repeat the one before and the one after them go first: a catalog is sent again every night, and
    they decide nothing. Then the oldest go; the newest always stays. A program certificate that was published under a
    definition that is no longer stored stays as it was published.
    """
    sizes = [definition_bytes(entry) for entry in timeline]
    excess = sum(sizes) - limit
    dropped: set[int] = set()
    repeats = (
        position
        for position in range(1, len(timeline) - 1)
        if timeline[position - 1].definition == timeline[position].definition == timeline[position + 1].definition
    )
    for position in (*repeats, *range(len(timeline) - 1)):
        if excess <= 0:
            break
        if position not in dropped:
            dropped.add(position)
            excess -= sizes[position]
    return tuple(entry for position, entry in enumerate(timeline) if position not in dropped) if dropped else timeline


def definition_bytes(entry: DatedDefinition) -> int:
    """Return how many bytes a stored definition has, about."""
    uuid, title, kind, _, modes, courses = entry.definition
    texts = [entry.event_id, uuid, title, kind, entry.by, entry.notes, *(modes or ())]
    texts += [text for course in courses for text in (course.key, *course.course_runs)]
    return 100 + sum(len(text.encode(errors="surrogatepass")) + 3 for text in texts)
