"""The command that sends again what was published and did not arrive."""

from datetime import datetime

import click

from certs.options import CourseRun, Instant, examples
from certs.support.api import Api
from certs.support.common import json_option, reason_option, show, stack_option, yes_option
from certs.terminal import confirm


@click.command(
    "send-again",
    epilog=examples(
        'certs send-again course-v1:DemoX+CS101+2026_T1 --learner 86 --reason "The LMS lost it."',
        'certs send-again course-v1:DemoX+CS101+2026_T1 --since 2026-04-01T00:00:00Z --reason "The LMS was down."',
    ),
)
@click.argument("course_run", type=CourseRun())
@click.option("--learner", type=click.IntRange(min=1), help="Only of this learner; default: all of the course run.")
@click.option("--since", type=Instant(), help="Changes from this instant on; needed without --learner.")
@click.option("--until", type=Instant(), help="Changes before this instant; default: now.")
@reason_option
@yes_option
@stack_option
@json_option
def send_again(
    course_run: str,
    learner: int | None,
    since: datetime | None,
    until: datetime | None,
    reason: str,
    *,
    yes: bool,
    stack: str | None,
    as_json: bool,
) -> None:
    """Send again what was published of certificates.

    Every consumer gets the events once more, under the same ids; no certificate changes. First it shows how many
    changes that is, of how many certificates, and asks.
    """
    api = Api(stack)
    which = {"course_run": course_run, "learner_id": learner, "since": since, "until": until}
    found = api.post("/v1/send-again/preview", which)
    if not yes:
        click.echo(f"{found['changes']} changes of {found['certificates']} certificates are sent again.", err=True)
        confirm("Do it?")
    answer = api.post("/v1/send-again", {**which, "changes": found["changes"], "reason": reason})
    show(answer, as_json, lambda: click.echo(f"{answer['sent']} changes are sent again."))
