"""A part of an import is previewed, then ingested; a second look, later, requests records decided without its facts."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from certrules import aws, import_preview, importing, settings, storage

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
BULK_BUCKET = os.environ["BULK_BUCKET"]
QUEUES = os.environ["INGEST_QUEUE_URL"], os.environ["REDECIDE_QUEUE_URL"]
POLICIES = settings.policies()


class PartFailedError(Exception):
    """Some records of a part could not be saved. A retry costs no write for the others."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Ingest a part (`step`: "load") as of `at`, or look at it again ("look"). A part that is done stays done.

    "preview" changes nothing: it writes what the part would publish.
    """
    folder, part, at = aws.Folder(BULK_BUCKET, event["folder"]), event["part"], event["at"]
    count("ImportedParts", event["step"] == "load")
    if event["step"] == "preview":
        preview = import_preview.preview_part(folder, part, event["course_runs"], POLICIES, at)
        return {"part": part, "is_any_live": preview.is_any_live}
    if event["step"] == "look":
        look = importing.look_again(folder, part, at, *QUEUES)
        count("ImportedFailed", look.failed)
        count("ImportedOverlooked", look.requested)
        return {"part": part, "sent": look.sent}
    result = importing.import_part(folder, part, POLICIES, at)
    if result is None:
        return {"part": part, "failed": 0}
    count("ImportedRows", result.rows)
    count("ImportedSaved", result.saved)
    count("ImportedRefused", len(result.refused))
    count("RevocationsRefused", result.kept)
    count("RevocationsStopped", result.stopped)
    count("BreakerTripped", result.tripped)
    for cause, times in result.causes.items():
        count(f"cause_{cause}", times)
    if result.failed:
        logger.error("Records of the part could not be saved.", part=part, failed=result.failed[:10])
        raise PartFailedError(f"{len(result.failed)} records of {part}, such as {result.failed[0]}")
    return {"part": part, "failed": 0}


def count(name: str, value: float) -> None:
    """Add to a metric."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
