"""The commands for the transitions of all course runs, and for their numbers by week."""

from datetime import datetime
from typing import Any, TextIO

import click

from certs.options import CourseRun, Instant, examples
from certs.support.api import Api
from certs.support.common import first_rows, json_option, short, show, stack_option, table
from certs.support.files import rows_option, save_rows

_CHANGES = ("awarded", "lost", "held", "other")
_WEEK_COLUMNS = ("week", "awarded", "lost", "held", "lost_by_cause", "counted_at", "complete")
_COLUMNS = ("at", "change", "learner_id", "username", "course_run", "previous", "status", "cause", "by")


@click.command(
    epilog=examples(
        "certs transitions --change lost --cause grade_fell",
        "certs transitions --change awarded --since 2026-05-01T00:00:00Z --until 2026-06-01T00:00:00Z --csv may.csv",
    )
)
@click.option("--since", type=Instant(), help="From this instant on; default: a week before --until.")
@click.option("--until", type=Instant(), help="Before this instant; default: now.")
@click.option("--change", type=click.Choice(_CHANGES), help="Only awards, losses, held revocations, or other changes.")
@click.option("--cause", help="Only from this cause, such as grade_fell.")
@click.option("--previous", help="Only with this status before; none: no certificate.")
@click.option("--status", help="Only with this status after.")
@click.option("--actor", help="Only what this person caused.")
@click.option("--course-run", type=CourseRun(), help="Only in this course run.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
@rows_option
@stack_option
@json_option
def transitions(
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    file: TextIO | None,
    stack: str | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List what changed on certificates, in all course runs.

    By the time since when it is true, the newest first.
    """
    chosen = {name: value for name, value in filters.items() if value}
    pages = Api(stack).pages("/v1/transitions", since=since, until=until, **chosen)
    found, following = first_rows(pages, "transitions", limit)
    if file is not None:
        save_rows(file, _COLUMNS, found, "transitions")
        return
    heads = ("at (UTC)", "learner", "username", "course run", "what", "cause", "who")
    rows = (
        (short(row["at"]), row["learner_id"], row["username"], row["course_run"], _what(row), row["cause"], row["by"])
        for row in found
    )
    answer = {"transitions": found, "next": following}
    show(answer, as_json, lambda: table(heads, rows, "Nothing of that changed."))


def _what(row: dict[str, Any]) -> str:
    return "revocation held" if row["change"] == "held" else f"{row['previous'] or 'none'} > {row['status']}"


@click.command(epilog=examples("certs trends", "certs trends --weeks 26 --csv half-a-year.csv"))
@click.option("--weeks", type=click.IntRange(1, 26), default=12, show_default=True, help="The last so many.")
@click.option("--fresh", is_flag=True, help="Count again, whatever is remembered.")
@rows_option
@stack_option
@json_option
def trends(*, weeks: int, fresh: bool, file: TextIO | None, stack: str | None, as_json: bool) -> None:
    """Show awards and losses by week, in all course runs.

    Weeks begin on Monday (UTC), the newest first; with the causes of the losses.
    """
    answer = Api(stack).get("/v1/transitions/weeks", weeks=weeks, fresh="true" if fresh else None)
    found = [{**week, "lost_by_cause": _causes(week["lost_by_cause"])} for week in answer["weeks"]]
    if file is not None:
        save_rows(file, _WEEK_COLUMNS, found, "weeks")
        return
    heads = ("week of", "awards", "losses", "held", "losses by cause", "")
    rows = ((*(week[name] for name in _WEEK_COLUMNS[:5]), _state(week)) for week in found)
    show(answer, as_json, lambda: table(heads, rows, "No week."))


def _causes(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row['value'] or 'unknown'} {row['count']}" for row in rows)


def _state(week: dict[str, Any]) -> str:
    """Return what is to be known of the numbers of a week; "" if they are whole."""
    if week["counted_at"] is None:
        return "not counted yet: ask again"
    return "" if week["complete"] else "at least"
