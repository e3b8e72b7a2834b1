"""The help texts of the command, and that a mistake is answered by a sentence."""

import re
import shlex
from pathlib import Path

import click
import pytest

from certs.cli import main
from tests.scenes.commands import certs

COMMANDS = sorted(main.commands)


def examples(command: click.Command) -> list[str]:
    """The calls of `certs` that a help text ends with; what follows two spaces only describes them."""
    lines = (command.epilog or "").replace("\b", "").strip().splitlines()
    return [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("certs ")]


def test_the_overview_has_a_whole_sentence_on_each_command() -> None:
    shown = certs("--help")
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", shown.stdout, re.MULTILINE)
    assert "..." not in shown.stdout.partition("Commands:")[2].partition("\n\n")[0]
    assert "certs run  " in shown.stdout
    assert certs("-h").stdout == shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_what_it_does_by_example(name: str) -> None:
    command = main.commands[name]
    shown = certs(name, "--help")
    assert shown.exit_code == 0
    assert command.epilog is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help
            assert max(option.opts, key=len) in shown.stdout
    for line in command.epilog.replace("\b", "").strip().splitlines():
        assert f"\n  {line}\n" in shown.stdout


@pytest.mark.parametrize("example", [line for command in [main, *main.commands.values()] for line in examples(command)])
def test_every_example_is_a_call_that_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl.gz").touch()
    (tmp_path / "export").mkdir()
    _, name, *arguments = shlex.split(example.partition(" < ")[0])
    command = main.commands[name]
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    assert command.make_context(name, arguments).params


@pytest.mark.parametrize(
    "mistake",
    [
        ["rerun"],
        ["replay", "--utnil", "2026-01-01T00:00:00Z"],
        ["run", "--learners", "many"],
        ["local", "--port", "70000"],
        ["explain", "86"],
        ["explain", "learner86", "course-v1:DemoX+CS101+2026_T1"],
        ["explain", "86", "course-v1:DemoX+CS101+2026_T1", "--as-of", "today"],
        ["invalidations"],
    ],
)
def test_a_mistake_is_answered_by_how_it_goes(mistake: list[str]) -> None:
    result = certs(*mistake)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: certs ")
    assert "\nError: " in result.stderr
