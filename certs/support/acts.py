"""The commands that act on one learner's certificate: they show a preview, and ask."""

from datetime import datetime
from typing import Any

import click

from certs.options import Instant, examples
from certs.support.api import Api
from certs.support.common import (
    json_option,
    key_option,
    learner_arguments,
    printable,
    reason_option,
    show,
    stack_option,
    yes_option,
)
from certs.terminal import confirm


def _act(
    act: str,
    learner: int,
    course_run: str,
    reason: str,
    stack: str | None,
    key: str | None,
    *,
    yes: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Show the preview of an act, and do it if it is confirmed."""
    api = Api(stack)
    body = {"act": act, "learner_id": learner, "course_run": course_run, "reason": reason, "version": None, **more}
    if not yes:
        preview = api.post("/v1/case/preview", body)
        click.echo(preview["sentence"], err=True)
        if preview["takes_away"]:
            click.echo("This takes a certificate away from the learner.", err=True)
        for sentence in (preview.get("programs") or {}).get("sentences", ()):
            click.echo(printable(sentence), err=True)
        confirm("Do it?")
        body["version"] = preview["version"]  # act on the version that was shown
    answer = api.post("/v1/case/act", body, key)
    show(answer, as_json, lambda: click.echo(f"Sent as event {answer['event_id']}. {answer['sentence']}"))


def acting(name: str, act: str, text: str) -> click.Command:
    """Return the command for an act on one certificate."""

    @click.command(name, help=text)
    @learner_arguments
    @reason_option
    @key_option
    @yes_option
    @stack_option
    @json_option
    def command(
        learner: int, course_run: str, reason: str, key: str | None, stack: str | None, *, yes: bool, as_json: bool
    ) -> None:
        _act(act, learner, course_run, reason, stack, key, yes=yes, as_json=as_json)

    command.epilog = None
    return command


CASE = "86 course-v1:DemoX+CS101+2026_T1"


@click.group(epilog=examples(f'certs allowlist add {CASE} --reason "Lab 3 lost its points."'))
def allowlist() -> None:
    """Put a learner on the allowlist, or off."""


allowlist.add_command(acting("add", "allowlist-add", "Add an entry."))
allowlist.add_command(acting("remove", "allowlist-remove", "Remove the entry."))

invalidate = acting("invalidate", "invalidate", "Invalidate a learner's certificate.")
invalidate.epilog = examples(f'certs invalidate {CASE} --reason "Reported for plagiarism."')
lift = acting("lift", "lift", "Lift a person's invalidation.")
lift.epilog = examples(f'certs lift {CASE} --reason "The report was unfounded."')
redecide = acting("redecide", "redecide", "Have a certificate decided again.")
redecide.epilog = examples(f'certs redecide {CASE} --reason "Asked for by the learner."')
erase = acting("erase", "erase-name", "Erase a learner's name.")
erase.epilog = examples(f'certs erase {CASE} --reason "Asked for by the learner."')


@click.group(epilog=examples(f'certs date set {CASE} 2026-05-29T00:00:00Z --reason "The course ended then."'))
def date() -> None:
    """Set the date that a certificate shows."""


date.add_command(acting("remove", "date-remove", "Let it show its own date."))


@date.command("set")
@learner_arguments
@click.argument("instant", type=Instant())
@reason_option
@key_option
@yes_option
@stack_option
@json_option
def set_date(
    learner: int,
    course_run: str,
    instant: datetime,
    reason: str,
    key: str | None,
    stack: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Set the date, such as 2026-05-29T00:00:00Z."""
    _act("date-set", learner, course_run, reason, stack, key, yes=yes, as_json=as_json, date=instant)
