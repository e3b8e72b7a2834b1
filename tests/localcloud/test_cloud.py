"""The stack of a SAM template in one process: what it makes of the template, and how its functions run."""

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from localcloud import LocalCloud, UnsupportedTemplateError
from tests.scenes.shop import TEMPLATE, Shop


def test_ref_gives_names_urls_and_outputs(shop: Shop) -> None:
    cloud = shop.cloud

    assert cloud.physical("Bus") == cloud.outputs["BusName"] == "local-events"
    assert cloud.physical("OrderQueue").startswith("https://sqs.eu-west-1.amazonaws.com/")
    assert cloud.outputs["OrderQueueUrl"] == cloud.physical("OrderQueue")
    assert cloud.outputs["RecordFunctionArn"].endswith(":function:" + cloud.physical("RecordFunction"))


def test_what_moto_cannot_create_is_named_with_the_reason(shop: Shop) -> None:
    assert shop.cloud.left_out == {
        "OrderQueuePolicy": "moto creates no AWS::SQS::QueuePolicy",
        "OrderDeadLettersAlarm": "moto creates no AWS::CloudWatch::Alarm",
    }


def test_a_function_has_the_environment_that_the_template_gives_it(shop: Shop) -> None:
    environment = shop.cloud.environment("RecordFunction")

    assert environment["STAGE"] == "test"  # given
    assert environment["GREETING"] == "hello"  # default
    assert environment["PROD"] == "no"  # condition
    assert environment["ORDERS_TABLE"] == shop.cloud.physical("OrdersTable")
    assert environment["QUEUE_URL"] == shop.cloud.physical("OrderQueue")


def test_parameters_decide_conditions() -> None:
    with LocalCloud(TEMPLATE, {"Stage": "prod"}) as cloud:
        assert cloud.environment("RecordFunction")["PROD"] == "yes"
        assert cloud.physical("ProdOnlyQueue")


def test_a_function_is_invoked_as_lambda_does(shop: Shop) -> None:
    answer = shop.cloud.invoke("RecordFunction", {})

    assert answer["stage"] == "test"  # read when the layer was imported
    assert answer["function"] == shop.cloud.physical("RecordFunction")
    assert answer["arn"] == shop.cloud.outputs["RecordFunctionArn"]
    assert 25_000 < answer["remaining"] <= 30_000
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["request"])


def test_what_a_handler_raises_is_raised(shop: Shop) -> None:
    with pytest.raises(ValueError, match="m1"):
        shop.cloud.invoke("ShakyFunction", {"Records": [{"body": "bad", "messageId": "m1"}]})


def test_lambdas_own_api_runs_the_function_too(shop: Shop) -> None:
    client, name = shop.cloud.client("lambda"), shop.cloud.physical("ShakyFunction")

    fine = client.invoke(FunctionName=name, Payload=b'{"Records": []}')
    failed = client.invoke(FunctionName=name, Payload=b'{"Records": [{"body": "bad", "messageId": "m1"}]}')

    assert json.load(fine["Payload"]) is None
    assert failed["FunctionError"] == "Unhandled"
    assert json.load(failed["Payload"]) == {"errorMessage": "m1", "errorType": "ValueError"}


def test_functions_of_the_same_file_name_and_the_layer_are_each_their_own(shop: Shop) -> None:
    shop.cloud.invoke("RecordFunction", {})
    shop.cloud.invoke("ShakyFunction", {"Records": []})

    record, shaky = (shop.cloud.functions[name].modules for name in ("RecordFunction", "ShakyFunction"))
    assert record["app"] is not shaky["app"]
    assert shop.cloud.physical("RecordFunction") == record["shared"].FUNCTION_AT_IMPORT
    assert "app" not in sys.modules
    assert "shared" not in sys.modules


def test_a_function_keeps_its_modules_as_a_warm_container_does(shop: Shop) -> None:
    shop.cloud.invoke("RecordFunction", {})
    before = shop.cloud.functions["RecordFunction"].modules["app"]
    shop.cloud.invoke("RecordFunction", {})

    assert shop.cloud.functions["RecordFunction"].modules["app"] is before


