"""The plan of a bulk run at the API: every line of it, read before anybody approves it."""

import os
from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, BeforeValidator

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


type Lines = Callable[[str, Filter, int], dict[str, Any]]
"""Returns lines of the plan of a run: those that are wanted, from a place on."""


def call_of_plan(path: str, summary: str, answer: type[BaseModel]) -> Callable[[Lines], Lines]:
    """Have a function answer a call of the API; every call for lines of a plan filters them by the same fields."""

    def register(lines: Lines) -> Lines:
        def asked(
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
            key = None if course_run is None else key_of(course_run)
            return lines(run_id, Filter(transition, cause, reason, learner_id, key, takes_away), start)

        asked.__name__, asked.__doc__ = lines.__name__, lines.__doc__
        app.get(path, summary=summary, **call(answer, refuses=(404, 409)))(asked)
        return lines

    return register


@call_of_plan(
    "/v1/regenerations/<run_id>/plan",
    "The plan of a bulk run, line by line: whose, from what, to what, why",
    PlanPage,
)
def regeneration_plan(run_id: str, wanted: Filter, start: int) -> dict[str, Any]:
    """Return a page of lines, all of them or some; what is read is what was sealed."""
    found = plan_of(run_id)
    lines, following = plan_lines.page_of(found, wanted, start, LINES)
    return {
        "id": run_id,
        "hash": found.plan.hash,
        "changes": found.plan.counts.changes,
        "lines": [plan_lines.line_as_json(line, found.edition) for line in lines],
        "next": following,
    }


@call_of_plan("/v1/regenerations/<run_id>/plan.csv", "The plan of a bulk run as CSV, a piece at a time", Piece)
def regeneration_plan_table(run_id: str, wanted: Filter, start: int) -> dict[str, Any]:
    """Return a piece of text, and where the next one starts; the first piece begins with the columns."""
    text, following = plan_lines.table_of(plan_of(run_id), wanted, start, TABLE_LINES, heads=start == 0)
    return {"text": text, "next": following}
