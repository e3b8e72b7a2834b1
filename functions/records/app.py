"""Programs and the Credentials service: learners whose certificates changed, each minute what is due, comparing."""

from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules.records.deployed import deployed_records
from certrules.records.running import FailedError

logger = Logger()
metrics = Metrics()
RECORDS = deployed_records(logger)
WORKS_SECONDS = 50
"""For how long an invocation begins something: the schedule comes each minute, and a service may be slow."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the messages to retry; to a person, what differs; to the schedule, what was done. Raises FailedError."""
    until = monotonic() + WORKS_SECONDS
    if "Records" in event:
        worked = RECORDS.work_off(event["Records"], lambda: monotonic() < until)
        add(worked.counts)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(worked.retried)]}
    if "compare" in event:
        add({"RecordsComparisons": 1})
        return RECORDS.compare(event["compare"])
    counts = RECORDS.work_due(lambda: monotonic() < until)
    counts["RecordsBreakerOpen"] += RECORDS.is_breaker_open()
    add(counts)
    seconds = RECORDS.oldest_delivery().total_seconds()
    metrics.add_metric(name="OldestDeliverySeconds", unit=MetricUnit.Seconds, value=seconds)
    if counts["RecordsFailed"]:
        raise FailedError(f"{counts['RecordsFailed']} of what is due failed; the log has each")
    return dict(counts)


def add(counts: dict[str, int]) -> None:
    """Add the counts to the metrics, and how long the slowest delivery took."""
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if (slowest := RECORDS.take_slowest()) is not None:
        metrics.add_metric(name="DeliverySeconds", unit=MetricUnit.Seconds, value=slowest.total_seconds())
