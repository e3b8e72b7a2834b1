"""What holds of every command that speaks the support API: its JSON, its output in pipes, closed stdin and stdout."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from certs.cli import main
from tests.scenes.bulk_runs import revocable
from tests.scenes.command_lines import ARGUMENTS, commands
from tests.scenes.commands import certs, certs_apart
from tests.scenes.fixtures import scene, stack, wire
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, document
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address", "scene", "stack", "wire"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

LEARNER = Learner(7401, "course-v1:CertX+COMMANDS+2026")
OTHER = Learner(7402, "course-v1:CertX+COMMANDS+2027")
COMMANDS = {" ".join(path): command for path, command in commands()}
READING = [
    name
    for name, command in COMMANDS.items()
    if not any(option.name == "reason" and option.required for option in command.params)
]
READS = [name for name in READING if not name.startswith(("records", "regenerate approve", "regenerate decline"))]
"""Records are off on this stack."""

MAY_BE_REFUSED = {"revocations approve", "revocations decline", "learner find", "regenerate resume"}
IS_A_FILE = {"regenerate report", "export-case"}
"""These show a file that the API has in pieces, or write one."""


@pytest.fixture(scope="module")
def names(stack: Scene) -> dict[str, str]:
    """What stands for the capitals in the arguments of commands."""
    stack.ingest(*LEARNER.qualifying())
    stack.ingest(LEARNER.failing(day(5)))
    client = Client(stack)
    asked = client.post(
        "/v1/revocations",
        act="invalidate",
        course_run=LEARNER.course_run,
        learners=[LEARNER.learner_id],
        reason="the exam was void",
    )
    revocable(stack, OTHER, 2)
    run_id = client.post("/v1/regenerations", course_runs=[OTHER.course_run], reason="new policy").body["id"]
    stack.cloud.deliver()
    return {
        "LEARNER": str(LEARNER.learner_id),
        "RUN": LEARNER.course_run,
        "REVOCATION": asked.body["id"],
        "BULK": run_id,
    }


def line_of(name: str, names: dict[str, str]) -> list[str]:
    """Return the words of a command and its arguments."""
    return [*name.split(), *(names.get(word, word) for word in ARGUMENTS[name])]


@cache
def answers() -> list[Draft202012Validator]:
    """Return what the API answers, by the published document."""
    calls = [call for path in document()["paths"].values() for call in path.values()]
    schemas = {
        kind["schema"]["$ref"]: kind["schema"]
        for call in calls
        for status, response in call["responses"].items()
        if status.startswith("2")
        for kind in response["content"].values()
    }
    return [Draft202012Validator({**schema, "components": document()["components"]}) for schema in schemas.values()]


def test_every_command_is_tried() -> None:
    assert ARGUMENTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", [name for name in READING if name not in IS_A_FILE])
def test_every_command_that_reads_has_its_answer_as_json(name: str) -> None:
    assert "--json" in [word for option in COMMANDS[name].params for word in option.opts]


@pytest.mark.parametrize("name", [name for name in READS if name not in IS_A_FILE])
def test_the_json_of_a_command_is_an_answer_of_the_api(name: str, names: dict[str, str]) -> None:
    shown = certs(*line_of(name, names), "--json")
    assert shown.stdout or name in MAY_BE_REFUSED, shown.stderr
    if shown.stdout:
        assert any(validator.is_valid(json.loads(shown.stdout)) for validator in answers())


@pytest.mark.parametrize("name", READS)
def test_output_that_is_no_terminal_is_never_cut(
    name: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    for columns in ("20", "400"):
        monkeypatch.setenv("COLUMNS", columns)
        shown.append(re.sub(r"\d", "0", certs(*line_of(name, names)).stdout))  # the time has passed meanwhile
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_stdin_or_stdout_ends_a_command_without_a_traceback(
    name: str,
    names: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "list.csv").write_text(f"{LEARNER.learner_id}\n")
    line = [word for word in line_of(name, names) if word != "--yes"]
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdin", None)
        assert ended(line) in range(9)
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        assert ended([*line, "--help"]) == 0
        assert ended(line_of(name, names) if name in READS else [*line, "--help"]) in range(9)
    with monkeypatch.context() as closed:
        reader, writer = os.pipe()
        os.close(reader)  # as `head` leaves it
        cut = os.fdopen(writer, "w")
        closed.setattr(sys, "stdout", cut)
        assert ended(line_of(name, names) if name in READS else [*line, "--help"]) in range(9)
        with suppress(BrokenPipeError):
            cut.close()
    assert "Traceback" not in capsys.readouterr().err


def ended(line: list[str]) -> Any:
    """Run a command as the program does, and return its exit code; what it raises beside that fails the test."""
    with pytest.raises(SystemExit) as error:
        main(line, prog_name="certs")
    return error.value.code or 0


def test_who_can_t_be_asked_is_named_the_way_on(names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(click.ClickException, match="add --yes"):
        main(["redecide", names["LEARNER"], names["RUN"], "--reason", "ticket 12"], standalone_mode=False)


def test_an_unknown_learner_is_no_success_and_the_way_on_is_named(names: dict[str, str]) -> None:
    shown = certs("explain", "999999", names["RUN"])
    as_json = certs("explain", "999999", names["RUN"], "--json")
    assert (shown.exit_code, as_json.exit_code) == (1, 1)
    assert "certs learner 999999" in shown.stderr
    assert json.loads(as_json.stdout)["learner_id"] == 999999


def test_a_reader_that_ends_early_is_no_fault() -> None:
    shown = certs_apart("--help")
    assert shown.returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    program = [str(word) for word in shown.args]
    cut = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    os.close(writer)
    assert cut.stderr == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_as_the_page_shows(shell: str) -> None:
    script = certs_apart(env={**os.environ, "_CERTS_COMPLETE": f"{shell}_source"})
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    assert (script.returncode, "_CERTS_COMPLETE" in script.stdout) == (0, True)
    assert f"_CERTS_COMPLETE={shell}_source" in page
