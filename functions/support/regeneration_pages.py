"""The console's pages of bulk runs."""

import csv
import re
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import actor, app
from certrules import aws
from certrules.bulk import lifecycle
from certrules.bulk.comparison_counts import COLUMNS, percent
from certrules.bulk.runs import Approvers
from certrules.requests import RefusedActError, identity
from pages import form, key_in, page, query, see, unread
from regenerations import BUCKET, MACHINE, BulkRun, decided, resumed, started

ISSUED_PAGE = 20_000
"""How many bytes of a list the console shows on a page."""


def which(course_runs: list[str] | str) -> str:
    """Return in a line over which course runs a run goes."""
    if isinstance(course_runs, str):
        return "all course runs"
    return ", ".join(course_runs[:3]) + (f" and {len(course_runs) - 3} more" if len(course_runs) > 3 else "")


@app.get("/regenerations", include_in_schema=False)
def regenerations_page() -> Response[str]:
    """Return the last bulk runs."""
    found = lifecycle.runs(MACHINE, BUCKET, aws.now())
    return page("regenerations.html", runs=found, which=which, key=uuid4())


@app.get("/regeneration", include_in_schema=False)
def regeneration_page() -> Response[str]:
    """Return a bulk run: its plan, and what may be done with it."""
    run = lifecycle.run(MACHINE, BUCKET, query("id"), aws.now())
    one_s_own = identity(run["request"]["by"]) == identity(actor())
    alone = run["plan"] is not None and run["plan"]["approvers"] == Approvers.SOMEBODY_ELSE and one_s_own
    return page("regeneration.html", run=run, which=which, alone=alone, percent=percent)


@app.get("/regeneration/issued", include_in_schema=False)
def issued_page() -> Response[str]:
    """Return who would be issued a certificate by going live, a page at a time."""
    run_id, start = query("id"), query("start", "0")
    lifecycle.run(MACHINE, BUCKET, run_id, aws.now())
    if not re.fullmatch(r"[0-9]{1,12}", start):
        raise RefusedActError(422, f"{start[:20]!r} is no place in the list", "open the list again", "start")
    text, following = lifecycle.piece_of(BUCKET, run_id, "issued", int(start), ISSUED_PAGE)
    rows = [row for row in csv.DictReader(text.splitlines(), COLUMNS) if row["learner_id"] != COLUMNS[0]]
    return page("issued.html", id=run_id, rows=rows, next=following)


@app.post("/regenerations/start", include_in_schema=False)
def start_page() -> Response[str]:
    """Start a bulk run over the course runs that a form names, or only plan it."""
    texts = form()
    try:
        request = BulkRun(
            course_runs=texts.get("course_runs", "").split(),
            reason=texts.get("reason", ""),
            dry_run=texts.get("choice") == "plan",
        )
    except ValidationError as error:
        raise unread(error) from error
    return see("/regeneration", id=started(request, key_in(texts))["id"])


@app.post("/regenerations/decide", include_in_schema=False)
def decide_page() -> Response[str]:
    """Approve or decline the plan that was looked at."""
    texts = form()
    run_id = texts.get("id", "")
    decided(run_id, texts.get("choice", ""), texts.get("hash", ""))
    return see("/regeneration", id=run_id)


@app.post("/regenerations/resume", include_in_schema=False)
def resume_page() -> Response[str]:
    """Have a bulk run go on."""
    run_id = form().get("id", "")
    resumed(run_id)
    return see("/regeneration", id=run_id)
