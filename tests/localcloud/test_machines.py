"""State machines and buckets: executions run as in the cloud, with the real functions, and without waiting."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

from localcloud import Execution, LocalCloud, UnsupportedTemplateError
from localcloud.replacements import ENVIRONMENT
from tests.scenes.shop import TEMPLATE, Shop

Json = dict[str, Any]


def stocktake(*things: str, together: int = 2, hours: int = 0, patience: int = 0) -> Json:
    """What to count, how many at a time, how long to rest, and how many seconds to wait for an answer."""
    return {"things": list(things), "together": together, "hours": hours, "patience": patience}


def start(shop: Shop, name: str, reported: Json) -> str:
    """Start a stocktake; nothing of it runs before the next delivery."""
    arn = shop.cloud.physical("StocktakeMachine")
    started = shop.cloud.client("stepfunctions").start_execution(
        stateMachineArn=arn, name=name, input=json.dumps(reported)
    )
    return str(started["executionArn"])


def execution(shop: Shop, name: str) -> Execution:
    """The execution with this name."""
    return next(one for one in shop.cloud.executions() if one.name == name)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever still waits ends with its cloud."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_a_distributed_map_tries_again_and_returns_what_was_caught(shop: Shop) -> None:
    start(shop, "monday", stocktake("box", "poison", "busy", hours=3600))

    deliveries = shop.cloud.deliver()

    monday = execution(shop, "monday")
    assert (monday.machine, monday.status, monday.error) == ("StocktakeMachine", "SUCCEEDED", None)
    assert monday.output["counts"] == [
        {"thing": "box", "count": 3},
        {"thing": "poison", "error": "PoisonError"},
        {"thing": "busy", "count": 4},
    ]
    assert deliveries.idle
    assert (deliveries["StockFunction"].invocations, deliveries["StockFunction"].failed) == (5, 2)
    assert "PoisonError: poison can't be counted" in "".join(deliveries.errors)
    assert "PoisonError" in shop.log.getvalue()


def test_nothing_runs_before_the_next_delivery(shop: Shop) -> None:
    start(shop, "monday", stocktake("box"))

    assert execution(shop, "monday").status == "RUNNING"
    assert shop.cloud.deliver(max_seconds=-1).idle is False
    assert execution(shop, "monday").status == "RUNNING"
    shop.cloud.deliver()
    assert execution(shop, "monday").status == "SUCCEEDED"


def test_an_execution_that_waits_for_a_token_rests_until_another_function_answers(shop: Shop) -> None:
    start(shop, "monday", stocktake("box", patience=1000))
    assert shop.cloud.deliver().idle
    assert execution(shop, "monday").status == "RUNNING"

    shop.cloud.invoke("OfficeFunction", {"run": "monday", "right": True})
    shop.cloud.deliver()

    monday = execution(shop, "monday")
    assert (monday.status, monday.output["answer"]) == ("SUCCEEDED", {"right": True})


def test_a_task_that_is_failed_by_its_token_fails_the_execution_with_error_and_cause(shop: Shop) -> None:
    arn = start(shop, "monday", stocktake("box", patience=1000))
    shop.cloud.deliver()

    shop.cloud.invoke("OfficeFunction", {"run": "monday", "right": False})
    shop.cloud.deliver()

    monday = execution(shop, "monday")
    assert (monday.status, monday.error, monday.cause) == ("FAILED", "CountAgain", "a box was overlooked")
    described = shop.cloud.client("stepfunctions").describe_execution(executionArn=arn)
    assert (described["status"], described["error"], described["cause"]) == (
        "FAILED",
        "CountAgain",
        "a box was overlooked",
    )


def test_a_token_is_answered_once(shop: Shop) -> None:
    machines = shop.cloud.client("stepfunctions")
    start(shop, "monday", stocktake("box", patience=1000))
    shop.cloud.deliver()
    answer = {"run": "monday", "right": True}
    shop.cloud.invoke("OfficeFunction", answer)

    with pytest.raises(machines.exceptions.ClientError, match="TaskTimedOut"):
        shop.cloud.invoke("OfficeFunction", answer)
    shop.cloud.deliver()
    with pytest.raises(machines.exceptions.ClientError, match="TaskTimedOut"):
        shop.cloud.invoke("OfficeFunction", answer)
    with pytest.raises(machines.exceptions.InvalidToken):
        machines.send_task_success(taskToken="nobody's", output="{}")


def test_a_token_that_nobody_answers_in_time_times_out(shop: Shop) -> None:
    start(shop, "monday", stocktake("box", patience=1))
    shop.cloud.deliver()

    until = monotonic() + 60
    while execution(shop, "monday").status == "RUNNING" and monotonic() < until:
        shop.cloud.deliver()

    monday = execution(shop, "monday")
    assert (monday.status, monday.error) == ("FAILED", "States.Timeout")


def test_a_run_is_stopped_for_a_reason_and_another_one_goes_its_way(shop: Shop) -> None:
    machines = shop.cloud.client("stepfunctions")
    arn = start(shop, "monday", stocktake("box", patience=1000))
    shop.cloud.deliver()

    machines.stop_execution(executionArn=arn, error="Withdrawn", cause="the shop is closed")
    start(shop, "tuesday", stocktake("box", "jar"))
    start(shop, "wednesday", stocktake("box"))
    machines.stop_execution(executionArn=execution(shop, "wednesday").arn)
    assert shop.cloud.deliver().idle

    monday = execution(shop, "monday")
    assert (monday.status, monday.error, monday.cause) == ("ABORTED", "Withdrawn", "the shop is closed")
    assert execution(shop, "tuesday").status == "SUCCEEDED"
    assert execution(shop, "wednesday").status == "ABORTED"
    with pytest.raises(machines.exceptions.ClientError, match="TaskTimedOut"):
        shop.cloud.invoke("OfficeFunction", {"run": "monday", "right": True})


def test_a_function_starts_an_execution_from_within(shop: Shop) -> None:
    arn = shop.cloud.invoke("OfficeFunction", {"start": stocktake("box")})

    shop.cloud.deliver()

    (only,) = shop.cloud.executions()
    assert (only.arn, only.status) == (arn, "SUCCEEDED")


def test_an_event_on_the_bus_starts_an_execution_with_that_event(shop: Shop) -> None:
    shop.order({"shelf": "a"}, kind="shelf.emptied")

    shop.cloud.deliver()

    (only,) = shop.cloud.executions()
    assert only.input["detail"] == {"shelf": "a"}
    assert only.input["detail-type"] == "shelf.emptied"
    assert (only.status, only.error) == ("FAILED", "States.Runtime")  # it isn't what a stocktake needs
    assert "$.things" in str(only.cause)


def test_a_schedule_starts_an_execution_with_its_input(shop: Shop) -> None:
    shop.cloud.run_schedules(at=datetime(2026, 3, 1, 2, 0, tzinfo=UTC))

    shop.cloud.deliver()

    (only,) = shop.cloud.executions()
    assert (only.input["at"], only.status) == ("2026-03-01T02:00:00Z", "SUCCEEDED")


def test_a_child_that_fails_fails_the_map_with_its_error(shop: Shop) -> None:
    start(shop, "monday", stocktake("box", ["not", "a", "thing"]))  # type: ignore[arg-type]

    shop.cloud.deliver()

    monday = execution(shop, "monday")
    assert (monday.status, monday.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert '"thing": ["not", "a", "thing"]' in str(monday.cause)
    assert "AttributeError" in str(monday.cause)


def test_four_hundred_children_take_seconds_and_none_times_out_as_it_waits_for_its_turn(shop: Shop) -> None:
    start(shop, "monday", stocktake(*(f"thing {n}" for n in range(400)), together=0))

    began = monotonic()
    shop.cloud.deliver()

    counts = execution(shop, "monday").output["counts"]
    assert [one["thing"] for one in counts] == [f"thing {n}" for n in range(400)]
    assert monotonic() - began < 60


def test_functions_keep_their_own_world_while_children_run_side_by_side(shop: Shop) -> None:
    start(shop, "monday", stocktake(*(f"thing {n}" for n in range(20)), together=0))
    start(shop, "tuesday", stocktake(*(f"thing {n}" for n in range(20)), together=0))
    shop.order({"id": "o1", "journal": "fine"}, {"id": "o2", "journal": "fine"})

    deliveries = shop.cloud.deliver()

    assert not deliveries.errors
    assert {one.status for one in shop.cloud.executions()} == {"SUCCEEDED"}
    assert shop.orders() == {"o1", "o2"}


def test_a_bucket_is_as_the_template_describes_it(shop: Shop) -> None:
    s3, bucket = shop.cloud.client("s3"), shop.cloud.physical("Bucket")

    access = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    assert all(access.values())
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_buckets_and_executions_are_reached_over_http(shop: Shop) -> None:
    endpoint = shop.cloud.serve(0, host="127.0.0.1")
    keys = {name.lower(): ENVIRONMENT[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    signed = Config(signature_version="s3v4")  # the only one that buckets of this region take
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1", config=signed, **keys)  # type: ignore[call-overload]
    machines = boto3.client("stepfunctions", endpoint_url=endpoint, region_name="eu-west-1", **keys)  # type: ignore[call-overload]
    bucket = shop.cloud.physical("Bucket")

    s3.upload_fileobj(io.BytesIO(b"[1]"), bucket, "a b/ü.json")
    reported = json.dumps(stocktake("box"))
    arn = machines.start_execution(stateMachineArn=shop.cloud.physical("StocktakeMachine"), input=reported)[
        "executionArn"
    ]
    shop.cloud.deliver()

    assert s3.get_object(Bucket=bucket, Key="a b/ü.json")["Body"].read() == b"[1]"
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü.json"})
    assert urlopen(link).read() == b"[1]"  # noqa: S310
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="a b/")["Contents"]] == ["a b/ü.json"]
    described = machines.describe_execution(executionArn=arn)
    assert described["status"] == "SUCCEEDED"
    assert json.loads(described["output"])["counts"] == [{"thing": "box", "count": 3}]


MACHINE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machine.asl.json
      DefinitionSubstitutions: { Bucket: !Ref Bucket }
  Bucket: { Type: AWS::S3::Bucket }
"""


