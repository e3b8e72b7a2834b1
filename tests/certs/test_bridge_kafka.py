"""`certs bridge kafka`, with the mock cluster of confluent-kafka: nothing is lost, and it starts where it was."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from certs.bridge import kafka_topics
from certs.bridge.kafka_topics import KafkaTopics
from certs.cli import main
from tests.scenes import buses
from tests.scenes.bridges import OurSide, Running, enrollments, eventually, ids, ours

__all__ = ["ours"]

TOPIC = "dev-learning"


class Cluster:
    """A Kafka in this process, to which any client connects."""

    def __init__(self) -> None:
        self._producer: Any = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1})
        brokers = self._producer.list_topics(timeout=60).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def add(self, *details: Any, topic: str = TOPIC) -> None:
        """Add events to a topic, those of one learner to one partition."""
        for detail in details:
            self.produce(topic, buses.wire(detail), buses.headers_of(detail))

    def produce(self, topic: str, value: bytes | None, headers: Any) -> None:
        """Add a record."""
        self._producer.produce(topic, value=value, key=b"one key", headers=headers)
        self._producer.flush(60)


@pytest.fixture(autouse=True)
def _short_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_topics, "WAIT_SECONDS", 0.2)  # for a hundred records, where a test has a few


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """A cluster, for all tests of the module."""
    return Cluster()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own."""
    return str(request.node.name)[:100]


def reader(cluster: Cluster, topic: str) -> KafkaTopics:
    return KafkaTopics(cluster.servers, [topic], f"group-of-{topic}", {"session.timeout.ms": "6000"})


def arrived(ours: OurSide, count: int, parked: int = 0) -> bool:
    ours.look()
    return len(ours.taken) >= count and len(ours.parked) >= parked


def test_records_are_carried_in_order_and_bad_ones_parked_by_themselves(
    cluster: Cluster, topic: str, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(120)
    cluster.add(*sent[:60], topic=topic)
    headers, value = buses.headers_of(sent[0]), buses.wire(sent[0])
    cluster.produce(topic, value[:-1], headers)
    cluster.produce(topic, None, headers)
    cluster.produce(topic, value, [*headers, ("ce_id", b"another")])
    cluster.produce(topic, value, None)
    cluster.add(*sent[60:], topic=topic)
    running = Running(reader(cluster, topic), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 120, 4))
    running.stop()

    assert ours.taken == ids(sent)
    assert [reason for reason, _ in ours.parked] == ["not_avro", "not_avro", "repeated_header", "missing_field"]
    assert all(place.startswith(f"kafka/{topic}/") for _, place in ours.parked)


def test_the_next_bridge_goes_on_where_the_last_one_stopped(
    cluster: Cluster, topic: str, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(6)
    for some in (sent[:4], sent[4:]):
        cluster.add(*some, topic=topic)
        running = Running(reader(cluster, topic), ours, tmp_path / "health")
        expected = len(ours.taken) + len(some)
        eventually(lambda expected=expected: arrived(ours, expected))
        running.stop()

    assert ours.taken == ids(sent)


def test_while_the_bus_is_down_nothing_is_committed_and_then_all_comes_in_order(
    cluster: Cluster, topic: str, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(5)
    ours.is_down = True
    cluster.add(*sent[:3], topic=topic)
    running = Running(reader(cluster, topic), ours, tmp_path / "health")
    eventually(lambda: running.state == "failing")
    cluster.add(*sent[3:], topic=topic)
    ours.is_down = False
    eventually(lambda: arrived(ours, 5))
    running.stop()

    assert ours.taken == ids(sent)


def test_a_bridge_that_ends_while_the_bus_is_down_has_committed_nothing(
    cluster: Cluster, topic: str, ours: OurSide, tmp_path: Path
) -> None:
    sent = enrollments(3)
    ours.is_down = True
    cluster.add(*sent, topic=topic)
    running = Running(reader(cluster, topic), ours, tmp_path / "health")
    eventually(lambda: running.state == "failing")
    running.stop()
    ours.is_down = False
    running = Running(reader(cluster, topic), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 3))
    running.stop()

    assert ours.taken == ids(sent)


def test_a_kafka_that_does_not_answer_is_failing(
    ours: OurSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_topics, "ANSWER_SECONDS", 0.5)
    running = Running(KafkaTopics("127.0.0.1:9", [TOPIC], "group", {}), ours, tmp_path / "health")
    eventually(lambda: running.state == "failing")
    running.stop()


def test_the_bytes_of_a_real_bus_are_carried(
    cluster: Cluster, topic: str, ours: OurSide, tmp_path: Path, shared_data: Path
) -> None:
    from certrules.formats.bus_records import of_lambda

    for records in buses.given_lambda_event(shared_data)["records"].values():
        for record in map(of_lambda, records):
            cluster.produce(topic, record.value, list(record.attributes))
    running = Running(reader(cluster, topic), ours, tmp_path / "health")
    eventually(lambda: arrived(ours, 2, 1))
    running.stop()

    assert [event_id[-1] for event_id in ours.taken] == ["1", "3"]
    assert [reason for reason, _ in ours.parked] == ["unknown_type"]


@pytest.mark.parametrize(("command", "library"), [("kafka", "confluent_kafka"), ("redis", "redis")])
def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch, command: str, library: str) -> None:
    import sys

    modules = {"kafka": "certs.bridge.kafka_topics", "redis": "certs.bridge.redis_streams"}
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, modules[command], raising=False)
    where = {"kafka": ["--servers", "a:1", "--topic", "t"], "redis": ["--url", "redis://a", "--stream", "s"]}
    result = CliRunner().invoke(main, ["bridge", command, *where[command], "--bus", "b", "--parked-queue", "q"])
    assert result.exit_code == 1
    assert "course-certificates[bridge]" in result.output


def test_a_setting_that_librdkafka_does_not_have_is_refused_at_once() -> None:
    where = ["--servers", "a:1", "--topic", "t", "--bus", "b", "--parked-queue", "q"]
    result = CliRunner().invoke(main, ["bridge", "kafka", *where, "--set", "no.such=1"])
    assert result.exit_code == 1
    assert "does not take these settings" in result.output
