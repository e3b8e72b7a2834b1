"""The commands about learners' records in the Credentials service: programs, what waits, and trying again."""

from collections import Counter
from datetime import datetime
from typing import Any

import click

from certs.options import CourseRun, Instant, examples
from certs.support.api import Api
from certs.support.common import (
    json_option,
    key_option,
    printable,
    reason_option,
    show,
    stack_option,
    table,
    yes_option,
)

waiting_option = click.option("--reason", help="Only what waits for this reason; a wrong one lists all.")


ACT = 'certs records act discard 86 8a1b2c3d-0000-4000-8000-000000000001 --reason "ticket 12"'


@click.group(
    epilog=examples(
        "certs records show 86", "certs records list", "certs records list --reason not_in_catalog",
        "certs records retry --learner 86", "certs records retry --reason unknown_program",
        ACT,
    )
)  # fmt: skip
def records() -> None:
    """Look at learners' records, and at what waits there."""


@records.command("show", epilog=examples("certs records show 86"))
@click.argument("learner", type=click.IntRange(min=1))
@click.option("--as-of", type=Instant(), help="Programs as of this instant; default: now, as they were published.")
@stack_option
@json_option
def show_record(learner: int, as_of: datetime | None, stack: str | None, *, as_json: bool) -> None:
    """Show a learner's programs, and whether the record has them.

    What carries each course, what is missing, and what would complete it. LEARNER is the platform's user id.
    """
    found = Api(stack).get(f"/v1/learners/{learner}/programs", as_of=as_of)

    def human() -> None:
        for program in found["programs"]:
            click.echo(printable(program["text"]))
            if program["delivery"]:
                click.echo(_delivery_text(program["delivery"]) + "\n")
        rows = ((item["kind"], item["key"], _delivery_text(item)) for item in found["deliveries"])
        table(("what", "where", "how far it is"), rows, "Nothing was to be delivered so far.")

    show(found, as_json, human)


def _delivery_text(delivery: dict[str, Any]) -> str:
    return printable(" ".join(filter(None, (delivery["sentence"], delivery["remedy"], delivery["warning"]))))


@records.command("list", epilog=examples("certs records list --reason not_in_catalog"))
@waiting_option
@stack_option
@json_option
def list_waiting(reason: str | None, stack: str | None, *, as_json: bool) -> None:
    """List the deliveries that wait, by reason."""
    rows = Api(stack).all_pages("/v1/records", "waiting", reason=reason)

    def human() -> None:
        cells = ((row["learner_id"], row["kind"], row["key"], row["reason"]) for row in rows)
        table(("learner", "what", "where", "reason"), cells, "Nothing waits.")
        for code, count in Counter(row["reason"] for row in rows).most_common():
            (row, *_) = (row for row in rows if row["reason"] == code)
            click.echo(f"{count} {code or 'not tried so far'}: {row['meaning']} {row['remedy']}")

    show(rows, as_json, human)


@records.command("retry", epilog=examples("certs records retry --learner 86"))
@click.option("--learner", type=click.IntRange(min=1), help="All that waits of this learner.")
@click.option("--course-run", type=CourseRun(), help="The dates of this course run.")
@waiting_option
@yes_option
@stack_option
@json_option
def retry(
    learner: int | None, course_run: str | None, reason: str | None, stack: str | None, *, yes: bool, as_json: bool
) -> None:
    """Have what waits be tried within a minute or two.

    Name a learner, a course run, or a reason: then all of whom something waits for it.
    """
    if sum(given is not None for given in (learner, course_run, reason)) != 1:
        raise click.UsageError("name a learner, a course run, or a reason")
    api = Api(stack)
    owners: list[dict[str, Any]] = [{"learner_id": learner, "course_run": course_run}]
    if reason is not None:
        rows = api.all_pages("/v1/records", "waiting", reason=reason)
        found = {(row["learner_id"], None if row["learner_id"] else row["key"]) for row in rows}
        owners = [{"learner_id": learner_id, "course_run": key} for learner_id, key in found]
        if not yes:
            click.confirm(f"Try all that waits of {len(owners)} again?", abort=True, err=True)
    count = sum(api.post("/v1/records/retry", owner)["retried"] for owner in owners)
    show({"retried": count}, as_json, lambda: click.echo(f"{count} deliveries are tried again."))


@records.command("act", epilog=examples(ACT))
@click.argument("act", type=click.Choice(["release", "discard", "hold"]))
@click.argument("learner", type=click.IntRange(min=1))
@click.argument("program")
@reason_option
@key_option
@yes_option
@stack_option
@json_option
def act_on_program(
    act: str, learner: int, program: str, reason: str, key: str | None, stack: str | None, *, yes: bool, as_json: bool
) -> None:
    """Decide on the pending revocation of a program certificate.

    `release` revokes it, `discard` has it stay, `hold` has its revocation wait for a person without an end. LEARNER is
    the platform's user id, PROGRAM the program's uuid.
    """
    api = Api(stack)
    if not yes:
        found = api.get(f"/v1/learners/{learner}/programs")["programs"]
        for item in (item for item in found if item["program"] == program):
            click.echo(printable(item["text"]), err=True)
        click.confirm(f"Do it ({act})?", abort=True, err=True)
    body = {"act": act, "learner_id": learner, "program": program, "reason": reason}
    answer = api.post("/v1/programs/act", body, key)
    show(answer, as_json, lambda: click.echo(f"Sent as event {answer['event_id']}: {act}, of {answer['title']}."))
