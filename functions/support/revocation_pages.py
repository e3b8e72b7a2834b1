"""The console's page of revocations: of many at once, and all that is pending or held."""

from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import revocation_asked_for, revocation_decided
from application import app, key_of, read_cursor, write_cursor
from certrules import aws
from certrules.support import checklist, revocations
from models import BulkRevocation
from pages import form, key_in, page, query, see, unread


@app.get("/revocations", include_in_schema=False)
def revocations_page() -> Response[str]:
    """Return the bulk revocations that were asked for, and all that is pending or held."""
    held, following = revocations.pending_in("", read_cursor(query("cursor")), 50)
    return page(
        "revocations.html",
        revocations=revocations.revocations(aws.now()),
        held=held,
        next=write_cursor(following),
        stopped=checklist.stopped_everywhere(),
        key=uuid4(),
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
    asked = revocation_asked_for(bulk, key_in(fields))
    return see("/result", entry=revocations.entry_of(asked))


@app.post("/revocations/decide", include_in_schema=False)
def decide_page() -> Response[str]:
    """Approve or decline a bulk revocation."""
    fields = form()
    decided = revocation_decided(fields.get("id", ""), fields.get("choice", ""))
    return see("/result", entry=revocations.entry_of(decided))
