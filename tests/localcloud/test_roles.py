"""Roles in the local cloud: a function may do what its role allows it, and no more."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud
from localcloud.roles import Need, needs
from tests.scenes.scene import TEMPLATE


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """The stack, whose functions have roles of their own."""
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        yield cloud


def client_of(cloud: LocalCloud, function: str, service: str) -> Any:
    """Return a client as the function makes it."""
    with cloud.functions[function].running():
        return botocore.session.get_session().create_client(service)


def test_a_function_sends_where_its_role_lets_it_and_nowhere_else(cloud: LocalCloud) -> None:
    sqs = client_of(cloud, "DecideFunction", "sqs")
    sqs.send_message(QueueUrl=cloud.physical("IngestQueue"), MessageBody="{}")
    with pytest.raises(ClientError, match="DecideFunction is not authorized to perform: sqs:SendMessage") as refusal:
        sqs.send_message(QueueUrl=cloud.physical("ParkedQueue"), MessageBody="{}")
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"


def test_an_index_is_allowed_alone(cloud: LocalCloud) -> None:
    dynamodb = client_of(cloud, "DecideFunction", "dynamodb")
    asked = {
        "TableName": cloud.physical("CertificatesTable"),
        "KeyConditionExpression": "r = :r",
        "ExpressionAttributeValues": {":r": {"S": "none"}},
    }
    assert dynamodb.query(**asked, IndexName="learners")["Items"] == []
    with pytest.raises(ClientError, match="/index/invalidated"):
        dynamodb.query(**asked, IndexName="invalidated")


def test_only_a_role_that_may_list_learns_that_an_object_is_missing(cloud: LocalCloud) -> None:
    s3, bucket = client_of(cloud, "PlanFunction", "s3"), cloud.physical("BulkBucket")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="runs/1/course-v1:DemoX+CS101+2026_T1.json")
    with pytest.raises(ClientError, match=r"s3:GetObject on resource: .*reconciliations/1"):
        s3.get_object(Bucket=bucket, Key="reconciliations/1")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="runs/1/")
    with pytest.raises(ClientError, match="s3:ListBucket"):
        s3.list_objects_v2(Bucket=bucket)


def test_whoever_is_no_function_is_not_asked_for_a_role(cloud: LocalCloud) -> None:
    cloud.client("sqs").send_message(QueueUrl=cloud.physical("ParkedQueue"), MessageBody="{}")


@pytest.mark.parametrize(
    ("service", "operation", "asked", "needed"),
    [
        ("dynamodb", "BatchGetItem", {"RequestItems": {"A": {}}}, [Need("dynamodb:BatchGetItem", "table/A")]),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "A"}}, {"ConditionCheck": {"TableName": "B"}}]},
            [Need("dynamodb:ConditionCheckItem", "table/B"), Need("dynamodb:PutItem", "table/A")],
        ),
        ("sqs", "SendMessageBatch", {"QueueUrl": "https://sqs/1/q"}, [Need("sqs:SendMessage", "q")]),
        ("events", "PutEvents", {"Entries": [{"EventBusName": "b"}]}, [Need("events:PutEvents", "event-bus/b")]),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [Need("s3:GetObject", "b/k")]),
        ("stepfunctions", "StartExecution", {"stateMachineArn": "arn"}, [Need("states:StartExecution", "arn")]),
        ("stepfunctions", "SendTaskSuccess", {"taskToken": "t"}, [Need("states:SendTaskSuccess", "")]),
    ],
)
def test_what_a_call_needs(service: str, operation: str, asked: dict[str, Any], needed: list[Need]) -> None:
    assert list(needs(service, operation, asked)) == needed
