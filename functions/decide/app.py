"""A course run that changed is decided again, one step of its state machine at a time: begin, first pages, a part."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, redeciding, settings, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]
POLICIES = settings.policies()

RESERVE_MS = 120_000
"""How much time has to be left to decide another page."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run one step. Its result has the parts of the course run that are left (`first`), or the rest of a part."""
    if event["step"] == "begin":
        redeciding.begin_run(event["course_run"], event["run"], aws.now())
        return {}
    if event["step"] == "first":
        parts = redeciding.parts_of(event["course_run"], event["at"])
        return {"parts": [part for part in decided(parts, lambda: False) if not part["done"]]}
    (part,) = decided([event["part"]], lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    return part


def decided(parts: Iterable[dict[str, Any]], may_go_on: Callable[[], bool]) -> list[dict[str, Any]]:
    """Decide learners of each part, and count them. Returns what is left of each part."""
    left, counts = [], Counter[str]()
    for part in parts:
        step = redeciding.decide_part(part, POLICIES, INGEST_QUEUE, logger, may_go_on)
        left.append(step.part)
        counts.update(step.counts)
    for name, number in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
    metrics.flush_metrics()
    return left
