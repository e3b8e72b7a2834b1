"""The plan of a bulk run: every change that it would make, found in parallel.

Planning only reads certificates, and writes files.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import batched
from time import monotonic
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from certrules import aws, settings, storage
from certrules.bulk.comparison_counts import Compared, Comparisons
from certrules.bulk.runs import (
    PART,
    BulkRequest,
    Failed,
    PartName,
    PlanCounts,
    PlannedChange,
    PlannedShard,
    Tally,
    change_of,
    error_of,
    folder_of,
    read,
    tally,
    write_part,
)
from certrules.bulk.seal import refuse_other_request, request_of
from certrules.core.deciding import Known, decide_record
from certrules.core.policy import Policies
from certrules.storage import BATCH_GET_KEYS, Loaded, Pair, StoredTimeline

GROUPS = 100
"""Into how many groups course runs are put at most: with 16 shards each, that many calls plan everything."""

_AT_ONCE = BATCH_GET_KEYS // 2
"""How many records are read in one request, each with its ID verification; the configuration is known."""

_PAGE = 1_000

AWS_FAULTS = (PynamoDBException, BotoCoreError, ClientError)
"""What can be tried again, rather than a record that can't be read."""


# --- begin: the shards to plan


def begin(bucket: str, run: dict[str, Any]) -> dict[str, Any]:
    """List the shards that are not planned yet. Returns the run with its whole request, the policy in force included.

    The request is written down for planning. Beginning again changes nothing of it. Raises msgspec.ValidationError,
    which names the field, and PlanError.
    """
    folder = folder_of(bucket, run["id"])
    request = request_of(run)
    if request.terms is None:
        request = msgspec.structs.replace(request, terms=settings.policy_parameters())
    request.policies()
    if folder.read("request.json") is None:
        folder.write_json("request.json", request)
    refuse_other_request(folder, request)
    shards = shards_of(folder, request)
    planned = set(folder.names("shards/"))
    missing = [shard for shard in shards if f"shards/{shard}.json" not in planned]
    folder.write_json("shards.json", [{"id": request.id, "shard": shard} for shard in missing])
    begun = {
        "shards": len(missing),
        "manifest": folder.key("shards.json"),
        "concurrency": request.concurrency,
        "approval_seconds": request.approval_seconds,
    }
    asked_for = msgspec.to_builtins(request)
    del asked_for["id"]
    return {**run, "request": asked_for, "begun": begun}


