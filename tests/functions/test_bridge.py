"""Bridge: records of the platform's Kafka in; events on the bus out, and each bad record parked alone."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certrules.core.terms import Status
from certrules.formats.refusals import Reason
from certs.debug.watch import BRIDGED, KAFKA_PARAMETERS
from certs.run import LOCAL_PARAMETERS
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.scenes import buses
from tests.scenes.buses import headers_of, lambda_event, lambda_record, wire
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, day


@pytest.fixture(scope="module")
def stack() -> Iterator[Scene]:
    """The stack, with its bridge."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS | KAFKA_PARAMETERS) as cloud:
        yield Scene(cloud)


def bridge(scene: Scene, *records: dict[str, Any]) -> Any:
    """Hand the bridge records of one partition. Returns its answer."""
    return scene.cloud.invoke("BridgeFunction", lambda_event(*records))


def record_of(detail: Detail, offset: int = 0, at: datetime | None = None) -> dict[str, Any]:
    """Return an event as a record; `at` is when Kafka took it."""
    stamp = datetime.fromisoformat(detail["metadata"]["time"]) if at is None else at
    return lambda_record(headers_of(detail), wire(detail), offset, int(stamp.timestamp() * 1000))


def test_a_learner_whose_events_come_from_kafka_gets_a_certificate(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)))
    reported = [learner.enrolled(day(1)), learner.id_approved(day(1)), learner.passing(day(3))]

    answer = bridge(scene, *(record_of(detail, offset) for offset, detail in enumerate(reported)))
    scene.cloud.deliver(delayed=True)

    assert answer == {"Bridged": 3, "Parked": 0}
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))
    assert scene.queued("ParkedQueue") == []


def test_an_event_has_the_form_of_the_contract_and_names_where_it_was(scene: Scene, learner: Learner) -> None:
    sent = learner.enrolled(day(1))
    took_it = day(1) + timedelta(milliseconds=7)

    bridge(scene, record_of(sent, 12, took_it))

    (event,) = scene.take("IngestQueue")
    assert (event["source"], event["detail-type"]) == ("openedx/lms/web", sent["metadata"]["event_type"])
    assert event["time"] == "2026-01-01T00:00:01Z"  # the bus has whole seconds
    detail = event["detail"]
    assert detail["bridge"] == {"bus": "kafka", "topic": buses.TOPIC, "partition": 0, "offset": 12}
    assert detail["metadata"] == sent["metadata"]
    assert detail["enrollment"]["user"] == sent["enrollment"]["user"]


