"""Tables in this process behave as DynamoDB's own engine does, also under threads and when they are large."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud
from tests.scenes.shop import TEMPLATE, Shop

Json = dict[str, Any]

KEY = {"pk": {"S": "a"}, "sk": {"S": "1"}}
OTHER_KEY = {"pk": {"S": "b"}, "sk": {"S": "1"}}
NEW_KEY = {"pk": {"S": "new"}, "sk": {"S": "1"}}
ABSENT = "attribute_not_exists(pk)"
PRESENT = "attribute_exists(pk)"


def put(key: Json, **more: Any) -> Json:
    return {"Put": {"Item": key | {"n": {"N": "7"}}, **more}}


def update(key: Json, expression: str = "SET n = n + :one", **more: Any) -> Json:
    values = {":one": {"N": "1"}}
    return {"Update": {"Key": key, "UpdateExpression": expression, "ExpressionAttributeValues": values, **more}}


def delete(key: Json, **more: Any) -> Json:
    return {"Delete": {"Key": key, **more}}


def see(key: Json, condition: str, **more: Any) -> Json:
    return {"ConditionCheck": {"Key": key, "ConditionExpression": condition, **more}}


SHOWN = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

TRANSACTIONS: dict[str, list[Json]] = {
    "puts and updates together": [put(NEW_KEY), update(KEY)],
    "a put over an item": [put(KEY)],
    "a delete of an item, and of nothing": [delete(KEY), delete(NEW_KEY)],
    "an update that creates": [update(NEW_KEY, "SET m = :one")],
    "conditions that hold": [put(NEW_KEY, ConditionExpression=ABSENT), see(OTHER_KEY, PRESENT)],
    "a refused put": [put(KEY, ConditionExpression=ABSENT), update(OTHER_KEY)],
    "a refused put that shows what is there": [put(KEY, ConditionExpression=ABSENT, **SHOWN)],
    "a refused put that has nothing to show": [put(NEW_KEY, ConditionExpression=PRESENT, **SHOWN)],
    "a refused update after a good put": [put(NEW_KEY), update(KEY, ConditionExpression=ABSENT, **SHOWN)],
    "a refused delete": [
        update(OTHER_KEY),
        delete(KEY, ConditionExpression="n > :n", ExpressionAttributeValues={":n": {"N": "9"}}),
    ],
    "a refused look": [put(NEW_KEY), see(KEY, ABSENT, **SHOWN)],
    "two refusals and one that would do": [see(KEY, ABSENT), put(NEW_KEY), see(NEW_KEY, PRESENT)],
    "the same item twice": [put(KEY), delete(KEY)],
    "an update of what isn't a number": [put(NEW_KEY), update(KEY, "SET word = word + :one")],
    "an update of what isn't there": [put(NEW_KEY), update(OTHER_KEY, "SET m = missing + :one")],
    "a put without its whole key": [put({"pk": {"S": "a"}}), update(OTHER_KEY)],
    "a delete without its whole key": [delete({"pk": {"S": "a"}}), update(OTHER_KEY)],
    "a key of the wrong type": [update(OTHER_KEY), put({"pk": {"N": "1"}, "sk": {"S": "1"}})],
    "an update of a key": [update(OTHER_KEY, "SET sk = :one")],
    "an expression that can't be read": [update(OTHER_KEY, "SOME n = :one")],
    "an index's key of the wrong type": [update(OTHER_KEY), put(NEW_KEY | {"due": {"S": "soon"}})],
}


@pytest.fixture(scope="module")
def outcomes(dynamodb_local: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """What every transaction comes to here, and in DynamoDB's own engine."""

    def everywhere(endpoint: str | None) -> dict[str, Json]:
        with LocalCloud(TEMPLATE, dynamodb_endpoint=endpoint) as cloud:
            return {name: outcome(cloud, transaction) for name, transaction in TRANSACTIONS.items()}

    return everywhere(None), everywhere(dynamodb_local)


@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_a_transaction_ends_as_in_dynamodb_itself(
    outcomes: tuple[dict[str, Json], dict[str, Json]], transaction: str
) -> None:
    ours, theirs = outcomes
    assert ours[transaction] == theirs[transaction]


def outcome(cloud: LocalCloud, transaction: list[Json]) -> Json:
    """Run the transaction on a table of two items; return what it answers and what is there afterwards."""
    client, table = cloud.client("dynamodb"), cloud.physical("OrdersTable")
    for item in client.scan(TableName=table, ConsistentRead=True)["Items"]:
        client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    for key in (KEY, OTHER_KEY):
        client.put_item(TableName=table, Item=key | {"n": {"N": "1"}, "word": {"S": "w"}})
    request = [{kind: part | {"TableName": table}} for op in transaction for kind, part in op.items()]
    answer: Json = {"code": None}
    try:
        client.transact_write_items(TransactItems=request)
    except ClientError as error:
        answer["code"] = error.response["Error"]["Code"]
        answer["reasons"] = [
            {name: value for name, value in reason.items() if name != "Message"}
            for reason in error.response.get("CancellationReasons", [])
        ]
    items = client.scan(TableName=table, ConsistentRead=True)["Items"]
    return answer | {"items": sorted(items, key=lambda item: str(item["pk"]))}


def in_threads(work: Callable[[int], object], times: int) -> list[object]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, range(times)))


