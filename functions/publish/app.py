"""Certificate history, as it is written, becomes events on the bus: none without its change, no change without."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import edge
from certrules.wire.inbound import OWN_SOURCE
from certrules.wire.outbound import Outgoing, events_of

logger = Logger()
metrics = Metrics()
BUS = os.environ["BUS_NAME"]
CERTIFICATE_URL = os.environ["CERTIFICATE_URL"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "publish")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the first record that was not published wholly; the stream comes again from there on."""
    outgoing: list[Outgoing] = []
    ends: list[tuple[int, str]] = []  # how many events there are up to and including each record
    for record in event["Records"]:
        if record["eventName"] == "INSERT":
            image = record["dynamodb"]["NewImage"]
            outgoing += events_of(f"{image['p']['S']}#{image['s']['S']}", image["b"]["S"], CERTIFICATE_URL, HOST)
        ends.append((len(outgoing), record["dynamodb"]["SequenceNumber"]))
    published = edge.put_events(BUS, OWN_SOURCE, outgoing)
    metrics.add_metric(name="Published", unit=MetricUnit.Count, value=published)
    for end, sequence_number in ends:
        if end > published:
            logger.warning("The bus did not take all events; they are sent again.", left=len(outgoing) - published)
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    return {"batchItemFailures": []}
