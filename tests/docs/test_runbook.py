"""Every alarm has its section in the runbook, and names it; every section has its alarm."""

import json
import re
from pathlib import Path

from certrules.core.rules import RULEBOOK
from certrules.core.terms import Cause
from tests.scenes.template_expansion import Json, of_type

ROOT = Path(__file__).parents[2]


def test_every_alarm_has_its_section_and_every_section_an_alarm(stack: Json) -> None:
    sections = re.findall(r"^## (\S+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    named = {}
    for name, alarm in of_type(stack, "AWS::CloudWatch::Alarm").items():
        (named[name],) = re.findall(r" Runbook - (\S+)\.$", alarm["AlarmDescription"])
    assert len(sections) == len(set(sections))
    assert set(named.values()) == set(sections)


def test_the_dashboard_shows_every_alarm(stack: Json) -> None:
    dashboard = json.dumps(of_type(stack, "AWS::CloudWatch::Dashboard"))
    assert [name for name in of_type(stack, "AWS::CloudWatch::Alarm") if f"${{{name}.Arn}}" not in dashboard] == []


def test_every_section_shows_where_to_look_what_to_do_and_when_it_is_over() -> None:
    _, *sections = (ROOT / "docs" / "runbook.md").read_text().split("\n## ")
    for section in sections:
        for phrase in ("**Look:**", "**Do", "**Over:**"):
            assert phrase in section, section.splitlines()[0]


def test_the_dashboard_is_json_and_shows_every_reason_and_cause(stack: Json) -> None:
    body, variables = stack["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for branch in (1, 2):  # what is conditional there, and not there
        text = body
        for name, value in variables.items():
            chosen = value["Fn::If"][branch]
            text = text.replace(f"${{{name}}}", chosen.get("Fn::Sub", "x") if isinstance(chosen, dict) else chosen)
        assert json.loads(re.sub(r"\$\{[\w.:]+\}", "x", text))["widgets"]
    assert set(re.findall(r"\"reason_(\w+)\"", body)) == {rule.code for rule in RULEBOOK.rules}
    assert set(re.findall(r"\"cause_(\w+)\"", body)) == set(Cause)


def test_the_commands_that_runbook_and_support_guide_name_exist() -> None:
    from certs.cli import main

    for page in ("runbook.md", "support.md"):
        text = (ROOT / "docs" / page).read_text().replace("\n", " ")
        for first, second in re.findall(r"`certs ([a-z-]+) ?([a-z-]*)", text):
            command = main.commands[first]
            assert second == "" or not hasattr(command, "commands") or second in command.commands, (page, first, second)
