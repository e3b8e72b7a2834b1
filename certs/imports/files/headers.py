"""How a file holds its rows: as JSON lines, or with which delimiter and columns. Its contents decide, not its name."""

import csv
import re
from collections.abc import Iterable
from typing import NamedTuple

from certs.imports.files.sources import (
    ENCODED_IN,
    Source,
    UnreadableFileError,
    encoding_of,
    ending_of,
    head,
    packing_of,
)
from certs.imports.rows import Table

JSON_LINES = (".jsonl", ".ndjson", ".json")
DELIMITERS = (",", "\t", ";", "|")

_HEAD_BYTES = 64 << 10
_CREATED = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?[`\"]?(\w+)", re.IGNORECASE)
_CREATED_COLUMN = re.compile(r"^\s+`(\w+)` ", re.MULTILINE)
_AROUND_NAMES = " \t\u00a0\ufeff\"'`[]"


class Shape(NamedTuple):
    """How a file holds its rows."""

    columns: tuple[str, ...] = ()
    delimiter: str = ""  # "": JSON lines
    is_quoted: bool = True  # as in CSV; else tab-separated with backslashes, as MySQL writes it
    has_header: bool = True


def column_name(name: str) -> str:
    """Return a column's name as the platform has it: of `Table.COLUMN`, "column"."""
    return re.sub(r"[\s-]+", "_", name.rpartition(".")[2].strip(_AROUND_NAMES)).lower()


def shape_of(source: Source, table: Table) -> Shape:
    """Return how a file holds the rows of a table. Raises UnreadableFileError where its columns can't be known."""
    line = _first_line(source)
    if line.lstrip().startswith("{") or (not line and ending_of(source.name) in JSON_LINES):
        return Shape()
    if line.lstrip().startswith("["):
        fix = "jq -c '.[]' turns one JSON array into lines"
        raise UnreadableFileError(f"{source}: each of its lines is to be a JSON object: {fix}")
    shapes = [_shape(line, delimiter) for delimiter in DELIMITERS]
    found = max(shapes, key=lambda shape: len(set(_known(shape.columns, table))))
    if not set(table.columns) <= set(found.columns):
        found = _created_beside(source) or found
    if "\r" in line and not found.is_quoted and found.has_header:
        raise UnreadableFileError(f"{source}: its lines end in CR alone: end them in LF (mac2unix)")
    _check(source, table, found, is_empty=not line)
    return found


def _first_line(source: Source) -> str:
    start = head(source, _HEAD_BYTES)
    text = start.decode(encoding_of(start[:ENCODED_IN]), errors="replace")
    return next((line.removesuffix("\r") for line in text.split("\n") if line.strip()), "")


def _shape(line: str, delimiter: str) -> Shape:
    is_quoted = delimiter != "\t" or '"' in line
    names = (
        next(csv.reader([line.partition("\r")[0]], delimiter=delimiter, skipinitialspace=True))
        if is_quoted
        else line.split("\t")
    )
    return Shape(tuple(map(column_name, names)), delimiter, is_quoted)


def _known(names: Iterable[str], table: Table) -> list[str]:
    return [name for name in names if name in {*table.columns, *table.also, *table.key}]


def refuse_twice(source: Source, table: Table, names: Iterable[str]) -> None:
    """Raise UnreadableFileError if a column that is read is there more than once, as `id` and `user.id` of a join."""
    known = _known(names, table)
    if twice := sorted({name for name in known if known.count(name) > 1}):
        fix = "leave only the table's own"
        raise UnreadableFileError(f"{source}: it has columns more than once ({', '.join(twice)}): {fix}")


def created_by(statements: bytes) -> list[str]:
    """Return the tables that SQL statements create."""
    return [name.decode() for name in _CREATED.findall(statements)]


def _created_beside(source: Source) -> Shape | None:
    """Return the columns of a file of `mysqldump --tab`, whose statement that makes the table lies beside it."""
    name = source.name[: len(source.name) - len(packing_of(source.name))]
    statement = source.beside(name.rpartition(".")[0] + ".sql")
    if statement is None or statement == source:
        return None
    columns = _CREATED_COLUMN.findall(head(statement).decode(errors="replace"))
    return Shape(tuple(map(column_name, columns)), "\t", is_quoted=False, has_header=False) if columns else None


def _check(source: Source, table: Table, shape: Shape, *, is_empty: bool) -> None:
    known = _known(shape.columns, table)
    missing = [name for name in table.columns if name not in shape.columns]
    if is_empty and shape.has_header:
        raise UnreadableFileError(f"{source}: it is empty: export it again, or leave it out if the table has no rows")
    if not known:
        fix = f"put a line above the rows that names them ({', '.join(table.columns)}, in any order)"
        raise UnreadableFileError(f"{source}: its first line names no columns of {table.name}: {fix}")
    if missing:
        fix = "export the table again with all of its columns"
        raise UnreadableFileError(f"{source}: it lacks columns of {table.name} ({', '.join(missing)}): {fix}")
    refuse_twice(source, table, shape.columns)
