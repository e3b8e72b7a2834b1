"""The commands for rollout: who decides in course runs, the two logics compared, and going live and back."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from certs import stacks
from certs.options import CourseRun, examples
from certs.support.api import CONTRADICTS, Api, fail
from certs.support.common import json_option, key_option, reason_option, short, show, stack_option, table, yes_option
from certs.support.regenerations import RUNNING, pieces, save

_CASE = "course-v1:DemoX+CS101+2026_T1"
_AT_ONCE = 500
"""How many course runs one call of the API changes."""

_NAMED = 1_000
"""How many course runs a comparison may name; more are compared as all."""


@click.group(
    epilog=examples(
        "certs rollout status",
        f'certs rollout shadow {_CASE} --reason "The old logic goes on; we compare."',
        f"certs rollout compare {_CASE} --html comparison.html",
        f'certs rollout live {_CASE} --reason "Both agree."',
    )
)
def rollout() -> None:
    """Set who decides certificates in course runs.

    Or this service: compare both, go live, and back.
    """


_course_runs = click.argument("course_runs", nargs=-1, type=CourseRun(), metavar="COURSE_RUN...")
_all_option = click.option("--all", "everything", is_flag=True, help="All course runs that are known.")


@rollout.command()
@_course_runs
@stack_option
@json_option
def status(course_runs: tuple[str, ...], stack: str | None, *, as_json: bool) -> None:
    """Show who decides in course runs, or in all that are known; since when, and by whom."""
    found = _status(Api(stack), course_runs)
    rows = (
        (row["course_run"], row["rollout"], short(row["at"]) or "by default", row["by"], row["reason"]) for row in found
    )
    heads = ("course run", "rollout", "since (UTC)", "by", "why")
    show(found, as_json, lambda: table(heads, rows, "No course run is known."))


def _status(api: Api, course_runs: Iterable[str]) -> list[dict[str, Any]]:
    named = list(course_runs)
    if not named:
        return api.all_pages("/v1/rollout", "course_runs")
    return [row for name in named for row in api.get("/v1/rollout", course_run=name)["course_runs"]]


@rollout.command()
@_course_runs
@_all_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Save it as a page with charts.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Save every difference, a line each.")
@stack_option
@json_option
def compare(
    course_runs: tuple[str, ...],
    html: Path | None,
    csv: Path | None,
    stack: str | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Compare both logics, and show which course runs are ready to go live.

    Nothing is changed.
    """
    _one_of(course_runs, everything=everything)
    api = Api(stack)
    run_id, comparison = _compared(api, course_runs, "compare both logics")
    for form, file in (("html", html), ("csv", csv)):
        if file is not None:
            save(api, run_id, form, file)
    show({"id": run_id, **comparison}, as_json, lambda: _describe(run_id, comparison))


def _one_of(course_runs: tuple[str, ...], *, everything: bool) -> None:
    if everything == bool(course_runs):
        raise click.UsageError("name course runs, or --all of them")


def _compared(api: Api, course_runs: Iterable[str], reason: str) -> tuple[str, dict[str, Any]]:
    """Have course runs (none: all) compared, wait for it, and return the run's id with what came of it."""
    named = list(course_runs)
    which = named if 0 < len(named) <= _NAMED else "all"
    body = {"course_runs": which, "purpose": "compare", "reason": reason}
    run_id = api.post("/v1/regenerations", body)["id"]
    click.echo(f"Comparing, as {run_id} ...", err=True)
    while (run := api.get(f"/v1/regenerations/{run_id}"))["state"] in RUNNING:
        stacks.pause()
    if run["state"] != "planned":
        fail(CONTRADICTS, f"the comparison {run_id} {run['state']}: certs regenerate report {run_id}")
    report = json.loads("".join(pieces(api, run_id, "json")))
    return run_id, report["comparison"]


def _describe(run_id: str, comparison: dict[str, Any]) -> None:
    counts = comparison["all"]
    rows: list[tuple[str, object]] = [
        ("learners", counts["learners"]),
        ("of whom either logic has a certificate", counts["certificates"]),
        ("both agree on", f"{counts['agreement']:.2%}"),
    ]
    rows += [(f"  {name}", count) for name, count in counts["classes"].items()]
    rows += [(f"going live: {name}", count) for name, count in counts["going_live"].items() if name != "none"]
    table(("", run_id), rows, "")
    differing = [item for item in comparison["samples"] if item["class"] != "agree"]
    if differing:
        click.echo()
        shown = ((item["learner_id"], item["course_run"], item["sentence"]) for item in differing[:10])
        table(("learner", "course run", ""), shown, "")
    click.echo()
    recommended = (
        (row["course_run"], f"{row['agreement']:.2%}", "; ".join(row["obstacles"]) or "ready")
        for row in comparison["course_runs"][:100]
    )
    table(("course run", "agreement", "recommendation"), recommended, "No learner is known.")


