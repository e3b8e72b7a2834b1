"""Acts on many learners, of a file: each line is looked at first, and nothing happens to those that are refused."""

import sys
from pathlib import Path
from typing import Any

import click

from certrules.formats.words import counted
from certs.options import CourseRun, examples
from certs.support.acts import allowlist
from certs.support.api import Api
from certs.support.common import json_option, key_option, printable, reason_option, show, stack_option, yes_option
from certs.terminal import confirm, stdin

SOME_REFUSED = 1
"""Exit code if a line was refused; what is accepted is done all the same."""

file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, exists=True, allow_dash=True, path_type=Path),
    help="Whose: a learner a line, and after a comma a note, as in the instructor dashboard's file; -: stdin.",
)


def act_on_list(
    api: Api, act: str, course_run: str, file: Path, reason: str, key: str | None, *, yes: bool, as_json: bool
) -> None:
    """Show what becomes of each line, and do it if it is confirmed. Exits with SOME_REFUSED if a line was refused."""
    if str(file) == "-" and not yes:
        raise click.UsageError("stdin is the list, so nobody can be asked: add --yes")
    body: dict[str, Any] = {"act": act, "course_run": course_run, "text": _text(file), "reason": reason}
    if not yes:
        preview = api.post("/v1/lists/preview", body)
        _describe(preview, err=True)
        if not preview["accepted"]:
            sys.exit(SOME_REFUSED)
        confirm("Do it?")
        body["seen"] = preview["seen"]
    answer = api.post("/v1/lists/act", body, key)
    show(answer, as_json, lambda: _show_done(answer, was_shown=not yes))
    if answer["refused"]:
        sys.exit(SOME_REFUSED)


def _text(file: Path) -> str:
    try:
        content = stdin() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file}: it is not UTF-8, {error.reason}") from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error


def _describe(found: dict[str, Any], *, err: bool) -> None:
    for line in sorted(found["lines"], key=lambda line: line["accepted"]):
        who = line["written"] if line["learner_id"] is None else line["learner_id"]
        fix = f" {line['fix']}" if line["fix"] else ""
        text = f"{'accepted' if line['accepted'] else 'REFUSED '}  line {line['line']}, {who}: {line['sentence']}{fix}"
        click.echo(printable(text), err=err)
    if programs := found.get("programs"):
        click.echo(f"Program certificates: {programs['falling']} fall, {programs['surviving']} stay.", err=err)
    click.echo(f"{found['accepted']} accepted, {found['refused']} refused: nothing happens to those.", err=err)


def _show_done(answer: dict[str, Any], *, was_shown: bool) -> None:
    if not was_shown:
        _describe(answer, err=True)
    if answer["revocation"]:
        count, name = answer["accepted"], answer["revocation"]
        click.echo(f"Asked for {counted(count, 'certificate')}, as {name}; a second person approves it.")
    else:
        click.echo(f"Sent for {counted(answer['accepted'], 'learner')}.")


@allowlist.command(
    "add-all",
    epilog=examples(
        'certs allowlist add-all course-v1:DemoX+CS101+2026_T1 --file exceptions.csv --reason "Lab 3 lost its points."'
    ),
)
@click.argument("course_run", type=CourseRun())
@file_option
@reason_option
@key_option
@yes_option
@stack_option
@json_option
def add_all(
    course_run: str, file: Path | None, reason: str, key: str | None, stack: str | None, *, yes: bool, as_json: bool
) -> None:
    """Add an entry for each learner of a file.

    Each line is looked at first; nothing happens to those that are refused (exit code 1). The same file again adds
    nothing twice.
    """
    if file is None:
        raise click.UsageError("name the --file")
    act_on_list(Api(stack), "allowlist-add", course_run, file, reason, key, yes=yes, as_json=as_json)
