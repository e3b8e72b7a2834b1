"""The console's lists of a course run: the learners behind a number, a page at a time or as a CSV file."""

import csv
from http import HTTPStatus
from io import StringIO
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from application import app, key_of
from certrules.core.rules import RULES
from certrules.support.learners import usernames_of
from certrules.support.standings import Filter, all_learners_by, learners_by
from pages import page, pages, query
from standing_calls import checked, known_summary, read_list_place, write_list_place

PAGE = 50

MOST_ROWS = 50_000
"""How many learners one CSV file has: an answer has at most 6 MB."""

COLUMNS = ("learner_id", "course_run", "status", "pending", "mode", "reasons", "change", "day")

STEP_LABELS = {
    "received": "Anything received",
    "enrolled": "Enrolled",
    "eligible_mode": "In a mode that earns a certificate",
    "verified": "ID verified, where that is needed",
    "passed": "Passed, or on the allowlist",
    "downloadable": "Certificate downloadable",
}
REASON_LABELS = {rule.code: rule.unmet for rule in RULES}
pages.globals.update(step_labels=STEP_LABELS, reason_labels=REASON_LABELS)


def filter_in_query() -> Filter:
    """Return the filter that the page's query names. Raises RefusedActError."""
    return checked({name: query(name) for name in Filter._fields})


def filter_text(which: Filter) -> str:
    """Return whom a filter takes, for people; "" for everybody."""
    shown = {
        "status": {"none": "no certificate", "any": "any certificate", "pending": "a revocation that is pending"}.get(
            which.status, which.status.replace("_", " ")
        ),
        "mode": f"mode {which.mode}" if which.mode else "",
        "reason": REASON_LABELS.get(which.reason, "").rstrip("."),
        "step": f"at least: {STEP_LABELS[which.step]}" if which.step else "",
        "stuck": f"no further than: {STEP_LABELS[which.stuck]}" if which.stuck else "",
        "change": which.change,
        "day": f"on {which.day}" if which.day else "",
    }
    return "; ".join(filter(None, shown.values()))


@app.get("/course-run/learners", include_in_schema=False)
def learners_page() -> Response[str]:
    """Return a page of the learners of a course run whom a filter takes."""
    course_run, which = key_of(query("course_run")), filter_in_query()
    rows, following = learners_by(
        course_run, known_summary(course_run), which, read_list_place(query("cursor"), course_run), PAGE
    )
    return page(
        "standing_list.html",
        course_run=course_run,
        rows=rows,
        usernames=usernames_of(row["learner_id"] for row in rows),
        next=write_list_place(course_run, following),
        filters={name: value for name, value in which._asdict().items() if value},
        which=filter_text(which),
        most=MOST_ROWS,
        at_once=PAGE,
    )


@app.get("/course-run/learners.csv", include_in_schema=False)
def learners_csv() -> Response[str]:
    """Return the same list as a file, up to MOST_ROWS learners."""
    course_run, which = key_of(query("course_run")), filter_in_query()
    summary = known_summary(course_run)
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in all_learners_by(lambda place, limit: learners_by(course_run, summary, which, place, limit), MOST_ROWS):
        cells = {**row, "course_run": course_run, "reasons": " ".join(row["reasons"])}
        writer.writerow([_cell(cells[name]) for name in COLUMNS])
    headers = {"Content-Disposition": 'attachment; filename="learners.csv"'}
    return Response(HTTPStatus.OK, "text/csv; charset=utf-8", text.getvalue(), headers=headers)


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def list_link(course_run: str, **filters: str) -> str:
    """Return the address of the learners behind a number."""
    return f"/course-run/learners?{urlencode({'course_run': course_run, **filters})}"


pages.globals["list_link"] = list_link
