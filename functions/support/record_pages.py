"""The console's page of what waits for the Credentials service, and its button to try again."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import app
from certrules.core.deliveries.outcomes import Waiting
from certrules.support import records
from certrules.support.learners import usernames_of
from confirming import Step, asked_first, named
from models import Retry
from pages import form, link, number, page, query, see, unread
from record_calls import place_in, retried, write_place

PAGE = 50


@app.get("/records", include_in_schema=False)
def records_page() -> Response[str]:
    """Return what waits, by reason, a page at a time."""
    reason = query("reason") or None
    rows, following = records.waiting(reason, place_in(query("cursor")), PAGE)
    content: dict[str, Any] = {"reasons": list(Waiting), "reason": reason, "next": write_place(following)}
    usernames = usernames_of(filter(None, (row["learner_id"] for row in rows)))
    return page("records.html", waiting=rows, usernames=usernames, **content)


@app.post("/records/retry", include_in_schema=False)
def retry_page() -> Response[str]:
    """Have what waits of a learner be tried again, or one delivery be sent again, and show what comes of it."""
    fields = form()
    learner_id, kind, of = number(fields.get("learner_id", "")), fields.get("kind"), fields.get("of")
    back = link("/learner", learner_id=learner_id)
    who = f"learner {named(learner_id, usernames_of([learner_id]))}"
    sentence = f"Every delivery of {who} that waits is tried again within a minute or two."
    step = Step("Try deliveries again", sentence, "try again", back, asks_why=True)
    if kind:
        sentence = f"The {kind} of {who} in {of} is sent within a minute or two, acknowledged or not."
        step = Step("Send a delivery again", sentence, "send again", back, asks_why=True)
    if asks := asked_first(step, fields):
        return asks
    try:
        asked = Retry.model_validate({
            "learner_id": learner_id, "kind": kind or None, "of": of or None, "reason": fields.get("reason", "")
        })  # fmt: skip
    except ValidationError as error:
        raise unread(error) from error
    return see("/result", entry=retried(asked).entry)
