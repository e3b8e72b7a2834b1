"""A definition of a program that arrives: it is saved, and then the learners of its course runs are decided again.

How far that is stands in the program's cursor, which the schedule works off page by page: no message leads to another
one of its kind, because AWS stops such chains. The cursor begins when nobody decides with the definition before any
more. A definition that comes meanwhile lets it begin again.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from certrules import aws, storage
from certrules.core.programs.definitions import DatedDefinition, DefinitionTimeline, fit_definitions, merge_definitions
from certrules.records.catalog import LASTS
from certrules.records.hints import hints_for
from certrules.storage import LostRaceError, Place
from certrules.storage.program_definitions import (
    StoredCursor,
    load_cursor,
    load_definitions,
    save_cursor,
    save_definitions,
    save_listing,
)

PAGE = 500
"""How many learners are requested at a time."""

_ATTEMPTS = 5
_SETTLES = LASTS + timedelta(seconds=30)


class _Left(Struct):
    """What is left to be decided: course runs, and where in the first one."""

    course_runs: list[str]
    place: Place | None = None


def save_definition(dated: DatedDefinition, now: datetime) -> bool:
    """Save a definition; if it decides anything, its learners are decided again. Return whether it is new.

    Raises LostRaceError: a retry helps. Whatever is saved when this ends is completed by the event's redelivery.
    """
    uuid = dated.definition.uuid
    for _ in range(_ATTEMPTS):
        stored = load_definitions([uuid])[uuid]
        timeline = fit_definitions(merge_definitions(stored.timeline, [dated]))
        if timeline == stored.timeline:
            return False
        course_runs = _course_runs(timeline)
        save_listing(uuid, course_runs - _course_runs(stored.timeline))
        cursor = load_cursor(uuid)
        due = now + _SETTLES
        if not _repeats(timeline, dated):
            cursor = cursor._replace(left=msgspec.json.encode(_Left(sorted(course_runs))).decode())
        try:
            save_definitions(stored, timeline, cursor, due)
        except LostRaceError:
            continue
        return True
    raise LostRaceError(f"lost {_ATTEMPTS} races for program {uuid}")


def _course_runs(timeline: DefinitionTimeline) -> frozenset[str]:
    """Return the course runs that any definition lists: their learners may have the program."""
    return frozenset(run for entry in timeline for course in entry.definition.courses for run in course.course_runs)


def _repeats(timeline: DefinitionTimeline, dated: DatedDefinition) -> bool:
    """Whether a definition is that before it, so that it decides nothing: a catalog is sent again every night."""
    position = next((number for number, entry in enumerate(timeline) if entry == dated), 0)
    return position > 0 and timeline[position - 1].definition == dated.definition


def request_page(uuid: str, queue: str, now: datetime) -> bool:
    """Request the next page of a program's learners, and move its cursor. Return whether more are left.

    Raises SendError: a retry is safe. A page is requested twice if this ends before the cursor is saved.
    """
    cursor = load_cursor(uuid)
    if cursor.left is None:
        return False
    left = msgspec.json.decode(cursor.left, type=_Left)
    learners, place = storage.learners_page(left.course_runs[0], left.place, PAGE)
    aws.send(queue, hints_for(pair.learner_id for pair in learners))
    rest = left.course_runs if place is not None else left.course_runs[1:]
    text = msgspec.json.encode(_Left(rest, place)).decode() if rest else None
    try:
        save_cursor(StoredCursor(cursor.item, text), now)
    except LostRaceError:
        return True  # a definition came meanwhile, and it begins again
    return text is not None
