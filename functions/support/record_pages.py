"""The console's page of what waits for the Credentials service, and its button to try again."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from application import app
from certrules.core.deliveries.outcomes import Waiting
from certrules.support import records
from confirming import Step, asked_first
from pages import form, link, number, page, query, see
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
    fields = form()
    learner_id = number(fields.get("learner_id", ""))
    sentence = f"Every delivery of learner {learner_id} that waits is tried again within a minute or two."
    back = link("/learner", learner_id=learner_id)
    if asks := asked_first(Step("Try deliveries again", sentence, "try again", back), fields):
        return asks
    return see("/result", entry=retried(learner_id, None).entry)
