"""The console's pages of bulk runs."""

import csv
import re
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import actor, app
from certrules import aws, storage
from certrules.bulk import lifecycle, plan_lines
from certrules.bulk.comparison_counts import COLUMNS, percent
from certrules.bulk.plan_lines import Filter
from certrules.bulk.runs import Approvers
from certrules.core.wording import listed
from certrules.formats.words import change_words
from certrules.requests import RefusedActError, identity
from certrules.support import spellings
from certrules.support.learners import usernames_of
from confirming import MOST_NAMES, Step, asked_first, names_in_cases
from pages import form, key_in, link, page, query, see, unread
from plan_calls import plan_of
from regenerations import BUCKET, MACHINE, BulkRun, decided, resumed, started

REFRESH_SECONDS = 3
"""How long the page of a run that goes on waits until it loads itself again."""

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
    return page("regenerations.html", runs=found, which=which)


@app.get("/regeneration", include_in_schema=False)
def regeneration_page() -> Response[str]:
    """Return a bulk run: its plan, and what may be done with it."""
    run = lifecycle.run(MACHINE, BUCKET, query("id"), aws.now())
    one_s_own = identity(run["request"]["by"]) == identity(actor())
    alone = run["plan"] is not None and run["plan"]["approvers"] == Approvers.SOMEBODY_ELSE and one_s_own
    answer = page("regeneration.html", run=run, alone=alone, percent=percent)
    if run["state"] not in lifecycle.ENDED | lifecycle.RESUMABLE | {"waiting"}:
        answer.headers["Refresh"] = str(REFRESH_SECONDS)
    return answer


@app.get("/regeneration/issued", include_in_schema=False)
def issued_page() -> Response[str]:
    """Return who would be issued a certificate by going live, a page at a time."""
    run_id, start = query("id"), query("start", "0")
    lifecycle.run(MACHINE, BUCKET, run_id, aws.now())
    if not re.fullmatch(r"[0-9]{1,12}", start):
        raise RefusedActError(422, f"{start[:20]!r} is no place in the list", "open the list again", "start")
    text, following = lifecycle.piece_of(BUCKET, run_id, "issued", int(start), ISSUED_PAGE)
    rows = [row for row in csv.DictReader(text.splitlines(), COLUMNS) if row["learner_id"] != COLUMNS[0]]
    usernames = usernames_of(int(row["learner_id"]) for row in rows)
    return page("issued.html", id=run_id, rows=rows, usernames=usernames, next=following)


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
    if asks := asked_first(start_step(request), texts):
        return asks
    return see("/regeneration", id=started(request, key_in(texts))["id"])


@app.post("/regenerations/decide", include_in_schema=False)
def decide_page() -> Response[str]:
    """Approve or decline the plan that was looked at."""
    texts = form()
    run_id, decision = texts.get("id", ""), texts.get("choice", "")
    if decision in {"approve", "decline"} and (asks := asked_first(decision_step(run_id, decision), texts)):
        return asks
    decided(run_id, decision, texts.get("hash", ""))
    return see("/regeneration", id=run_id)


@app.post("/regenerations/resume", include_in_schema=False)
def resume_page() -> Response[str]:
    """Have a bulk run go on."""
    fields = form()
    run_id = fields.get("id", "")
    if asks := asked_first(resume_step(run_id), fields):
        return asks
    resumed(run_id)
    return see("/regeneration", id=run_id)


def start_step(request: BulkRun) -> Step:
    """Return what starting a bulk run will do. Raises RefusedActError if only another spelling of a key is known."""
    keys = sorted({*request.course_runs})
    spellings.refuse_other_spelling(keys)
    loaded = storage.load(course_runs=keys).course_runs
    unknown = [key for key in keys if not loaded[key].timeline]
    notes = [f"The configuration was never received of {listed(unknown)}."] if unknown else []
    names = [(link("/course-run", course_run=key), key) for key in keys]
    many = f"{len(keys)} course run{'' if len(keys) == 1 else 's'}"
    if request.dry_run:
        sentence = f"All certificates of {many} are decided again, and the plan is shown. Nothing is changed."
        return Step("Plan a bulk run", sentence, "only plan", "/regenerations", names, notes)
    sentence = (
        f"All certificates of {many} are decided again. If the plan takes none away, it is applied at once; "
        "else it waits until people approve it."
    )
    return Step("Start a bulk run", sentence, "start it", "/regenerations", names, notes, danger=True)


def decision_step(run_id: str, decision: str) -> Step:
    """Return what approving or declining a plan will do. Raises RefusedActError if none waits."""
    run = lifecycle.run(MACHINE, BUCKET, run_id, aws.now())
    back, plan = link("/regeneration", id=run_id), run["plan"]
    if run["state"] != "waiting":
        raise RefusedActError(409, f"it is {run['state']}, and waits for nobody", "see what it is at", "id")
    found = plan_of(run_id)
    lines, _ = plan_lines.page_of(found, Filter(), 0, MOST_NAMES)
    about: dict[str, Any] = {
        "names": names_in_cases(
            (
                change.learner_id,
                change.course_run,
                change_words(f"{change.before or 'none'} > {change.after or 'none'}"),
            )
            for change in (line.change for line in lines)
        ),
        "more": plan["changes"] - len(lines),
        "listed": link("/regeneration/plan", id=run_id),
        "scope": "approve",
    }
    notes = [f"{run['request']['by']} asked for it: {run['request']['reason']}"]
    if decision == "decline":
        sentence = f"{plan['changes']} certificates stay as they are."
        return Step("Decline the plan", sentence, "decline it", back, notes=notes, **about)
    if plan.get("programs"):
        notes.append(f"Program certificates that fall with these: {plan['programs']['falling']}.")
    sentence = f"{plan['changes']} certificates change; {plan['revocations']} of them are taken away."
    button = f"change {plan['changes']}"
    if plan["revocations"]:
        button = f"revoke {plan['revocations']}, {button}"
    return Step("Approve the plan", sentence, button, back, notes=notes, danger=True, **about)


def resume_step(run_id: str) -> Step:
    """Return what resuming a bulk run will do. Raises RefusedActError if there is no such run, or it can't be."""
    run = lifecycle.run(MACHINE, BUCKET, run_id, aws.now())
    if not run["resumable"]:
        raise RefusedActError(409, f"it is {run['state']}", "see what it is at", "id")
    far = run["progress"]
    notes = [
        f"Parts applied so far: {far['parts_applied']} of {far['parts'] if far['parts'] is not None else 'unknown'}."
    ]
    sentence = "The bulk run goes on from where it was interrupted: only what is missing is done."
    return Step("Resume the bulk run", sentence, "resume it", link("/regeneration", id=run_id), notes=notes)
