"""A template that has nothing to do with certificates, in a local cloud."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import LocalCloud

TEMPLATE = Path(__file__).parents[1] / "localcloud" / "cloud_under_test" / "template.yaml"


class Shop:
    """The stack and its customers."""

    def __init__(self, cloud: LocalCloud, log: io.StringIO) -> None:
        self.cloud = cloud
        self.log = log

    def order(self, *orders: dict[str, Any], kind: str = "order.made", source: str = "shop") -> None:
        """Put these orders on the bus."""
        events = self.cloud.client("events")
        bus = self.cloud.physical("Bus")
        entries = [
            {"EventBusName": bus, "Source": source, "DetailType": kind, "Detail": json.dumps(order)} for order in orders
        ]
        for start in range(0, len(entries), 10):
            assert events.put_events(Entries=entries[start : start + 10])["FailedEntryCount"] == 0

    def orders(self) -> set[str]:
        """The ids of all orders that were recorded."""
        client = self.cloud.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self.cloud.physical("OrdersTable"))
        return {item["pk"]["S"] for page in pages for item in page["Items"]}

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Receive what is in a queue, up to ten messages."""
        answer = self.cloud.client("sqs").receive_message(
            QueueUrl=self.cloud.physical(queue),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def send(self, queue: str, *bodies: str, delay: int = 0) -> None:
        """Send messages to a queue."""
        for body in bodies:
            self.cloud.client("sqs").send_message(
                QueueUrl=self.cloud.physical(queue), MessageBody=body, DelaySeconds=delay
            )


@pytest.fixture
def shop() -> Iterator[Shop]:
    """The small stack."""
    log = io.StringIO()
    with LocalCloud(TEMPLATE, {"Stage": "test"}, log=log) as cloud:
        yield Shop(cloud, log)
