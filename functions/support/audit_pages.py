"""The console's pages of the audit log: the list with its filters, its CSV, and what came of one act."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler import Response

from application import POLICIES, app, key_of
from audit_calls import LABELS, as_json, place_in, span
from certrules import audit, aws
from certrules.audit import Entry, Filter, Kind
from certrules.requests import RefusedActError
from certrules.storage import Pair
from certrules.support import cases
from certrules.support.learners import usernames_of
from certrules.support.outcomes import learners_of
from certrules.support.visibility import visibility_of
from confirming import MOST_NAMES
from csv_files import csv_file
from pages import instant, number, page, query, when

PAGE = 50
MOST_IN_FILE = 5_000
"""How many entries a CSV has at most; a narrower time gives the others."""

COLUMNS = ("at", "by", "kind", "act", "learner_id", "course_runs", "count", "reason", "state", "outcome", "event_id")

REFRESH_SECONDS = 2
REFRESHES_FOR = timedelta(minutes=5)
"""How long the page of an act loads itself again while it is not done."""


def filters() -> tuple[datetime, datetime, Filter]:
    """Return what the page's query looks for. Raises RefusedActError."""
    first, last = span(instant(query("since"), "since"), instant(query("until"), "until"), aws.now())
    kind, learner_id, course_run = query("kind"), query("learner_id"), query("course_run")
    if kind and kind not in set(Kind):
        raise RefusedActError(422, "there is no such kind", f"one of: {', '.join(Kind)}", "kind")
    which = Filter(
        query("actor") or None,
        Kind(kind) if kind else None,
        query("act") or None,
        key_of(course_run) if course_run else None,
        number(learner_id) if learner_id else None,
    )
    return first, last, which


def asked() -> dict[str, str | None]:
    """Return the page's filters as they were asked for, for links to other pages of the same list."""
    names = ("since", "until", "actor", "kind", "act", "learner_id", "course_run")
    return {name: query(name) or None for name in names}


@app.get("/audit", include_in_schema=False)
def audit_page() -> Response[str]:
    """Return the log, newest first."""
    first, last, which = filters()
    found, following = audit.listed(first, last, which, place_in(query("cursor")), PAGE)
    content: dict[str, Any] = {"entries": as_json(found, aws.now()), "next": following, "asked": asked()}
    content["usernames"] = usernames_of(filter(None, (entry.subject.learner_id for entry in found)))
    return page("audit.html", first=first, last=last, kinds=list(Kind), acts=LABELS, **content)


@app.get("/audit.csv", include_in_schema=False)
def audit_file() -> Response[str]:
    """Return the same as CSV: the newest MOST_IN_FILE entries."""
    rows = ({**row, "state": row["outcome"]["state"], "outcome": row["outcome"]["sentence"]} for row in _all_rows())
    return csv_file("audit.csv", COLUMNS, rows)


def _all_rows() -> Iterator[dict[str, Any]]:
    (first, last, which), place, left = filters(), None, MOST_IN_FILE
    while left:
        found, place = audit.listed(first, last, which, place, min(left, 100))
        yield from as_json(found, aws.now())
        left -= len(found)
        if place is None:
            return


@app.get("/result", include_in_schema=False)
def result_page() -> Response[str]:
    """Return what came of an act; the page loads itself again until it is done."""
    entry = audit.found(query("entry"))
    if entry is None:
        raise RefusedActError(404, "there is no such entry", "look for it in the audit log", "entry")
    now = aws.now()
    (row,) = as_json([entry], now)
    waits = row["outcome"]["state"] == "sent" and now - entry.at < REFRESHES_FOR
    many, who = learners_of(entry), entry.subject.learner_id
    answer = page(
        "result.html",
        row=row,
        waits=waits,
        now=None if waits else _case_now(entry, now),
        learners=many,
        most=MOST_NAMES,
        usernames=usernames_of(many[:MOST_NAMES] if who is None else [who]),
    )
    if waits:
        answer.headers["Refresh"] = str(REFRESH_SECONDS)
    return answer


def _case_now(entry: Entry, now: datetime) -> tuple[str, str] | None:
    """Return the answer of the case that was acted on, and whether the learner sees it; None if it was no case."""
    subject = entry.subject
    if subject.learner_id is None or len(subject.course_runs) != 1:
        return None
    case = cases.open_case(Pair(subject.learner_id, subject.course_runs[0]), POLICIES)
    explained = cases.explain(case, None, now)
    date = explained.shown.date
    shows = "" if date is None else f" It shows the date {when(date)}."
    return explained.sentence, visibility_of(explained)[1] + shows
