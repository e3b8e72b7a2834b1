"""Calls about who has what in a course run: the numbers, and the learners behind each."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from msgspec import DecodeError, json

from application import PAGE, app, key_of
from certrules import aws
from certrules.core.terms import Status
from certrules.formats.standings import LETTERS, STEPS
from certrules.requests import RefusedActError
from certrules.storage import COURSE_RUN_SHARDS
from certrules.support.similar_keys import refuse_unknown
from certrules.support.standings import (
    ANYBODY,
    NOBODY,
    PENDING,
    Filter,
    ListPlace,
    Summary,
    learners_by,
    summary_as_json,
    summary_of,
)
from models import CourseRun, Cursor, choice
from openapi import call
from standing_answers import CourseRunSummary, StandingsPage

CHOICES = {
    "status": (NOBODY, ANYBODY, PENDING, *Status),
    "reason": tuple(LETTERS),
    "step": STEPS,
    "stuck": STEPS,
    "change": ("awarded", "lost"),
}
"""What a filter may be, where that is a closed list."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@app.get(
    "/v1/course-run/summary",
    summary="Who has what in a course run, in numbers",
    **call(CourseRunSummary, refuses=(404,)),
)
def summary(
    course_run: CourseRun, fresh: Annotated[bool, Query(description="Count again, whatever is remembered.")] = False
) -> dict[str, Any]:
    """Return counts by status, mode and reason, the funnel, and awards and losses by day; remembered for a while."""
    key = key_of(course_run)
    return summary_as_json(key, known_summary(key, is_fresh=fresh))


@app.get(
    "/v1/course-run/summary/learners",
    summary="The learners behind a number of a course run",
    **call(StandingsPage, refuses=(404,)),
)
def summary_learners(
    *,
    course_run: CourseRun,
    status: choice(CHOICES["status"], "The certificate's; none: no certificate; any: one; pending: lost soon.") = "",  # type: ignore[valid-type]
    mode: Annotated[str, Query(max_length=255, description="Of the enrollment; unknown: none was received.")] = "",
    reason: choice(CHOICES["reason"], "An unmet rule, by its code.") = "",  # type: ignore[valid-type]
    step: choice(CHOICES["step"], "At least so far.") = "",  # type: ignore[valid-type]
    stuck: choice(CHOICES["stuck"], "Exactly so far.") = "",  # type: ignore[valid-type]
    change: choice(CHOICES["change"], "Of the day.") = "",  # type: ignore[valid-type]
    day: Annotated[str, Query(max_length=10, description="YYYY-MM-DD, UTC.")] = "",
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Return a page of learners, from the index alone, as of their last saved decisions."""
    key = key_of(course_run)
    which = checked(
        {"status": status, "mode": mode, "reason": reason, "step": step, "stuck": stuck, "change": change, "day": day}
    )
    rows, following = learners_by(key, known_summary(key), which, read_list_place(cursor, key), PAGE)
    return {"course_run": key, "learners": rows, "next": write_list_place(key, following)}


def known_summary(course_run: str, *, is_fresh: bool = False) -> Summary:
    """Return the numbers of a course run. Raises RefusedActError if nothing was received of it."""
    found = summary_of(course_run, aws.now(), is_fresh=is_fresh)
    if not found.stored:
        refuse_unknown(course_run)
    return found


def checked(fields: dict[str, str]) -> Filter:
    """Return the filter of a request's fields. Raises RefusedActError for a value that nobody can have."""
    for name, known in CHOICES.items():
        if (value := fields.get(name, "")) and value not in known:
            raise RefusedActError(422, f"{value[:40]!r} is no {name} to filter by", f"one of: {', '.join(known)}", name)
    if (day := fields.get("day", "")) and not _is_day(day):
        raise RefusedActError(422, f"{day[:20]!r} is no day", "write it as 2026-01-31", "day")
    return Filter(**{name: fields.get(name, "") for name in Filter._fields})


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def write_list_place(course_run: str, place: ListPlace | None) -> str | None:
    """Return a cursor; it is opaque to whoever gets it."""
    return None if place is None else urlsafe_b64encode(json.encode((course_run, place))).decode()


def read_list_place(cursor: str | None, course_run: str) -> ListPlace | None:
    """Return where a page of a course run's list starts. Raises RefusedActError for what no page of it gave out."""
    if not cursor:
        return None
    try:
        of, place = json.decode(urlsafe_b64decode(cursor), type=tuple[str, ListPlace])
    except (ValueError, DecodeError):
        of, place = "", None
    if place is None or of != course_run or not 0 <= place.shard < COURSE_RUN_SHARDS:
        raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor")
    return place
