"""Metrics that AWS's own services send to CloudWatch: of rules and of queues, made when they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum
from moto.events.models import events_backends
from moto.sqs.models import sqs_backends

from localcloud.queues import StandardQueue
from localcloud.rules import MINUTE, LocalRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.cloudwatch.models import MetricDatumBase

_of_moto = CloudWatchBackend.get_all_metrics


def all_metrics(backend: CloudWatchBackend) -> list[MetricDatumBase]:
    """Return what was put into CloudWatch, and what services would have put there by now."""
    return [*_of_moto(backend), *_of_rules(backend), *_of_queues(backend)]


def _of_rules(backend: CloudWatchBackend) -> Iterator[MetricDatum]:
    """Yield what each rule of a custom bus counted, by minute. As in AWS, what is zero is not there."""
    buses = events_backends[backend.account_id][backend.region_name].event_buses.values()
    for rule in [rule for bus in buses if bus.name != "default" for rule in bus.rules.values()]:
        if isinstance(rule, LocalRule):
            names = {"EventBusName": rule.event_bus_name, "RuleName": rule.name}
            dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
            for (name, minute), count in list(rule.counted.items()):
                at = _as_in_moto(datetime.fromtimestamp(minute * MINUTE, UTC))
                yield MetricDatum("AWS/Events", name, count, dimensions, at, "Count")


def _of_queues(backend: CloudWatchBackend) -> Iterator[MetricDatum]:
    """Yield how many messages each queue has ready now, and how old the oldest is (seconds)."""
    now = datetime.now(UTC)
    for queue in sqs_backends[backend.account_id][backend.region_name].queues.values():
        if isinstance(queue, StandardQueue):
            dimensions = [{"Name": "QueueName", "Value": queue.name}]
            ages = [now.timestamp() - float(cast("int", message.sent_timestamp)) / 1000 for message in queue.messages]
            at = _as_in_moto(now)
            yield MetricDatum("AWS/SQS", "ApproximateNumberOfMessagesVisible", len(ages), dimensions, at, "Count")
            yield MetricDatum("AWS/SQS", "ApproximateAgeOfOldestMessage", max([0, *ages]), dimensions, at, "Seconds")


def _as_in_moto(instant: datetime) -> datetime:
    """Return an instant in UTC without its zone, as moto stores and compares them."""
    return instant.replace(tzinfo=None)
