"""The console's page of revocations: of many at once, and all that is pending or held."""

from itertools import islice

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import revocation_asked_for, revocation_decided
from application import app, key_of, read_cursor, write_cursor
from certrules import aws
from certrules.formats.words import counted
from certrules.requests import RefusedActError
from certrules.support import checklist, revocations
from certrules.support.learners import usernames_of
from confirming import MOST_NAMES, Step, asked_first
from course_run_pages import held_names, taken_at_once
from models import BulkRevocation
from pages import form, key_in, link, page, query, see, unread


@app.get("/revocations", include_in_schema=False)
def revocations_page() -> Response[str]:
    """Return the bulk revocations that were asked for, and all that is pending or held."""
    held, following = revocations.pending_in("", read_cursor(query("cursor")), 50)
    found = revocations.revocations(aws.now())
    waiting = (item["learners"] for item in found if item["state"] == "requested")
    named = {int(learner) for learners in waiting for learner in islice(learners, MOST_NAMES)}
    return page(
        "revocations.html",
        revocations=found,
        held=held,
        usernames=usernames_of(named | {row["learner_id"] for row in held}),
        next=write_cursor(following),
        stopped=checklist.stopped_everywhere(),
    )


@app.post("/revocations/ask", include_in_schema=False)
def ask_page() -> Response[str]:
    """Ask for all held revocations of a course run to be released; a second person has to approve it."""
    fields = form()
    try:
        bulk = BulkRevocation(
            act="release", course_run=key_of(fields.get("course_run", "")), reason=fields.get("reason", "")
        )
    except ValidationError as error:
        raise unread(error) from error
    if asks := asked_first(release_step(bulk.course_run), fields):
        return asks
    asked = revocation_asked_for(bulk, key_in(fields))
    return see("/result", entry=revocations.entry_of(asked))


@app.post("/revocations/decide", include_in_schema=False)
def decide_page() -> Response[str]:
    """Approve or decline a bulk revocation."""
    fields = form()
    revocation_id, decision = fields.get("id", ""), fields.get("choice", "")
    if decision in {"approve", "decline"} and (asks := asked_first(decision_step(revocation_id, decision), fields)):
        return asks
    decided = revocation_decided(revocation_id, decision)
    return see("/result", entry=revocations.entry_of(decided))


def release_step(course_run: str) -> Step:
    """Return what asking for a release of all that is held will do. Raises RefusedActError if there is nothing."""
    causes = revocations.to_release(course_run, None, aws.now())
    some, left = taken_at_once(len(causes), "request")
    rows = [{"learner_id": learner, "cause": cause} for learner, cause in causes.items()]
    return Step(
        f"Ask to revoke {some} certificates",
        f"{some} certificates in {course_run} are revoked once a second person approves it within a day.{left}",
        f"ask for approval of {some}",
        link("/course-run", course_run=course_run),
        held_names(rows, course_run),
        danger=True,
        scope="revoke",
    )


def decision_step(revocation_id: str, decision: str) -> Step:
    """Return what approving or declining a bulk revocation will do. Raises RefusedActError if there is no such one."""
    found = {item["id"]: item for item in revocations.revocations(aws.now())}
    if revocation_id not in found:
        raise RefusedActError(404, "no such revocation was asked for", "see the list of revocations", "id")
    item = found[revocation_id]
    if item["state"] not in {"requested", "approved"}:  # approved: it was interrupted, and is completed
        raise RefusedActError(409, f"it is {item['state']} already", "see the list of revocations", "id")
    many = f"{counted(len(item['learners']), 'certificate')} in {item['course_run']}"
    rows = [{"learner_id": learner, "cause": cause} for learner, cause in item["learners"].items()]
    names = held_names(rows, item["course_run"])
    notes = [f"{item['requested_by']} asked to {item['act']} them: {item['reason']}"]
    if item["state"] == "approved":
        notes.append("It was approved before and interrupted: what is missing is done now.")
    if decision == "decline":
        return Step(
            "Decline the bulk revocation",
            f"{many} stay as they are.",
            "decline it",
            "/revocations",
            names,
            notes,
            scope="approve",
        )
    if item.get("programs"):
        notes.append(f"Program certificates that fall with these, as of the request: {item['programs']['falling']}.")
    sentence = f"{many} are revoked now."
    return Step(
        "Approve the bulk revocation",
        sentence,
        f"revoke {len(item['learners'])}",
        "/revocations",
        names,
        notes,
        danger=True,
        scope="approve",
    )
