"""AWS in memory: tables, queues, a bus and a bucket, at the level of botocore's API calls."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.simulation.dynamodb import AwsError, DynamoDb, Row


@dataclass(slots=True)
class QueuedMessage:
    """A message of a queue."""

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    visible_at: datetime
    receives: int = 0

    def as_record(self) -> dict[str, Any]:
        """Return what Lambda is given of it."""
        attributes = {
            name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
            for name, value in self.attributes.items()
        }
        return {"messageId": self.message_id, "body": self.body, "messageAttributes": attributes}


DEFECTS = ("conditions", "transactions", "bus", "queues")
"""What a defective AWS does not hold: by these the simulation is tested, for it has to notice each."""


class PublishedEvent(NamedTuple):
    """An event on the bus."""

    source: str
    event_type: str
    detail: str


@dataclass(slots=True)
class Execution:
    """A run of the state machine that decides a course run again."""

    name: str
    given: str  # its input, JSON
    status: str = "RUNNING"


@dataclass
class FakeAws:
    """All of AWS that the functions call. Without faults: those come in between (see faults)."""

    now: Callable[[], datetime]
    written: Callable[[str, Row], None]
    lag: Callable[[], timedelta]
    queues: dict[str, list[QueuedMessage]] = field(default_factory=dict)
    bus: list[PublishedEvent] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)  # by name
    started: Callable[[Execution], None] = lambda _: None
    sent: int = 0
    defect: str = ""

    def __post_init__(self) -> None:
        self.dynamodb = DynamoDb(self.now, self.written, self.lag, self.defect)

    def queue(self, url: str) -> list[QueuedMessage]:
        """Return the messages of a queue."""
        return self.queues.setdefault(url, [])

    def enqueue(self, url: str, body: str, delay: int = 0, attributes: Mapping[str, Any] | None = None) -> None:
        """Put a message on a queue."""
        self.sent += 1
        if self.defect == "queues" and self.sent % 5 == 0:
            return
        visible_at = self.now() + timedelta(seconds=delay)
        self.queue(url).append(QueuedMessage(f"message-{self.sent}", body, attributes or {}, visible_at))

    def answer(self, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request. Raises AwsError."""
        match service, operation:
            case "dynamodb", _:
                return self.dynamodb.answer(operation, params)
            case "sqs", "SendMessageBatch":
                for entry in params["Entries"]:
                    delay, attributes = entry.get("DelaySeconds", 0), entry.get("MessageAttributes")
                    self.enqueue(params["QueueUrl"], entry["MessageBody"], delay, attributes)
                return {"Successful": [{"Id": entry["Id"]} for entry in params["Entries"]]}
            case "sqs", "GetQueueAttributes":
                count = len(self.queue(params["QueueUrl"]))
                return {"Attributes": {"ApproximateNumberOfMessages": str(count)}}
            case "events", "PutEvents":
                return self._put_events(params["Entries"])
            case "stepfunctions", _:
                return self._execution(operation, params)
            case "s3", "PutObject":
                body = params["Body"]
                self.files[params["Key"]] = body if isinstance(body, bytes) else body.read()
                return {}
            case "s3", "GetObject":
                return self._file(params["Key"], params.get("Range"))
            case "s3", "ListObjectsV2":
                names = sorted(name for name in self.files if name.startswith(params["Prefix"]))
                return {"IsTruncated": False, "Contents": [{"Key": name} for name in names]}
            case _:
                raise NotImplementedError(f"{service} {operation}")

    def _execution(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Start an execution, or describe it. The same name and input again is the same one, while that runs."""
        if operation == "DescribeExecution":
            return {"status": self.executions[params["executionArn"].rpartition(":")[2]].status}
        name, given = params["name"], params["input"]
        found = self.executions.get(name)
        if found is None:
            found = self.executions[name] = Execution(name, given)
            self.started(found)
        elif found.given != given or found.status != "RUNNING":
            raise AwsError("ExecutionAlreadyExists")
        return {"executionArn": name}

    def _put_events(self, entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        answers = []
        for number, entry in enumerate(entries):
            if self.defect == "bus" and number % 3 == 2:
                answers.append({"EventId": "lost"})
                continue
            self.bus.append(PublishedEvent(entry["Source"], entry["DetailType"], entry["Detail"]))
            answers.append({"EventId": str(len(self.bus))})
        return {"FailedEntryCount": 0, "Entries": answers}

    def _file(self, key: str, wanted: str | None) -> dict[str, Any]:
        content = self.files.get(key)
        if content is None:
            raise AwsError("NoSuchKey")
        if wanted is not None:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            if int(start) >= len(content):
                raise AwsError("InvalidRange")
            content = content[int(start) : int(end) + 1]
        return {"Body": io.BytesIO(content)}
