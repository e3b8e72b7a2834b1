"""Bulk runs at the API: whole course runs decided again, by a plan that people look at."""

import os
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import AfterValidator, Field, model_validator

from application import ABOUT, actor, app, demand, metrics
from bulk_run_answers import BulkRunAnswer, BulkRunProgress, BulkRuns, Piece
from certrules import aws
from certrules.bulk import lifecycle
from certrules.bulk.runs import MOST_LEARNERS, MOST_NAMED
from certrules.core.terms import Rollout, Status
from certrules.formats.refusals import RefusedError, checked_course_key
from certrules.requests import RefusedActError
from certrules.support import spellings
from models import Decision, Key, Learner, Reason, RunId, RunKey, Start, Strict
from openapi import call

BUCKET = os.environ["BULK_BUCKET"]
MACHINE = os.environ["REGENERATE_MACHINE"]

REPORT_PIECE = 2_000_000
"""How many bytes of a report are answered at once: an answer has at most 6 MB, and JSON may double it."""


def course_key(text: str) -> str:
    """Return the key of a course run. Raises ValueError."""
    try:
        return checked_course_key(text.strip(), "course_runs")
    except RefusedError as refusal:
        raise ValueError(f"{text[:100]!r}: {refusal.fix}") from None


class BulkRun(Strict):
    """Have whole course runs decided again."""

    course_runs: Annotated[
        Annotated[list[Annotated[RunKey, AfterValidator(course_key)]], Field(min_length=1, max_length=MOST_NAMED)]
        | Literal["all"],
        Field(description="The course runs' keys, at most 1000; or all of which the configuration is known."),
    ]
    reason: Reason
    statuses: Annotated[
        list[Literal["none", *Status]] | None,  # type: ignore[valid-type]
        Field(min_length=1, description="Only certificates that have one of these now; none: no certificate yet."),
    ] = None
    learners: Annotated[
        list[Learner] | None, Field(min_length=1, max_length=MOST_LEARNERS, description="Only theirs.")
    ] = None
    dry_run: Annotated[bool, Field(description="Plan and report, and change nothing.")] = False
    purpose: Annotated[Literal["regenerate", "compare"], Field(description="compare: never changes anything.")] = (
        "regenerate"
    )
    as_if: Annotated[
        Annotated[Rollout, Field(strict=False)] | None,
        Field(description="As if the course runs had this setting; never changes anything."),
    ] = None
    concurrency: Annotated[int, Field(ge=1, le=500, description="How many shards or parts at once.")] = 20
    records_per_second: Annotated[
        int | None,
        Field(
            ge=1, le=1_000_000, description="How fast to apply, all together; at least the concurrency. null: no limit."
        ),
    ] = None
    approval_seconds: Annotated[int, Field(ge=60, le=604_800, description="How long the plan waits.")] = 86_400

    @model_validator(mode="after")
    def _fits(self) -> "BulkRun":
        if self.records_per_second is not None and self.records_per_second < self.concurrency:
            raise ValueError(f"records_per_second: at least the concurrency, {self.concurrency}; lower that, too")
        return self


class PlanDecision(Strict):
    """The plan that is approved or declined."""

    hash: Annotated[str, Field(min_length=64, max_length=64, description="The plan's hash, as it was looked at.")]


def started(request: BulkRun, key: str) -> dict[str, Any]:
    """Start a bulk run, once for a key. Raises RefusedActError, LostRaceError, and AWS's errors."""
    ABOUT["act"] = lifecycle.START
    demand("act")
    body = request.model_dump(mode="json")
    if request.course_runs != "all":
        body["course_runs"] = sorted(set(request.course_runs))
        spellings.refuse_other_spelling(body["course_runs"])
    metrics.add_metric(name="BulkRunsStarted", unit=MetricUnit.Count, value=1)
    found = lifecycle.start(MACHINE, body, actor(), key, aws.now())
    ABOUT["run"] = found["id"]
    return found


def decided(run_id: str, decision: str, plan_hash: str) -> dict[str, Any]:
    """Approve or decline the plan of a bulk run. Raises RefusedActError, LostRaceError, and AWS's errors."""
    if decision not in {"approve", "decline"}:
        raise RefusedActError(404, f"{decision} is neither approve nor decline", "POST to one of them")
    ABOUT.update(act=f"{decision} a bulk run", run=run_id)
    demand("approve")
    return lifecycle.decide(MACHINE, BUCKET, run_id, plan_hash, actor(), aws.now(), approve=decision == "approve")


def resumed(run_id: str) -> dict[str, Any]:
    """Resume a bulk run. Raises RefusedActError, LostRaceError, and AWS's errors."""
    ABOUT.update(act=lifecycle.RESUME, run=run_id)
    demand("act")
    return lifecycle.resume(MACHINE, BUCKET, run_id, actor(), aws.now())


@app.post(
    "/v1/regenerations",
    summary="Have whole course runs decided again",
    **call(BulkRunAnswer, scope="act", status=202, refuses=(404, 415)),
)
def start_regeneration(request: Annotated[BulkRun, Body()], key: Key) -> Response[dict[str, Any]]:
    """Start a run, once for a key."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, started(request, key))


@app.get("/v1/regenerations", summary="The last bulk runs", **call(BulkRuns))
def regenerations() -> dict[str, Any]:
    """Return the run, its actor and its outcome."""
    return {"regenerations": lifecycle.runs(MACHINE, BUCKET, aws.now())}


@app.get("/v1/regenerations/<run_id>", summary="A bulk run, and how far it is", **call(BulkRunProgress, refuses=(404,)))
def regeneration(run_id: RunId) -> dict[str, Any]:
    """Return the plan in numbers, who has to approve it, and how much is done."""
    ABOUT["run"] = run_id
    return lifecycle.run(MACHINE, BUCKET, run_id, aws.now())


@app.get(
    "/v1/regenerations/<run_id>/report", summary="A bulk run's report, a piece at a time", **call(Piece, refuses=(404,))
)
def regeneration_report(
    run_id: RunId,
    form: Annotated[
        Literal["json", "csv", "html", "issued"],
        Query(description="Which of the report's files; issued: of a comparison, who would be issued a certificate."),
    ] = "json",
    start: Start = 0,
) -> dict[str, Any]:
    """Return a piece of text, and where the next one starts."""
    ABOUT["run"] = run_id
    piece, following = lifecycle.piece_of(BUCKET, run_id, form, start, REPORT_PIECE)
    return {"text": piece, "next": following}


@app.post(
    "/v1/regenerations/<run_id>/resume",
    summary="Have an interrupted bulk run go on",
    **call(BulkRunAnswer, scope="act", status=202, refuses=(404, 409, 415)),
)
def resume_regeneration(run_id: RunId) -> Response[dict[str, Any]]:
    """Complete the run; nothing is done twice."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, resumed(run_id))


@app.post(
    "/v1/regenerations/<run_id>/<decision>",
    summary="Approve or decline the plan of a bulk run",
    **call(BulkRunAnswer, scope="approve", refuses=(404, 409, 415)),
)
def decide_regeneration(run_id: RunId, decision: Decision, plan: Annotated[PlanDecision, Body()]) -> dict[str, Any]:
    """Let it be applied, or not: the plan that has this hash."""
    return decided(run_id, decision, plan.hash)
