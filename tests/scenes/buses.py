"""Records of the platform's own event buses: those that real buses wrote, and ones made of events.

`python -m tests.scenes.buses` writes the sample of events/; a test holds that it is what stands there.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from certrules.formats import avro
from certrules.formats.bus_schemas import shipped_schema
from certs.debug.watch import BRIDGED
from tests.scenes.story_of_samples import story

Json = dict[str, Any]

TOPIC = "dev-learning"
SAMPLED = {
    "org.openedx.learning.course.enrollment.created.v1",
    "org.openedx.learning.course.passing.status.updated.v1",
}
HEADERS = {
    "id": "ce_id",
    "event_type": "ce_type",
    "source": "ce_source",
    "time": "ce_time",
    "minorversion": "ce_minorversion",
}


def avro_of(detail: Json) -> bytes:
    """Return the Avro of an event's data; fields that the platform always sends, and the event lacks, are empty."""
    event_type = detail["metadata"]["event_type"]
    schema: Any = shipped_schema(None, event_type)
    return avro.encode(schema, _completed(schema, detail, {}))


def _completed(schema: Any, value: Any, names: dict[str, Any]) -> Any:
    schema = names.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        return None if value is None else _completed(schema[1], value, names)
    if isinstance(schema, dict):
        names[schema["name"]] = schema
        given = value if isinstance(value, dict) else {}
        return {f["name"]: _completed(f["type"], given.get(f["name"]), names) for f in schema["fields"]}
    empty: Mapping[str, Any] = {"string": "", "long": 0, "boolean": False, "double": 0.0, "null": None}
    return empty[schema] if value is None else value


def headers_of(detail: Json) -> list[tuple[str, bytes]]:
    """Return the headers that the platform gives a record on Kafka."""
    metadata = detail["metadata"]
    stated = [(header, str(metadata[name]).encode()) for name, header in HEADERS.items()]
    library = ".".join(map(str, metadata["sourcelib"]))
    more = [("ce_specversion", b"1.0"), ("content-type", b"application/avro")]
    return [*stated, *more, ("sourcehost", metadata["sourcehost"].encode()), ("sourcelib", library.encode())]


def wire(detail: Json, schema_id: int = 7) -> bytes:
    """Return the value of a record on Kafka: Confluent's wire format."""
    return b"\0" + schema_id.to_bytes(4) + avro_of(detail)


def lambda_record(
    headers: list[tuple[str, bytes]], value: bytes | None, offset: int = 0, timestamp: int = 1_767_225_600_000
) -> Json:
    """Return a record as Lambda's event source delivers it."""
    return {
        "topic": TOPIC,
        "partition": 0,
        "offset": offset,
        "timestamp": timestamp,
        "timestampType": "CREATE_TIME",
        "key": b64encode(b"\0\0\0\0\1\2A").decode(),
        "value": None if value is None else b64encode(value).decode(),
        "headers": [{name: list(content)} for name, content in headers],
    }


def lambda_event(*records: Json) -> Json:
    """Return what Lambda sends to a function for these records of one partition."""
    return {
        "eventSource": "SelfManagedKafka",
        "bootstrapServers": "broker.example:9092",
        "records": {f"{TOPIC}-0": list(records)},
    }


def redis_fields(detail: Json) -> dict[bytes, bytes]:
    """Return the fields of an entry of a Redis stream."""
    metadata = detail["metadata"]
    names = {"type": "event_type", "id": "id", "source": "source", "time": "time", "minorversion": "minorversion"}
    stated = {field.encode(): str(metadata[name]).encode() for field, name in names.items()}
    return stated | {b"sourcehost": b"lms.example", b"sourcelib": b"10.5.0", b"event_data": avro_of(detail)}


def given_lambda_event(shared_data: Path) -> Json:
    """Return the event of Lambda with the bytes that a real Kafka bus wrote."""
    event: Json = json.loads((shared_data / "event-bus" / "lambda-kafka-event.json").read_text())
    return event


def given_schemas(shared_data: Path) -> dict[int, Any]:
    """Return the schemas of the registry of that bus, by their ids."""
    schemas = json.loads((shared_data / "event-bus" / "lambda-kafka-schemas.json").read_text())
    return {int(schema_id): schema for schema_id, schema in schemas.items()}


def given_entries(shared_data: Path) -> list[tuple[str, str, dict[bytes, bytes]]]:
    """Return the entries that a real Redis bus wrote: the stream, the id, and the fields."""
    streams = json.loads((shared_data / "event-bus" / "redis-streams.json").read_text())["streams"]
    return [
        (stream, entry["id"], {name.encode(): _bytes(name, text) for name, text in entry["fields"].items()})
        for stream, entries in streams.items()
        for entry in entries
    ]


def _bytes(name: str, text: str) -> bytes:
    return b64decode(text) if name == "event_data" else text.encode()


def sample() -> Json:
    """Return the sample of records: two events of the story of samples, and between them one that is cut off."""
    enrolled, passed = (detail for detail in story() if detail["metadata"]["event_type"] in SAMPLED)
    stamps = [
        int(datetime.fromisoformat(detail["metadata"]["time"]).timestamp() * 1000) for detail in (enrolled, passed)
    ]
    return lambda_event(
        lambda_record(headers_of(enrolled), wire(enrolled), 0, stamps[0]),
        lambda_record(headers_of(passed), wire(passed)[:-1], 1, stamps[1]),
        lambda_record(headers_of(passed), wire(passed), 2, stamps[1]),
    )


if __name__ == "__main__":
    BRIDGED.write_text(json.dumps(sample(), indent=2) + "\n")
