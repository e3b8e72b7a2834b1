"""Records of the platform's Kafka topics, as Lambda delivers them, go on our bus; refused ones are parked."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import schema_registry, settings
from certrules.bridging import Destination, carry
from certrules.formats.bus_records import of_lambda

logger = Logger()
metrics = Metrics()
DESTINATION = Destination(
    os.environ["BUS_NAME"],
    os.environ["PARKED_QUEUE_URL"],
    schema_registry.from_environment(),
    settings.trusted_senders(),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return what became of the records. Where it raises, Lambda delivers all of them again, in the same order."""
    records = [of_lambda(record) for partition in event["records"].values() for record in partition]
    metrics.add_metric(name="BridgeRecords", unit=MetricUnit.Count, value=len(records))
    counts = carry(records, DESTINATION)
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    return dict(counts)
