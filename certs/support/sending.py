"""The command that sends again what was published and did not arrive."""

from datetime import datetime

import click

from certrules.formats.words import counted
from certs.options import CourseRun, Instant, examples
from certs.support.api import Api
from certs.support.common import json_option, reason_option, show, stack_option, yes_option
from certs.terminal import confirm


@click.command(
    "send-again",
    epilog=examples(
        'certs send-again course-v1:DemoX+CS101+2026_T1 --learner 86 --reason "The LMS lost it."',
        'certs send-again course-v1:DemoX+CS101+2026_T1 --since 2026-04-01T00:00:00Z --reason "The LMS was down."',
        'certs send-again --since 2026-04-01T00:00:00Z --until 2026-04-01T06:00:00Z --reason "The bus lost a rule."',
    ),
)
@click.argument("course_run", type=CourseRun(), required=False)
@click.option("--learner", type=click.IntRange(min=1), help="Only of this learner, in COURSE_RUN; default: all.")
@click.option("--since", type=Instant(), help="Changes from this instant on; needed without --learner.")
@click.option("--until", type=Instant(), help="Changes before this instant; default: now.")
@click.option("--skip", type=click.IntRange(min=0), default=0, help="Leave out so many, the oldest, sent before.")
@reason_option
@yes_option
@stack_option
@json_option
def send_again(
    course_run: str | None,
    learner: int | None,
    since: datetime | None,
    until: datetime | None,
    skip: int,
    reason: str,
    *,
    yes: bool,
    stack: str | None,
    as_json: bool,
) -> None:
    """Send again what was published of certificates.

    Of a course run, or of all of them. Every consumer gets the events once more, under the same ids; no certificate
    changes. First it shows how many changes that is, of how many certificates, and asks. The oldest go first, a
    thousand with each request; if it stops in between, it goes on with --skip and the same --until.
    """
    api = Api(stack)
    which = {"course_run": course_run, "learner_id": learner, "since": since, "until": until, "skip": skip}
    found = api.post("/v1/send-again/preview", which)
    left = found["changes"] - skip
    if not yes:
        of = f"{left} changes" if not skip else f"{left} of {found['changes']} changes"
        click.echo(f"{of} of {found['certificates']} certificates are sent again, up to {found['until']}.", err=True)
        click.echo(f"That is a write for each, and up to {found['most_events']} events on the bus.", err=True)
        confirm("Do it?")
    which |= {"until": found["until"], "changes": found["changes"], "reason": reason}
    sent = 0
    following: int | None = skip
    while following is not None:
        answer = api.post("/v1/send-again", {**which, "skip": following})
        sent, following = sent + answer["sent"], answer["next"]
        if following is not None:
            click.echo(
                f"{following} of {found['changes']} are sent (--skip {following} --until {found['until']})", err=True
            )
    show({"sent": sent, "next": None}, as_json, lambda: click.echo(f"Sent again: {counted(sent, 'change')}."))
