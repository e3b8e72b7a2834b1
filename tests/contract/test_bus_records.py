"""Records of the platform's own buses are read as the platform meant them, and odd ones are refused by name."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer

from certrules.formats.bus_records import (
    BusEvent,
    BusRecord,
    RefusedRecordError,
    event_of,
    of_kafka,
    of_lambda,
    of_redis,
)
from certrules.formats.bus_schemas import shipped_schema
from certrules.formats.events_in import decode
from certrules.formats.platform_events import PLATFORM_EVENTS
from certrules.formats.refusals import Reason
from certrules.formats.senders import TrustedSenders
from certs.sources.event_builders import Detail
from tests.scenes import buses
from tests.scenes.bus_schemas import schema_of
from tests.scenes.openedx import PERSONAL, READ_AT, SIGNALS, TAKEN_IN, data_of, detail
from tests.scenes.story_of_samples import REPORTED_BY, story

TRUSTED = TrustedSenders(("openedx/*",), ("openedx/lms/web",), "123456789012", frozenset({"123456789012"}))
STORY = {detail["metadata"]["event_type"]: detail for detail in story()}
ENROLLED = STORY["org.openedx.learning.course.enrollment.created.v1"]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def kafka(detail: Detail, **changes: bytes | None) -> BusRecord:
    """Return an event as a record on Kafka, some headers or the value changed; a header of None is left out."""
    value = changes.pop("value", buses.wire(detail))
    headers: list[tuple[str, bytes | None]] = [
        (name, changes.get(name, content)) for name, content in buses.headers_of(detail) if changes.get(name, b"-")
    ]
    return of_kafka("topic", (3, 14), headers, value, 1_767_225_600_000)


def read(record: BusRecord) -> BusEvent:
    found = event_of(record, shipped_schema, TRUSTED)
    assert found is not None
    return found


def refused(record: BusRecord, schemas: Any = shipped_schema) -> tuple[Reason, str]:
    with pytest.raises(RefusedRecordError) as refusal:
        event_of(record, schemas, TRUSTED)
    assert refusal.value.fix
    assert json.loads(refusal.value.body)["bridge"] == record.origin
    return refusal.value.reason, refusal.value.field


def test_all_events_of_the_platform_that_are_read_are_carried() -> None:
    assert [row.name for row in PLATFORM_EVENTS] == TAKEN_IN


@given(st.sampled_from(TAKEN_IN), st.data())
def test_what_the_platforms_library_writes_is_the_event_that_it_would_send_as_json(
    event_type: str, data: st.DataObject
) -> None:
    stated = data.draw(data_of(event_type))
    sent = json.loads(detail(event_type, UUID(int=5), AT, stated))
    (key,) = SIGNALS[event_type].init_data
    written = io.BytesIO()
    fastavro.schemaless_writer(
        written, schema_of(event_type), AvroSignalSerializer(SIGNALS[event_type]).to_dict({key: stated})
    )
    metadata = sent["metadata"] | {"sourcelib": [11, 2, 0]}
    headers = buses.headers_of({"metadata": metadata})
    carried = read(of_kafka("topic", (0, 0), headers, b"\0\0\0\0\1" + written.getvalue(), None))

    assert PERSONAL not in carried.detail
    assert decode(carried.detail, READ_AT) == decode(json.dumps(sent), READ_AT)


@pytest.mark.parametrize("event_type", TAKEN_IN)
def test_each_event_comes_the_same_from_kafka_lambda_and_redis(event_type: str) -> None:
    sample = STORY[event_type]
    expected = decode(json.dumps(sample), REPORTED_BY)
    records = [
        kafka(sample),
        of_lambda(buses.lambda_record(buses.headers_of(sample), buses.wire(sample))),
        of_redis("stream", "1767225600000-0", buses.redis_fields(sample)),
    ]
    for record in records:
        carried = read(record)
        assert (carried.source, carried.event_type) == ("openedx/lms/web", event_type)
        assert carried.at >= datetime.fromisoformat(sample["metadata"]["time"])
        assert decode(carried.detail, REPORTED_BY) == expected


def test_an_event_is_as_of_when_the_bus_took_it_unless_its_clock_is_wrong() -> None:
    became_true = datetime.fromisoformat(ENROLLED["metadata"]["time"])
    later = int(became_true.timestamp() * 1000) + 86_400_000
    for stamp, expected in ((later, 86_400), (5, 0), (-1, 0), (None, 0), (10**18, 0)):
        carried = read(of_kafka("t", (0, 0), buses.headers_of(ENROLLED), buses.wire(ENROLLED), stamp))
        assert (carried.at - became_true).total_seconds() == expected


def test_the_bytes_of_headers_may_be_signed() -> None:
    record = buses.lambda_record(buses.headers_of(ENROLLED), buses.wire(ENROLLED))
    record["headers"] = [
        {"sourcehost": [byte - 256 if byte > 127 else byte for byte in "é".encode()]},
        *record["headers"][:5],
    ]
    assert json.loads(read(of_lambda(record)).detail)["metadata"]["sourcehost"] == "é"


def test_headers_of_others_are_not_read_even_if_they_come_twice() -> None:
    others: list[tuple[str, bytes | None]] = [
        ("traceparent", b"1"),
        ("traceparent", b"2"),
        ("id", b"x"),
        ("source", None),
    ]
    carried = read(of_kafka("t", (0, 0), [*buses.headers_of(ENROLLED), *others], buses.wire(ENROLLED), None))
    assert json.loads(carried.detail)["metadata"]["id"] == ENROLLED["metadata"]["id"]


AVRO = buses.avro_of(ENROLLED)
REFUSED: dict[str, tuple[Callable[[], BusRecord], tuple[Reason, str]]] = {
    "another first byte": (lambda: kafka(ENROLLED, value=b"\1\0\0\0\7" + AVRO), (Reason.NOT_AVRO, "")),
    "JSON as a value": (lambda: kafka(ENROLLED, value=b'{"enrollment": {}}'), (Reason.NOT_AVRO, "")),
    "four bytes": (lambda: kafka(ENROLLED, value=b"\0\0\0\0"), (Reason.NOT_AVRO, "")),
    "nothing": (lambda: kafka(ENROLLED, value=b""), (Reason.NOT_AVRO, "")),
    "a deletion": (lambda: kafka(ENROLLED, value=None), (Reason.NOT_AVRO, "")),
    "cut off": (lambda: kafka(ENROLLED, value=b"\0\0\0\0\7" + AVRO[:-1]), (Reason.NOT_AVRO, "")),
    "bytes left": (lambda: kafka(ENROLLED, value=b"\0\0\0\0\7" + AVRO + b"\0"), (Reason.NOT_AVRO, "")),
    "no id": (lambda: kafka(ENROLLED, ce_id=None), (Reason.MISSING_FIELD, "metadata.id")),
    "no type": (lambda: kafka(ENROLLED, ce_type=None), (Reason.MISSING_FIELD, "metadata.event_type")),
    "no time": (lambda: kafka(ENROLLED, ce_time=None), (Reason.MISSING_FIELD, "metadata.time")),
    "no source": (lambda: kafka(ENROLLED, ce_source=None), (Reason.SOURCE_NOT_TRUSTED, "metadata.source")),
    "a long id": (lambda: kafka(ENROLLED, ce_id=b"x" * 300), (Reason.BAD_VALUE, "metadata.id")),
    "no time at all": (lambda: kafka(ENROLLED, ce_time=b"yesterday"), (Reason.BAD_VALUE, "metadata.time")),
    "a time without an offset": (
        lambda: kafka(ENROLLED, ce_time=b"2026-01-10T12:00:00"),
        (Reason.NAIVE_TIME, "metadata.time"),
    ),
    "a type of others": (
        lambda: kafka(ENROLLED, ce_type=b"org.openedx.learning.xblock.skill.verified.v1"),
        (Reason.UNKNOWN_TYPE, "metadata.event_type"),
    ),
    "a version that is not known": (
        lambda: kafka(ENROLLED, ce_type=b"org.openedx.learning.course.enrollment.created.v2"),
        (Reason.UNKNOWN_VERSION, "metadata.event_type"),
    ),
    "an act of a person": (
        lambda: kafka(ENROLLED, ce_type=b"certificates.allowlist.entry.added.v1"),
        (Reason.UNKNOWN_TYPE, "metadata.event_type"),
    ),
    "the data of another type": (
        lambda: kafka(ENROLLED, ce_type=b"org.openedx.learning.idv_attempt.denied.v1"),
        (Reason.NOT_AVRO, ""),
    ),
    "somebody else's source": (
        lambda: kafka(ENROLLED, ce_source=b"marketing"),
        (Reason.SOURCE_NOT_TRUSTED, "metadata.source"),
    ),
    "the name of this service": (
        lambda: kafka(ENROLLED, ce_source=b"course-certificates"),
        (Reason.SOURCE_NOT_TRUSTED, "metadata.source"),
    ),
    "the name of support": (
        lambda: kafka(ENROLLED, ce_source=b"course-certificates/support"),
        (Reason.SOURCE_NOT_TRUSTED, "metadata.source"),
    ),
    "an entry without data": (
        lambda: of_redis("s", "5-0", {k: v for k, v in buses.redis_fields(ENROLLED).items() if k != b"event_data"}),
        (Reason.NOT_AVRO, ""),
    ),
    "an entry in Kafka's form": (
        lambda: of_redis("s", "5-0", buses.redis_fields(ENROLLED) | {b"event_data": buses.wire(ENROLLED)}),
        (Reason.NOT_AVRO, ""),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_record_is_refused_by_name(name: str) -> None:
    record, expected = REFUSED[name]
    assert refused(record()) == expected


@pytest.mark.parametrize("header", ["ce_id", "ce_type", "ce_source", "ce_time", "ce_minorversion", "sourcehost"])
def test_a_header_that_is_there_twice_is_refused_by_its_name(header: str) -> None:
    twice = [*buses.headers_of(ENROLLED), (header, b"other")]
    reason, field = refused(of_kafka("t", (0, 0), twice, buses.wire(ENROLLED), None))
    assert reason is Reason.REPEATED_HEADER
    assert field.removeprefix("metadata.") in header.replace("ce_type", "event_type")


def test_a_schema_of_the_registry_counts_by_its_id_and_unknown_ids_are_refused() -> None:
    event_type = ENROLLED["metadata"]["event_type"]
    own: Any = shipped_schema(None, event_type)
    later = own | {"fields": [*own["fields"], {"name": "more", "type": "string"}]}
    registry = {7: own, 8: later, 9: own | {"namespace": "org.openedx.learning.x.v1"}, 10: "string", 11: {"type": 5}}

    def schemas(schema_id: int | None, _event_type: str) -> Any:
        return registry.get(schema_id or 0)

    assert event_of(kafka(ENROLLED), schemas, TRUSTED) == read(kafka(ENROLLED))
    newer = kafka(ENROLLED, value=b"\0\0\0\0\x08" + AVRO + b"\x02x")
    carried = event_of(newer, schemas, TRUSTED)
    assert carried is not None
    assert decode(carried.detail, REPORTED_BY) == decode(json.dumps(ENROLLED), REPORTED_BY)
    assert refused(kafka(ENROLLED, value=buses.wire(ENROLLED, 5)), schemas) == (Reason.UNKNOWN_SCHEMA, "")
    mismatch = (Reason.TYPE_MISMATCH, "metadata.event_type")
    assert refused(kafka(ENROLLED, value=buses.wire(ENROLLED, 9)), schemas) == mismatch
    assert refused(kafka(ENROLLED, value=b"\0\0\0\0\x0a\x02x"), schemas) == (Reason.MISSING_FIELD, "enrollment")
    assert refused(kafka(ENROLLED, value=b"\0\0\0\0\x0b\x02x"), schemas) == (Reason.NOT_AVRO, "")


def test_an_event_that_this_service_sent_is_passed_over() -> None:
    own = kafka(STORY["org.openedx.learning.certificate.created.v1"], ce_source=b"course-certificates")
    assert event_of(own, shipped_schema, TRUSTED) is None


def test_an_event_that_is_too_large_is_refused_and_parked_without_its_data() -> None:
    large = json.loads(json.dumps(ENROLLED))
    large["enrollment"]["mode"] = "x" * 70_000
    assert refused(kafka(large)) == (Reason.TOO_LARGE, "")


personal_headers = st.lists(
    st.tuples(st.sampled_from([name for name, _ in buses.headers_of(ENROLLED)]), st.binary(max_size=300)), max_size=12
)


@given(st.sampled_from(TAKEN_IN), st.data())
def test_damaged_records_are_refused_by_name_or_carried(event_type: str, data: st.DataObject) -> None:
    value = bytearray(buses.wire(STORY[event_type]))
    for _ in range(data.draw(st.integers(0, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(value[: data.draw(st.integers(0, len(value)))])
    headers = buses.headers_of(STORY[event_type])
    damaged = data.draw(personal_headers | st.just(headers) | st.permutations(headers))
    carried = outcome(of_kafka("t", (0, 0), damaged, content, 5))
    if isinstance(carried, RefusedRecordError):
        assert carried.as_json()["fix"].isprintable()
        assert "bridge" in json.loads(carried.body)
    elif carried is not None:
        assert json.loads(carried.detail)["metadata"]["event_type"] == carried.event_type


def outcome(record: BusRecord) -> BusEvent | RefusedRecordError | None:
    """Return what becomes of a record."""
    try:
        return event_of(record, shipped_schema, TRUSTED)
    except RefusedRecordError as refusal:
        return refusal


def test_the_bytes_of_a_real_kafka_bus_are_read_by_its_registry_and_by_what_is_shipped(shared_data: Path) -> None:
    event, registry = buses.given_lambda_event(shared_data), buses.given_schemas(shared_data)
    records = [of_lambda(record) for partition in event["records"].values() for record in partition]
    for schemas in (shipped_schema, lambda schema_id, _type: registry.get(schema_id)):
        created, revoked = (event_of(record, schemas, TRUSTED) for record in records[:2])
        assert created is not None
        assert revoked is not None
        assert [json.loads(e.detail)["certificate"]["current_status"] for e in (created, revoked)] == [
            "downloadable",
            "notpassing",
        ]
        assert refused(records[2], schemas) == (Reason.UNKNOWN_TYPE, "metadata.event_type")


def test_the_bytes_of_a_real_redis_bus_are_read_without_the_names_in_them(shared_data: Path) -> None:
    outcomes: list[str] = []
    for stream, entry_id, fields in buses.given_entries(shared_data):
        carried = outcome(of_redis(stream, entry_id, fields))
        assert carried is not None
        outcomes.append(carried.reason if isinstance(carried, RefusedRecordError) else "carried")
        text = carried.body if isinstance(carried, RefusedRecordError) else carried.detail
        assert "learners.example" not in text
        assert not any(name in text for name in ("Eve", "mallory", "trent", "Ada"))
    lifecycle = ["carried"] * 8 + ["not_avro", "unknown_type", "missing_field", "carried"]
    assert outcomes[:12] == lifecycle
    assert set(outcomes[12:]) == {"unknown_type"}  # of programs
