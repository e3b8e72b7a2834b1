"""Transitions of the whole deployment by time, read from the index `transition` without reading a history item."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from certrules import aws
from certrules.core.instants import EPOCH, MICROSECOND, instant_of, micros
from certrules.formats.transition_texts import CODE_LENGTH, TransitionText, read_transition_text
from certrules.storage.tables import TRANSITION_SHARDS, HistoryItem, Pair, place_of, transition_time

WEEK = timedelta(days=7)

_FIRST_MONDAY = EPOCH - timedelta(days=3)

_ENTRIES_A_REQUEST = 5_000
"""How many entries DynamoDB returns at once at most: an answer has 1 MB, an entry some 130 bytes."""


class ListedTransition(NamedTuple):
    """A transition as the index has it."""

    key: str  # sorts by time; those of one instant have an order, too
    pair: Pair
    number: int  # of its history item, from 1
    text: TransitionText

    @property
    def at(self) -> datetime:
        """Since when (UTC) it is true."""
        return instant_of(int(self.key[:16]))


def transitions(
    since: datetime, until: datetime, before: str | None, limit: int
) -> tuple[list[ListedTransition], str | None]:
    """Return transitions from `since` (UTC) on and before `until`, newest first, and the start of the next page.

    `before`: only what is older than this key. One request for each of TRANSITION_SHARDS, of `limit` entries each, two
    at least; all are returned down to the newest end of these.
    """
    first, last = transition_time(since), min(filter(None, (before, transition_time(until))))
    if first >= last:
        return [], None

    def query(shard: int) -> tuple[list[HistoryItem], bool]:
        condition = HistoryItem.t.between(first, last)
        found = HistoryItem.by_transition.query(
            str(shard), condition, scan_index_forward=False, limit=limit + 1, page_size=limit + 1
        )
        return [item for item in found if item.t < last], found.last_evaluated_key is not None

    pages = aws.each(query, range(TRANSITION_SHARDS))
    end = max((items[-1].t for items, more in pages if more), default="")  # at the end itself there may be others
    items = sorted((item for items, _ in pages for item in items if item.t > end), key=lambda item: item.t)
    found = [ListedTransition(item.t, *place_of(item), read_transition_text(item.w)) for item in reversed(items)]
    return found, found[-1].key if end else None


class WeekCounts(NamedTuple):
    """How many transitions of each kind there were in weeks, by the letters of their texts."""

    counts: dict[datetime, Counter[str]]  # by the week's Monday (UTC)
    counted_from: datetime | None  # UTC: what is older was not counted to the end; None: all was
    requests: int


def counted_by_week(since: datetime, until: datetime, pages: int) -> WeekCounts:
    """Count the transitions from `since` (UTC) on and before `until`, the newest first.

    At most so many requests (`pages`) for each of TRANSITION_SHARDS.
    """
    first, last = transition_time(since), transition_time(until)

    def count(shard: int) -> tuple[Counter[tuple[int, str]], str | None, int]:
        found = HistoryItem.by_transition.query(
            str(shard),
            HistoryItem.t.between(first, last),
            scan_index_forward=False,
            limit=pages * _ENTRIES_A_REQUEST,
            page_size=_ENTRIES_A_REQUEST,
            attributes_to_get=["t", "w"],
        )
        counter = Counter[tuple[int, str]]()
        end = ""
        for item in found:
            end = item.t
            counter[_week_of(end), item.w[:CODE_LENGTH]] += 1
        return counter, end if found.last_evaluated_key else None, -(-counter.total() // _ENTRIES_A_REQUEST) or 1

    shards = aws.each(count, range(TRANSITION_SHARDS))
    counts: dict[datetime, Counter[str]] = {}
    for counter, _, _ in shards:
        for (week, code), number in counter.items():
            counts.setdefault(_FIRST_MONDAY + week * WEEK, Counter())[code] += number
    end = max((end for _, end, _ in shards if end is not None), default=None)
    counted_from = None if end is None else instant_of(int(end[:16]))
    return WeekCounts(counts, counted_from, sum(requests for _, _, requests in shards))


def monday_of(instant: datetime) -> datetime:
    """Return the beginning (UTC) of the week of an instant."""
    return _FIRST_MONDAY + (instant - _FIRST_MONDAY) // WEEK * WEEK


def _week_of(key: str) -> int:
    return (int(key[:16]) - micros(_FIRST_MONDAY)) // (WEEK // MICROSECOND)
