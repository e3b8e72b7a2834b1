"""Records of the platform's own event bus, on Kafka or Redis, become events in the form of our bus.

A record has the event's metadata beside its data: in the headers of Kafka, or in the fields of an entry of Redis. The
data is Avro: with the id of its schema before it (Confluent's wire format, on Kafka), or alone (on Redis). A record
that can't be read is refused with a reason, as an event is. Personal data ends here: it is in no event, and in no
refusal.
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from certrules.formats import avro
from certrules.formats.bus_schemas import Schemas
from certrules.formats.event_form import EventType, Metadata
from certrules.formats.event_types import KNOWN_STEMS
from certrules.formats.events_in import MAX_BYTES
from certrules.formats.platform_events import PLATFORM_EVENTS
from certrules.formats.refusals import Reason, RefusedError, Refusing, Sender, in_utc, type_name
from certrules.formats.senders import TrustedSenders, is_published_here

_TYPES: Mapping[str, EventType] = {row.name: row for row in PLATFORM_EVENTS}
"""What a bridge carries: the platform's facts. Whoever writes to its bus can't act for people here."""

_OF_ALL = {"sourcehost": "sourcehost", "sourcelib": "sourcelib"}
_HEADERS = _OF_ALL | {
    "ce_id": "id",
    "ce_type": "event_type",
    "ce_source": "source",
    "ce_time": "time",
    "ce_minorversion": "minorversion",
}
"""The metadata of an event by the names of Kafka's headers."""

_FIELDS = _OF_ALL | {
    "id": "id",
    "type": "event_type",
    "source": "source",
    "time": "time",
    "minorversion": "minorversion",
}
"""The metadata of an event by the names of the fields of an entry of Redis."""

_PERSONAL = {"pii", "name", "username"}
_LONGEST = 255
_PLACE = ("topic", "partition", "offset")
_NO_VALUE = "it has no value: in Kafka a deletion, in Redis an entry without event_data; have the producer send one"


class BusRecord(NamedTuple):
    """A record of the platform's event bus."""

    origin: Mapping[str, str | int]  # where it is: the bus, topic or stream, and the place there
    attributes: tuple[tuple[str, bytes], ...]  # headers or fields, as they stand there
    value: bytes | None
    is_of_kafka: bool  # the metadata is in Kafka's headers, and the value in Confluent's wire format
    sent_at: datetime | None = None  # UTC: when the bus took it

    @property
    def place(self) -> str:
        """Where the record is, to be found again: the bus, the topic, the partition and the offset."""
        return "/".join(map(str, self.origin.values()))


class BusEvent(NamedTuple):
    """An event for our bus."""

    source: str
    event_type: str
    at: datetime  # UTC: when it was sent
    detail: str  # JSON


class RefusedRecordError(RefusedError):
    """A record that can't be carried, and the body of its parked message."""

    def __init__(self, refusal: RefusedError, body: str) -> None:
        """Refuse for a reason; the body has no personal data."""
        super().__init__(refusal.reason, refusal.field, refusal.fix, refusal.sender)
        self.body = body


def event_of(record: BusRecord, schemas: Schemas, trusted: TrustedSenders) -> BusEvent | None:
    """Return the event of a record; None for one that this service published. Raises RefusedRecordError.

    Raises what `schemas` raises where a registry can't be reached.
    """
    stated = _readable(record)
    detail: dict[str, Any] = {"metadata": _metadata(stated), "bridge": record.origin}
    try:
        return _event(record, detail, schemas, trusted)
    except RefusedError as refusal:
        body = msgspec.json.encode(detail)
        if len(body) > MAX_BYTES:
            body = msgspec.json.encode({name: detail[name] for name in ("metadata", "bridge")})
        raise RefusedRecordError(refusal, body.decode()) from refusal


def _event(record: BusRecord, detail: dict[str, Any], schemas: Schemas, trusted: TrustedSenders) -> BusEvent | None:
    """Return the event of a record, and put its data into `detail` as far as it can be read. Raises RefusedError."""
    _refuse_repeated(record)
    with Refusing("metadata"):
        metadata = msgspec.convert(detail["metadata"], Metadata)
    at = in_utc(metadata.time, "metadata.time")
    sender = Sender(metadata.source, "", is_of_bus=False)
    if is_published_here(metadata, sender):
        return None
    event_type = _event_type(metadata.event_type)
    data = _data(record, event_type.name, schemas)
    if not isinstance(data, dict) or event_type.key not in data:
        fix = f"the data of {event_type.name} stands under this key: its schema has others"
        raise RefusedError(Reason.MISSING_FIELD, event_type.key, fix)
    detail[event_type.key] = _without_people(data[event_type.key])
    trusted.refuse_untrusted(event_type, sender)
    body = msgspec.json.encode(detail)
    if len(body) > MAX_BYTES:
        raise RefusedError(Reason.TOO_LARGE, "", f"{len(body)} bytes; an event has at most {MAX_BYTES}")
    sent_at = at if record.sent_at is None else max(at, record.sent_at)
    return BusEvent(metadata.source, event_type.name, sent_at, body.decode())


# --- metadata


def _names(record: BusRecord) -> Mapping[str, str]:
    return _HEADERS if record.is_of_kafka else _FIELDS


