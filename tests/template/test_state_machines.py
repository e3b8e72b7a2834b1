"""State machines: sound by themselves, and every state that is named exists."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from localcloud.template import read_yaml
from tests.scenes.template_expansion import ROOT, Json, findings

FILES = sorted((ROOT / "statemachines").glob("*.asl.*"))


def read(name: str) -> Json:
    """Read one definition; JSON is YAML, too."""
    definition: Json = yaml.safe_load((ROOT / "statemachines" / name).read_text().replace("${Partition}", "aws"))
    return definition


def dangling(machine: Json) -> Iterator[str]:
    """Yield the states that are named as the next one but don't exist, in nested machines as well."""
    states = machine["States"]
    yield from {machine["StartAt"], *following(list(states.values()))} - states.keys()
    for state in states.values():
        for nested in (*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")):
            if nested:
                yield from dangling(nested)


def following(node: Any) -> Iterator[str]:
    """Yield each Next and Default of a state and of its choices and catchers, not of machines inside it."""
    if isinstance(node, list):
        for item in node:
            yield from following(item)
    elif isinstance(node, dict):
        yield from (node[key] for key in ("Next", "Default") if isinstance(node.get(key), str))
        for key, value in node.items():
            if key in {"Choices", "Catch"}:
                yield from following(value)


@pytest.mark.parametrize("name", [path.name for path in FILES])
def test_cfn_lint_finds_nothing_in_the_machine(name: str) -> None:
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/name", "Definition": read(name)}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    assert findings({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine}}) == []


@pytest.mark.parametrize("name", [path.name for path in FILES])
def test_every_next_state_exists(name: str) -> None:
    assert list(dangling(read(name))) == []


def test_all_that_a_definition_leaves_open_is_substituted_and_nothing_else() -> None:
    template: Json = read_yaml((ROOT / "template.yaml").read_text())
    machines = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::StateMachine"]
    for machine in machines:
        left_open = set(re.findall(r"\$\{(\w+)\}", (ROOT / machine["DefinitionUri"]).read_text()))
        assert left_open == machine.get("DefinitionSubstitutions", {}).keys()


def test_a_state_that_does_not_exist_is_found_wherever_it_is_named() -> None:
    inner = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "in a map"}}}
    machine = {
        "StartAt": "Map",
        "States": {
            "Map": {
                "Type": "Map",
                "ItemProcessor": inner,
                "Catch": [{"Next": "in a catcher"}],
                "Next": "Choice",
            },
            "Choice": {"Type": "Choice", "Choices": [{"Next": "in a choice"}], "Default": "as default"},
        },
    }
    assert set(dangling(machine)) == {"in a map", "in a catcher", "in a choice", "as default"}
