"""The commands for revocations that are held, and for those that two persons decide."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from certrules.formats.words import counted
from certs.options import CourseRun, examples
from certs.support.acts import CASE, acting
from certs.support.api import NOT_FOUND, Api, fail
from certs.support.common import (
    colleague_option,
    json_option,
    key_option,
    printable,
    reason_option,
    short,
    show,
    stack_option,
    table,
    yes_option,
)
from certs.support.lists import act_on_list, file_option
from certs.terminal import confirm


@click.group(
    epilog=examples(
        "certs held list course-v1:DemoX+CS101+2026_T1",
        f'certs held discard {CASE} --reason "The grading job was broken."',
    )
)
def held() -> None:
    """List, release or discard revocations."""


held.add_command(acting("release", "release", "Let a pending revocation take effect now."))
held.add_command(acting("discard", "discard", "Have the certificate stay."))


@held.command("list")
@click.argument("course_run", type=CourseRun(), required=False)
@stack_option
@json_option
def list_held(course_run: str | None, stack: str | None, *, as_json: bool) -> None:
    """List them, of a course run or of all."""
    found = Api(stack).whole("/v1/held", "held", course_run=course_run)
    heads = (
        ("learner", "cause", "since (UTC)", "due (UTC)")
        if course_run
        else ("learner", "course run", "cause", "due (UTC)")
    )

    def cells() -> Iterator[tuple[object, ...]]:
        for row in found["held"]:
            due = short(row["due"]) or "a person decides"
            known = (row["cause"], short(row["since"])) if course_run else (row["course_run"], row["cause"])
            yield row["learner_id"], *known, due

    show(found, as_json, lambda: table(heads, cells(), "Nothing is pending."))


@held.command("discard-all")
@click.argument("course_run", type=CourseRun())
@file_option
@reason_option
@key_option
@yes_option
@stack_option
@json_option
def discard_all(
    course_run: str, file: Path | None, reason: str, key: str | None, stack: str | None, *, yes: bool, as_json: bool
) -> None:
    """Have all certificates of a course run stay whose revocation is pending.

    With --file only those of the learners that it names: each line is looked at first.
    """
    api = Api(stack)
    if file is not None:
        act_on_list(api, "discard", course_run, file, reason, key, yes=yes, as_json=as_json)
        return
    if not yes:
        found = len(api.whole("/v1/held", "held", course_run=course_run)["held"])
        click.echo(f"{found} certificates stay; their pending revocations are discarded.", err=True)
        confirm("Do it?")
    body = {"course_run": course_run, "reason": reason}
    answer = api.post("/v1/held/discard", body, key)
    left = f"; {answer['left']} are left: ask again" if answer["left"] else ""
    show(answer, as_json, lambda: click.echo(f"{answer['discarded']} revocations are discarded{left}."))


@click.group(
    epilog=examples(
        'certs revocations request course-v1:DemoX+CS101+2026_T1 --reason "The exam was void."',
        "certs revocations list",
    )
)
def revocations() -> None:
    """Revoke several certificates, by two persons."""


@revocations.command("request")
@click.argument("course_run", type=CourseRun())
@click.option(
    "--learner", "learners", multiple=True, type=click.IntRange(min=1), help="Whose; default: all that are held."
)
@click.option("--invalidate", "act", flag_value="invalidate", help="Invalidate them, rather than release what is held.")
@file_option
@reason_option
@key_option
@yes_option
@stack_option
@json_option
def request_revocation(
    course_run: str,
    learners: tuple[int, ...],
    act: str | None,
    file: Path | None,
    *,
    reason: str,
    key: str | None,
    stack: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask for a bulk revocation.

    With --invalidate --file each line is looked at first, and you are asked; nothing happens to those that are refused.
    """
    if file is not None:
        if act is None or learners:
            raise click.UsageError("--file goes with --invalidate, and without --learner")
        act_on_list(Api(stack), act, course_run, file, reason, key, yes=yes, as_json=as_json)
        return
    body = {"act": act or "release", "course_run": course_run, "learners": list(learners) or None, "reason": reason}
    answer = Api(stack).post("/v1/revocations", body, key)
    show(
        answer,
        as_json,
        lambda: click.echo(
            f"Asked for {_certificates(answer)}, as {answer['id']}; a second person approves it."
            + (f" {answer['left']} more are held: ask again." if answer["left"] else "")
        ),
    )