def test_of_many_that_put_the_same_item_if_absent_one_wins(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")

    def win(number: int) -> bool:
        try:
            client.put_item(TableName=table, Item=KEY | {"n": {"N": str(number)}}, ConditionExpression=ABSENT)
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    assert sum(map(bool, in_threads(win, 40))) == 1


def test_no_update_is_lost_under_threads(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")

    def add(_: int) -> None:
        client.update_item(
            TableName=table,
            Key=KEY,
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    in_threads(add, 80)

    assert client.get_item(TableName=table, Key=KEY)["Item"]["n"] == {"N": "80"}


def test_of_racing_transactions_on_one_version_one_wins(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")
    client.put_item(TableName=table, Item=KEY | {"n": {"N": "1"}})

    def win(number: int) -> bool:
        own = {"pk": {"S": f"won-{number}"}, "sk": {"S": "1"}}
        guarded = update(KEY, ConditionExpression="n = :one")
        request = [{k: p | {"TableName": table}} for op in (put(own), guarded) for k, p in op.items()]
        try:
            client.transact_write_items(TransactItems=request)
        except client.exceptions.TransactionCanceledException:
            return False
        return True

    assert sum(map(bool, in_threads(win, 40))) == 1
    assert client.scan(TableName=table)["Count"] == 2


def test_an_update_that_fails_half_way_leaves_the_item_as_it_was(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")
    with pytest.raises(ClientError):
        client.update_item(
            TableName=table,
            Key=NEW_KEY,
            UpdateExpression="SET n = missing + :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    assert client.scan(TableName=table)["Count"] == 0


def test_an_index_follows_every_kind_of_write(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")

    def on_shelf(shelf: str) -> list[str]:
        found = client.query(
            TableName=table,
            IndexName="by-shelf",
            KeyConditionExpression="shelf = :s AND due < :t",
            ExpressionAttributeValues={":s": {"S": shelf}, ":t": {"N": "10"}},
        )
        return [item["pk"]["S"] for item in found["Items"]]

    def shelve(name: str, shelf: str, due: int) -> None:
        item = {"pk": {"S": name}, "sk": {"S": "1"}, "shelf": {"S": shelf}, "due": {"N": str(due)}}
        client.put_item(TableName=table, Item=item)

    shelve("early", "a", 1)
    assert on_shelf("a") == ["early"]  # the index exists from here on
    shelve("earlier", "a", 0)
    shelve("late", "a", 11)
    shelve("elsewhere", "b", 1)
    client.put_item(TableName=table, Item={"pk": {"S": "bare"}, "sk": {"S": "1"}, "shelf": {"S": "a"}})
    assert on_shelf("a") == ["earlier", "early"]

    shelve("early", "b", 2)
    client.update_item(
        TableName=table,
        Key={"pk": {"S": "late"}, "sk": {"S": "1"}},
        UpdateExpression="SET due = :t",
        ExpressionAttributeValues={":t": {"N": "5"}},
    )
    client.delete_item(TableName=table, Key={"pk": {"S": "earlier"}, "sk": {"S": "1"}})
    assert on_shelf("a") == ["late"]
    assert on_shelf("b") == ["elsewhere", "early"]


def test_a_query_returns_its_partition_in_the_order_of_the_sort_key(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")
    for partition, sort in (("a", "2"), ("b", "1"), ("a", "1"), ("a", "3")):
        client.put_item(TableName=table, Item={"pk": {"S": partition}, "sk": {"S": sort}})

    def page(**more: Any) -> Json:
        answer: Json = client.query(
            TableName=table,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "a"}},
            Limit=2,
            **more,
        )
        return answer

    first = page()
    second = page(ExclusiveStartKey=first["LastEvaluatedKey"])

    assert [item["sk"]["S"] for item in first["Items"] + second["Items"]] == ["1", "2", "3"]
    assert "LastEvaluatedKey" not in second


def test_binary_values_come_back_as_they_went_in(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")
    item = KEY | {"bytes": {"B": b"\x00\xff"}, "more": {"L": [{"B": b"x"}, {"NULL": True}, {"BOOL": False}]}}
    client.put_item(TableName=table, Item=item)

    assert client.get_item(TableName=table, Key=KEY)["Item"] == item


def test_an_item_that_is_too_large_is_refused(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")
    with pytest.raises(ClientError, match="size"):
        client.put_item(TableName=table, Item=KEY | {"x": {"S": "x" * 250_000}, "y": {"S": "y" * 250_000}})


def test_protection_recovery_and_expiry_are_as_in_the_template(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")

    assert client.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
    backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["AttributeName"] == "gone"


def test_the_cost_of_a_request_does_not_grow_with_the_table(shop: Shop) -> None:
    client, table = shop.cloud.client("dynamodb"), shop.cloud.physical("OrdersTable")

    def fill(items: int) -> None:
        for start in range(0, items, 25):
            puts = [
                {"PutRequest": {"Item": {"pk": {"S": uuid.uuid4().hex}, "sk": {"S": "1"}}}}
                for _ in range(start, start + 25)
            ]
            client.batch_write_item(RequestItems={table: puts})

    def cost() -> float:
        before = time.process_time()
        for number in range(50):
            own = {"pk": {"S": f"own-{number}"}, "sk": {"S": "1"}}
            client.transact_write_items(TransactItems=[{"Put": put(own)["Put"] | {"TableName": table}}])
            client.query(
                TableName=table,
                KeyConditionExpression="pk = :p",
                ExpressionAttributeValues={":p": {"S": "own-1"}},
            )
        return time.process_time() - before

    fill(100)
    small = cost()
    fill(2_500)

    assert cost() < 3 * small  # moto alone: about fifty times
