"""Bus -> rule -> queue -> function, with partial failures, redelivery and dead-letter queues."""

import itertools
import json

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.utils import unix_time_millis
from moto.dynamodb.models import dynamodb_backends

from localcloud import DeliveryCounts
from tests.scenes.shop import Shop


def test_events_that_match_the_rule_reach_the_function_in_batches(shop: Shop) -> None:
    shop.order(*({"id": f"o{n}"} for n in range(25)))
    shop.order({"id": "other-kind"}, kind="parcel.sent")
    shop.order({"id": "other-source"}, source="elsewhere")

    deliveries = shop.cloud.deliver()

    assert deliveries.idle
    assert deliveries["RecordFunction"] == DeliveryCounts(invocations=3, records=25)
    assert shop.orders() == {f"o{n}" for n in range(25)}


def test_an_event_arrives_as_eventbridge_writes_it(shop: Shop) -> None:
    shop.order({"id": "o1", "nested": {"a": [1, None, "é"]}})

    (message,) = shop.messages("OrderQueue")

    event = json.loads(message["Body"])
    assert event.keys() == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert event["detail"] == {"id": "o1", "nested": {"a": [1, None, "é"]}}
    assert event["account"] == "123456789012"
    assert event["region"] == "eu-west-1"
    assert event["time"].endswith("Z")


def test_only_the_messages_named_in_the_answer_are_delivered_again(shop: Shop) -> None:
    shop.order({"id": "good"}, {"id": "bad", "fail": True}, {"id": "good too"})

    deliveries = shop.cloud.deliver()

    assert shop.orders() == {"good", "good too"}
    assert deliveries["RecordFunction"] == DeliveryCounts(invocations=3, records=5, failed=3, dead_lettered=1)
    assert [json.loads(m["Body"])["detail"]["id"] for m in shop.messages("OrderDeadLetters")] == ["bad"]


def test_an_exception_fails_the_whole_batch(shop: Shop) -> None:
    shop.order({"id": "good"}, {"id": "bad", "crash": True})

    deliveries = shop.cloud.deliver()

    assert shop.orders() == set()
    assert deliveries["RecordFunction"] == DeliveryCounts(invocations=3, records=6, failed=6, dead_lettered=2)
    assert len(shop.messages("OrderDeadLetters")) == 2
    assert "RuntimeError: crashed" in deliveries.errors[0]
    assert "RuntimeError: crashed" in shop.log.getvalue()


def test_the_receive_count_shows_the_function_how_often_a_message_was_tried(shop: Shop) -> None:
    shop.order({"id": "bad", "fail": True})
    shop.cloud.deliver()

    (message,) = shop.messages("OrderDeadLetters")

    assert message["Attributes"]["ApproximateReceiveCount"] == "4"  # three tries, and this one


def test_without_a_dead_letter_queue_a_failed_message_waits_for_the_next_delivery(shop: Shop) -> None:
    shop.send("SideQueue", "bad", "fine")

    first = shop.cloud.deliver()
    second = shop.cloud.deliver()

    # Without ReportBatchItemFailures, one bad message keeps the other from being deleted.
    assert first["ShakyFunction"] == DeliveryCounts(invocations=1, records=2, failed=2)
    assert second["ShakyFunction"] == first["ShakyFunction"]


def test_a_delayed_message_is_left_until_it_is_due(shop: Shop) -> None:
    shop.send("SideQueue", "fine", delay=600)

    assert shop.cloud.deliver()["ShakyFunction"].invocations == 0
    assert shop.cloud.deliver(delayed=True)["ShakyFunction"].records == 1


def test_a_received_message_is_hidden_from_others_and_shown_again_on_demand(shop: Shop) -> None:
    shop.send("UndeliverableQueue", "one")
    (message,) = shop.messages("UndeliverableQueue")
    assert shop.messages("UndeliverableQueue") == []

    shop.cloud.client("sqs").change_message_visibility(
        QueueUrl=shop.cloud.physical("UndeliverableQueue"),
        ReceiptHandle=message["ReceiptHandle"],
        VisibilityTimeout=0,
    )

    assert [again["MessageId"] for again in shop.messages("UndeliverableQueue")] == [message["MessageId"]]


