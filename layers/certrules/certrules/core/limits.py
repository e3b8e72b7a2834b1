"""Limits in bytes: what of a timeline gives way, and in which order, before its item is too large for DynamoDB.

An item has at most 400 KB. What decides is stored whole up to TIMELINE_BYTES. Beyond, in this order: what only informs
gives way, long notes are cut, and old entries that stood against a certificate and were answered since are dropped, if
the certificate comes out the same without them.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from certrules.core.fact_types import AFTER_PUBLICATION, Fact
from certrules.core.late_entries import AGAINST, COMPACTION, stands_against
from certrules.core.policy import Modes
from certrules.core.terms import PERSON
from certrules.core.timeline import Entry, Timeline, TimelineFullError, compact

TIMELINE_BYTES = 320_000
"""How many bytes a stored timeline may have: some 5,000 entries that all decide. The certificate takes 30,000 more."""

RESERVED_BYTES = 24_000
"""So many more bytes may be taken by what people do: their way on where the facts of the platform fill a timeline."""

MOST_COURSES = 300
MOST_COURSE_RUNS = 1_000
"""How many courses, and course runs in all of them, a program's definition may have: so many fit into one event."""

DEFINITIONS_BYTES = 320_000
"""How many bytes the stored definitions of one program may have; see `programs.definitions.fit_definitions`."""

LONG_NOTE = 200
"""An actor and notes with more characters than this are stored once, and referred to by entries that have the same."""

_RECENT = 1_000
"""So many of the newest entries are never dropped, because a late entry most often belongs among them."""

_SHORT_NOTES = (200, 40)
_CUT = " … (cut: too many long notes)"
_SHORT_ACTOR = 100

_SHOWN_SETTINGS = {"display_behavior", "available_date", "end", "self_paced"}
_PEOPLES = {Fact.ALLOWLIST, Fact.DATE_OVERRIDE, Fact.REVOCATION, Fact.AUTOMATIC_REVOCATIONS}

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')


# --- bytes


def stored_bytes(timeline: Iterable[Entry]) -> int:
    """Return how many bytes the stored form of a timeline has at most; it has hardly fewer."""
    total, before = 2, ""
    noted: set[tuple[str, str]] = set()
    for entry in timeline:
        actor = entry.by, entry.notes
        total += _bytes_of(entry, before, is_noted=actor in noted)
        before = entry.event_id
        if is_long(*actor):
            noted.add(actor)
    return total


def is_long(by: str, notes: str) -> bool:
    """Whether an actor and notes are stored once, and referred to by later entries that have the same."""
    return len(by) + len(notes) > LONG_NOTE


def _bytes_of(entry: Entry, event_before: str = "", *, is_noted: bool = False) -> int:
    """Return how many bytes an entry takes at most, after one of the event `event_before`."""
    _, event_id, _, subject, value, by, notes = entry
    total = 28  # the microseconds since the entry before, the letter of the fact, brackets and commas
    if event_id != event_before:
        total += 25 if _UUID.fullmatch(event_id) else 1 + _text_bytes(event_id)
    total += 2 + _text_bytes(subject) + _value_bytes(value)
    if is_noted:
        return total + 6
    return total + 2 + _text_bytes(by) + _text_bytes(notes) if by or notes else total


