"""Both sides: the stand-in of the platform in this process, and the service's own stack on the local cloud."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
QUEUE_TEMPLATE = ROOT / "plugin" / "aws" / "platform-queue.yaml"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def queue_template() -> dict[str, Any]:
    """Return the platform's template without what moto doesn't have: the queue's policy."""
    from samtranslator.yaml_helper import yaml_parse

    template: dict[str, Any] = yaml_parse(QUEUE_TEMPLATE.read_text())
    del template["Resources"]["QueuePolicy"]
    return template


class Platform:
    """The two sides: the platform in this process, the service on the local cloud."""

    def __init__(self, cloud: Any, endpoint: str, database: Path, folder: Path) -> None:
        self.cloud, self.endpoint, self.folder = cloud, endpoint, folder
        self.bus = cloud.physical("Bus")
        self.sqs = cloud.client("sqs")
        stacks = cloud.client("cloudformation")
        name = f"platform-{uuid4().hex[:8]}"
        stacks.create_stack(
            StackName=name,
            TemplateBody=json.dumps(queue_template()),
            Parameters=[
                {"ParameterKey": "BusName", "ParameterValue": self.bus},
                {"ParameterKey": "VisibilitySeconds", "ParameterValue": "1"},
                {"ParameterKey": "Tries", "ParameterValue": "2"},
            ],
        )
        outputs = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        self.queue = self._on_this_machine(self.outputs["QueueUrl"])
        self.dead_letters = self.outputs["DeadLettersUrl"]
        self.environment = {
            "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
            "PLATFORM_DATABASE": str(database),
            "PLATFORM_BUS": self.bus,
            "PLATFORM_ENDPOINT": endpoint,
            "PLATFORM_QUEUE": self.queue,
            "PLATFORM_BUFFER": str(folder / "buffer"),
            "PLATFORM_HEALTH": str(folder / "health"),
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "plugin/src")),
        }

    def _on_this_machine(self, url: str) -> str:
        return f"{self.endpoint}/{'/'.join(url.split('/')[3:])}"

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
        assert sender().wait(20)
        while self.deliver() or consumer.consume():
            assert sender().wait(20)

    def send_left_behind(self) -> None:
        """Send the events that killed processes left on disk, as a new process does when it starts."""
        from openedx_course_certificates import sender

        sender.close()
        sender.sender().start()
        for _ in range(200):
            if not any(self._size(path) for path in (self.folder / "buffer").glob("*.events")):
                return
            time.sleep(0.1)  # polled: the sender is a thread, and shortens its file when nothing waits
        raise AssertionError("events wait on disk")

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:  # its events were adopted meanwhile
            return 0

    def deliver(self) -> int:
        """Let the service work; return how many records its functions got."""
        return sum(counts.records for counts in self.cloud.deliver().functions.values())

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

    def waiting(self) -> int:
        """Return how many messages wait for the platform, or are being received."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.outputs["QueueUrl"], AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def queued(self, url: str) -> list[Any]:
        """Return the messages of a queue, read as JSON where they are JSON, and delete them."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                try:
                    found.append(json.loads(message["Body"]))
                except ValueError:
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