@revocations.command("list")
@stack_option
@json_option
def list_revocations(stack: str | None, *, as_json: bool) -> None:
    """List the bulk revocations."""
    found = Api(stack).get("/v1/revocations")
    lines = "\n".join(map(_show_request, found["revocations"]))
    show(found, as_json, lambda: click.echo(lines or "None was asked for."))


@revocations.command("show")
@click.argument("revocation_id")
@stack_option
@json_option
def show_revocation(revocation_id: str, stack: str | None, *, as_json: bool) -> None:
    """Show one, with whose certificates it is about."""
    found = _requested(Api(stack), revocation_id)
    rows = found["learners"].items()

    def human() -> None:
        click.echo(_show_request(found))
        table(("learner", "cause"), rows, "")

    show(found, as_json, human)


def _requested(api: Api, revocation_id: str) -> dict[str, Any]:
    found = {row["id"]: row for row in api.get("/v1/revocations")["revocations"]}
    if revocation_id not in found:
        fail(NOT_FOUND, "no such revocation was asked for: see `certs revocations list`")
    known: dict[str, Any] = found[revocation_id]
    return known


def _certificates(row: Mapping[str, Any]) -> str:
    return counted(len(row["learners"]), "certificate")


def _show_request(row: Mapping[str, Any]) -> str:
    state = f"{row['state']} by {row['decided_by']}" if row["decided_by"] else row["state"]
    return printable(
        f"{row['id']}  {state}\n  {row['act']} {_certificates(row)} in {row['course_run']}\n"
        f"  asked for by {row['requested_by']}, until {short(row['expires_at'])} UTC: {row['reason']}" + _programs(row)
    )


def _programs(row: Mapping[str, Any]) -> str:
    """Return what becomes of program certificates; "" if records are off."""
    programs = row.get("programs")
    if programs is None:
        return ""
    listed = "".join(f"\n    {item['learner_id']}: {item['sentence']}" for item in programs["listed"])
    return f"\n  program certificates: {programs['falling']} fall, {programs['surviving']} stay{listed}"


def _deciding(decision: str, text: str) -> click.Command:
    @click.command(decision, help=text)
    @click.argument("revocation_id")
    @colleague_option
    @yes_option
    @stack_option
    @json_option
    def command(revocation_id: str, stack: str | None, *, colleague: bool, yes: bool, as_json: bool) -> None:
        api = Api(stack, colleague)
        if not yes:
            click.echo(_show_request(_requested(api, revocation_id)), err=True)
            confirm(f"{decision.capitalize()} it?")
        answer = api.post(f"/v1/revocations/{quote(revocation_id, safe='')}/{decision}", {})
        show(answer, as_json, lambda: click.echo(f"{_certificates(answer)}: {answer['state']}."))

    return command


revocations.add_command(_deciding("approve", "Approve a bulk revocation: it happens."))
revocations.add_command(_deciding("decline", "Decline a bulk revocation: nothing happens."))


def _switching(name: str, switch: str, text: str) -> click.Command:
    @click.command(
        name,
        help=text,
        epilog=examples(f'certs revocations {name} course-v1:DemoX+CS101+2026_T1 --reason "Grading is being mended."'),
    )
    @click.argument("course_run", type=CourseRun(), required=False)
    @reason_option
    @key_option
    @stack_option
    @json_option
    def command(course_run: str | None, reason: str, key: str | None, stack: str | None, *, as_json: bool) -> None:
        body = {"course_run": course_run, "reason": reason}
        answer = Api(stack).post(f"/v1/automatic-revocations/{switch}", body, key)
        show(answer, as_json, lambda: click.echo(f"Sent as event {answer['event_id']}."))

    return command


revocations.add_command(
    _switching("stop", "stop", "Have automatic revocations held.\n\nIn a course run, or everywhere. Awards go on.")
)
revocations.add_command(
    _switching("resume", "resume", "Let automatic revocations take effect again.\n\nWhat was held stays held.")
)
