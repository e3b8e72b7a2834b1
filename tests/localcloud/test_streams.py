"""Table -> stream -> function, in order, with retries, splitting and the on-failure destination."""

import json
from typing import Any

import pytest

from localcloud import DeliveryCounts, LocalCloud
from tests.scenes.shop import TEMPLATE, Shop


def write(shop: Shop, *entries: tuple[str, str]) -> None:
    table = shop.cloud.physical("JournalTable")
    client = shop.cloud.client("dynamodb")
    for entry, shows in entries:
        client.put_item(TableName=table, Item={"id": {"S": entry}, "says": {"S": shows}})


def announced(shop: Shop) -> list[str]:
    lines = shop.log.getvalue().splitlines()
    return [name for line in lines if line.startswith("announced ") for name in line.split()[1:]]


def test_records_arrive_in_order_and_in_batches(shop: Shop) -> None:
    write(shop, *((f"e{n}", "x") for n in range(20)))

    deliveries = shop.cloud.deliver()

    assert deliveries["AnnounceFunction"] == DeliveryCounts(invocations=3, records=20)
    assert announced(shop) == [f"e{n}" for n in range(20)]


def test_a_record_carries_both_images_and_its_keys(shop: Shop) -> None:
    write(shop, ("e", "before"), ("e", "after"))
    shop.cloud.client("dynamodb").delete_item(TableName=shop.cloud.physical("JournalTable"), Key={"id": {"S": "e"}})

    inserted, modified, removed = stream_records(shop)

    assert [r["eventName"] for r in (inserted, modified, removed)] == ["INSERT", "MODIFY", "REMOVE"]
    assert "OldImage" not in inserted["dynamodb"]
    assert modified["dynamodb"]["OldImage"]["says"] == {"S": "before"}
    assert modified["dynamodb"]["NewImage"]["says"] == {"S": "after"}
    assert modified["dynamodb"]["Keys"] == {"id": {"S": "e"}}
    assert "NewImage" not in removed["dynamodb"]


def test_binary_values_reach_the_function_as_base64(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("JournalTable")
    item = {"id": {"S": "e"}, "says": {"S": "x"}, "b": {"B": b"\x00"}, "l": {"L": [{"B": b"\xff"}]}}
    client.put_item(TableName=table, Item=item)

    (source,) = (s for s in shop.cloud.sources if "dynamodb" in s.mapping.source_arn)
    deliveries = shop.cloud.deliver()

    assert deliveries.errors == []
    assert source.mapping.function.modules["app"].seen[-1]["b"] == {"B": "AA=="}
    assert source.mapping.function.modules["app"].seen[-1]["l"] == {"L": [{"B": "/w=="}]}


def test_a_write_that_changes_nothing_leaves_no_record(shop: Shop) -> None:
    write(shop, ("e", "same"), ("e", "same"))

    assert len(stream_records(shop)) == 1


def test_an_update_that_creates_an_item_leaves_one_record(shop: Shop) -> None:
    shop.cloud.client("dynamodb").update_item(
        TableName=shop.cloud.physical("JournalTable"),
        Key={"id": {"S": "e"}},
        UpdateExpression="SET says = :s",
        ExpressionAttributeValues={":s": {"S": "x"}},
    )

    (record,) = stream_records(shop)
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "e"}, "says": {"S": "x"}}


def test_a_function_that_names_a_record_gets_it_and_what_follows_again(shop: Shop) -> None:
    write(shop, ("1", "x"), ("2", "poison"), ("3", "x"))

    deliveries = shop.cloud.deliver()

    # 1 2 3 -> 2 3 -> split: 2, five times; then 3
    assert deliveries["AnnounceFunction"] == DeliveryCounts(invocations=8, records=11, failed=7, dead_lettered=1)
    assert announced(shop) == ["1", "3"]


