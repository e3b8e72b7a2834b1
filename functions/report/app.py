"""A bulk run waits for its approval, and is reported when it has ended."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, settings, storage
from certrules.bulk import lifecycle
from certrules.bulk.comparison_counts import summary_of
from certrules.bulk.program_losses import program_losses, reported_losses
from certrules.bulk.report_page import page
from certrules.bulk.reporting import write_report
from certrules.formats.events_out import comparison_finished, regeneration_finished
from certrules.formats.messages import OWN_SOURCE
from certrules.records.seen import connect_records_if_on, loss_previews

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
HAS_RECORDS = connect_records_if_on()
BUCKET = os.environ["BULK_BUCKET"]
BUS = os.environ["BUS_NAME"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "report")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Record that a plan waits for its approval; or write the report of a run, and publish that it has ended."""
    run, now = event["run"], aws.now()
    preview = loss_previews(settings.policies(), now) if HAS_RECORDS else None
    if event["do"] == "ask":
        lifecycle.wait(BUCKET, run, event["token"], now, program_losses(BUCKET, run, preview))
        metrics.add_metric(name="PlansToApprove", unit=MetricUnit.Count, value=1)
        return {}
    report = write_report(BUCKET, run, now, page, reported_losses(BUCKET, run, preview))
    compared = report.get("comparison")
    if compared is None:
        finished = regeneration_finished(report, event["execution"], HOST)
    else:
        finished = comparison_finished(report, summary_of(compared), event["execution"], HOST)
    if not aws.put_events(BUS, OWN_SOURCE, [finished]):
        raise aws.SendError("the bus did not take the event that the run has ended")
    lifecycle.finish(report, run, now)
    for name, value in {f"Bulk{name.title()}": count for name, count in report["outcome"].items()}.items():
        metrics.add_metric(name=name.replace("_", ""), unit=MetricUnit.Count, value=value)
    metrics.add_metric(name="BulkFailures", unit=MetricUnit.Count, value=len(report["failures"]))
    return {"state": report["state"]}
