"""`certs bridge out`: certificate events reach a real Redis and a mock Kafka with a username, and no other way."""

import json
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from certrules import aws
from certrules.formats import avro
from certrules.formats.bus_records import event_of, of_kafka, of_redis
from certrules.formats.bus_records_out import RecordOut, record_of
from certrules.formats.bus_schemas import shipped_schema
from certrules.formats.events_out import CREATED, REVOKED
from certrules.formats.messages import OWN_SOURCE
from certs.bridge.outgoing import KafkaSink, Queue, RedisSink, carry_out
from tests.scenes.bridges import TRUSTED, OurSide, ours
from tests.scenes.redis_server import STREAM, Server, server
from tests.scenes.story_of_samples import delivered, story

__all__ = ["ours", "server"]

USERNAMES = {42: "ann"}
STORY = {detail["metadata"]["event_type"]: detail for detail in story()}


def published(event_type: str, learner_id: int) -> str:
    """Return an event of this service as the bus delivers it."""
    event = json.loads(json.dumps(delivered(STORY[event_type])))
    event["source"] = event["detail"]["metadata"]["source"] = OWN_SOURCE
    event["detail"]["certificate"]["user"]["id"] = learner_id
    return json.dumps(event)


class FakeRegistry:
    """Gives each schema a number; a real one is a server that no test has."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, str], int] = {}

    def registered(self, subject: str, schema: str) -> int:
        """Return the number of a schema under a subject."""
        return self.ids.setdefault((subject, schema), len(self.ids) + 1)


class Sent:
    """A stream of Redis that only notes what it is sent."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def xadd(self, _stream: str, fields: dict[str, Any], **_: Any) -> None:
        """Note an entry."""
        self.entries.append(fields)


def filled(ours: OurSide, *bodies: str) -> str:
    """Fill a queue as a rule does; return its address."""
    assert ours.parked == []
    url = str(aws.client("sqs").create_queue(QueueName="out")["QueueUrl"])
    for body in bodies:
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    return url


def test_what_names_a_learner_goes_out_oldest_first_and_what_does_not_is_parked(ours: OurSide) -> None:
    bodies = [published(REVOKED, 42), published(CREATED, 42), published(CREATED, 43), "{"]
    queue, stream = Queue(filled(ours, *bodies)), Sent()

    counts = carry_out(queue.read(), RedisSink(stream, "s", 5), ours.destination.parked_queue, usernames)
    queue.acknowledge()
    ours.look()

    assert [entry["type"] for entry in stream.entries] == [CREATED, REVOKED]
    decoded = [avro.decode(shipped_schema(None, e["type"]) or "", e["event_data"]) for e in stream.entries]
    assert {data["certificate"]["user"]["pii"]["username"] for data in decoded} == {"ann"}
    assert sorted(reason for reason, _ in ours.parked) == ["no_username", "not_json"]
    assert counts == {"Sent": 2, "Parked": 2, "parked_no_username": 1, "parked_not_json": 1}
    assert aws.waiting_in(queue._url) == 0


def test_a_real_redis_has_entries_in_the_form_of_the_platforms_own_which_do_not_come_back(server: Server) -> None:
    RedisSink(server.client, STREAM, 100).send([record_of(published(CREATED, 42), usernames)])

    ((entry_id, fields),) = server.client.xrange(STREAM)
    names = {b"type", b"id", b"source", b"time", b"minorversion", b"sourcehost", b"sourcelib", b"event_data"}
    assert fields.keys() == names
    assert b"ann" in fields[b"event_data"]
    assert event_of(of_redis(STREAM, entry_id.decode(), fields), shipped_schema, TRUSTED) is None


def usernames(learner_id: int) -> str:
    return USERNAMES.get(learner_id, "")


def test_a_platform_bus_that_fails_leaves_the_messages_in_the_queue(ours: OurSide) -> None:
    class Broken:
        def send(self, _records: Sequence[RecordOut]) -> None:
            raise OSError("gone")

    queue = Queue(filled(ours, published(CREATED, 42), "{"))
    try:
        carry_out(queue.read(), Broken(), ours.destination.parked_queue, usernames)
    except OSError:
        queue.again()
    ours.look()
    assert ours.parked == []
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue._url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "2"


def test_on_kafka_it_has_the_form_of_the_platforms_own_and_does_not_come_back() -> None:
    producer: Any = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1})
    brokers = producer.list_topics(timeout=60).brokers.values()
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    registry: Any = FakeRegistry()
    KafkaSink(producer, "prod-lifecycle", registry, KafkaException).send([record_of(published(CREATED, 42), usernames)])

    consumer: Any = Consumer({"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["prod-lifecycle"])
    (message,) = consumer.consume(1, timeout=60)
    consumer.close()
    assert [subject for subject, _ in registry.ids] == [f"prod-lifecycle-{CREATED}.CloudEvent", "prod-lifecycle-string"]
    assert message.key() == b"\0\0\0\0\2" + avro.encode("string", "course-v1:DemoX+CS101+2026_T1")
    headers = dict(message.headers())
    assert (headers["ce_type"], headers["ce_source"]) == (CREATED.encode(), OWN_SOURCE.encode())
    assert headers.keys() >= {"ce_id", "ce_time", "ce_minorversion", "ce_specversion", "sourcehost", "sourcelib"}
    data = avro.decode(shipped_schema(None, CREATED) or "", message.value()[5:])
    assert data["certificate"]["user"]["pii"]["username"] == "ann"
    back = of_kafka("prod-lifecycle", (0, 0), message.headers(), message.value(), None)
    assert event_of(back, shipped_schema, TRUSTED) is None
