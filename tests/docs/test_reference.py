"""Everything that is there is documented: rules, events, refusals, commands and their options."""

from pathlib import Path

import pytest

from certrules.core.deliveries.outcomes import RecordWarning, Waiting
from certrules.core.programs.reasons import ProgramCause, ProgramReason
from certrules.core.rules import RULES
from certrules.core.terms import Cause
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_out import EVENTS_OUT
from certrules.formats.refusals import Reason
from certs.cli import main

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


@pytest.mark.parametrize("phrase", [*(rule.code for rule in RULES), *Cause])
def test_every_rule_and_cause_is_documented(phrase: str) -> None:
    assert f"`{phrase}`" in (DOCS / "rules.md").read_text()


@pytest.mark.parametrize("phrase", [*ProgramReason, *ProgramCause])
def test_every_reason_and_cause_of_programs_is_documented(phrase: str) -> None:
    assert f"`{phrase}`" in (DOCS / "programs.md").read_text()


@pytest.mark.parametrize("phrase", [*EVENT_TYPES, *EVENTS_OUT, *Reason])
def test_every_event_and_refusal_is_documented(phrase: str) -> None:
    assert f"`{phrase}`" in (DOCS / "events.md").read_text()


@pytest.mark.parametrize("phrase", [*Waiting, *RecordWarning])
def test_every_reason_to_wait_and_every_warning_of_a_delivery_is_documented(phrase: str) -> None:
    assert f"`{phrase}`" in (DOCS / "records.md").read_text()


@pytest.mark.parametrize("name", main.commands)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = (DOCS / "cli.md").read_text()
    assert f"## certs {name}" in text
    for parameter in main.commands[name].params:
        assert max(parameter.opts, key=len) in text or parameter.human_readable_name in text


def test_every_page_is_reached_from_the_readme_or_another_page() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    text = (DOCS.parent / "README.md").read_text() + "".join(path.read_text() for path in DOCS.rglob("*.md"))
    unreached = {page for page in pages if page not in text and not page.startswith("decisions/")}
    assert not unreached
