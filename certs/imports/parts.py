"""Tables become part files: all that is said of a learner is in one of them, merged, and in the order of time.

Memory is flat: rows are spread over files by learner as they are read, and only one of these is ever read as a whole.
What waits for its certificate (invalidations, date overrides) is kept until that is read.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO
from zlib import crc32

from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING
from certrules.core.terms import Status
from certrules.formats.refusals import EARLIEST
from certrules.formats.table_rows import Observation, TableRow, decode_row, encode_row
from certs.imports.files import Line, read_rows, size_of
from certs.imports.rows import Change, RejectedError, Saying, Table, Why
from certs.imports.tables import EXPORTED, TABLES

PART_BYTES = 750_000
"""How much of the tables becomes one part: a few thousand learners in course runs."""

_MOST_PARTS = 4096
_SPILL_BYTES = 32 << 20
_CERTIFICATES = "certificates_generatedcertificate"
COURSE_RUNS = "course-runs.jsonl.gz"
"""The part that is taken in first."""


@dataclass(slots=True)
class Reading:
    """What became of the tables' rows."""

    rows: Counter[str] = field(default_factory=Counter)  # by table
    rejected: Counter[str] = field(default_factory=Counter)  # by table
    facts: Counter[str] = field(default_factory=Counter)  # what they say, by fact
    exported_at: datetime = BEGINNING  # UTC: the last time that any row names
    parts: dict[str, int] = field(default_factory=dict)  # how many rows each part file has; learners' and course runs'


class Rejects:
    """The file of rows that could not be taken in: JSON lines."""

    def __init__(self, file: TextIO, counts: Counter[str]) -> None:
        """Write to an open file, and count by table."""
        self._file = file
        self._counts = counts

    def add(self, table: str, line: Line, error: RejectedError) -> None:
        """Note a row with what is wrong with it."""
        self._counts[table] += 1
        body = {
            "table": table,
            "line": line.number,
            "reason": error.reason.value,
            "field": error.field,
            "fix": error.fix,
            "row": line.raw,
        }
        self._file.write(json.dumps(body, ensure_ascii=False) + "\n")


class _Spread:
    """Files over which rows are spread by learner; appended to when enough is waiting, so that few are ever open."""

    def __init__(self, folder: Path, files: int) -> None:
        self._folder = folder
        self._files = files
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._size = 0

    def add(self, row: TableRow) -> None:
        line = encode_row(row)
        number = 0 if row.learner_id is None else 1 + crc32(b"%d" % row.learner_id) % self._files
        self._waiting[number] += line + b"\n"
        self._size += len(line)
        if self._size > _SPILL_BYTES:
            self.flush()

    def flush(self) -> None:
        for number, lines in self._waiting.items():
            with (self._folder / f"{number:05d}").open("ab") as file:
                file.write(lines)
        self._waiting.clear()
        self._size = 0

    def __iter__(self) -> Iterator[tuple[int, list[TableRow]]]:
        """Yield each file's rows; the first has the course runs."""
        self.flush()
        for path in sorted(self._folder.iterdir()):
            with path.open("rb") as file:
                yield int(path.name), [decode_row(line) for line in file]
            path.unlink()


type _Waiting = dict[int, list[tuple[str, Line, Change]]]


