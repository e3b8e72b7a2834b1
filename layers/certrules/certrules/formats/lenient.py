"""Reading an event's data: strictly as to who, what and when; an optional field that makes no sense is left out.

A value in another spelling ("1.0" for true, a date without a time of day, milliseconds since 1970) is read where it can
mean only one thing. Each field that is left out is named, so that people can correct it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from certrules.core.terms import described
from certrules.formats.refusals import EARLIEST, Reason, RefusedError, in_utc, path_of

_encode = msgspec.json.Encoder().encode

_LONG_TEXT = 2_000
"""A text that may be so long, a person's note, is cut if it is longer; a shorter one is left out."""

_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "off"), False),
}
_NAMES = {"early_with_info": "early_no_info"}  # of display behaviours: one that the platform treats like the other


class LeftOut(NamedTuple):
    """An optional field that was left out."""

    field: str  # its path within the data
    why: str


class Form(NamedTuple):
    """The form of an object of an event, and its fields that are optional but may not be misread."""

    decoder: msgspec.json.Decoder[Any]
    strict: frozenset[str] = frozenset()


def read_object(raw: bytes, form: Form, path: str) -> tuple[Any, list[LeftOut]]:
    """Decode an object, which stands at a path of the event, and name the fields that were left out.

    Raises msgspec.ValidationError for a field that decides and can't be read, RefusedError for an impossible instant.
    """
    left_out: list[LeftOut] = []
    try:
        data = form.decoder.decode(raw)
    except msgspec.ValidationError as error:
        data = _read_leniently(json_of(raw), form, error, left_out)
    for field, why in _impossible_instants(data):
        if field.required or field.name in form.strict:
            raise RefusedError(Reason.BAD_VALUE, f"{path}.{field.encode_name}".strip("."), why)
        setattr(data, field.name, field.default)
        left_out.append(LeftOut(field.encode_name, why))
    return data, left_out


def json_of(raw: bytes) -> Any:
    """Decode JSON, with NaN, Infinity and numbers that are too large as texts. Raises ValueError, RecursionError."""
    return json.loads(raw, parse_constant=str, parse_float=_number, parse_int=_number)


def _number(text: str) -> int | float | str:
    if len(text) > 300:
        return text
    number = float(text)
    if not isfinite(number):
        return text
    return int(text) if text.lstrip("-").isdigit() else number


def _read_leniently(body: Any, form: Form, error: msgspec.ValidationError, left_out: list[LeftOut]) -> Any:
    """Correct one field after the other until the object can be decoded. Raises the first error that stands."""
    tried: set[str] = set()
    while True:
        path = path_of(str(error))
        found = _field_at(form.decoder.type, path)
        parent = _parent_of(body, path)
        if found is None or parent is None or path in tried:
            raise error
        tried.add(path)
        value = parent[found.encode_name]
        respelled = None if path in form.strict else _respelled(value, found)
        if respelled is not None:
            parent[found.encode_name] = respelled
            if isinstance(respelled, str) and isinstance(value, str) and respelled.endswith("…"):
                left_out.append(LeftOut(path, f"it is longer than {_LONG_TEXT} characters and was cut"))
        elif not found.required and path not in form.strict:
            del parent[found.encode_name]
            if value is not None:
                left_out.append(LeftOut(path, f"{described(value)} {_expected(found)}"))
        else:
            raise error
        try:
            return form.decoder.decode(_encode(body))
        except msgspec.ValidationError as next_error:
            error = next_error


def _field_at(struct: type[Struct], path: str) -> FieldInfo | None:
    """Return the field of a struct at a path; None if the path is that of no field."""
    name, _, rest = path.partition(".")
    found = next((field for field in msgspec.structs.fields(struct) if field.encode_name == name), None)
    if found is None or not rest:
        return found
    structs = [kind for kind in _kinds(found.type) if isinstance(kind, type) and issubclass(kind, Struct)]
    return _field_at(structs[0], rest) if structs else None


def _parent_of(body: Any, path: str) -> dict[str, Any] | None:
    *parents, last = path.split(".")
    for name in parents:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) and last in body else None


def _kinds(described: Any) -> Iterator[Any]:
    """Yield the types of a union, without their bounds."""
    if get_origin(described) is Annotated:
        described = get_args(described)[0]
    if get_origin(described) in {Union, UnionType}:
        for part in get_args(described):
            yield from _kinds(part)
    else:
        yield described


# --- other spellings


def _respelled(value: Any, field: FieldInfo) -> Any:
    """Return a value as the field's type has it, if it is another spelling of that; else None."""
    for kind in _kinds(field.type):
        if get_origin(kind) is Literal:
            found = _name(value, get_args(kind))
        else:
            read = _SPELLINGS.get(kind)
            found = None if read is None or (kind in {int, str, datetime} and field.required) else read(value)
        if found is not None:
            return found
    return None


def _flag(value: Any) -> bool | None:
    return _FLAGS.get(str(value).strip().casefold()) if isinstance(value, int | float | str) else None


def _name(value: Any, names: tuple[str, ...]) -> str | None:
    found = value.strip().strip("\"'").strip().casefold() if isinstance(value, str) else ""
    found = _NAMES.get(found, found)
    return found if found in names else None


def _float(value: Any) -> float | None:
    try:
        found = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and isfinite(found) and found >= 0 else None


def _int(value: Any) -> int | None:
    text = str(value).strip().removesuffix(".0") if isinstance(value, float | str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return f"{value[: _LONG_TEXT - 1]}…" if len(value) > _LONG_TEXT else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def _instant(value: Any) -> str | None:
    """Read a time without an offset as UTC, a date as its beginning, and seconds or milliseconds since 1970."""
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    try:
        number = float(text)
    except ValueError:
        number = 0
    try:
        if number:
            found = datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
            return found.isoformat() if number > 1e8 else None
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


_SPELLINGS: Mapping[Any, Callable[[Any], Any]] = {
    bool: _flag,
    float: _float,
    int: _int,
    str: _text,
    datetime: _instant,
}


# --- what is left out


def _expected(field: FieldInfo) -> str:
    """Return what is wrong about a value of a field, as the end of a sentence."""
    for kind in _kinds(field.type):
        if get_origin(kind) is Literal:
            return f"is none of {', '.join(get_args(kind))}"
        if kind in _EXPECTED:
            return _EXPECTED[kind]
    return "can't be read"


_EXPECTED: Mapping[Any, str] = {
    bool: "is neither true nor false",
    float: "is no number from 0",
    int: "is no whole number",
    str: "is no text of at most 255 characters",
    datetime: "is no time since 1970 such as 2026-05-11T12:00:00Z",
}


def _impossible_instants(data: Struct) -> Iterator[tuple[FieldInfo, str]]:
    """Yield the fields with an instant from before 1970 or one that UTC can't express, and why it is left out."""
    for field in _fields_with_instants(type(data)):
        value = getattr(data, field.name)
        if isinstance(value, datetime) and not _is_possible(value):
            yield field, f"a time in the year {value.year} {_EXPECTED[datetime]}"


@lru_cache
def _fields_with_instants(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    return tuple(field for field in msgspec.structs.fields(struct) if datetime in _kinds(field.type))


def _is_possible(instant: datetime) -> bool:
    try:
        return in_utc(instant, "") >= EARLIEST
    except RefusedError:
        return False
