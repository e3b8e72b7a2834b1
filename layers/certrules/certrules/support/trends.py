"""Awards, losses and held revocations by week and cause: counted from the index of transitions, and remembered."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any

import msgspec

from certrules import storage
from certrules.formats.stored import as_time
from certrules.formats.transition_texts import AWARDED, HELD, LOST, OTHER, read_transition_text
from certrules.storage import TRANSITION_SHARDS, WEEK, LostRaceError, monday_of

MOST_WEEKS = 26
"""How many weeks are shown at most."""

MOST_REQUESTS = 64
"""How many requests count for one page at most, each up to 5,000 transitions; weeks that remain are counted next."""

_VALID_FOR = timedelta(minutes=1)
_VALID_TIMES = 200
_VALID_SHARE = 10
"""A count is valid for a minute, 200 times as long as it took, and a tenth of the week's age: few events come late."""

_KIND, _NAME = "T", "-"
"""The note that remembers the counts."""


class WeekCount(msgspec.Struct, array_like=True):
    """What changed in a week, as it was counted and is remembered."""

    at: datetime  # UTC: when it was counted
    valid_until: datetime  # UTC
    is_whole: bool  # False: there are more than were counted
    counts: dict[str, int]  # by the letters of the transitions' texts


type Weeks = dict[str, WeekCount]
"""By the day (UTC) of the week's Monday."""


def weeks_of(now: datetime, how_many: int, *, is_fresh: bool = False) -> list[dict[str, Any]]:
    """Return the last weeks as of now (UTC), the newest first; one without numbers is not counted yet.

    One request if all are remembered; else MOST_REQUESTS more at most, and one that remembers. `is_fresh` counts again.
    """
    note = storage.find_note(_KIND, _NAME)
    known: Weeks = msgspec.json.decode(note.b, type=Weeks) if note.v else {}
    first = monday_of(now)
    mondays = [first - number * WEEK for number in range(how_many)]
    missing = [day for day in mondays if is_fresh or not _is_valid(known.get(_name(day)), now)]
    counted = _counted(missing, now)
    if counted:
        oldest = _name(first - (MOST_WEEKS - 1) * WEEK)
        known = {day: week for day, week in (known | counted).items() if day >= oldest}
        with suppress(LostRaceError):  # somebody else counted meanwhile
            storage.save_note(note, known, now + MOST_WEEKS * WEEK)
    return [_as_json(day, known.get(_name(day))) for day in mondays]


def _is_valid(week: WeekCount | None, now: datetime) -> bool:
    return week is not None and week.valid_until > now


def _name(monday: datetime) -> str:
    return f"{monday:%Y-%m-%d}"


def _counted(mondays: Iterable[datetime], now: datetime) -> Weeks:
    """Count these weeks, the newest first, as far as MOST_REQUESTS go."""
    found: Weeks = {}
    left = MOST_REQUESTS
    for span in _spans(mondays):
        pages = left // TRANSITION_SHARDS
        if not pages:
            break
        begun = monotonic()
        counted = storage.counted_by_week(span[-1], span[0] + WEEK, pages)
        left -= counted.requests
        took = timedelta(seconds=monotonic() - begun)
        for monday in span:
            is_whole = counted.counted_from is None or monday > counted.counted_from
            if is_whole or monday == span[0]:  # one too large for all requests is counted in part, so others follow
                valid_for = max(_VALID_FOR, _VALID_TIMES * took, (now - monday - WEEK) / _VALID_SHARE)
                counts = dict(counted.counts.get(monday, {}))
                found[_name(monday)] = WeekCount(now, now + valid_for, is_whole, counts)
    return found


def _spans(mondays: Iterable[datetime]) -> Iterator[list[datetime]]:
    """Yield the weeks, newest first, in spans of weeks that follow each other."""
    mondays = list(mondays)
    span = mondays[:1]
    for newer, older in pairwise(mondays):
        if newer - older == WEEK:
            span.append(older)
        else:
            yield span
            span = [older]
    if span:
        yield span


def _as_json(monday: datetime, week: WeekCount | None) -> dict[str, Any]:
    causes: dict[str, Counter[str]] = {change: Counter() for change in (AWARDED, LOST, HELD, OTHER)}
    for code, count in week.counts.items() if week else ():
        text = read_transition_text(code)
        causes[text.change][text.cause or ""] += count
    return {
        "week": _name(monday),
        "counted_at": as_time(week.at) if week else None,
        "complete": week.is_whole if week else False,
        **{change: causes[change].total() for change in (AWARDED, LOST, HELD)},
        "awarded_by_cause": _rows(causes[AWARDED]),
        "lost_by_cause": _rows(causes[LOST]),
    }


def _rows(counts: Counter[str]) -> list[dict[str, Any]]:
    ranked = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [{"value": value, "count": count} for value, count in ranked]
