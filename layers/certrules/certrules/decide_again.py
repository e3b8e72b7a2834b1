"""Requests to decide certificates again: of a learner, of records that are due, and of a whole course run.

A request changes no fact. Each one names as of when it is decided, so that it gives the same result when it is late.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from certrules import aws, storage
from certrules.formats.messages import OWN_SOURCE, REQUESTED
from certrules.formats.stored import as_time

SETTLING_SECONDS = 60
"""Longer than any run of `ingest`: a record that was decided with the old fact is saved by then, and in every index."""


def request_for(learner_id: int, course_run: str, why: str, at: datetime) -> str:
    """Return a message for the ingest queue that decides a learner's certificate again, as of `at` (UTC)."""
    detail = {
        "metadata": {
            "id": str(uuid4()),
            "event_type": REQUESTED,
            "time": as_time(at),
            "source": f"{OWN_SOURCE}/{why}",
        },
        "request": {"learner_id": learner_id, "course_key": course_run, "by": f"system:{why}", "notes": ""},
    }
    return msgspec.json.encode(detail).decode()


def requests_for(pairs: Iterable[storage.Pair], why: str, at: datetime) -> Iterator[dict[str, Any]]:
    """Yield a message for the ingest queue for each record, as of `at` (UTC)."""
    for pair in pairs:
        yield {"MessageBody": request_for(*pair, why, at)}


def requests_of_learner(learner_id: int, at: datetime) -> Iterator[dict[str, Any]]:
    """Yield a message for the ingest queue for each record that was not decided with the ID verification as it is."""
    pairs = (storage.Pair(learner_id, course_run) for course_run in storage.outdated_course_runs_of(learner_id))
    return requests_for(pairs, "id-verification", at)


def request_due(ingest_queue: str, due: Iterable[tuple[datetime, storage.Pair]]) -> None:
    """Request records as of their due times. Raises SendError."""
    requests = (request_for(pair.learner_id, pair.course_run, "sweep", at) for at, pair in due)
    aws.send(ingest_queue, ({"MessageBody": body} for body in requests))


def course_run_body(course_run: str, at: str | datetime) -> str:
    """Return a message for the redecide queue that requests all learners of a course run, as of `at`."""
    return msgspec.json.encode({"course_run": course_run, "at": at}).decode()


def request_course_run(redecide_queue: str, course_run: str, at: datetime) -> None:
    """Request all learners of a course run whose configuration changed. Raises SendError."""
    aws.send(redecide_queue, [{"MessageBody": course_run_body(course_run, at)}])


def delayed_copy(body: str) -> dict[str, Any]:
    """Return a message that comes again after SETTLING_SECONDS, once: it has the attribute `Echo`."""
    attribute = {"DataType": "String", "StringValue": "1"}
    return {"MessageBody": body, "DelaySeconds": SETTLING_SECONDS, "MessageAttributes": {"Echo": attribute}}


def is_delayed_copy(record: dict[str, Any]) -> bool:
    """Whether an SQS record is such a copy."""
    return "Echo" in record.get("messageAttributes", {})
