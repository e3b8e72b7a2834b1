"""Batches: SQS records of the ingest queue are read, ingested, fanned out, parked and counted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools import Logger
from msgspec import json

from certrules import aws, decide_again
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.senders import TrustedSenders
from certrules.ingestion import BatchResult, ingest_messages
from certrules.storage import Pair

if TYPE_CHECKING:
    from certrules.parking import Refused

RECEIVED = "received_"
"""Before an event type, the name of the metric that counts its events from outside: `certs doctor` reads it."""


_OF_PROGRAMS = (
    "events on programs decide no certificate in a course run: send it to the bus, whose rules don't bring it here"
)


class Queues(NamedTuple):
    """The addresses of the queues that a batch is fanned out to."""

    ingest: str
    parked: str
    redecide: str
    records: str = ""  # for hints of learners' records; empty: there is no Credentials service


class Deployment(NamedTuple):
    """What a deployment decides by, and whose events it takes in."""

    policies: Policies
    senders: TrustedSenders
    stores_names: bool = False  # whether the names that the platform sends along are read


class IngestedBatch(NamedTuple):
    """The result of a batch."""

    retried: set[str]  # ids of the messages that SQS delivers again
    counts: Counter[str]  # metrics
    sent_at: datetime | None  # UTC: when the oldest ingested message was sent; None: none was ingested


class _Read(NamedTuple):
    """The records of a batch that were read, and those that were refused. Our own events are left out."""

    messages: list[Message]
    records: list[dict[str, Any]]  # the SQS record of each message
    refused: "list[Refused]"


def ingest_batch(
    records: Sequence[dict[str, Any]], deployment: Deployment, queues: Queues, now: datetime, logger: Logger
) -> IngestedBatch:
    """Ingest SQS records as of `now` (UTC). Failures are logged, and their messages are to be retried."""
    read = _read(records, deployment, now)
    result = ingest_messages(read.messages, deployment.policies) if read.messages else BatchResult()
    refused = read.refused + [(read.records[position], refusal) for position, refusal in result.refused.items()]
    retried = {read.records[position]["messageId"] for position in result.failed}
    retried |= _fan_out(result, read, retried, queues, logger)
    retried |= _hint(result, read, retried, queues, logger)
    retried |= _park(refused, queues, logger)
    if result.failed:
        errors = sorted({f"{type(error).__name__}: {error}" for error in result.failed.values()})
        logger.error("Messages are retried.", errors=errors, count=len(result.failed))
    ingested = [message.sent_at for position, message in enumerate(read.messages) if position not in result.failed]
    more = {"Parked": len(refused), "Retried": len(retried)}
    received = Counter(
        f"{RECEIVED}{message.event_type}"
        for message, record in zip(read.messages, read.records, strict=True)
        if not message.is_of_service and not decide_again.is_delayed_copy(record)  # a copy was counted before
    )
    happened = +Counter({**more, **counts_of(result, refused), **received})  # a zero costs 70 bytes of the log
    return IngestedBatch(retried, Counter({"Messages": len(records), **happened}), min(ingested, default=None))


def _read(records: Sequence[dict[str, Any]], deployment: Deployment, now: datetime) -> _Read:
    read = _Read([], [], [])
    for record in records:
        try:
            message = decode(record["body"], now, deployment.senders, with_names=deployment.stores_names)
        except RefusedError as refusal:
            read.refused.append((record, refusal))
        else:
            if message is not None and message.is_about_program:
                read.refused.append((record, RefusedError(Reason.UNKNOWN_TYPE, "metadata.event_type", _OF_PROGRAMS)))
            elif message is not None:
                read.messages.append(message)
                read.records.append(record)
    return read


def _fan_out(result: BatchResult, read: _Read, retried: set[str], queues: Queues, logger: Logger) -> set[str]:
    """Request every certificate again that a new fact of a learner or a course run may change.

    Returns the messages to retry. A message that is delivered again fans out again, though it changes nothing: the
    first run may have ended before. A learner's message requests the records that were not decided with the ID
    verification as it is, and is sent once more, delayed, for one that another run was creating meanwhile.
    """
    unsent: set[str] = set()
    of_learners: dict[str, list[dict[str, Any]]] = {}  # the requests of each message
    for message, record in zip(read.messages, read.records, strict=True):
        if record["messageId"] in retried or not message.entries:
            continue
        try:
            if message.learner_id is None and message.course_run is not None:
                if message.course_run in result.course_runs:
                    decide_again.request_course_run(queues.redecide, message.course_run, message.sent_at)
            elif message.learner_id is not None and message.course_run is None:
                requests = [*decide_again.requests_of_learner(message.learner_id, message.sent_at)]
                if not decide_again.is_delayed_copy(record):
                    from certrules.formats.personal_data import without_personal_data  # noqa: PLC0415 - as in parking

                    requests.append(decide_again.delayed_copy(without_personal_data(record["body"])))
                of_learners[record["messageId"]] = requests
        except Exception:  # whatever it is, the other messages go on, and this one comes again
            logger.exception("The fan-out failed; the message is retried.", message_id=record["messageId"])
            unsent.add(record["messageId"])
    try:
        aws.send(queues.ingest, chain.from_iterable(of_learners.values()))
    except Exception:  # what was sent is sent again: a request changes no fact
        logger.exception("The fan-out failed; the messages are retried.", message_ids=sorted(of_learners))
        unsent.update(of_learners)
    return unsent


def _hint(result: BatchResult, read: _Read, retried: set[str], queues: Queues, logger: Logger) -> set[str]:
    """Have the records function look at learners whose grade was sent and who have a certificate beside it.

    A certificate that changes has an event of its own, a grade alone has none. Returns the messages to retry: one that
    is delivered again hints again, though it changes nothing, for the first run may have ended before.
    """
    graded = {
        record["messageId"]: message.learner_id
        for message, record in zip(read.messages, read.records, strict=True)
        if queues.records and record["messageId"] not in retried and _is_graded(message, result)
    }
    try:
        # in the form of records.hints, which isn't loaded here
        hints = [{"MessageBody": json.encode({"learner_id": learner}).decode()} for learner in {*graded.values()}]
        aws.send(queues.records, hints)
    except Exception:  # whatever it is, certificates are saved: only these messages come again
        logger.exception("The hints failed; the messages are retried.", message_ids=sorted(graded))
        return set(graded)
    return set()


def _is_graded(message: Message, result: BatchResult) -> bool:
    """Whether a message has a grade that a learner record shows, beside a certificate."""
    if message.learner_id is None or message.course_run is None:
        return False
    certificate = result.decided.get(Pair(message.learner_id, message.course_run))
    return certificate is not None and any(entry.fact is Fact.GRADE for entry in message.entries)


def _park(refused: "list[Refused]", queues: Queues, logger: Logger) -> set[str]:
    """Park refused messages. Returns the messages to retry."""
    if not refused:
        return set()
    from certrules.parking import park  # noqa: PLC0415 - events that are read don't wait for it

    try:
        park(queues.parked, refused)
    except Exception:  # whatever it is, certificates are saved: only these messages come again
        logger.exception("Parking failed; the messages are retried.")
        return {record["messageId"] for record, _ in refused}
    return set()


def counts_of(result: BatchResult, refused: "Sequence[Refused]" = ()) -> Counter[str]:
    """Return the metrics of what was decided, and of what was refused."""
    counts = Counter(
        {
            "Saved": len(result.changed),
            "LostRaces": result.lost_races,
            "RevocationsStopped": result.stopped.total(),
            "BreakerTripped": result.tripped,
        }
    )
    counts.update(f"parked_{refusal.reason}" for _, refusal in refused)
    counts.update({f"shadow_{kind}": count for kind, count in result.compared.items()})
    for _, publication in result.changed:
        for transition in publication.new_transitions:
            counts[f"cause_{transition.cause}"] += 1
            counts.update(f"reason_{code}" for code in transition.decision.unmet)
        counts["RevocationsRefused"] += publication.retained
    return counts
