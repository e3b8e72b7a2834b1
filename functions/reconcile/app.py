"""Reconciliation, one step of its state machine at a time: begin, look, look again and heal, report."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, settings, storage
from certrules.formats.events_out import reconciliation_finished
from certrules.formats.messages import OWN_SOURCE
from certrules.reconciliation import steps
from certrules.reconciliation.healing import Means

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUCKET = os.environ["BULK_BUCKET"]
BUS = os.environ["BUS_NAME"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "reconcile")
MEANS = Means(BUS, os.environ["INGEST_QUEUE_URL"], os.environ["CERTIFICATE_URL"], os.environ["PUBLISH_HOST"])
POLICIES = settings.policies()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    """Run one step; its result is the event of the next step."""
    match event["step"]:
        case "begin":
            return steps.begin(event["run"], event["asked"], event["started"])
        case "look":
            return steps.look(BUCKET, event["part"], POLICIES, context.get_remaining_time_in_millis)
        case "look-again":
            return steps.look_again(BUCKET, event["part"], POLICIES, MEANS)
        case _:
            return report(event["run"], event["at"], [*event["looked"], *event["again"]])


def report(run: str, at: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the report, count it for the alarm, and publish that the reconciliation has ended."""
    summary, findings = steps.report(BUCKET, run, at, parts)
    metrics.add_metric("ReconciliationFindings", MetricUnit.Count, findings)
    metrics.flush_metrics()
    if aws.put_events(BUS, OWN_SOURCE, [reconciliation_finished(summary, HOST)]) < 1:
        raise aws.SendError("the bus did not take the event that the reconciliation is finished")
    return summary
