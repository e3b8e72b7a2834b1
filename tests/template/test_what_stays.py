"""What a failed deployment, and the removal of the stack, leave: no events, archives or dead letters are lost."""

import json
from typing import Any

from tests.scenes.template_expansion import ROOT, Json, of_type

STORES = (
    "AWS::DynamoDB::Table",
    "AWS::Events::Archive",
    "AWS::Events::EventBus",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
)
GUARDS = {"AWS::Events::EventBusPolicy", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}


def test_what_stores_something_stays_but_after_a_failed_first_deployment(stack: Json) -> None:
    for name, resource in stack["Resources"].items():
        if resource["Type"] in STORES or name in {"SupportLogs", "SupportAccessLogs"}:
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_the_policy_of_what_stays_stays_with_it(stack: Json) -> None:
    for name, resource in stack["Resources"].items():
        if resource["Type"] in GUARDS:
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_the_deployment_page_names_all_that_stays(stack: Json) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    for name, resource in stack["Resources"].items():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate" and resource["Type"] not in GUARDS:
            assert f"`{name}`" in page, name


def test_every_queue_has_one_policy_and_refuses_what_comes_unencrypted(stack: Json) -> None:
    policies = list(of_type(stack, "AWS::SQS::QueuePolicy").values())
    guarded = [queue["Ref"] for policy in policies for queue in policy["Queues"]]
    assert sorted(guarded) == sorted(of_type(stack, "AWS::SQS::Queue"))
    for policy in policies:
        denied = next(s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (denied["Principal"], denied["Action"]) == ("*", "sqs:*")
        assert {queue["Ref"] for queue in policy["Queues"]} == arns(denied["Resource"])


def arns(resource: Any) -> set[str]:
    """Return the logical ids whose ARNs a statement names."""
    return {part["Fn::GetAtt"][0] for part in (resource if isinstance(resource, list) else [resource])}


def test_dead_letters_are_stored_for_longer_than_what_they_come_from(stack: Json) -> None:
    queues = of_type(stack, "AWS::SQS::Queue")
    sources = [queue for queue in queues.values() if "RedrivePolicy" in queue]
    assert sources
    for queue in sources:
        (last_resort, _) = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
        assert queues[last_resort]["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"] >= 10 * 86400


def test_no_partition_is_taken_for_granted(stack: Json) -> None:
    assert "arn:aws:" not in json.dumps({part: stack[part] for part in ("Resources", "Outputs", "Conditions")})
    for machine in (ROOT / "statemachines").iterdir():
        assert "arn:aws:" not in machine.read_text(), machine.name
    for address in (f"{service}.amazonaws.com" for service in ("execute-api", "sqs", "s3", "dynamodb")):
        assert address not in json.dumps(stack["Outputs"])
