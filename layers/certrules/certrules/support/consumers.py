"""Whether status changes arrive: what the bus, its dead letters and CloudWatch know of each consumer.

A consumer is a rule of the bus that takes events of this service. What happens beyond its target is known there only.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from certrules import aws
from certrules.formats.messages import OWN_SOURCE
from certrules.records.seen import WaitingPlace
from certrules.storage import Pair
from certrules.support import records

MOST_RULES = 30
"""How many consumers are looked at; that there are more is stated. With their queues, one request has all metrics."""

MOST_LOOKS = 5
"""By how many requests dead letters are looked at, up to ten by each."""

MOST_DELIVERIES = 100
MOST_METRICS = 500  # of one request
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LATELY = timedelta(minutes=15)
"""Within this time CloudWatch has a figure of a queue that is used."""

SERVICE = {"service": "course-certificates"}

type Metric = tuple[str, str, str, tuple[tuple[str, str], ...]]  # namespace, name, statistic, dimensions
type Points = Mapping[Metric, Sequence[tuple[datetime, float]]]  # oldest first


class Target(NamedTuple):
    """Where a rule puts events."""

    arn: str
    dead_letters: str | None  # the ARN of the queue that gets what it does not take; None: that is lost
    waits: int | None  # messages in its queue; None: it is no queue, or CloudWatch has no recent figure
    oldest: datetime | None  # UTC, of the oldest of them


class Consumer(NamedTuple):
    """A rule of the bus that takes status changes."""

    rule: str
    description: str
    is_on: bool
    event_types: tuple[str, ...]  # none: all
    sent: int  # events that were handed to its targets, or failed for good
    retried: int  # attempts after a first one that failed
    failed: int  # events that no attempt within a day could hand over
    last_sent: datetime | None  # UTC: the hour of the last one; None: none was
    failing_since: datetime | None  # UTC: the first hour with a failure or a retry
    dead_letters: int  # of those that were looked at
    dead_since: datetime | None  # UTC: the oldest of these
    targets: tuple[Target, ...]


class Service(NamedTuple):
    """The Credentials service, to which this service itself delivers."""

    acknowledged: int
    refused: int
    waits: int
    more: bool  # there are more than that
    oldest: datetime | None  # UTC: since when the oldest waits; None: CloudWatch has no recent figure
    is_broken: bool  # the breaker is open: it does not answer


class Overview(NamedTuple):
    """What is known of all consumers."""

    since: datetime  # UTC
    until: datetime  # UTC
    published: int  # events that the bus took
    consumers: tuple[Consumer, ...]
    left: int  # consumers that are not listed
    undelivered: int  # dead letters, of all consumers
    looked_at: int  # of these
    credentials: Service | None  # None: records are off


class Missed(NamedTuple):
    """An event that lies in the dead letters."""

    rule: str
    event_type: str
    since: datetime  # UTC: when it was put there
    error: str


def overview(bus: str, dead_letters: str, days: int, now: datetime) -> Overview:
    """Return what is known of the consumers of a bus in so many days until now (UTC).

    It costs one request for every 100 rules of the bus, one for each consumer (they overlap), two of metrics, up to six
    for the dead letters, and one or more of the records table where records are on.
    """
    rules = [rule for rule in _rules(bus) if "ManagedBy" not in rule and takes_own(rule.get("EventPattern", "{}"))]
    chosen = rules[:MOST_RULES]
    targets = aws.each(lambda rule: _targets(bus, rule["Name"]), chosen)
    since = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    counts = _points(_counted(bus, chosen), since, now + MINUTE, HOUR)
    queues = {_queue(target["Arn"]) for found in targets for target in found} - {""}
    gauges = _points(_gauged(sorted(queues)), now - LATELY, now + MINUTE, MINUTE)
    waiting = aws.waiting_in(dead_letters)
    seen = missed(dead_letters) if waiting else []
    return Overview(
        since,
        now,
        _total(counts, _own("Published")),
        tuple(
            _consumer(bus, rule, found, (counts, gauges), seen, now)
            for rule, found in zip(chosen, targets, strict=True)
        ),
        len(rules) - len(chosen),
        waiting,
        len(seen),
        _credentials(counts, gauges, now) if records.is_on() else None,
    )


def takes_own(pattern: str) -> bool:
    """Whether a rule with this pattern (JSON) may take an event of this service, by the source that it names."""
    sources = msgspec.json.decode(pattern).get("source")
    return sources is None or any(_takes(source) for source in sources)


def _takes(source: Any) -> bool:
    match source:
        case str():
            return source == OWN_SOURCE
        case {"prefix": str(start)}:
            return OWN_SOURCE.startswith(start)
        case {"anything-but": str() | list() as others}:
            return OWN_SOURCE not in ([others] if isinstance(others, str) else others)
        case {"anything-but": {"prefix": str(start)}}:
            return not OWN_SOURCE.startswith(start)
        case _:  # another comparison: it may
            return True


def _rules(bus: str) -> Iterable[Mapping[str, Any]]:
    place: dict[str, str] = {}
    while True:
        answer = aws.client("events").list_rules(EventBusName=bus, Limit=100, **place)
        yield from answer["Rules"]
        if "NextToken" not in answer:
            return
        place = {"NextToken": answer["NextToken"]}


def _targets(bus: str, rule: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.client("events").list_targets_by_rule(EventBusName=bus, Rule=rule)["Targets"]
    return found


def _queue(arn: str) -> str:
    """Return the name of the queue that an ARN names; "" if it names something else."""
    return arn.rpartition(":")[2] if arn.split(":")[2] == "sqs" else ""


# --- metrics


def _own(name: str, statistic: str = "Sum") -> Metric:
    return "CourseCertificates", name, statistic, tuple(SERVICE.items())


def _of_rule(bus: str, rule: str, name: str) -> Metric:
    return "AWS/Events", name, "Sum", (("EventBusName", bus), ("RuleName", rule))


def _of_queue(queue: str, name: str) -> Metric:
    return "AWS/SQS", name, "Maximum", (("QueueName", queue),)


INVOCATIONS, RETRIES, FAILURES = "Invocations", "RetryInvocationAttempts", "FailedInvocations"
VISIBLE, AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
ACKNOWLEDGED, REFUSED = _own("DeliveriesAcknowledged"), _own("DeliveriesRefused")
OLDEST, BREAKER = _own("OldestDeliverySeconds", "Maximum"), _own("RecordsBreakerOpen", "Maximum")


def _counted(bus: str, rules: Iterable[Mapping[str, Any]]) -> list[Metric]:
    of_rules = [_of_rule(bus, rule["Name"], name) for rule in rules for name in (INVOCATIONS, RETRIES, FAILURES)]
    return [_own("Published"), ACKNOWLEDGED, REFUSED, *of_rules]


def _gauged(queues: Iterable[str]) -> list[Metric]:
    return [OLDEST, BREAKER, *(_of_queue(queue, name) for queue in queues for name in (VISIBLE, AGE))]


def _points(metrics: Sequence[Metric], since: datetime, until: datetime, period: timedelta) -> Points:
    """Return the points of metrics in a time (UTC), of MOST_METRICS at most."""
    asked = metrics[:MOST_METRICS]
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
                },
                "Period": int(period.total_seconds()),
                "Stat": statistic,
            },
        }
        for number, (namespace, name, statistic, dimensions) in enumerate(asked)
    ]
    points: dict[Metric, list[tuple[datetime, float]]] = {metric: [] for metric in asked}
    pages = aws.client("cloudwatch").get_paginator("get_metric_data")
    for page in pages.paginate(MetricDataQueries=queries, StartTime=since, EndTime=until):
        for result in page["MetricDataResults"]:
            metric = asked[int(result["Id"].removeprefix("m"))]
            points[metric] += zip(result["Timestamps"], result["Values"], strict=True)
    return {metric: sorted(found) for metric, found in points.items()}


def _total(points: Points, metric: Metric) -> int:
    return int(sum(value for _, value in points[metric]))


def _latest(points: Points, metric: Metric) -> float | None:
    found = points.get(metric)
    return found[-1][1] if found else None


def _hours(points: Points, *metrics: Metric) -> list[datetime]:
    return sorted(at for metric in metrics for at, value in points[metric] if value)


# --- one consumer


def _consumer(
    bus: str,
    rule: Mapping[str, Any],
    targets: Iterable[Mapping[str, Any]],
    points: tuple[Points, Points],
    seen: Iterable[tuple[Missed, Pair | None]],
    now: datetime,
) -> Consumer:
    counts, gauges = points
    name = rule["Name"]
    sent, retried, failed = (_of_rule(bus, name, metric) for metric in (INVOCATIONS, RETRIES, FAILURES))
    of_it = [one.since for one, _ in seen if one.rule == name]
    return Consumer(
        name,
        rule.get("Description", ""),
        rule["State"] != "DISABLED",
        _event_types(rule.get("EventPattern", "{}")),
        _total(counts, sent),
        _total(counts, retried),
        _total(counts, failed),
        max(_hours(counts, sent), default=None),
        min(_hours(counts, retried, failed), default=None),
        len(of_it),
        min(of_it, default=None),
        tuple(_target(target, gauges, now) for target in targets),
    )


def _event_types(pattern: str) -> tuple[str, ...]:
    named = msgspec.json.decode(pattern).get("detail-type", ())
    return tuple(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in named)


def _target(target: Mapping[str, Any], gauges: Points, now: datetime) -> Target:
    queue = _queue(target["Arn"])
    waits = _latest(gauges, _of_queue(queue, VISIBLE))
    age = _latest(gauges, _of_queue(queue, AGE)) if waits else None
    dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
    oldest = None if age is None else now - timedelta(seconds=age)
    return Target(target["Arn"], dead_letters, None if waits is None else int(waits), oldest)


def _credentials(counts: Points, gauges: Points, now: datetime) -> Service:
    rows, following = records.waiting(None, WaitingPlace(), MOST_DELIVERIES)
    age = _latest(gauges, OLDEST) if rows else None
    return Service(
        _total(counts, ACKNOWLEDGED),
        _total(counts, REFUSED),
        len(rows),
        following is not None,
        now - timedelta(seconds=age) if age else None,
        bool(_latest(gauges, BREAKER)),
    )


# --- dead letters


def missed(dead_letters: str) -> list[tuple[Missed, Pair | None]]:
    """Return the dead letters that up to MOST_LOOKS requests show, and whose certificate each is about.

    None: it is about none, or can't be read. They stay where they are.
    """
    return [(_missed(message), _about(message.body)) for message in aws.peek(dead_letters, MOST_LOOKS)]


def missed_of(pair: Pair, dead_letters: str) -> list[Missed]:
    """Return the dead letters about a certificate, of those that are looked at."""
    return [one for one, about in missed(dead_letters) if about == pair]


def _missed(message: aws.SeenMessage) -> Missed:
    rule = message.attributes.get("RULE_ARN", "").rpartition("/")[2]
    event_type = _read(message.body).get("detail-type")
    error = message.attributes.get("ERROR_MESSAGE", "")
    return Missed(rule, str(event_type or "unknown"), message.sent_at, error)


def _about(body: str) -> Pair | None:
    """Return whose certificate an event on the bus is about."""
    detail = _read(body).get("detail")
    for subject in detail.values() if isinstance(detail, dict) else ():
        match subject:
            case {"user": {"id": int(learner_id)}, "course": {"course_key": str(course_run)}}:
                return Pair(learner_id, course_run)
            case {"learner_id": int(learner_id), "course_key": str(course_run)}:
                return Pair(learner_id, course_run)
            case _:
                continue
    return None


def _read(body: str) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(body)
    except msgspec.DecodeError:  # whatever somebody put there
        return {}
    return event if isinstance(event, dict) else {}
