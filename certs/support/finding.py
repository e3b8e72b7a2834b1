"""The commands that find: anything by whatever names it, a learner by username or e-mail, and their course runs."""

import sys
from collections.abc import Mapping
from typing import Any, override

import click

from certrules.formats.search_text import MOST_READ
from certs.options import examples
from certs.support.api import CONTRADICTS, NOT_FOUND, Api
from certs.support.common import json_option, printable, short, show, stack_option, table


class _ShowByDefault(click.Group):
    """A group that shows a learner where no subcommand is named: `certs learner 86`."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ShowByDefault, epilog=examples("certs learner show 86", "certs learner find ada"))
def learner() -> None:
    """Find a learner, or list their course runs.

    `certs learner 86` is the same as `certs learner show 86`.
    """


@learner.command("show", epilog=examples("certs learner show 86"))
@click.argument("learner", type=click.IntRange(min=1))
@stack_option
@json_option
def show_learner(learner: int, stack: str | None, *, as_json: bool) -> None:
    """List a learner's course runs.

    With the certificate in each. LEARNER is the platform's user id.
    """
    found = Api(stack).get(f"/v1/learners/{learner}")
    rows = (
        (
            row["course_run"],
            row["certificate"] and row["certificate"]["status"],
            short(row["certificate"] and row["certificate"]["issued_at"]),
        )
        for row in found["course_runs"]
    )

    def human() -> None:
        if found["known_as"]:
            click.echo(printable(f"{found['known_as']['username']} ({found['known_as']['name']})"))
        table(("course run", "certificate", "issued (UTC)"), rows, "Nothing is known of them.")

    show(found, as_json, human)


@learner.command(
    "find", epilog=examples("certs learner find ada", "certs learner find ada@example.org --stack certificates")
)
@click.argument("person")
@click.option("--username", "by_username", is_flag=True, help="PERSON is a username, though it has an @.")
@stack_option
@json_option
def find_learner(person: str, stack: str | None, *, by_username: bool, as_json: bool) -> None:
    """Show who has a username or an e-mail.

    PERSON is a username, in any case, or an e-mail. Usernames are found if the stack stores them (LearnerNames) or may
    ask the platform (PlatformUrl), e-mails only if it may ask.
    """
    by = "email" if "@" in person and not by_username else "username"
    found = Api(stack).get("/v1/learners", **{by: person})
    rows = ((row["learner_id"], row["username"], row["name"], row["source"]) for row in found["learners"])

    def human() -> None:
        table(("learner", "username", "name", "known from"), rows, "")
        if len(found["learners"]) > 1:
            click.echo("Several learners may be meant: compare username and name with the ticket.", err=True)
        if found["problem"]:
            click.echo(f"Only what is stored here: {found['problem']}.", err=True)

    show(found, as_json, human)


_SEEN_WITH = {
    "case": "certs explain {learner_id} {course_run}",
    "learner": "certs learner {learner_id}",
    "course_run": "certs check {course_run}",
    "program": "certs records show {learner_id}",
    "revocation": "certs revocations list",
    "bulk_run": "certs regenerate status {id}",
}
"""The command that shows what was found, by its kind."""


@click.command(
    epilog=examples(
        "certs find ada course-v1:DemoX+CS101+2026_T1",
        "certs find 'https://lms.example.org/certificates/0123456789abcdef0123456789abcdef?lang=es'",
        "certs find CS101",
    )
)
@click.argument("anything", nargs=-1, required=True)
@stack_option
@json_option
def find(anything: tuple[str, ...], stack: str | None, *, as_json: bool) -> None:
    """Find anything.

    ANYTHING is a learner's id, username or e-mail, a course run's key or a part of it, an address of the platform, or
    the id of a certificate, a program, an event, a bulk run or a bulk revocation; or two of them together, such as a
    learner and a course run. Exit code 4 if nothing was found, 5 if what was named contradicts itself.
    """
    found = Api(stack).get("/v1/find", q=" ".join(anything)[:MOST_READ])

    def human() -> None:
        for hit in found["hits"]:
            click.echo(printable(_as_lines(hit)))
        if not found["opens"]:
            notes = (found["contradiction"], *(f"Read as {sentence}" for sentence in found["understood"]))
            left = f"{found['left']} more fit: add another part of the key" if found["left"] else ""
            for sentence in filter(None, (*notes, left)):
                click.echo(printable(sentence), err=True)
        for sentence in found["further"]:
            click.echo(printable(sentence), err=True)

    show(found, as_json, human)
    if found["contradiction"]:
        sys.exit(CONTRADICTS)
    if not any(hit["is_exact"] for hit in found["hits"]):
        sys.exit(NOT_FOUND)


def _as_lines(hit: Mapping[str, Any]) -> str:
    similar = "" if hit["is_exact"] else " (similar)"
    seen_with = _SEEN_WITH[hit["kind"]].format_map(hit)
    return "\n    ".join(filter(None, (f"{hit['title']}{similar}", hit["detail"], seen_with)))
