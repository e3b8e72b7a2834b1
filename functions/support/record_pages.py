"""The console's page of what waits for the Credentials service, and its button to try again."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from application import app
from certrules.core.deliveries.outcomes import Waiting
from certrules.support import records
from pages import form, number, page, query, see
from record_calls import place_in, retried, write_place

PAGE = 50


@app.get("/records", include_in_schema=False)
def records_page() -> Response[str]:
    """Return what waits, by reason, a page at a time."""
    reason = query("reason") or None
    rows, following = records.waiting(reason, place_in(query("cursor")), PAGE)
    content: dict[str, Any] = {"reasons": list(Waiting), "reason": reason, "next": write_place(following)}
    return page("records.html", waiting=rows, **content)


@app.post("/records/retry", include_in_schema=False)
def retry_page() -> Response[str]:
    """Have what waits of a learner be tried again, and return to the learner."""
    learner_id = number(form().get("learner_id", ""))
    retried(learner_id, None)
    return see("/learner", learner_id=learner_id)
