"""`certs reconcile`: stored records compared with published ones and with the facts; the last report, or a new one."""

import json
import sys
from typing import Any

import click

from certs import stacks
from certs.options import examples

FOUND = 9
"""Exit code when something differs, healed or not, or a part could not be read."""


@click.command(
    epilog=examples(
        "certs reconcile --stack certificates          the last report",
        "certs reconcile --stack certificates --now    another one, now",
    )
)
@click.option("--now", is_flag=True, help="Run one now, and wait for it; default: show the last one's report.")
@click.option(
    "--settle",
    type=click.IntRange(min=0),
    default=900,
    show_default=True,
    help="With --now: seconds after which nothing is on its way any more. Where nothing comes in, 0 will do.",
)
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that is up in this folder.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
def reconcile(settle: int, stack: str | None, *, now: bool, as_json: bool) -> None:
    """Compare what is stored, published and true.

    Lost events and requests are sent again; all else is reported. It asks AWS with your own credentials. Exit code 9 if
    something was found.
    """
    try:
        aws = stacks.aws(stack)
        if now:
            run(aws.client("stepfunctions"), aws.outputs["ReconcileMachineArn"], settle)
        report = latest(aws.client("s3"), aws.outputs["BulkBucketName"])
    except stacks.NoStackError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else as_text(report))
    if report["failed"] or any((report["healed"] | report["reported"]).values()):
        sys.exit(FOUND)


def run(steps: Any, machine: str, settle_seconds: int) -> None:
    """Run a reconciliation to its end. Raises NoStackError."""
    request = json.dumps({"settle_seconds": settle_seconds})
    execution = steps.start_execution(stateMachineArn=machine, input=request)["executionArn"]
    state = stacks.ended(steps, execution)
    if state["status"] != "SUCCEEDED":
        raise stacks.NoStackError(f"it ended as {state['status']}: {state.get('cause', 'see the execution')}")


def latest(s3: Any, bucket: str) -> dict[str, Any]:
    """Return the last report. Raises NoStackError."""
    try:
        found = s3.get_object(Bucket=bucket, Key="reconciliations/latest/report.json")
    except s3.exceptions.NoSuchKey as error:
        raise stacks.NoStackError("none was ever run here: certs reconcile --now") from error
    report: dict[str, Any] = json.load(found["Body"])
    return report


def as_text(report: dict[str, Any]) -> str:
    """Return a report for people."""
    read = report["seen"]
    lines = [f"Compared {read['records']} records and {read['history']} items of history at {report['started_at']}."]
    for title, counts in (("healed", report["healed"]), ("reported", report["reported"])):
        lines += [f"{count:>8} {code} ({title})" for code, count in counts.items() if count]
    lines += [f"  failed: {part}" for part in report["failed"]]
    if len(lines) == 1:
        lines.append("Nothing differs.")
    for found in report["findings"].values():
        lines += [f"  {item['code']}: learner {item['learner_id']}, {item['course_run']}" for item in found[:10]]
    if report["old_logic"]:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report["old_logic"].items()))
        lines.append(f"Against the old logic's word: {counts}.")
    return "\n".join([*lines, report["report"]])
