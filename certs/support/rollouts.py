"""The commands for rollout: who decides in course runs, the two logics compared, and going live and back."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from certrules.formats.words import counted
from certs import stacks
from certs.options import CourseRun, examples
from certs.support.api import CONTRADICTS, Api, fail
from certs.support.common import json_option, key_option, reason_option, short, show, stack_option, table, yes_option
from certs.support.files import out_option, save
from certs.support.regenerations import RUNNING, issued_option, report_of
from certs.terminal import confirm

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
    show({"course_runs": found, "next": None}, as_json, lambda: table(heads, rows, "No course run is known."))


def _status(api: Api, course_runs: Iterable[str]) -> list[dict[str, Any]]:
    named = list(course_runs)
    if not named:
        known: list[dict[str, Any]] = api.whole("/v1/rollout", "course_runs")["course_runs"]
        return known
    return [row for name in named for row in api.get("/v1/rollout", course_run=name)["course_runs"]]


@rollout.command()
@_course_runs
@_all_option
@out_option("--html", "Save it as a page with charts.")
@out_option("--csv", "Save every difference, a line each.")
@issued_option
@stack_option
@json_option
def compare(
    *,
    course_runs: tuple[str, ...],
    html: Path | None,
    csv: Path | None,
    issued: Path | None,
    stack: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Compare both logics, and show which course runs are ready to go live.

    Nothing is changed.
    """
    _one_of(course_runs, everything=everything)
    api = Api(stack)
    run_id, comparison = _compared(api, course_runs, "compare both logics")
    for form, file in (("html", html), ("csv", csv), ("issued", issued)):
        if file is not None:
            save(file, report_of(api, run_id, form))
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
    report = json.loads("".join(report_of(api, run_id, "json")))
    return run_id, report["comparison"]


def _describe(run_id: str, comparison: dict[str, Any]) -> None:
    counts = comparison["all"]
    rows: list[tuple[str, object]] = [
        ("learners", counts["learners"]),
        ("of whom a certificate of the old logic is recorded", counts["recorded"]),
        ("of whom either logic has a certificate", counts["certificates"]),
        ("both agree on", _percent(counts["agreement"])),
    ]
    rows += [(f"  {name}", count) for name, count in counts["classes"].items()]
    rows += [(f"withheld: {status}", count) for status, count in counts["withheld_by_status"].items()]
    rows += [(f"going live: {name}", count) for name, count in counts["going_live"].items() if name != "none"]
    rows += [("course runs of which nothing was compared", len(comparison["not_compared"]))]
    table(("", run_id), rows, "")
    differing = [item for item in comparison["samples"] if item["class"] != "agree"]
    if differing:
        click.echo()
        shown = ((item["learner_id"], item["course_run"], item["sentence"]) for item in differing[:10])
        table(("learner", "course run", ""), shown, "")
    _list_issued(run_id, comparison["issued"], counts["going_live"].get("issue", 0))
    click.echo()
    recommended = (
        (row["course_run"], _percent(row["agreement"]), "; ".join(row["obstacles"]) or "ready")
        for row in comparison["course_runs"][:100]
    )
    table(("course run", "agreement", "recommendation"), recommended, "No course run is known; nothing was compared.")


def _list_issued(run_id: str, issued: list[dict[str, Any]], count: int, *, err: bool = False) -> None:
    """List the first of those who would be issued a certificate, and where all of them are."""
    if not count:
        return
    click.echo(f"\nGoing live would issue {counted(count, 'certificate')}:", err=err)
    for item in issued[:10]:
        click.echo(f"  {item['learner_id']} in {item['course_run']}: {item['sentence']}", err=err)
    click.echo(f"All of them, a line each: certs regenerate report {run_id} --issued FILE", err=err)


