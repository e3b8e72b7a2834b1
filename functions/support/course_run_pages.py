"""The console's page of a course run, and its acts."""

from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import discarded, switched
from application import POLICIES, app, key_of, read_cursor, write_cursor
from certrules import aws
from certrules.support import checklist, revocations
from models import BulkDiscard, Switch
from pages import form, key_in, page, query, see, unread


@app.get("/course-run", include_in_schema=False)
def course_run_page() -> Response[str]:
    """Return a course run: its checklist, and its held revocations."""
    course_run = key_of(query("course_run"))
    checks = checklist.checks_of(course_run, POLICIES, aws.now())
    held, following = revocations.pending_in(course_run, read_cursor(query("cursor"), course_run), 50)
    stopped = any(check["code"] == "automatic_revocations" and not check["ok"] for check in checks)
    return page(
        "course_run.html",
        course_run=course_run,
        checks=checks,
        stopped=stopped,
        held=held,
        next=write_cursor(following),
        key=uuid4(),
    )


@app.post("/course-run/act", include_in_schema=False)
def course_run_act() -> Response[str]:
    """Discard all that is held in a course run, or stop or resume automatic revocations there or ("") everywhere."""
    fields = form()
    course_run, key, decision = fields.get("course_run") or None, key_in(fields), fields.get("choice", "")
    try:
        if decision == "discard":
            done = discarded(BulkDiscard(course_run=course_run or "", reason=fields.get("reason", "")), key)
        else:
            done = switched(decision, Switch(course_run=course_run, reason=fields.get("reason", "")), key)
    except ValidationError as error:
        raise unread(error) from error
    return see("/result", entry=done.entry)
