"""A usual way to ingest the same events: an idempotency table by Powertools, an outbox, one log line an event."""

import itertools
import json
from collections.abc import Sequence
from typing import Any, override

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.counting import Count
from certs.sources.event_builders import Detail

RECORDS, IDEMPOTENCY, OUTBOX = TABLES = ("usual-records", "usual-idempotency", "usual-outbox")
INGEST = "ingest"
MEMORY = 1024
"""MB, as for our own functions."""

_numbers = itertools.count()

PASSED = "org.openedx.learning.course.passing.status.updated.v1"


def make_tables(client: Any) -> None:
    """Make the three tables, each with a key `id`."""
    for name in TABLES:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )


class _Context(LambdaContext):
    """What Lambda passes as `context`, as far as it is looked at."""

    @override
    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 30_000


class Usual:
    """The function that ingests and the one that empties the outbox."""

    def __init__(self, dynamodb: Any, events: Any, bus: str, count: Count) -> None:
        """Take clients of DynamoDB and EventBridge."""
        self._bus = bus
        self._dynamodb = dynamodb
        self._events = events
        self._count = count
        self._logger = Logger(service=f"usual-{next(_numbers)}", stream=count.log)  # one of a name would be shared
        store = DynamoDBPersistenceLayer(table_name=IDEMPOTENCY, boto3_client=dynamodb)
        config = IdempotencyConfig(event_key_jmespath="metadata.id", lambda_context=_Context())
        self._once = idempotent_function(
            self._take, data_keyword_argument="detail", persistence_store=store, config=config
        )

    def ingest(self, details: Sequence[Detail]) -> None:
        """Ingest a batch."""
        with self._count.running(INGEST, MEMORY):
            for detail in details:
                self._once(detail=detail)

    def publish(self) -> None:
        """Put on the bus what is in the outbox, ten rows an invocation, and delete it."""
        rows = self._dynamodb.scan(TableName=OUTBOX)["Items"]
        for start in range(0, len(rows), 10):
            with self._count.running("publish", MEMORY):
                some = rows[start : start + 10]
                entries = [
                    {
                        "EventBusName": self._bus,
                        "Source": "usual",
                        "DetailType": "changed",
                        "Detail": row["detail"]["S"],
                    }
                    for row in some
                ]
                self._events.put_events(Entries=entries)
                for row in some:
                    self._dynamodb.delete_item(TableName=OUTBOX, Key={"id": row["id"]})

    def _take(self, detail: Detail) -> bool:
        event_type = str(detail["metadata"]["event_type"])
        about: Any = next(value for name, value in detail.items() if name != "metadata")
        learner = about.get("user_id") or about["user"]["id"]
        course_run = about.get("course", {}).get("course_key", "")  # an ID verification has none
        key = {"id": {"S": f"{learner}#{course_run}"}}
        found = self._dynamodb.get_item(TableName=RECORDS, Key=key, ConsistentRead=True).get("Item", {})
        facts = json.loads(found.get("facts", {"S": "{}"})["S"])
        passed = event_type == PASSED and event_type not in facts
        facts[event_type] = {"at": str(detail["metadata"]["time"]), "value": about}
        item = {**key, "facts": {"S": json.dumps(facts, default=str)}}
        if passed:
            message = {"id": {"S": str(detail["metadata"]["id"])}, "detail": {"S": json.dumps(detail, default=str)}}
            puts = [{"Put": {"TableName": RECORDS, "Item": item}}, {"Put": {"TableName": OUTBOX, "Item": message}}]
            self._dynamodb.transact_write_items(TransactItems=puts)
        else:
            self._dynamodb.put_item(TableName=RECORDS, Item=item)
        self._logger.info("Event taken in.", event_id=str(detail["metadata"]["id"]), event_type=event_type, record=key)
        return passed
