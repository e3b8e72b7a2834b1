"""Lambda event source mappings: batches of a queue's or a stream's records for a function.

Nothing waits: batching windows don't, a failed message or batch is tried again at once.
"""

from __future__ import annotations

import json
import traceback
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from localcloud.queues import StandardQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.sqs.models import Message

    from localcloud.functions import LocalFunction
    from localcloud.queues import LocalSqs
    from localcloud.tables import LocalTable

Json = dict[str, Any]

MOST_ERRORS = 20


@dataclass(slots=True)
class DeliveryCounts:
    """A batch that a function got.

    `failed` counts each failed try of a record, or of a state machine's task; `dead_lettered` a record's end.
    """

    invocations: int = 0
    records: int = 0
    failed: int = 0
    dead_lettered: int = 0


@dataclass(slots=True)
class Deliveries:
    """The deliveries, by function. `idle`: nothing deliverable was left.

    `errors` are the first few tracebacks of handlers that raised.
    """

    functions: dict[str, DeliveryCounts] = field(default_factory=dict)
    idle: bool = False
    errors: list[str] = field(default_factory=list)

    def __getitem__(self, function: str) -> DeliveryCounts:
        """Return the counts of the function with this logical id."""
        return self.functions.setdefault(function, DeliveryCounts())

    def fail(self, function: str, tries: int, trace: str) -> None:
        """Count the failed tries of a handler that raised."""
        self[function].failed += tries
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(trace)


class BatchFailedError(Exception):
    """The function failed for the whole batch: it raised, or its answer makes no sense."""


@dataclass(slots=True, kw_only=True)
class Mapping:
    """An event source mapping: its function, by logical id, and its resolved properties."""

    logical_id: str
    function: LocalFunction
    source_arn: str
    properties: Json

    @property
    def batch_size(self) -> int:
        """The largest number of records in a batch."""
        return int(self.properties.get("BatchSize", 10 if ":sqs:" in self.source_arn else 100))

    def invoke(self, records: list[Json], ids: list[str], deliveries: Deliveries) -> set[str]:
        """Give the function these records and return the ids of those that failed.

        Raises BatchFailedError.
        """
        counts = deliveries[self.logical_id]
        counts.invocations += 1
        counts.records += len(records)
        try:
            answer = self.function.invoke({"Records": records})
        except Exception as error:
            trace = traceback.format_exc()
            self.function.log.write(trace)
            deliveries.fail(self.logical_id, len(records), trace)
            raise BatchFailedError from error
        failed = self._failed(answer, ids)
        if failed is None:
            counts.failed += len(records)
            raise BatchFailedError
        counts.failed += len(failed)
        return failed

    def _failed(self, answer: object, ids: list[str]) -> set[str] | None:
        """Read the function's answer; None if Lambda would take it for a failure of the whole batch."""
        if "ReportBatchItemFailures" not in self.properties.get("FunctionResponseTypes", []):
            return set()
        failures = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
        if not failures:
            return set()
        if not isinstance(failures, list):
            return None
        named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
        known = {name for name in ids if name in named}
        return known if all(name in known for name in named) else None


class Source(Protocol):
    """A queue or stream that a mapping reads."""

    mapping: Mapping

    def begin(self) -> None:
        """Start a delivery: what gave up in the last one is tried again."""

    def hurry(self) -> None:
        """Don't wait for delayed messages."""

    def deliver_batch(self, deliveries: Deliveries) -> bool:
        """Deliver one batch; False if there is none."""

    def end(self) -> None:
        """End a delivery."""


