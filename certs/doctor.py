"""`certs doctor`: which types of events arrived, how many, and when last; and which never came."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import click

from certs import stacks
from certs.options import examples

MISSING = 10
"""Exit code when a type of which certificates need events never came."""

NEEDED = (
    "org.openedx.learning.course.enrollment.created.v1",
    "org.openedx.learning.course.passing.status.updated.v1",
    "certificates.course_run.configured.v1",
)
"""Without events of these types no certificate is ever issued; the others depend on what a platform uses."""

SERVICE = [{"Name": "service", "Value": "course-certificates"}]
HOUR = 3600


class Arrivals(NamedTuple):
    """The events of a type that arrived."""

    events: int
    last: datetime | None  # UTC: the hour in which the last one came; None: none came


@click.command(
    epilog=examples(
        "certs doctor                             the local cloud that is up in this folder",
        "certs doctor --stack certificates        a deployed stack, with your own AWS credentials",
    )
)
@click.option("--days", type=click.IntRange(1, 60), default=14, show_default=True, help="How far to look back.")
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder.")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
def doctor(days: int, stack: str | None, *, as_json: bool) -> None:
    """Show which events arrive, and which never came.

    It reads the metrics that `ingest` counts by event type, without what this service sends itself. Exit code 10 if a
    type is missing without which no certificate is issued.
    """
    from certrules.formats.event_types import EVENT_TYPES

    try:
        aws = stacks.aws(stack)
        found = arrivals(aws.client("cloudwatch"), list(EVENT_TYPES), datetime.now(UTC), days)
        parked = waiting_in(aws.client("sqs"), aws.outputs["ParkedQueueUrl"])
    except stacks.NoStackError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        rows = {name: {"count": row.events, "last": row.last and row.last.isoformat()} for name, row in found.items()}
        click.echo(json.dumps({"days": days, "event_types": rows, "parked": parked}, indent=2))
    else:
        click.echo(as_text(found, parked, days))
    if any(not found[name].events for name in NEEDED):
        sys.exit(MISSING)


def arrivals(cloudwatch: Any, event_types: list[str], now: datetime, days: int) -> dict[str, Arrivals]:
    """Return what arrived of each type in so many days until `now` (UTC)."""
    from certrules.batches import RECEIVED

    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "CourseCertificates",
                    "MetricName": f"{RECEIVED}{name}",
                    "Dimensions": SERVICE,
                },
                "Period": HOUR,
                "Stat": "Sum",
            },
        }
        for number, name in enumerate(event_types)
    ]
    points: dict[str, list[tuple[datetime, float]]] = {name: [] for name in event_types}
    start = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=now + timedelta(hours=1)
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            name = event_types[int(result["Id"].removeprefix("m"))]
            points[name] += zip(result["Timestamps"], result["Values"], strict=True)
    return {name: _arrivals(found) for name, found in points.items()}


def _arrivals(points: list[tuple[datetime, float]]) -> Arrivals:
    came = [(at, count) for at, count in points if count]
    return Arrivals(int(sum(count for _, count in came)), max((at.astimezone(UTC) for at, _ in came), default=None))


def waiting_in(sqs: Any, queue_url: str) -> int:
    """Return about how many messages wait in a queue."""
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])["Attributes"][name])


def as_text(found: Mapping[str, Arrivals], parked: int, days: int) -> str:
    """Return what arrived, for people."""
    lines = [f"Arrived in {days} days, by event type (the last one came in the hour from):"]
    for name, row in found.items():
        if row.last is not None:
            lines.append(f"{row.events:>9}  {row.last:%Y-%m-%d %H:%M}Z  {name}")
    never = [name for name, row in found.items() if not row.events]
    lines += ["", "Never came:" if never else "All types came."]
    for name in never:
        lines.append(f"  {name}{'   <- no certificate is issued without' if name in NEEDED else ''}")
    lines += ["", f"Parked, for they could not be read: {parked}."]
    if any(name in NEEDED for name in never):
        lines.append("See whether the platform's settings name the type: docs/open-edx.md.")
    return "\n".join(lines)
