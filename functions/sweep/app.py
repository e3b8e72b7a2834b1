"""On a schedule: certificates that are due, because a hold ends or an ID verification expires, are decided again."""

import os
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import decide_again, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]

AT_ONCE = 2_500
"""How many records of a shard one run requests. The next run, a minute later, requests the rest."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return how many records are due by the schedule's time."""
    now = datetime.fromisoformat(event["time"])
    due = sorted(found for shard in range(storage.DUE_SHARDS) for found in storage.due_by(now, shard, AT_ONCE))
    decide_again.request_due(INGEST_QUEUE, due)
    metrics.add_metric(name="Due", unit=MetricUnit.Count, value=len(due))
    return {"due": len(due)}
