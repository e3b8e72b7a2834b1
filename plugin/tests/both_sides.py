"""Both sides: the stand-in of the platform in this process, and the service's own stack on the local cloud in another.

They may run on different versions of Python: the variable `SERVICE_PYTHON` names the service's interpreter.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import boto3

import openedx_course_certificates

ROOT = Path(__file__).resolve().parents[2]
QUEUE_TEMPLATE = ROOT / "plugin" / "aws" / "platform-queue.yaml"
PACKAGES = str(Path(openedx_course_certificates.__file__).parents[1])
"""Where the plugin is found: in its sources, or where its wheel was installed."""

os.environ |= {  # whatever they are, the local cloud takes them
    "AWS_ACCESS_KEY_ID": "platform",
    "AWS_SECRET_ACCESS_KEY": "platform",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def comes_true(condition: Callable[[], object]) -> bool:
    """Wait until something holds, for two minutes at most; return whether it does."""
    for _ in range(2400):
        if condition():
            return True
        time.sleep(0.05)  # polled: other threads and processes bring it about
    return False


class Stack:
    """The service's stack on the local cloud, in a process of its own. A context manager."""

    def __init__(self, **parameters: str) -> None:
        python = os.environ.get("SERVICE_PYTHON", sys.executable)
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "plugin.tests.stack", json.dumps(parameters)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "layers/certrules"))},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self._read()
        self.endpoint: str = started["endpoint"]
        self._names: dict[str, str] = started["names"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:  # a busy machine: it has nothing left to do but to go
            self._process.kill()
            self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate(timeout=30)
            raise RuntimeError("the process of the local cloud has ended")
        return json.loads(line)

    def _ask(self, what: str, port: int = 0) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps([what, port])}\n")
        self._process.stdin.flush()
        return self._read()

    def physical(self, logical_id: str) -> str:
        """Return the name or address of a resource of the template."""
        return self._names[logical_id]

    def client(self, service: str) -> Any:
        """Return a client of an AWS service, as of an operator."""
        return boto3.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def deliver(self) -> int:
        """Let the service work; return how many records its functions got."""
        return int(self._ask("deliver"))

    @contextmanager
    def also_on(self, port: int) -> Iterator[None]:
        """Answer on a port more, inside."""
        self._ask("serve", port)
        try:
            yield
        finally:
            self._ask("stop", port)


class Platform:
    """The two sides: the platform in this process, the service on the local cloud."""

    def __init__(self, cloud: Stack, database: Path, folder: Path) -> None:
        self.cloud, self.endpoint, self.folder = cloud, cloud.endpoint, folder
        self.bus = cloud.physical("Bus")
        self.sqs = cloud.client("sqs")
        stacks = cloud.client("cloudformation")
        name = f"platform-{uuid4().hex[:8]}"
        stacks.create_stack(
            StackName=name,
            TemplateBody=QUEUE_TEMPLATE.read_text(),
            Parameters=[
                {"ParameterKey": "BusName", "ParameterValue": self.bus},
                {"ParameterKey": "VisibilitySeconds", "ParameterValue": "2"},
                {"ParameterKey": "Tries", "ParameterValue": "2"},
            ],
        )
        outputs = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        self.queue = self.outputs["QueueUrl"]
        self.dead_letters = self.outputs["DeadLettersUrl"]
        self.environment = {
            "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
            "PLATFORM_DATABASE": str(database),
            "PLATFORM_BUS": self.bus,
            "PLATFORM_ENDPOINT": self.endpoint,
            "PLATFORM_QUEUE": self.queue,
            "PLATFORM_BUFFER": str(folder / "buffer"),
            "PLATFORM_HEALTH": str(folder / "health"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), PACKAGES, os.environ.get("PYTHONPATH", "")]),
        }

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return the plugin's settings, with changes."""
        return {
            "BUS": self.bus,
            "ENDPOINT_URL": self.endpoint,
            "QUEUES": {"course-certificates": self.queue},
            "BUFFER_FOLDER": self.environment["PLATFORM_BUFFER"],
            "HEALTH_FILE": self.environment["PLATFORM_HEALTH"],
            "WAIT_SECONDS": 0,
            "CONNECT_SECONDS": 1,
            "READ_SECONDS": 5,
            "CACHE_SECONDS": 0,
            **changes,
        }

    def settle(self) -> None:
        """Deliver everything that is under way: events to the service, and its events to the platform."""
        from openedx_course_certificates.consumer import SqsConsumer
        from openedx_course_certificates.sender import sender

        consumer = SqsConsumer("course-certificates", "platform")
        assert sender().wait(30)
        while self.cloud.deliver() or consumer.consume():
            assert sender().wait(30)

    def send_left_behind(self) -> None:
        """Send the events that killed processes left on disk, as a new process does when it starts."""
        from openedx_course_certificates import sender

        sender.close()
        sender.sender().start()
        buffer = self.folder / "buffer"
        assert comes_true(lambda: not any(self._size(path) for path in buffer.glob("*.events"))), "events wait on disk"

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:  # its events were adopted meanwhile
            return 0

    def go_live(self, key: str, rollout: str = "live") -> None:
        """Set who decides in a course run, as support's API does."""
        data = {"course_key": key, "rollout": rollout, "by": "support:eve", "notes": "a test"}
        self.send("course-certificates/support", "certificates.course_run.configured.v1", {"course_run": data})

    def send(self, source: str, event_type: str, data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        """Put an event on the bus; return its detail."""
        stated = {"id": str(uuid4()), "event_type": event_type, "time": datetime.now(UTC).isoformat()}
        detail = {"metadata": {**stated, "source": source, **metadata}, **data}
        entry = {"EventBusName": self.bus, "Source": source, "DetailType": event_type, "Detail": json.dumps(detail)}
        assert self.cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
        return detail

    def allow_tries(self, count: int) -> None:
        """Set how often a message for the platform is received before it goes to the dead-letter queue."""
        url = self.outputs["QueueUrl"]
        policy = json.loads(
            self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
        )
        policy["maxReceiveCount"] = count
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})

    def waiting(self, url: str = "") -> int:
        """Return how many messages wait in a queue, or are being received; in that of the platform unless named."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def queued(self, url: str) -> list[Any]:
        """Return the messages of a queue, read as JSON where they are JSON, and delete them."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                try:
                    found.append(json.loads(message["Body"]))
                except (ValueError, RecursionError):
                    found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def process(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a process of the platform: `manage.py` with these arguments, or Python code after `-c`."""
        command = [sys.executable, *(arguments if arguments[0] == "-c" else ("-m", *arguments))]
        return subprocess.Popen(
            command,
            env=os.environ | self.environment | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
