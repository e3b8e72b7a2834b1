"""The steps of a stocktake: list what to count, count one thing, ask a person whether the count is right."""

import json
import os
from typing import Any

import boto3

BUCKET = os.environ["BUCKET"]
s3 = boto3.client("s3")
tries: set[str] = set()  # what was busy once already


class BusyError(Exception):
    """Somebody is in the way."""


class PoisonError(Exception):
    """Nobody can count this."""


def handler(event: dict[str, Any], _context: Any) -> Any:
    """Take the step that the event names."""
    run, step = event["run"], event["step"]
    if step == "list":
        s3.put_object(Bucket=BUCKET, Key=f"{run}/things.json", Body=json.dumps(event["things"]))
        return {"key": f"{run}/things.json"}
    if step == "ask":
        s3.put_object(Bucket=BUCKET, Key=f"{run}/token", Body=event["token"])
        return None
    return count(run, event["thing"])


def count(run: str, thing: str) -> dict[str, Any]:
    """Count one thing; `poison` can't be counted, and what starts with `busy` only at the second try."""
    if thing == "poison":
        raise PoisonError(f"{thing} can't be counted")
    if thing.startswith("busy") and run + thing not in tries:
        tries.add(run + thing)
        raise BusyError(thing)
    return {"thing": thing, "count": len(thing)}
