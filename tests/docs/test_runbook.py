"""Every alarm has its section in the runbook, and names it; every section has its alarm."""

import json
import re
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from certrules.core.rules import RULEBOOK

ROOT = Path(__file__).parents[2]


def test_runbook_and_alarms_know_each_other() -> None:
    template = (ROOT / "template.yaml").read_text()
    alarms = re.findall(r"^  (\w+)Alarm:\n    Type: AWS::CloudWatch::Alarm", template, re.MULTILINE)
    sections = re.findall(r"^## (\S+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    slugs = [re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower() for name in alarms]
    assert sorted(sections) == sorted(slugs)
    assert sorted(re.findall(r"AlarmDescription: .* Runbook - (\S+)\.", template)) == sorted(slugs)
    for name in alarms:
        assert f"${{{name}Alarm.Arn}}" in template, "the dashboard shows it"


def test_every_section_shows_where_to_look_what_to_do_and_when_it_is_over() -> None:
    _, *sections = (ROOT / "docs" / "runbook.md").read_text().split("\n## ")
    for section in sections:
        for phrase in ("**Look:**", "**Do", "**Over:**"):
            assert phrase in section, section.splitlines()[0]


def test_the_dashboard_shows_every_reason() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(re.sub(r"\$\{[\w.:]+\}", "x", body))["widgets"]
    assert len(widgets) == 9
    assert set(re.findall(r"\"reason_(\w+)\"", body)) == {rule.code for rule in RULEBOOK.rules}


def test_the_commands_that_runbook_and_support_guide_name_exist() -> None:
    from certs.cli import main

    for page in ("runbook.md", "support.md"):
        text = (ROOT / "docs" / page).read_text().replace("\n", " ")
        for first, second in re.findall(r"`certs ([a-z-]+) ?([a-z-]*)", text):
            command = main.commands[first]
            assert second == "" or not hasattr(command, "commands") or second in command.commands, (page, first, second)
