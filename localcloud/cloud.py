"""The local cloud: a SAM template's stack on moto, in this process, with everything delivered."""

from __future__ import annotations

import json
import time
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import clean_json, get_model_map
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from localcloud import custom_resources
from localcloud.delivery import Deliveries, LocalShard, Mapping, QueueSource, RemoteShard, Source, StreamSource
from localcloud.functions import LocalFunction
from localcloud.http_api import HttpApi
from localcloud.http_api import serve as serve_http
from localcloud.machines import Machines
from localcloud.metrics import MetricsLog
from localcloud.queues import LocalSqs
from localcloud.replacements import ENVIRONMENT, REGION, REPLACED, own_environment, replaced
from localcloud.roles import Roles
from localcloud.server import serve
from localcloud.tables import LocalDynamoDB
from localcloud.template import UnsupportedTemplateError, read_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from localcloud.delivery import Shard
    from localcloud.machines import Execution
    from localcloud.template import FunctionSource

STACK = "local"
# The properties of a table that DynamoDB Local takes.
TABLE_PROPERTIES: tuple[str, ...] = ("AttributeDefinitions", "BillingMode", "KeySchema", "ProvisionedThroughput")
TABLE_PROPERTIES += ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
# The event of a rule's schedule, unless the template has an input of its own.
SCHEDULED_EVENT = {
    "version": "0",
    "id": "00000000-0000-0000-0000-000000000000",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": DEFAULT_ACCOUNT_ID,
    "time": "<aws.scheduler.scheduled-time>",
    "region": REGION,
    "resources": [],
    "detail": {},
}
BATCHES_IN_TURN = 20  # of one source, before the others have theirs

Json = dict[str, Any]


