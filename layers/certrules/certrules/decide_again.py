"""Requests to decide certificates again: of a learner, of a course run page by page, and of records that are due.

A request changes no fact. Each one names as of when it is decided, so that it gives the same result when it is late.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from certrules import aws, storage
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.own_events import REQUESTED
from certrules.formats.stored import as_time

SETTLING_SECONDS = 60
"""Longer than any run of `ingest`: a record that was decided with the old fact is saved by then, and in every index."""

PAGE = 500
"""How many learners of a course run are requested by one message."""


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


def request_learner(ingest_queue: str, learner_id: int, at: datetime) -> None:
    """Request every record of a learner whose ID verification changed. Raises SendError."""
    pairs = (storage.Pair(learner_id, course_run) for course_run in storage.course_runs_of(learner_id))
    aws.send(ingest_queue, requests_for(pairs, "id-verification", at))


def request_due(ingest_queue: str, due: Iterable[tuple[datetime, storage.Pair]]) -> None:
    """Request records as of their due times. Raises SendError."""
    requests = (request_for(pair.learner_id, pair.course_run, "sweep", at) for at, pair in due)
    aws.send(ingest_queue, ({"MessageBody": body} for body in requests))


# --- whole course runs, through the redecide queue


def course_run_body(course_run: str, at: str | datetime) -> str:
    """Return a message for the redecide queue that requests all learners of a course run, as of `at`."""
    return msgspec.json.encode({"course_run": course_run, "at": at}).decode()


def request_course_run(redecide_queue: str, course_run: str, at: datetime) -> None:
    """Request all learners of a course run whose configuration changed, after SETTLING_SECONDS. Raises SendError."""
    aws.send(redecide_queue, [{"MessageBody": course_run_body(course_run, at), "DelaySeconds": SETTLING_SECONDS}])


def request_page(ingest_queue: str, redecide_queue: str, body: str) -> int:
    """Request the learners of one page of a course run, and the next page; without a shard, a page of each shard.

    `body` is a message of the redecide queue. Returns how many learners were requested. Raises SendError.
    """
    page = msgspec.json.decode(body)
    course_run, at = page["course_run"], page["at"]
    if page.get("shard") is None:
        pages = (_page(course_run, at, shard, None) for shard in range(storage.COURSE_RUN_SHARDS))
        aws.send(redecide_queue, pages)
        return 0
    learners, following = storage.learners_in(course_run, page["shard"], page.get("after"), PAGE)
    pairs = (storage.Pair(learner_id, course_run) for learner_id in learners)
    aws.send(ingest_queue, requests_for(pairs, "course-run", datetime.fromisoformat(at)))
    if following:
        aws.send(redecide_queue, [_page(course_run, at, page["shard"], following)])
    return len(learners)


def _page(course_run: str, at: str, shard: int, after: dict[str, Any] | None) -> dict[str, Any]:
    body = {"course_run": course_run, "at": at, "shard": shard, "after": after}
    return {"MessageBody": msgspec.json.encode(body).decode()}


def delayed_copy(body: str) -> dict[str, Any]:
    """Return a message that comes again after SETTLING_SECONDS, once: it has the attribute `Echo`."""
    attribute = {"DataType": "String", "StringValue": "1"}
    return {"MessageBody": body, "DelaySeconds": SETTLING_SECONDS, "MessageAttributes": {"Echo": attribute}}


def is_delayed_copy(record: dict[str, Any]) -> bool:
    """Whether an SQS record is such a copy."""
    return "Echo" in record.get("messageAttributes", {})
