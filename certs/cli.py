"""The `certs` command."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, override

import click

MALFORMED_LINES = 2
"""Exit code when some lines could not be taken in; everything else was."""


class Instant(click.ParamType):
    """An instant as ISO 8601 with its offset from UTC."""

    name = "time"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-31T00:00:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no offset from UTC; add Z for UTC, as in 2026-01-31T00:00:00Z", param, ctx)
        return instant.astimezone(UTC)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="course-certificates")
def main() -> None:
    """Course certificates: decided by one logic, explained, and defended."""


@main.command()
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--until", type=Instant(), help="Decide as of this instant; default: the last event's.")
@click.option(
    "--policy",
    default="edx-2021",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset, or a policy as JSON.",
)
@click.option("--explain", "with_explanation", is_flag=True, help="Add to each line why, and what it would take.")
@click.option("--parked", type=click.File("w"), help="Write lines that can't be taken in here instead of to stderr.")
def replay(
    files: tuple[str, ...],
    until: datetime | None,
    policy: str,
    *,
    with_explanation: bool,
    parked: TextIO | None,
) -> None:
    """Replay events (JSON lines, plain or .gz; default: stdin) into one certificate a line.

    No cloud is involved, and the order of the events makes no difference. Each learner and course run that any
    event names gets a line of JSON, sorted by course run and learner. Lines that can't be taken in are reported
    as JSON with their number and the reason, and the exit code is 2.
    """
    from certrules.core.policy import PolicyError
    from certs.replay import Parked, certificate_line, read_history, read_policy

    refused: list[Parked] = []
    try:
        policies = read_policy(policy)
        history = read_history(files or ("-",), datetime.now(UTC), refused)
    except (PolicyError, OSError, EOFError) as error:
        raise click.ClickException(str(error)) from error
    for line in refused:
        click.echo(json.dumps(line.as_json(), ensure_ascii=False), file=parked or sys.stderr)
    as_of = until or history.last
    if as_of is not None:
        output = click.get_text_stream("stdout")
        for record in history.records():
            output.write(certificate_line(record, policies, as_of, with_explanation=with_explanation) + "\n")
    if refused:
        sys.exit(MALFORMED_LINES)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--learners", default=1000, show_default=True, help="How many learners the made-up course run has.")
@click.option("--seed", default=2026, show_default=True, help="Another seed makes another course run.")
@click.option(
    "--oulad",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Real data: the folder of the OULAD tables.",
)
@click.option(
    "--policy",
    default="edx-2021",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset, or a policy as JSON.",
)
@click.option("--keep", is_flag=True, help="Keep the cloud up afterwards, for `certs explain`, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Save what is shown as a picture (SVG).")
def run(
    files: tuple[str, ...],
    learners: int,
    seed: int,
    oulad: Path | None,
    policy: str,
    *,
    keep: bool,
    as_json: bool,
    picture: str | None,
) -> None:
    """Put events through the local cloud and show which certificates come of them, and why.

    Without FILES, a made-up course run of a thousand learners; with FILES, Open edX events as JSON lines (plain or
    .gz). The cloud is the stack of template.yaml, with its real functions, in this process.
    """
    from rich.console import Console

    from certrules.core.policy import PolicyError
    from certs import run as job
    from certs import show
    from certs.local import LocalCloud
    from certs.replay import read_policy
    from certs.sources import course_run
    from certs.sources import oulad as university

    console = Console(stderr=as_json, record=picture is not None, width=None if picture is None else 118)
    try:
        policies = read_policy(policy)
    except (PolicyError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if oulad is not None:
        events = list(job.envelopes(university.oulad(oulad)))
    elif files:
        events = list(job.envelopes_of_files(files))
    else:
        events = list(job.envelopes(course_run.history(learners, seed)))
    with LocalCloud(job.TEMPLATE, _parameters(policy)) as cloud:
        with show.progress(console, len(events)) as done:
            result = job.drive(cloud, events, done)
        job.look(cloud, result, policies)
        if as_json:
            click.echo(json.dumps(job.summary(result), indent=2))
        else:
            show.outcome(console, result, job.telling(result, policies))
        if oulad is not None:
            show.comparison(console, university.compare(university.own_outcome(oulad), job.certificates(result)))
        if picture is not None:
            console.save_svg(picture, title="make run", code_format=show.PICTURE)
        if keep:
            from certs.kept import serve

            serve(cloud, console)


@main.command()
@click.option("--port", default=4580, show_default=True, help="Where the cloud answers.")
@click.option(
    "--policy",
    default="edx-2021",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset, or a policy as JSON.",
)
def local(port: int, policy: str) -> None:
    """Keep the local cloud up, deliver what comes in, until Ctrl-C."""
    from rich.console import Console

    from certs.kept import serve
    from certs.local import LocalCloud
    from certs.run import TEMPLATE

    with LocalCloud(TEMPLATE, _parameters(policy)) as cloud:
        serve(cloud, Console(), port)


def _parameters(policy: str) -> dict[str, str]:
    """Return the template's parameters for a local cloud."""
    path = Path(policy)
    policy = path.read_text() if path.is_file() else policy
    # In one process nothing is gained by threads.
    return {"DeletionProtection": "false", "IngestMemory": "512", "Policy": policy}


@main.command()
@click.argument("learner", type=click.IntRange(min=1))
@click.argument("course_run")
@click.option("--as-of", type=Instant(), help="Explain as of this instant; default: now, as it was published.")
@click.option("--stack", help="A deployed stack; default: the local cloud that is up in this folder.")
@click.option("--json", "as_json", is_flag=True, help="The explanation as JSON.")
def explain(learner: int, course_run: str, as_of: datetime | None, stack: str | None, *, as_json: bool) -> None:
    """Say why LEARNER (an id) has or hasn't a certificate in COURSE_RUN, who can fix it, and how."""
    from certrules.core import explain as explaining
    from certrules.wire.inbound import RefusedError, checked_course_key
    from certs import kept

    try:
        checked_course_key(course_run, "COURSE_RUN")
        explanation = kept.explain_in(kept.find(stack), learner, course_run, as_of)
    except (RefusedError, kept.NoStackError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(explaining.as_json(explanation), indent=2, ensure_ascii=False))
    else:
        click.echo(explaining.as_text(explanation), nl=False)


@main.command()
@click.argument("course_run")
@click.option("--stack", help="A deployed stack; default: the local cloud that is up in this folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def invalidations(course_run: str, stack: str | None, *, as_json: bool) -> None:
    """List the invalidations in COURSE_RUN, active and lifted: whose, by whom or which exam, when and why."""
    from rich.console import Console
    from rich.table import Table

    from certrules.wire.inbound import RefusedError, checked_course_key
    from certs import kept

    try:
        checked_course_key(course_run, "COURSE_RUN")
        found = kept.invalidations_in(kept.find(stack), course_run)
    except (RefusedError, kept.NoStackError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table("learner", "origin", "since", "by", "why", "lifted", box=None)
    for row in found:
        lifted = f"{row['lifted_at']} {row['lifted_by']}" if row["lifted_at"] else "active"
        table.add_row(str(row["learner_id"]), row["origin"], row["at"], row["by"], row["notes"], lifted)
    Console().print(table if found else "No certificate in this course run was ever invalidated.")
