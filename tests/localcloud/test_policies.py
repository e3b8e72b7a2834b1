"""Statements of IAM policies: which requests they are about, and when their conditions hold."""

from typing import Any

import pytest

from localcloud.policies import checked, holds, is_about, is_of
from localcloud.template import UnsupportedTemplateError

ROLE = "arn:aws:iam::123456789012:role/lms-worker"
CONTEXT = {"aws:principalarn": (ROLE,), "events:source": ("lms",), "tags": ("a", "b"), "secure": ("true",)}


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "met"),
    [
        ("StringEquals", "events:source", "lms", True),
        ("StringEquals", "Events:Source", ["cms", "lms"], True),
        ("StringEquals", "events:source", "LMS", False),
        ("StringEquals", "missing", "lms", False),
        ("StringEqualsIfExists", "missing", "lms", True),
        ("StringNotEquals", "events:source", ["cms", "lms"], False),
        ("StringNotEquals", "events:source", "cms", True),
        ("StringNotEquals", "missing", "lms", True),
        ("StringLike", "events:source", "l*", True),
        ("StringLike", "events:source", "[l]ms", False),
        ("StringLike", "events:source", "l?s", True),
        ("StringNotLike", "events:source", ["c*", "l*"], False),
        ("ArnEquals", "aws:PrincipalArn", ROLE, True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/lms-*", True),
        ("ArnLike", "aws:PrincipalArn", "arn:*", False),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/cms-*", True),
        ("ArnNotEquals", "aws:PrincipalArn", ["arn:aws:iam::123456789012:role/cms", ROLE], False),
        ("Bool", "secure", "false", False),
        ("Bool", "secure", True, True),
        ("ForAnyValue:StringEquals", "tags", "b", True),
        ("ForAnyValue:StringEquals", "tags", "c", False),
        ("ForAnyValue:StringEquals", "missing", "c", False),
        ("ForAnyValue:StringNotLike", "tags", "a", True),
        ("ForAnyValue:StringNotLike", "tags", ["a", "b"], False),
        ("ForAllValues:StringEquals", "tags", "a", False),
        ("ForAllValues:StringEquals", "tags", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "missing", "a", True),
    ],
)
def test_a_condition_holds_as_it_does_in_aws(operator: str, key: str, wanted: Any, met: bool) -> None:
    assert holds({"Condition": {operator: {key: wanted}}}, CONTEXT) is met


def test_all_conditions_must_hold() -> None:
    met, unmet = {"events:source": "lms"}, {"tags": "c"}
    assert holds({"Condition": {"StringEquals": met, "ForAnyValue:StringEquals": {"tags": "a"}}}, CONTEXT)
    assert not holds({"Condition": {"StringEquals": met, "ForAnyValue:StringEquals": unmet}}, CONTEXT)
    assert holds({}, CONTEXT)


@pytest.mark.parametrize("operator", ["NumericEquals", "IpAddress", "ForSomeValue:StringEquals", "stringEquals"])
def test_a_condition_that_cannot_be_evaluated_here_is_refused_by_name(operator: str) -> None:
    with pytest.raises(UnsupportedTemplateError, match=f"role: the condition {operator}"):
        checked([{"Condition": {operator: {"a": "b"}}}], "role")


@pytest.mark.parametrize(
    ("principal", "met"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": ROLE}, True),
        ({"AWS": ["999999999999", "123456789012"]}, True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, True),
        ({"AWS": "arn:aws:iam::999999999999:root"}, False),
        ({"Service": "events.amazonaws.com"}, False),
    ],
)
def test_a_statement_is_of_principals_accounts_or_everybody(principal: Any, met: bool) -> None:
    assert is_of({"Principal": principal}, ROLE) is met


def test_a_statement_is_about_actions_on_resources() -> None:
    statement = {"Action": ["events:Put*"], "Resource": "arn:aws:events:eu-west-1:123456789012:event-bus/b"}
    assert is_about(statement, "events:PutEvents", "event-bus/b")
    assert is_about(statement, "events:PutEvents", "")
    assert not is_about(statement, "events:PutEvents", "event-bus/c")
    assert not is_about(statement, "events:DescribeEventBus", "event-bus/b")
