"""The commands about learners' records in the Credentials service: programs, what waits, and trying again."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from certrules.formats.words import counted
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
from certs.terminal import confirm

waiting_option = click.option("--waiting", help="Only what waits for this; a wrong code lists all.")


PROGRAM = "8a1b2c3d-0000-4000-8000-000000000001"
RETRY_ONE = f'certs records retry --learner 86 --kind program --of {PROGRAM} --reason "ticket 12"'
ACT = f'certs records act discard 86 {PROGRAM} --reason "ticket 12"'


@click.group(
    epilog=examples(
        "certs records show 86", "certs records list", "certs records list --waiting not_in_catalog",
        'certs records retry --learner 86 --reason "ticket 12"', RETRY_ONE,
        'certs records retry --waiting unknown_program --reason "The certificate is configured now."',
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
            for line in _more_of(program):
                click.echo(line)
            click.echo()
        rows = ((item["kind"], item["key"], _delivery_text(item)) for item in found["deliveries"])
        table(("what", "where", "how far it is"), rows, "Nothing was to be delivered so far.")

    show(found, as_json, human)


def _more_of(program: dict[str, Any]) -> Iterator[str]:
    """Yield what is to be known of a program beside its explanation."""
    if program["hidden"]:
        yield printable(program["hidden"]["sentence"])
    if program["delivery"]:
        yield _delivery_text(program["delivery"])
    for act in program["acts"]:
        yield printable(f"{act['at']}: revocation {act['action']} by {act['by']} ({act['cause']}): {act['notes']}")


def _delivery_text(delivery: dict[str, Any]) -> str:
    return printable(" ".join(filter(None, (delivery["sentence"], delivery["remedy"], delivery["warning"]))))


@records.command("list", epilog=examples("certs records list --waiting not_in_catalog"))
@waiting_option
@stack_option
@json_option
def list_waiting(waiting: str | None, stack: str | None, *, as_json: bool) -> None:
    """List the deliveries that wait, by reason."""
    found = Api(stack).whole("/v1/records", "waiting", reason=waiting)
    rows = found["waiting"]

    def human() -> None:
        cells = ((row["learner_id"], row["kind"], row["key"], row["reason"]) for row in rows)
        table(("learner", "what", "where", "reason"), cells, "Nothing waits.")
        for code, count in Counter(row["reason"] for row in rows).most_common():
            (row, *_) = (row for row in rows if row["reason"] == code)
            click.echo(f"{count} {code or 'not tried so far'}: {row['meaning']} {row['remedy']}")

    show(found, as_json, human)


@records.command(
    "retry",
    epilog=examples('certs records retry --learner 86 --reason "ticket 12"', RETRY_ONE),
)
@click.option("--learner", type=click.IntRange(min=1), help="All that waits of this learner.")
@click.option("--course-run", type=CourseRun(), help="The dates of this course run.")
@click.option(
    "--kind", type=click.Choice(["course", "grade", "program"]), help="One delivery of the learner, with --of."
)
@click.option("--of", help="Its course run, or its program's uuid: it is sent again, even if it is acknowledged.")
@waiting_option
@reason_option
@yes_option
@stack_option
@json_option
def retry(
    learner: int | None,
    course_run: str | None,
    *,
    kind: str | None,
    of: str | None,
    waiting: str | None,
    reason: str,
    stack: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Have what waits be tried within a minute or two.

    Name a learner, a course run, or what it waits for: then all of whom something does. Or name one delivery of a
    learner: it is sent again.
    """
    if sum(given is not None for given in (learner, course_run, waiting)) != 1:
        raise click.UsageError("name a learner, a course run, or what it waits for")
    if (kind is None) is not (of is None) or (kind and learner is None):
        raise click.UsageError("name one delivery with --learner, --kind and --of")
    api = Api(stack)
    owners: list[dict[str, Any]] = [{"learner_id": learner, "course_run": course_run, "kind": kind, "of": of}]
    if waiting is not None:
        rows = api.whole("/v1/records", "waiting", reason=waiting)["waiting"]
        found = {(row["learner_id"], None if row["learner_id"] else row["key"]) for row in rows}
        owners = [{"learner_id": learner_id, "course_run": key} for learner_id, key in found]
        if not yes:
            confirm(f"Try all that waits of {len(owners)} again?")
    count = sum(api.post("/v1/records/retry", {**owner, "reason": reason})["retried"] for owner in owners)
    show({"retried": count}, as_json, lambda: click.echo(f"Tried again: {counted(count, 'delivery', 'deliveries')}."))


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
    body = {"act": act, "learner_id": learner, "program": program, "reason": reason}
    if not yes:
        preview = api.post("/v1/programs/preview", body)
        for sentence in preview["sentences"]:
            click.echo(printable(sentence), err=True)
        body["cause"] = preview["cause"]
        confirm(f"Do it ({act})?")
    answer = api.post("/v1/programs/act", body, key)
    show(answer, as_json, lambda: click.echo(f"Sent as event {answer['event_id']}: {act}, of {answer['title']}."))
