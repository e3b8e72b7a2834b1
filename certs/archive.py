"""`certs archive`: replays the bus's archive in steps, so that no event overtakes an earlier one."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import click

from certs import stacks
from certs.options import Instant, examples

_QUEUES = ("IngestQueueUrl", "RedecideQueueUrl", "RecordsQueueUrl")
_WAITING = [f"ApproximateNumberOfMessages{which}" for which in ("", "Delayed", "NotVisible")]
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

type Clients = Callable[[str], Any]


@click.group(epilog=examples("certs archive replay --stack certificates --since 2026-05-04T01:59:00Z"))
def archive() -> None:
    """Replay the events in the bus's archive."""


def _span(_context: object, _parameter: object, text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _UNITS or int(number) == 0:
        raise click.BadParameter(f"{text!r} is no span: give minutes, hours or days, such as 30m, 1h or 1d")
    return timedelta(**{_UNITS[unit]: int(number)})


@archive.command(
    epilog=examples("certs archive replay --stack certificates --since 2026-05-04T01:59:00Z", "see docs/disaster.md")
)
@click.option("--since", type=Instant(), required=True, help="From this instant on.")
@click.option("--until", type=Instant(), help="Up to this instant; default: now.")
@click.option("--step", default="1h", show_default=True, callback=_span, help="How much at once: 30m, 1h, 1d.")
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder.")
def replay(since: datetime, until: datetime | None, step: timedelta, stack: str | None) -> None:
    """Replay the archive to this service alone, step by step.

    Each step is completed before the next: its events are ingested, their effects saved, and records that were due by
    its end are swept. Where the stack has other rules that read facts, such as those on programs, they get the events,
    too. An event that was ingested before changes nothing.
    """
    try:
        aws = stacks.aws(stack)
        for at in replay_in_steps(aws.client, aws.outputs, since, until or datetime.now(UTC), step, stacks.pause):
            click.echo(f"replayed up to {at.isoformat()}")
    except stacks.NoStackError as error:
        raise click.ClickException(str(error)) from error


def replay_in_steps(
    clients: Clients,
    outputs: Mapping[str, str],
    since: datetime,
    until: datetime,
    step: timedelta,
    pause: Callable[[], object],
) -> Iterator[datetime]:
    """Replay the archive of [since, until), and yield up to when it is completed. Raises NoStackError."""
    events, functions = clients("events"), clients("lambda")
    while since < until:
        end = min(since + step, until)
        name = f"certs-{uuid4().hex}"
        events.start_replay(
            ReplayName=name,
            EventSourceArn=outputs["ArchiveArn"],
            EventStartTime=since,
            EventEndTime=end,
            Destination={"Arn": outputs["BusArn"], "FilterArns": reading_rules(outputs)},
        )
        while (state := events.describe_replay(ReplayName=name)["State"]) != "COMPLETED":
            if state in {"CANCELLED", "FAILED"}:
                raise stacks.NoStackError(f"the replay from {since.isoformat()} on is {state}: start again from there")
            pause()
        _see_through(clients, outputs, pause)
        while _sweep(functions, outputs["SweepFunctionName"], end):
            _see_through(clients, outputs, pause)
        since = end
        yield end


def reading_rules(outputs: Mapping[str, str]) -> list[str]:
    """Return the ARNs of a stack's rules that read facts: each has an output whose name ends with RuleArn.

    Without one, a replay would go to every rule on the bus, those of consumers, too.
    """
    return sorted({outputs["IngestRuleArn"], *(arn for name, arn in outputs.items() if name.endswith("RuleArn"))})


def _sweep(functions: Any, name: str, at: datetime) -> int:
    """Request the records that are due by an instant; return their number. Raises NoStackError.

    A restored table may have noted requests that are lost: they are made again.
    """
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"time": at.isoformat(), "again": True}))
    state = json.load(answer["Payload"])
    if "due" not in state:
        raise stacks.NoStackError(f"the sweep as of {at.isoformat()} failed: {state}")
    return int(state["due"])


def _see_through(clients: Clients, outputs: Mapping[str, str], pause: Callable[[], object]) -> None:
    """Wait until no message waits, and no course run is being decided again."""
    sqs, steps = clients("sqs"), clients("stepfunctions")
    running = {"stateMachineArn": outputs["RedecideMachineArn"], "statusFilter": "RUNNING", "maxResults": 1}

    def waits() -> bool:
        return any(_waiting(sqs, outputs[name]) for name in _QUEUES if name in outputs)

    while waits() or steps.list_executions(**running)["executions"] or waits():  # an execution that ends may send, too
        pause()


def _waiting(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_WAITING)["Attributes"]
    return sum(int(found[name]) for name in _WAITING)