@contextmanager
def ran(folder: Path, reported: object = None, **states: Json) -> Iterator[tuple[LocalCloud, Execution]]:
    """A cloud with a machine of these states, from the first to the last, and the execution that it ran."""
    names = list(states)
    states[names[-1]]["End"] = True
    (folder / "template.yaml").write_text(MACHINE)
    (folder / "machine.asl.json").write_text(json.dumps({"StartAt": names[0], "States": states}))
    with LocalCloud(folder / "template.yaml") as cloud:
        machine, text = cloud.physical("Machine"), json.dumps(reported or {})
        cloud.client("stepfunctions").start_execution(stateMachineArn=machine, name="only", input=text)
        assert cloud.deliver().idle
        (only,) = cloud.executions()
        yield cloud, only


def children(**state: Any) -> Json:
    """A map whose children fail where their item asks for it, and return their item and their context."""
    known = {"item.$": "$", "name.$": "$$.Execution.Name", "id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input"}
    choice = {"Variable": "$", "StringMatches": "bad*", "Next": "Fail"}
    return {
        "Type": "Map",
        "ItemsPath": "$.items",
        "Label": "Each",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Choose",
            "States": {
                "Choose": {"Type": "Choice", "Choices": [choice], "Default": "Return"},
                "Return": {"Type": "Pass", "Parameters": known, "End": True},
                "Fail": {"Type": "Fail", "Error": "BadItem", "Cause": "it says so"},
            },
        },
    } | state


