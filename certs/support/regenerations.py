"""The commands for bulk runs: whole course runs decided again by a plan that people approve."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from certs import stacks
from certs.options import CourseRun, examples
from certs.support.api import Api
from certs.support.common import colleague_option, json_option, key_option, reason_option, show, stack_option, table
from certs.support.files import out_option, pieces, save

WAITS, NOT_DONE = 7, 8
"""Exit codes of `watch` and `status`: the plan waits to be approved; it failed, was declined or expired."""

_GOOD = {"done", "planned"}
RUNNING = {"started", "planning", "applying", "approved"}
_RUN_ID = "20260301T120000Z-3fa2c1"


@click.group(
    epilog=examples(
        'certs regenerate start course-v1:DemoX+CS101+2026_T1 --dry-run --reason "New policy."',
        f"certs regenerate watch {_RUN_ID}",
        f"certs regenerate report {_RUN_ID} --html report.html",
    )
)
def regenerate() -> None:
    """Have whole course runs decided again.

    Every change is planned before any is made. If certificates would be taken away, people approve the plan first.
    """


issued_option = out_option(
    "--issued", "Of a comparison: save who would be issued a certificate by going live, a line each."
)
_run_argument = click.argument("run_id", metavar="ID")


@regenerate.command()
@click.argument("course_runs", nargs=-1, type=CourseRun(), metavar="COURSE_RUN...")
@click.option("--all", "everything", is_flag=True, help="All course runs.")
@click.option("--status", "statuses", multiple=True, help="Only certificates with this status now; none: without one.")
@click.option("--learner", "learners", multiple=True, type=click.IntRange(min=1), help="Only theirs.")
@click.option("--dry-run", is_flag=True, help="Plan and report, and change nothing.")
@click.option("--concurrency", type=click.IntRange(1, 500), default=20, show_default=True, help="Calls at once.")
@click.option("--rate", type=click.IntRange(min=1), help="Records a second, when it is applied; default: no limit.")
@reason_option
@key_option
@stack_option
@json_option
def start(
    *,
    course_runs: tuple[str, ...],
    statuses: tuple[str, ...],
    learners: tuple[int, ...],
    concurrency: int,
    rate: int | None,
    reason: str,
    key: str | None,
    stack: str | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Start a run over course runs, or over all."""
    if everything == bool(course_runs):
        raise click.UsageError("name course runs, or --all of them")
    body = {
        "course_runs": "all" if everything else list(course_runs),
        "statuses": list(statuses) or None,
        "learners": list(learners) or None,
        "dry_run": dry_run,
        "concurrency": concurrency,
        "records_per_second": rate,
        "reason": reason,
    }
    answer = Api(stack).post("/v1/regenerations", body, key)
    show(answer, as_json, lambda: click.echo(f"Started as {answer['id']}. Now: certs regenerate watch {answer['id']}"))


@regenerate.command("list")
@stack_option
@json_option
def list_runs(stack: str | None, *, as_json: bool) -> None:
    """List the last runs, newest first."""
    found = Api(stack).get("/v1/regenerations")
    rows = (
        (run["id"], run["state"], _changes(run), _which(run["request"]["course_runs"]), run["request"]["by"])
        for run in found["regenerations"]
    )
    show(
        found, as_json, lambda: table(("id", "state", "changes", "course runs", "asked for by"), rows, "There is none.")
    )


@regenerate.command()
@_run_argument
@stack_option
@json_option
def status(run_id: str, stack: str | None, *, as_json: bool) -> None:
    """Show how far a run is.

    Exit code 7 if its plan waits to be approved, 8 if it failed, was declined or expired.
    """
    run = Api(stack).get(f"/v1/regenerations/{run_id}")
    show(run, as_json, lambda: _describe(run))
    _leave(run)


