"""The stack: sound after its expansion, and nothing in it unprotected, unwatched or without a last resort."""

import json
import re
from collections.abc import Iterator

import pytest

from certrules.core.terms import REVOKING
from localcloud.template import read_yaml
from tests.scenes.template_expansion import ROOT, Json, expanded, findings, of_type

# AWS knows no narrower resource for these.
NOT_OF_ONE_RESOURCE = {
    "cloudwatch:GetMetricData",
    "dynamodb:ListStreams",
    "events:ListRules",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


NOTHING = {"Ref": "AWS::NoValue"}


def test_cfn_lint_finds_nothing_after_the_expansion(stack: Json) -> None:
    assert findings(stack) == []


def test_cfn_lint_would_find_something() -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "soon"}}
    assert findings({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Queue": queue}})


def test_tables_are_encrypted_recoverable_and_not_deleted_by_mistake(stack: Json) -> None:
    (protection,) = of_type(stack, "Custom::TableProtection").values()
    assert protection["Protected"] == {"Ref": "DeletionProtection"}
    for name, table in of_type(stack, "AWS::DynamoDB::Table").items():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        named = {"Ref": name}
        condition = stack["Resources"][name].get("Condition")
        assert ({"Fn::If": [condition, named, NOTHING]} if condition else named) in protection["Tables"]
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
    for source in mappings(stack):
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "FilterCriteria" not in source  # what doesn't match would be deleted
        name, attribute = source_of(source)
        if attribute == "StreamArn":
            assert source["DestinationConfig"]["OnFailure"]["Destination"]
        else:
            assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"]


def test_a_message_stays_hidden_for_as_long_as_its_function_may_take_to_try_it(stack: Json) -> None:
    queues, functions = of_type(stack, "AWS::SQS::Queue"), of_type(stack, "AWS::Lambda::Function")
    for source in mappings(stack):
        name, attribute = source_of(source)
        if attribute == "Arn":
            timeout = functions[function_of(stack, source)]["Timeout"]
            assert queues[name]["VisibilityTimeout"] >= 6 * timeout


def function_of(stack: Json, mapping: Json) -> str:
    """Return the function whose alias a mapping invokes."""
    alias = of_type(stack, "AWS::Lambda::Alias")[mapping["FunctionName"]["Ref"]]
    return str(alias["FunctionName"]["Ref"])


def test_a_burst_of_events_leaves_concurrency_for_all_else(stack: Json) -> None:
    (ingest,) = (source for source in mappings(stack) if source_of(source) == ("IngestQueue", "Arn"))
    assert ingest["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "IngestConcurrency"}}
    assert stack["Parameters"]["IngestConcurrency"]["Default"] < 1000 / 2  # an account's by default


def mappings(stack: Json) -> list[Json]:
    """Return the mappings of queues and streams; a topic of Kafka stores its records itself."""
    return [m for m in of_type(stack, "AWS::Lambda::EventSourceMapping").values() if "Topics" not in m]


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
            for statement in conditional(policy["PolicyDocument"]["Statement"]):
                actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
                assert not any(action.endswith(wildcard) for action in actions)
                assert wildcard not in resources or set(actions) <= NOT_OF_ONE_RESOURCE


def conditional(statements: list[Json]) -> list[Json]:
    """Return the statements of a policy, those too that are there on a condition."""
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in statements]


def as_list(one_or_more: object) -> list[str]:
    """Read what IAM takes as one or as a list."""
    return [str(item) for item in one_or_more] if isinstance(one_or_more, list) else [str(one_or_more)]


def test_whatever_uses_a_table_uses_the_restored_one_if_there_is_one(stack: Json) -> None:
    own = {"CertificatesTable", "HistoryTable", "SupportTable", "RecordsTable"}

    resources = {
        name: r for name, r in stack["Resources"].items() if not name.startswith(("Deployment", "TableProtection"))
    }

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

    assert list(used([resources, stack["Outputs"]])) == []
    assert all(stack["Parameters"][f"Restored{name}"]["Default"] == "" for name in own)


def granted(stack: Json, role: Json) -> set[tuple[str, str]]:
    """Return what a role allows: actions, each with a resource."""
    policies = of_type(stack, "AWS::IAM::Role")[role["Fn::GetAtt"][0]]["Policies"]
    statements = [statement for policy in policies for statement in conditional(policy["PolicyDocument"]["Statement"])]
    return {
        (action, json.dumps(resource))
        for statement in statements
        for action in as_list(statement["Action"])
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }


def test_what_a_function_reads_it_is_allowed_to(stack: Json) -> None:
    functions = of_type(stack, "AWS::Lambda::Function")
    for source in mappings(stack):
        _, attribute = source_of(source)
        allowed = granted(stack, functions[function_of(stack, source)]["Role"])
        arn = json.dumps(source["EventSourceArn"])
        if attribute == "StreamArn":
            actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
            last_resort = json.dumps(source["DestinationConfig"]["OnFailure"]["Destination"])
            assert {("sqs:SendMessage", last_resort), ("dynamodb:ListStreams", '"*"')} <= allowed
        else:
            actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        assert {(action, arn) for action in actions} <= allowed


def test_a_state_machine_may_do_what_its_states_do_and_no_more(stack: Json) -> None:
    sources = read_yaml((ROOT / "template.yaml").read_text())["Resources"]
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


def test_every_function_rings_when_it_fails_and_when_it_is_throttled(stack: Json) -> None:
    alarms = of_type(stack, "AWS::CloudWatch::Alarm").values()
    for name in of_type(stack, "AWS::Lambda::Function"):
        watched = {a["MetricName"] for a in alarms if a.get("Dimensions") == of_function(name)}
        assert {"Errors", "Throttles"} <= watched, name


def of_function(name: str) -> list[Json]:
    """Return the dimensions of a function's metrics."""
    return [{"Name": "FunctionName", "Value": {"Ref": name}}]


def measured(stack: Json, namespace: str) -> list[tuple[str, str]]:
    """Return the metrics that alarms look at, each with its dimensions as text."""
    found = []
    for alarm in of_type(stack, "AWS::CloudWatch::Alarm").values():
        metrics = [part["MetricStat"]["Metric"] for part in alarm.get("Metrics", []) if "MetricStat" in part] or [alarm]
        found += [(m["MetricName"], json.dumps(m["Dimensions"])) for m in metrics if m["Namespace"] == namespace]
    return found


def test_every_queue_rings_when_its_messages_get_old(stack: Json) -> None:
    aged = [dimensions for name, dimensions in measured(stack, "AWS/SQS") if name == "ApproximateAgeOfOldestMessage"]
    for name in of_type(stack, "AWS::SQS::Queue"):
        assert any(f'["{name}", "QueueName"]' in dimensions for dimensions in aged), name


def test_every_state_machine_rings_however_an_execution_fails_to_end(stack: Json) -> None:
    watched = measured(stack, "AWS/States")
    for name in of_type(stack, "AWS::StepFunctions::StateMachine"):
        own = json.dumps([{"Name": "StateMachineArn", "Value": {"Ref": name}}])
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"):
            assert (metric, own) in watched, name


def test_throttles_of_every_table_and_index_ring(stack: Json) -> None:
    watched = measured(stack, "AWS/DynamoDB")
    for name, table in of_type(stack, "AWS::DynamoDB::Table").items():
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            own = [text for watched_metric, text in watched if watched_metric == metric and name in text]
            assert any("GlobalSecondaryIndexName" not in text for text in own), name
            for index in table.get("GlobalSecondaryIndexes", []):
                assert any(f'"{index["IndexName"]}"' in text for text in own), index["IndexName"]


def test_what_should_run_regularly_rings_when_it_does_not(stack: Json) -> None:
    for name, metric in {"SweepMissedAlarm": "Due", "ReconciliationMissedAlarm": "ReconciliationFindings"}.items():
        alarm = of_type(stack, "AWS::CloudWatch::Alarm")[name]
        assert (alarm["MetricName"], alarm["Statistic"]) == (metric, "SampleCount")
        assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("LessThanThreshold", "breaching")
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 7 * 86400


def test_what_is_not_reported_did_not_happen_but_for_heartbeats(stack: Json) -> None:
    """Functions report no zeros. What alarms on revocations compare with is reported by the schedule."""
    for name, alarm in of_type(stack, "AWS::CloudWatch::Alarm").items():
        parts = [part["MetricStat"]["Metric"] for part in alarm.get("Metrics", []) if "MetricStat" in part] or [alarm]
        if any(part["Namespace"] == "CourseCertificates" for part in parts):
            rings = "breaching" if alarm.get("Statistic") == "SampleCount" else "notBreaching"
            assert alarm["TreatMissingData"] == rings, name
    metrics = of_type(stack, "AWS::CloudWatch::Alarm")["RevocationsUnusualAlarm"]["Metrics"]
    compared = {part["MetricStat"]["Metric"]["MetricName"] for part in metrics if "MetricStat" in part}
    assert compared == {f"cause_{cause}" for cause in REVOKING}


def test_an_alarm_compares_at_most_ten_metrics(stack: Json) -> None:
    for name, alarm in of_type(stack, "AWS::CloudWatch::Alarm").items():
        assert ("MetricName" in alarm) is not ("Metrics" in alarm), name
        assert len(alarm.get("Metrics", [])) <= 10, name


def test_no_other_function_changes_before_the_parameters_are_read(stack: Json) -> None:
    for name, function in of_type(stack, "AWS::Lambda::Function").items():
        assert ("${ValidParameters.Digest}" in str(function["Description"])) is (name != "DeploymentFunction"), name


def test_a_changed_parameter_makes_a_new_version_of_each_function(stack: Json) -> None:
    read = json.dumps(of_type(stack, "Custom::ValidParameters"))
    for function in of_type(stack, "AWS::Lambda::Function").values():
        for name in stack["Parameters"]:
            assert f'{{"Ref": "{name}"}}' not in json.dumps(function) or f'{{"Ref": "{name}"}}' in read, name
    for name, version in of_type(stack, "AWS::Lambda::Version").items():
        described = version.get("Description") == {"Fn::GetAtt": ["ValidParameters", "Digest"]}
        assert described is not name.startswith("DeploymentFunction"), name
    assert '"Ref": "RulesLayer' in read  # a new release is read again


def test_whatever_calls_a_function_calls_its_live_version(stack: Json) -> None:
    functions = of_type(stack, "AWS::Lambda::Function")
    aliases = {alias["FunctionName"]["Ref"]: name for name, alias in of_type(stack, "AWS::Lambda::Alias").items()}
    assert aliases.keys() == functions.keys()
    for source in mappings(stack):
        assert source["FunctionName"]["Ref"] in aliases.values()
    callers = {
        "AWS::Events::Rule",
        "AWS::StepFunctions::StateMachine",
        "AWS::ApiGatewayV2::Api",
        "AWS::Lambda::Permission",
    }
    for name, resource in stack["Resources"].items():
        if resource["Type"] in callers:
            for function in functions:
                assert f'["{function}", "Arn"]' not in json.dumps(resource), name
                assert f'"Ref": "{function}"' not in json.dumps(resource), name


def test_a_deployment_shifts_traffic_and_is_rolled_back_by_the_functions_alarm(stack: Json) -> None:
    groups = of_type(stack, "AWS::CodeDeploy::DeploymentGroup")
    for name in of_type(stack, "AWS::Lambda::Function").keys() - {"DeploymentFunction"}:
        group = groups[f"{name}DeploymentGroup"]
        assert group["AlarmConfiguration"]["Alarms"] == [{"Name": {"Ref": name.replace("Function", "ErrorsAlarm")}}]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        assert stack["Resources"][f"{name}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}


def test_traffic_may_be_shifted_at_once_by_nobody() -> None:
    stack = expanded({"TrafficShift": "off"})
    kinds = {resource["Type"] for resource in stack["Resources"].values()}
    assert "AWS::CodeDeploy::DeploymentGroup" not in kinds
    assert "CodeDeployDefault" not in json.dumps(stack)
    assert "AWS::Lambda::Alias" in kinds
    assert findings(stack) == []


@pytest.mark.parametrize("shift", ["AllAtOnce", "Linear10PercentEvery1Minute"])
def test_how_traffic_is_shifted_is_a_parameter_that_changes_nothing_else(stack: Json, shift: str) -> None:
    by_default = json.dumps(stack)  # cfn-lint finds nothing in it, and knows no names of CodeDeploy
    named = '"ConfigName": "{}"'.format
    assert by_default.count("CodeDeployDefault") == by_default.count(named("Canary10Percent5Minutes")) > 0
    shifted = by_default.replace(named("Canary10Percent5Minutes"), named(shift))
    assert expanded({"TrafficShift": shift}) == json.loads(shifted)
