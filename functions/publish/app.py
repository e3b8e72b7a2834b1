"""Certificate history, as it is written, becomes events on the bus: none without its change, no change without."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import json
from pynamodb.exceptions import PynamoDBException

from certrules import edge, store
from certrules.wire.inbound import OWN_SOURCE
from certrules.wire.outbound import Outgoing, events_of
from certrules.wire.stored import as_time

logger = Logger()
metrics = Metrics()
store.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUS = os.environ["BUS_NAME"]
CERTIFICATE_URL = os.environ["CERTIFICATE_URL"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "publish")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the first record that was not published wholly; the stream comes again from there on."""
    outgoing: list[Outgoing] = []
    ends: list[tuple[int, str]] = []  # how many events there are up to and including each record
    keys: list[str] = []  # of the history item of each event
    for record in event["Records"]:
        if record["eventName"] == "INSERT":
            image = record["dynamodb"]["NewImage"]
            key = f"{image['p']['S']}#{image['s']['S']}"
            outgoing += events_of(key, image["b"]["S"], CERTIFICATE_URL, HOST)
            keys += [key] * (len(outgoing) - len(keys))
        ends.append((len(outgoing), record["dynamodb"]["SequenceNumber"]))
    published = edge.put_events(BUS, OWN_SOURCE, outgoing)
    note_receipts(keys[:published], outgoing)
    metrics.add_metric(name="Published", unit=MetricUnit.Count, value=published)
    for end, sequence_number in ends:
        if end > published:
            logger.warning("The bus did not take all events; they are sent again.", left=len(outgoing) - published)
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    return {"batchItemFailures": []}


def note_receipts(keys: list[str], outgoing: list[Outgoing]) -> None:
    """Note for support when the bus took which events of each history item, and publish all the same if that fails."""
    at = as_time(edge.now())
    sent: dict[str, list[str]] = {}
    for key, event in zip(keys, outgoing, strict=False):
        sent.setdefault(key, []).append(event.event_type)
    try:
        store.save_receipts({key: json.encode({"at": at, "events": types}).decode() for key, types in sent.items()})
    except PynamoDBException:
        logger.exception("Receipts were not noted; the events were published.")
