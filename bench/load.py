"""`python -m bench.load`: how long events wait at an open arrival rate, and whether any is lost.

Events arrive by a seeded Poisson process with bursts of ten, whether or not those before are stored. Processes with the
function's real handler ingest them side by side, into a stack whose tables are in AWS's own engine; the local cloud
publishes meanwhile, and decides course runs again. Beside each load, the same arrivals as bare writes through PynamoDB.
At the end every learner's certificate is compared with the replay of all events that were sent.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.arrivals import HOT_LEARNER, HOT_RUN, SPREAD, Arrival, Load
from bench.event import ROOT, dynamodb_local
from bench.tables import put
from bench.workers import BARE, BARE_TABLES, INGEST, Ingested, Workers, make_bare_tables, workers
from certrules.core.certificate import Certificate
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.replay import replay
from certrules.core.terms import Status
from certrules.core.timeline import SETTLED_CAPACITY
from certs.replay import Parked, read_history, read_policy
from certs.run import LOCAL_PARAMETERS, Run, StoredCertificate, look
from localcloud import LocalCloud
from localcloud.replacements import ENVIRONMENT

EVENTS = 1_000
WORKERS = 4
RATES = (50, 200, 500)
"""How fast events arrive, a second."""

LASTS = 10
"""Seconds that a load of a rate lasts, unless it has more events than that."""

HOT_SHARE = 0.5
"""Of the capacity: how fast events of a hot learner or course run arrive."""

POLLED_EVERY = 0.1
"""Seconds from one look at streams and queues to the next. AWS reads a stream four times a second."""

OWN_EVENTS = "own-events"


class Figures(NamedTuple):
    """The result of one load."""

    load: Load
    bare: Ingested
    ours: Ingested
    published: list[float]  # seconds from the arrival of a passing until its certificate was on the bus
    certificates: int  # how many were issued
    shares: Mapping[str, float]  # of the CPU of all cores while events were ingested, by who took it


class LostError(Exception):
    """What is stored is not what the events come to."""


class Stack:
    """A stack in the local cloud, its tables in AWS's own engine, and processes that ingest into it."""

    def __init__(self, cloud: LocalCloud, pool: Workers) -> None:
        self._cloud = cloud
        self._pool = pool
        self._queue = _listen(cloud)
        self._sqs = cloud.client("sqs")

    def run(self, load: Load) -> tuple[Ingested, list[float], int, dict[str, float]]:
        """Ingest a load, and publish meanwhile. Return our part of the figures, in their order. Raises LostError."""
        sent = load.configurations(time.time() - 1)
        self._pool.ingest(INGEST, sent)
        self._cloud.deliver(delayed=True)
        arrivals = load.arrivals(_begins(load))
        published: dict[int, float] = {}
        busy, own = _busy(), time.process_time()
        with ThreadPoolExecutor(1) as thread:
            work = thread.submit(self._pool.ingest, INGEST, arrivals)
            while not work.done():
                self._cloud.deliver(delayed=True)
                published |= self._published()
                time.sleep(POLLED_EVERY)  # as publish polls its stream
            ingested = work.result()
        shares = _shares(ingested, _busy() - busy, time.process_time() - own)
        self._cloud.deliver(delayed=True)
        published |= self._published()
        count = self.verify([*sent, *arrivals])
        passed = {arrival.passes: arrival.at for arrival in arrivals if arrival.passes is not None}
        delays = [at - passed[learner] for learner, at in published.items() if learner in passed]
        return ingested, delays, count, shares

    def _published(self) -> dict[int, float]:
        """Take the certificates that were published, by learner, with the instants (seconds since 1970)."""
        found: dict[int, float] = {}
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        ).get("Messages"):
            for message in messages:
                user = json.loads(message["Body"])["detail"]["certificate"]["user"]
                found.setdefault(int(user["id"]), int(message["Attributes"]["SentTimestamp"]) / 1000)
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def verify(self, sent: Sequence[Arrival]) -> int:
        """Compare what is stored with the replay of all events; return how many were issued. Raises LostError."""
        now = datetime.now(UTC)
        policies = read_policy("edx-2021")
        stored = Run(as_of=now)
        look(self._cloud, stored, policies)
        found = {(one.record.learner_id, one.record.course_run): one for one in stored.held}
        parked: list[Parked] = []
        with TemporaryDirectory() as folder:
            file = Path(folder, "sent.jsonl")
            file.write_text("".join(f"{arrival.body}\n" for arrival in sent))
            records = list(read_history([str(file)], now, parked).records())
        of_the_load = {record.course_run for record in records}
        found = {key: one for key, one in found.items() if key[1] in of_the_load}
        certificates = [one.published.certificate for one in found.values()]
        different = []
        for record in records:
            ours = found.pop((record.learner_id, record.course_run), None)
            if ours is None or _difference(ours, record, replay(record, policies, now).certificate):
                different.append(f"{record.learner_id} in {record.course_run}, stored: {ours and ours.published}")
        waiting = {
            name: self._sqs.get_queue_attributes(
                QueueUrl=self._cloud.physical(name), AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]["ApproximateNumberOfMessages"]
            for name in ("ParkedQueue", "IngestQueue", "IngestDeadLetters", "RedecideDeadLetters", "PublishDeadLetters")
        }
        if different or found or parked or set(waiting.values()) != {"0"}:
            raise LostError(
                f"{len(different)} differ, {different[:3]}; not sent: {list(found)[:3]}; {waiting}, {parked[:3]}"
            )
        return sum(1 for certificate in certificates if certificate and certificate.status is Status.DOWNLOADABLE)


