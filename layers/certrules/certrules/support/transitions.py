"""Transitions of all course runs by time: listed with filters, and counted by week, from one index."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from certrules import storage
from certrules.formats.stored import as_time
from certrules.requests import identity
from certrules.storage import ListedTransition
from certrules.support.learners import usernames_of

NOBODY = "none"
"""How a filter names that there was no certificate before."""

_READ_AT_ONCE = 25
"""How many entries of each shard are read for a page; a filter that leaves some out reads _FILTERED_AT_ONCE."""

_FILTERED_AT_ONCE = 500

MOST_STEPS = 4
"""How often a page reads from all shards at most; the next page goes on after it."""


class Filter(NamedTuple):
    """Which transitions are looked for; "" for any."""

    actor: str = ""
    cause: str = ""
    change: str = ""  # one of CHANGES
    previous: str = ""  # the status before; or none
    status: str = ""  # the status after
    course_run: str = ""

    def takes(self, found: ListedTransition) -> bool:
        """Whether a transition is listed."""
        text = found.text
        return (
            (not self.actor or identity(self.actor) == identity(text.by))
            and self.cause in {"", text.cause}
            and self.change in {"", text.change}
            and self.previous in {"", text.previous or NOBODY}
            and self.status in {"", text.status}
            and self.course_run in {"", found.pair.course_run}
        )


_ANY = Filter()


def listed(
    since: datetime, until: datetime, which: Filter, before: str | None, limit: int
) -> tuple[list[ListedTransition], str | None]:
    """Return a page of transitions from `since` on and before `until` (UTC), newest first, and where the next starts.

    The page may have fewer than `limit`, or none, and others follow: a request for each shard, MOST_STEPS times at
    most.
    """
    chosen: list[ListedTransition] = []
    for _ in range(MOST_STEPS):
        at_once = _READ_AT_ONCE if which == _ANY else _FILTERED_AT_ONCE
        page, before = storage.transitions(since, until, before, at_once)
        chosen += [found for found in page if which.takes(found)]
        if len(chosen) > limit:
            return chosen[:limit], chosen[limit - 1].key
        if before is None or len(chosen) == limit:
            break
    return chosen, before


def all_listed(since: datetime, until: datetime, which: Filter, most: int) -> Iterator[ListedTransition]:
    """Yield up to so many transitions, newest first."""
    before: str | None = None
    left = most
    while left:
        found, before = listed(since, until, which, before, min(left, 1_000))
        yield from found
        left -= len(found)
        if before is None:
            return


def as_json(found: Iterable[ListedTransition]) -> list[dict[str, Any]]:
    """Return transitions as the API answers them, with usernames where they are stored: one request for a hundred."""
    rows = list(found)
    usernames = usernames_of(one.pair.learner_id for one in rows)
    return [
        {
            "key": one.key,
            "at": as_time(one.at),
            **one.pair._asdict(),
            "username": usernames.get(one.pair.learner_id),
            "number": one.number,
            "change": one.text.change,
            "previous": one.text.previous,
            "status": one.text.status,
            "cause": one.text.cause,
            "by": one.text.by,
        }
        for one in rows
    ]
