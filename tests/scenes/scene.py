"""The scene of the event path's tests: learners whose events are written in few words, and the stack around them."""

import gzip
import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import batched
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple, cast
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSPreparedRequest
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.sqs.models import sqs_backends

from certrules import storage
from certrules.core.certificate import Certificate
from certrules.core.fact_types import Fact
from certrules.storage.records import StoredRecord
from certrules.storage.tables import Pair
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
OWN_EVENTS = "own-events"
"""The queue of a consumer of what the service sends."""

ACTOR: dict[str, Any] = {"by": "ada", "notes": "ticket 12"}


def day(number: int, hours: float = 0) -> datetime:
    """Return an instant (UTC): day 1 is 1 January 2026."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number - 1, hours=hours)


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner in a course run. Each event about them has an id of its own."""

    learner_id: int
    course_run: str

    @property
    def pair(self) -> Pair:
        """The key of their record."""
        return Pair(self.learner_id, self.course_run)

    @property
    def _subject(self) -> tuple[int, str]:
        return self.learner_id, self.course_run

    def elsewhere(self, course_run: str) -> "Learner":
        """Return the same learner in another course run."""
        return Learner(self.learner_id, course_run)

    def configured(self, at: datetime, **settings: Any) -> Detail:
        """Report the course run's settings."""
        return event_builders.configuration("course_run.configured", uuid4(), at, self.course_run, **settings)

    def enrolled(self, at: datetime, mode: str = "verified") -> Detail:
        """Report that they enroll."""
        return event_builders.enrollment("course.enrollment.created", uuid4(), at, *self._subject, mode=mode)

    def id_approved(self, at: datetime, expires: datetime | None = None) -> Detail:
        """Report that their ID verification is approved."""
        return event_builders.idv_attempt(
            "idv_attempt.approved", uuid4(), at, self.learner_id, attempt_id=1, expires=expires
        )

    def passing(self, at: datetime) -> Detail:
        """Report that they pass."""
        return self._passing(at, is_passing=True)

    def failing(self, at: datetime) -> Detail:
        """Report that they fail."""
        return self._passing(at, is_passing=False)

    def _passing(self, at: datetime, *, is_passing: bool) -> Detail:
        return event_builders.passing_status(
            "course.passing.status.updated", uuid4(), at, *self._subject, is_passing=is_passing
        )

    def graded(self, at: datetime, percent: float, letter: str = "") -> Detail:
        """Report their percent, without whether they pass."""
        return event_builders.grade_summary(
            "course.persistent_grade_summary.changed",
            uuid4(),
            at,
            *self._subject,
            percent=percent,
            letter=letter,
        )

    def invalidated(self, at: datetime) -> Detail:
        """Report that a person invalidates their certificate."""
        return event_builders.invalidation("invalidation.created", uuid4(), at, *self._subject, **ACTOR)

    def requested(self, at: datetime) -> Detail:
        """Report that a person wants their certificate decided again."""
        return event_builders.generation_request("generation.requested", uuid4(), at, *self._subject, **ACTOR)

    def qualifying(self) -> list[Detail]:
        """Report all that earns a certificate, on day 3."""
        return [
            self.configured(day(1)),
            self.enrolled(day(1)),
            self.id_approved(day(1)),
            self.passing(day(3)),
        ]


class Queued(NamedTuple):
    """A message as it waits in a queue."""

    body: Any  # JSON read, where it is JSON
    delay: int = 0  # seconds
    attributes: Mapping[str, str] = MappingProxyType({})


