"""History items become events on the bus, as the stream of the history table delivers them."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pynamodb.exceptions import PynamoDBException

from certrules import aws, publishing, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUS = os.environ["BUS_NAME"]
CERTIFICATE_URL = os.environ["CERTIFICATE_URL"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "publish")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the first record that was not wholly published. The stream delivers it and all after it again."""
    history: list[tuple[str, str]] = []
    ends: list[tuple[int, str]] = []  # how many history items there are up to and including each record
    for record in event["Records"]:
        if record["eventName"] != "REMOVE":  # a changed item, after a restore, is published as well
            image = record["dynamodb"]["NewImage"]
            history.append((f"{image['p']['S']}#{image['s']['S']}", image["b"]["S"]))
        ends.append((len(history), record["dynamodb"]["SequenceNumber"]))
    published = publishing.publish(BUS, history, CERTIFICATE_URL, HOST)
    try:
        publishing.save_receipts(published, aws.now())
    except PynamoDBException:
        logger.exception("Receipts were not noted; the events were published.")
    metrics.add_metric(name="Published", unit=MetricUnit.Count, value=sum(len(types) for _, types in published))
    for end, sequence_number in ends:
        if end > len(published):
            logger.warning("The bus did not take all events; they are sent again.", left=len(history) - len(published))
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    return {"batchItemFailures": []}
