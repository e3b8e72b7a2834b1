"""All event types that are read, by name: Open edX's, then our own. And the one that each entry is exported as."""

from collections.abc import Mapping

from certrules.core.facts import Record
from certrules.core.timeline import Entry
from certrules.formats.event_form import EventType, Export
from certrules.formats.id_verification_events import ID_VERIFICATION_EVENTS
from certrules.formats.own_events import OWN_EVENTS
from certrules.formats.platform_events import PLATFORM_EVENTS
from certrules.formats.program_events import PROGRAM_EVENTS

EVENT_TYPES: Mapping[str, EventType] = {
    row.name: row for row in (*PLATFORM_EVENTS, *OWN_EVENTS, *ID_VERIFICATION_EVENTS, *PROGRAM_EVENTS)
}

DATA_KEYS = frozenset(row.key for row in EVENT_TYPES.values())
"""The keys under which events hold their data."""

KNOWN_STEMS = {name.rpartition(".v")[0] for name in EVENT_TYPES}
"""The names without their versions: an unknown version of a known type is refused by that name."""


def export_of(record: Record, entry: Entry) -> tuple[EventType, Export]:
    """Return the event type that an entry is exported as, and how: exactly one type includes each entry."""
    (found,) = [
        (row, row.export)
        for row in EVENT_TYPES.values()
        if row.export is not None and row.export.fact is entry.fact and row.export.includes(record, entry)
    ]
    return found
