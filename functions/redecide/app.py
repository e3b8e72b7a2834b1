"""A course run changed: all its learners' certificates are decided again, a shard and a page at a time."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import json

from certrules import aws, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]
REDECIDE_QUEUE = os.environ["REDECIDE_QUEUE_URL"]

PAGE = 500


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the messages to retry. A page that comes twice is decided twice, to no effect."""
    failed = []
    redecided = 0
    for record in event["Records"]:
        try:
            redecided += take_page(**json.decode(record["body"]))
        except Exception:
            logger.exception("The page is retried.", message_id=record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    metrics.add_metric(name="Redecided", unit=MetricUnit.Count, value=redecided)
    return {"batchItemFailures": failed}


def take_page(course_run: str, at: str, shard: int | None = None, after: dict[str, Any] | None = None) -> int:
    """Ask for each learner of a page to be decided again, and for the next page; without a shard, for all shards.

    `at` is when the message was sent that changed the course run. Returns how many learners were asked for.
    """
    if shard is None:
        aws.send(REDECIDE_QUEUE, (page(course_run, at, shard, None) for shard in range(storage.COURSE_RUN_SHARDS)))
        return 0
    learners, following = storage.learners_in(course_run, shard, after, PAGE)
    aws.send(INGEST_QUEUE, requests_for(course_run, learners, datetime.fromisoformat(at)))
    if following:
        aws.send(REDECIDE_QUEUE, [page(course_run, at, shard, following)])
    return len(learners)


def page(course_run: str, at: str, shard: int, after: dict[str, Any] | None) -> dict[str, Any]:
    """Return the message for a page."""
    body = {"course_run": course_run, "at": at, "shard": shard, "after": after}
    return {"MessageBody": json.encode(body).decode()}


def requests_for(course_run: str, learners: list[int], at: datetime) -> Iterator[dict[str, Any]]:
    """Return a request to decide again, as of when the course run changed, for each learner."""
    for learner_id in learners:
        yield {"MessageBody": aws.request_for(learner_id, course_run, "course-run", at)}
