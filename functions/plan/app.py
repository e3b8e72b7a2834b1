"""The plan of a bulk run: its shards, the plan of each, the sealed plan, and the parts to apply."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import storage
from certrules.bulk import planning, sealing

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
BUCKET = os.environ["BULK_BUCKET"]


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Take a step of a run, or plan one of its shards."""
    do = event["do"]
    if do == "begin":
        return planning.begin(BUCKET, event["run"])
    if do == "seal":
        return sealing.seal(BUCKET, event["run"])
    if do == "list-parts":
        return sealing.list_parts(BUCKET, event["run"])
    changes: dict[str, int] = shard(event, context)
    return changes


@metrics.log_metrics
def shard(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Plan a shard; return how many changes it would have."""
    planned = planning.plan_shard(BUCKET, event["id"], event["shard"])
    metrics.add_metric(name="RecordsPlanned", unit=MetricUnit.Count, value=planned.records)
    metrics.add_metric(name="ChangesPlanned", unit=MetricUnit.Count, value=planned.counts.changes)
    return {"changes": planned.counts.changes}
