"""The console's page of a bulk run's plan, and its pieces as CSV."""

import re
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from application import app, key_of
from certrules.bulk import plan_lines
from certrules.bulk.plan_lines import Filter, why_of
from certrules.requests import RefusedActError
from certrules.support.learners import usernames_of
from pages import number, page, query
from plan_calls import LINES, TABLE_LINES, plan_of


@app.get("/regeneration/plan", include_in_schema=False)
def plan_page() -> Response[str]:
    """Return a page of a plan, filtered, with its pieces as CSV."""
    run_id, start, wanted = query("id"), place_in(query("start")), wanted_in_query()
    found = plan_of(run_id)
    lines, following = plan_lines.page_of(found, wanted, start, LINES)
    changes = found.plan.counts.changes
    return page(
        "regeneration_plan.html",
        id=run_id,
        plan=found.plan,
        lines=[
            {**plan_lines.line_as_json(line, found.edition), "why": why_of(line.change, found.edition)}
            for line in lines
        ],
        usernames=usernames_of(line.change.learner_id for line in lines),
        start=start,
        next=following,
        wanted=wanted,
        filter=filter_of(wanted),
        pieces=[(first, min(first + TABLE_LINES, changes)) for first in range(0, changes, TABLE_LINES)],
    )


@app.get("/regeneration/plan.csv", include_in_schema=False)
def plan_table() -> Response[str]:
    """Return a piece of a plan as a file of CSV."""
    run_id, start = query("id"), place_in(query("start"))
    text, _ = plan_lines.table_of(plan_of(run_id), wanted_in_query(), start, TABLE_LINES, heads=True)
    name = f"plan-{run_id}-{start}.csv"
    return Response(
        HTTPStatus.OK,
        "text/csv; charset=utf-8",
        text,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def place_in(text: str) -> int:
    """Read the place of a line. Raises RefusedActError."""
    if not re.fullmatch(r"[0-9]{0,12}", text):
        raise RefusedActError(422, f"{text[:20]!r} is no place in the plan", "open the plan again", "start")
    return int(text or "0")


def wanted_in_query() -> Filter:
    """Return which lines a page's query wants. Raises RefusedActError and RefusedError."""
    learner, course_run = query("learner_id"), query("course_run")
    return Filter(
        query("transition") or None,
        query("cause") or None,
        query("reason") or None,
        number(learner) if learner else None,
        key_of(course_run) if course_run else None,
        query("takes_away") == "true",
    )


def filter_of(wanted: Filter) -> dict[str, object]:
    """Return a filter as the query of a link."""
    return {**wanted._asdict(), "takes_away": "true" if wanted.takes_away else None}