def test_an_outage_of_the_bridge_ends_no_hold(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    scene.empty_queues()
    failing, passing = learner.failing(day(10)), learner.passing(day(10, 1))

    bridge(scene, record_of(failing, 0), record_of(passing, 1))  # long after: the hold would have ended
    (first, second) = scene.take("IngestQueue")
    scene.ingest(first)
    scene.ingest(second)

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    assert [item["status"] for item in scene.history(learner)] == ["downloadable"]


def test_bad_records_are_parked_each_with_its_reason_and_hold_up_no_other(scene: Scene, learner: Learner) -> None:
    good = learner.enrolled(day(1))
    headers, value = headers_of(good), wire(good)
    bad = {
        Reason.NOT_AVRO: [
            lambda_record(headers, b"\7" + value[1:]),
            lambda_record(headers, value[:-3]),
            lambda_record(headers, value + b"\0"),
            lambda_record(headers, None),
        ],
        Reason.REPEATED_HEADER: [lambda_record([*headers, ("ce_id", b"another")], value)],
        Reason.MISSING_FIELD: [lambda_record([part for part in headers if part[0] != "ce_id"], value)],
        Reason.UNKNOWN_TYPE: [lambda_record([*headers[:1], ("ce_type", b"x"), *headers[2:]], value)],
        Reason.SOURCE_NOT_TRUSTED: [lambda_record([*headers[:2], ("ce_source", b"marketing"), *headers[3:]], value)],
    }
    records = [record for some in bad.values() for record in some]
    for number, record in enumerate(records):
        record["offset"] = number
    records.insert(4, record_of(good, 99))

    answer = bridge(scene, *records)

    assert (answer["Bridged"], answer["Parked"]) == (1, 8)
    assert {name: count for name, count in answer.items() if name.startswith("parked_")} == {
        f"parked_{reason}": len(some) for reason, some in bad.items()
    }
    assert len(scene.take("IngestQueue")) == 1
    parked = scene.queued("ParkedQueue")
    assert [message.attributes["reason"] for message in parked] == [r for r, some in bad.items() for _ in some]
    assert [message.attributes["message_id"] for message in parked] == [
        f"kafka/{buses.TOPIC}/0/{number}" for number in range(8)
    ]
    assert all(message.attributes["fix"] for message in parked)
    assert parked[-1].attributes["source"] == "marketing"
    assert parked[-1].body["enrollment"]["user"]["id"] == learner.learner_id


def test_names_end_at_the_bridge_in_what_is_carried_and_in_what_is_parked(scene: Scene, learner: Learner) -> None:
    named = learner.enrolled(day(1))
    named["enrollment"]["user"]["pii"] = {"username": "zaphod", "email": "zaphod@example.org", "name": "Zaphod"}
    headers, value = headers_of(named), wire(named)
    untrusted = [*headers[:2], ("ce_source", b"marketing"), *headers[3:]]

    bridge(scene, lambda_record(headers, value), lambda_record(headers, value[:-1]), lambda_record(untrusted, value))

    (carried,), parked = scene.take("IngestQueue"), scene.take("ParkedQueue")
    assert len(parked) == 2
    assert "zaphod" not in json.dumps([carried, parked]).lower()


def test_a_bus_that_takes_not_all_has_all_sent_again_under_the_same_ids(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    records = [record_of(learner.enrolled(day(1))), lambda_record([], b"x")]
    wire.refuse("PutEvents", "enrollment")
    with pytest.raises(Exception, match="PutEvents"):
        bridge(scene, *records)
    assert scene.queued("ParkedQueue") == []  # it is parked when the others are through

    wire.around = lambda _, answer: answer()
    assert bridge(scene, *records)["Bridged"] == 1
    assert bridge(scene, *records)["Bridged"] == 1
    first, second = scene.take("IngestQueue")
    assert first["detail"] == second["detail"]


def test_a_parked_queue_that_does_not_answer_has_all_sent_again(scene: Scene, wire: Wire) -> None:
    wire.refuse("SendMessageBatch", "not_avro")
    with pytest.raises(Exception, match="SendMessageBatch"):
        bridge(scene, lambda_record(headers_of(Learner(1, "course-v1:A+B+C").enrolled(day(1))), b"x"))


def test_a_full_batch_of_large_events_fits_into_requests(scene: Scene, learner: Learner) -> None:
    large = learner.enrolled(day(1))
    large["enrollment"]["course"]["display_name"] = "x" * 60_000
    assert bridge(scene, *(record_of(large, offset) for offset in range(25)))["Bridged"] == 25


def test_the_bytes_of_a_real_bus_go_through(scene: Scene, shared_data: Path) -> None:
    answer = scene.cloud.invoke("BridgeFunction", buses.given_lambda_event(shared_data))
    assert answer == {"Bridged": 2, "Parked": 1, "parked_unknown_type": 1}
    assert len(scene.take("IngestQueue")) == 2
    (parked,) = scene.queued("ParkedQueue")
    assert parked.attributes["message_id"] == "kafka/dev-learning-program-certificate-lifecycle/1/0"


def test_the_sample_of_records_is_carried_and_its_bad_one_parked(scene: Scene) -> None:
    answer = scene.cloud.invoke("BridgeFunction", json.loads(BRIDGED.read_text()))
    assert answer == {"Bridged": 2, "Parked": 1, "parked_not_avro": 1}
    assert json.loads(BRIDGED.read_text()) == buses.sample()