def test_an_exception_splits_the_batch_until_the_culprit_is_alone(shop: Shop) -> None:
    write(shop, *((str(n), "crash" if n == 5 else "x") for n in range(8)))

    deliveries = shop.cloud.deliver()

    assert announced(shop) == ["0", "1", "2", "3", "4", "6", "7"]
    assert deliveries["AnnounceFunction"].dead_lettered == 1


def test_the_on_failure_destination_learns_which_records_were_given_up(shop: Shop) -> None:
    write(shop, ("1", "poison"))

    shop.cloud.deliver()

    (message,) = shop.messages("AnnounceDeadLetters")
    reported = json.loads(message["Body"])
    assert reported["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert reported["requestContext"]["approximateInvokeCount"] == 5  # once, and four retries
    assert reported["DDBStreamBatchInfo"]["batchSize"] == 1
    (record,) = stream_records(shop)
    assert reported["DDBStreamBatchInfo"]["startSequenceNumber"] == record["dynamodb"]["SequenceNumber"]


def test_what_a_stream_function_publishes_is_on_the_bus(shop: Shop) -> None:
    events = shop.cloud.client("events")
    bus, queue = shop.cloud.physical("Bus"), shop.cloud.physical("UndeliverableQueue")
    arn = shop.cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events.put_rule(Name="written", EventBusName=bus, EventPattern='{"source": ["journal"]}')
    events.put_targets(Rule="written", EventBusName=bus, Targets=[{"Id": "q", "Arn": arn["Attributes"]["QueueArn"]}])
    write(shop, ("e", "x"))

    shop.cloud.deliver()

    (message,) = shop.messages("UndeliverableQueue")
    assert json.loads(message["Body"])["detail-type"] == "entry.written"


def test_a_change_in_a_failed_transaction_is_not_on_the_stream(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("JournalTable")
    put = {"Put": {"TableName": table, "Item": {"id": {"S": "new"}}}}
    refused = {
        "ConditionCheck": {
            "TableName": table,
            "Key": {"id": {"S": "missing"}},
            "ConditionExpression": "attribute_exists(id)",
        }
    }

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[put, refused])

    assert stream_records(shop) == []


def test_without_a_limit_of_retries_a_failure_blocks_its_shard_until_the_next_delivery(shop: Shop) -> None:
    (source,) = (s for s in shop.cloud.sources if "dynamodb" in s.mapping.source_arn)
    source.mapping.properties["MaximumRetryAttempts"] = -1
    write(shop, ("1", "poison"), ("2", "x"))

    first, second = shop.cloud.deliver(), shop.cloud.deliver()

    assert first["AnnounceFunction"].dead_lettered == 0
    assert second["AnnounceFunction"] == DeliveryCounts(invocations=1, records=1, failed=1)
    assert announced(shop) == []


def test_streams_of_dynamodb_local_are_delivered(dynamodb_local: str) -> None:
    with LocalCloud(TEMPLATE, dynamodb_endpoint=dynamodb_local) as cloud:
        client = cloud.client("dynamodb")
        assert client.meta.endpoint_url == dynamodb_local
        order = {"detail": {"id": "o1", "journal": "x"}}
        cloud.client("sqs").send_message(QueueUrl=cloud.physical("OrderQueue"), MessageBody=json.dumps(order))

        deliveries = cloud.deliver()

        assert deliveries.errors == []
        assert deliveries["RecordFunction"] == DeliveryCounts(invocations=1, records=1)
        assert deliveries["AnnounceFunction"] == DeliveryCounts(invocations=1, records=1)
        assert client.scan(TableName=cloud.physical("OrdersTable"))["Count"] == 1


def stream_records(shop: Shop) -> list[dict[str, Any]]:
    """Read the journal's stream through the API."""
    streams = shop.cloud.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName=shop.cloud.physical("JournalTable"))["Streams"]
    description = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]
    (shard,) = description["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records: list[dict[str, Any]] = streams.get_records(ShardIterator=iterator)["Records"]
    return records