def _percent(agreement: float | None) -> str:
    """Write a part of a whole; what is not all is not 100 %. None: nothing was compared."""
    if agreement is None:
        return "nothing was compared"
    return f"{agreement if agreement == 1 else min(agreement, 0.9999):.2%}"


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
        unknown = [row["course_run"] for row in changing if not row["known"]]
        if unknown:
            click.echo(
                f"No configuration has been received of {len(unknown)} of them yet, so see that the keys are right: "
                f"{', '.join(unknown[:10])}",
                err=True,
            )
        click.echo(
            f"The old logic decides in {len(changing)} course runs from now on, {live} of which are live now. "
            "What was published stays as it is until the old logic says something newer.",
            err=True,
        )
        if changing and not yes:
            confirm("Do it?")
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
@click.option(
    "--accept-withheld", type=click.IntRange(min=0), metavar="N",
    help="How many certificates the old logic withheld (restricted, deleted, error, ...), and the facts don't.",
)  # fmt: skip
@click.option(
    "--accept-not-compared", type=click.IntRange(min=0), metavar="N",
    help="In how many course runs there is nothing to compare: no learner, or no certificate of the old logic.",
)  # fmt: skip
@reason_option
@key_option
@yes_option
@stack_option
def live(
    *,
    course_runs: tuple[str, ...],
    accept_revocations: int | None,
    accept_withheld: int | None,
    accept_not_compared: int | None,
    reason: str,
    key: str | None,
    stack: str | None,
    everything: bool,
    yes: bool,
) -> None:
    """Have this service decide.

    Both logics are compared first, and the effects of going live are shown.
    """
    _one_of(course_runs, everything=everything)
    api = Api(stack)
    going = _going(api, course_runs)
    if not going:
        click.echo("They are live already.")
        return
    run_id, comparison = _compared(api, going, reason)
    rows = {row["course_run"]: row for row in comparison["course_runs"]}
    found = [rows[name] for name in going]
    counts = {name: sum(_counted(row)[name] for row in found) for name in _ACCEPTED}
    _show_effects(run_id, comparison, found, counts)
    accepted = dict(zip(_ACCEPTED, (accept_revocations, accept_withheld, accept_not_compared), strict=True))
    if any(counts[name] != (accepted[name] or 0) for name in _ACCEPTED):
        options = " ".join(f"--accept-{name.replace('_', '-')} {counts[name]}" for name in _ACCEPTED if counts[name])
        for item in comparison["samples"][:10]:
            click.echo(f"  {item['learner_id']} in {item['course_run']}: {item['sentence']}", err=True)
        fail(
            CONTRADICTS,
            f"look at them first (certs regenerate report {run_id} --csv FILE), then accept these very numbers: "
            f"{options or 'none'}",
        )
    if not yes:
        confirm("Do it?")
    _set(api, "live", going, reason, key or str(uuid4()), comparison=run_id, rows=rows)


def _going(api: Api, course_runs: Iterable[str]) -> list[str]:
    """Return the course runs that are not live yet. Ends the command if one of them is not known."""
    found = [row for row in _status(api, course_runs) if row["rollout"] != "live" or not row["at"]]
    unknown = [row["course_run"] for row in found if not row["known"]]
    if unknown:
        fail(
            CONTRADICTS,
            f"not known: {', '.join(unknown[:10])}: no configuration has been received, so there is nothing to compare "
            "and nothing to take live; see that the key is right, and have the platform send its configuration",
        )
    return [row["course_run"] for row in found]


_ACCEPTED = ("revocations", "withheld", "not_compared")
"""What is accepted by number."""


def _counted(row: dict[str, Any]) -> dict[str, int]:
    return {**{name: row[name] for name in _ACCEPTED[:2]}, "not_compared": int(bool(row["not_compared"]))}


def _show_effects(run_id: str, comparison: dict[str, Any], found: list[dict[str, Any]], counts: dict[str, int]) -> None:
    effects, statuses = Counter[str](), Counter[str]()
    for row in found:
        effects.update(row["going_live"])
        statuses.update(row["withheld_by_status"])
    ready = sum(row["ready"] for row in found)
    by_status = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    click.echo(
        f"Going live with {len(found)} course runs, {ready} of which are ready: {effects['issue']} certificates are "
        f"issued, {effects['label']} get another label, {effects['hold']} are kept and held for a person, "
        f"{effects['pending']} have a revocation pending. The facts don't carry {counts['revocations']} certificates.",
        err=True,
    )
    if statuses:
        click.echo(
            f"The old logic withheld {counted(counts['withheld'], 'certificate')} ({by_status}) for no reason that "
            "the facts contain. Invalidate those that are to stay without (certs invalidate), and compare again.",
            err=True,
        )
    for row in [row for row in found if row["not_compared"]][:10]:
        click.echo(f"  {row['course_run']}: {row['not_compared']}.", err=True)
    _list_issued(run_id, comparison["issued"], effects["issue"], err=True)


def _set(
    api: Api,
    setting: str,
    course_runs: list[str],
    reason: str,
    key: str,
    *,
    comparison: str | None = None,
    rows: dict[str, dict[str, Any]] | None = None,
) -> None:
    """Change course runs' rollout, so many with a call."""
    for number, some in enumerate(batched(course_runs, _AT_ONCE, strict=False)):
        body: dict[str, Any] = {"course_runs": list(some), "reason": reason}
        if rows is not None:
            counted = [_counted(rows[name]) for name in some]
            body |= {f"accept_{name}": sum(counts[name] for counts in counted) for name in _ACCEPTED}
            body["comparison"] = comparison
        api.post(f"/v1/rollout/{setting}", body, f"{key}-{number}")
    click.echo(f"{len(course_runs)} course runs: {setting}. Their certificates are decided again within minutes.")
