"""Thinning: what of a timeline's grades is stored. Percents inform, they don't decide, and there may be thousands.

Every grade of the last day is stored, up to MOST_OF_A_DAY, since an event that arrives late may award the certificate
at any instant of it. Of older ones stay those that decide, those that certificates have, the first, and the last. One
entry stands for what was dropped (`OLDER_GRADES`). Of all but the newest grades only instant, percent and letter are
stored: the event id is two thirds of an entry.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from certrules.core.fact_types import Fact
from certrules.core.older_grades import OlderGrades
from certrules.core.timeline import Entry, Timeline

WINDOW = timedelta(days=1)
"""How late an event may arrive for the grade on a certificate that it awards to be exactly that of the award."""

MOST_OF_A_DAY = 48
"""How many grades of the last day are stored beside those that stay anyway: the newest ones."""

_WHOLE = 2
"""So many of the newest grades are stored with their event ids."""


def thin(timeline: Timeline, graded_at: Collection[datetime]) -> Timeline:
    """Drop the grades that are not needed, and the event ids of most others. No certificate changes by it.

    What was in force at the instants `graded_at` (UTC) stays: certificates have their grades from then. Thinning what
    was thinned changes nothing, whatever of the dropped entries is delivered again.
    """
    grades = [entry for entry in timeline if entry.fact is Fact.GRADE]
    if len(grades) <= _WHOLE:
        return timeline
    deciding, inert = _letters(timeline)
    staying = {*deciding, *_in_force(grades, graded_at), timeline[0], grades[0]}
    recent = [entry for entry in grades if entry.at > grades[-1].at - WINDOW and entry not in staying]
    staying.update(recent[-MOST_OF_A_DAY:])
    instants = {entry.at for entry in staying}  # those that share one stay together, so that their order is known
    dropped = [entry for entry in grades if entry.at not in instants]
    older = next((entry for entry in timeline if entry.fact is Fact.OLDER_GRADES), None)
    remaining = [entry for entry in timeline if entry.fact is not Fact.GRADE and entry is not older]
    remaining += _shortened([entry for entry in grades if entry.at in instants], {*deciding, timeline[0]})
    if dropped:
        older = _with_dropped(older, dropped, inert)
    if older is not None:
        remaining.append(older)
    remaining.sort(key=lambda entry: entry[:4])
    return tuple(remaining)


def _letters(timeline: Timeline) -> tuple[set[Entry], set[Entry]]:
    """Return the grades whose letter may mean passed: those that decide, and those that only repeat.

    A letter repeats if since the last failing entry a passing entry or the same letter came before. The last evidence
    of passing before a failing entry decides too: a failing entry that arrives late must meet it.
    """
    deciding: set[Entry] = set()
    inert: set[Entry] = set()
    passed = False  # by a passing entry, since the last failing one
    seen: set[tuple[str, bool]] = set()
    last: Entry | None = None
    for entry in timeline:
        if entry.fact is Fact.PASSING:
            if not entry.value and last is not None:
                deciding.add(last)
            passed, last = entry.value, None
            if not passed:
                seen.clear()
        elif entry.fact is Fact.GRADE and entry.value.may_mean_passed:
            letter = entry.value[1:]
            (inert if passed or letter in seen else deciding).add(entry)
            seen.add(letter)
            last = entry
    return deciding, inert - deciding


def _in_force(grades: Sequence[Entry], graded_at: Iterable[datetime]) -> set[Entry]:
    """Return the newest grades, the first of those equal to the last, and what was in force at these instants (UTC)."""
    ats = [entry.at for entry in grades]
    positions = (bisect_right(ats, at) - 1 for at in (*graded_at, ats[-1] - WINDOW))
    found = {grades[position] for position in positions if position >= 0}
    found.update(grades[-_WHOLE:])
    start = len(grades) - 1
    while start and grades[start - 1].value == grades[-1].value:
        start -= 1
    found.add(grades[start])
    return found


def _shortened(grades: Sequence[Entry], whole: Collection[Entry]) -> list[Entry]:
    """Return grades without the event ids of all but these, the newest, and those that share an instant."""
    found: list[Entry] = []
    for position, entry in enumerate(grades):
        shares = any(
            other.at == entry.at for other in grades[max(0, position - 1) : position + 2] if other is not entry
        )
        if position >= len(grades) - _WHOLE or shares or entry in whole:
            found.append(entry)
        else:
            found.append(entry._replace(event_id=""))
    return found


def _with_dropped(older: Entry | None, dropped: Sequence[Entry], inert: Collection[Entry]) -> Entry:
    """Return the entry that stands for older grades and for these. Only those after the ones that it has are counted.

    Others may be of events that are delivered again.
    """
    last = dropped[-1]
    letters_until = max((entry.at for entry in dropped if entry in inert), default=None)
    value = OlderGrades(len(dropped), dropped[0].at, last.value.percent, letters_until)
    at = last.at
    if older is not None:
        before: OlderGrades = older.value
        new = sum(entry.at > older.at for entry in dropped)
        percent = last.value.percent if new else before.percent
        letters = [instant for instant in (before.letters_until, letters_until) if instant is not None]
        value = OlderGrades(before.number + new, before.since, percent, max(letters, default=None))
        at = max(at, older.at)
    return Entry(at, "older-grades", Fact.OLDER_GRADES, "", value)
