"""Where functions meet AWS: their environment, their queues, the clock. No decision is taken here."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import botocore.session
import msgspec

from certrules.session import lean

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_BATCH = 10
"""How many messages SQS, and how many events EventBridge, accepts in one request."""


_BATCH_BYTES = 128 * 1024
"""How large a request for several messages or events may grow; AWS takes 256 KB, with their attributes."""


class SendError(Exception):
    """Some messages or events of a request were not accepted. A retry can help."""


@cache
def client(service: str) -> Any:
    """Return the AWS client of a service; all come from one session, which a second client costs a tenth of."""
    return _session().create_client(service)


@cache
def _session() -> botocore.session.Session:
    return lean(botocore.session.get_session())


def now() -> datetime:
    """Return the time (UTC). The one place that has a clock."""
    return datetime.now(UTC)


def send(queue_url: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Put messages (entries of SendMessageBatch, without their ids) on a queue. Raises SendError."""
    for batch in _batches(entries, "MessageBody"):
        _send_batch(queue_url, [{"Id": str(position), **entry} for position, entry in enumerate(batch)])


def _batches(entries: Iterable[Mapping[str, Any]], body: str) -> Iterator[list[Mapping[str, Any]]]:
    """Yield entries, in order, by as many as one request may have; `body` names the part that counts for its size."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for entry in entries:
        length = len(entry[body].encode())
        if len(batch) == _BATCH or (batch and size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch


def _send_batch(queue_url: str, entries: list[dict[str, Any]]) -> None:
    response = client("sqs").send_message_batch(QueueUrl=queue_url, Entries=entries)
    failed = response.get("Failed", [])
    if failed:
        message = f"{len(failed)} of {len(entries)} messages were not taken: {failed[0].get('Message')}"
        raise SendError(message)


def waiting_in(queue_url: str) -> int:
    """Return about how many messages wait in a queue."""
    name = "ApproximateNumberOfMessages"
    answer = client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


class SeenMessage(NamedTuple):
    """A message that was looked at, and stays in its queue."""

    attributes: dict[str, str]
    sent_at: datetime  # UTC
    body: str = ""


def peek(queue_url: str, most_requests: int = 1) -> list[SeenMessage]:
    """Look at messages of a queue without a redrive policy, up to ten a request; each is returned once.

    It ends when a request finds nothing that was not seen before. An empty queue takes a second: without waiting, SQS
    asks only some of its servers, and finds none of a few messages.
    """
    asked = {"MaxNumberOfMessages": _BATCH, "VisibilityTimeout": 0, "WaitTimeSeconds": 1}
    seen: dict[str, SeenMessage] = {}
    for _ in range(most_requests):
        answer = client("sqs").receive_message(
            QueueUrl=queue_url, AttributeNames=["SentTimestamp"], MessageAttributeNames=["All"], **asked
        )
        found = {message["MessageId"]: _seen(message) for message in answer.get("Messages", ())}
        if found.keys() <= seen.keys():
            break
        seen |= found
    return list(seen.values())


def _seen(message: Mapping[str, Any]) -> SeenMessage:
    return SeenMessage(
        {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()},
        datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        message["Body"],
    )


def put_events(bus: str, source: str, events: Iterable[tuple[str, str]]) -> int:
    """Put (type, detail) on the bus, in order; return how many were taken before the first that was not."""
    entries = ({"Source": source, "DetailType": event_type, "Detail": detail} for event_type, detail in events)
    return put_entries(bus, entries)


def put_entries(bus: str, entries: Iterable[Mapping[str, Any]], events: Any = None) -> int:
    """Put entries of PutEvents on the bus, in order; return how many were taken before the first that was not.

    `events` is a client of EventBridge; None: that of this function.
    """
    events = events or client("events")
    accepted = 0
    for batch in _batches(entries, "Detail"):
        response = events.put_events(Entries=[{"EventBusName": bus, **entry} for entry in batch])
        for result in response["Entries"]:
            if "ErrorCode" in result:
                return accepted
            accepted += 1
    return accepted


class Folder:
    """A folder of a bucket, and the JSON in it."""

    def __init__(self, bucket: str, path: str) -> None:
        self.bucket = bucket
        self.path = path

    def key(self, name: str) -> str:
        """Return the key of a file in the bucket."""
        return f"{self.path}/{name}"

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Return the content of a file, or so many bytes of it; None if there is no such file."""
        s3 = client("s3")
        piece = {} if size is None else {"Range": f"bytes={start}-{start + size - 1}"}
        try:
            body: bytes = s3.get_object(Bucket=self.bucket, Key=self.key(name), **piece)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "InvalidRange":  # it ends before
                return b""
            raise
        return body

    def write(self, name: str, body: bytes | IO[bytes], content_type: str) -> None:
        """Write a file."""
        client("s3").put_object(Bucket=self.bucket, Key=self.key(name), Body=body, ContentType=content_type)

    def write_json(self, name: str, body: object) -> bytes:
        """Write a file of JSON. Returns its content."""
        content = msgspec.json.encode(body)
        self.write(name, content, "application/json")
        return content

    def names(self, of: str = "") -> Iterator[str]:
        """Return the names of the files in a folder of it."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.key(of))
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"].removeprefix(self.key(""))


_WORTH_THREADS = 1024
"""Below this much memory (MB) a function has too little CPU for threads to pay."""


def each[T, R](act: Callable[[T], R], subjects: Iterable[T]) -> list[R]:
    """Return the results of acting on each subject, in order. Waiting for AWS overlaps where the CPU allows it."""
    subjects = list(subjects)
    workers = _workers()
    if workers is None or len(subjects) < 2:
        return [act(subject) for subject in subjects]
    return list(workers.map(act, subjects))


@lru_cache(maxsize=1)
def _workers() -> "ThreadPoolExecutor | None":
    if int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")) < _WORTH_THREADS:
        return None
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - one event alone doesn't wait for it

    return ThreadPoolExecutor(max_workers=10)
