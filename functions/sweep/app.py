"""On a schedule: certificates that change by themselves by now (a hold runs out) are decided again."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]

AT_ONCE = 2_500
"""How many of a shard are taken up in one run; the next run, a minute later, takes the rest."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return how many records are due by the schedule's time."""
    now = datetime.fromisoformat(event["time"])
    due = sorted(found for shard in range(storage.DUE_SHARDS) for found in storage.due_by(now, shard, AT_ONCE))
    aws.send(INGEST_QUEUE, requests_for(due))
    metrics.add_metric(name="Due", unit=MetricUnit.Count, value=len(due))
    return {"due": len(due)}


def requests_for(due: list[tuple[datetime, storage.Pair]]) -> Iterator[dict[str, Any]]:
    """Return a request to decide again for each record, as of when it is due: swept late, it is decided the same."""
    for at, pair in due:
        yield {"MessageBody": aws.request_for(pair.learner_id, pair.course_run, "sweep", at)}
