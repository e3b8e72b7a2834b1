"""The plan of a bulk run: every change that it would make, found in parallel, and sealed by a hash.

Planning only reads certificates, and writes files.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import batched
from time import monotonic
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from certrules import aws, settings, storage
from certrules.aws import each
from certrules.bulk.comparison_counts import Compared, Comparisons
from certrules.bulk.runs import (
    MOST_LISTED,
    PART,
    AppliedPart,
    Approvers,
    BulkRequest,
    Failed,
    PartName,
    Plan,
    PlanApproval,
    PlanCounts,
    PlannedChange,
    PlannedShard,
    Tally,
    change_of,
    digest_of,
    error_of,
    folder_of,
    read,
    tally,
)
from certrules.core.deciding import decide_record
from certrules.core.policy import Policies
from certrules.storage import BATCH_GET_KEYS, Loaded, Pair, StoredTimeline

GROUPS = 100
"""Into how many groups course runs are put at most: with 16 shards each, that many calls plan everything."""

_AT_ONCE = BATCH_GET_KEYS // 2
"""How many records are read in one request, each with its ID verification; the configuration is known."""

_PAGE = 1_000

AWS_FAULTS = (PynamoDBException, BotoCoreError, ClientError)
"""What can be tried again, rather than a record that can't be read."""


class PlanError(Exception):
    """The plan is not what it has to be. A retry can't help."""


# --- begin: the shards to plan


