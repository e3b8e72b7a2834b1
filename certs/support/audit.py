"""The command for the audit log."""

from datetime import datetime
from typing import Any

import click

from certs.options import CourseRun, Instant, examples
from certs.support.api import Api
from certs.support.common import first_rows, json_option, short, show, stack_option, table

KINDS = ("act", "approval", "decline", "refusal")


@click.command(
    epilog=examples(
        "certs audit --actor ada --since 2026-05-01T00:00:00Z",
        "certs audit --course-run course-v1:DemoX+CS101+2026_T1 --kind approval",
    )
)
@click.option("--since", type=Instant(), help="From this instant on; default: a week before --until.")
@click.option("--until", type=Instant(), help="Before this instant; default: now.")
@click.option("--actor", help="Only what this person did.")
@click.option("--kind", type=click.Choice(KINDS), help="Only entries of this kind.")
@click.option("--act", help="Only this act, such as invalidate.")
@click.option("--course-run", type=CourseRun(), help="Only in this course run.")
@click.option("--learner", type=click.IntRange(min=1), help="Only on this learner.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
@stack_option
@json_option
def audit(
    *,
    since: datetime | None,
    until: datetime | None,
    actor: str | None,
    kind: str | None,
    act: str | None,
    course_run: str | None,
    learner: int | None,
    limit: int,
    stack: str | None,
    as_json: bool,
) -> None:
    """List what people did, and what came of it.

    Also what they approved, declined or were refused; the newest first.
    """
    wanted = {"since": since, "until": until, "actor": actor, "kind": kind, "act": act}
    pages = Api(stack).pages("/v1/audit", **wanted, course_run=course_run, learner_id=learner)
    found, following = first_rows(pages, "entries", limit)
    heads = ("at (UTC)", "who", "what", "on", "why", "outcome")
    rows = (
        (short(row["at"]), row["by"], _what(row), _on(row), row["reason"], row["outcome"]["sentence"]) for row in found
    )
    answer = {"entries": found, "next": following}
    show(answer, as_json, lambda: table(heads, rows, "Nobody did anything of that."))


def _what(row: dict[str, Any]) -> str:
    return f"{row['act']} (refused)" if row["kind"] == "refusal" else str(row["act"])


def _on(row: dict[str, Any]) -> str:
    """Return on what an act was, in a line."""
    names = [row["learner_id"], row["run"], *row["course_runs"][:1]]
    more = f" and {len(row['course_runs']) - 1} more" if row["course_runs"][1:] else ""
    return " ".join(str(name) for name in names if name) + more or "everywhere"
