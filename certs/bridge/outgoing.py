"""Out again: certificate events from a queue of ours onto the platform's own bus."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from certrules import aws, storage
from certrules.formats import avro
from certrules.formats.bus_records_out import RecordOut, Usernames, record_of
from certrules.formats.refusals import RefusedError
from certrules.parking import Refused, park
from certrules.schema_registry import Registry

WAIT_SECONDS = 5
KEY_SCHEMA = {"name": "course_key", "type": "string"}
HEADERS = {
    "type": "ce_type",
    "id": "ce_id",
    "source": "ce_source",
    "time": "ce_time",
    "minorversion": "ce_minorversion",
}

type Json = dict[str, Any]


class Sink(Protocol):
    """The platform's bus."""

    def send(self, records: Sequence[RecordOut]) -> None:
        """Put records on it, in order; when it returns, the bus has them all."""


class Queue:
    """A queue that a rule fills with what this service publishes."""

    errors: tuple[type[Exception], ...]

    def __init__(self, url: str, errors: tuple[type[Exception], ...] = ()) -> None:
        """Read this queue; `errors` are those of the sink's library."""
        self._url, self.errors = url, errors
        self._read: list[Json] = []

    def read(self) -> Sequence[Json]:
        """Return up to ten messages. Raises botocore's errors."""
        answer = aws.client("sqs").receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS
        )
        self._read = answer.get("Messages", [])
        return self._read

    def acknowledge(self) -> None:
        """Delete what was read last. What can't be deleted comes again, under the same id."""
        entries = [{"Id": str(n), "ReceiptHandle": found["ReceiptHandle"]} for n, found in enumerate(self._read)]
        aws.client("sqs").delete_message_batch(QueueUrl=self._url, Entries=entries)

    def again(self) -> None:
        """Nothing is to be done: the queue brings them again."""

    def close(self) -> None:
        """Nothing is to be done."""


def stored_username(learner_id: int) -> str:
    """Return the username that the service has stored of a learner, "" if none. Raises the errors of DynamoDB."""
    return storage.name_of(storage.load(names=[learner_id]).names[learner_id]).current.username


def carry_out(messages: Sequence[Json], sink: Sink, parked_queue: str, username_of: Usernames) -> Counter[str]:
    """Send the events of messages, oldest first, and park those that are refused; return how many of each."""
    records: list[RecordOut] = []
    refused: list[Refused] = []
    for message in messages:
        try:
            records.append(record_of(message["Body"], username_of))
        except RefusedError as refusal:
            refused.append(({"messageId": message["MessageId"], "body": message["Body"]}, refusal))
    sink.send(sorted(records, key=lambda record: record.time))
    park(parked_queue, refused)
    counts = Counter({"Sent": len(records), "Parked": len(refused)})
    counts.update(f"parked_{refusal.reason}" for _, refusal in refused)
    return counts


class RedisSink:
    """A stream of Redis, in the form of edx-event-bus-redis."""

    def __init__(self, client: Any, stream: str, longest: int) -> None:
        """Add to a stream, which drops its oldest entries when it has about so many."""
        self._redis, self._stream, self._longest = client, stream, longest

    def send(self, records: Sequence[RecordOut]) -> None:
        """Add entries. Raises RedisError."""
        for record in records:
            fields = {**record.metadata, "event_data": record.data}
            self._redis.xadd(self._stream, fields, maxlen=self._longest, approximate=True)


class KafkaSink:
    """A topic of Kafka, in the form of edx-event-bus-kafka: the schemas are registered under the names that it has."""

    def __init__(self, producer: Any, topic: str, registry: Registry, failure: Callable[[Any], Exception]) -> None:
        """Produce to a topic; `failure` makes the exception of an error that the producer reports."""
        self._producer, self._topic, self._registry, self._failure = producer, topic, registry, failure

    def send(self, records: Sequence[RecordOut]) -> None:
        """Produce records, and wait until Kafka has them. Raises the library's errors, and the registry's OSError."""
        failed: list[Any] = []
        for record in records:
            value = self._wire(f"{record.event_type}.CloudEvent", record.schema, record.data)
            key = self._wire("string", KEY_SCHEMA, avro.encode("string", record.key))
            self._producer.produce(
                self._topic,
                value=value,
                key=key,
                headers=_headers(record.metadata),
                on_delivery=lambda error, _: failed.append(error) if error is not None else None,
            )
        if self._producer.flush(30):
            raise TimeoutError("Kafka did not take all records")
        if failed:
            raise self._failure(failed[0])

    def _wire(self, name: str, schema: Any, content: bytes) -> bytes:
        schema_id = self._registry.registered(quote(f"{self._topic}-{name}", safe=""), json.dumps(schema))
        return b"\0" + schema_id.to_bytes(4) + content


def _headers(metadata: Mapping[str, str]) -> list[tuple[str, bytes]]:
    stated = [(HEADERS.get(name, name), value.encode()) for name, value in metadata.items()]
    kind = [(name, b"application/avro") for name in ("content-type", "ce_datacontenttype")]
    return [("ce_specversion", b"1.0"), *kind, *stated]
