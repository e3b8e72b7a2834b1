"""A course run that changed: its learners are decided again, by a run of its state machine.

The steps of the machine decide batch by batch, and send no message that has them called again: AWS stops a chain of
functions and queues after 16 calls. Events don't wait behind a whole course run, either.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from aws_lambda_powertools import Logger

from certrules import aws, decide_again, storage
from certrules.batches import counts_of
from certrules.core.policy import Policies
from certrules.formats.messages import REQUESTED, Message
from certrules.ingestion import ingest_messages
from certrules.storage import BATCH_GET_KEYS, LostRaceError, Pair

PAGE = 500
"""How many learners of a shard are listed in one request. The first call decides so many of each shard."""

_AT_ONCE = BATCH_GET_KEYS // 3
"""How many records are read in one request, each with its ID verification and its course run's configuration."""

_ATTEMPTS = 5
_RUN = "D"
_RETENTION = timedelta(days=7)


# --- the run


def ensure_run(machine: str, course_run: str, at: str, now: datetime) -> None:
    """Start a run that decides a course run again, unless one was started that has not begun.

    A run that has not begun yet decides with every configuration that was saved before this call, so changes that
    come together share one. Raises LostRaceError and botocore's errors: a retry is safe.
    """
    broken = ""
    for _ in range(_ATTEMPTS):
        note = storage.find_note(_RUN, course_run)
        state = msgspec.json.decode(note.b) if note.v else None
        if state is None or state["begun"] or state["run"] == broken:
            state = {"run": uuid4().hex, "begun": False}
            try:
                storage.save_note(note, state, now + _RETENTION)
            except LostRaceError:
                continue
        if _is_running(machine, course_run, at, state["run"]):
            return
        broken = state["run"]  # it failed before it began, or has ended since the note was read
    raise LostRaceError(f"lost {_ATTEMPTS} races for the run of {course_run}")


def _is_running(machine: str, course_run: str, at: str, run: str) -> bool:
    """Start the execution of a run. Returns False if it was started before and has ended."""
    name = f"{re.sub('[^A-Za-z0-9_.-]', '_', course_run)[:40]}-{run}"
    client = aws.client("stepfunctions")
    request = msgspec.json.encode({"course_run": course_run, "at": at, "run": run}).decode()
    try:
        client.start_execution(stateMachineArn=machine, name=name, input=request)
    except client.exceptions.ExecutionAlreadyExists:
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        return bool(client.describe_execution(executionArn=arn)["status"] == "RUNNING")
    return True


def begin_run(course_run: str, run: str, now: datetime) -> None:
    """Note that a run begins: what changes from now on needs another one. Raises LostRaceError; a retry is safe."""
    note = storage.find_note(_RUN, course_run)
    if note.v and msgspec.json.decode(note.b) == {"run": run, "begun": False}:
        storage.save_note(note, {"run": run, "begun": True}, now + _RETENTION)


# --- its learners


class PartStep(NamedTuple):
    """The result of a step."""

    part: dict[str, Any]  # what is left of the part, as JSON
    counts: Counter[str]  # metrics


def parts_of(course_run: str, at: str) -> list[dict[str, Any]]:
    """Return the parts in which a course run is decided: its shards."""
    return [
        {"course_run": course_run, "at": at, "shard": shard, "after": None, "done": False}
        for shard in range(storage.COURSE_RUN_SHARDS)
    ]


def decide_part(
    part: Mapping[str, Any], policies: Policies, ingest_queue: str, logger: Logger, may_go_on: Callable[[], bool]
) -> PartStep:
    """Decide the learners of a part again, page by page, until it is done or may not go on.

    Learners who could not be decided are requested from the ingest queue, one by one, where they are tried again and
    end in the dead letters. Raises SendError and the errors of DynamoDB: a retry of the part is safe.
    """
    course_run, at, after = part["course_run"], datetime.fromisoformat(part["at"]), part["after"]
    counts: Counter[str] = Counter()
    while True:
        learners, after = storage.learners_in(course_run, part["shard"], after, PAGE)
        pairs = [Pair(learner_id, course_run) for learner_id in learners]
        errors: dict[Pair, Exception] = {}
        for some in batched(pairs, _AT_ONCE, strict=False):
            errors |= _decide_all(some, at, policies, counts)
        if errors:
            logger.error("Learners are requested one by one.", errors=sorted({repr(e) for e in errors.values()}))
            aws.send(ingest_queue, decide_again.requests_for(errors, "course-run", at))
        counts["Redecided"] += len(learners)
        if after is None or not may_go_on():
            return PartStep({**part, "after": after, "done": after is None}, counts)


def _decide_all(pairs: Sequence[Pair], at: datetime, policies: Policies, counts: Counter[str]) -> dict[Pair, Exception]:
    """Decide records together, and those that failed once more, alone. Returns those that failed twice.

    Raises the first error if a full batch failed: then it is not the records, and the step is to be tried again.
    """
    errors: dict[Pair, Exception] = {}
    for pair in _decide(pairs, at, policies, counts):  # one that can't be read fails all beside it
        errors |= _decide([pair], at, policies, counts)
        if len(errors) == _AT_ONCE:
            raise errors[pair]
    return errors


def _decide(pairs: Sequence[Pair], at: datetime, policies: Policies, counts: Counter[str]) -> dict[Pair, Exception]:
    """Decide records by the same way as events, the guard included, and count them. Returns those that failed."""
    messages = [Message("", REQUESTED, at, *pair, sent_at=at) for pair in pairs]
    result = ingest_messages(messages, policies)
    counts.update(counts_of(result))
    return {pairs[position]: error for position, error in (*result.failed.items(), *result.refused.items())}