class Scene:
    """The stack, with its doors open."""

    def __init__(self, cloud: LocalCloud, dynamodb: str | None = None) -> None:
        """Open the stack; `dynamodb` is the endpoint of its tables, None for this process."""
        self.cloud = cloud
        self.client = cache(cloud.client)
        sqs, bus = self.client("sqs"), self.client("events")
        url = sqs.create_queue(QueueName=OWN_EVENTS)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"Name": OWN_EVENTS, "EventBusName": cloud.physical("Bus")}
        bus.put_rule(**rule, EventPattern=json.dumps({"source": ["course-certificates"]}))
        bus.put_targets(Rule=OWN_EVENTS, EventBusName=rule["EventBusName"], Targets=[{"Id": "1", "Arn": arn}])
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb or "")
            storage.connect(cloud.physical("CertificatesTable"), cloud.physical("HistoryTable"))
            storage.load(learners=[0])  # makes the connection

    # --- in

    def ingest(self, *bodies: Detail | str, **attributes: str) -> Any:
        """Hand `ingest` a batch: messages m0, m1, ... Returns its answer."""
        return self.cloud.invoke("IngestFunction", sqs_event(bodies, attributes))

    def publish(self, *records: dict[str, Any]) -> Any:
        """Hand `publish` a batch of a stream's records. Returns its answer."""
        return self.cloud.invoke("PublishFunction", {"Records": records})

    def redecide(self, *bodies: Any) -> Any:
        """Hand `redecide` a batch of messages m0, m1, ... Returns its answer."""
        return self.cloud.invoke("RedecideFunction", sqs_event(bodies))

    def sweep(self, at: datetime, *, again: bool = False) -> Any:
        """Let the schedule fire, or `certs archive replay` sweep again. Returns the answer of `sweep`."""
        return self.cloud.invoke("SweepFunction", {"time": as_time(at)} | ({"again": True} if again else {}))

    def send(self, *details: Detail, at: datetime) -> None:
        """Put events on the bus as of `at`: the time of their envelopes."""
        entries = [
            {
                "EventBusName": self.cloud.physical("Bus"),
                "Source": detail["metadata"]["source"],
                "DetailType": detail["metadata"]["event_type"],
                "Detail": json.dumps(detail),
                "Time": at,
            }
            for detail in details
        ]
        for some in batched(entries, 10, strict=False):
            assert self.client("events").put_events(Entries=some)["FailedEntryCount"] == 0

    # --- what is there

    def queued(self, queue: str) -> list[Queued]:
        """Return all messages of a queue, delayed ones too, in the order in which they were sent."""
        return [
            Queued(
                _read_json(message.body),
                round(max(0, message.delayed_until - message.sent_timestamp) / 1000),
                {name: value["StringValue"] for name, value in message.message_attributes.items()},
            )
            for message in self._queue(queue)._messages
        ]

    def empty_queues(self) -> None:
        """Forget all messages."""
        for queue in sqs_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].queues.values():
            queue._messages = []

    def take(self, queue: str) -> list[Any]:
        """Return the bodies of all messages of a queue, and forget them."""
        found = [message.body for message in self.queued(queue)]
        self._queue(queue)._messages = []
        return found

    def app(self, function: str) -> ModuleType:
        """Return the handler's module of a function, which it loads if this is the first use."""
        local = self.cloud.functions[function]
        with local.running():
            return importlib.import_module("app")

    def module(self, function: str, name: str) -> ModuleType:
        """Return a module as this function has it, after its handler: what a test changes in it changes no default."""
        self.app(function)
        with self.cloud.functions[function].running():
            return importlib.import_module(name)

    def stored_record(self, learner: Learner) -> StoredRecord:
        """Return what is stored of a learner in a course run."""
        return storage.load([learner.pair]).records[learner.pair]

    def certificate(self, learner: Learner) -> Certificate | None:
        """Return the published certificate."""
        return self.stored_record(learner).published.certificate

    def facts_stored(self, learner: Learner) -> Counter[Fact]:
        """Return how many entries of each fact the learner's record holds."""
        return Counter(entry.fact for entry in self.stored_record(learner).timeline)

    def history(self, learner: Learner) -> list[dict[str, Any]]:
        """Return the history of a certificate, oldest first."""
        return [json.loads(body) for _, body in storage.history_of(learner.pair)]

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table."""
        pages = (
            self.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.cloud.physical(table), ConsistentRead=True)
        )
        return [item for page in pages for item in page["Items"]]

    def empty_tables(self, *tables: str) -> None:
        """Delete every item of these tables; of certificates and history, if none is named."""
        client = self.client("dynamodb")
        tables = tables or ("CertificatesTable", "HistoryTable")
        for table in tables:
            for item in self.items(table):
                key = {"p": item["p"], "s": item["s"]}
                client.delete_item(TableName=self.cloud.physical(table), Key=key)

    def _queue(self, name: str) -> Any:
        physical = name if name == OWN_EVENTS else self.cloud.physical(name).rpartition("/")[2]
        return sqs_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].queues[physical]


def sqs_event(bodies: Iterable[Any], attributes: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what Lambda is given of an SQS batch: messages m0, m1, ..."""
    stated = {name: {"dataType": "String", "stringValue": value} for name, value in (attributes or {}).items()}
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "messageAttributes": stated,
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(*message_ids: str) -> dict[str, Any]:
    """Return the answer that has these messages delivered again."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


def as_time(instant: datetime) -> str:
    """Return an instant as the service writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- the wire between the functions and AWS


class Killed(BaseException):
    """The process is gone: no `except Exception` sees it."""


class Request(NamedTuple):
    """A request to AWS."""

    operation: str
    body: Any

    def names(self, text: str) -> bool:
        """Return whether the request contains this text."""
        return text in json.dumps(self.body)


type Answer = tuple[int, dict[str, str], str | bytes] | None


@dataclass
class Wire:
    """Every request that is sent to AWS, in order. `around` may keep it from being sent, or its answer back."""

    sent: list[Request] = field(default_factory=list)
    around: Callable[[Request, Callable[[], Answer]], Answer] = lambda _, answer: answer()

    def operations(self) -> Counter[str]:
        """Return how many requests of each kind were sent."""
        return Counter(request.operation for request in self.sent)

    def refuse(self, operation: str, text: str, code: str = "AccessDeniedException") -> None:
        """Have the requests that name this text fail, as AWS words it."""
        self.around = lambda request, answer: (
            refusal(code) if request.operation == operation and request.names(text) else answer()
        )


def refusal(code: str, **more: Any) -> Answer:
    """Return the answer by which AWS refuses a request."""
    body = {"__type": f"com.amazonaws#{code}", "message": "the test refuses it", **more}
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body)


def _body(request: AWSPreparedRequest) -> Any:
    """Return the JSON of a request; botocore compresses what is long, such as the metrics of many minutes."""
    sent = cast("bytes", request.body)
    headers = cast("dict[str, Any]", request.headers)
    return json.loads(gzip.decompress(sent) if "Content-Encoding" in headers else sent)


@contextmanager
def tapped() -> Iterator[Wire]:
    """Watch the wire for a while."""
    wire = Wire()
    answer = botocore_stubber.process_request

    def process(request: AWSPreparedRequest) -> Answer:
        target = cast("dict[str, Any]", request.headers).get("X-Amz-Target")
        if target is None:  # of a service that words it otherwise, such as S3: its method and address
            noted = Request(str(request.method), request.url)
        else:
            name = target.decode() if isinstance(target, bytes) else target
            noted = Request(name.rpartition(".")[2], _body(request))
        wire.sent.append(noted)
        return wire.around(noted, lambda: answer(request))

    stubber: Any = botocore_stubber  # a method of moto's, replaced for a while
    stubber.process_request = process
    try:
        yield wire
    finally:
        stubber.process_request = answer