def begin(bucket: str, run: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Write the request, with the policy in force, and list the shards that are not planned yet.

    Beginning again changes nothing of it. Raises msgspec.ValidationError, which names the field, and PlanError.
    """
    folder = folder_of(bucket, run["id"])
    request = read(folder, "request.json", BulkRequest)
    if request is None:
        stored = msgspec.convert({**run["request"], "id": run["id"]}, BulkRequest)
        request = msgspec.structs.replace(stored, terms=settings.policy_parameters(), began_at=now)
        request.policies()
        folder.write_json("request.json", request)
    shards = shards_of(folder, request)
    planned = set(folder.names("shards/"))
    missing = [shard for shard in shards if f"shards/{shard}.json" not in planned]
    folder.write_json("shards.json", [{"id": request.id, "shard": shard} for shard in missing])
    return {
        "shards": len(missing),
        "manifest": folder.key("shards.json"),
        "concurrency": request.concurrency,
        "approval_seconds": request.approval_seconds,
    }


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
    request = read(folder, "request.json", BulkRequest)
    assert request is not None, "the run has begun"
    try:
        return _Shard(folder, request, shard).plan()
    except Exception as error:
        folder.write_json(f"failures/shards/{shard}.json", Failed(shard, error_of(error)))
        raise


class _Shard:
    """The plan of a shard in progress; a page of learners and a part of the plan are in memory."""

    def __init__(self, folder: aws.Folder, request: BulkRequest, shard: str) -> None:
        self._folder = folder
        self._request = request
        self._shard = shard
        self._policies = request.policies()
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
        course_runs = read(self._folder, f"course-runs/{group}.json", list[str])
        assert course_runs is not None, "the run's course runs are in groups"
        for some in batched(course_runs, 100, strict=False):
            known = storage.load(course_runs=some).course_runs  # consistently: it is what may just have changed
            tally(self._requests, "BatchGetItem")
            if self._comparisons is not None:
                for course_run in some:
                    self._comparisons.look_at(course_run, known=bool(known[course_run].timeline))
            for pairs in batched(self._pairs(some, int(number)), _AT_ONCE, strict=False):
                for pair, loaded in self._loaded(pairs, known):
                    self._take(pair, loaded)
        if self._changes:
            self._write_part()
        if self._comparisons is not None:
            self._write_differing()
            self._folder.write_json(f"compared/{self._shard}.json", self._comparisons)
        planned = PlannedShard(
            shard=self._shard,
            records=self._records,
            seconds=round(monotonic() - started, 3),
            requests=self._requests,
            parts=self._parts,
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
            change = decided(pair, loaded, self._request, self._policies)
            if self._comparisons is not None:
                self._compare(pair, loaded, self._comparisons)
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

    def _compare(self, pair: Pair, loaded: Loaded, comparisons: Comparisons) -> None:
        known = loaded.known(pair, self._policies, settings.default_rollout())
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
        name = f"{self._shard}-{len(self._parts):04}"
        content = self._folder.write_json(f"plan/{name}.json", self._changes)
        self._parts.append(PartName(name, digest_of(content), len(self._changes)))
        self._changes = []

    def _fail(self, pair: Pair, error: Exception) -> None:
        self._failed.append(Failed("record", error_of(error), *pair))
        if self._comparisons is not None:
            self._comparisons.fail(pair)


def decided(pair: Pair, loaded: Loaded, request: BulkRequest, policies: Policies) -> PlannedChange | None:
    """Return the change that deciding a record again would make, at the run's instant and by its policy, if any."""
    known = loaded.known(pair, policies, settings.default_rollout())
    return change_of(pair, loaded, decide_record(known, (), request.at, as_if=request.rollout))


# --- seal: one plan, and who has to approve it


def seal(bucket: str, run: dict[str, Any]) -> dict[str, Any]:
    """Put the plans of the shards together, and seal the plan. Returns the input of the state machine's next step.

    Sealed once, a plan stays as it is. `next` is `ask`, `apply` or `report`.
    """
    folder = folder_of(bucket, run["id"])
    request = read(folder, "request.json", BulkRequest)
    assert request is not None, "the run has begun"
    plan = read(folder, "plan.json", Plan)
    if plan is None:
        shards = shards_of(folder, request)
        total = PlanCounts()
        plan_parts: list[PartName] = []
        failed: list[Failed] = []
        requests: Tally = {}
        records, seconds, missing = 0, 0.0, 0
        for some in batched(shards, 100, strict=False):
            for found in each(lambda shard: read(folder, f"shards/{shard}.json", PlannedShard), some):
                if found is None:
                    missing += 1
                    continue
                total.add(found.counts)
                plan_parts += found.parts
                failed += found.failed[: MOST_LISTED - len(failed)]
                for name, count in found.requests.items():
                    tally(requests, name, by=count)
                records += found.records
                seconds += found.seconds
        if missing:
            return {"next": "report", "approvers": Approvers.NOBODY, "hash": "", "missing": missing}
        largest = sorted(total.by_course_run.items(), key=lambda item: (-item[1], item[0]))
        course_runs_changed = len(largest)
        total.by_course_run = dict(largest[:MOST_LISTED])
        plan = Plan(
            hash=hash_of(plan_parts),
            approvers=_approvers(request, total.revocations),
            parts=len(plan_parts),
            shards=len(shards),
            records=records,
            seconds=round(seconds, 3),
            requests=requests,
            counts=total,
            failed=failed,
            course_runs_changed=course_runs_changed,
        )
        if request.purpose == "compare":
            folder.write_json("comparison.json", _comparison(folder, shards))
        folder.write_json("parts.json", plan_parts)
        folder.write_json("plan.json", plan)
    approval = msgspec.convert(run.get("approval"), PlanApproval | None)
    approved = plan.approvers is Approvers.NOBODY or (approval is not None and approval.hash == plan.hash)
    following = "report" if not request.applies else "apply" if approved else "ask"
    return {"next": following, "approvers": plan.approvers, "hash": plan.hash, "missing": 0}


def _comparison(folder: aws.Folder, shards: Iterable[str]) -> dict[str, Any]:
    """Put the comparisons of the shards together."""
    total = Comparisons()
    for some in batched(shards, 100, strict=False):
        for found in each(lambda shard: read(folder, f"compared/{shard}.json", Comparisons), some):
            assert found is not None, "it is written before its shard's file"
            total.merge(found)
    return total.report()


def hash_of(parts: Iterable[PartName]) -> str:
    """Return the hash of a plan: SHA-256 over the names of its parts and their SHA-256."""
    return digest_of("".join(f"{part.name} {part.sha256}\n" for part in parts).encode())


def _approvers(request: BulkRequest, revocations: int) -> Approvers:
    if not request.applies or not revocations:
        return Approvers.NOBODY
    return Approvers.A_PERSON if revocations == 1 else Approvers.SOMEBODY_ELSE


# --- the parts to apply


def list_parts(bucket: str, run: dict[str, Any]) -> dict[str, Any]:
    """List the parts of the approved plan that are still to be applied.

    Raises PlanError if the plan is not the approved one.
    """
    folder = folder_of(bucket, run["id"])
    request, plan = read(folder, "request.json", BulkRequest), read(folder, "plan.json", Plan)
    parts = read(folder, "parts.json", list[PartName])
    assert request is not None
    assert plan is not None
    assert parts is not None
    approval = msgspec.convert(run.get("approval"), PlanApproval | None)
    approved = plan.hash if plan.approvers is Approvers.NOBODY else approval and approval.hash
    if not request.applies or hash_of(parts) != plan.hash or approved != plan.hash:
        raise PlanError(f"the plan {hash_of(parts)} is not the one that was approved, {approved}: start a new run")
    done = set(_complete(folder))
    by = approval.by if approval else ""
    missing = [
        {"id": request.id, "part": part.name, "sha256": part.sha256, "approved_by": by}
        for part in parts
        if part.name not in done
    ]
    folder.write_json("apply.json", missing)
    return {"parts": len(missing), "manifest": folder.key("apply.json"), "concurrency": request.concurrency}


def _complete(folder: aws.Folder) -> Iterator[str]:
    """Return the names of the parts of which nothing is left to do."""
    for names in batched(folder.names("results/"), 100, strict=False):
        for result in each(lambda name: read(folder, name, AppliedPart), names):
            if result is not None and result.complete:
                yield result.part
