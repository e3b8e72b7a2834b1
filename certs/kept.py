"""A local cloud that is kept up, and where `certs explain` finds it or a deployed stack."""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException
from rich.console import Console

from certrules import edge, store
from certrules.core.explain import Explanation, explain
from certrules.store import Pair
from certrules.wire.stored import as_time

if TYPE_CHECKING:  # what only asks a stack needs no cloud of its own, and is quicker without
    from certs.local import LocalCloud

NOTE = Path(".certs-local.json")
"""Where a local cloud says how it is reached; in the folder that it was started from."""

SWEEP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Stack:
    """How a stack is reached."""

    certificates_table: str
    history_table: str
    policy: str
    web_certificates: str
    region: str
    endpoint: str | None = None  # None: AWS itself


class NoStackError(Exception):
    """There is no such stack, or it doesn't answer; the message says what to do."""


def serve(cloud: "LocalCloud", console: Console, port: int = 0) -> None:
    """Keep the cloud up at a port (0: any) and deliver what comes in, until Ctrl-C. Raises NoStackError."""
    try:
        endpoint = cloud.serve(port, host="127.0.0.1")
    except OSError as error:
        raise NoStackError(f"port {port}: {error.strerror}; name another one with --port") from error
    environment = cloud.environment("IngestFunction")
    stack = Stack(
        environment["CERTIFICATES_TABLE"],
        environment["HISTORY_TABLE"],
        environment["POLICY"],
        environment["WEB_CERTIFICATES"],
        "eu-west-1",
        endpoint,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end it like Ctrl-C
    swept = time.monotonic()
    try:
        NOTE.write_text(json.dumps(asdict(stack)))
        console.print(f"The local cloud answers at [bold]{endpoint}[/] (bus {cloud.physical('Bus')}); Ctrl-C ends it.")
        console.print("In another terminal: [bold]certs explain LEARNER COURSE_RUN[/]")
        while True:
            cloud.deliver()
            if time.monotonic() - swept > SWEEP_SECONDS:
                cloud.run_schedules()
                swept = time.monotonic()
            time.sleep(0.2)  # between looks at empty queues, as a real poller waits; nothing depends on it
    except KeyboardInterrupt:
        console.print("The local cloud is gone.")
    finally:
        NOTE.unlink(missing_ok=True)


def find(name: str | None) -> Stack:
    """Return how a deployed stack of this name is reached, or without a name, the local cloud. Raises NoStackError."""
    if name is not None:
        return _deployed(name)
    if not NOTE.exists():
        message = "no local cloud is up here: start one (`certs run --keep`, `certs local`), or name a deployed --stack"
        raise NoStackError(message)
    return Stack(**json.loads(NOTE.read_text()))


def _deployed(name: str) -> Stack:
    import boto3

    try:
        client = boto3.client("cloudformation")
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        raise NoStackError(f"stack {name!r}: {error}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])}
    try:
        return Stack(
            outputs["CertificatesTableName"],
            outputs["HistoryTableName"],
            parameters["Policy"],
            parameters["WebCertificates"],
            client.meta.region_name,
        )
    except KeyError as error:
        raise NoStackError(f"stack {name!r} is none of ours: it has no {error}") from error


def explain_in(stack: Stack, learner_id: int, course_run: str, as_of: datetime | None = None) -> Explanation:
    """Explain a learner's certificate in a course run as a stack has it, as of an instant (None: now).

    Raises NoStackError.
    """
    pair = Pair(learner_id, course_run)
    with _reached(stack):
        store.connect(stack.certificates_table, stack.history_table, stack.region)
        loaded = store.load([pair])
        policies = edge.policies()
    kept = loaded.records[pair]
    record = store.record_of(pair, loaded, kept.timeline)
    published = kept.published if as_of is None else None
    return explain(record, policies, as_of or edge.now(), published=published, compacted=kept.settled)


def invalidations_in(stack: Stack, course_run: str) -> list[dict[str, Any]]:
    """Return every invalidation in a course run, active or lifted, by learner. Raises NoStackError."""
    with _reached(stack):
        store.connect(stack.certificates_table, stack.history_table, stack.region)
        found = sorted(store.invalidated_in(course_run))
    return [
        {
            "learner_id": learner_id,
            "origin": invalidation.exam or "person",
            "at": as_time(invalidation.at),
            "by": invalidation.by,
            "notes": invalidation.notes,
            "lifted_at": as_time(invalidation.lifted_at),
            "lifted_by": invalidation.lifted_by,
        }
        for learner_id, invalidations in found
        for invalidation in invalidations
    ]


@contextmanager
def _reached(stack: Stack) -> Iterator[None]:
    """Have the stack's settings, and for a local cloud its address and credentials that open nothing, for a while.

    Raises NoStackError if it doesn't answer.
    """
    settings: Mapping[str, str] = {"POLICY": stack.policy, "WEB_CERTIFICATES": stack.web_certificates}
    if stack.endpoint is not None:
        settings = {
            **settings,
            "AWS_ENDPOINT_URL_DYNAMODB": stack.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    except (PynamoDBException, BotoCoreError, ClientError) as error:
        if stack.endpoint is None:
            raise NoStackError(str(error)) from error
        message = f"the local cloud that was up here, at {stack.endpoint}, doesn't answer: start it again"
        raise NoStackError(f"{message} (`certs run --keep`, `certs local`)") from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