@regenerate.command()
@_run_argument
@stack_option
@json_option
def watch(run_id: str, stack: str | None, *, as_json: bool) -> None:
    """Follow a run until it ends, or waits to be approved.

    Exit codes as of `status`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    api = Api(stack)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        planned = progress.add_task("shards planned", total=None)
        applied = progress.add_task("parts applied", total=None, visible=False)
        while True:
            run = api.get(f"/v1/regenerations/{run_id}")
            far = run["progress"]
            progress.update(planned, completed=far["shards_planned"], total=far["shards"])
            progress.update(applied, completed=far["parts_applied"], total=far["parts"], visible=bool(far["parts"]))
            if run["state"] not in RUNNING:
                break
            stacks.pause()
    show(run, as_json, lambda: _describe(run))
    _leave(run)


@regenerate.command(epilog=examples(f'certs regenerate plan {_RUN_ID} --transition "downloadable > notpassing"'))
@_run_argument
@click.option("--transition", help='Only from and to these, as `status` counts them: "downloadable > notpassing".')
@click.option("--cause", help="Only of this cause, as the plan counts it.")
@click.option("--because", "reason_code", metavar="CODE", help="Only for this reason code, as the plan counts it.")
@click.option("--learner", "learner_id", type=click.IntRange(min=1), help="Only theirs.")
@click.option("--course-run", type=CourseRun(), help="Only in this one.")
@click.option("--takes-away", is_flag=True, help="Only what takes a certificate away.")
@click.option("--start", type=click.IntRange(min=0), default=0, help="Where the page starts: the one before names it.")
@out_option("--csv", "Save all of these, a line each.")
@stack_option
@json_option
def plan(
    run_id: str, start: int, csv: Path | None, stack: str | None, *, takes_away: bool, as_json: bool, **wanted: Any
) -> None:
    """Show what a run would change: whose, from what, to what, and why.

    A page at a time, or with --csv all of it. What `approve` takes is the hash of what is shown here.
    """
    api = Api(stack)
    wanted["reason"] = wanted.pop("reason_code")
    wanted["takes_away"] = "true" if takes_away else None
    path = f"/v1/regenerations/{run_id}/plan"
    if csv is not None:
        save(csv, pieces(api, f"{path}.csv", **wanted))
        return
    found = api.get(path, start=start, **wanted)
    rows = (
        (line["learner_id"], line["course_run"], line["before"] or "none", line["after"] or "none", line["sentence"])
        for line in found["lines"]
    )

    def human() -> None:
        table(("learner", "course run", "from", "to", "why"), rows, "No line here.")
        click.echo(f"The plan has {found['changes']} lines. Its hash: {found['hash']}", err=True)
        if found["next"] is not None:
            click.echo(f"There are more: --start {found['next']}, or all of them: --csv plan.csv", err=True)

    show(found, as_json, human)


def _deciding(decision: str, text: str) -> click.Command:
    @click.command(decision, help=text)
    @_run_argument
    @click.option("--hash", "plan_hash", required=True, help="The hash of the plan that you looked at (`status`).")
    @colleague_option
    @stack_option
    @json_option
    def command(run_id: str, plan_hash: str, stack: str | None, *, colleague: bool, as_json: bool) -> None:
        answer = Api(stack, colleague).post(f"/v1/regenerations/{run_id}/{decision}", {"hash": plan_hash})
        show(answer, as_json, lambda: click.echo(f"{run_id}: {answer['state']}."))

    return command


regenerate.add_command(_deciding("approve", "Approve the plan of this hash: it is applied."))
regenerate.add_command(_deciding("decline", "Decline the plan of this hash: nothing is changed."))


@regenerate.command()
@_run_argument
@stack_option
@json_option
def resume(run_id: str, stack: str | None, *, as_json: bool) -> None:
    """Resume an interrupted run: only the missing parts are done."""
    answer = Api(stack).post(f"/v1/regenerations/{run_id}/resume", {})
    show(answer, as_json, lambda: click.echo(f"{run_id} goes on, for the {answer['attempt']}. time."))


@regenerate.command()
@_run_argument
@out_option("--html", "Save it as a page with charts.")
@out_option("--csv", "Save every change, a line each.")
@issued_option
@stack_option
@json_option
def report(
    run_id: str, html: Path | None, csv: Path | None, issued: Path | None, stack: str | None, *, as_json: bool
) -> None:
    """Show what a run did, or save its report."""
    import json

    api = Api(stack)
    for form, file in (("html", html), ("csv", csv), ("issued", issued)):
        if file is not None:
            save(file, report_of(api, run_id, form))
    if as_json or (html, csv, issued) == (None, None, None):
        found = json.loads("".join(report_of(api, run_id, "json")))
        show(found, as_json, lambda: _summarize(found))


def report_of(api: Api, run_id: str, form: str) -> Iterator[str]:
    """Return a run's report in one of its forms, piece by piece."""
    return pieces(api, f"/v1/regenerations/{run_id}/report", form=form)