def _text_bytes(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return size + 2 + 5 * len(_ESCAPED.findall(text))


def _value_bytes(value: Any) -> int:
    if isinstance(value, str):
        return _text_bytes(value)
    if value is None or isinstance(value, bool):
        return 5
    if isinstance(value, Modes):
        value = (value.all_but, *value.names)
    if isinstance(value, tuple):
        return 2 + sum(1 + _value_bytes(item) for item in value)
    return 24  # a number, or an instant or a span in microseconds


# --- limits


def limit_of(known: Timeline, entries: Iterable[Entry]) -> int:
    """Return how many bytes a known timeline may have with new entries. What people do may take the reserve."""
    own = {entry[1:4] for entry in known}
    new = (entry for entry in entries if entry[1:4] not in own)
    limit = TIMELINE_BYTES + (RESERVED_BYTES if any(_is_of_people(entry) for entry in new) else 0)
    return limit if is_within(known, limit) else stored_bytes(known)


def _is_of_people(entry: Entry) -> bool:
    """Whether an entry states what a person does, or what holds a revocation for one."""
    if entry.fact is Fact.INVALIDATION:
        return entry.subject == PERSON
    if entry.by == COMPACTION:
        return False
    return entry.fact in _PEOPLES or (entry.fact in {Fact.COURSE_RUN, Fact.ID_VERIFICATION} and bool(entry.by))


def is_within(timeline: Sequence[Entry], limit: int) -> bool:
    """Whether the stored form of a timeline has no more bytes than this."""
    sizes = [
        (60_000 if fact is Fact.COURSE_RUN else 12_000) + 6 * (len(by) + len(notes))
        for _, _, fact, _, _, by, notes in timeline
    ]
    most = sum(sizes)  # more than they can have; nearly always that is little enough
    return most <= limit or stored_bytes(timeline) <= limit


class Fixed(NamedTuple):
    """What a shorter timeline may not change of the certificate that it gives."""

    decides_same: Callable[[Timeline], bool]
    transitions: Collection[datetime]  # UTC: what was in force at these stays
    issued: Collection[datetime]  # UTC: what these dates rest on stays
    mode: str


def fit(
    timeline: Timeline, compacted_until: datetime, limit: int, fixed: Fixed | None = None
) -> tuple[Timeline, datetime]:
    """Return a timeline with no more bytes than a limit, and up to when (UTC) it is compacted then.

    Without `fixed`, nothing that decides is dropped. Raises TimelineFullError.
    """
    if is_within(timeline, limit):
        return timeline, compacted_until
    target = limit // 4 * 3  # so that it is rare
    shorter = _without_informing(timeline, target, fixed.transitions if fixed else ())
    if fixed is not None and not fixed.decides_same(shorter):
        shorter = timeline
    shorter = _with_short_notes(shorter, target)
    if is_within(shorter, limit):
        return shorter, compacted_until
    if fixed is not None:
        answered = _answered(shorter, fixed)
        for count in dict.fromkeys((len(answered), len(answered) // 2)):
            if not count:
                break
            dropped = set(answered[:count])
            remaining = tuple(entry for entry in shorter if entry not in dropped)
            settled = compact(remaining, compacted_until=max(compacted_until, answered[count - 1].at))
            if is_within(settled[0], limit) and fixed.decides_same(settled[0]):
                return settled
    message = f"{stored_bytes(shorter)} bytes of entries that all decide; at most {limit} are stored. "
    raise TimelineFullError(message + "Stop what sends these changes; what a person does is still taken")


# --- what gives way


def _lines(timeline: Timeline) -> dict[tuple[Fact, str], list[Entry]]:
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        lines.setdefault((entry.fact, entry.subject), []).append(entry)
    return lines


def _without_informing(timeline: Timeline, target: int, dates: Collection[datetime]) -> Timeline:
    """Drop entries that only inform, oldest first, until the timeline has `target` bytes or none is left.

    The first and the last of each fact and subject stay, and what was in force at `dates`.
    """
    letters = _repeated_letters(timeline)
    found: list[Entry] = []
    for line in _lines(timeline).values():
        instants = [entry.at for entry in line]
        in_force = {bisect_right(instants, date) - 1 for date in dates}
        found += [
            entry
            for position, (before, entry) in enumerate(pairwise(line[:-1]), 1)
            if position not in in_force and (entry in letters or _informs(before, entry))
        ]
    excess = stored_bytes(timeline) - target
    dropped = set()
    for entry in sorted(found, key=lambda entry: entry[:4]):
        if excess <= 0:
            break
        dropped.add(entry)
        excess -= _bytes_of(entry)
    return tuple(entry for entry in timeline if entry not in dropped)


def _informs(before: Entry, entry: Entry) -> bool:
    """Whether an entry decides nothing, since another one of its fact and subject follows."""
    match entry.fact:
        case Fact.IGNORED_FIELD | Fact.DATE_OVERRIDE:
            return True
        case Fact.GRADE:
            return not entry.value.may_mean_passed
        case Fact.ENROLLMENT:  # whether it is active decides nothing
            return bool(entry.value.mode == before.value.mode)
        case Fact.RECORDED:
            return entry.subject == AFTER_PUBLICATION or bool(entry.value[:4] == before.value[:4])
        case Fact.COURSE_RUN:
            return entry.subject in _SHOWN_SETTINGS
        case Fact.REVOCATION:  # held already
            return entry.by == before.by == COMPACTION
        case _:
            return False


def _repeated_letters(timeline: Timeline) -> set[Entry]:
    """Return the grades whose letter was there already since the last passing entry: only their percent is new."""
    seen: set[Any] = set()
    found = set()
    for entry in timeline:
        if entry.fact is Fact.PASSING:
            seen.clear()
        elif entry.fact is Fact.GRADE:
            letter = entry.value[1:]
            if letter in seen:
                found.add(entry)
            seen.add(letter)
    return found


def _with_short_notes(timeline: Timeline, target: int) -> Timeline:
    """Cut long notes and names of actors, oldest first, until the timeline has `target` bytes or none is long."""
    excess = stored_bytes(timeline) - target
    for length in _SHORT_NOTES:
        shorter: dict[tuple[str, str], tuple[str, str]] = {}
        for actor, count in Counter((entry.by, entry.notes) for entry in timeline).items():
            short = _cut(actor[0], _SHORT_ACTOR), _cut(actor[1], length)
            saved = _actor_bytes(actor, count) - _actor_bytes(short, count)
            if excess > 0 and saved > 0:
                shorter[actor] = short
                excess -= saved
        timeline = tuple(_with_actor(entry, shorter.get((entry.by, entry.notes))) for entry in timeline)
    return timeline


def _with_actor(entry: Entry, actor: tuple[str, str] | None) -> Entry:
    return entry if actor is None else entry._replace(by=actor[0], notes=actor[1])


def _actor_bytes(actor: tuple[str, str], count: int) -> int:
    """Return how many bytes an actor and notes take that so many entries have."""
    return sum(map(_text_bytes, actor)) * (1 if is_long(*actor) else count)


def _cut(text: str, length: int) -> str:
    return f"{text.removesuffix(_CUT)[:length]}{_CUT}" if len(text) > length + len(_CUT) else text


def _answered(timeline: Timeline, fixed: Fixed) -> list[Entry]:
    """Return the entries, oldest first, that stood against a certificate until a later one answered them.

    Not among the newest entries; and not the last ones before each date of issue, which may rest on them.
    """
    if len(timeline) <= _RECENT:
        return []
    newest = timeline[-_RECENT].at
    found: list[Entry] = []
    for line in _lines(timeline).values():
        runs = list(_contrary_runs(line, fixed.mode))
        needed = {run[0] for date in fixed.issued for run in [run for run in runs if run[0].at <= date][-1:]}
        for run in runs:
            if run[-1] is not line[-1] and run[-1].at < newest and run[0] not in needed:
                found += run
    return sorted(found, key=lambda entry: entry[:4])


def _contrary_runs(line: list[Entry], mode: str) -> Iterator[list[Entry]]:
    """Yield each run of entries of one fact and subject that stand against a certificate in this mode."""
    fact = line[0].fact
    if fact in AGAINST:
        runs = groupby(line, key=stands_against)
    elif fact is Fact.ENROLLMENT:
        runs = groupby(line, key=lambda entry: entry.value.mode != mode)
    else:
        return
    yield from (list(run) for is_contrary, run in runs if is_contrary)
