"""The plans of the shards put together and sealed, and the parts of the sealed plan that are to be applied."""

from collections.abc import Callable, Iterable, Iterator
from itertools import batched
from typing import Any

import msgspec

from certrules import aws
from certrules.aws import each
from certrules.bulk.comparison_counts import Comparisons
from certrules.bulk.planning import shards_of
from certrules.bulk.runs import (
    MOST_LISTED,
    NO_CERTIFICATE,
    PART,
    REST,
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
    digest_of,
    folder_of,
    read,
    tally,
    write_part,
)
from certrules.bulk.seal import (
    NOTHING_IS_APPLIED,
    PlanError,
    checked_plan,
    content_of,
    fields_of,
    hash_of,
    listed_parts,
    readable,
    refuse_altered,
    refuse_other_request,
    request_of,
    seal_of,
)
from certrules.core.wording import listed

_AT_ONCE = 20
"""How many parts, or plans of shards, are in memory while they are looked at."""

_MOST_NAMED = 10
"""How many parts a refusal names."""


def seal(bucket: str, run: dict[str, Any]) -> dict[str, Any]:
    """Put the plans of the shards together, and seal the plan. Returns the input of the state machine's next step.

    Sealed once, a plan stays as it is. `next` is `ask`, `apply` or `report`. Raises PlanError if what an earlier
    execution of the run sealed was altered.
    """
    folder, request = folder_of(bucket, run["id"]), request_of(run)
    refuse_other_request(folder, request)
    if folder.read("plan.json") is None and (missing := _put_together(folder, request)):
        return {"next": "report", "approvers": Approvers.NOBODY, "hash": "", "fields": {}, "missing": missing}
    plan, parts = content_of(folder, "plan.json", Plan), content_of(folder, "parts.json", list[PartName])
    fields = fields_of(request, plan, parts, folder.read("comparison.json") or b"")
    earlier = run.get("sealed")
    if earlier and earlier["hash"]:  # by an earlier execution
        refuse_altered(earlier["fields"], fields)
    sealed = {"hash": hash_of(fields), "fields": fields}
    if plan.hash != sealed["hash"] or plan.approvers is not _approvers(request, plan.counts.revocations):
        raise PlanError(f"plan.json is not as it was sealed; {NOTHING_IS_APPLIED}")
    seal_of({**run, "sealed": sealed})
    approved = plan.approvers is Approvers.NOBODY or run.get("approval") is not None
    following = "report" if not request.applies else "apply" if approved else "ask"
    return {"next": following, "approvers": plan.approvers, "missing": 0, **sealed}


def _put_together(folder: aws.Folder, request: BulkRequest) -> int:
    """Write the plan of all shards, with its parts. Returns how many shards are missing: then nothing is written."""
    shards = shards_of(folder, request)
    total = PlanCounts()
    parts: list[PartName] = []
    failed: list[Failed] = []
    requests: Tally = {}
    rest: list[PlannedChange] = []
    rests = 0
    records, seconds, missing = 0, 0.0, 0
    for some in batched(shards, _AT_ONCE, strict=False):
        for found in each(lambda shard: read(folder, f"shards/{shard}.json", PlannedShard), some):
            if found is None:
                missing += 1
                continue
            total.add(found.counts)
            parts += found.parts
            rest += found.rest
            if len(rest) >= PART:
                parts.append(write_part(folder, f"{REST}-{rests:04}", rest[:PART]))
                rest, rests = rest[PART:], rests + 1
            failed += found.failed[: MOST_LISTED - len(failed)]
            for name, count in found.requests.items():
                tally(requests, name, by=count)
            records += found.records
            seconds += found.seconds
    if missing:
        return missing
    if rest:
        parts.append(write_part(folder, f"{REST}-{rests:04}", rest))
    course_runs_changed = len(total.by_course_run)
    plan = Plan(
        hash="",
        approvers=_approvers(request, total.revocations),
        parts=len(parts),
        shards=len(shards),
        records=records,
        seconds=round(seconds, 3),
        requests=requests,
        counts=_shortened(total),
        failed=failed,
        course_runs_changed=course_runs_changed,
    )
    comparison = b""
    if request.purpose == "compare":
        comparison = folder.write_json("comparison.json", _comparison(folder, shards))
    folder.write_json("parts.json", parts)
    plan_hash = hash_of(fields_of(request, plan, parts, comparison))
    folder.write_json("plan.json", msgspec.structs.replace(plan, hash=plan_hash))
    return 0