def shards_of(folder: aws.Folder, request: BulkRequest) -> list[str]:
    """Return the names of all shards of a run; the first time, group its course runs."""
    groups = len(list(folder.names("course-runs/")))
    if not groups or read(folder, "groups.json", int) != groups:
        everything = request.course_runs == "all"
        course_runs = sorted(storage.course_runs() if everything else set(request.course_runs))
        size = -(-len(course_runs) // GROUPS) or 1
        groups = 0
        for group in batched(course_runs, size, strict=False):
            folder.write_json(f"course-runs/{groups:03}.json", group)
            groups += 1
        folder.write_json("groups.json", groups)
    learners = range(storage.COURSE_RUN_SHARDS)
    shards = sorted({storage.shard_of(learner) for learner in request.learners}) if request.learners else learners
    return [f"{group:03}-{shard:02}" for group in range(groups) for shard in shards]


# --- a shard


def plan_shard(bucket: str, run_id: str, shard: str) -> PlannedShard:
    """Plan a shard: read and decide its records, and write what would change, part by part."""
    folder = folder_of(bucket, run_id)
    try:
        return _Shard(folder, *_request(bucket, run_id), shard).plan()
    except Exception as error:
        folder.write_json(f"failures/shards/{shard}.json", Failed(shard, error_of(error)))
        raise


@lru_cache(maxsize=2)
def _request(bucket: str, run_id: str) -> tuple[BulkRequest, Policies]:
    """Return the request of a run that has begun, and its policies; they stay. One function plans many shards of a run.

    Judgements are remembered by the policies' identity, so those of the other shards count.
    """
    request = read(folder_of(bucket, run_id), "request.json", BulkRequest)
    assert request is not None, "the run has begun"
    return request, request.policies()


@lru_cache(maxsize=2)
def _group(bucket: str, run_id: str, group: str) -> tuple[str, ...]:
    """Return the course runs of a group of a run that has begun; they stay, too."""
    course_runs = read(folder_of(bucket, run_id), f"course-runs/{group}.json", tuple[str, ...])
    assert course_runs is not None, "the run's course runs are in groups"
    return course_runs


class _Shard:
    """The plan of a shard in progress; a page of learners and a part of the plan are in memory."""

    def __init__(self, folder: aws.Folder, request: BulkRequest, policies: Policies, shard: str) -> None:
        self._folder = folder
        self._request = request
        self._shard = shard
        self._policies = policies
        self._default_rollout = settings.default_rollout()
        self._requests: Tally = {}
        self._records = 0
        self._changes: list[PlannedChange] = []
        self._parts: list[PartName] = []
        self._counts = PlanCounts()
        self._failed: list[Failed] = []
        self._comparisons = Comparisons() if request.purpose == "compare" else None
        self._differing: list[Compared] = []
        self._differing_parts = 0

    def plan(self) -> PlannedShard:
        """Plan the shard, and write its file."""
        started = monotonic()
        group, _, number = self._shard.partition("-")
        course_runs = _group(self._folder.bucket, self._request.id, group)
        for some in batched(course_runs, 100, strict=False):
            known = storage.load(course_runs=some).course_runs  # consistently: it is what may just have changed
            tally(self._requests, "BatchGetItem")
            if self._comparisons is not None:
                for course_run in some:
                    self._comparisons.look_at(course_run, known=bool(known[course_run].timeline))
            for pairs in batched(self._pairs(some, int(number)), _AT_ONCE, strict=False):
                for pair, loaded in self._loaded(pairs, known):
                    self._take(pair, loaded)
        if self._comparisons is not None:
            self._write_differing()
            self._folder.write_json(f"compared/{self._shard}.json", self._comparisons)
        planned = PlannedShard(
            shard=self._shard,
            records=self._records,
            seconds=round(monotonic() - started, 3),
            requests=self._requests,
            parts=self._parts,
            rest=self._changes,
            counts=self._counts,
            failed=self._failed,
            differing=self._differing_parts,
        )
        self._folder.write_json(f"shards/{self._shard}.json", planned)
        return planned

    def _pairs(self, course_runs: Iterable[str], shard: int) -> Iterator[Pair]:
        """Return the records of a shard that are wanted."""
        for course_run in course_runs:
            if self._request.learners is not None:
                named = {learner for learner in self._request.learners if storage.shard_of(learner) == shard}
                yield from (Pair(learner, course_run) for learner in sorted(named))
                continue
            after = None
            while True:
                learners, after = storage.learners_in(course_run, shard, after, _PAGE)
                tally(self._requests, "Query")
                yield from (Pair(learner, course_run) for learner in learners)
                if after is None:
                    break

    def _loaded(self, pairs: tuple[Pair, ...], known: dict[str, StoredTimeline]) -> Iterator[tuple[Pair, Loaded]]:
        """Read records, one by one if one of them can't be read.

        Not consistently, for half the price: what changes meanwhile is decided by its own event, and again when the
        plan is applied.
        """
        tally(self._requests, "BatchGetItem")
        try:
            loaded = storage.load(pairs, known=known, consistent=False)
        except AWS_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - one record's failure is no other's
            if len(pairs) == 1:
                self._fail(pairs[0], error)
            else:
                for pair in pairs:
                    yield from self._loaded((pair,), known)
            return
        yield from ((pair, loaded) for pair in pairs)

    def _take(self, pair: Pair, loaded: Loaded) -> None:
        """Decide a record and list its change; compare it, if the run is a comparison."""
        if not loaded.records[pair].version:
            return
        self._records += 1
        try:
            known = loaded.known(pair, self._policies, self._default_rollout)
            change = change_of(pair, loaded, decide_record(known, (), self._request.at, as_if=self._request.rollout))
            if self._comparisons is not None:
                self._compare(pair, known, self._comparisons)
        except Exception as error:  # noqa: BLE001 - one record's failure is no other's
            self._fail(pair, error)
            return
        statuses = self._request.statuses
        if change is None or (statuses is not None and (change.before or "none") not in statuses):
            return
        self._counts.take(change)
        self._changes.append(change)
        if len(self._changes) == PART:
            self._write_part()

    def _compare(self, pair: Pair, known: Known, comparisons: Comparisons) -> None:
        found = decide_record(known, (), self._request.at).compared()
        listed = comparisons.take(pair, found)
        if listed is not None:
            self._differing.append(listed)
        if len(self._differing) == PART:
            self._write_differing()

    def _write_differing(self) -> None:
        if self._differing:
            self._folder.write_json(f"differences/{self._shard}-{self._differing_parts:04}.json", self._differing)
            self._differing_parts += 1
            self._differing = []

    def _write_part(self) -> None:
        self._parts.append(write_part(self._folder, f"{self._shard}-{len(self._parts):04}", self._changes))
        self._changes = []

    def _fail(self, pair: Pair, error: Exception) -> None:
        self._failed.append(Failed("record", error_of(error), *pair))
        if self._comparisons is not None:
            self._comparisons.fail(pair)
