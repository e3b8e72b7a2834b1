"""A part of an import is taken in; a second look, later, has decided again what was being made meanwhile."""

import gzip
import os
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import json

from certrules import aws, settings, storage
from certrules.formats.table_rows import TableRow, decode_row
from certrules.importing import PartResult, import_rows, outdated_records

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
BULK_BUCKET = os.environ["BULK_BUCKET"]
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]
REDECIDE_QUEUE = os.environ["REDECIDE_QUEUE_URL"]
POLICIES = settings.policies()


class PartFailedError(Exception):
    """Some records of a part could not be saved; taken in again, the others cost no write."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take a part in (`step`: "load"), or look at it again ("look"), as of `at`. A part that is done stays done."""
    folder, part = aws.Folder(BULK_BUCKET, event["folder"]), event["part"]
    metrics.add_metric(name="ImportedParts", unit=MetricUnit.Count, value=event["step"] == "load")
    if event["step"] == "look":
        return {"part": part, "sent": look_again(folder, part, event["at"])}
    result = f"results/{part}.json"
    before = folder.read(result)
    if before is not None and not json.decode(before)["failed"]:
        return {"part": part, "failed": 0}
    begun = folder.read(f"begun/{part}") is not None
    folder.write_json(f"begun/{part}", True)
    rows = rows_of(folder, part)
    done = import_rows(rows, POLICIES, datetime.fromisoformat(event["at"]))
    if begun:  # what it changed before it ended is not known
        done.learners = [row.learner_id for row in rows if row.learner_id is not None and row.course_run is None]
        done.course_runs = [row.course_run for row in rows if row.course_run is not None and row.learner_id is None]
    folder.write_json(result, done.as_json())
    report(part, done)
    return {"part": part, "failed": len(done.failed)}


def rows_of(folder: aws.Folder, part: str) -> list[TableRow]:
    """Return what a part says."""
    body = folder.read(part)
    if body is None:
        raise FileNotFoundError(folder.key(part))
    return [decode_row(line) for line in gzip.decompress(body).splitlines()]


def look_again(folder: aws.Folder, part: str, at: str) -> int:
    """Have decided again, once, what doesn't rest on what the part brought. Returns how many messages were sent.

    Records that the part doesn't name: of a learner whose ID verification is new, and of a course run that is. A
    record that was being made while the part was taken in is kept by now, so it is seen.
    """
    result = json.decode(folder.read(f"results/{part}.json") or b"null")
    failed = 1 if result is None else len(result["failed"])
    metrics.add_metric(name="ImportedFailed", unit=MetricUnit.Count, value=failed)
    if result is None or folder.read(f"looked/{part}") is not None:
        return 0
    instant = datetime.fromisoformat(at)
    requests = [aws.request_for(*pair, "import", instant) for pair in outdated_records(result["learners"])]
    aws.send(INGEST_QUEUE, [{"MessageBody": body} for body in requests])
    bodies = [json.encode({"course_run": course_run, "at": at}).decode() for course_run in result["course_runs"]]
    aws.send(REDECIDE_QUEUE, [{"MessageBody": body} for body in bodies])
    metrics.add_metric(name="ImportedOverlooked", unit=MetricUnit.Count, value=len(requests))
    if not failed:
        folder.write_json(f"looked/{part}", True)
    return len(requests) + len(bodies)


def report(part: str, done: PartResult) -> None:
    """Count the part; name what failed, and have the part tried again for it."""
    counts = {
        "ImportedRows": done.rows,
        "ImportedSaved": done.saved,
        "ImportedRefused": len(done.refused),
        "RevocationsRefused": done.kept,
        "RevocationsStopped": done.stopped,
        "BreakerTripped": done.tripped,
        **{f"cause_{cause}": count for cause, count in done.causes.items()},
    }
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if done.failed:
        logger.error("Records of the part could not be saved.", part=part, failed=done.failed[:10])
        raise PartFailedError(f"{len(done.failed)} records of {part}, such as {done.failed[0]}")
