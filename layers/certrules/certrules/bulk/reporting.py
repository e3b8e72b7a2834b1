"""The report of a bulk run: what came back, counted against the plan, as JSON, CSV and a page with charts."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from io import TextIOWrapper
from itertools import batched, islice
from tempfile import TemporaryFile
from typing import Any

import msgspec

from certrules import aws
from certrules.aws import each
from certrules.bulk import comparison_counts
from certrules.bulk.comparison_counts import Compared
from certrules.bulk.planning import shards_of
from certrules.bulk.runs import (
    MOST_LISTED,
    AppliedPart,
    BulkRequest,
    ChangeResult,
    Failed,
    PartName,
    Plan,
    PlannedChange,
    digest_of,
    folder_of,
    read,
)
from certrules.bulk.seal import START_AGAIN, readable, request_of
from certrules.core.comparison import Effect
from certrules.formats.stored import as_time

DECLINED = "Declined"
"""The error by which a person ends a run that waits to be approved."""

OUTCOMES = ("applied", "already", "changed_since", "failed", "unknown")
COLUMNS = (
    "learner_id", "course_run", "from", "to", "cause", "at", "reasons", "pending", "due", "revokes", "outcome", "error",
)  # fmt: skip

#: Dollars a million (us-east-1, on demand, list prices of 2025).
PRICES = {
    "DynamoDB read units": 0.125,
    "DynamoDB write units": 0.625,
    "Lambda GB-seconds": 16.6667,
    "Step Functions transitions": 25.0,
    "S3 requests": 5.0,
}
ASSUMPTIONS = (
    "List prices of us-east-1 on demand, 2025. Items of up to 1 KB; planning reads a record and its learner's ID "
    "verification, half a unit each; applying reads them again with the course run, a unit each, and writes 8 units a "
    "change that is published and 2 for another; functions of 1 GB; two state transitions a shard and a part; the "
    "events that are published, their receipts and logs are left out."
)


def write_report(
    bucket: str,
    run: dict[str, Any],
    now: datetime,
    page: Callable[[Mapping[str, Any]], str],
    programs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compare the results with the plan, and write the report, also as a table and as a page. Returns it.

    `programs` is what becomes of program certificates by the plan, None if nothing is known of that.
    """
    folder = folder_of(bucket, run["id"])
    request = request_of(run)
    plan = readable(folder, "plan.json", Plan)
    parts = (readable(folder, "parts.json", list[PartName]) or []) if plan else []
    comparison = _comparison(folder, run) if request.purpose == "compare" else None
    if plan is not None and comparison is None and request.purpose == "compare" and not run.get("problem"):
        run = {**run, "problem": {"Error": "PlanError", "Cause": f"comparison.json was altered: {START_AGAIN}"}}
    applied = run.get("parts") is not None  # it came to applying
    found = _Found()
    if plan is None:
        found.failures += _missing_shards(folder, request)
    else:
        found.failures += plan.failed
        if applied:
            found.take(folder, parts)
    state = _state(request, run, plan, found)
    report = {
        "id": request.id,
        "state": state,
        **{name: getattr(request, name) for name in ("purpose", "dry_run", "as_if", "course_runs", "statuses")},
        "learners": None if request.learners is None else len(request.learners),
        "by": request.by,
        "reason": request.reason,
        "at": as_time(request.at),
        "finished_at": as_time(now),
        "policy": request.terms.policy if request.terms else None,
        "plan": msgspec.to_builtins(plan),
        "programs": programs,
        "approval": run.get("approval"),
        "problem": _problem(run),
        "outcome": found.outcome,
        "parts": {"all": len(parts), "done": found.done},
        "failures": msgspec.to_builtins(found.failures[:MOST_LISTED]),
        "changed_since": msgspec.to_builtins(found.changed_since[:MOST_LISTED]),
        "seconds": _seconds(request, plan, found, now),
        "cost": _cost(plan, found),
    }
    if comparison is None:
        _write_table(folder, "report.csv", COLUMNS, _lines(folder, parts, applied=applied))
    else:
        report["comparison"] = comparison | {
            "issued": [comparison_counts.as_json(item) for item in islice(_issued(folder), MOST_LISTED)]
        }
        columns = comparison_counts.COLUMNS
        _write_table(folder, "report.csv", columns, comparison_counts.lines(_differing(folder)))
        _write_table(folder, "report.issued.csv", columns, comparison_counts.lines(_issued(folder)))
    folder.write("report.html", page(report).encode(), "text/html; charset=utf-8")
    folder.write_json("report.json", report)
    return report


def _seconds(request: BulkRequest, plan: Plan | None, found: "_Found", now: datetime) -> dict[str, float]:
    return {
        "planning": plan.seconds if plan else 0.0,
        "applying": round(found.seconds, 3),
        "elapsed": round((now - request.at).total_seconds(), 3),
    }