def read_tables(
    files: Mapping[Path, Table],
    folder: Path,
    rejects: TextIO,
    now: datetime,
    on_progress: Callable[[int], object] = lambda _rows: None,
) -> Reading:
    """Write part files into an empty folder, and what can't be taken in to `rejects`.

    `now` (UTC) is the clock by which a time is in the future. `on_progress` is told of every thousand rows of a table.
    Raises UnreadableFileError.
    """
    reading = Reading()
    noted = Rejects(rejects, reading.rejected)
    spread = _Spread(_made(folder / "spread"), min(_MOST_PARTS, 1 + size_of(files) // PART_BYTES))
    waiting: _Waiting = {}
    order = list(TABLES)
    for path, table in sorted(files.items(), key=lambda item: (_place(item[1]), order.index(item[1].name), item[0])):
        for line, said in _sayings(path, table, now, noted):
            reading.rows[table.name] += 1
            if reading.rows[table.name] % 1000 == 0:
                on_progress(1000)
            for saying in said:
                if isinstance(saying, Change):
                    waiting.setdefault(saying.certificate, []).append((table.name, line, saying))
                else:
                    row = _with_what_waited(saying, line, waiting) if table.name == _CERTIFICATES else saying
                    spread.add(row)
                    _count(reading, row.observations)
    for kind, line, _ in (change for changes in waiting.values() for change in changes):
        fix = f"no row of {_CERTIFICATES} has this id; import that table with this one"
        noted.add(kind, line, RejectedError(Why.NO_SUCH_CERTIFICATE, "generated_certificate_id", fix))
    _made(folder / "parts")
    reading.parts[COURSE_RUNS] = _write(folder / COURSE_RUNS, ())
    for number, rows in spread:
        name = f"parts/{number:05d}.jsonl.gz" if number else COURSE_RUNS
        reading.parts[name] = _write(folder / name, joined(rows, reading.exported_at))
    (folder / "spread").rmdir()
    return reading


def _place(table: Table) -> int:
    """Return what comes first: what waits for certificates, then those."""
    waits = any(told.fact in {"invalidation", "date override"} for told in table.told)
    return 0 if waits else 1 if table.name == _CERTIFICATES else 2


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sayings(path: Path, table: Table, now: datetime, rejects: Rejects) -> Iterator[tuple[Line, list[Saying]]]:
    for line in read_rows(path):
        said: list[Saying] = []
        if line.values is None:
            rejects.add(table.name, line, RejectedError(Why.UNREADABLE, "", line.problem))
        else:
            try:
                said = table.read(line.values, now)
            except RejectedError as error:
                rejects.add(table.name, line, error)
        yield line, said


def _count(reading: Reading, said: Iterable[Observation]) -> None:
    for word in said:
        reading.facts[word.fact] += 1
        seen = word.since if word.observed_at == EXPORTED else word.observed_at
        reading.exported_at = max(reading.exported_at, seen)


def _with_what_waited(row: TableRow, line: Line, waiting: _Waiting) -> TableRow:
    """Return a certificate's row with its invalidations and date overrides."""
    key = str((line.values or {}).get("id") or "")
    changes = [change for _, _, change in waiting.pop(int(key), ())] if key.isascii() and key.isdigit() else []
    overrides = [change for change in changes if not isinstance(change.value, bool)]
    dated = (
        Observation(change.at, change.at, Fact.DATE_OVERRIDE, change.value, change.source, "", change.by, change.notes)
        for change in overrides
    )
    invalidations = [change for change in changes if isinstance(change.value, bool)]
    return row._replace(observations=(*row.observations, *dated, *_invalidations(invalidations)))


def _invalidations(changes: Iterable[Change]) -> Iterator[Observation]:
    """Yield when a certificate began to be invalidated by persons, and when it ceased: when no row has it so."""
    changes = list(changes)
    with_history = {change.row for change in changes if change.is_history}
    switches = [(change.at, change.row, change) for change in changes]
    switches += [
        (change.until, change.row, change._replace(value=False, by="", notes=""))
        for change in changes
        if change.until is not None and change.row not in with_history
    ]
    active: set[str] = set()
    for at, row, change in sorted(switches, key=lambda switch: switch[:2]):
        was = bool(active)
        (active.add if change.value else active.discard)(row)
        if was is not bool(active):
            yield Observation(at, at, Fact.INVALIDATION, bool(active), change.source, "", change.by, change.notes)


def joined(rows: Iterable[TableRow], exported_at: datetime) -> Iterator[TableRow]:
    """Yield one row for each learner (their ID verification first), and learner in a course run; sorted.

    Where two rows say otherwise of the same time, the one that was read last counts.
    """
    said: defaultdict[tuple[int, str], dict[object, Observation]] = defaultdict(dict)
    for row in rows:
        words = said[row.learner_id or 0, row.course_run or ""]
        for word in row.observations:
            dated = word._replace(observed_at=max(exported_at, word.since)) if word.observed_at == EXPORTED else word
            words[dated.fact, dated.subject, dated.since, dated.observed_at] = dated
    for (learner_id, course_run), words in sorted(said.items(), key=lambda item: item[0]):
        yield TableRow(learner_id or None, course_run or None, _without_fall(tuple(words.values())))


def _without_fall(words: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """Leave out that a grade fell where the platform's certificate stands all the same: an import takes none away."""
    certificates = [word for word in words if word.fact is Fact.RECORDED]
    latest = max(certificates, key=lambda word: word.observed_at, default=None)
    if latest is None or latest.value.status is not Status.DOWNLOADABLE:
        return words
    return tuple(word for word in words if word.fact is not Fact.PASSING or word.value or word.observed_at == EARLIEST)


def _write(path: Path, rows: Iterable[TableRow]) -> int:
    """Write a part; return how many rows it has."""
    count = 0
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007 - the last is the count
            file.write(encode_row(row) + b"\n")
    return count
