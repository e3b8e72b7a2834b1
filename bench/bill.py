"""`python -m bench.bill`: what a million events cost, counted and multiplied by list prices.

The real handlers ingest and publish on AWS's own engine; what they ask for is counted. Beside them, in the same run, a
usual way to do the same: an idempotency table, an outbox, one log line an event. What costs the same each month
however many events there are (the schedule, alarms, stored gigabytes) is left out on both sides.
"""

import argparse
import json
import os
import platform
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bench.batches import Learner, configured, sqs_event
from bench.counting import Count, counting
from bench.event import ROOT, dynamodb_local
from bench.learners import COURSE_RUNS
from bench.usual import INGEST, TABLES, Usual, make_tables
from certs.run import LOCAL_PARAMETERS
from certs.sources.event_builders import Detail
from localcloud import LocalCloud

RESULT = Path(__file__).with_name("bill.json")
PRICES = Path(__file__).with_name("prices.toml")
LEARNERS = 20
MILLION = 1_000_000

type Story = Callable[[Learner], list[Detail]]


def _changes(learner: Learner) -> list[Detail]:
    return [*learner.begun(), learner.graded(), learner.graded(), learner.passed()]


def _grades(learner: Learner) -> list[Detail]:
    return [*learner.begun(), *(learner.graded() for _ in range(17)), learner.passed()]


def _quiet(learner: Learner) -> list[Detail]:
    story = [*learner.begun(), learner.graded()]
    return [*story, *(story * 6)[:17]]  # the platform sends again what it sent


MIXES: dict[str, Story] = {"20 % change": _changes, "many grades, 5 % change": _grades, "quiet, 85 % repeated": _quiet}


class Bill(NamedTuple):
    """What one side took for one mix; figures are of a million events."""

    mix: str
    batch: int  # messages an invocation of ingest
    side: str
    read_units: float
    write_units: float
    requests: float  # to DynamoDB
    bytes_written: float
    invocations: float
    gb_seconds: float
    sqs_requests: float
    events: float  # put on the bus by the platform and by the functions
    log_bytes: float

    def dollars(self, prices: dict[str, Any]) -> dict[str, float]:
        """Return the price of each service."""
        return {
            "DynamoDB": self.read_units / MILLION * prices["dynamodb"]["million_read_units"]
            + self.write_units / MILLION * prices["dynamodb"]["million_write_units"],
            "Lambda": self.invocations / MILLION * prices["lambda"]["million_requests"]
            + self.gb_seconds / MILLION * prices["lambda"]["million_gb_seconds"],
            "SQS": self.sqs_requests / MILLION * prices["sqs"]["million_requests"],
            "EventBridge": self.events / MILLION * prices["eventbridge"]["million_events"],
            "logs": self.log_bytes / 1e9 * prices["logs"]["gigabyte"],
        }


def _bill(mix: str, batch: int, side: str, count: Count, events: int, ingest: str) -> Bill:
    times = MILLION / events
    of_dynamodb = sum(n for name, n in count.requests.items() if not name.startswith(("SendMessage", "PutEvents")))
    sent = count.requests["SendMessageBatch"] + count.requests["SendMessage"]
    # EventBridge sends each event to the queue; of it Lambda receives and deletes each batch
    of_sqs = events + sent + 2 * count.invocations[ingest]
    figures = (count.read_units, count.write_units, of_dynamodb, count.bytes_written, count.invocations.total())
    more = (count.gb_seconds, of_sqs, events + count.events_put, count.log.size)
    return Bill(mix, batch, side, *(times * figure for figure in (*figures, *more)))


def stories(mix: str) -> list[Detail]:
    """Return the events of a mix: of all learners the first, then of all the second."""
    learners = [Learner(Random(number), number) for number in range(1, LEARNERS + 1)]
    return [detail for step in zip(*map(MIXES[mix], learners), strict=True) for detail in step]


def ours(cloud: LocalCloud, mix: str, batch: int, log: Count) -> Bill:
    """Count what the real functions do with a mix."""
    chance = Random(7)
    cloud.invoke("IngestFunction", sqs_event([configured(chance, course_run) for course_run in COURSE_RUNS]))
    cloud.deliver(delayed=True)
    details = stories(mix)
    with counting(log):
        for some in batched(details, batch, strict=False):
            assert cloud.invoke("IngestFunction", sqs_event(some)) == {"batchItemFailures": []}
        cloud.deliver(delayed=True)
    return _bill(mix, batch, "ours", log, len(details), cloud.functions["IngestFunction"].name)


def usual(cloud: LocalCloud, mix: str, batch: int) -> Bill:
    """Count what the usual way does with a mix."""
    count = Count()
    details = stories(mix)
    client = cloud.client("dynamodb")
    make_tables(client)
    try:
        with counting(count):
            function = Usual(client, cloud.client("events"), cloud.physical("Bus"), count)
            for some in batched(details, batch, strict=False):
                function.ingest(some)
            function.publish()
    finally:
        for table in TABLES:
            client.delete_table(TableName=table)
    return _bill(mix, batch, "usual", count, len(details), INGEST)


def measured(endpoint: str, mix: str, batch: int) -> list[Bill]:
    """Return the bills of both sides."""
    count = Count()
    with LocalCloud(ROOT / "template.yaml", LOCAL_PARAMETERS, dynamodb_endpoint=endpoint, log=count.log) as cloud:
        return [ours(cloud, mix, batch, count), usual(cloud, mix, batch)]


def markdown() -> str:
    """Return the stored result as a table."""
    prices = tomllib.loads(PRICES.read_text())
    result = json.loads(RESULT.read_text())
    bills = [Bill(**bill) for bill in result["bills"]]
    services = [*bills[0].dollars(prices)]
    heads = (
        "a million events", "a batch", "side", "read units, million", "write units", "DynamoDB requests", "MB written",
        "calls", "GB-seconds", *(f"{service}, $" for service in services), "in all, $",
    )  # fmt: skip
    lines: list[Sequence[str]] = [heads, ["---", "---:", "---", *["---:"] * (len(heads) - 3)]]
    for bill in bills:
        dollars = bill.dollars(prices)
        counted = (bill.read_units, bill.write_units, bill.requests)
        lines.append(
            (
                bill.mix,
                str(bill.batch),
                bill.side,
                *(f"{figure / MILLION:.2f}" for figure in counted),
                f"{bill.bytes_written / 1e6:,.0f}",
                f"{bill.invocations / MILLION:.2f}",
                f"{bill.gb_seconds:,.0f}",
                *(f"{dollars[service]:.2f}" for service in services),
                f"{sum(dollars.values()):.2f}",
            )
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{result['machine']} Prices: {prices['region']}, {prices['date']}, `bench/prices.toml`.\n\n{table}"


def main() -> None:
    """Count, store and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.bill", description=__doc__)
    parser.add_argument("--store", action="store_true", help=f"put the result into {RESULT.name}, which docs show")
    store: bool = parser.parse_args().store
    bills: list[Bill] = []
    with dynamodb_local() as endpoint:
        if endpoint is None:
            raise SystemExit("DynamoDB Local does not start: set CERTS_LOCAL_AWS")
        for mix in MIXES:
            for batch in (10, 1):
                bills += measured(endpoint, mix, batch)
                print(*bills[-2:], sep="\n", flush=True)
    machine = (
        f"`python -m bench.bill`, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d}."
    )
    if store:
        RESULT.write_text(
            json.dumps({"machine": machine, "bills": [bill._asdict() for bill in bills]}, indent=1) + "\n"
        )
        print(markdown())


if __name__ == "__main__":
    main()
