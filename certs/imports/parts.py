"""Tables become part files: all observations of a learner are in one of them, merged, and in the order of time.

Memory is flat: rows are spread over files by learner as they are read, and only one of these is ever read as a whole.
Invalidations and date overrides wait until their certificate is read.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from zlib import crc32

from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING
from certrules.formats.learner_names import Name
from certrules.formats.table_rows import Observation, TableRow, decode_row, encode_row
from certs.imports.company import CERTIFICATES, UNKNOWN, Company, RefusedRow, Subject, certificate_of, subject_of
from certs.imports.files import Line, Source, read_rows
from certs.imports.preview import GRADES
from certs.imports.readers import EXPORTED
from certs.imports.rows import ID_VERIFICATION, Change, ReadRow, RejectedError, RowContent, Table, Warned, Why
from certs.imports.shared_ids import SharedIds
from certs.imports.spread import Spread
from certs.imports.tables import TABLES

PART_BYTES = 750_000
"""How much of the tables becomes one part: a few thousand learners in course runs."""

_MOST_PARTS = 4096
COURSE_RUNS = "course-runs.jsonl.gz"
"""The part that is imported first."""


@dataclass(slots=True)
class WarningsOfField:
    """How many rows of a table have a warning about one field, and the first of them."""

    table: str
    field: str
    file: str
    line: int
    problem: str
    rows: int = 0


@dataclass(slots=True)
class Reading:
    """What became of the tables' rows."""

    rows: Counter[str] = field(default_factory=Counter)  # by table
    rejected: Counter[str] = field(default_factory=Counter)  # by table
    facts: Counter[str] = field(default_factory=Counter)  # observations, by fact, without those that wait
    warnings: dict[tuple[str, str], WarningsOfField] = field(default_factory=dict)  # by table and field
    exported_at: datetime = BEGINNING  # UTC: the last time that any row names; now, without one
    parts: dict[str, int] = field(default_factory=dict)  # how many rows each part file has; learners' and course runs'
    waits_for: list[dict[str, Any]] = field(default_factory=list)  # company of refused rows, see company.py
    shared_ids: list[dict[str, Any]] = field(default_factory=list)  # of several certificates, see shared_ids.py
    unknown: list[RefusedRow] = field(default_factory=list)  # may forbid a certificate, nobody knows whose
    complete: list[str] = field(default_factory=list)  # course runs of which there are certificates and grades

    def warn(self, table: str, line: Line, warnings: Iterable[Warned]) -> None:
        """Count the warnings of a row."""
        for name, problem in warnings:
            new = WarningsOfField(table, name, line.file, line.number, problem)
            self.warnings.setdefault((table, name), new).rows += 1

    def warned(self) -> list[dict[str, Any]]:
        """Return the warnings in the form of the report."""
        return [asdict(self.warnings[key]) for key in sorted(self.warnings)]


class Rejects:
    """The file of rows that could not be imported: JSON lines."""

    def __init__(self, file: TextIO, counts: Counter[str]) -> None:
        """Write to an open file, and count by table."""
        self._file = file
        self._counts = counts

    def add(self, table: str, line: Line, error: RejectedError) -> None:
        """Write a row with its fault."""
        self._counts[table] += 1
        body = {
            "table": table,
            "file": line.file,
            "line": line.number,
            "reason": error.reason.value,
            "field": error.field,
            "fix": error.fix,
            "row": line.raw,
        }
        self._file.write(json.dumps(body, ensure_ascii=False) + "\n")


type _Waiting = dict[int, list[tuple[str, Line, Change]]]


