"""Events in the form of the bus: an EventBridge entry with `metadata`, data and `transport` in its detail."""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple
from uuid import uuid4

import attr
from openedx_events.data import EventsMetadata

MOST_BYTES = 256 * 1024
"""How large an entry of EventBridge may be: source, detail-type, detail, and 14 bytes for the time."""

PERSONAL = frozenset({"coach_email", "email", "full_name", "name", "username"})
"""The fields that name a person, in the data classes of learning events. The course's title is `display_name`."""

FIRST_VERSION = ".v1"


class Entry(NamedTuple):
    """An event that waits to be put on the bus."""

    event_id: str
    event_type: str
    source: str
    time: float  # seconds since 1970
    detail: str  # JSON

    @property
    def size(self) -> int:
        """The number of bytes as EventBridge counts them."""
        return len(self.source) + len(self.event_type) + len(self.detail.encode()) + 14


class TooLargeError(Exception):
    """An event is larger than the bus takes. No retry can help."""


def entry_of(metadata: EventsMetadata, data: Mapping[str, Any], transport: Mapping[str, Any], *, names: bool) -> Entry:
    """Return an event as an entry; without personal data unless `names`. Raises TooLargeError."""
    detail = {
        "metadata": {
            "id": str(metadata.id),
            "event_type": metadata.event_type,
            "minorversion": metadata.minorversion,
            "time": metadata.time.isoformat(),
            "source": metadata.source,
            "sourcehost": metadata.sourcehost,
            "sourcelib": metadata.sourcelib,
        },
        **{key: as_json(value, names=names) for key, value in data.items()},
        "transport": transport,
    }
    text = json.dumps(detail, separators=(",", ":"))
    entry = Entry(str(metadata.id), metadata.event_type, metadata.source, metadata.time.timestamp(), text)
    if entry.size > MOST_BYTES:
        raise TooLargeError(f"it has {entry.size:,} bytes, and the bus takes {MOST_BYTES:,}")
    return entry


def own_metadata(event_type: str, at: datetime | None = None) -> EventsMetadata:
    """Return the metadata of an event for which the platform has no type, as of an instant (None: now)."""
    time = None if at is None else at.astimezone(timezone.utc)  # noqa: UP017 - what the library compares with
    return EventsMetadata(event_type=event_type, id=uuid4(), time=time)


def key_of(data: Mapping[str, Any], path: str) -> str | None:
    """Return the event's key, found by a path with dots; None if there is nothing."""
    value: Any = data
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if value is None:
            return None
    return str(value)


def as_json(value: Any, *, names: bool) -> Any:
    """Return data of an event as JSON: data classes as objects, keys of courses as text, times in ISO 8601."""
    kind = type(value)
    if value is None or kind in (str, int, bool):
        return value
    if kind is float:
        return value if math.isfinite(value) else None  # JSON has no NaN
    if fields := _fields(kind):
        return {
            name: "" if name in PERSONAL and not names else as_json(getattr(value, name), names=names)
            for name in fields
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {
            str(name): "" if name in PERSONAL and not names else as_json(item, names=names)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item, names=names) for item in value]
    return str(value)


_known_fields: dict[type, tuple[str, ...]] = {}


def _fields(kind: type) -> tuple[str, ...]:
    """Return the names of a data class's fields; none of another type."""
    found = _known_fields.get(kind)
    if found is None:
        found = tuple(item.name for item in attr.fields(kind)) if attr.has(kind) else ()
        _known_fields[kind] = found
    return found