def _difference(ours: StoredCertificate, record: Record, certificate: Certificate | None) -> bool:
    """Return whether an event is missing, or the certificate is another than the replay's. Ids of old events go."""
    stored, sent = (
        {entry.event_id for entry in one.timeline if entry.fact not in {Fact.GRADE, Fact.OLDER_GRADES}}
        for one in (ours.record, record)
    )
    published = ours.published.certificate
    if len(sent) < SETTLED_CAPACITY and stored != sent:
        return True
    return (published and published._replace(certificate_id="")) != (
        certificate and certificate._replace(certificate_id="")
    )


def _busy() -> float:
    """Return for how many seconds the cores of the machine have worked; 0 where that is not known (it is on Linux)."""
    file = Path("/proc/stat")
    if not file.exists():
        return 0.0
    return sum(map(int, file.read_text().split()[1:4])) / os.sysconf("SC_CLK_TCK")


def _shares(ingested: Ingested, busy: float, cloud: float) -> dict[str, float]:
    """Return who took which share of all cores: of seconds of CPU, of the machine and of this process."""
    cores = (os.cpu_count() or 1) * (ingested.ended - ingested.began)
    rest = max(0.0, busy - ingested.cpu - cloud)
    taken = {"ingest": ingested.cpu, "the local cloud": cloud, "DynamoDB Local and the rest": rest}
    return {name: cpu / cores for name, cpu in taken.items()}


def _begins(load: Load) -> float:
    return time.time() - 1e-6 * load.events if load.rate is None else time.time() + 0.5


def _listen(cloud: LocalCloud) -> str:
    """Have created certificates sent to a queue of the bench's own; return its URL."""
    sqs, bus = cloud.client("sqs"), cloud.client("events")
    url: str = sqs.create_queue(QueueName=OWN_EVENTS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["course-certificates"], "detail-type": ["org.openedx.learning.certificate.created.v1"]}
    rule = {"Name": OWN_EVENTS, "EventBusName": cloud.physical("Bus")}
    bus.put_rule(**rule, EventPattern=json.dumps(pattern))
    bus.put_targets(Rule=OWN_EVENTS, EventBusName=rule["EventBusName"], Targets=[{"Id": "1", "Arn": arn}])
    return url


class Bench:
    """A stack, the tables of the bare side, and the processes that ingest."""

    def __init__(self, cloud: LocalCloud, pool: Workers) -> None:
        """Take what is there."""
        self.stack = Stack(cloud, pool)
        self._pool = pool

    def measured(self, load: Load) -> Figures:
        """Measure one load, the bare side first. Raises LostError."""
        self._pool.ingest(BARE, load.configurations(time.time() - 1))
        bare = self._pool.ingest(BARE, load.arrivals(_begins(load)))
        return Figures(load, bare, *self.stack.run(load))


