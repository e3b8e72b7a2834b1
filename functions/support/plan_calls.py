"""The plan of a bulk run at the API: every line of it, read before anybody approves it."""

import os
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BeforeValidator

from application import ABOUT, app, key_of
from bulk_run_answers import Piece, PlanPage
from certrules.bulk import lifecycle, plan_lines
from certrules.bulk.plan_lines import Filter, ReadablePlan
from models import CourseRun, LearnerId, RunId, Start, true_or_false
from openapi import call

BUCKET = os.environ["BULK_BUCKET"]

LINES = 100
"""How many lines of a plan are on a page."""

TABLE_LINES = 5_000
"""How many lines of a plan a piece of CSV is of: of an answer's 6 MB, at most half."""

Transition = Annotated[
    str | None,
    Query(max_length=80, description="From and to, as the plan counts them.", examples=["downloadable > notpassing"]),
]
Counted = Annotated[str | None, Query(max_length=80, description="As the plan counts them.")]
TakesAway = Annotated[
    bool,
    BeforeValidator(true_or_false),
    Query(description="Only what takes a certificate away, if only for a time."),
]


def plan_of(run_id: str) -> ReadablePlan:
    """Return a run's plan. Raises RefusedActError."""
    ABOUT["run"] = run_id
    return plan_lines.plan_of(BUCKET, lifecycle.noted(run_id)[1])


@app.get(
    "/v1/regenerations/<run_id>/plan",
    summary="The plan of a bulk run, line by line: whose, from what, to what, why",
    **call(PlanPage, refuses=(404, 409)),
)
def regeneration_plan(
    run_id: RunId,
    start: Start = 0,
    *,
    transition: Transition = None,
    cause: Counted = None,
    reason: Counted = None,
    learner_id: LearnerId | None = None,
    course_run: CourseRun | None = None,
    takes_away: TakesAway = False,
) -> dict[str, Any]:
    """Return a page of lines, all of them or some; what is read is what was sealed."""
    return read(run_id, wanted_by(transition, cause, reason, learner_id, course_run, takes_away=takes_away), start)


@app.get(
    "/v1/regenerations/<run_id>/plan.csv",
    summary="The plan of a bulk run as CSV, a piece at a time",
    **call(Piece, refuses=(404, 409)),
)
def regeneration_plan_table(
    run_id: RunId,
    start: Start = 0,
    *,
    transition: Transition = None,
    cause: Counted = None,
    reason: Counted = None,
    learner_id: LearnerId | None = None,
    course_run: CourseRun | None = None,
    takes_away: TakesAway = False,
) -> dict[str, Any]:
    """Return a piece of text, and where the next one starts; the first piece begins with the columns."""
    wanted = wanted_by(transition, cause, reason, learner_id, course_run, takes_away=takes_away)
    text, following = plan_lines.table_of(plan_of(run_id), wanted, start, TABLE_LINES, heads=start == 0)
    return {"text": text, "next": following}


def wanted_by(
    transition: str | None,
    cause: str | None,
    reason: str | None,
    learner_id: int | None,
    course_run: str | None,
    *,
    takes_away: bool,
) -> Filter:
    """Return which lines are wanted. Raises RefusedError for a key that no course run can have."""
    key = None if course_run is None else key_of(course_run)
    return Filter(transition, cause, reason, learner_id, key, takes_away)


def read(run_id: str, wanted: Filter, start: int) -> dict[str, Any]:
    """Return a page of the plan of a run. Raises RefusedActError."""
    found = plan_of(run_id)
    lines, following = plan_lines.page_of(found, wanted, start, LINES)
    return {
        "id": run_id,
        "hash": found.plan.hash,
        "changes": found.plan.counts.changes,
        "lines": [plan_lines.line_as_json(line, found.edition) for line in lines],
        "next": following,
    }