def test_the_process_keeps_its_own_environment_and_modules() -> None:
    environment, path = dict(os.environ), sys.path.copy()
    with LocalCloud(TEMPLATE) as cloud:
        cloud.invoke("RecordFunction", {})
        assert "GREETING" not in os.environ
        assert sys.path == path

    assert dict(os.environ) == environment


def test_each_cloud_starts_again() -> None:
    for _ in range(2):
        with LocalCloud(TEMPLATE) as cloud:
            table = cloud.physical("OrdersTable")
            assert cloud.client("dynamodb").scan(TableName=table)["Count"] == 0
            cloud.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}, "sk": {"S": "1"}})


def test_each_schedule_fires_once_with_its_time(shop: Shop) -> None:
    shop.cloud.run_schedules(at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC))

    # ScheduleV2 with an input of its own, and a rule's schedule with EventBridge's event
    bodies = [json.loads(message["Body"]) for message in shop.messages("OrderQueue")]
    assert bodies == [{"detail": {"id": "swept-2026-03-01T12:00:00Z"}}] * 2


def test_another_client_sees_the_same_cloud_over_http(shop: Shop) -> None:
    endpoint = shop.cloud.serve(0, host="127.0.0.1")

    def client(service: str) -> object:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint,
            region_name="eu-west-1",
            config=Config(retries={"max_attempts": 0}),
        )

    client("dynamodb").put_item(  # type: ignore[attr-defined]
        TableName=shop.cloud.physical("OrdersTable"), Item={"pk": {"S": "remote"}, "sk": {"S": "1"}}
    )
    client("sqs").send_message(  # type: ignore[attr-defined]
        QueueUrl=shop.cloud.physical("OrderQueue"), MessageBody=json.dumps({"detail": {"id": "sent"}})
    )
    client("events").put_events(  # type: ignore[attr-defined]
        Entries=[
            {
                "EventBusName": shop.cloud.physical("Bus"),
                "Source": "shop",
                "DetailType": "order.made",
                "Detail": '{"id": "put"}',
            }
        ]
    )
    shop.cloud.deliver()

    assert shop.orders() == {"remote", "sent", "put"}


@pytest.mark.parametrize(
    ("resource", "complaint"),
    [
        ("Type: AWS::Pipes::Pipe", "AWS::Pipes::Pipe isn't delivered"),
        (
            """Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: f, EventSourceArn: a, FilterCriteria: {Filters: []}}""",
            "FilterCriteria isn't honoured",
        ),
        (
            """Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [a]}
      Targets: [{Id: t, Arn: "arn:aws:sqs:eu-west-1:1:q", InputPath: $.detail}]""",
            "InputPath isn't honoured",
        ),
        (
            """Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [aws.states]}""",
            "no service of AWS puts events",
        ),
        (
            """Type: AWS::Serverless::StateMachine
    Properties: {Definition: {StartAt: A, States: {A: {Type: Pass, End: true}}}}""",
            "Thing: give the definition as a file",
        ),
        (
            """Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: a.asl.json, Type: EXPRESS}""",
            "Thing: only machines of type STANDARD",
        ),
        (
            """Type: AWS::S3::Bucket
    Properties: {NotificationConfiguration: {EventBridgeConfiguration: {}}}""",
            "a bucket sends no events",
        ),
        (
            """Type: AWS::SQS::Queue
    Properties: {Tags: [{Key: k, Value: !Ref Alarm}]}
  Alarm:
    Type: AWS::CloudWatch::Alarm""",
            "needs Alarm",
        ),
    ],
)
def test_a_template_that_could_not_be_delivered_is_refused(tmp_path: Path, resource: str, complaint: str) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:\n  Thing:\n    {resource}\n")

    with pytest.raises(UnsupportedTemplateError, match=complaint), LocalCloud(template):
        pass
