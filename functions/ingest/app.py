"""Messages from the queue become certificates: read, merged, decided, saved. Refused ones are parked."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, settings, storage
from certrules.batches import Deployment, Queues, ingest_batch

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
QUEUES = Queues(
    os.environ["INGEST_QUEUE_URL"],
    os.environ["PARKED_QUEUE_URL"],
    os.environ["REDECIDE_QUEUE_URL"],
    os.environ.get("RECORDS_QUEUE_URL", ""),
)
DEPLOYMENT = Deployment(settings.policies(), settings.trusted_senders(), settings.stores_names())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the messages to retry, in the form of SQS."""
    batch = ingest_batch(event["Records"], DEPLOYMENT, QUEUES, aws.now(), logger)
    for name, count in batch.counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if batch.sent_at is not None:
        delay = (aws.now() - batch.sent_at).total_seconds()
        metrics.add_metric("EventToCertificateMilliseconds", MetricUnit.Milliseconds, round(1000 * delay))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(batch.retried)]}
