"""Timelines: dated, sourced entries, remaining sorted; merging them and reading them at an instant.

A timeline is one sorted tuple of entries. Entries of the same fact and subject supersede each other in time; at
the same instant the one with the greater event id does, so that every delivery order agrees.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from certrules.core.terms import Fact

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Before every instant that an event can name."""

CAPACITY = 200
"""How many entries a timeline may hold before it is compacted."""

HARD_LIMIT = 2_000
"""How many entries a timeline may hold at all: about half of what a DynamoDB item can."""


class Entry(NamedTuple):
    """This fact had this value from this moment on, and who said so."""

    at: datetime  # UTC
    event_id: str
    fact: Fact
    subject: str  # tells apart what runs side by side under one fact: an ID attempt, an exam, a setting
    value: Any  # hashable; its type goes with the fact, see terms.Fact
    by: str = ""  # the actor, "" for the platform itself
    notes: str = ""  # the actor's reason


type Timeline = tuple[Entry, ...]

_order = attrgetter("at", "event_id", "fact", "subject")


class TimelineFullError(ValueError):
    """The timeline can't take more entries without forgetting one that matters. A retry can't help."""


def merge(timeline: Timeline, entries: Iterable[Entry]) -> Timeline:
    """Add entries to a timeline: commutative, associative and idempotent.

    An event id says one thing about one fact and subject, once. Should a producer reuse it for something else,
    the earliest (then the least) of the two is remaining, whichever came first. What is known already returns the
    very same tuple.
    """
    known = {(entry.event_id, entry.fact, entry.subject): entry for entry in timeline}
    added = False
    for entry in entries:
        identity = (entry.event_id, entry.fact, entry.subject)
        earlier = known.get(identity)
        if earlier is None or (earlier != entry and _content(entry) < _content(earlier)):
            known[identity] = entry
            added = True
    return tuple(sorted(known.values(), key=_order)) if added else timeline


def _content(entry: Entry) -> tuple[datetime, str]:
    return entry.at, repr((entry.value, entry.by, entry.notes))


def compact(
    timeline: Timeline, capacity: int = CAPACITY, compacted_until: datetime = BEGINNING
) -> tuple[Timeline, datetime]:
    """Drop entries that repeat the word before and after them, oldest first, once there are more than `capacity`.

    Of every run of equal values the first entry (it dates the fact) and the last one (a late contrary word must
    meet it) are remaining, so that the value at every instant, and with it every replay, stays the same. What is
    dropped is told from what never came by the second result: up to this instant the timeline is compacted_until, and
    repeats in its past (redelivered ones too) are dropped on sight.

    Raises TimelineFullError if more than HARD_LIMIT entries remain.
    """
    if compacted_until is BEGINNING and len(timeline) <= min(capacity, HARD_LIMIT):
        return timeline, compacted_until
    repeats = _repeats(timeline)
    excess = len(timeline) - capacity
    if excess > 0 and repeats:
        compacted_until = max(compacted_until, repeats[min(2 * excess, len(repeats)) - 1].at)
    dropped = {entry for entry in repeats if entry.at <= compacted_until}
    remaining = tuple(entry for entry in timeline if entry not in dropped) if dropped else timeline
    if len(remaining) > HARD_LIMIT:
        message = f"{len(remaining)} entries that all differ from the one before; at most {HARD_LIMIT} can be remaining"
        raise TimelineFullError(message)
    return remaining, compacted_until


def _repeats(timeline: Timeline) -> list[Entry]:
    """Return the entries with an equal neighbour on both sides, oldest first."""
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        if entry.fact is not Fact.REVOCATION:  # a word on one pending revocation repeats none on another
            lines.setdefault((entry.fact, entry.subject), []).append(entry)
    found = [
        entry
        for line in lines.values()
        for (before, entry), after in zip(pairwise(line), line[2:], strict=False)
        if before.value == entry.value == after.value
    ]
    return sorted(found, key=_order)


def at_instant(timeline: Timeline, instant: datetime) -> Mapping[tuple[Fact, str], Entry]:
    """Return the entry that gave each fact and subject the value it has at this instant: the first that said so."""
    sources: dict[tuple[Fact, str], Entry] = {}
    for entry in timeline:
        if entry.at > instant:
            break
        line = (entry.fact, entry.subject)
        current = sources.get(line)
        if current is None or current.value != entry.value:
            sources[line] = entry
    return sources
