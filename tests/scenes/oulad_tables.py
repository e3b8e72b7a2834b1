"""The Open University's data as the platform's tables would have it: what docs/oulad.md maps to events, as rows.

    python -m tests.scenes.oulad_tables OULAD_FOLDER EXPORT_FOLDER

Grades and results are one row, as on the platform: letter `Pass` and `passed_timestamp` (the run's end) for who passed.
So of who withdrew after a mark, the row states that they never passed; the events leave that open.
"""

import csv
import gzip
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from certs.sources import oulad

type Rows = Iterator[dict[str, Any]]


def write(folder: Path, export: Path) -> None:
    """Write the tables into an empty folder."""
    _write(export, "course_overviews_courseoverview", _overviews(folder))
    _write(export, "student_courseenrollment_history", _history(folder))
    _write(export, "student_courseenrollment", _enrollments(folder))
    _write(export, "grades_persistentcoursegrade", _grades(folder))


def _overviews(folder: Path) -> Rows:
    for run in oulad._runs(folder).values():
        yield {
            "id": run.course_run,
            "modified": _time(run.starts),
            "cert_html_view_enabled": 1,
            "certificates_display_behavior": None,
            "certificates_show_before_end": 0,
            "certificate_available_date": None,
            "end": _time(run.ends),
            "self_paced": 0,
        }


def _enrollments(folder: Path) -> Rows:
    for number, row in enumerate(oulad._rows(folder), start=1):
        yield {**_enrollment(number, row), "is_active": int(_withdrawn_at(row) is None)}


def _history(folder: Path) -> Rows:
    for number, row in enumerate(oulad._rows(folder), start=1):
        enrollment, withdrawn_at = _enrollment(number, row), _withdrawn_at(row)
        created = {"history_id": f"{number}a", "history_date": enrollment["created"], "history_type": "+"}
        yield {**enrollment, "is_active": 1, **created}
        if withdrawn_at is not None:
            changed = {"history_id": f"{number}b", "history_date": _time(withdrawn_at), "history_type": "~"}
            yield {**enrollment, "is_active": 0, **changed}


def _grades(folder: Path) -> Rows:
    marks = oulad._marks(folder)
    for number, row in enumerate(oulad._rows(folder), start=1):
        mark = marks.get((row.learner_id, row.run.course_run))
        if mark is None and row.result == "Withdrawn":
            continue
        marked_at = row.run.day(mark.last_day) + oulad._SUBMITS if mark else None
        ended_at = row.run.ends if row.result != "Withdrawn" else None
        passed = row.result in oulad._PASSED
        yield {
            "id": number,
            "user_id": row.learner_id,
            "course_id": row.run.course_run,
            "percent_grade": mark.percent if mark else 0,
            "letter_grade": "Pass" if passed else "",
            "passed_timestamp": _time(row.run.ends) if passed else None,
            "modified": _time(max(at for at in (marked_at, ended_at) if at is not None)),
        }


def _enrollment(number: int, row: oulad._Row) -> dict[str, Any]:
    return {
        "id": number,
        "user_id": row.learner_id,
        "course_id": row.run.course_run,
        "created": _time(oulad._registered_at(row)),
        "mode": oulad.MODE,
    }


def _withdrawn_at(row: oulad._Row) -> datetime | None:
    if row.unregistered:
        return row.run.day(row.unregistered) + oulad._WITHDRAWS
    return row.run.ends if row.result == "Withdrawn" else None


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.000000"


def _write(export: Path, table: str, rows: Rows) -> None:
    first = next(rows)
    with gzip.open(export / f"{table}.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        for row in (first, *rows):
            writer.writerow({name: r"\N" if value is None else value for name, value in row.items()})


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
