"""`certs records compare`: what the Credentials service shows, compared with what it should hold."""

import json
import sys
from typing import Any

import click

from certs import stacks
from certs.options import CourseRun, examples
from certs.reconcile import FOUND


@click.command(
    epilog=examples(
        "certs records compare --learner 4711 --stack certificates",
        "certs records compare course-v1:A+B+C --heal",
        "certs records compare --all --limit 10000 > different.jsonl",
    )
)
@click.argument("course_run", required=False, type=CourseRun())
@click.option("--learner", "learner_id", type=click.IntRange(min=1), metavar="ID", help="All that a learner has there.")
@click.option("--all", "is_all", is_flag=True, help="Everything that was ever delivered.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="Stop when so many deliveries were compared, or a few more.",
)
@click.option("--heal", is_flag=True, help="Have what differs sent again, within a minute or two.")
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder.")
def compare(
    course_run: str | None, learner_id: int | None, limit: int, stack: str | None, *, is_all: bool, heal: bool
) -> None:
    """Compare what was delivered with what the Credentials service shows.

    Of COURSE_RUN and all who have a record in it, of a learner, or of everybody. What differs is printed, a line of
    JSON each, and the summary on stderr. What this service's account isn't shown is counted: without the permission
    view_usercredential these are revocations, date overrides and lost rows. It asks AWS with your own credentials, one
    request of the Credentials service for each delivery. Exit code 9 if something differs, healed or not, or the
    service failed meanwhile.
    """
    if [course_run is not None, learner_id is not None, is_all].count(True) != 1:
        raise click.UsageError("whose? Name a course run, a --learner, or --all")
    request = {"learner_id": learner_id, "course_run": course_run, "heal": heal}
    try:
        aws = stacks.aws(stack)
        if "RecordsFunctionName" not in aws.outputs:
            raise click.ClickException("this stack has no Credentials service: set its parameter CredentialsUrl")
        answer = _compared(aws, request, limit)
    except stacks.NoStackError as error:
        raise click.ClickException(str(error)) from error
    click.echo(_summary(answer, heal=heal), err=True)
    if answer["different"] or answer["unanswered"] or answer["paused"]:
        sys.exit(FOUND)


def _compared(aws: stacks.Aws, request: dict[str, Any], limit: int) -> dict[str, Any]:
    """Compare page by page, and print what differs. Return the counts. Raises NoStackError."""
    client = aws.client("lambda")
    total: dict[str, Any] = dict.fromkeys(("compared", "not_shown", "unanswered", "different"), 0)
    place = None
    while True:
        page = _invoked(client, aws.outputs["RecordsFunctionName"], {**request, "place": place})
        for different in page["different"]:
            click.echo(json.dumps(different, ensure_ascii=False))
        page["different"] = len(page["different"])
        total = {name: count + page[name] for name, count in total.items()}
        place = page["next"]
        is_enough = total["compared"] + total["not_shown"] + total["unanswered"] >= limit
        if place is None or page["paused"] or is_enough:
            return {**total, "paused": page["paused"], "is_whole": place is None and not page["paused"]}


def _invoked(client: Any, function: str, request: dict[str, Any]) -> dict[str, Any]:
    answer = client.invoke(FunctionName=function, Payload=json.dumps({"compare": request}))
    content: dict[str, Any] = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise stacks.NoStackError(f"the records function failed: {content.get('errorMessage')}")
    return content


def _summary(answer: dict[str, Any], *, heal: bool) -> str:
    """Return the counts for people."""
    again = ", and will be sent again" if heal else ""
    lines = [f"{answer['compared']} deliveries compared: {answer['different'] or 'none'} differ{again}."]
    if answer["not_shown"]:
        lines.append(f"{answer['not_shown']} more are not shown to this service's account.")
    if answer["unanswered"]:
        lines.append(f"{answer['unanswered']} more could not be asked for: the service failed.")
    if answer["paused"]:
        lines.append("The service is down: compare again when it works (docs/records.md).")
    elif not answer["is_whole"]:
        lines.append("There are more: raise --limit.")
    return "\n".join(lines)
