"""The console's first page, what waits for somebody; and the messages that wait for an operator."""

import os

from aws_lambda_powertools.event_handler import Response

from application import CONSUMER_DEAD_LETTERS, POLICIES, actor, app
from certrules import aws
from certrules.support.work_list import work_for
from pages import page
from regenerations import BUCKET, MACHINE

QUEUES = {"parked": os.environ["PARKED_QUEUE_URL"], "undelivered": CONSUMER_DEAD_LETTERS}


@app.get("/", include_in_schema=False)
def start() -> Response[str]:
    """Return the search, and what waits."""
    return page("start.html", work=work_for(actor(), MACHINE, BUCKET, QUEUES, POLICIES, aws.now()))


@app.get("/messages", include_in_schema=False)
def messages_page() -> Response[str]:
    """Return how many messages wait for an operator, and why; never what is in them."""
    parked, undelivered = (aws.waiting_in(QUEUES[name]) for name in ("parked", "undelivered"))
    seen = sorted(aws.peek(QUEUES["parked"]) if parked else [], key=lambda message: message.sent_at)
    return page("messages.html", parked=parked, undelivered=undelivered, seen=seen)
