"""The commands that only look: why, since when, what if."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from certs.options import CourseRun, Instant, examples
from certs.support.api import Api, fail
from certs.support.common import json_option, learner_arguments, printable, short, show, stack_option, table


@click.command(
    epilog=examples(
        "certs explain 86 course-v1:DemoX+CS101+2026_T1",
        "certs explain 86 course-v1:DemoX+CS101+2026_T1 --as-of 2026-04-01T00:00:00Z",
        "certs explain 86 course-v1:DemoX+CS101+2026_T1 --reply learner --language es --zone Europe/Madrid",
    )
)
@learner_arguments
@click.option("--as-of", type=Instant(), help="Explain as of this instant; default: now, as it was published.")
@click.option(
    "--reply", type=click.Choice(["learner", "colleague"]), help="Write only a reply for the ticket, to whom."
)
@click.option("--language", default="en", show_default=True, help="Of a reply to a learner, such as es.")
@click.option("--zone", default="UTC", show_default=True, help="Of a reply to a learner, such as Europe/Madrid.")
@stack_option
@json_option
def explain(
    learner: int,
    course_run: str,
    as_of: datetime | None,
    stack: str | None,
    *,
    reply: str | None,
    language: str,
    zone: str,
    as_json: bool,
) -> None:
    """Explain why a learner has a certificate, or hasn't.

    And who can fix it, and how; the verdict of each rule; and what happened. LEARNER is the platform's user id. With
    --reply only the plain text for the ticket: for the learner without internals, or for a colleague with ids.
    """
    about = {"learner_id": learner, "course_run": course_run, "as_of": as_of}
    if reply is None:
        found = Api(stack).get("/v1/case", **about)
    else:
        found = Api(stack).get("/v1/case/reply", to=reply, language=language, zone=zone, **about)
    show(found, as_json, lambda: click.echo(printable(found["text"]), nl=False))
    if found.get("version") == 0:
        ways = f"`certs learner {learner}` lists where they are known, `certs find` takes usernames and e-mails"
        fail(1, f"nothing is known of learner {learner} in {course_run}: {ways}")


@click.command(epilog=examples("certs timeline 86 course-v1:DemoX+CS101+2026_T1"))
@learner_arguments
@stack_option
@json_option
def timeline(learner: int, course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List what happened to a learner's certificate.

    And what was published when: facts, policies and transitions, with who did it and why.
    """
    case = Api(stack).get("/v1/case", learner_id=learner, course_run=course_run)

    def human() -> None:
        for moment in case["timeline"]:
            click.echo(printable(("* " if moment["kind"] == "transition" else "  ") + moment["sentence"]))
        rows = (
            (
                short(item["at"]),
                item["status"] + (" (revocation held)" if item["kind"] == "held" else ""),
                item["cause"],
                item["by"] or "the platform",
                short(item["published_at"]) or "not yet",
            )
            for item in case["history"]
        )
        click.echo()
        table(("at (UTC)", "status", "cause", "by", "published"), rows, "Nothing was published.")

    show(case, as_json, human)


