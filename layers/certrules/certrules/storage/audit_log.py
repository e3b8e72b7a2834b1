"""The audit log at rest: one item for each thing that a person did, written once and never changed.

`p` = `A#<year>-<month>`, `s` = `<microseconds since 1970>#<name>`, so that a month is read in order of time. People
write it, and API Gateway admits 25 of their requests a second: a partition serves 40 times that, so a month needs no
shards, and a year is read by 12 queries. Index `about`: `a` = `L#<learner>#<course run>`, `R#<course run>` or
`N#<bulk run>`, then `s`: it spreads over what people act on, and is sparse.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from certrules.core.instants import instant_of, micros
from certrules.storage.tables import LostRaceError, SupportItem, put_item


def entry_key(at: datetime, name: str) -> str:
    """Return the key of an entry: its instant (UTC), and a name that is the same if it is written again."""
    return f"{micros(at):016d}#{name}"


def add_entry(key: str, body: str, about: str | None, expires_at: datetime) -> None:
    """Write an entry (JSON) until it expires (UTC); if it is there already, it stays as it is."""
    item = SupportItem(_month(instant_of(int(key[:16]))), key, b=body, a=about, ttl=int(expires_at.timestamp()))
    with suppress(LostRaceError):
        put_item(item)


def find_entry(key: str) -> str | None:
    """Return an entry (JSON) by its key, consistently; None if there is none, or if this is no key."""
    if not (key[:16].isascii() and key[:16].isdigit() and key[16:17] == "#"):
        return None
    try:
        return SupportItem.get(_month(instant_of(int(key[:16]))), key, consistent_read=True).b
    except (SupportItem.DoesNotExist, OverflowError):
        return None


def entries_about(about: str, limit: int) -> list[tuple[str, str]]:
    """Return the newest entries about something: their keys, and their JSON. One request."""
    found = SupportItem.by_about.query(about, scan_index_forward=False, limit=limit)
    return [(item.s, item.b) for item in found]


def entries(
    since: datetime, until: datetime, before: str | None, limit: int
) -> tuple[list[tuple[str, str]], str | None]:
    """Return entries from `since` (UTC) on and before `until`, newest first, and the start of the next page.

    `before`: only what is older than the entry of this key. A request for each month, until there are `limit`.
    """
    found: list[tuple[str, str]] = []
    last = min(filter(None, (before, entry_key(until, ""))))
    first = entry_key(since, "")
    for month in _months(since, instant_of(int(last[:16]))):
        condition = SupportItem.s.between(first, last)
        wanted = limit - len(found) + 1  # with that of `before`, which is left out
        page = SupportItem.query(month, condition, scan_index_forward=False, limit=wanted, page_size=wanted)
        found += [(item.s, item.b) for item in page if item.s < last][: limit - len(found)]
        if len(found) == limit:
            return found, found[-1][0]
    return found, None


def _month(instant: datetime) -> str:
    return f"A#{instant:%Y-%m}"


def _months(since: datetime, until: datetime) -> Iterator[str]:
    """Return the months from that of `until` back to that of `since`."""
    day = until
    while _month(day) >= _month(since):
        yield _month(day)
        day = day.replace(day=1) - timedelta(days=1)
