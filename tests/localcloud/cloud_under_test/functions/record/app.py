"""Orders from the queue into the tables: one read for the batch, one write for each new order."""

import json
import os
from typing import Any

import boto3
from shared import FUNCTION_AT_IMPORT, STAGE_AT_IMPORT  # type: ignore[import-not-found] # the layer

ORDERS = os.environ["ORDERS_TABLE"]
JOURNAL = os.environ["JOURNAL_TABLE"]
dynamodb = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the messages to retry: those of orders that ask to fail."""
    if "Records" not in event:
        return {
            "stage": STAGE_AT_IMPORT,
            "function": FUNCTION_AT_IMPORT,
            "greeting": os.environ["GREETING"],
            "arn": context.invoked_function_arn,
            "request": context.aws_request_id,
            "remaining": context.get_remaining_time_in_millis(),
        }
    orders = {r["messageId"]: json.loads(r["body"])["detail"] for r in event["Records"]}
    if any(order.get("crash") for order in orders.values()):
        raise RuntimeError("crashed")
    keys = {order["id"]: {"pk": {"S": order["id"]}, "sk": {"S": "order"}} for order in orders.values()}
    answer = dynamodb.batch_get_item(RequestItems={ORDERS: {"Keys": list(keys.values())}})
    known = {item["pk"]["S"] for item in answer["Responses"][ORDERS]}
    failures = []
    for message, order in orders.items():
        if order.get("fail"):
            failures.append({"itemIdentifier": message})
        elif order["id"] not in known:
            write(order)
            known.add(order["id"])
    return {"batchItemFailures": failures}


def write(order: dict[str, Any]) -> None:
    """Save the order; one with a journal entry in the same transaction."""
    attributes = {
        "n": {"N": str(order.get("n", 0))},
        "shelf": {"S": order.get("shelf", "a")},
        "due": {"N": "1"},
    }
    item = {"pk": {"S": order["id"]}, "sk": {"S": "order"}, **attributes}
    if "journal" not in order:
        dynamodb.put_item(TableName=ORDERS, Item=item, ConditionExpression="attribute_not_exists(pk)")
        return
    entry = {"id": {"S": order["id"]}, "says": {"S": order["journal"]}}
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": ORDERS, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}},
            {"Put": {"TableName": JOURNAL, "Item": entry}},
        ]
    )
