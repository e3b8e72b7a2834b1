"""The commands for revocations that are held, and for those that two persons decide."""

import click

from certs.options import CourseRun, examples
from certs.support.acting import CASE, acting
from certs.support.api import Api
from certs.support.common import colleague_option, json_option, key_option, reason_option, show, stack_option, table


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
    api, rows, cursor = Api(stack), [], None
    while True:
        found = api.get("/v1/held", course_run=course_run, cursor=cursor)
        rows += found["held"]
        cursor = found["next"]
        if cursor is None:
            break
    cells = (
        (row["learner_id"], row["course_run"], row["cause"], row["since"], row["due"] or "a person decides")
        for row in rows
    )
    show(rows, as_json, lambda: table(("learner", "course run", "cause", "since", "due"), cells, "Nothing is pending."))


@held.command("discard-all")
@click.argument("course_run", type=CourseRun())
@reason_option
@key_option
@stack_option
@json_option
def discard_all(course_run: str, reason: str, key: str | None, stack: str | None, *, as_json: bool) -> None:
    """Have all certificates of a course run stay whose revocation is pending."""
    answer = Api(stack).post("/v1/held/discard", {"course_run": course_run, "reason": reason}, key)
    show(answer, as_json, lambda: click.echo(f"{answer['discarded']} revocations are discarded."))


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
@reason_option
@key_option
@stack_option
@json_option
def request_revocation(
    course_run: str,
    learners: tuple[int, ...],
    act: str | None,
    reason: str,
    key: str | None,
    stack: str | None,
    *,
    as_json: bool,
) -> None:
    """Ask for a bulk revocation."""
    body = {"act": act or "release", "course_run": course_run, "learners": list(learners) or None, "reason": reason}
    answer = Api(stack).post("/v1/revocations", body, key)
    show(
        answer,
        as_json,
        lambda: click.echo(
            f"Asked for {len(answer['learners'])} certificates, as {answer['id']}; a second person approves it."
        ),
    )


@revocations.command("list")
@stack_option
@json_option
def list_revocations(stack: str | None, *, as_json: bool) -> None:
    """List what was asked for."""
    found = Api(stack).get("/v1/revocations")["revocations"]
    rows = (
        (row["id"], row["state"], len(row["learners"]), row["course_run"], row["requested_by"], row["expires_at"])
        for row in found
    )
    heads = ("id", "state", "certificates", "course run", "asked for by", "expires")
    show(found, as_json, lambda: table(heads, rows, "None was asked for."))


def _deciding(word: str, text: str) -> click.Command:
    @click.command(word, help=text)
    @click.argument("revocation_id")
    @colleague_option
    @stack_option
    @json_option
    def command(revocation_id: str, stack: str | None, *, colleague: bool, as_json: bool) -> None:
        answer = Api(stack, colleague).post(f"/v1/revocations/{revocation_id}/{word}", {})
        show(answer, as_json, lambda: click.echo(f"{len(answer['learners'])} certificates: {answer['state']}."))

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
    def command(course_run: str | None, reason: str, key: str | None, stack: str | None) -> None:
        body = {"course_run": course_run, "reason": reason}
        answer = Api(stack).post(f"/v1/automatic-revocations/{switch}", body, key)
        click.echo(f"Sent as event {answer['event_id']}.")

    return command


revocations.add_command(
    _switching("stop", "stop", "Have automatic revocations held.\n\nIn a course run, or everywhere. Awards go on.")
)
revocations.add_command(
    _switching("resume", "resume", "Let automatic revocations take effect again.\n\nWhat was held stays held.")
)