def test_a_child_is_an_execution_of_its_own(tmp_path: Path) -> None:
    with ran(tmp_path, {"items": ["a", "b"]}, Map=children()) as (_, only):
        one, other = only.output

    assert one["name"] != other["name"]
    assert one["id"].endswith(f"/Each:{one['name']}")
    assert (one["input"], other["input"]) == ("a", "b")


@pytest.mark.parametrize(
    ("tolerated", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 49.0}, "FAILED"),
        ({"ToleratedFailurePercentage": 50.0}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 50.0, "ToleratedFailureCount": 1}, "FAILED"),
    ],
)
def test_a_map_fails_if_more_children_fail_than_are_tolerated(tmp_path: Path, tolerated: Json, status: str) -> None:
    with ran(tmp_path, {"items": ["a", "bad 1", "b", "bad 2"]}, Map=children(**tolerated)) as (_, only):
        assert only.status == status
    if status == "FAILED":
        assert only.error == "States.ExceedToleratedFailureThreshold"
        assert '"bad 1": BadItem: it says so' in str(only.cause)


def test_a_result_writer_names_what_succeeded_and_what_failed(tmp_path: Path) -> None:
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "${Bucket}", "Prefix": "results"},
    }
    states = children(ResultWriter=writer, ToleratedFailureCount=1)
    with ran(tmp_path, {"items": ["a", "bad", "b"]}, Map=states) as (cloud, only):

        def read(key: str) -> Any:
            return json.load(cloud.client("s3").get_object(Bucket=cloud.physical("Bucket"), Key=key)["Body"])

        manifest = read(only.output["ResultWriterDetails"]["Key"])
        files = manifest["ResultFiles"]
        (succeeded,), (failed,) = files["SUCCEEDED"], files["FAILED"]
        assert files["PENDING"] == []
        assert [json.loads(one["Output"])["item"] for one in read(succeeded["Key"])] == ["a", "b"]
        assert [(one["Input"], one["Error"]) for one in read(failed["Key"])] == [('"bad"', "BadItem")]


CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught"}], "Next": "Caught"}


def test_items_that_cannot_be_read_are_an_error_to_catch(tmp_path: Path) -> None:
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "${Bucket}", "Key": "nowhere.json"},
    }
    map_state = children(ItemReader=reader, **CAUGHT)
    with ran(tmp_path, {"items": []}, Map=map_state, Caught={"Type": "Pass"}) as (_, only):
        assert only.output["error"]["Error"] == "States.ItemReaderFailed"


def test_a_result_too_large_for_a_state_ends_the_execution(tmp_path: Path) -> None:
    map_state = children(**CAUGHT)
    with ran(tmp_path, {"items": ["x" * 1000] * 200}, Map=map_state, Caught={"Type": "Pass"}) as (_, only):
        assert (only.status, only.error) == ("FAILED", "States.DataLimitExceeded")


def test_what_is_wrong_with_the_machine_itself_is_not_caught(tmp_path: Path) -> None:
    map_state = children(**CAUGHT)
    with ran(tmp_path, {"things": []}, Map=map_state, Caught={"Type": "Pass"}) as (_, only):
        assert (only.status, only.error) == ("FAILED", "States.Runtime")


def test_branches_run_side_by_side_and_waits_end_in_the_order_of_their_times(tmp_path: Path) -> None:
    def branch(seconds: int) -> Json:
        wait = {"Type": "Wait", "Seconds": seconds, "Next": "Now"}
        now = {"Type": "Pass", "Parameters": {"at.$": "$$.State.EnteredTime"}, "End": True}
        return {"StartAt": "Wait", "States": {"Wait": wait, "Now": now}}

    began = monotonic()
    with ran(tmp_path, Both={"Type": "Parallel", "Branches": [branch(7200), branch(60)]}) as (_, only):
        late, early = only.output

    assert early["at"] <= late["at"]
    assert monotonic() - began < 60


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"Type": "Map", "ItemBatcher": {}}, "Machine: machine.asl.json: ItemBatcher isn't run"),
        ({"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"ExecutionType": "EXPRESS"}}}, "ExecutionType EXPRESS"),
        ({"Type": "Pass", "QueryLanguage": "JSONata"}, "QueryLanguage JSONata isn't run"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sns:publish"}, "Resource arn:aws:states:::sns:publish"),
        ({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution"}, "states:startExecution"),
        ({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.sync"}, "lambda:invoke.sync"),
        ({"Type": "Pass", "Result": "${Who}"}, "DefinitionSubstitutions lack Who"),
        ({"Type": "Pass", "Next": 7}, "Machine: machine.asl.json: .*mismatched input"),
    ],
)
def test_a_machine_that_would_run_otherwise_than_in_the_cloud_is_refused(
    tmp_path: Path, state: Json, complaint: str
) -> None:
    (tmp_path / "template.yaml").write_text(MACHINE)
    definition = {"StartAt": "Only", "States": {"Only": {"End": True} | state}}
    (tmp_path / "machine.asl.json").write_text(json.dumps(definition))

    with pytest.raises(UnsupportedTemplateError, match=complaint), LocalCloud(tmp_path / "template.yaml"):
        pass


SERVICES = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machine.asl.json
      DefinitionSubstitutions: { Bus: !GetAtt Bus.Name, Queue: !Ref Queue, Table: !Ref Table }
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: bus } }
  Queue: { Type: AWS::SQS::Queue }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !GetAtt Bus.Name
      EventPattern: { source: [machine] }
      Targets: [{ Id: queue, Arn: !GetAtt Queue.Arn }]
"""


def machine_of_services(folder: Path) -> Path:
    """A machine that uses the other services itself; it tries again, with a new token, what fails for being busy."""
    again = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "MaxAttempts": 1}]
    event = {"Source": "machine", "DetailType": "told", "Detail": {"x": 1}, "EventBusName": "${Bus}"}
    tasks: dict[str, tuple[str, Json]] = {
        "Put": ("dynamodb:putItem", {"TableName": "${Table}", "Item": {"id": {"S.$": "$$.Execution.Name"}}}),
        "Tell": ("events:putEvents", {"Entries": [event]}),
        "Ask": (
            "sqs:sendMessage.waitForTaskToken",
            {"QueueUrl": "${Queue}", "MessageBody": {"token.$": "$$.Task.Token"}},
        ),
    }
    states: dict[str, Json] = {
        name: {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "Next": following}
        for (name, (resource, parameters)), following in zip(tasks.items(), ["Tell", "Ask", "Done"], strict=True)
    }
    states["Ask"]["Retry"] = again
    states["Done"] = {"Type": "Succeed"}
    (folder / "machine.asl.json").write_text(json.dumps({"StartAt": "Put", "States": states}))
    (folder / "template.yaml").write_text(SERVICES)
    return folder / "template.yaml"


def see_services_through(cloud: LocalCloud) -> None:
    """Run the machine of services, and answer it: busy at first, then yes."""
    machines, sqs = cloud.client("stepfunctions"), cloud.client("sqs")

    def bodies() -> list[Json]:
        received = sqs.receive_message(QueueUrl=cloud.physical("Queue"), MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in received["Messages"]]

    machines.start_execution(stateMachineArn=cloud.physical("Machine"), name="only", input="{}")
    cloud.deliver()
    reported, asked = bodies()
    machines.send_task_failure(taskToken=asked["token"], error="Busy")
    cloud.deliver()
    (again,) = bodies()
    machines.send_task_success(taskToken=again["token"], output='"yes"')
    cloud.deliver()

    (only,) = cloud.executions()
    assert reported["detail"] == {"x": 1}
    assert again["token"] != asked["token"]
    assert (only.status, only.output) == ("SUCCEEDED", "yes")
    assert cloud.client("dynamodb").scan(TableName=cloud.physical("Table"))["Items"] == [{"id": {"S": "only"}}]


def test_a_machine_uses_other_services_and_each_try_has_a_token_of_its_own(tmp_path: Path) -> None:
    with LocalCloud(machine_of_services(tmp_path)) as cloud:
        see_services_through(cloud)


def test_a_machine_writes_to_dynamodb_local(tmp_path: Path, dynamodb_local: str) -> None:
    with LocalCloud(machine_of_services(tmp_path), dynamodb_endpoint=dynamodb_local) as cloud:
        see_services_through(cloud)


def test_each_cloud_starts_without_executions(shop: Shop) -> None:
    start(shop, "monday", stocktake("box", patience=1000))
    shop.cloud.deliver()
    shop.cloud.__exit__(None, None, None)

    with LocalCloud(TEMPLATE) as cloud:
        assert cloud.executions() == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.list[0].name", "a"),
        ("$.list[1]", {"name": "b"}),
        ("$['list'][0]['name']", "a"),
        ("$.list[*].name", ["a", "b"]),
        ("$.single[*].name", ["a"]),
        ("$.list[?(@.name=='b')].name", ["b"]),
    ],
)
def test_a_path_to_one_place_gives_what_is_there_and_one_to_many_a_list(
    tmp_path: Path, path: str, found: object
) -> None:
    reported = {"list": [{"name": "a"}, {"name": "b"}], "single": [{"name": "a"}]}
    state = {"Type": "Pass", "Parameters": {"found.$": path}, "OutputPath": "$.found"}
    with ran(tmp_path, reported, Only=state) as (_, only):
        assert only.output == found