def _readable(record: BusRecord) -> dict[str, str]:
    """Return the metadata that the attributes hold, by its own names."""
    names = _names(record)
    named = ((names[name], value) for name, value in record.attributes if name in names)
    return {name: value.decode(errors="replace")[: _LONGEST + 1] for name, value in named}


def _metadata(stated: dict[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(stated)
    version = stated.get("minorversion", "")
    metadata["minorversion"] = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    parts = stated.get("sourcelib", "").split(".")
    if all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        metadata["sourcelib"] = [int(part) for part in parts]
    return metadata


def _refuse_repeated(record: BusRecord) -> None:
    names = _names(record)
    read = [names[name] for name, _ in record.attributes if name in names]
    for name in read:
        if read.count(name) > 1:
            fix = "it is there twice, and which one counts is not known: have the producer send it once"
            raise RefusedError(Reason.REPEATED_HEADER, f"metadata.{name}", fix)


def _event_type(name: str) -> EventType:
    if (found := _TYPES.get(name)) is not None:
        return found
    if name.rpartition(".v")[0] in KNOWN_STEMS and not name.endswith(".v1"):
        fix = f"{type_name(name)}: this version is not known; v1 is"
        raise RefusedError(Reason.UNKNOWN_VERSION, "metadata.event_type", fix)
    fix = f"{type_name(name)} is not carried from the platform's bus, see docs/bridges.md"
    raise RefusedError(Reason.UNKNOWN_TYPE, "metadata.event_type", fix)


# --- data


def _data(record: BusRecord, event_type: str, schemas: Schemas) -> Any:
    if record.value is None:
        raise RefusedError(Reason.NOT_AVRO, "", _NO_VALUE)
    schema_id, content = _wire(record.value) if record.is_of_kafka else (None, record.value)
    schema = schemas(schema_id, event_type)
    if schema is None:
        shown = "there is no schema of this type here" if schema_id is None else f"no schema has the id {schema_id}"
        raise RefusedError(Reason.UNKNOWN_SCHEMA, "", f"{shown}: name the platform's registry, or correct the producer")
    written_for = schema.get("namespace", event_type) if isinstance(schema, dict) else event_type
    if written_for != event_type:
        fix = f"{type_name(event_type)}, but its schema is of {type_name(str(written_for))}: they must be the same"
        raise RefusedError(Reason.TYPE_MISMATCH, "metadata.event_type", fix)
    try:
        return avro.decode(schema, content)
    except avro.AvroError as error:
        raise RefusedError(Reason.NOT_AVRO, "", f"{error}: its schema is another one, or it is damaged") from error


def _wire(value: bytes) -> tuple[int, bytes]:
    """Return the id of the schema, and the Avro, of a value in Confluent's wire format. Raises RefusedError."""
    if len(value) < 5 or value[0] != 0:
        found = f"its first byte is {value[0]}" if value and value[0] else f"it has {len(value)} bytes"
        fix = f"{found}; Confluent's wire format begins with a byte 0 and four of the schema's id"
        raise RefusedError(Reason.NOT_AVRO, "", fix)
    return int.from_bytes(value[1:5]), value[5:]


def _without_people(data: Any) -> Any:
    """Return data with its personal texts empty, in the platform's own form."""
    if isinstance(data, list):
        return [_without_people(part) for part in data]
    if not isinstance(data, dict):
        return data
    return {
        name: _emptied(value) if name in _PERSONAL or name.endswith("email") else _without_people(value)
        for name, value in data.items()
    }


def _emptied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _emptied(part) for name, part in value.items()}
    return "" if isinstance(value, str) else None


# --- the forms of the two buses


def of_lambda(record: Mapping[str, Any]) -> BusRecord:
    """Return a record of a Kafka topic as Lambda's event source delivers it. The bytes of headers may be signed."""
    headers = tuple(
        (str(name), bytes(byte & 0xFF for byte in value or ()))
        for header in record.get("headers") or ()
        for name, value in header.items()
    )
    value = record.get("value")
    content = None if value is None else b64decode(value)
    origin: dict[str, str | int] = {"bus": "kafka", **{name: record[name] for name in _PLACE}}
    return BusRecord(origin, headers, content, True, _instant(record.get("timestamp")))


def of_kafka(
    topic: str,
    place: tuple[int, int],
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes | None,
    timestamp: int | None,
) -> BusRecord:
    """Return a record of a Kafka topic; `place` is partition and offset, `timestamp` in milliseconds since 1970."""
    origin: dict[str, str | int] = {"bus": "kafka", "topic": topic, "partition": place[0], "offset": place[1]}
    return BusRecord(origin, tuple((name, found or b"") for name, found in headers), value, True, _instant(timestamp))


def of_redis(stream: str, entry_id: str, fields: Mapping[bytes, bytes]) -> BusRecord:
    """Return an entry of a Redis stream. Its id begins with the milliseconds since 1970 at which Redis took it."""
    attributes = tuple((name.decode(errors="replace"), value) for name, value in fields.items())
    origin: dict[str, str | int] = {"bus": "redis", "stream": stream, "entry": entry_id}
    return BusRecord(origin, attributes, fields.get(b"event_data"), False, _instant(int(entry_id.partition("-")[0])))


def _instant(milliseconds: int | None) -> datetime | None:
    """Return an instant (UTC) that a bus stamped a record with; None if it has none that makes sense."""
    if milliseconds is None or not 0 < milliseconds < 4_102_444_800_000:  # 2100
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
