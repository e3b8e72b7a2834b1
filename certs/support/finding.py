"""The commands about a learner: find one by username or e-mail, and list their course runs."""

from typing import override

import click

from certs.options import examples
from certs.support.api import Api
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