def _changing(setting: str, text: str) -> click.Command:
    @click.command(
        setting, help=text, epilog=examples(f'certs rollout {setting} {_CASE} --reason "The old logic has a fault."')
    )
    @_course_runs
    @_all_option
    @reason_option
    @key_option
    @yes_option
    @stack_option
    def command(
        course_runs: tuple[str, ...], reason: str, key: str | None, stack: str | None, *, everything: bool, yes: bool
    ) -> None:
        _one_of(course_runs, everything=everything)
        api = Api(stack)
        changing = [row for row in _status(api, course_runs) if row["rollout"] != setting or not row["at"]]
        live = sum(row["rollout"] == "live" for row in changing)
        click.echo(
            f"The old logic decides in {len(changing)} course runs from now on, {live} of which are live now. "
            "What was published stays as it is until the old logic says something newer.",
            err=True,
        )
        if changing and not yes:
            click.confirm("Do it?", abort=True, err=True)
        _set(api, setting, [row["course_run"] for row in changing], reason, key or str(uuid4()))

    return command


rollout.add_command(_changing("off", "Have the old logic decide; facts are gathered."))
rollout.add_command(_changing("shadow", "Have the old logic decide, and compare each decision with it."))


@rollout.command(epilog=examples(f'certs rollout live {_CASE} --reason "Both agree."'))
@_course_runs
@_all_option
@click.option(
    "--accept-revocations", type=click.IntRange(min=0), metavar="N",
    help="How many certificates the comparison says the facts don't carry; each that would be taken is held.",
)  # fmt: skip
@reason_option
@key_option
@yes_option
@stack_option
def live(
    course_runs: tuple[str, ...],
    accept_revocations: int | None,
    reason: str,
    key: str | None,
    stack: str | None,
    *,
    everything: bool,
    yes: bool,
) -> None:
    """Have this service decide.

    Both logics are compared first, and the effects of going live are shown.
    """
    _one_of(course_runs, everything=everything)
    api = Api(stack)
    going = [row["course_run"] for row in _status(api, course_runs) if row["rollout"] != "live" or not row["at"]]
    if not going:
        click.echo("They are live already.")
        return
    run_id, comparison = _compared(api, going, reason)
    rows = {row["course_run"]: row for row in comparison["course_runs"]}
    found = [rows[name] for name in going if name in rows]
    effects = Counter[str]()
    for row in found:
        effects.update(row["going_live"])
    revocations = sum(row["revocations"] for row in found)
    ready = sum(row["ready"] for row in found) + len(going) - len(found)
    click.echo(
        f"Going live with {len(going)} course runs, {ready} of which are ready: {effects['issue']} certificates are "
        f"issued, {effects['label']} get another label, {effects['hold']} are kept and held for a person, "
        f"{effects['pending']} have a revocation pending. The facts don't carry {revocations} certificates.",
        err=True,
    )
    if revocations != (accept_revocations or 0):
        for item in comparison["samples"][:10]:
            click.echo(f"  {item['learner_id']} in {item['course_run']}: {item['sentence']}", err=True)
        fail(
            CONTRADICTS,
            f"look at them first (certs regenerate report {run_id} --csv FILE), then accept that very number: "
            f"--accept-revocations {revocations}",
        )
    if not yes:
        click.confirm("Do it?", abort=True, err=True)
    accepted = {name: row["revocations"] for name, row in rows.items()}
    _set(api, "live", going, reason, key or str(uuid4()), comparison=run_id, accepted=accepted)


def _set(
    api: Api,
    setting: str,
    course_runs: list[str],
    reason: str,
    key: str,
    *,
    comparison: str | None = None,
    accepted: dict[str, int] | None = None,
) -> None:
    """Change course runs' rollout, so many with a call."""
    for number, some in enumerate(batched(course_runs, _AT_ONCE, strict=False)):
        body: dict[str, Any] = {"course_runs": list(some), "reason": reason}
        if accepted is not None:
            revocations = sum(accepted.get(name, 0) for name in some)
            body |= {"comparison": comparison, "accept_revocations": revocations}
        api.post(f"/v1/rollout/{setting}", body, f"{key}-{number}")
    click.echo(f"{len(course_runs)} course runs: {setting}. Their certificates are decided again within minutes.")