def _shortened(counts: PlanCounts) -> PlanCounts:
    """Return counts with the course runs that have the most changes."""
    largest = sorted(counts.by_course_run.items(), key=lambda item: (-item[1], item[0]))
    return msgspec.structs.replace(counts, by_course_run=dict(largest[:MOST_LISTED]))


def _comparison(folder: aws.Folder, shards: Iterable[str]) -> dict[str, Any]:
    """Put the comparisons of the shards together."""
    total = Comparisons()
    for some in batched(shards, 100, strict=False):
        for found in each(lambda shard: read(folder, f"compared/{shard}.json", Comparisons), some):
            assert found is not None, "it is written before its shard's file"
            total.merge(found)
    return total.report()


def _approvers(request: BulkRequest, revocations: int) -> Approvers:
    if not request.applies or not revocations:
        return Approvers.NOBODY
    return Approvers.A_PERSON if revocations == 1 else Approvers.SOMEBODY_ELSE


# --- the parts to apply


def list_parts(bucket: str, run: dict[str, Any]) -> dict[str, Any]:
    """List the parts of the approved plan that are still to be applied.

    Before any of it is applied, every file of the plan is compared with the seal. Raises PlanError, which names what
    differs.
    """
    folder, request = folder_of(bucket, run["id"]), request_of(run)
    plan, parts, _ = checked_plan(folder, run)
    approval = msgspec.convert(run.get("approval"), PlanApproval | None)
    if not request.applies or (plan.approvers is not Approvers.NOBODY and approval is None):
        raise PlanError(f"nobody approved the plan {plan.hash}; {NOTHING_IS_APPLIED}")
    if _counted(folder, request, parts) != plan.counts:
        raise PlanError(f"the counts of the plan are not those of its parts; {NOTHING_IS_APPLIED}")
    done = set(_complete(folder))
    missing = [item for item in listed_parts(parts) if item.part.name not in done]
    folder.write_json("apply.json", missing)
    return {"parts": len(missing), "manifest": folder.key("apply.json"), "concurrency": request.concurrency}


def _counted(folder: aws.Folder, request: BulkRequest, parts: Iterable[PartName]) -> PlanCounts:
    """Count all changes of a plan. Raises PlanError if a part is not as sealed, or changes what nobody asked for."""
    counts, altered, others, is_asked_for = PlanCounts(), [], [], _asked_for(request)
    for some in batched(parts, _AT_ONCE, strict=False):
        contents = each(lambda part: folder.read(f"plan/{part.name}.json"), some)
        for part, content in zip(some, contents, strict=True):
            if content is None or digest_of(content) != part.sha256:
                altered.append(f"plan/{part.name}.json")
                continue
            for change in msgspec.json.decode(content, type=list[PlannedChange]):
                counts.take(change)
                if not is_asked_for(change):
                    others.append(f"learner {change.learner_id} in {change.course_run}")
    if altered:
        raise PlanError(
            f"altered since the plan was sealed: {listed(altered[:_MOST_NAMED])} ({len(altered)} parts); "
            f"{NOTHING_IS_APPLIED}"
        )
    if others:
        raise PlanError(f"nobody asked for {listed(others[:_MOST_NAMED])}; {NOTHING_IS_APPLIED}")
    return _shortened(counts)


def _asked_for(request: BulkRequest) -> Callable[[PlannedChange], bool]:
    """Return whether a change is of a learner, a course run and a status that were asked for."""
    course_runs = None if request.course_runs == "all" else set(request.course_runs)
    learners = None if request.learners is None else set(request.learners)
    statuses = None if request.statuses is None else set(request.statuses)

    def is_asked_for(change: PlannedChange) -> bool:
        return (
            (course_runs is None or change.course_run in course_runs)
            and (learners is None or change.learner_id in learners)
            and (statuses is None or (change.before or NO_CERTIFICATE) in statuses)
        )

    return is_asked_for


def _complete(folder: aws.Folder) -> Iterator[str]:
    """Return the names of the parts of which nothing is left to do."""
    for names in batched(folder.names("results/"), 100, strict=False):
        for result in each(lambda name: readable(folder, name, AppliedPart), names):
            if result is not None and result.complete:
                yield result.part
