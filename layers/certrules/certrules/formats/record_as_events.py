"""A record as events: its timelines as the events that bring the same entries, so that it can be decided elsewhere.

Decoding them (events_in) gives the same entries back: instants, event ids, values, actors and notes. Ignored fields are
not exported; they decide nothing.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.instants import micros
from certrules.core.timeline import Entry
from certrules.formats.event_types import export_of
from certrules.formats.stored import as_time

_APART = {Fact.COURSE_RUN, Fact.IGNORED_FIELD, Fact.OLDER_GRADES}
"""Settings share an event; the others have none, and decide nothing."""


def events_from(record: Record) -> list[dict[str, Any]]:
    """Return the events that bring a record's entries, as details, oldest first."""
    details = []
    for (at, event_id), group in groupby(record.timeline, key=lambda entry: entry[:2]):
        for entries in _entries_of_each_event(list(group)):
            event_type, export = export_of(record, entries[0])
            metadata = {
                "id": event_id or f"grade-{micros(at)}",  # of an older one no event id is stored
                "event_type": event_type.name,
                "minorversion": 0,
                "time": as_time(at),
                "source": "certs/export-case",
            }
            details.append({"metadata": metadata, event_type.key: export.write(record, entries)})
    return details


def _entries_of_each_event(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield entries with one event id by the event that brings them; nearly always one event: settings share one."""
    settings = [entry for entry in entries if entry.fact is Fact.COURSE_RUN]
    if settings:
        yield settings
    yield from ([entry] for entry in entries if entry.fact not in _APART)
