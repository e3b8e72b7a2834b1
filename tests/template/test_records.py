"""Programs and deliveries in the template: without a Credentials service nothing of them exists."""

import json
import re
from typing import Any

import pytest

from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE
from tests.scenes.template_expansion import Json, of_type

CREDENTIALS = {
    "CredentialsUrl": "https://credentials.example.org",
    "CredentialsTokenUrl": "https://lms.example.org",
    "CredentialsSecret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credentials",
}

OF_RECORDS = r"Function|Logs|Role|Rule|FactsRule|Queue|QueuePolicy|DeadLetters|Table|\w+Alarm"


def holds(fragment: Any, values: dict[str, str]) -> bool:
    """Evaluate a rule's functions."""
    ((function, arguments),) = fragment.items()
    if function == "Fn::Equals":
        return bool(values[arguments[0]["Ref"]] == arguments[1])
    parts = [holds(argument, values) for argument in arguments]
    return {"Fn::And": all(parts), "Fn::Or": any(parts), "Fn::Not": not parts[0]}[function]


def without_records(fragment: Any) -> Any:
    """Return what is left of a fragment where there is no Credentials service."""
    if isinstance(fragment, list):
        return [without_records(part) for part in fragment]
    if not isinstance(fragment, dict):
        return fragment
    condition, _, otherwise = fragment.get("Fn::If", (None, None, None))
    if condition in {"HasRecords", "AnnouncesPrograms"}:
        return without_records(otherwise)
    return {name: without_records(part) for name, part in fragment.items()}


def test_all_that_is_of_records_is_off_by_default(stack: Json) -> None:
    assert stack["Parameters"]["CredentialsUrl"]["Default"] == ""
    assert stack["Conditions"]["HasRecords"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CredentialsUrl"}, ""]}]}
    for name, resource in stack["Resources"].items():
        if name.startswith("Records"):
            assert resource["Condition"] == "HasRecords", name
        else:
            text = json.dumps(without_records(resource))
            if name != "Dashboard":
                used = rf"\bRecords({OF_RECORDS})"
                assert not re.search(used, text), name
    for name, output in stack["Outputs"].items():
        assert not name.startswith("Records") or output["Condition"] == "HasRecords", name


def test_the_address_of_the_service_that_of_its_tokens_and_the_secret_belong_together(stack: Json) -> None:
    (rule,) = stack["Rules"]["Records"]["Assertions"]
    nothing = dict.fromkeys(CREDENTIALS, "")
    assert holds(rule["Assert"], nothing)
    assert holds(rule["Assert"], CREDENTIALS)
    for name, value in CREDENTIALS.items():
        assert not holds(rule["Assert"], nothing | {name: value}), name
        assert not holds(rule["Assert"], CREDENTIALS | {name: ""}), name


def test_without_a_credentials_service_a_stack_has_nothing_of_it() -> None:
    with LocalCloud(TEMPLATE, {"DeletionProtection": "false"}) as cloud:
        assert "RecordsFunction" not in cloud.functions
        assert [name for name in cloud.outputs if "Records" in name] == []
        assert len(cloud.client("dynamodb").list_tables()["TableNames"]) == 3
        for function in cloud.functions:
            environment = cloud.environment(function).items()
            assert not [name for name, value in environment if value and ("RECORDS" in name or "CREDENTIALS_" in name)]


def test_the_functions_of_records_use_the_restored_table_if_there_is_one() -> None:
    restored = {"DeletionProtection": "false", "RestoredRecordsTable": "records-restored", **CREDENTIALS}
    with LocalCloud(TEMPLATE, restored) as cloud:
        cloud.client("dynamodb").create_table(
            TableName="records-restored", BillingMode="PAY_PER_REQUEST", **_definition_of(cloud)
        )
        for function in cloud.functions:
            assert cloud.environment(function).get("RECORDS_TABLE", "records-restored") == "records-restored", function
        assert cloud.outputs["RecordsTableName"] == "records-restored"
        assert cloud.invoke("RecordsFunction", {})["RecordsFailed"] == 0  # by a role that lets it use the table
        items = cloud.client("dynamodb").scan(TableName="records-restored")["Items"]
        assert [item["p"]["S"] for item in items] == ["COMPARISON"]


def _definition_of(cloud: LocalCloud) -> dict[str, Any]:
    """Return the keys and indexes of the stack's own table, as CreateTable takes them."""
    own = cloud.client("dynamodb").describe_table(TableName=cloud.physical("RecordsTable"))["Table"]
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in own["GlobalSecondaryIndexes"]
    ]
    keys = {name: own[name] for name in ("AttributeDefinitions", "KeySchema")}
    return {**keys, "GlobalSecondaryIndexes": indexes}


def test_the_records_function_announces_programs_and_nothing_else_and_only_if_it_is_to(stack: Json) -> None:
    (policy,) = of_type(stack, "AWS::IAM::Role")["RecordsRole"]["Policies"]
    (condition, put, nothing) = next(
        statement["Fn::If"] for statement in policy["PolicyDocument"]["Statement"] if "Fn::If" in statement
    )
    assert (condition, nothing) == ("AnnouncesPrograms", {"Ref": "AWS::NoValue"})
    assert put["Action"] == "events:PutEvents"
    assert put["Resource"] == {"Fn::GetAtt": ["Bus", "Arn"]}
    learning = "org.openedx.learning.program.certificate"
    assert put["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": "course-certificates"},
        "StringEquals": {"events:detail-type": [f"{learning}.awarded.v1", f"{learning}.revoked.v1"]},
    }
    others = [s for s in policy["PolicyDocument"]["Statement"] if "events:" in json.dumps(s.get("Action", ""))]
    assert others == []


@pytest.mark.parametrize("name", sorted(CREDENTIALS))
def test_an_address_without_encryption_and_a_secret_in_the_clear_are_refused(stack: Json, name: str) -> None:
    pattern = stack["Parameters"][name]["AllowedPattern"]
    assert re.fullmatch(pattern, CREDENTIALS[name])
    for refused in ("http://credentials.example.org", "https://credentials.example.org/path", "s3cret"):
        assert not re.fullmatch(pattern, refused), refused