@contextmanager
def bench(endpoint: str, count: int) -> Iterator[Bench]:
    """Start a stack whose tables are in the engine at `endpoint`, and so many processes."""
    with LocalCloud(ROOT / "template.yaml", LOCAL_PARAMETERS, dynamodb_endpoint=endpoint) as cloud:
        client: Any = cloud.client("dynamodb")
        make_bare_tables(client)
        served = cloud.serve(0, "127.0.0.1")
        environment = {
            name: served if name.startswith("AWS_ENDPOINT_URL") else value
            for name, value in cloud.environment("IngestFunction").items()
        }
        environment |= {**ENVIRONMENT, "AWS_ENDPOINT_URL_DYNAMODB": endpoint}
        environment |= {"AWS_LAMBDA_FUNCTION_NAME": "ingest", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"}
        try:
            with workers(count, environment) as pool:
                yield Bench(cloud, pool)
        finally:
            for table in BARE_TABLES:
                client.delete_table(TableName=table)


def markdown(figures: Sequence[Figures]) -> str:
    """Return the table of all loads."""
    heads = (
        "load", "arrive a second", "side", "stored after, ms: p50", "p95", "p99", "most", "× bare, p50", "p95",
        "published after, ms: p50", "p95", "p99", "most", "lost races", "redelivered",
    )  # fmt: skip
    lines = [heads, ["---", "---:", "---", *["---:"] * (len(heads) - 3)]]
    for load, bare, ours, published, _, _ in figures:
        arrive = "all at once" if load.rate is None else f"{load.rate:.0f}"
        for side, one, times in ((INGEST, ours, published), (BARE, bare, [])):
            ratios = [a / b for a, b in zip(_levels(one.stored)[:2], _levels(bare.stored)[:2], strict=True)]
            lines.append(
                (
                    load.mix,
                    arrive,
                    f"{side}, {one.rate:.0f} a second" if load.rate is None else side,
                    *(f"{1000 * level:,.0f}" for level in _levels(one.stored)),
                    *((f"{ratio:.1f}" for ratio in ratios) if one is ours else ("1", "1")),
                    *((f"{1000 * level:,.0f}" for level in _levels(times)) if len(times) > 1 else [""] * 4),
                    f"{one.lost_races:,}",
                    f"{one.redelivered:,}",
                )
            )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _levels(seconds: Sequence[float]) -> list[float]:
    """Return what half, 95 and 99 of 100 stay below, and the most."""
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
    return [hundredths[49], hundredths[94], hundredths[98], max(seconds)]


def loads(capacity: float, request: argparse.Namespace) -> Iterator[Load]:
    """Yield the loads, for what was measured as the capacity (events a second)."""
    mixes = [(SPREAD, rate) for rate in request.rates]
    mixes += [(mix, capacity * HOT_SHARE) for mix in (HOT_LEARNER, HOT_RUN)]
    for number, (mix, rate) in enumerate(mixes, 2):
        yield Load(mix, max(request.events, round(rate * LASTS)), rate, request.seed, number)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="how many events a load has at least")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="how fast they arrive, a second")
    parser.add_argument("--workers", type=int, default=WORKERS, help="how many processes ingest side by side")
    parser.add_argument("--seed", type=int, default=2026, help="of arrivals and learners")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the markers of this page")
    request = parser.parse_args()
    page: Path | None = request.write
    rates = " ".join(f"{rate:g}" for rate in request.rates)
    options = f"--rates {rates} --events {request.events} --workers {request.workers} --seed {request.seed}"
    machine = (
        f"`python -m bench.load {options}` on "
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )
    with dynamodb_local() as endpoint:
        if endpoint is None:
            raise SystemExit("DynamoDB Local does not start: set CERTS_LOCAL_AWS")
        with bench(endpoint, request.workers) as sides:
            sides.measured(Load(SPREAD, request.events // 4, None, request.seed))  # the engine gets warm, too
            figures = [sides.measured(Load(SPREAD, request.events, None, request.seed, 1))]
            for load in loads(figures[0].ours.rate, request):
                print(markdown(figures[-1:]), flush=True)
                figures.append(sides.measured(load))
    certificates = sum(figure.certificates for figure in figures)
    verified = f"All {certificates:,} certificates, and all learners without one, are as the replay of their events."
    shares = ", ".join(f"{name} {share:.0%}" for name, share in figures[0].shares.items())
    saturated = f"All at once, that is at {figures[0].ours.rate:.0f} a second, the cores were taken by {shares}."
    table = f"{machine} {verified} {saturated}\n\n{markdown(figures)}"
    print(table)
    if page is not None:
        page.write_text(put(page.read_text(), "load", table))


if __name__ == "__main__":
    main()