def test_a_deleted_message_is_gone_and_deleting_it_again_is_fine(shop: Shop) -> None:
    sqs, url = shop.cloud.client("sqs"), shop.cloud.physical("UndeliverableQueue")
    shop.send("UndeliverableQueue", "one", "two")
    (message, _) = shop.messages("UndeliverableQueue")

    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "0"
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"
    with pytest.raises(ClientError, match="receipt handle"):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="unheard of")


def go_on_at_each_look(monkeypatch: pytest.MonkeyPatch, milliseconds: float) -> None:
    """Have the clock of queues go on whenever one looks at it, as on a busy machine."""
    reading = itertools.count(unix_time_millis(), milliseconds)
    for module in ("localcloud.queues", "moto.sqs.models"):
        monkeypatch.setattr(f"{module}.unix_time_millis", lambda: next(reading))


@pytest.mark.parametrize("milliseconds", [0.5, 1, 2, 700])
def test_a_message_that_is_only_looked_at_stays_however_slow_the_machine_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, milliseconds: float
) -> None:
    shop.send("UndeliverableQueue", "one", "two")
    sqs, url = shop.cloud.client("sqs"), shop.cloud.physical("UndeliverableQueue")
    go_on_at_each_look(monkeypatch, milliseconds)
    for _ in range(5):
        seen = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1)
        assert {message["Body"] for message in seen["Messages"]} == {"one", "two"}


def test_each_message_is_in_one_count_at_whatever_instant_one_looks(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send("UndeliverableQueue", "received", "ready")
    shop.send("UndeliverableQueue", "delayed", delay=60)
    sqs, url = shop.cloud.client("sqs"), shop.cloud.physical("UndeliverableQueue")
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=60)
    go_on_at_each_look(monkeypatch, 700)

    seen: list[list[int]] = []
    while not seen or seen[-1] != [3, 0, 0]:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        seen.append([int(found[f"ApproximateNumberOfMessages{which}"]) for which in ("", "Delayed", "NotVisible")])

    assert seen[0] == [1, 1, 1]
    assert {sum(counts) for counts in seen} == {3}


def test_a_purged_queue_is_empty(shop: Shop) -> None:
    shop.send("UndeliverableQueue", "one")
    shop.cloud.client("sqs").purge_queue(QueueUrl=shop.cloud.physical("UndeliverableQueue"))

    assert shop.messages("UndeliverableQueue") == []


def test_an_event_that_the_target_does_not_take_goes_to_the_targets_dead_letter_queue(shop: Shop) -> None:
    sqs = shop.cloud.client("sqs")
    sqs.delete_queue(QueueUrl=shop.cloud.physical("OrderQueue"))

    shop.order({"id": "o1"})

    (message,) = shop.messages("UndeliverableQueue")
    assert json.loads(message["Body"])["detail"] == {"id": "o1"}
    reasons = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert reasons.keys() == {"RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"}
    assert "NonExistentQueue" in reasons["ERROR_CODE"]


def test_a_disabled_rule_sends_nothing(shop: Shop) -> None:
    events = shop.cloud.client("events")
    (rule,) = events.list_rules(EventBusName=shop.cloud.physical("Bus"), NamePrefix="local-OrderRule")["Rules"]
    events.disable_rule(Name=rule["Name"], EventBusName=shop.cloud.physical("Bus"))

    shop.order({"id": "o1"})

    assert shop.messages("OrderQueue") == []


def test_delivery_stops_when_its_time_is_up_and_goes_on_later(shop: Shop) -> None:
    shop.order({"id": "o1"})

    stopped = shop.cloud.deliver(max_seconds=-1)
    seen: list[int] = []
    finished = shop.cloud.deliver(on_progress=lambda d: seen.append(d["RecordFunction"].records))

    assert (stopped.idle, finished.idle) == (False, True)
    assert max(seen) == 1
    assert shop.orders() == {"o1"}


def test_nothing_is_left_of_a_cloud_and_moto_is_itself_again(shop: Shop) -> None:
    assert type(dynamodb_backends["123456789012"]["eu-west-1"]).__name__ == "LocalDynamoDB"
    shop.cloud.__exit__()
    try:
        assert dynamodb_backends.backend.__name__ == "DynamoDBBackend"
        assert boto3.client("sqs").meta.endpoint_url == "https://sqs.eu-west-1.amazonaws.com"
    finally:
        shop.cloud.__enter__()
