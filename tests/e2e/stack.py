"""The deployed stack, as its operators and its consumers reach it, and what stands in for what LocalStack lacks."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache, cached_property, partial
from typing import Any, cast

import boto3
from botocore.config import Config

from certs import stacks
from certs.sources.event_builders import Detail, envelope
from certs.support.api import TRY_AGAIN
from localcloud.http_api import HttpApi, serve
from tests.e2e.chapters import UnexpectedError, note
from tests.e2e.cut_template import resolved
from tests.scenes.commands import CERTS
from tests.scenes.support_client import EVERYTHING
from tests.scenes.template_expansion import Json

_PATIENT = Config(read_timeout=300, retries={"total_max_attempts": 1})
"""A function's container may take long to be made, and nothing may be invoked twice."""

_LONGEST_ERROR = 1000  # characters
_TRIES = 3
"""How often a command is tried that is to be tried again: the API may wait for the function's first container."""


@cache
def client(service: str) -> Any:
    """Return a client of LocalStack."""
    return boto3.client(cast("Any", service), config=_PATIENT)


def errors_logged() -> Iterator[str]:
    """Yield the errors that functions logged, for a person who looks for the cause of a failure."""
    for group in client("logs").describe_log_groups()["logGroups"]:
        for event in client("logs").filter_log_events(logGroupName=group["logGroupName"])["events"]:
            if "ERROR" in event["message"]:
                yield f"{group['logGroupName']}: {event['message'].strip()[:_LONGEST_ERROR]}"


class DeployedStack:
    """A stack by its name. Nothing is asked of it before it is used."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Its outputs."""
        return stacks.aws(self.name).outputs

    @cache  # noqa: B019 - there is one stack
    def physical(self, resource: str) -> str:
        """Return what a resource of the template is called in AWS."""
        found = client("cloudformation").describe_stack_resource(StackName=self.name, LogicalResourceId=resource)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def invoke(self, function: str, event: object) -> Any:
        """Invoke the version of a function that is live, and return its answer. Raises UnexpectedError."""
        answer = client("lambda").invoke(
            FunctionName=self.physical(function), Qualifier="live", Payload=json.dumps(event).encode()
        )
        payload = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise UnexpectedError(f"{function} failed: {payload}")
        return payload

    def send(self, *details: Detail) -> None:
        """Put events on the bus, each as of when it became true."""
        for detail in details:
            event = envelope(detail)
            entry = {
                "EventBusName": self.outputs["BusName"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(detail),
                "Time": datetime.fromisoformat(event["time"]),
            }
            answer = client("events").put_events(Entries=[entry])
            if answer["FailedEntryCount"]:
                raise UnexpectedError(f"the bus took no {event['detail-type']}: {answer}")

    def waiting_in(self, queue: str) -> int:
        """Return how many messages wait in a queue of the template."""
        name = "ApproximateNumberOfMessages"
        answer = client("sqs").get_queue_attributes(QueueUrl=self.physical(queue), AttributeNames=[name])
        return int(answer["Attributes"][name])


class SupportApi:
    """The API of the template in place of API Gateway; behind it is the deployed function, in its container."""

    def __init__(self, definition: Json, parameters: Mapping[str, str], stack: DeployedStack) -> None:
        """Serve it, for a stack that may be deployed later."""
        self._stack = stack
        self._api = HttpApi(
            definition,
            partial(resolved, parameters=parameters),
            self._invoke,
        )

    def _invoke(self, _function: str, event: object) -> Any:
        """Invoke the only function behind the API. An error is shown, for the API answers 500 and no more."""
        try:
            return self._stack.invoke("SupportFunction", event)
        except Exception as error:
            note(f"support failed: {error}")
            raise

    def serve(self, port: int) -> None:
        """Answer on this port."""
        serve(self._api, "127.0.0.1", port)

    def certs(self, *arguments: object, by: str = "ada", exit_code: int = 0) -> Any:
        """Run a `certs` command on the stack as this person, and return its JSON. Raises UnexpectedError."""
        token = self._api.token(by, [f"certificates/{scope}" for scope in EVERYTHING])
        command = [str(CERTS), *map(str, arguments), "--stack", self._stack.name, "--json"]
        environment = os.environ | {"CERTS_TOKEN": token}
        for _ in range(_TRIES):
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if ran.returncode != TRY_AGAIN:
                break
        if ran.returncode != exit_code:
            raise UnexpectedError(
                f"{' '.join(['certs', *command[1:]])}\n   expected: exit code {exit_code}\n"
                f"   found:    exit code {ran.returncode}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}"
            )
        return json.loads(ran.stdout) if ran.stdout.strip() else None


class HistoryStream:
    """The stream of the history table, of which AWS sends records to `publish`, and LocalStack doesn't."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack = stack
        self._places: dict[str, str | None] = {}  # where to go on, by shard

    @cached_property
    def _arn(self) -> str:
        table = client("dynamodb").describe_table(TableName=self._stack.outputs["HistoryTableName"])
        return str(table["Table"]["LatestStreamArn"])

    def publish(self, *, lost: int = 0) -> int:
        """Send the new records to `publish`, all but the `lost` first; return how many came. Raises UnexpectedError."""
        records = list(self._records())
        if records[lost:]:
            event = {"Records": records[lost:]}
            answer = self._stack.invoke("PublishFunction", json.loads(json.dumps(event, default=_as_number)))
            if answer != {"batchItemFailures": []}:
                raise UnexpectedError(f"publish would have these records again: {answer}")
        return len(records)

    def _records(self) -> Iterator[Json]:
        streams = client("dynamodbstreams")
        for shard in streams.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"]:
            name = shard["ShardId"]
            if name not in self._places:
                begin = streams.get_shard_iterator(StreamArn=self._arn, ShardId=name, ShardIteratorType="TRIM_HORIZON")
                self._places[name] = begin["ShardIterator"]
            while (place := self._places[name]) is not None:
                found = streams.get_records(ShardIterator=place)
                self._places[name] = found.get("NextShardIterator")
                if not found["Records"]:
                    break
                yield from found["Records"]


def _as_number(value: Any) -> float:
    """Return a record's time as Lambda passes it on: in seconds since 1970."""
    return float(value.timestamp())


class Consumer:
    """A queue that a rule on the bus sends published events to, as docs/events.md has it."""

    def __init__(self, stack: DeployedStack) -> None:
        """Begin to listen."""
        sqs, events, bus = client("sqs"), client("events"), stack.outputs["BusName"]
        self._queue = sqs.create_queue(QueueName="consumer")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = json.dumps({"source": ["course-certificates"]})
        events.put_rule(Name="consumer", EventBusName=bus, EventPattern=pattern)
        events.put_targets(Rule="consumer", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])

    def take(self) -> Iterator[Json]:
        """Yield the events that came since."""
        sqs = client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])
