"""`python -m bench.scale`: whole course runs planned and applied, of a thousand learners to hundreds of thousands.

The real functions on AWS's own engine, beside the bare requests for the same items: for the plan, the index and
BatchGetItem, a shard on this side and a shard on that; for what is applied, BatchGetItem and BatchWriteItem, which know
no condition and no transaction. CPU is that of this process, so the engine's doesn't count on either side, nor does
that of the bucket, whose stand-in is in this process. Each size has a process of its own.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import batched, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from moto.core.models import botocore_stubber

from bench.course_runs import ENDS, items, load
from bench.event import ROOT, dynamodb_local
from bench.tables import put
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from localcloud.replacements import ENVIRONMENT, REGION, replaced

COURSE_RUN, WARM_UP = "course-v1:ScaleX+Run+2026", "course-v1:ScaleX+WarmUp+2026"
SHARDS = range(16)
SIZES = (1_000, 10_000, 100_000)
SAMPLED = 20_000
"""Above so many, the bare requests are made for a part: they cost the same each."""


class Cost(NamedTuple):
    """What some work took."""

    units: int  # records read, or changes applied
    cpu: float  # seconds, of this process
    wall: float  # seconds, with the engine's

    def plus(self, other: "Cost") -> "Cost":
        """Return what both took."""
        return Cost(self.units + other.units, self.cpu + other.cpu, self.wall + other.wall)


NOTHING = Cost(0, 0, 0)


class Figures(NamedTuple):
    """The result of one size."""

    learners: int
    items: int
    plan: Cost
    bare_reads: Cost
    apply: Cost
    bare_writes: Cost
    peak: float  # MB of memory that this process held at most, while it planned and applied
    spread: tuple[int, int]  # the least and the most learners in a shard


class StandIns:
    """The CPU seconds that the stand-ins of services took in this process, which in a deployment are others'."""

    def __init__(self) -> None:
        self.cpu = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count meanwhile."""
        answer = botocore_stubber.process_request  # the local cloud's own: it is to run already

        def answered(request: AWSPreparedRequest) -> Any:
            start = time.process_time()
            try:
                return answer(request)
            finally:
                self.cpu += time.process_time() - start

        with replaced(botocore_stubber, "process_request", answered):
            yield

    def timed(self, work: Callable[[], int]) -> Cost:
        """Return what some work took without them; it returns its units."""
        wall, cpu, theirs = time.perf_counter(), time.process_time(), self.cpu
        units = work()
        return Cost(units, time.process_time() - cpu - (self.cpu - theirs), time.perf_counter() - wall)


class _Bare:
    """Bare requests, made by botocore with parameters that are known beforehand."""

    def __init__(self, endpoint: str, table: str) -> None:
        config = Config(parameter_validation=False, connect_timeout=2, read_timeout=5)
        self.client: Any = botocore.session.get_session().create_client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )
        self._table = table

    def listed(self, course_run: str, shards: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield the keys that the index lists for a course run."""
        for shard in shards:
            start: dict[str, Any] = {}
            while True:
                page = self.client.query(
                    TableName=self._table,
                    IndexName="learners",
                    KeyConditionExpression="r = :r",
                    ExpressionAttributeValues={":r": {"S": f"{course_run}#{shard}"}},
                    **start,
                )
                yield from ({"p": item["p"], "s": item["s"]} for item in page["Items"])
                if "LastEvaluatedKey" not in page:
                    break
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def read(self, learners: Iterator[dict[str, Any]], *, consistent: bool) -> int:
        """Read records, each with its learner's ID verification."""
        count = 0
        for some in batched(learners, 50, strict=False):
            keys = [key for own in some for key in (own, {"p": own["p"], "s": {"S": "ID"}})]
            left = {self._table: {"Keys": keys, "ConsistentRead": consistent}}
            while left:
                left = self.client.batch_get_item(RequestItems=left).get("UnprocessedKeys")
            count += len(some)
        return count


def measured(learners: int) -> Figures:
    """Measure one size. Raises RuntimeError without AWS's own engine."""
    with dynamodb_local() as endpoint:
        if endpoint is None:
            raise RuntimeError("DynamoDB Local does not start: set CERTS_LOCAL_AWS")
        with (
            LocalCloud(ROOT / "template.yaml", LOCAL_PARAMETERS, dynamodb_endpoint=endpoint) as cloud,
            (stand_ins := StandIns()).counted(),
        ):
            return _measured(cloud, endpoint, learners, stand_ins.timed)