class LocalCloud:
    """One SAM template, running in this process: there can be only one at a time.

    A context manager: what it holds exists until it is left, and nothing of it reaches the network.

    Of state machines it runs what LocalStack runs, too, and refuses the rest: type STANDARD with the definition in a
    file, JSONPath, tasks of functions, SQS, DynamoDB and EventBridge (with a task token, too), Distributed Maps over a
    JSON array in a bucket with STANDARD children. As in the cloud, but not there, a map fails if more of its children
    fail than are tolerated, and the manifest of a ResultWriter names its files.

    A function may do what its role and a bus's policy allow, and is refused the rest as AWS refuses it.

    `parameters` are the template's; with `dynamodb_endpoint`, the tables are made and used there (DynamoDB Local), not
    in this process. `log` gets what the functions write to stdout and the tracebacks of failed invocations.
    """

    def __init__(
        self,
        template: Path,
        parameters: dict[str, str] | None = None,
        dynamodb_endpoint: str | None = None,
        log: TextIO | None = None,
    ) -> None:
        self._path = template
        self._parameters = dict(parameters or {})
        self._endpoint = dynamodb_endpoint
        self._metrics = MetricsLog(log)
        self._log = cast("TextIO", self._metrics)
        self._machines = Machines(REGION, dynamodb_endpoint)
        self._roles = Roles(DEFAULT_ACCOUNT_ID)
        self.functions: dict[str, LocalFunction] = {}
        self._clients: dict[tuple[str, str | None], Any] = {}
        self.left_out: dict[str, str] = {}
        self.outputs: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Create the stack. Raises UnsupportedTemplateError, and StackFailedError as CloudFormation rolls back."""
        with ExitStack() as undo:
            undo.enter_context(own_environment())
            for owner, name, ours in REPLACED:
                undo.enter_context(replaced(owner, name, ours))
            undo.enter_context(replaced(LambdaSimpleBackend, "invoke", self._answer_lambda))
            undo.enter_context(replaced(BaseClient, "_make_api_call", self._roles.function()))
            for owner, name, ours in self._machines.replaced:
                undo.enter_context(replaced(owner, name, ours))
            undo.enter_context(
                mock_aws(config={"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}})
            )
            undo.callback(self._machines.close)
            self._undo = undo
            self._create()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind."""
        self._undo.close()

    def client(self, service: str, principal: str | None = None) -> Any:
        """Return a boto3 client of this service, of a principal (an ARN) whom buses' policies may refuse calls."""
        if (client := self._clients.get((service, principal))) is not None:
            return client
        endpoint = self._endpoint if service in {"dynamodb", "dynamodbstreams"} else None
        client = self._clients[service, principal] = boto3.client(
            cast("Any", service),
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=principal,
            config=Config(account_id_endpoint_mode="disabled", user_agent="localcloud"),
        )
        return client

    def physical(self, logical_id: str) -> str:
        """Return what `Ref` gives for a resource: a name, URL or ARN. Raises KeyError."""
        return str(clean_json({"Ref": logical_id}, self._stack.resource_map))

    def environment(self, function: str) -> dict[str, str]:
        """Return the environment variables that the template gives to this function."""
        return dict(self.functions[function].environment)

    def invoke(self, function: str, event: object) -> Any:
        """Run this function's handler and return its answer. Raises what the handler raises."""
        return self.functions[function].invoke(event)

    def invoke_by_arn(self, arn: str, event: object) -> Any:
        """Run the handler of the function of this ARN, as `invoke` does."""
        return self.invoke(self._function(arn), event)

    def deliver(
        self,
        max_seconds: float | None = None,
        on_progress: Callable[[Deliveries], object] | None = None,
        *,
        delayed: bool = False,
    ) -> Deliveries:
        """Deliver queues' messages and streams' records, and run executions, until there is nothing left to do.

        An execution that waits for a task token rests. A Wait lasts until there is nothing else to do.
        A message delayed into the future is left alone, unless `delayed` has those that wait now (not
        those that are sent meanwhile) delivered as if their time had come. What failed is left alone where
        the template allows endless retries: the next call tries it again. `on_progress` is called every
        few batches.
        """
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        deliveries = Deliveries()
        for source in self.sources:
            source.begin()
            if delayed:
                source.hurry()
        try:
            while not deliveries.idle:
                deliveries.idle = True
                for source in self.sources:
                    self._deliver_batches(source, deliveries, deadline)
                    if on_progress is not None:
                        on_progress(deliveries)
                if self._run_tasks(deliveries, deadline) or (deliveries.idle and self._machines.end_wait()):
                    deliveries.idle = False
                if _is_past(deadline):
                    break
        finally:
            for source in self.sources:
                source.end()
            self._metrics.send(self.client("cloudwatch"))
        return deliveries

    def executions(self) -> list[Execution]:
        """Return all executions of state machines there were; of each machine the oldest first."""
        return list(self._machines.executions())

    def run_schedules(self, at: datetime | None = None) -> None:
        """Ring every enabled schedule once, as of this instant (default: now).

        Its function is invoked, or an execution of its state machine started.
        """
        moment = (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for target, event in self._schedules:
            sent = json.loads(json.dumps(event).replace("<aws.scheduler.scheduled-time>", moment))
            if target.split(":")[2] == "states":
                self._machines.start(target, sent)
            else:
                self.invoke(self._function(target), sent)

    def serve(self, port: int, host: str = "0.0.0.0") -> str:  # noqa: S104 - containers must reach it
        """Serve the same backends over HTTP until the cloud is left. Return the endpoint's URL."""
        bound, stop = serve(host, port)
        self._undo.callback(stop)
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{bound}"  # noqa: S104

    def serve_api(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Serve the template's HTTP API, for browsers too, until the cloud is left. Return its URL."""
        bound, stop = serve_http(self.api, host, port)
        self._undo.callback(stop)
        return f"http://{host}:{bound}"

    def _create(self) -> None:
        template = read_template(self._path, self._parameters, set(get_model_map()))
        self.left_out = template.left_out
        self._stack = cloudformation_backends[DEFAULT_ACCOUNT_ID][REGION].create_stack(
            STACK, json.dumps(template.stack), self._parameters
        )
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in self._stack.outputs or []}
        resources = template.stack["Resources"]
        for name, resource in resources.items():
            if resource["Type"] == "AWS::DynamoDB::Table" and self._exists(resource):
                self._finish_table(self.physical(name), self._resolved(resource))
            elif resource["Type"] == "AWS::S3::Bucket" and self._exists(resource):
                self._finish_bucket(self.physical(name), self._resolved(resource))
            elif resource["Type"] == "AWS::StepFunctions::StateMachine" and self._exists(resource):
                self._machines.name(self.physical(name), name)
        for name, source in template.functions.items():
            if self._exists(resources[name]):
                self._add_function(name, source, resources[name])
        policies = filter(self._exists, template.bus_policies.values())
        self._roles.read(self.functions, resources, policies, self._value)
        for api in filter(self._exists, template.apis.values()):
            self.api = HttpApi(api["Properties"]["Body"], self._value, self.invoke)
        for name, custom in template.custom.items():
            custom_resources.create(name, custom["Type"], self._resolved(custom), self.invoke_by_arn)
        self.sources = [self._source(m) for m in template.mappings.values() if self._exists(m)]
        self._schedules = [f for s in template.schedules.values() if self._exists(s) for f in self._fired(s)]

    def _exists(self, resource: Json) -> bool:
        condition = resource.get("Condition")
        return condition is None or bool(self._stack.resource_map.lazy_condition_map[condition])

    def _value(self, fragment: Any) -> Any:
        return _without_nothing(clean_json(fragment, self._stack.resource_map))

    def _resolved(self, resource: Json) -> Json:
        """Return the resource's properties with every intrinsic function resolved."""
        return cast("Json", self._value(resource.get("Properties", {})))

    def _finish_table(self, table: str, names: Json) -> None:
        """Do what moto leaves undone when it makes a table, and make it at the endpoint, too."""
        here = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
        if recovery := names.get("PointInTimeRecoverySpecification"):
            here.update_continuous_backups(table, recovery)
        if expiry := names.get("TimeToLiveSpecification"):
            here.update_time_to_live(table, expiry)
        if self._endpoint is None:
            return
        request = {name: names[name] for name in TABLE_PROPERTIES if name in names}
        if stream := names.get("StreamSpecification"):
            request["StreamSpecification"] = {**stream, "StreamEnabled": True}
        there = self.client("dynamodb")
        there.create_table(TableName=table, **request)
        self._undo.callback(there.delete_table, TableName=table)

    def _finish_bucket(self, bucket: str, names: Json) -> None:
        """Do what moto leaves undone when it makes a bucket; nothing here gets as old as a lifecycle needs."""
        s3 = self.client("s3")
        if access := names.get("PublicAccessBlockConfiguration"):
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=access)
        if versions := names.get("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versions)

    def _deliver_batches(self, source: Source, deliveries: Deliveries, deadline: float | None) -> None:
        """Deliver a few batches of one source."""
        with ExitStack() as stay:
            for number in range(BATCHES_IN_TURN):
                if _is_past(deadline):
                    deliveries.idle = False
                    return
                if not source.deliver_batch(deliveries):
                    return
                deliveries.idle = False
                if number == 0:  # there may be more: the changeover to the function is saved for each
                    stay.enter_context(source.mapping.function.running())

    def _run_tasks(self, deliveries: Deliveries, deadline: float | None) -> bool:
        """Run what executions ask of functions; False if all executions rest."""
        while (name := self._machines.next_task()) is not None:
            with self.functions[name].running():
                while self._machines.next_task() == name:
                    if _is_past(deadline):
                        return True
                    deliveries[name].invocations += 1
                    _, trace = self._machines.run_task()
                    if trace is not None:
                        self._log.write(trace)
                        deliveries.fail(name, 1, trace)
        return self._machines.proceed()

    def _add_function(self, name: str, source: FunctionSource, resource: Json) -> None:
        names = self._resolved(resource)
        variables = {k: str(v) for k, v in names.get("Environment", {}).get("Variables", {}).items()}
        if self._endpoint is not None:
            variables |= {"AWS_ENDPOINT_URL_DYNAMODB": self._endpoint}
        self.functions[name] = LocalFunction(
            name=self.physical(name),
            arn=self._arn(name),
            source=source,
            environment=variables,
            surroundings={**ENVIRONMENT, "AWS_SESSION_TOKEN": name},
            timeout=float(names.get("Timeout", 3)),
            memory=int(names.get("MemorySize", 128)),
            log=self._log,
        )

    def _answer_lambda(
        self, function_name: str, _qualifier: str, body: str, _headers: object, response_headers: Json
    ) -> bytes:
        """Answer a request to Lambda's own API, in the place of moto's backend."""
        name = self._function(function_name)
        answer, trace = self._machines.ask(name, partial(self._attempt, name, json.loads(body or "{}")))
        if trace is not None:
            response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(answer).encode()

    def _attempt(self, function: str, event: object) -> tuple[Any, str | None]:
        """Return what Lambda answers for this function and event, and the traceback if the handler raised."""
        try:
            return self.invoke(function, event), None
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is Lambda's answer
            answer = {"errorMessage": str(error), "errorType": type(error).__name__}
            return answer, traceback.format_exc()

    def _arn(self, function: str) -> str:
        return str(clean_json({"Fn::GetAtt": [function, "Arn"]}, self._stack.resource_map))

    def _function(self, name_or_arn: str) -> str:
        """Return the logical id of a function."""
        return next(name for name, function in self.functions.items() if name_or_arn in {function.name, function.arn})

    def _source(self, mapping: Json) -> Source:
        """Return what polls for this event source mapping."""
        names = self._resolved(mapping)
        function = self._function(names["FunctionName"])
        arn = names["EventSourceArn"]
        resolved = Mapping(logical_id=function, function=self.functions[function], source_arn=arn, properties=names)
        sqs = cast("LocalSqs", sqs_backends[DEFAULT_ACCOUNT_ID][REGION])
        kind, resource = arn.split(":")[2], arn.split(":")[5]
        if kind == "sqs":
            return QueueSource(resolved, sqs)
        if kind != "dynamodb":
            raise UnsupportedTemplateError(f"events of {arn} aren't delivered by the local cloud")
        from_start = names["StartingPosition"] == "TRIM_HORIZON"
        return StreamSource(resolved, self._shards(resource.split("/")[1], from_start=from_start), sqs)

    def _shards(self, table: str, *, from_start: bool) -> list[Shard]:
        if self._endpoint is None:
            backend = cast("LocalDynamoDB", dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION])
            return [LocalShard(backend.table(table), from_start=from_start)]
        streams = self.client("dynamodbstreams")
        stream = streams.list_streams(TableName=table)["Streams"][0]["StreamArn"]
        shards = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        return [RemoteShard(streams, stream, s["ShardId"], from_start=from_start) for s in shards]

    def _fired(self, schedule: Json) -> Iterator[tuple[str, object]]:
        """Yield the functions and state machines that a schedule invokes, by ARN, each with its event."""
        names = self._resolved(schedule)
        if names.get("State") == "DISABLED":
            return
        for target in names["Targets"] if "Targets" in names else [names["Target"]]:
            if target["Arn"].split(":")[2] not in {"lambda", "states"}:
                raise UnsupportedTemplateError(f"a schedule's target {target['Arn']} isn't run")
            event = json.loads(target["Input"]) if "Input" in target else SCHEDULED_EVENT
            yield target["Arn"], event


def _without_nothing(fragment: Any) -> Any:
    """Return a resolved fragment whose lists lack what AWS::NoValue removes; moto leaves None there."""
    if isinstance(fragment, list):
        return [_without_nothing(part) for part in fragment if part is not None]
    return {k: _without_nothing(v) for k, v in fragment.items()} if isinstance(fragment, dict) else fragment


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline
