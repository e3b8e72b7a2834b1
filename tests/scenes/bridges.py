"""A bus of ours, a parked queue and a running bridge, as fixtures for the tests of `certs bridge`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from moto import mock_aws

from certrules import aws
from certrules.bridging import Destination, carry
from certrules.formats.bus_schemas import shipped_schema
from certrules.formats.senders import TrustedSenders
from certs.bridge.running import Health, run
from certs.sources.event_builders import Detail
from tests.scenes.scene import Learner, day

TRUSTED = TrustedSenders(("openedx/*",), (), "", frozenset())


class OurSide:
    """The bus of this service and its parked queue; `is_down` has the bus take nothing."""

    def __init__(self) -> None:
        bus, sqs = aws.client("events"), aws.client("sqs")
        bus.create_event_bus(Name="bus")
        urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("taken", "parked")]
        attributes = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["QueueArn"])["Attributes"]
        bus.put_rule(Name="all", EventBusName="bus", EventPattern=json.dumps({"source": [{"prefix": ""}]}))
        bus.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "1", "Arn": attributes["QueueArn"]}])
        self.destination = Destination("bus", urls[1], shipped_schema, TRUSTED)
        self._urls = urls
        self.taken: list[str] = []
        self.parked: list[tuple[str, str]] = []
        self.is_down = False

    def carry(self, records: Sequence[Any]) -> Any:
        """Carry records, unless the bus is down."""
        if self.is_down:
            raise aws.SendError("the bus is down")
        return carry(records, self.destination)

    def look(self) -> None:
        """Note what has arrived: ids of events, reasons and places of what was parked."""
        sqs = aws.client("sqs")
        for url in self._urls:
            while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
                "Messages"
            ):
                for message in found:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    stated = {name: v["StringValue"] for name, v in message.get("MessageAttributes", {}).items()}
                    if url == self._urls[0]:
                        self.taken.append(json.loads(message["Body"])["detail"]["metadata"]["id"])
                    else:
                        self.parked.append((stated["reason"], stated["message_id"]))


class Running:
    """A bridge in a thread of its own."""

    def __init__(self, source: Any, ours: OurSide, health: Path) -> None:
        self.health, self._stop, self._errors = health, Event(), list[BaseException]()

        def work() -> None:
            try:
                run(source, ours.carry, Health(health), self._stop, 0.05)
            except BaseException as error:  # noqa: BLE001 - it is raised by `stop`
                self._errors.append(error)

        self._thread = Thread(target=work, daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """How it is, by its health file."""
        return str(json.loads(self.health.read_text())["state"]) if self.health.exists() else ""

    def stop(self) -> None:
        """Stop it, and wait for its end. Raises what ended it before."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        for error in self._errors:
            raise error


@pytest.fixture
def ours() -> Iterator[OurSide]:
    """Our side, new for each test."""
    with mock_aws():
        aws.client.cache_clear()
        aws._session.cache_clear()
        yield OurSide()
    aws.client.cache_clear()
    aws._session.cache_clear()


def eventually(holds: Any) -> None:
    """Wait until something holds, for a minute at most."""
    waiting = Event()
    for _ in range(1200):
        if holds():
            return
        waiting.wait(0.05)
    raise AssertionError("it never came to that")


def enrollments(count: int) -> list[Detail]:
    """Return events of so many learners."""
    return [Learner(number + 1, "course-v1:A+B+C").enrolled(day(1)) for number in range(count)]


def ids(details: Sequence[Detail]) -> list[str]:
    """Return the ids of events."""
    return [detail["metadata"]["id"] for detail in details]
