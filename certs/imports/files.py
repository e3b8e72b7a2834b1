"""Files of rows: CSV, JSON lines, or tab-separated as MySQL writes it, plain or .gz, read a row at a time."""

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast, override

import msgspec

MAX_FIELD = 1 << 20
"""A quote that nobody closed is noticed after so many characters, and what it swallowed is read again."""

_FORMS = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".tsv": "tabs",
    ".txt": "tabs",
}
_COLUMN = re.compile(r"^\s+`(\w+)` ", re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class UnreadableFileError(Exception):
    """A file can't be read as a table; the message has the fix."""


class Line(NamedTuple):
    """A row of a file as it is there."""

    number: int  # of its first line, from 1
    values: dict[str, Any] | None  # by column, None as a value is NULL; None as a whole: it can't be read
    raw: str
    problem: str = ""


class _Read(NamedTuple):
    """A row as it was read, before its values have names."""

    number: int
    values: list[str | None]
    raw: str
    problem: str = ""


def form_of(path: Path) -> str | None:
    """Return the format of a file's rows by its name; None if the name has no known ending."""
    return _FORMS.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)


def read_rows(path: Path) -> Iterator[Line]:
    """Yield the rows of a file. What can't be read is yielded with its problem, and the rest goes on.

    Raises UnreadableFileError where there is no file, or no header.
    """
    form = form_of(path)
    if form is None:
        raise UnreadableFileError(f"{path}: its name is to say what it is: .csv, .jsonl, .tsv or .txt, and .gz")
    lines = _Lines(path, "" if form == "csv" else "\n")
    if form == "json":
        yield from _json_rows(lines)
        return
    rows = _csv_rows(lines) if form == "csv" else _tab_rows(lines)
    names = _columns_beside(path)
    if names is None:
        header = next(rows, None)
        if header is None or header.problem or None in header.values:
            raise UnreadableFileError(f"{path}: its first line is to name the columns")
        names = [str(name) for name in header.values]
    for number, values, raw, problem in rows:
        if problem:
            yield Line(number, None, raw, problem)
        elif len(values) != len(names):
            yield Line(number, None, raw, f"there are {len(names)} columns, and {len(values)} fields here")
        else:
            yield Line(number, dict(zip(names, values, strict=True)), raw)


class _DamagedError(Exception):
    """The rest of the file can't be read."""


class _Lines(Iterator[str]):
    """The lines of a file, numbered. Lines can be put back and read again."""

    def __init__(self, path: Path, newline: str) -> None:
        self._lines = _text(path, newline)
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


def _text(path: Path, newline: str) -> Iterator[str]:
    try:
        with (
            path.open("rb") as raw,
            _plain(path, raw) as file,
            io.TextIOWrapper(file, "utf-8-sig", errors="backslashreplace", newline=newline) as text,
        ):
            yield from text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _DamagedError(f"the rest of the file is damaged: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}") from error


def _plain(path: Path, file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file


def _csv_rows(lines: _Lines) -> Iterator[_Read]:
    csv.field_size_limit(MAX_FIELD)
    rows = csv.reader(lines, strict=True)
    width = None
    while True:
        try:
            values: list[str | None] = [None if value == r"\N" else value for value in next(rows)]
            problem = ""
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], f"not CSV: {error}"
        except _DamagedError as error:
            yield _Read(lines.number + 1, [], "", str(error))
            return
        if len(lines.returned) > 1 and (problem or len(values) != width):
            lines.read_again()  # a quote that nobody closed swallowed other rows
            problem = problem or "a quote that is never closed"
        number, raw = lines.take()
        if values or problem:
            width = width or len(values)
            yield _Read(number, values, raw, problem)


def _tab_rows(lines: _Lines) -> Iterator[_Read]:
    try:
        for first in lines:
            line = first.rstrip("\r\n") if first.endswith("\r\n") else first.rstrip("\n")
            while _is_continued(line):
                line = f"{line}\n{next(lines, '').rstrip('\n')}"
            number, raw = lines.take()
            if "\\\t" in line:
                line = _ESCAPED.sub(lambda found: r"\t" if found[1] == "\t" else found[0], line)
            if line:
                yield _Read(number, [_tab_value(field) for field in line.split("\t")], raw)
    except _DamagedError as error:
        yield _Read(lines.number + 1, [], "", str(error))


def _is_continued(line: str) -> bool:
    """Whether a line ends in a backslash that escapes its line end."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _tab_value(field: str) -> str | None:
    if field in {r"\N", "NULL"}:
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), field) if "\\" in field else field


def _columns_beside(path: Path) -> list[str] | None:
    """Return the columns of a file of `mysqldump --tab`, whose statement that makes the table lies beside it."""
    statement = path.with_name(path.name.removesuffix(".gz")).with_suffix(".sql")
    if form_of(path) != "tabs" or not statement.exists():
        return None
    return _COLUMN.findall(statement.read_text(errors="replace"))


def _json_rows(lines: _Lines) -> Iterator[Line]:
    try:
        for line in lines:
            number, raw = lines.take()
            if not line.strip():
                continue
            try:
                yield Line(number, _decode(line), raw)
            except msgspec.DecodeError as error:
                yield Line(number, None, raw, f"not a JSON object: {error}")
    except _DamagedError as error:
        yield Line(lines.number + 1, None, "", str(error))


def size_of(paths: Iterable[Path]) -> int:
    """Return about how many bytes of text files hold."""
    return sum(path.stat().st_size * (6 if path.suffix == ".gz" else 1) for path in paths)