@click.command(epilog=examples("certs learners course-v1:DemoX+CS101+2026_T1"))
@click.argument("course_run", type=CourseRun())
@stack_option
@json_option
def learners(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List the learners of a course run.

    All of whom anything is known there, one a line.
    """
    found = Api(stack).whole("/v1/course-run/learners", "learners", course_run=course_run)
    names = "\n".join(map(str, found["learners"]))
    show(found, as_json, lambda: click.echo(names or "Nothing is known of anybody there."))


@click.command(
    epilog=examples("certs changes 86 course-v1:DemoX+CS101+2026_T1 2026-04-01T00:00:00Z 2026-05-01T00:00:00Z")
)
@learner_arguments
@click.argument("since", type=Instant())
@click.argument("until", type=Instant(), required=False)
@stack_option
@json_option
def changes(
    learner: int, course_run: str, since: datetime, until: datetime | None, stack: str | None, *, as_json: bool
) -> None:
    """Show what changed between two instants.

    Facts, transitions and verdicts of rules, after SINCE up to UNTIL (default: now).
    """
    found = Api(stack).get("/v1/case/changes", learner_id=learner, course_run=course_run, since=since, until=until)

    def human() -> None:
        click.echo(found["sentence"])
        for part in ("facts", "transitions"):
            for item in found[part]:
                click.echo(printable(f"  {item['sentence']}"))
        for item in found["verdicts"]:
            click.echo(f"  {item['code']}: {item['before']}, then {item['after']}: {item['sentence']}")

    show(found, as_json, human)


@click.command(
    "what-if", epilog=examples("certs what-if 86 course-v1:DemoX+CS101+2026_T1 --change pass --change verify_id")
)
@learner_arguments
@click.option("--change", "changes", multiple=True, help="What to suppose, by its code; a wrong one lists all.")
@click.option("--as-of", type=Instant(), help="Suppose it just after this instant; default: now.")
@stack_option
@json_option
def what_if(
    learner: int, course_run: str, changes: tuple[str, ...], as_of: datetime | None, stack: str | None, *, as_json: bool
) -> None:
    """Show the outcome of changes, without making any.

    Codes are pass, fail, verify_id, allowlist, mode:verified and others.
    """
    body: dict[str, Any] = {"learner_id": learner, "course_run": course_run, "changes": list(changes)}
    if as_of is not None:
        body["as_of"] = as_of.isoformat()
    found = Api(stack).post("/v1/case/what-if", body)
    after = found["after"]
    reasons = f", because of: {', '.join(after['reasons'])}" if after["reasons"] else ""
    show(
        found,
        as_json,
        lambda: click.echo(f"The certificate would be: {after['status'] or 'none'}{reasons}. Nothing was stored."),
    )


@click.command(epilog=examples("certs check course-v1:DemoX+CS101+2026_T1"))
@click.argument("course_run", type=CourseRun())
@stack_option
@json_option
def check(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """Show why a course run can issue no certificates.

    Its configuration, its learners' modes and its automatic revocations. Exit code 1 if something is to be looked at.
    """
    found = Api(stack).get("/v1/course-run", course_run=course_run)
    rows = (("fine" if row["ok"] else "LOOK", row["sentence"], row["fix"]) for row in found["checks"])

    def human() -> None:
        click.echo(printable(found["headline"]))
        table(("", "", "what to do"), rows, "")

    show(found, as_json, human)
    if not found["ok"]:
        sys.exit(1)


@click.command(epilog=examples("certs invalidations course-v1:DemoX+CS101+2026_T1"))
@click.argument("course_run", type=CourseRun())
@stack_option
@json_option
def invalidations(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List a course run's invalidations, active and lifted.

    Whose they are, by whom or which exam, when and why.
    """
    found = Api(stack).get("/v1/invalidations", course_run=course_run)
    rows = (
        (
            row["learner_id"],
            row["origin"],
            short(row["at"]),
            row["by"],
            row["notes"],
            f"{short(row['lifted_at'])} {row['lifted_by']}" if row["lifted_at"] else "active",
        )
        for row in found["invalidations"]
    )
    heads = ("learner", "origin", "since", "by", "why", "lifted")
    show(found, as_json, lambda: table(heads, rows, "No certificate in this course run was ever invalidated."))


@click.command("export-case", epilog=examples("certs export-case 86 course-v1:DemoX+CS101+2026_T1 case.jsonl"))
@learner_arguments
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@stack_option
def export_case(learner: int, course_run: str, file: Path, stack: str | None) -> None:
    """Write the events that reproduce a decision.

    They go through `certs replay`, and one by one through `make debug`; the policy is written beside them.
    """
    found = Api(stack).get("/v1/case/events", learner_id=learner, course_run=course_run)
    try:
        file.write_text("".join(json.dumps(event) + "\n" for event in found["events"]))
        policy = file.with_suffix(".policy.json")
        policy.write_text(json.dumps(_whole_policy(found["policy"], found["web_certificates"])) + "\n")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(
        f"{len(found['events'])} events. Now: certs replay {file} --policy {policy} --until {found['until']} --explain"
    )
    if found["otherwise"]:
        click.echo(f"A replay comes to something else. {found['otherwise']}", err=True)


def _whole_policy(policy: str, web_certificates: str) -> Any:
    """Return a deployment's policy as a file has it."""
    web = {} if web_certificates == "on" else {"web_certificates": False}
    found = json.loads(policy) if policy.lstrip().startswith(("{", "[")) else {"preset": policy, "version": policy}
    return [{**web, **item} for item in found] if isinstance(found, list) else {**web, **found}
