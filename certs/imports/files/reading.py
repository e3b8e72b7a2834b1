"""The rows of a file, read one at a time: CSV, JSON lines, or tab-separated as MySQL writes it."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple, override

import msgspec

from certs.imports.files.headers import Shape, column_name, refuse_twice, shape_of
from certs.imports.files.sources import Source, UnreadableFileError, lines_of
from certs.imports.rows import Table

MAX_FIELD = 1 << 20
"""A quote that nobody closed is noticed after so many characters, and what it swallowed is read again."""

NULLS = (r"\N", "NULL", "None", "NaN", "NaT", "<NA>", "<null>", "[NULL]", "(null)")
"""How exports spell NULL, in any case. No column that is read has such a text as a value of its own."""

_NULLS = {spelling.casefold() for spelling in NULLS}
_LONGEST_NULL = max(map(len, NULLS))
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Line(NamedTuple):
    """A row of a file as it is there."""

    number: int  # of its first line, from 1
    values: dict[str, Any] | None  # by column, None as a value is NULL; None as a whole: it can't be read
    raw: str
    problem: str = ""
    file: str = ""


class _Read(NamedTuple):
    """A row as it was read, before its values have names."""

    number: int
    values: list[str | None]
    raw: str
    problem: str = ""


def read_rows(source: Source, table: Table) -> Iterator[Line]:
    """Yield the rows of a file. What can't be read is yielded with its problem, and the rest goes on.

    Raises UnreadableFileError where one thing is wrong with the whole file: it is damaged, its columns can't be known,
    or no row of it can be read.
    """
    shape = shape_of(source, table)
    rows = _table_rows(source, shape) if shape.delimiter else _json_rows(source, table)
    file, count, readable, problem = str(source), 0, 0, ""
    for row in rows:
        yield row._replace(file=file)
        count, readable, problem = count + 1, readable + (not row.problem), problem or row.problem
    if count and not readable:
        raise UnreadableFileError(f"{source}: no row can be read, of {count:,}: {problem}")


class _Lines(Iterator[str]):
    """The lines of a file, numbered. Lines can be put back and read again."""

    def __init__(self, source: Source, newline: str) -> None:
        self._lines = lines_of(source, newline)
        self._again: deque[str] = deque()
        self.number = 0
        self.returned: list[str] = []  # since it was last emptied

    @override
    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.returned.append(line)
        return line

    def take(self) -> tuple[int, str]:
        """Return the number of the first of the lines that were taken, and all of them; and begin again."""
        number, raw = self.number - len(self.returned) + 1, "".join(self.returned)
        self.returned.clear()
        return number, raw.rstrip("\r\n")

    def read_again(self) -> None:
        """Put back all that was taken but its first line."""
        again = self.returned[1:]
        del self.returned[1:]
        self.number -= len(again)
        self._again.extendleft(reversed(again))


def _table_rows(source: Source, shape: Shape) -> Iterator[Line]:
    lines = _Lines(source, "" if shape.is_quoted else "\n")
    rows = _quoted_rows(lines, shape) if shape.is_quoted else _escaped_rows(lines)
    header = next(rows).values if shape.has_header else None
    for number, values, raw, problem in rows:
        if values == header:
            continue  # files with a header each were joined
        if problem:
            yield Line(number, None, raw, problem)
        elif len(values) != len(shape.columns):
            yield Line(number, None, raw, f"there are {len(shape.columns)} columns, and {len(values)} fields here")
        else:
            yield Line(number, dict(zip(shape.columns, values, strict=True)), raw)


def _quoted_rows(lines: _Lines, shape: Shape) -> Iterator[_Read]:
    csv.field_size_limit(MAX_FIELD)
    rows = csv.reader(lines, delimiter=shape.delimiter, skipinitialspace=True, strict=True)
    while True:
        try:
            values = [None if _is_null(value) else value for value in next(rows)]
            problem = ""
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], f"not CSV: {error}"
        if len(lines.returned) > 1 and (problem or len(values) != len(shape.columns)):
            lines.read_again()  # a quote that nobody closed swallowed other rows
            problem = problem or "a quote that is never closed"
        number, raw = lines.take()
        if values or problem:
            yield _Read(number, values, raw, problem)


def _escaped_rows(lines: _Lines) -> Iterator[_Read]:
    for first in lines:
        line = first.rstrip("\r\n") if first.endswith("\r\n") else first.rstrip("\n")
        while _is_continued(line):
            line = f"{line}\n{next(lines, '').rstrip('\n')}"
        number, raw = lines.take()
        if "\\\t" in line:
            line = _ESCAPED.sub(lambda found: r"\t" if found[1] == "\t" else found[0], line)
        if line:
            yield _Read(number, [_unescaped(field) for field in line.split("\t")], raw)


def _is_continued(line: str) -> bool:
    """Whether a line ends in a backslash that escapes its line end."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescaped(field: str) -> str | None:
    if _is_null(field):
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), field) if "\\" in field else field


def _is_null(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NULL and value.strip().casefold() in _NULLS


def _json_rows(source: Source, table: Table) -> Iterator[Line]:
    """Yield the rows of JSON lines. A column that a row leaves out is NULL in it, as some exporters leave out NULLs.

    Raises UnreadableFileError where all rows leave it out.
    """
    lines = _Lines(source, "\n")
    absent: dict[str, None] = dict.fromkeys(table.columns)
    columns: dict[tuple[str, ...], list[str]] = {}
    found, count = set[str](), 0
    for line in lines:
        number, raw = lines.take()
        if not line.strip():
            continue
        try:
            row = _decode(line)
        except msgspec.DecodeError as error:
            yield Line(number, None, raw, f"not a JSON object: {error}")
            continue
        count += 1
        names = columns.get(keys := tuple(row))
        if names is None:
            names = columns[keys] = [column_name(key) for key in keys]
            refuse_twice(source, table, names)
            found.update(names)
            absent |= dict.fromkeys(names)
        values = (None if _is_null(value) else value for value in row.values())
        yield Line(number, absent | dict(zip(names, values, strict=True)), raw)
    missing = [name for name in table.columns if name not in found]
    if count and missing:
        fix = "export the table again with all of its columns, NULLs written out"
        raise UnreadableFileError(f"{source}: no row has {', '.join(missing)}, which {table.name} has: {fix}")
