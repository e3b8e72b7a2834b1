"""New journal entries to the bus."""

import json
import os
import sys
from typing import Any

import boto3

events = boto3.client("events")
seen: list[dict[str, Any]] = []  # every image that came, for the tests to look at


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Announce entries in order; stop at the first that is `poison`, crash at one that is `crash`."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    seen.extend(images)
    if any(image["says"]["S"] == "crash" for image in images):
        raise RuntimeError("crashed")
    shows = [image["says"]["S"] for image in images]
    good = shows.index("poison") if "poison" in shows else len(shows)
    if good:
        bus = os.environ["BUS_NAME"]
        sys.stdout.write("announced " + " ".join(image["id"]["S"] for image in images[:good]) + "\n")
        events.put_events(Entries=[entry(bus, image["id"]["S"]) for image in images[:good]])
    failed = [record["dynamodb"]["SequenceNumber"] for record in event["Records"][good : good + 1]]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def entry(bus: str, order: str) -> Any:
    """Record that this journal entry was written."""
    return {
        "EventBusName": bus,
        "Source": "journal",
        "DetailType": "entry.written",
        "Detail": json.dumps({"id": order}),
    }