def _describe(run: dict[str, Any]) -> None:
    from certrules.formats.words import change_words, words_of

    plan, report = run["plan"], run["report"]
    rows: list[tuple[str, object]] = [("state", run["state"]), ("asked for by", run["request"]["by"])]
    rows += [("why", run["request"]["reason"]), ("course runs", _which(run["request"]["course_runs"]))]
    if plan:
        rows += [
            ("records", plan["records"]),
            ("changes", plan["changes"]),
            ("take a certificate away", plan["revocations"]),
        ]
        if programs := plan.get("programs"):
            rows += [("program certificates that fall", programs["falling"]), ("... that stay", programs["surviving"])]
        rows += [(f"  {change_words(change)}", count) for change, count in plan["by_status"].items()]
        rows += [("has to be approved by", plan["approvers"]), ("hash", plan["hash"])]
    if run["decided_by"]:
        rows.append((f"{'approved' if run['approval'] else 'declined'} by", run["decided_by"]))
    if report:
        rows += [(words_of("outcome", name), count) for name, count in report["outcome"].items() if count]
        rows += [("what went wrong", report["problem"])] if report["problem"] else []
    table(("", run["id"]), rows, "")
    if run["state"] == "waiting":
        click.echo(f"It waits until {run['expires_at']}: certs regenerate approve {run['id']} --hash {plan['hash']}")
    if run["resumable"]:
        click.echo(f"Only what is missing is done by: certs regenerate resume {run['id']}")


def _summarize(report: dict[str, Any]) -> None:
    from certrules.formats.words import change_words, words_of

    nothing: dict[str, Any] = {"changes": 0, "by_status": {}}
    counts = report["plan"]["counts"] if report["plan"] else nothing
    rows: list[tuple[str, object]] = [("state", report["state"]), ("planned", counts["changes"])]
    rows += [(f"  {change_words(change)}", count) for change, count in counts["by_status"].items()]
    rows += [(words_of("outcome", name), count) for name, count in report["outcome"].items() if count]
    rows += [("seconds", report["seconds"]["elapsed"]), ("dollars, estimated", f"{report['cost']['dollars']:.4f}")]
    table(("", report["id"]), rows, "")
    failures = [(item["what"], item["learner_id"], item["course_run"], item["error"]) for item in report["failures"]]
    if failures:
        table(("failed", "learner", "course run", "error"), failures, "")
    changed = [(item["learner_id"], item["course_run"]) for item in report["changed_since"]]
    if changed:
        table(("changed since, not written", "course run"), changed, "")


def _changes(run: dict[str, Any]) -> object:
    return run["plan"]["changes"] if run["plan"] else None


def _which(course_runs: list[str] | str) -> str:
    if isinstance(course_runs, str):
        return course_runs
    return course_runs[0] + (f" and {len(course_runs) - 1} more" if len(course_runs) > 1 else "")


def _leave(run: dict[str, Any]) -> None:
    if run["state"] == "waiting":
        sys.exit(WAITS)
    if run["state"] not in _GOOD | RUNNING:
        sys.exit(NOT_DONE)
