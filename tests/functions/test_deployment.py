"""Deployment: CloudFormation asks whether a release may be used, and has the tables protected."""

import json
from typing import Any

import pytest

from localcloud import StackFailedError, custom_resources
from tests.scenes.scene import Scene

PROTECTION = "Custom::TableProtection"


class Asked:
    """The deployment function, as CloudFormation asks it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.tables = [scene.cloud.physical(f"{name}Table") for name in ("Certificates", "History", "Support")]

    def parameters(self, policy: str, stack: str = "certificates") -> None:
        """Have parameters read."""
        self.request(
            "Custom::ValidParameters",
            {"Variables": {"POLICY": policy, "WEB_CERTIFICATES": "on"}},
            {"StackId": f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{stack}/1"},
        )

    def request(self, kind: str, properties: dict[str, Any], fields: dict[str, str]) -> None:
        """Make a request. Raises StackFailedError."""

        def invoke(_arn: str, event: object) -> Any:
            assert isinstance(event, dict)
            return self._scene.cloud.invoke("DeploymentFunction", event | fields)

        custom_resources.create("Thing", kind, {"ServiceToken": "arn", **properties}, invoke)

    def protected(self) -> set[bool]:
        """Return whether tables are protected."""
        client = self._scene.client("dynamodb")
        return {client.describe_table(TableName=t)["Table"]["DeletionProtectionEnabled"] for t in self.tables}


@pytest.fixture
def asked(scene: Scene) -> Asked:
    """The deployment function."""
    return Asked(scene)


def test_a_policy_that_can_be_read_lets_the_deployment_go_on(asked: Asked) -> None:
    asked.parameters("open-edx")
    asked.parameters('{"hold_seconds": 60}')


@pytest.mark.parametrize("policy", ["", "open-edxx", "{", "null", '{"hold_seconds": "long"}', "x" * 3000])
def test_a_policy_that_can_not_be_read_stops_it_with_the_reason(asked: Asked, policy: str) -> None:
    with pytest.raises(StackFailedError, match="Thing: policy"):
        asked.parameters(policy)


def test_a_stack_whose_name_would_be_cut_in_the_names_of_functions_is_refused(asked: Asked) -> None:
    asked.parameters("open-edx", stack="c" * 32)
    with pytest.raises(StackFailedError, match="has 33 characters, more than 32"):
        asked.parameters("open-edx", stack="c" * 33)


def test_the_reason_is_short_enough_for_cloudformation(asked: Asked) -> None:
    with pytest.raises(StackFailedError) as failed:
        asked.parameters(json.dumps({"x" * 2300: 1}))
    assert len(str(failed.value)) < 1100


def test_what_removes_a_stack_is_never_refused_for_its_parameters(asked: Asked) -> None:
    asked.request("Custom::ValidParameters", {"Variables": {"POLICY": "{"}}, {"RequestType": "Delete"})


def test_tables_are_protected_as_the_parameter_states_until_a_first_deployment_fails(asked: Asked) -> None:
    on, off = ({"Tables": asked.tables, "Protected": value} for value in ("true", "false"))
    asked.request(PROTECTION, on, {})
    assert asked.protected() == {True}
    asked.request(PROTECTION, on, {"RequestType": "Update"})
    assert asked.protected() == {True}
    asked.request(PROTECTION, off, {"RequestType": "Update"})
    assert asked.protected() == {False}
    asked.request(PROTECTION, on, {"RequestType": "Update"})
    asked.request(PROTECTION, on, {"RequestType": "Delete"})
    assert asked.protected() == {False}


def test_tables_that_can_not_be_protected_stop_the_deployment(asked: Asked) -> None:
    with pytest.raises(StackFailedError, match="Thing: "):
        asked.request(PROTECTION, {"Tables": ["none"], "Protected": "true"}, {})
