"""Timelines: dated, sourced entries, remaining sorted; merging them and reading them at an instant.

A timeline is one sorted tuple of entries. Entries of the same fact and subject supersede each other in time; at
the same instant the one with the greater event id does, so that every delivery order agrees.
"""

from bisect import bisect
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from certrules.core.fact_types import FACTS, Fact
from certrules.core.instants import BEGINNING
from certrules.core.wording import EntryWording

CAPACITY = 80
"""How many entries but grades a timeline may hold before it is compacted."""

SETTLED_CAPACITY = 40
"""How many it may hold before entries older than SETTLED_AFTER are compacted."""

SETTLED_AFTER = timedelta(days=1)
"""Longer than nearly any event takes to arrive."""


class Entry(NamedTuple):
    """One dated value: the fact has this value from this instant on, by this event, and by this actor if it has one."""

    at: datetime  # UTC
    event_id: str  # "": a grade of which only instant and value are stored
    fact: Fact
    subject: str  # separates values of one fact that hold side by side: an ID attempt, an exam, a setting
    value: Any  # hashable; its type goes with the fact, see fact_types.FACTS
    by: str = ""  # the actor, "" for the platform itself
    notes: str = ""  # the actor's reason

    def wording(self, as_of: datetime) -> EntryWording:
        """Return the entry in plain English as of an instant (UTC): an ID verification may have expired since."""
        return FACTS[self.fact].wording(self.subject, self.value, as_of)


type Timeline = tuple[Entry, ...]

_order = attrgetter("at", "event_id", "fact", "subject")


class TimelineFullError(ValueError):
    """A timeline is full of entries that all decide. A retry can't help. Names what to do."""


def merge(timeline: Timeline, entries: Iterable[Entry]) -> Timeline:
    """Add entries to a timeline: commutative, associative and idempotent.

    An event gives one value to one fact and subject. If a producer uses an event id again for another value, the
    earlier (then the lesser) of the two entries is stored, whichever came first. If no entry is new, the same tuple
    is returned.
    """
    known = {(entry.event_id or entry.at, entry.fact, entry.subject): entry for entry in timeline}
    added = False
    for entry in entries:
        identity = (entry.event_id or entry.at, entry.fact, entry.subject)
        earlier = known.get(identity)
        if earlier is None and entry.fact is Fact.GRADE:
            shortened = known.get((entry.at, entry.fact, entry.subject))
            if shortened is not None and shortened.value == entry.value:
                continue  # it is delivered again
        if earlier is None or (earlier != entry and _content(entry) < _content(earlier)):
            known[identity] = entry
            added = True
    return tuple(sorted(known.values(), key=_order)) if added else timeline


def _content(entry: Entry) -> tuple[datetime, str]:
    return entry.at, repr((entry.value, entry.by, entry.notes))


def compact(
    timeline: Timeline, capacity: int = CAPACITY, compacted_until: datetime = BEGINNING
) -> tuple[Timeline, datetime]:
    """Drop entries that repeat the value before and after them, oldest first, if there are more than `capacity`.

    Of those older than SETTLED_AFTER fewer are stored. Grades are not counted: `thinning` drops them. Of each run of
    equal values the first entry stays, since it dates the fact, and the last one, since a late entry with another value
    must meet it. So the value at every instant, and every replay, stay the same. The second result is the instant (UTC)
    up to which the timeline is compacted: a repeat from before it is dropped when it is delivered again, since it would
    look like a new entry.
    """
    size = sum(entry.fact is not Fact.GRADE for entry in timeline)
    few = min(capacity, SETTLED_CAPACITY)
    if compacted_until is BEGINNING and size <= few:
        return timeline, compacted_until
    repeats = _repeats(timeline)
    settled = [entry for entry in repeats if entry.at <= timeline[-1].at - SETTLED_AFTER]
    for droppable, most in ((settled, few), (repeats, capacity)):
        excess = size - sum(entry.at <= compacted_until for entry in repeats) - most
        left = [entry for entry in droppable if entry.at > compacted_until]
        if excess > 0 and left:
            compacted_until = left[min(2 * excess, len(left)) - 1].at
    dropped = {entry for entry in repeats if entry.at <= compacted_until}
    remaining = tuple(entry for entry in timeline if entry not in dropped) if dropped else timeline
    return remaining, compacted_until


def _repeats(timeline: Timeline) -> list[Entry]:
    """Return the entries with an equal neighbour on both sides, oldest first.

    Passing and grade entries decide together, the last one first: a repeated failing entry is none if a letter that
    may mean passed came between.
    """
    letters = [_order(entry) for entry in timeline if entry.fact is Fact.GRADE and entry.value.may_mean_passed]

    def counts_again(before: Entry, entry: Entry) -> bool:
        """Whether a failing entry counts again because a letter came after the failing entry before it."""
        if entry.fact is not Fact.PASSING or entry.value:
            return False
        return bisect(letters, _order(before)) < bisect(letters, _order(entry))

    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        if entry.fact not in {Fact.REVOCATION, Fact.GRADE}:  # each action is on a pending revocation of its own
            lines.setdefault((entry.fact, entry.subject), []).append(entry)
    found = [
        entry
        for line in lines.values()
        for (before, entry), after in zip(pairwise(line), line[2:], strict=False)
        if before.value == entry.value == after.value and not counts_again(before, entry)
    ]
    return sorted(found, key=_order)


def ignored_fields(timeline: Timeline, as_of: datetime) -> tuple[Entry, ...]:
    """Return the ignored fields that nothing supersedes as of an instant (UTC).

    A field is superseded by a later entry of the fact and subject that it would have changed. If the subject is the
    field itself (a setting of the course run), an entry of the same instant supersedes it, too.
    """
    ignored: dict[str, Entry] = {}
    latest: dict[tuple[Fact, str], datetime] = {}
    for entry in timeline:
        if entry.at > as_of:
            break
        if entry.fact is Fact.IGNORED_FIELD:
            ignored[entry.subject] = entry
        else:
            latest[entry.fact, entry.subject] = entry.at
    return tuple(entry for entry in ignored.values() if not _is_superseded(entry, latest))


def _is_superseded(ignored: Entry, latest: Mapping[tuple[Fact, str], datetime]) -> bool:
    fact, subject, _ = ignored.value
    at = latest.get((fact, subject), BEGINNING)
    return at > ignored.at or (at == ignored.at and fact is Fact.COURSE_RUN and subject != "")


def at_instant(timeline: Timeline, instant: datetime) -> Mapping[tuple[Fact, str], Entry]:
    """Return, for each fact and subject, the first entry that gave it the value that it has at this instant (UTC)."""
    sources: dict[tuple[Fact, str], Entry] = {}
    for entry in timeline:
        if entry.at > instant:
            break
        line = (entry.fact, entry.subject)
        current = sources.get(line)
        if current is None or current.value != entry.value:
            sources[line] = entry
    return sources
