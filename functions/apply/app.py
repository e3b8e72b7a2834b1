"""A part of a bulk run's approved plan is applied: exactly what it lists."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import storage
from certrules.bulk.applying import apply_part

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
BUCKET = os.environ["BULK_BUCKET"]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return how many changes were applied."""
    result = apply_part(BUCKET, event["run"], event["item"])
    metrics.add_metric(name="ChangesApplied", unit=MetricUnit.Count, value=result.applied)
    metrics.add_metric(name="ChangesNotApplied", unit=MetricUnit.Count, value=len(result.rows))
    for cause, count in result.causes.items():  # beside those that events bring about, on dashboard and alarm
        metrics.add_metric(name=f"cause_{cause}", unit=MetricUnit.Count, value=count)
    if not result.complete:
        errors = sorted({result.error, *(row.error for row in result.rows)} - {""})
        logger.error("A part is not complete.", part=result.part, errors=errors[:20])
    return {"applied": result.applied}
