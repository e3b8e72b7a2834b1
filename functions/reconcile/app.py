"""Reconciliation, a step of its state machine at a time: begin, look, look again and heal, report."""

import os
from collections import Counter
from datetime import datetime
from itertools import product
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import json

from certrules import aws, settings, storage
from certrules import reconciliation as reconciling
from certrules.aws import Folder
from certrules.formats.events_out import reconciliation_finished
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.stored import as_time
from certrules.reconciliation import FINDING_TYPES, Finding, Means

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUCKET = os.environ["BULK_BUCKET"]
BUS = os.environ["BUS_NAME"]
HOST = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "reconcile")
MEANS = Means(BUS, os.environ["INGEST_QUEUE_URL"], os.environ["CERTIFICATE_URL"], os.environ["PUBLISH_HOST"])
POLICIES = settings.policies()

LATEST = Folder(BUCKET, "reconciliations/latest")
SEGMENTS = 16
"""Into how many each table is cut, unless it is asked for otherwise; each is read by one function at a time."""

SETTLE_SECONDS = 900
"""After how long nothing is on its way any more: five minutes is what the alarms of queues and stream allow."""

PAGE = 1_000
MOST = 5_000
"""After how many findings a step ends, and the next one goes on: what follows has to end in one run of the function."""

RESERVE_MS = 120_000
SHOWN = 200
"""How many of each kind the report names; the files beside it name all."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    """Take one step: what it returns is the next step's event."""
    match event["step"]:
        case "begin":
            return begin(event["run"], event["asked"], event["started"])
        case "look":
            return look(event["part"], context)
        case "look-again":
            return look_again(event["part"])
        case _:
            return report(event["run"], event["at"], [*event["looked"], *event["again"]])


def folder(run: str) -> Folder:
    """Return where a run keeps its files."""
    return Folder(BUCKET, f"reconciliations/{run}")


def begin(run: str, asked: dict[str, Any], started: str) -> dict[str, Any]:
    """Cut the tables into parts. What is due is judged by the time of the schedule, or by when the run started."""
    of = int(asked.get("segments", SEGMENTS))
    common = {"run": run, "at": asked.get("time", started), "of": of, "page": 0, "after": None, "done": False}
    tables = product(("history", "records"), range(of))
    return {
        "run": run,
        "at": common["at"],
        "settle_seconds": int(asked.get("settle_seconds", SETTLE_SECONDS)),
        "parts": [{**common, "table": table, "segment": segment} for table, segment in tables],
    }


def look(part: dict[str, Any], context: Any) -> dict[str, Any]:
    """Read on in a part, as far as time and findings allow, and note what looks wrong."""
    at = datetime.fromisoformat(part["at"])
    found: list[Finding] = []
    old: Counter[str] = Counter()
    seen, after, before = 0, part["after"], part.get("before")
    before = before and (storage.Pair(*before[0]), before[1])
    while True:
        if part["table"] == "history":
            items, after = storage.scan_history(part["segment"], part["of"], after, PAGE)
            found += reconciling.in_history(items, before)
            before = storage.place_of(items[-1]) if items else before
            seen += len(items)
        else:
            pairs, after = storage.scan_records(part["segment"], part["of"], after, PAGE)
            found += reconciling.in_records(pairs, POLICIES, at, old)
            seen += len(pairs)
        if after is None or len(found) >= MOST or context.get_remaining_time_in_millis() < RESERVE_MS:
            break
    folder(part["run"]).write_json(
        f"looked/{name_of(part)}", {"seen": seen, "findings": sorted(set(found)), "old": old}
    )
    # a list, for Lambda writes a named tuple as an object
    place = before and [[*before[0]], before[1]]
    return {**part, "page": part["page"] + 1, "after": after, "before": place, "done": after is None}


def look_again(part: dict[str, Any]) -> dict[str, Any]:
    """Look again at what looked wrong on one page of a part, heal what can be healed, and note what is so."""
    files = folder(part["run"])
    looked = files.read(f"looked/{name_of(part)}")
    if looked is None:
        return {**part, "done": True}
    noted = json.decode(looked)
    at = datetime.fromisoformat(part["at"])
    found = reconciling.confirmed((Finding(*each) for each in noted["findings"]), POLICIES, at)
    reconciling.heal(found, MEANS, at, aws.now())
    files.write_json(f"found/{name_of(part)}", {**noted, "findings": found})
    return {**part, "page": part["page"] + 1}


def name_of(part: dict[str, Any]) -> str:
    """Return the name of the file of a part's page."""
    return f"{part['table']}-{part['segment']:04d}-{part['page']:06d}.json"


def report(run: str, at: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Count what was found, keep the report, and tell it to the bus and the alarm."""
    files = folder(run)
    seen: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    old: Counter[str] = Counter()
    samples: dict[str, list[dict[str, Any]]] = {code: [] for code in FINDING_TYPES}
    for name in sorted(files.names("found/")):
        noted = json.decode(files.read(name) or b"{}")
        seen[name.split("/")[1].split("-")[0]] += noted["seen"]
        old.update(noted["old"])
        for finding in (Finding(*each) for each in noted["findings"]):
            counts[finding.code] += 1
            if len(samples[finding.code]) < SHOWN:
                samples[finding.code].append(finding._asdict())
    failed = [
        f"{part['table']}, segment {part['segment']} of {part['of']}: {part['error']['Error']}"
        for part in parts
        if "error" in part
    ]
    now = aws.now()
    summary = {
        "run": run,
        "started_at": at,
        "finished_at": as_time(now),
        "seen": {"history": seen["history"], "records": seen["records"]},
        "healed": {code: counts[code] for code, difference in FINDING_TYPES.items() if difference.is_healed},
        "reported": {code: counts[code] for code, difference in FINDING_TYPES.items() if not difference.is_healed},
        "old_logic": old,
        "failed": failed,
        "report": f"s3://{BUCKET}/{files.key('report.json')}",
    }
    for where in (files, LATEST):
        where.write_json("report.json", {**summary, "findings": samples})
    metrics.add_metric("ReconciliationFindings", MetricUnit.Count, counts.total() + len(failed))
    metrics.flush_metrics()
    if aws.put_events(BUS, OWN_SOURCE, [reconciliation_finished(summary, HOST)]) < 1:
        raise aws.SendError("the bus did not take the event that the reconciliation is finished")
    return summary
