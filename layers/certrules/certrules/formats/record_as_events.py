"""A record as events: its timelines as the events that bring the same entries, so that it can be decided elsewhere.

Decoding them (events_in) gives the same entries back: instants, event ids, values, actors and notes. Two things differ.
No event has percent and letter without the passing entry that the letter implies: where compaction dropped that entry,
the letter is left out; it decides nothing. And attempts of ID verification that tables name by more than a number get
a number.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.timeline import Entry
from certrules.formats.event_form import EventData, Writer
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.own_events import OWN_WRITERS, write_configuration
from certrules.formats.platform_events import PLATFORM_WRITERS, implies_passing, write_grade, write_passing
from certrules.formats.stored import as_time

WRITERS: Mapping[Fact, Writer] = {**PLATFORM_WRITERS, **OWN_WRITERS}
"""Each writes one entry as one event. The other facts share events: a grade and its passing entry, settings."""


def events_from(record: Record) -> list[dict[str, Any]]:
    """Return the events that bring a record's entries, as details, oldest first."""
    details = []
    for (at, event_id), group in groupby(record.timeline, key=lambda entry: entry[:2]):
        for event in _events_of(record, list(group)):
            metadata = {
                "id": event_id,
                "event_type": event.event_type,
                "minorversion": 0,
                "time": as_time(at),
                "source": f"{OWN_SOURCE}/export",
            }
            details.append({"metadata": metadata, event.key: event.data})
    return details


def _events_of(record: Record, entries: list[Entry]) -> list[EventData]:
    """Return the events that bring entries with one event id; nearly always one."""
    events: list[EventData] = []
    settings = [entry for entry in entries if entry.fact is Fact.COURSE_RUN]
    if settings:
        events.append(write_configuration(record, settings))
    passing = next((entry for entry in entries if entry.fact is Fact.PASSING), None)
    grade = next((entry for entry in entries if entry.fact is Fact.GRADE), None)
    if grade is not None:
        letter = grade.value.letter
        if implies_passing(letter):
            letter = letter if passing is not None else ""
            passing = None
        events.append(write_grade(record, grade.value.percent, letter))
    if passing is not None:
        events.append(write_passing(record, passing))
    return events + [WRITERS[entry.fact](record, entry) for entry in entries if entry.fact in WRITERS]
