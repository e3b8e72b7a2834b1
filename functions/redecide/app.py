"""A course run changed: its learners' certificates are requested again, a page of a shard at a time."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import decide_again, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]
REDECIDE_QUEUE = os.environ["REDECIDE_QUEUE_URL"]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the messages to retry. A page that is delivered twice is requested twice, without effect."""
    failed = []
    redecided = 0
    for record in event["Records"]:
        try:
            redecided += decide_again.request_page(INGEST_QUEUE, REDECIDE_QUEUE, record["body"])
        except Exception:
            logger.exception("The page is retried.", message_id=record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    metrics.add_metric(name="Redecided", unit=MetricUnit.Count, value=redecided)
    return {"batchItemFailures": failed}
