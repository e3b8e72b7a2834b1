"""All event types that are read, by name: Open edX's, then our own."""

from collections.abc import Mapping

from certrules.formats.event_form import EventType
from certrules.formats.own_events import OWN_EVENTS
from certrules.formats.platform_events import PLATFORM_EVENTS

EVENT_TYPES: Mapping[str, EventType] = {row.name: row for row in (*PLATFORM_EVENTS, *OWN_EVENTS)}

KNOWN_STEMS = {name.rpartition(".v")[0] for name in EVENT_TYPES}
"""The names without their versions: an unknown version of a known type is refused by that name."""
