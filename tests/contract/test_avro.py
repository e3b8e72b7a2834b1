"""Avro is read and written as the library that the platform uses does, and what it passes over is refused."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.formats import avro
from certrules.formats.avro import AvroError
from certrules.formats.bus_schemas import shipped_schema
from tests.scenes import bus_schemas
from tests.scenes.openedx import TAKEN_IN

PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=30),
}


def values(schema: Any, names: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Generate values of a schema."""
    if isinstance(schema, list):
        return st.one_of(*(values(branch, names) for branch in schema))
    if isinstance(schema, dict) and schema["type"] == "record":
        names[schema["name"]] = schema
        return st.fixed_dictionaries({field["name"]: values(field["type"], names) for field in schema["fields"]})
    kind = schema if isinstance(schema, str) else schema["type"]
    return PLAIN[kind] if kind in PLAIN else values(names[kind], names)


def by_library(schema: Any, value: Any) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, value)
    return written.getvalue()


@st.composite
def written(draw: st.DrawFn) -> tuple[Any, Any, bytes]:
    """Generate a schema of an event type, a value of it, and its bytes."""
    schema = shipped_schema(None, draw(st.sampled_from(TAKEN_IN)))
    value = draw(values(schema, {}))
    return schema, value, by_library(schema, value)


def test_the_schemas_that_are_shipped_are_those_of_the_platforms_library() -> None:
    assert bus_schemas.FILE.read_text() == bus_schemas.text(), "python -m tests.scenes.bus_schemas writes them"


@given(written())
def test_what_the_library_writes_is_read_and_what_is_written_here_is_the_same(case: tuple[Any, Any, bytes]) -> None:
    schema, value, content = case
    assert avro.decode(schema, content) == value
    assert avro.encode(schema, value) == content


@given(written(), st.data())
def test_what_is_cut_off_or_has_bytes_left_is_refused(case: tuple[Any, Any, bytes], data: st.DataObject) -> None:
    schema, _, content = case
    with pytest.raises(AvroError):
        avro.decode(schema, content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(AvroError, match="left after the record"):
        avro.decode(schema, content + data.draw(st.binary(min_size=1, max_size=9)))


@given(written(), st.data())
def test_damaged_bytes_are_refused_or_read_whole(case: tuple[Any, Any, bytes], data: st.DataObject) -> None:
    schema, _, content = case
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = avro.decode(schema, bytes(damaged))
    except AvroError:
        return
    assert avro.decode(schema, avro.encode(schema, value)) == value or "nan" in str(value)


MORE: dict[str, tuple[Any, Any]] = {
    "array": ({"type": "array", "items": "long"}, [1, -2, 3]),
    "map": ({"type": "map", "values": "string"}, {"a": "b"}),
    "enum": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B"),
    "float": ("float", 0.5),
    "int": ("int", 7),
    "a type by its whole name": (
        {"type": "record", "name": "R", "namespace": "n", "fields": [
            {"name": "a", "type": {"type": "record", "name": "n.S", "fields": [{"name": "x", "type": "int"}]}},
            {"name": "b", "type": ["null", "n.S"]},
        ]},
        {"a": {"x": 1}, "b": {"x": 2}},
    ),
    "a logical type": ({"type": "long", "logicalType": "local"}, 5),
}  # fmt: skip


@pytest.mark.parametrize("kind", MORE)
def test_other_types_that_a_registry_may_have_are_read(kind: str) -> None:
    schema, value = MORE[kind]
    assert avro.decode(schema, by_library(schema, value)) == value


ENDLESS: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}
ODD: dict[str, tuple[Any, bytes]] = {
    "a record that contains itself": (ENDLESS, b""),
    "more items than bytes": ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    "an unknown type": ("duration", b"\x00"),
    "a record without fields": ({"type": "record", "name": "R"}, b""),
    "an array without items": ({"type": "array"}, b"\x02\x02"),
    "a field without a name": ({"type": "record", "name": "R", "fields": [{"type": "int"}]}, b"\x02"),
    "a union of nothing": ([], b"\x00"),
    "a number without end": ("long", b"\xff" * 11),
    "a number of 65 bits": ("long", b"\xff" * 9 + b"\x03"),
    "a negative length": ("string", b"\x03"),
    "half a character": ("string", b"\x02\xc3"),
    "a boolean of two": ("boolean", b"\x02"),
    "a number as a schema": (5, b"\x02"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_schema_or_value_is_refused(name: str) -> None:
    schema, content = ODD[name]
    with pytest.raises(AvroError):
        avro.decode(schema, content)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=8) | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "namespace"]), inner, max_size=4)), st.binary(max_size=20))  # fmt: skip  # noqa: E501
def test_any_json_as_a_schema_is_refused_or_read(schema: Any, content: bytes) -> None:
    try:
        json.dumps(avro.decode(schema, content))
    except AvroError:
        return


REFUSED_VALUES: tuple[tuple[Any, Any], ...] = (
    ("string", None),
    ("string", "\ud800"),
    ("long", 2**63),
    ("long", True),
    ("boolean", 1),
    (["string", "long"], None),
    ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}, {}),
)


@pytest.mark.parametrize(("schema", "value"), REFUSED_VALUES)
def test_a_value_that_the_schema_does_not_have_is_not_written(schema: Any, value: Any) -> None:
    with pytest.raises(AvroError):
        avro.encode(schema, value)