def read_tables(
    files: Mapping[Source, Table],
    folder: Path,
    rejects: TextIO,
    now: datetime,
    on_progress: Callable[[int], object] = lambda _rows: None,
    *,
    id_verification: timedelta = ID_VERIFICATION,
) -> Reading:
    """Write part files into an empty folder, and rejected rows to `rejects`.

    `now` (UTC) is the clock for times in the future, and an ID verification without an end holds for
    `id_verification`. `on_progress` is called for every thousand rows of a table.
    Raises UnreadableFileError.
    """
    reading = Reading()
    company = Company()
    noted = Rejects(rejects, reading.rejected)
    spread, parts = Spread(folder / "spread"), min(_MOST_PARTS, 1 + sum(source.size for source in files) // PART_BYTES)
    shared_ids = SharedIds(folder / "ids")
    waiting: _Waiting = {}
    course_runs: defaultdict[str, set[str]] = defaultdict(set)  # by table
    order = list(TABLES)
    for source, table in sorted(files.items(), key=lambda item: (_place(item[1]), order.index(item[1].name))):
        reading.rows[table.name] += 0
        for line, (found, warnings) in _contents(source, table, noted, company, now, id_verification):
            reading.rows[table.name] += 1
            reading.warn(table.name, line, warnings)
            if reading.rows[table.name] % 1000 == 0:
                on_progress(1000)
            whose = _whose(table, line, found, now) if table.name == CERTIFICATES else (None, UNKNOWN)
            for content in _with_what_waited(found, whose, waiting, company):
                if isinstance(content, Change):
                    waiting.setdefault(content.certificate, []).append((table.name, line, content))
                else:
                    spread.add(_part_of(content, parts), encode_row(content))
                    course_runs[table.name if found else ""].add(content.course_run or "")
                    _count(reading, content.observations)
    for course_run in sorted(set().union(*course_runs.values()) - {""}):
        row = TableRow(None, course_run, ())
        spread.add(_part_of(row, parts), encode_row(row))  # also where no overview names it: it begins in shadow
    _reject_without_certificate(waiting, noted, company)
    company.end()
    if reading.exported_at == BEGINNING:
        reading.exported_at = now
    _made(folder / "parts")
    reading.parts[COURSE_RUNS] = _write(folder / COURSE_RUNS, ())
    for number, lines in spread:
        name = f"parts/{number:05d}.jsonl.gz" if number else COURSE_RUNS
        rows = shared_ids.noted(joined(map(decode_row, lines), reading.exported_at))
        reading.parts[name] = _write(folder / name, company.admitted(rows))
    reading.shared_ids = shared_ids.found()
    reading.facts -= company.facts
    reading.complete = sorted(course_runs[CERTIFICATES] & course_runs[GRADES])
    reading.waits_for, reading.unknown = company.waits_for(), company.unknown
    return reading


def _part_of(row: TableRow, parts: int) -> int:
    """Return the number of the part that a row is in: all of a learner are in one, and course runs are in the first."""
    return 0 if row.learner_id is None else 1 + crc32(b"%d" % row.learner_id) % parts


def _place(table: Table) -> int:
    """Return what comes first: what waits for certificates, then those."""
    waits = any(facts.fact in {"invalidation", "date override"} for facts in table.facts)
    return 0 if waits else 1 if table.name == CERTIFICATES else 2


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _contents(
    source: Source, table: Table, rejects: Rejects, company: Company, now: datetime, id_verification: timedelta
) -> Iterator[tuple[Line, ReadRow]]:
    for line in read_rows(source, table):
        row = ReadRow([], [])
        try:
            row = table.read(_values(line), now, id_verification)
        except RejectedError as error:
            rejects.add(table.name, line, error)
            company.refuse(table, line.number, line.values or {}, now)
        yield line, row


def _values(line: Line) -> dict[str, Any]:
    if line.values is None:
        raise RejectedError(Why.UNREADABLE, "", line.problem)
    return line.values


def _count(reading: Reading, observations: Iterable[Observation]) -> None:
    for observation in observations:
        reading.facts[observation.fact] += 1
        dates = {observation.since, observation.observed_at} - {EXPORTED}
        reading.exported_at = max((reading.exported_at, *dates))


def _whose(table: Table, line: Line, contents: list[RowContent], now: datetime) -> tuple[int | None, Subject]:
    """Return the id of a certificate's row, and whose certificate it is; also of a row that was refused."""
    values = line.values or {}
    whose = [Subject(row.learner_id, row.course_run) for row in contents if isinstance(row, TableRow)]
    return certificate_of(table, values, now), whose[0] if whose else subject_of(table, values, now)


def _with_what_waited(
    contents: list[RowContent], whose: tuple[int | None, Subject], waiting: _Waiting, company: Company
) -> list[RowContent]:
    """Return the contents of a certificate's row with its invalidations and date overrides.

    If the row was refused, these are there all the same: they are about the same learner and course run.
    """
    certificate, subject = whose
    if certificate is None or not subject.is_known:
        return contents
    company.found(certificate, subject)
    changes = [change for _, _, change in waiting.pop(certificate, ())]
    overrides = [change for change in changes if not isinstance(change.value, bool)]
    dated = (
        Observation(change.at, change.at, Fact.DATE_OVERRIDE, change.value, change.source, "", change.by, change.notes)
        for change in overrides
    )
    invalidations = [change for change in changes if isinstance(change.value, bool)]
    return [*contents, TableRow(*subject, (*dated, *_invalidations(invalidations)))]


def _reject_without_certificate(waiting: _Waiting, rejects: Rejects, company: Company) -> None:
    """Reject the invalidations and date overrides of certificates that no row has."""
    for certificate, changes in waiting.items():
        for table, line, _ in changes:
            fix = f"no row of {CERTIFICATES} that can be read has this id; import that table with this one"
            rejects.add(table, line, RejectedError(Why.NO_SUCH_CERTIFICATE, "generated_certificate_id", fix))
        invalidations = [(table, line, change) for table, line, change in changes if isinstance(change.value, bool)]
        switches = list(_invalidations(change for _, _, change in invalidations))
        if switches and switches[-1].value:
            for table, line, _ in invalidations:
                company.refuse_invalidation(RefusedRow(table, line.number), certificate)


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

    Where two rows contradict each other about one time, the one that was read last counts.
    """
    observations: defaultdict[tuple[int, str], dict[object, Observation]] = defaultdict(dict)
    names: dict[int, Name] = {}
    for row in rows:
        observations_by_time = observations[row.learner_id or 0, row.course_run or ""]
        if row.learner_id is not None and row.name is not None:
            before = names.get(row.learner_id, Name("", ""))
            names[row.learner_id] = Name(row.name.username or before.username, row.name.name or before.name)
        for observation in row.observations:
            dated = (
                observation._replace(
                    since=min(exported_at, observation.since), observed_at=exported_at, is_undated=True
                )
                if observation.observed_at == EXPORTED
                else observation
            )
            observations_by_time[dated.fact, dated.subject, dated.since, dated.observed_at] = dated
    for (learner_id, course_run), observations_by_time in sorted(observations.items(), key=lambda item: item[0]):
        row = TableRow(learner_id or None, course_run or None, tuple(observations_by_time.values()))
        name = None if course_run else names.get(learner_id)
        yield row if name is None else row._replace(name=name, named_at=exported_at)


def _write(path: Path, rows: Iterable[TableRow]) -> int:
    """Write a part; return how many rows it has."""
    count = 0
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007 - the last is the count
            file.write(encode_row(row) + b"\n")
    return count
