"""Avro without a container, as the platform's event bus has it: bytes by a schema to values, and back.

The schemas of events are flat: records of plain types and of optional ones. A reader of its own is small, and refuses
what libraries pass over: bytes that are left when the record has ended.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

type Schema = str | list[Any] | dict[str, Any]
"""A schema as JSON has it: the name of a type, a union, or a type with its parts."""

_LONGEST = 10
"""How many bytes a number of 64 bits has at most."""

_DEEPEST = 64
"""How many types may stand inside each other."""


class AvroError(ValueError):
    """Bytes that are not what the schema describes, or a value or schema that can't be written. A retry can't help.

    The message repeats nothing of the content.
    """


def decode(schema: Schema, content: bytes) -> Any:
    """Return the value that these bytes hold by the schema, to their last one. Raises AvroError."""
    reader = _Reader(content, _names(schema))
    value = reader.read(schema)
    if reader.left:
        raise AvroError(f"{reader.left} bytes are left after the record")
    return value


def encode(schema: Schema, value: Any) -> bytes:
    """Return the bytes of a value by the schema. Raises AvroError."""
    return b"".join(_written(schema, value, _names(schema), ""))


def _names(schema: Schema) -> dict[str, Schema]:
    """Return the named types within a schema by their names, with and without the namespace."""
    found: dict[str, Schema] = {}

    def walk(part: Any, depth: int) -> None:
        if depth > _DEEPEST:
            raise AvroError("the schema is nested too deeply")
        if isinstance(part, list):
            for one in part:
                walk(one, depth + 1)
        elif isinstance(part, dict):
            if isinstance(name := part.get("name"), str) and isinstance(part.get("type"), str):
                found.setdefault(name.rpartition(".")[2], part)
            listed = part.get("fields")
            fields = listed if isinstance(listed, list) else []
            inner = [part.get("items"), part.get("values"), part.get("type")]
            for one in (*inner, *(field.get("type") for field in fields if isinstance(field, dict))):
                if isinstance(one, list | dict):
                    walk(one, depth + 1)

    walk(schema, 0)
    return found


class _Reader:
    """Reads values from bytes, one after the other."""

    def __init__(self, content: bytes, names: Mapping[str, Schema]) -> None:
        self._content, self._names = content, names
        self._at = self._depth = 0

    @property
    def left(self) -> int:
        return len(self._content) - self._at

    def read(self, schema: Schema) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise AvroError("types inside each other without end")
        try:
            return self._read(schema)
        finally:
            self._depth -= 1

    def _read(self, schema: Schema) -> Any:
        if isinstance(schema, list):
            return self.read(_branch(schema, self._long()))
        if not isinstance(schema, str | dict):
            raise AvroError("the schema has a part that is none")
        kind = schema if isinstance(schema, str) else schema.get("type")
        if isinstance(kind, list | dict):
            return self.read(kind)
        if isinstance(schema, dict) and kind in {"record", "array", "map", "enum"}:
            return self._complex(kind, schema)
        if (plain := _PLAIN.get(str(kind))) is not None:
            return plain(self)
        return self.read(_named(self._names, kind))

    def _complex(self, kind: str, schema: dict[str, Any]) -> Any:
        try:
            if kind == "record":
                return {field["name"]: self.read(field["type"]) for field in schema["fields"]}
            if kind == "array":
                return [self.read(schema["items"]) for _ in self._items()]
            if kind == "map":
                return {self._string(): self.read(schema["values"]) for _ in self._items()}
            return str(_branch(schema["symbols"], self._long()))
        except (KeyError, TypeError) as error:
            raise AvroError("the schema lacks a part") from error

    def _items(self) -> Iterator[int]:
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the size of the block in bytes
            if count > self.left:
                raise AvroError("more items than there are bytes")
            yield from range(count)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= self.left:
            raise AvroError(f"it breaks off: {count} bytes are to follow, and there are {self.left}")
        self._at += count
        return self._content[self._at - count : self._at]

    def _long(self) -> int:
        value = 0
        for index in range(_LONGEST):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return (value >> 1) ^ -(value & 1)
        raise AvroError("a number of more than 64 bits")

    def _boolean(self) -> bool:
        byte = self._take(1)[0]
        if byte > 1:
            raise AvroError("a boolean that is neither 0 nor 1")
        return byte == 1

    def _string(self) -> str:
        try:
            return self._take(self._long()).decode()
        except UnicodeDecodeError as error:
            raise AvroError("a text that is no UTF-8") from error

    def _float(self) -> float:
        return float(struct.unpack("<f", self._take(4))[0])

    def _double(self) -> float:
        return float(struct.unpack("<d", self._take(8))[0])

    def _null(self) -> None: ...


_PLAIN: Mapping[str, Callable[[_Reader], Any]] = {
    "null": _Reader._null,  # noqa: SLF001
    "boolean": _Reader._boolean,  # noqa: SLF001
    "int": _Reader._long,  # noqa: SLF001
    "long": _Reader._long,  # noqa: SLF001
    "float": _Reader._float,  # noqa: SLF001
    "double": _Reader._double,  # noqa: SLF001
    "string": _Reader._string,  # noqa: SLF001
}


def _branch(branches: Any, index: int) -> Any:
    if not isinstance(branches, list) or not 0 <= index < len(branches):
        raise AvroError("a choice that the schema doesn't have")
    return branches[index]


def _named(names: Mapping[str, Schema], name: object) -> Schema:
    found = names.get(str(name).rpartition(".")[2])
    if found is None:
        raise AvroError("the schema has a type that is not read here")
    return found


# --- written


def _written(schema: Schema, value: Any, names: Mapping[str, Schema], path: str) -> Iterator[bytes]:
    """Yield the bytes of a value: of records, optional values and plain types, which is all that events have."""
    if isinstance(schema, list):
        wanted = [index for index, branch in enumerate(schema) if (branch == "null") == (value is None)]
        if not wanted:
            raise AvroError(f"{path}: it can't be null")
        yield _long(wanted[0])
        yield from _written(schema[wanted[0]], value, names, path)
        return
    kind = schema if isinstance(schema, str) else schema.get("type")
    if isinstance(kind, list | dict):
        yield from _written(kind, value, names, path)
    elif isinstance(schema, dict) and kind == "record":
        for field in schema["fields"]:
            name = f"{path}.{field['name']}".strip(".")
            if not isinstance(value, dict) or (field["name"] not in value and "default" not in field):
                raise AvroError(f"{name}: it is missing")
            yield from _written(field["type"], value.get(field["name"], field.get("default")), names, name)
    elif (plain := _PLAIN_TYPES.get(str(kind))) is not None:
        types, write = plain
        if type(value) not in types:
            raise AvroError(f"{path}: it is no {kind}")
        yield write(value)
    else:
        yield from _written(_named(names, kind), value, names, path)


def _long(value: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        raise AvroError("a number of more than 64 bits")
    rest, written = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


def _string(value: str) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise AvroError("a text that has no UTF-8") from error
    return _long(len(encoded)) + encoded


_PLAIN_TYPES: Mapping[str, tuple[set[type], Callable[[Any], bytes]]] = {
    "null": ({type(None)}, lambda _value: b""),
    "boolean": ({bool}, lambda value: b"\1" if value else b"\0"),
    "int": ({int}, _long),
    "long": ({int}, _long),
    "double": ({float, int}, lambda value: struct.pack("<d", value)),
    "string": ({str}, _string),
}