class _Run:
    """A bulk run of one course run."""

    def __init__(self, cloud: LocalCloud, course_run: str) -> None:
        self._cloud = cloud
        self._id = course_run.partition("+")[2].partition("+")[0].lower()
        request = {"course_runs": [course_run], "by": "bench", "reason": "bench", "at": f"{ENDS:%Y-%m-%dT%H:%M:%SZ}"}
        self._run: dict[str, Any] = {"id": self._id, "request": request, "approval": None}

    def begin(self) -> None:
        """Begin to plan."""
        self._run = self._planned({"do": "begin", "run": self._run})

    def plan(self, shard: int, learners: int) -> int:
        """Plan a shard of the course run; return how many learners it has."""
        self._planned({"do": "shard", "id": self._id, "shard": f"000-{shard:02}"})
        return learners

    def parts(self) -> list[dict[str, Any]]:
        """Seal the plan and return its parts."""
        run = self._run
        run["sealed"] = self._planned({"do": "seal", "run": run})
        assert run["sealed"]["next"] == "apply", run["sealed"]
        run["parts"] = self._planned({"do": "list-parts", "run": run})
        bucket = self._cloud.physical("BulkBucket")
        found: list[dict[str, Any]] = json.load(
            self._cloud.client("s3").get_object(Bucket=bucket, Key=run["parts"]["manifest"])["Body"]
        )
        return found

    def apply(self, parts: Sequence[dict[str, Any]]) -> int:
        """Apply parts; return how many changes that were."""
        applied = (self._cloud.invoke("ApplyFunction", {"run": self._run, "item": part}) for part in parts)
        return sum(int(answer["applied"]) for answer in applied)

    def _planned(self, event: dict[str, Any]) -> Any:
        return self._cloud.invoke("PlanFunction", event)


def _measured(cloud: LocalCloud, endpoint: str, learners: int, timed: Callable[[Callable[[], int]], Cost]) -> Figures:
    table, history = cloud.physical("CertificatesTable"), cloud.physical("HistoryTable")
    bare = _Bare(endpoint, table)
    _warm_up(cloud, bare, table)
    count = load(bare.client, table, items(COURSE_RUN, learners))
    in_shards = [sum(1 for _ in bare.listed(COURSE_RUN, [shard])) for shard in SHARDS]
    sample = SHARDS if learners <= SAMPLED else SHARDS[:2]
    run = _Run(cloud, COURSE_RUN)
    run.begin()
    plan = bare_reads = NOTHING
    with cloud.functions["PlanFunction"].running():  # that the local cloud changes over to a function costs none there
        for shard in SHARDS:
            if shard in sample:
                listed = bare.listed(COURSE_RUN, [shard])
                bare_reads = bare_reads.plus(timed(partial(bare.read, listed, consistent=False)))
            plan = plan.plus(timed(partial(run.plan, shard, in_shards[shard])))
    parts = run.parts()
    with cloud.functions["ApplyFunction"].running():
        apply = timed(partial(run.apply, parts))
    peak = _peak()
    of_run = (item for item in _scan(bare.client, history) if item["s"]["S"].startswith(COURSE_RUN))
    published = list(islice(of_run, SAMPLED))
    keys = [{"p": item["p"], "s": {"S": item["s"]["S"].rpartition("#")[0]}} for item in published]
    saved = [item for some in batched(keys, 100, strict=False) for item in _got(bare.client, table, some)]

    def write() -> int:
        bare.read(iter(keys), consistent=True)
        for name, content in ((table, saved), (history, published)):
            load(bare.client, name, iter(content))
        return len(saved)

    return Figures(learners, count, plan, bare_reads, apply, timed(write), peak, (min(in_shards), max(in_shards)))


def _warm_up(cloud: LocalCloud, bare: _Bare, table: str) -> None:
    """Plan and apply a small course run, and read it: neither side pays for its imports and clients later."""
    load(bare.client, table, items(WARM_UP, 200))
    run = _Run(cloud, WARM_UP)
    run.begin()
    for shard in SHARDS:
        run.plan(shard, bare.read(bare.listed(WARM_UP, [shard]), consistent=False))
    assert run.apply(run.parts())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _scan(client: Any, table: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]


def _got(client: Any, table: str, keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    left = {table: {"Keys": list(keys)}}
    while left:
        answer = client.batch_get_item(RequestItems=left)
        found += answer["Responses"][table]
        left = answer.get("UnprocessedKeys")
    return found


def markdown(sizes: Sequence[Figures]) -> str:
    """Return the table of all sizes."""
    heads = (
        "learners", "items", "in a shard", "planned a second", "× bare reads", "changes", "applied a second",
        "× bare reads and writes", "most memory, MB", "plan and apply, s",
    )  # fmt: skip
    lines = [heads, ["---:"] * len(heads)]
    for size in sizes:
        low, high = size.spread
        lines.append(
            (
                f"{size.learners:,}",
                f"{size.items:,}",
                f"{low:,}–{high:,}",
                _rate(size.plan),
                _ratio(size.plan, size.bare_reads),
                f"{size.apply.units:,}",
                _rate(size.apply),
                _ratio(size.apply, size.bare_writes),
                f"{size.peak:,.0f}",
                f"{size.plan.wall + size.apply.wall:,.0f}",
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate(cost: Cost) -> str:
    return f"{cost.units / cost.cpu:,.0f}"


def _ratio(ours: Cost, bare: Cost) -> str:
    return f"{(ours.cpu / ours.units) / (bare.cpu / bare.units):.1f}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("learners", nargs="*", type=int, default=SIZES, help="how many learners the course runs have")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the markers of this page")
    request = parser.parse_args()
    page: Path | None = request.write
    machine = (
        f"`python -m bench.scale` on {os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )
    sizes = []
    for learners in request.learners:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            sizes.append(fresh.submit(measured, learners).result())
        print(sizes[-1], flush=True)
    print(f"{machine}\n\n{markdown(sizes)}")
    if page is not None:
        page.write_text(put(put(page.read_text(), "machine", machine), "scale", markdown(sizes)))


if __name__ == "__main__":
    main()