def _comparison(folder: aws.Folder, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a comparison found, if it is as it was sealed."""
    content = folder.read("comparison.json")
    sealed = run.get("sealed") or {}
    if content is None or sealed.get("fields", {}).get("comparison") != digest_of(content):
        return None
    found: dict[str, Any] = msgspec.json.decode(content)
    return found


class _Found:
    """What came back of a run."""

    def __init__(self) -> None:
        self.outcome = dict.fromkeys(OUTCOMES, 0)
        self.failures: list[Failed] = []
        self.changed_since: list[ChangeResult] = []
        self.done = self.published = 0
        self.seconds = 0.0

    def take(self, folder: aws.Folder, parts: Iterable[PartName]) -> None:
        """Count the results of parts; what has none is known of neither."""
        for part, result in _results(folder, parts):
            if result is None or result.error:
                error = result.error if result else _why(folder, f"failures/parts/{part.name}.json")
                self.outcome["unknown" if result is None else "failed"] += part.changes
                self.failures.append(Failed(f"part {part.name}", error))
                continue
            self.done += result.complete
            self.published += result.published
            self.seconds += result.seconds
            self.outcome["applied"] += result.applied
            for row in result.rows:
                self.outcome[row.outcome] += 1
                if row.outcome == "failed":
                    self.failures.append(Failed("record", row.error, row.learner_id, row.course_run))
                elif row.outcome == "changed_since":
                    self.changed_since.append(row)


def _state(request: BulkRequest, run: dict[str, Any], plan: Plan | None, found: _Found) -> str:
    if (ended := run.get("ended")) is not None:
        return "declined" if ended["Error"] == DECLINED else "expired"
    if plan is None or (run.get("parts") is None and (request.applies or run.get("problem"))):
        return "failed"
    if not request.applies:
        return "planned"
    return "incomplete" if run.get("problem") or found.outcome["failed"] or found.outcome["unknown"] else "done"


def _problem(run: dict[str, Any]) -> str | None:
    problem = run.get("problem")
    return None if problem is None else f"{problem.get('Error', '')}: {problem.get('Cause', '')}"[:2000]


def _missing_shards(folder: aws.Folder, request: BulkRequest) -> Iterator[Failed]:
    planned = set(folder.names("shards/"))
    for shard in shards_of(folder, request):
        if f"shards/{shard}.json" not in planned:
            yield Failed(f"shard {shard}", _why(folder, f"failures/shards/{shard}.json"))


def _why(folder: aws.Folder, name: str) -> str:
    """Return why there is no result, if a failure was written."""
    failed = readable(folder, name, Failed)
    return failed.error if failed else "nothing came back: its function was killed, or ran out of time or memory"


def _results(folder: aws.Folder, parts: Iterable[PartName]) -> Iterator[tuple[PartName, AppliedPart | None]]:
    for some in batched(parts, 100, strict=False):
        yield from zip(
            some, each(lambda part: readable(folder, f"results/{part.name}.json", AppliedPart), some), strict=True
        )


def _cost(plan: Plan | None, found: _Found) -> dict[str, Any]:
    """Return an estimate of the run's cost, in dollars."""
    records = plan.records if plan else 0
    done = sum(found.outcome.values())
    parts = plan.parts if plan else 0
    shards = plan.shards if plan else 0
    units = {
        "DynamoDB read units": records * 1.02 + 3 * done,
        "DynamoDB write units": 8 * found.published + 2 * (found.outcome["applied"] - found.published),
        "Lambda GB-seconds": (plan.seconds if plan else 0.0) + found.seconds,
        "Step Functions transitions": 10 + 2 * (shards + parts),
        "S3 requests": 20 + 3 * shards + 4 * parts,
    }
    items = {name: {"units": count, "dollars": count * PRICES[name] / 1e6} for name, count in units.items()}
    return {
        "items": items,
        "dollars": sum(item["dollars"] for item in items.values()),
        "assumptions": ASSUMPTIONS,
    }


def _write_table(folder: aws.Folder, name: str, columns: Iterable[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a table, over a file on disk: a plan may have millions of changes."""
    with TemporaryFile() as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text)
        table.writerow(columns)
        table.writerows(rows)
        text.detach()
        file.seek(0)
        folder.write(name, file, "text/csv; charset=utf-8")


def _lines(folder: aws.Folder, parts: Iterable[PartName], *, applied: bool) -> Iterator[tuple[object, ...]]:
    """Return every change of the plan, a line each, with what became of it."""
    for part, result in _results(folder, parts) if applied else ((part, None) for part in parts):
        rows = {(row.learner_id, row.course_run): row for row in result.rows} if result else {}
        for change in readable(folder, f"plan/{part.name}.json", list[PlannedChange]) or ():
            row = rows.get(change.pair)
            if not applied:
                outcome = "planned"
            elif result is None or result.error:
                outcome = "failed" if result else "unknown"
            else:
                outcome = row.outcome if row else "applied"
            yield _line(change, outcome, row.error if row else "")


def _differing(folder: aws.Folder) -> Iterator[Compared]:
    """Return everybody on whom the two logics differ, or whose certificate would change at going live."""
    for some in batched(folder.names("differences/"), 100, strict=False):
        for found in each(lambda name: read(folder, name, list[Compared]), some):
            yield from found or ()


def _issued(folder: aws.Folder) -> Iterator[Compared]:
    """Return everybody to whom going live would issue a certificate."""
    return (item for item in _differing(folder) if item.effect is Effect.ISSUE)


def _line(change: PlannedChange, outcome: str, error: str) -> tuple[object, ...]:
    return (
        change.learner_id,
        change.course_run,
        change.before,
        change.after,
        change.cause,
        change.at,
        " ".join(change.reasons),
        change.end.pending and change.end.pending[0],
        change.end.due,
        "yes" if change.revokes else "",
        outcome,
        error,
    )
