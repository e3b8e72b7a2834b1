"""The options of the commands of support, and how answers are shown."""

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import click

from certs.options import CourseRun
from certs.terminal import UNLIMITED, console

type Command = Callable[..., None]

stack_option = click.option(
    "--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder."
)
json_option = click.option("--json", "as_json", is_flag=True, help="The API's answer as JSON.")
reason_option = click.option("--reason", required=True, help="Why; stored with your name, and shown to support.")
key_option = click.option("--key", help="The same key acts once, however often it is asked for; default: a new one.")
colleague_option = click.option(
    "--colleague", is_flag=True, help="On the local cloud: act as the second person of the two that revoke in bulk."
)
yes_option = click.option("--yes", is_flag=True, help="Don't ask before acting.")


def learner_arguments(command: Command) -> Command:
    """Give a command the arguments LEARNER and COURSE_RUN."""
    course_run = click.argument("course_run", type=CourseRun())
    return click.argument("learner", type=click.IntRange(min=1))(course_run(command))


def show(answer: Any, as_json: bool, human: Callable[[], None]) -> None:
    """Show an answer as JSON, or as people like it."""
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        human()


def first_rows(pages: Iterable[Any], name: str, limit: int) -> tuple[list[Any], str | None]:
    """Return the first rows of pages, and the `next` that goes on after them; None if there are no more."""
    read = list(islice((row for page in pages for row in page[name]), limit + 1))
    return read[:limit], read[limit - 1]["key"] if len(read) > limit else None


def table(heads: Iterable[str], rows: Iterable[Iterable[object]], nothing: str) -> None:
    """Show a table, or that there is nothing; only a terminal cuts its lines.

    What people wrote is text: no markup, and nothing a terminal obeys.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(Text("" if cell is None else printable(str(cell)), overflow="fold") for cell in row))
    where = console(UNLIMITED, highlight=False)
    where.print(shown if shown.row_count else nothing, soft_wrap=not shown.row_count)


def short(instant: str | None) -> str:
    """Return an instant (ISO 8601, UTC) to the minute, as a table has room for it; "" for None."""
    return "" if instant is None else instant[:16].replace("T", " ")


def printable(text: str) -> str:
    """Return a text without control characters."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