class QueueSource:
    """A queue that feeds a function."""

    def __init__(self, mapping: Mapping, sqs: LocalSqs) -> None:
        self.mapping = mapping
        self._sqs = sqs
        self._queue = sqs.queues[mapping.source_arn.rpartition(":")[2]]
        self._given_up: list[Message] = []

    def begin(self) -> None:
        """Nothing to do: what failed is back in the queue."""

    def hurry(self) -> None:
        """Make delayed messages ready."""
        if isinstance(self._queue, StandardQueue):
            self._queue.hurry()

    def deliver_batch(self, deliveries: Deliveries) -> bool:
        """Deliver up to a batch of the messages that are there, and delete those that succeeded."""
        name = self._queue.name
        before = self._queue.redriven if isinstance(self._queue, StandardQueue) else 0
        messages = self._sqs.receive_message(name, self.mapping.batch_size, 0, self._timeout(), ["All"])
        if isinstance(self._queue, StandardQueue):
            deliveries[self.mapping.logical_id].dead_lettered += self._queue.redriven - before
        if not messages:
            return False
        ids = [message.id for message in messages]
        try:
            failed = self.mapping.invoke([self._record(message) for message in messages], ids, deliveries)
        except BatchFailedError:
            failed = set(ids)
        for message in messages:
            if message.id not in failed:
                self._sqs.delete_message(name, str(message.receipt_handle))
            elif self._queue.dead_letter_queue is None:
                self._given_up.append(message)  # else it would be tried for ever
            else:
                self._show(message)
        return True

    def end(self) -> None:
        """Put back what failed and has no dead-letter queue to go to."""
        for message in self._given_up:
            self._show(message)
        self._given_up.clear()

    def _show(self, message: Message) -> None:
        self._sqs.change_message_visibility(self._queue.name, str(message.receipt_handle), 0)

    def _timeout(self) -> int:
        return int(self._queue.visibility_timeout)  # type: ignore[attr-defined]

    def _record(self, message: Message) -> Json:
        record: Json = {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": message.sender_id,
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            },
            "messageAttributes": {
                name: {
                    "stringValue": value.get("StringValue"),
                    "binaryValue": value.get("BinaryValue"),
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in message.message_attributes.items()
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue.queue_arn,
            "awsRegion": self._queue.region,
        }
        if message.group_id is not None:
            record["attributes"]["MessageGroupId"] = message.group_id
        return record


class Shard(Protocol):
    """Records in their order, read once."""

    shard_id: str

    def read(self, limit: int) -> list[Json]:
        """Return the next records, as Lambda passes them on; none if there are none yet."""


class LocalShard:
    """The only shard of a table of this process."""

    def __init__(self, table: LocalTable, *, from_start: bool) -> None:
        self._table = table
        self.shard_id = table.changes.id
        self._next = 0 if from_start else table.changes.starting_sequence_number + len(table.changes.items)

    def read(self, limit: int) -> list[Json]:
        """Return the next records."""
        changes = self._table.changes.changes(self._next, limit)
        if changes:
            self._next = changes[-1].sequence_number + 1
            self._table.changes.forget(self._next)
        return [change.record(self._table) for change in changes]


class RemoteShard:
    """A shard of a table of DynamoDB Local."""

    def __init__(self, client: Any, stream_arn: str, shard_id: str, *, from_start: bool) -> None:
        self.shard_id = shard_id
        self._client = client
        self._shard = {"StreamArn": stream_arn, "ShardId": shard_id}
        self._start = {"ShardIteratorType": "TRIM_HORIZON"}
        self._iterator = None if from_start else self._iterate({"ShardIteratorType": "LATEST"})

    def read(self, limit: int) -> list[Json]:
        """Return the next records."""
        gone = self._client.exceptions
        try:
            answer = self._get(self._iterator or self._iterate(self._start), limit)
        except (gone.ExpiredIteratorException, gone.TrimmedDataAccessException):
            # It lasts for minutes, and not at all where the shard was empty when it was made.
            answer = self._get(self._iterate(self._start), limit)
        self._iterator = answer.get("NextShardIterator")
        records = [self._record(record) for record in answer["Records"]]
        if records:
            last = records[-1]["dynamodb"]["SequenceNumber"]
            self._start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        return records

    def _iterate(self, start: dict[str, str]) -> str:
        return str(self._client.get_shard_iterator(**self._shard, **start)["ShardIterator"])

    def _get(self, iterator: str, limit: int) -> Json:
        return cast("Json", self._client.get_records(ShardIterator=iterator, Limit=min(limit, 1000)))

    @staticmethod
    def _record(record: Json) -> Json:
        """Return the record as Lambda passes it on."""
        change = record["dynamodb"]
        arrival = change["ApproximateCreationDateTime"].timestamp()
        return record | {"dynamodb": change | {"ApproximateCreationDateTime": arrival}}


@dataclass(slots=True)
class Batch:
    """Records of a stream that are to be delivered together; `tries` counts what failed without progress."""

    records: list[Json]
    tries: int = 0


class StreamSource:
    """A table's stream that feeds a function. A shard's batches are delivered strictly one after another."""

    def __init__(self, mapping: Mapping, shards: Iterable[Shard], sqs: LocalSqs) -> None:
        self.mapping = mapping
        self._shards = list(shards)
        self._sqs = sqs
        self._waiting: dict[str, deque[Batch]] = {shard.shard_id: deque() for shard in self._shards}
        self._blocked: set[str] = set()

    def begin(self) -> None:
        """Try again what blocked a shard: without a limit of retries Lambda never gives up."""
        self._blocked.clear()

    def hurry(self) -> None:
        """Nothing to do: no record of a stream is delayed."""

    def deliver_batch(self, deliveries: Deliveries) -> bool:
        """Deliver one batch of the first shard that has any."""
        for shard in self._shards:
            if shard.shard_id in self._blocked:
                continue
            waiting = self._waiting[shard.shard_id]
            if not waiting:
                records = [r | {"eventSourceARN": self.mapping.source_arn} for r in shard.read(self.mapping.batch_size)]
                if records:
                    waiting.append(Batch(records))
            if waiting:
                self._deliver(waiting, shard.shard_id, deliveries)
                return True
        return False

    def end(self) -> None:
        """Nothing to do."""

    def _deliver(self, waiting: deque[Batch], shard_id: str, deliveries: Deliveries) -> None:
        """Deliver the first waiting batch; the rest of it stays first."""
        batch = waiting.popleft()
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        try:
            failed = self.mapping.invoke(batch.records, numbers, deliveries)
        except BatchFailedError:
            failed = {numbers[0]}
        if not failed:
            return
        first = min(numbers.index(number) for number in failed)
        if first > 0:
            waiting.appendleft(Batch(batch.records[first:]))
            return
        limit = int(self.mapping.properties.get("MaximumRetryAttempts", -1))
        if self.mapping.properties.get("BisectBatchOnFunctionError") and len(numbers) > 1:
            # Splitting doesn't count as a retry.
            half = len(numbers) // 2
            waiting.extendleft([Batch(batch.records[half:], batch.tries), Batch(batch.records[:half], batch.tries)])
        elif batch.tries == limit:
            self._give_up(batch, shard_id)
            deliveries[self.mapping.logical_id].dead_lettered += len(numbers)
        else:
            waiting.appendleft(Batch(batch.records, batch.tries + 1))
            if limit < 0:
                self._blocked.add(shard_id)

    def _give_up(self, batch: Batch, shard_id: str) -> None:
        """Send the on-failure destination which records are skipped; Lambda doesn't send the records."""
        destination = self.mapping.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination is None:
            return
        changes = [record["dynamodb"] for record in batch.records]
        arrivals = [_time(float(change["ApproximateCreationDateTime"])) for change in changes]
        message = {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.mapping.function.arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": batch.tries + 1,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": _time(datetime.now(UTC).timestamp()),
            "DDBStreamBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": changes[0]["SequenceNumber"],
                "endSequenceNumber": changes[-1]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": arrivals[0],
                "approximateArrivalOfLastRecord": arrivals[-1],
                "batchSize": len(changes),
                "streamArn": self.mapping.source_arn,
            },
        }
        self._sqs.send_message(destination.rpartition(":")[2], json.dumps(message))


def _time(seconds: float) -> str:
    """Write an instant (seconds since 1970) as Lambda does, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
