"""The stack: sound after its expansion, and nothing in it unprotected, unwatched or without a last resort."""

import json
import re
from collections.abc import Iterator

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.scenes.template_expansion import ROOT, Json, findings, of_type

# AWS knows no narrower resource for these.
NOT_OF_ONE_RESOURCE = {
    "dynamodb:ListStreams",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def test_cfn_lint_finds_nothing_after_the_expansion(stack: Json) -> None:
    assert findings(stack) == []


def test_cfn_lint_would_find_something() -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "soon"}}
    assert findings({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Queue": queue}})


def test_tables_are_encrypted_recoverable_and_not_deleted_by_mistake(stack: Json) -> None:
    for table in of_type(stack, "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["DeletionProtectionEnabled"] in (True, {"Ref": "DeletionProtection"})
    assert stack["Parameters"].get("DeletionProtection", {"Default": "true"})["Default"] == "true"


def test_buckets_are_encrypted_private_and_forget_what_is_old(stack: Json) -> None:
    policies = of_type(stack, "AWS::S3::BucketPolicy").values()
    for name, bucket in of_type(stack, "AWS::S3::Bucket").items():
        assert bucket["BucketEncryption"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert all(rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"])
        (policy,) = (policy for policy in policies if policy["Bucket"] == {"Ref": name})
        assert "aws:SecureTransport" in json.dumps(policy)


def test_queues_are_encrypted(stack: Json) -> None:
    for queue in of_type(stack, "AWS::SQS::Queue").values():
        assert queue.get("SqsManagedSseEnabled") is True or "KmsMasterKeyId" in queue


def test_what_a_function_reads_has_a_last_resort_and_reports_partial_failures(stack: Json) -> None:
    queues = of_type(stack, "AWS::SQS::Queue")
    for source in of_type(stack, "AWS::Lambda::EventSourceMapping").values():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "FilterCriteria" not in source  # what doesn't match would be deleted
        name, attribute = source_of(source)
        if attribute == "StreamArn":
            assert source["DestinationConfig"]["OnFailure"]["Destination"]
        else:
            assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"]


def test_a_message_stays_hidden_for_as_long_as_its_function_may_take_to_try_it(stack: Json) -> None:
    queues, functions = of_type(stack, "AWS::SQS::Queue"), of_type(stack, "AWS::Lambda::Function")
    for source in of_type(stack, "AWS::Lambda::EventSourceMapping").values():
        name, attribute = source_of(source)
        if attribute == "Arn":
            timeout = functions[source["FunctionName"]["Ref"]]["Timeout"]
            assert queues[name]["VisibilityTimeout"] >= 6 * timeout


def source_of(mapping: Json) -> tuple[str, str]:
    """Return the resource whose records a function reads, and which of its attributes names it."""
    arn = mapping["EventSourceArn"]
    name, attribute = arn.get("Fn::GetAtt") or arn["Fn::If"][1]["Fn::GetAtt"]
    return name, attribute


def test_every_last_resort_rings_an_alarm(stack: Json) -> None:
    alarms = json.dumps(of_type(stack, "AWS::CloudWatch::Alarm"))
    last_resorts = [name for name in of_type(stack, "AWS::SQS::Queue") if "DeadLetters" in name or "Parked" in name]
    assert last_resorts
    assert [name for name in last_resorts if f'["{name}", "QueueName"]' not in alarms] == []


def test_functions_are_traced_and_their_logs_end(stack: Json) -> None:
    groups = of_type(stack, "AWS::Logs::LogGroup")
    for function in of_type(stack, "AWS::Lambda::Function").values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert groups[function["LoggingConfig"]["LogGroup"]["Ref"]]["RetentionInDays"]


def test_each_function_has_a_role_of_its_own(stack: Json) -> None:
    roles = [f["Role"]["Fn::GetAtt"][0] for f in of_type(stack, "AWS::Lambda::Function").values()]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("wildcard", ["*", ":*"])
def test_roles_name_actions_and_resources(stack: Json, wildcard: str) -> None:
    for role in of_type(stack, "AWS::IAM::Role").values():
        assert not role.get("ManagedPolicyArns")
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
                assert not any(action.endswith(wildcard) for action in actions)
                assert wildcard not in resources or set(actions) <= NOT_OF_ONE_RESOURCE


def as_list(one_or_more: object) -> list[str]:
    """Read what IAM takes as one or as a list."""
    return [str(item) for item in one_or_more] if isinstance(one_or_more, list) else [str(one_or_more)]


def test_whatever_uses_a_table_uses_the_restored_one_if_there_is_one(stack: Json) -> None:
    own = {"CertificatesTable", "HistoryTable", "SupportTable"}

    def used(fragment: object) -> Iterator[str]:
        """Yield the tables that are named but where a restored one may stand in their stead."""
        if isinstance(fragment, list):
            for part in fragment:
                yield from used(part)
        elif isinstance(fragment, dict):
            for key, value in fragment.items():
                if key == "Fn::If" and str(value[0]).startswith("Own"):
                    assert "Restored" in json.dumps(value[2])
                elif key in {"Ref", "Fn::GetAtt"}:
                    yield from own & {value if isinstance(value, str) else value[0]}
                elif key == "Fn::Sub":
                    yield from (name for name in own if f"${{{name}" in json.dumps(value))
                    yield from used(value)
                else:
                    yield from used(value)

    assert list(used([stack["Resources"], stack["Outputs"]])) == []
    assert all(stack["Parameters"][f"Restored{name}"]["Default"] == "" for name in own)


def granted(stack: Json, role: Json) -> set[tuple[str, str]]:
    """Return what a role allows: actions, each with a resource."""
    policies = of_type(stack, "AWS::IAM::Role")[role["Fn::GetAtt"][0]]["Policies"]
    statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    return {
        (action, json.dumps(resource))
        for statement in statements
        for action in as_list(statement["Action"])
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }


def test_what_a_function_reads_it_is_allowed_to(stack: Json) -> None:
    functions = of_type(stack, "AWS::Lambda::Function")
    for source in of_type(stack, "AWS::Lambda::EventSourceMapping").values():
        _, attribute = source_of(source)
        allowed = granted(stack, functions[source["FunctionName"]["Ref"]]["Role"])
        arn = json.dumps(source["EventSourceArn"])
        if attribute == "StreamArn":
            actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
            last_resort = json.dumps(source["DestinationConfig"]["OnFailure"]["Destination"])
            assert {("sqs:SendMessage", last_resort), ("dynamodb:ListStreams", '"*"')} <= allowed
        else:
            actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        assert {(action, arn) for action in actions} <= allowed


def test_a_state_machine_may_do_what_its_states_do_and_no_more(stack: Json) -> None:
    sources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    for name, machine in of_type(stack, "AWS::StepFunctions::StateMachine").items():
        definition = (ROOT / sources[name]["Properties"]["DefinitionUri"]).read_text()
        called = re.findall(r'"FunctionName": "\$\{(\w+)\}"', definition)
        needed = {("lambda:InvokeFunction", json.dumps(machine["DefinitionSubstitutions"][name])) for name in called}
        own = machine["StateMachineName"]["Fn::Sub"]
        here = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
        if '"DISTRIBUTED"' in definition:
            needed.add(("states:StartExecution", json.dumps({"Fn::Sub": f"{here}:stateMachine:{own}"})))
            children = json.dumps({"Fn::Sub": f"{here}:execution:{own}*"})
            needed |= {(f"states:{action}", children) for action in ("DescribeExecution", "StopExecution")}
        if "s3:getObject" in definition:
            needed.add(("s3:GetObject", json.dumps({"Fn::Sub": "${BulkBucket.Arn}/runs/*"})))
        allowed = granted(stack, machine["RoleArn"])
        assert {grant for grant in allowed if grant[0] not in NOT_OF_ONE_RESOURCE} == needed
