"""The steps of the reconciliation's state machine: begin, look at a part, look again and heal, report."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import batched, product
from typing import Any, NamedTuple

import msgspec

from certrules import aws, storage
from certrules.aws import Folder
from certrules.core.policy import Policies
from certrules.formats.stored import as_time
from certrules.reconciliation.comparing_history import in_history
from certrules.reconciliation.comparing_records import in_records
from certrules.reconciliation.finding_types import FINDING_TYPES, RecordFinding
from certrules.reconciliation.healing import Means, heal
from certrules.storage import BATCH_GET_KEYS

SEGMENTS = 16
"""Into how many segments each table is divided by default. One function reads one at a time."""

SETTLE_SECONDS = 900
"""How long to wait before the second look: the alarms of queues and stream allow five minutes."""

PAGE = 1_000
MOST = 5_000
"""After how many findings a step ends and the next one continues: the second look at them has to end in one run."""

RESERVE_MS = 120_000
SHOWN = 200
"""How many findings of each type the report names; the files beside it name all."""


def folder_of(bucket: str, run: str) -> Folder:
    """Return the folder of a run's files."""
    return Folder(bucket, f"reconciliations/{run}")


def begin(run: str, options: Mapping[str, Any], started: str) -> dict[str, Any]:
    """Divide the tables into parts. Records are due by the schedule's time, or by the start of the run."""
    of = int(options.get("segments", SEGMENTS))
    common = {"run": run, "at": options.get("time", started), "of": of, "page": 0, "after": None, "done": False}
    tables = product(("history", "records"), range(of))
    return {
        "run": run,
        "at": common["at"],
        "settle_seconds": int(options.get("settle_seconds", SETTLE_SECONDS)),
        "parts": [{**common, "table": table, "segment": segment} for table, segment in tables],
    }


def look(bucket: str, part: dict[str, Any], policies: Policies, remaining_ms: Callable[[], int]) -> dict[str, Any]:
    """Read on in a part, as far as time and findings allow, and write its findings. Returns the next step's part."""
    at = datetime.fromisoformat(part["at"])
    found: list[RecordFinding] = []
    old: Counter[str] = Counter()
    read, after, before = 0, part["after"], part.get("before")
    before = before and (storage.Pair(*before[0]), before[1])
    while True:
        if part["table"] == "history":
            items, after = storage.scan_history(part["segment"], part["of"], after, PAGE)
            found += in_history(items, before)
            before = storage.place_of(items[-1]) if items else before
            read += len(items)
        else:
            pairs, after = storage.scan_records(part["segment"], part["of"], after, PAGE)
            found += in_records(pairs, policies, at, old)
            read += len(pairs)
        if after is None or len(found) >= MOST or remaining_ms() < RESERVE_MS:
            break
    body = {"seen": read, "findings": sorted(set(found)), "old": old}
    folder_of(bucket, part["run"]).write_json(f"looked/{_file_of(part)}", body)
    place = before and [[*before[0]], before[1]]  # Lambda turns a named tuple into an object, a list stays a list
    return {**part, "page": part["page"] + 1, "after": after, "before": place, "done": after is None}


def look_again(bucket: str, part: dict[str, Any], policies: Policies, means: Means) -> dict[str, Any]:
    """Look again at the findings of one page of a part, heal them, and write those that are confirmed."""
    files = folder_of(bucket, part["run"])
    content = files.read(f"looked/{_file_of(part)}")
    if content is None:
        return {**part, "done": True}
    body = msgspec.json.decode(content)
    at = datetime.fromisoformat(part["at"])
    found = confirmed((RecordFinding(*item) for item in body["findings"]), policies, at)
    heal(found, means, at, aws.now())
    files.write_json(f"found/{_file_of(part)}", {**body, "findings": found})
    return {**part, "page": part["page"] + 1}


def confirmed(findings: Iterable[RecordFinding], policies: Policies, now: datetime) -> list[RecordFinding]:
    """Compare again, consistently, and return the findings that are still there."""
    again: set[RecordFinding] = set()
    first = list(findings)
    for some in batched(first, BATCH_GET_KEYS, strict=False):
        pairs = sorted({finding.pair for finding in some})
        again.update(in_records(pairs, policies, now, consistent=True))
        again.update(in_history((item for pair in pairs for item in storage.history_items_of(pair)), consistent=True))
    return [finding for finding in first if finding in again]


def _file_of(part: Mapping[str, Any]) -> str:
    """Return the name of the file of a part's page."""
    return f"{part['table']}-{part['segment']:04d}-{part['page']:06d}.json"


class ReconciliationReport(NamedTuple):
    """The result of a reconciliation."""

    summary: dict[str, Any]
    findings: int  # and parts that could not be read


def report(bucket: str, run: str, at: str, parts: list[dict[str, Any]]) -> ReconciliationReport:
    """Count the confirmed findings and write the report, also as the latest one."""
    files = folder_of(bucket, run)
    read: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    old: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = {code: [] for code in FINDING_TYPES}
    for name in sorted(files.names("found/")):
        body = msgspec.json.decode(files.read(name) or b"{}")
        read[name.split("/")[1].split("-")[0]] += body["seen"]
        old.update(body["old"])
        for finding in (RecordFinding(*item) for item in body["findings"]):
            counts[finding.code] += 1
            if len(samples[finding.code]) < SHOWN:
                samples[finding.code].append(finding._asdict())
    failed = [
        f"{part['table']}, segment {part['segment']} of {part['of']}: {part['error']['Error']}"
        for part in parts
        if "error" in part
    ]
    summary = {
        "run": run,
        "started_at": at,
        "finished_at": as_time(aws.now()),
        "seen": {"history": read["history"], "records": read["records"]},
        "healed": {code: counts[code] for code, row in FINDING_TYPES.items() if row.is_healed},
        "reported": {code: counts[code] for code, row in FINDING_TYPES.items() if not row.is_healed},
        "old_logic": old,
        "failed": failed,
        "report": f"s3://{bucket}/{files.key('report.json')}",
    }
    for folder in (files, folder_of(bucket, "latest")):
        folder.write_json("report.json", {**summary, "findings": samples})
    return ReconciliationReport(summary, counts.total() + len(failed))
