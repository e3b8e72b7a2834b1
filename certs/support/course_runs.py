"""The command that shows who has what in a course run."""

from collections.abc import Mapping
from typing import Any, TextIO

import click

from certs.options import CourseRun, examples
from certs.support.api import Api
from certs.support.common import json_option, short, show, stack_option, table
from certs.support.files import cell, rows_option, save_rows

_STEPS = ("received", "enrolled", "eligible_mode", "verified", "passed", "downloadable")
_COLUMNS = ("learner_id", "status", "pending", "mode", "reasons", "change", "day")


@click.command(
    "course-run",
    epilog=examples(
        "certs course-run course-v1:DemoX+CS101+2026_T1",
        "certs course-run course-v1:DemoX+CS101+2026_T1 --stuck passed --reason invalidated",
        "certs course-run course-v1:DemoX+CS101+2026_T1 --status downloadable --csv downloadable.csv",
    ),
)
@click.argument("course_run", type=CourseRun())
@click.option("--status", help="List learners with this certificate status; none; pending: its revocation is.")
@click.option("--mode", help="List learners in this enrollment mode; unknown: no enrollment was received.")
@click.option("--reason", help="List learners with this unmet rule, by its code.")
@click.option("--step", type=click.Choice(_STEPS), help="List learners who came at least so far.")
@click.option("--stuck", type=click.Choice(_STEPS), help="List learners who came exactly so far.")
@click.option("--change", type=click.Choice(("awarded", "lost")), help="List learners by what happened on a day.")
@click.option("--day", help="The day of --change, such as 2026-01-31 (UTC).")
@rows_option
@click.option("--fresh", is_flag=True, help="Count again, whatever is remembered.")
@stack_option
@json_option
def course_run(
    course_run: str, stack: str | None, file: TextIO | None, *, fresh: bool, as_json: bool, **filters: str | None
) -> None:
    """Show who has what in a course run.

    Learners by certificate status, enrollment mode and reason, the way to a certificate, and awards and losses by day.
    With a filter or --csv: the learners, each as of the last saved decision.
    """
    api = Api(stack)
    chosen = {name: value for name, value in filters.items() if value}
    if chosen or file is not None:
        listed = api.whole("/v1/course-run/summary/learners", "learners", course_run=course_run, **chosen)
        rows = listed["learners"]
        if file is not None:
            save_rows(file, _COLUMNS, rows, "learners")
        else:
            cells = ([cell(row[name]) for name in _COLUMNS] for row in rows)
            show(listed, as_json, lambda: table(_COLUMNS, cells, "Nobody."))
        return
    found = api.get("/v1/course-run/summary", course_run=course_run, fresh="true" if fresh else None)
    show(found, as_json, lambda: _numbers(found))


def _numbers(found: Mapping[str, Any]) -> None:
    click.echo(f"{found['learners']} learners, counted at {short(found['at'])} UTC")
    if found["uncounted"]:
        click.echo(f"{found['uncounted']} more were stored by an earlier release and are not counted yet.")
    for title, name in (
        ("step", "funnel"), ("status", "by_status"), ("reason", "by_reason"), ("mode", "by_mode")
    ):  # fmt: skip
        click.echo()
        table((title, "learners"), ((row["value"], row["count"]) for row in found[name]), f"No {title}.")
    if found["days"]:
        click.echo()
        rows = ((row["day"], row["awarded"], row["lost"]) for row in found["days"])
        table(("day (UTC)", "awarded", "lost"), rows, "")
