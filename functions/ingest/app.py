"""Events from the queue become certificates: read, merge, decide, save; what can't be read is parked."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import json

from certrules import aws, settings, storage
from certrules.core.terms import RELEASED, REVOKING
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certrules.formats.refusals import RefusedError
from certrules.ingestion import BatchResult, ingest_messages

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
INGEST_QUEUE = os.environ["INGEST_QUEUE_URL"]
PARKED_QUEUE = os.environ["PARKED_QUEUE_URL"]
REDECIDE_QUEUE = os.environ["REDECIDE_QUEUE_URL"]
POLICIES = settings.policies()

SETTLING_SECONDS = 60
"""Longer than any run of this function: what read the old fact has been saved by then, and is in every index."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Return the messages to retry, as SQS wants to know it."""
    records = event["Records"]
    now = aws.now()
    messages: list[Message] = []
    origins: list[dict[str, Any]] = []  # the SQS record of each message
    parked: list[tuple[dict[str, Any], RefusedError]] = []
    for record in records:
        try:
            message = decode(record["body"], now)
        except RefusedError as refusal:
            parked.append((record, refusal))
        else:
            if message is not None:
                messages.append(message)
                origins.append(record)
    taken = ingest_messages(messages, POLICIES) if messages else BatchResult()
    parked += [(origins[position], refusal) for position, refusal in taken.refused.items()]
    failed = {origins[position]["messageId"] for position in taken.failed}
    failed |= fan_out(taken, messages, origins, failed)
    failed |= park(parked)
    report(records, taken, parked, failed)
    done = [message.sent_at for position, message in enumerate(messages) if position not in taken.failed]
    if done:
        delay = (aws.now() - min(done)).total_seconds()
        metrics.add_metric("EventToCertificateMilliseconds", MetricUnit.Milliseconds, 1000 * delay)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(failed)]}


def fan_out(taken: BatchResult, messages: list[Message], origins: list[dict[str, Any]], failed: set[str]) -> set[str]:
    """Have every certificate decided again that a learner's or a course run's new fact may change.

    Returns the messages to retry. A redelivered one, though it changes nothing, comes here again: the first run may
    have died before. A learner's message is put on the queue once more, for a record that was being made meanwhile.
    """
    unsent: set[str] = set()
    for message, record in zip(messages, origins, strict=True):
        if record["messageId"] in failed or not message.entries:
            continue
        try:
            if message.learner_id is None:
                if message.course_run in taken.course_runs:
                    body = json.encode({"course_run": message.course_run, "at": message.sent_at}).decode()
                    aws.send(REDECIDE_QUEUE, [{"MessageBody": body, "DelaySeconds": SETTLING_SECONDS}])
            elif message.course_run is None:
                aws.send(INGEST_QUEUE, requests_for(message.learner_id, message.sent_at))
                if "Echo" not in record.get("messageAttributes", {}):
                    aws.send(INGEST_QUEUE, [echo_of(record["body"])])
        except Exception:
            logger.exception("The fan-out failed; the message is retried.", message_id=record["messageId"])
            unsent.add(record["messageId"])
    return unsent


def requests_for(learner_id: int, at: datetime) -> Iterator[dict[str, Any]]:
    """Return a request to decide again, as of `at`, for each course run of the learner."""
    for course_run in storage.course_runs_of(learner_id):
        yield {"MessageBody": aws.request_for(learner_id, course_run, "id-verification", at)}


def echo_of(body: str) -> dict[str, Any]:
    """Return a message as it is to come again when everything that ran beside it has been saved."""
    attribute = {"DataType": "String", "StringValue": "1"}
    return {"MessageBody": body, "DelaySeconds": SETTLING_SECONDS, "MessageAttributes": {"Echo": attribute}}


def park(parked: list[tuple[dict[str, Any], RefusedError]]) -> set[str]:
    """Put aside what can't be taken in, with the reason and the original bytes. Returns the messages to retry."""
    if not parked:
        return set()
    try:
        aws.send(PARKED_QUEUE, [parked_entry(record, refusal) for record, refusal in parked])
    except Exception:
        logger.exception("Parking failed; the messages are retried.")
        return {record["messageId"] for record, _ in parked}
    return set()


def parked_entry(record: dict[str, Any], refusal: RefusedError) -> dict[str, Any]:
    """Return the message to park: the body as it came, the reason beside it."""
    said = {**refusal.as_json(), "message_id": record["messageId"]}
    attributes = {name: {"DataType": "String", "StringValue": value[:1000]} for name, value in said.items() if value}
    return {"MessageBody": record["body"], "MessageAttributes": attributes}


def report(
    records: list[dict[str, Any]],
    taken: BatchResult,
    parked: list[tuple[dict[str, Any], RefusedError]],
    failed: set[str],
) -> None:
    """Count the batch: one metrics line and, if something failed, one log line, however many messages there were."""
    counts = Counter(
        {
            "Messages": len(records),
            "Parked": len(parked),
            "Retried": len(failed),
            "Saved": len(taken.changed),
            "LostRaces": taken.lost_races,
            "RevocationsStopped": taken.stopped.total(),
            "BreakerTripped": taken.tripped,
            **{f"cause_{cause}": 0 for cause in REVOKING - RELEASED},  # for the alarm's baseline
        }
    )
    counts.update(f"parked_{refusal.reason}" for _, refusal in parked)
    counts.update({f"shadow_{kind}": count for kind, count in taken.compared.items()})
    for _, publication in taken.changed:
        counts.update(f"cause_{transition.cause}" for transition in publication.new_transitions)
        counts.update(
            f"reason_{code}" for transition in publication.new_transitions for code in transition.decision.unmet
        )
        counts["RevocationsRefused"] += publication.retained
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if taken.failed:
        errors = sorted({f"{type(error).__name__}: {error}" for error in taken.failed.values()})
        logger.error("Messages are retried.", errors=errors, count=len(taken.failed))
