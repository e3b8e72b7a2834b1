"""On a schedule: certificates that are due, because a hold ends or an ID verification expires, are decided again."""

import os
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import storage
from certrules.core.terms import RELEASED, REVOKING
from certrules.sweeping import sweep

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return how many records are due by the schedule's time; with `again`, what is on its way is requested again."""
    at, again = datetime.fromisoformat(event["time"]), event.get("again", False)
    due, requested = sweep(INGEST_QUEUE, at, again=again)
    metrics.add_metric(name="Due", unit=MetricUnit.Count, value=due)
    metrics.add_metric(name="DueRequested", unit=MetricUnit.Count, value=requested)
    # the alarm's baseline: without it, only periods with revocations would be usual
    for cause in sorted(REVOKING - RELEASED):
        metrics.add_metric(name=f"cause_{cause}", unit=MetricUnit.Count, value=0)
    return {"due": due}
