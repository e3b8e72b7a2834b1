"""The stack's parameters: what can't work is refused before anything is created."""

import json
import re
import tomllib
from typing import Any

import pytest

from localcloud import LocalCloud, StackFailedError
from tests.scenes.scene import TEMPLATE
from tests.scenes.template_expansion import Json, of_type

LABEL = "2026-05-04T03:12:08.123"
TOPIC = "arn:aws-cn:sns:cn-north-1:123456789012:alarms"
ACCEPTED: dict[str, list[str | int]] = {
    "Policy": ["open-edx", '{"hold_seconds": 60}'],
    "CertificateUrl": ["/certificates/", "https://example.org/certificates/", "https://example.org/?id="],
    "IngestMemory": [256, 10240],
    "TokenIssuer": ["", "https://sso.example.org", "https://sso.example.org:8443/realms/staff/"],
    "TokenAudience": ["certificates", "https://certificates.example.org"],
    "ScopePrefix": ["", "certificates/", "api://certs/"],
    "ActorClaim": ["sub", "cognito:username", "https://example.org/email"],
    "LogRetentionDays": [1, 90, 3653],
    "ArchiveDays": [0, 60],
    "KafkaCluster": ["", "demo/1c2d-3", "broker.example.org:9092", "10.0.0.1:9092,b-2.example.org:9094"],
    "KafkaTopics": ["", "prod-learning-certificate-lifecycle", "a,b.c,d_e,f-g,h,i,j,k"],
    "KafkaSubnets": ["", "subnet-0a1,subnet-0a2"],
    "SchemaRegistryUrl": ["", "https://registry.example.org:8081/path"],
    "SchemaRegistrySecret": ["", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-AbC"],
    "AlarmTopicArn": ["", TOPIC, "arn:aws:sns:eu-west-1:123456789012:alarms.fifo"],
    "RestoredCertificatesTable": ["", "certificates-restored"],
    "RestoredHistoryStream": ["", LABEL],
    "RestoredRecordsTable": ["", "records-restored"],
    "SqsEndpoint": ["", "http://127.0.0.1:4580"],
}
REFUSED: dict[str, list[str | int]] = {
    "Policy": ["", "x" * 2401],
    "CertificateUrl": ["", "certificates", "ftp://example.org/", "/certificates of/"],
    "IngestMemory": [64, 20000],
    "TokenIssuer": ["http://sso.example.org", "sso.example.org", "https://", "https://sso.example.org /x", "none"],
    "TokenAudience": ["", "a b"],
    "ScopePrefix": ["certificates ", 'certificates"', "certs\\"],
    "ActorClaim": ["", "the claim"],
    "LogRetentionDays": [0, 100],
    "ArchiveDays": [-1],
    "KafkaCluster": ["broker", "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/1", "a:9092, b:9092", "a:9092,"],
    "KafkaTopics": ["a,b,c,d,e,f,g,h,i", "a, b", "a,,b", "a,", "x" * 161, "*"],
    "KafkaSubnets": ["subnet-0a1", "vpc-1,vpc-2"],
    "SchemaRegistryUrl": ["registry:8081", "https://user:password@registry.example.org"],
    "SchemaRegistrySecret": ["registry", "arn:aws:s3:::registry"],
    "AlarmTopicArn": ["alarms", "arn:aws:sqs:eu-west-1:123456789012:alarms", "arn:aws:sns:eu-west-1:123:alarms"],
    "RestoredCertificatesTable": ["x", "arn:aws:dynamodb:eu-west-1:123456789012:table/certificates"],
    "RestoredHistoryStream": ["latest", "yesterday"],
    "RestoredRecordsTable": ["x", "arn:aws:dynamodb:eu-west-1:123456789012:table/records"],
    "SqsEndpoint": ["127.0.0.1:4580"],
}


def takes(parameter: Json, value: str | float) -> bool:
    """Return whether CloudFormation takes this value for the parameter."""
    text = str(value)
    return (
        ("AllowedValues" not in parameter or text in map(str, parameter["AllowedValues"]))
        and re.search(parameter.get("AllowedPattern", ""), text) is not None
        and parameter.get("MinLength", 0) <= len(text) <= parameter.get("MaxLength", 4096)
        and (parameter["Type"] != "Number" or parameter.get("MinValue", 0) <= float(text))
        and (parameter["Type"] != "Number" or float(text) <= parameter.get("MaxValue", float(text)))
    )


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ACCEPTED for value in ACCEPTED[name]])
def test_a_value_that_works_is_taken(stack: Json, name: str, value: str | float) -> None:
    assert takes(stack["Parameters"][name], value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]])
def test_a_value_that_can_not_work_is_refused(stack: Json, name: str, value: str | float) -> None:
    assert not takes(stack["Parameters"][name], value)


def test_every_parameter_is_described_limited_and_fine_as_it_is_by_default(stack: Json) -> None:
    for name, parameter in stack["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedValues", "AllowedPattern", "MinLength", "MinValue"} & parameter.keys(), name
        assert takes(parameter, parameter["Default"]), name


