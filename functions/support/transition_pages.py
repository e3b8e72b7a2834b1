"""The console's list of transitions: by time, actor, cause, kind and course run, and its CSV."""

from datetime import datetime

from aws_lambda_powertools.event_handler import Response

from application import app
from audit_calls import span
from certrules import aws
from certrules.support.transitions import Filter, all_listed, as_json, listed
from choosing_pages import offered_for_chosen
from csv_files import csv_file
from pages import instant, page, query
from transition_calls import CHOICES, checked, place_in

PAGE = 50

MOST_IN_FILE = 5_000
"""How many transitions a CSV has at most; a narrower time gives the others."""

COLUMNS = ("at", "change", "learner_id", "username", "course_run", "previous", "status", "cause", "by")

CHANGE_LABELS = {"awarded": "awards", "lost": "losses", "held": "held revocations", "other": "other changes"}


def filters() -> tuple[datetime, datetime, Filter]:
    """Return what the page's query looks for. Raises RefusedActError."""
    first, last = span(instant(query("since"), "since"), instant(query("until"), "until"), aws.now())
    return first, last, checked({name: query(name) for name in Filter._fields})


def asked() -> dict[str, str | None]:
    """Return the page's filters as they were asked for, for links to other pages of the same list."""
    return {name: query(name) or None for name in ("since", "until", *Filter._fields)}


@app.get("/transitions", include_in_schema=False)
def transitions_page() -> Response[str]:
    """Return the transitions, newest first."""
    first, last, which = filters()
    found, following = listed(first, last, which, place_in(query("cursor")), PAGE)
    return page(
        "transitions.html",
        first=first,
        last=last,
        rows=as_json(found),
        next=following,
        asked=asked(),
        choices=CHOICES,
        change_labels=CHANGE_LABELS,
        most=MOST_IN_FILE,
        acts=offered_for_chosen(),
    )


@app.get("/transitions.csv", include_in_schema=False)
def transitions_file() -> Response[str]:
    """Return the same as CSV: the newest MOST_IN_FILE transitions."""
    return csv_file("transitions.csv", COLUMNS, as_json(all_listed(*filters(), MOST_IN_FILE)))
