"""What was published and did not arrive: found by certificate or by time, and sent again.

The support function may not send events in this service's name. It marks history items, and the stream from which
`publish` reads delivers them again: the same events, under the same ids, to every consumer.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from certrules import aws, storage
from certrules.core.instants import BEGINNING
from certrules.formats.stored import as_time
from certrules.formats.transition_texts import HELD
from certrules.requests import RefusedActError
from certrules.storage import ListedTransition, Pair
from certrules.support.transitions import Filter

MOST_CHANGES = 20_000
"""How many changes are found at most: they are counted, and sent in parts."""

MOST_LOOKED_AT = 100_000
"""How many changes of all course runs are read at most to find those of one: 13 MB of the index."""

MOST_AT_ONCE = 1_000
"""How many changes one request sends again: a write for each."""

EVENTS_A_CHANGE = 2
"""How many events a change has at most: the platform's, and this service's own."""

_READ_AT_ONCE = 1_000
"""How many entries of each shard of the index are read with one request."""


class Change(NamedTuple):
    """A change of a certificate that was published, or a revocation that was held."""

    pair: Pair
    number: int  # its place in the certificate's history, from 1
    at: datetime  # UTC
    status: str
    kind: str  # transition, or held


class Changes(NamedTuple):
    """The changes of a time, the oldest first, and which of them are sent next."""

    found: list[Change]
    until: datetime  # UTC
    skip: int = 0

    @property
    def sent(self) -> list[Change]:
        """Those that are sent next."""
        return self.found[self.skip : self.skip + MOST_AT_ONCE]

    @property
    def following(self) -> int | None:
        """How many are sent when these are; None if there are no others then."""
        after = self.skip + len(self.sent)
        return after if after < len(self.found) else None


def changes_between(course_run: str | None, learner_id: int | None, since: datetime | None, until: datetime) -> Changes:
    """Return the changes in [since, until) (UTC) of a course run, or (None) of all of them.

    Those of one learner are read from the certificate's history; others from the index, which has none that a release
    before it wrote. Raises RefusedActError if there are too many to be looked at or found.
    """
    if learner_id is not None:
        if course_run is None:
            fix = "give the course run, too, or leave the learner out"
            raise RefusedActError(422, "in which course run?", fix, "course_run")
        begin = since or BEGINNING
        found = [change for change in _changes_of(Pair(learner_id, course_run)) if begin <= change.at < until]
        return Changes(sorted(found, key=lambda change: (change.at, change.number)), until)
    if since is None:
        raise RefusedActError(422, "since when?", "give an instant from which on changes are sent again", "since")
    return Changes(_changes_in(Filter(course_run=course_run or ""), since, until), until)


def _changes_in(which: Filter, since: datetime, until: datetime) -> list[Change]:
    found: list[Change] = []
    looked_at, before = 0, None
    while True:
        page, before = storage.transitions(since, until, before, _READ_AT_ONCE)
        looked_at += len(page)
        found += [_change(listed) for listed in page if which.takes(listed)]
        if len(found) > MOST_CHANGES or looked_at > MOST_LOOKED_AT:
            title = f"there are more changes than {MOST_CHANGES:,}, or than can be looked at"
            raise RefusedActError(409, title, "choose a shorter time, and send one after the other", "since")
        if before is None:
            return found[::-1]


def _change(listed: ListedTransition) -> Change:
    kind = HELD if listed.text.is_held else "transition"
    return Change(listed.pair, listed.number, listed.at, listed.text.status or "", kind)


def _changes_of(pair: Pair) -> list[Change]:
    found = []
    for item in storage.history_items_of(pair):
        body = msgspec.json.decode(item.b)
        if body["kind"] != "tripped":
            at = datetime.fromisoformat(body["at"])
            found.append(Change(pair, storage.place_of(item)[1], at, body["certificate"]["status"], body["kind"]))
    return found


def send_again(changes: Iterable[Change], now: datetime) -> None:
    """Have changes sent again (UTC): a request for each. A retry is safe. Raises PynamoDB's errors."""
    at = as_time(now) or ""
    aws.each(lambda change: storage.send_history_again(change.pair, change.number, at), changes)