def test_a_pattern_is_anchored_and_its_refusal_names_what_is_expected(stack: Json) -> None:
    for name, parameter in stack["Parameters"].items():
        if "AllowedPattern" in parameter:
            assert parameter["AllowedPattern"].startswith("^"), name
            assert parameter["AllowedPattern"].endswith("$"), name
            assert "ConstraintDescription" in parameter or name.endswith("Endpoint"), name


def test_a_restored_history_comes_with_its_stream(stack: Json) -> None:
    (rule,) = stack["Rules"]["RestoredHistory"]["Assertions"]
    values = {"RestoredHistoryTable": "", "RestoredHistoryStream": ""}

    def holds(fragment: Json) -> bool:
        """Evaluate a rule's functions."""
        ((function, arguments),) = fragment.items()
        if function == "Fn::Equals":
            return bool(values[arguments[0]["Ref"]] == arguments[1])
        parts = [holds(argument) for argument in arguments]
        return {"Fn::And": all(parts), "Fn::Or": any(parts), "Fn::Not": not parts[0]}[function]

    assert holds(rule["Assert"])
    values |= {"RestoredHistoryTable": "history"}
    assert not holds(rule["Assert"])
    values |= {"RestoredHistoryStream": LABEL}
    assert holds(rule["Assert"])
    values |= {"RestoredHistoryTable": ""}
    assert not holds(rule["Assert"])


def test_without_a_token_issuer_there_is_no_support_and_the_outputs_state_what_to_do() -> None:
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        assert "SupportFunction" not in cloud.functions
        assert not hasattr(cloud, "api")
        assert cloud.outputs["Support"].startswith("off - deploy with TokenIssuer")
        assert cloud.invoke("IngestFunction", {"Records": []}) == {"batchItemFailures": []}


def test_all_that_is_for_support_alone_goes_with_it(stack: Json) -> None:
    for name, resource in stack["Resources"].items():
        if name.startswith("Support") and name != "SupportTable":
            assert resource["Condition"] == "HasSupport", name
        else:
            text = re.sub(r'\{"Fn::If": \["HasSupport", .*?\]\}', "", json.dumps(resource))
            assert not re.search(r"Support(Api|Function|Logs|AccessLogs|Role|\w+Alarm)\b", text), name


def test_support_starts_from_a_snapshot_of_its_published_version_if_a_deployment_wants_that(stack: Json) -> None:
    functions = of_type(stack, "AWS::Lambda::Function")
    applied = {name: function["SnapStart"] for name, function in functions.items() if "SnapStart" in function}
    assert applied == {"SupportFunction": {"ApplyOn": {"Fn::If": ["SnapsSupport", "PublishedVersions", "None"]}}}
    assert stack["Parameters"]["SupportSnapStart"]["Default"] == "off"
    assert stack["Resources"]["ValidParameters"]["Properties"]["Others"].count({"Ref": "SupportSnapStart"}) == 1


def test_an_api_whose_issuer_can_not_be_verified_fails_its_deployment(stack: Json) -> None:
    assert stack["Resources"]["SupportApi"]["Properties"]["FailOnWarnings"] is True


def test_the_longest_policy_fits_beside_a_functions_other_variables(stack: Json) -> None:
    longest = stack["Parameters"]["Policy"]["MaxLength"]
    for name, function in of_type(stack, "AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        others = {key: value for key, value in variables.items() if key != "POLICY" and "ENDPOINT" not in key}
        # The name, URL or ARN of a resource of a stack with a usual name has less than eighty characters.
        size = sum(len(key) for key in variables) + sum(length(stack, value) for value in others.values())
        assert size + longest <= 4096, name


def length(stack: Json, value: Any) -> int:
    """Return how long a variable is at most, or as a rule."""
    if isinstance(value, str):
        return len(value)
    allowed = stack["Parameters"].get(value.get("Ref"), {}).get("AllowedValues")
    return max(map(len, allowed)) if allowed else 80


def test_a_stack_with_a_wrong_policy_is_not_created() -> None:
    parameters = {"DeletionProtection": "false", "Policy": '{"hold_seconds": -1}'}
    refused = r"ValidParameters: policy\.hold_seconds: expected seconds"
    with pytest.raises(StackFailedError, match=refused), LocalCloud(TEMPLATE, parameters):
        pass


def test_samconfig_has_a_stack_for_dev_and_one_for_prod_with_parameters_that_exist(stack: Json) -> None:
    config = tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text())
    stages = {stage: config[stage]["deploy"]["parameters"] for stage in ("dev", "prod")}
    assert len({stage["stack_name"] for stage in stages.values()}) == len(stages)
    for stage in stages.values():
        for name, _, value in (override.partition("=") for override in stage["parameter_overrides"]):
            assert takes(stack["Parameters"][name], value), name
    assert "DeletionProtection=true" in stages["prod"]["parameter_overrides"]
    assert stages["prod"]["confirm_changeset"]
