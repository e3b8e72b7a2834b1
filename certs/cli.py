"""The `certs` command."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from certs import stacks, support, terminal
from certs.archive import archive
from certs.bridge.command import bridge
from certs.compare_records import compare
from certs.doctor import doctor
from certs.imports import command as imports
from certs.options import Instant, examples
from certs.policy import policy as policy_commands
from certs.programs.command import programs as program_commands
from certs.reconcile import reconcile
from certs.support.records import records

MALFORMED_LINES = 2
"""Exit code when some lines could not be read; the others were."""


_policy_option = click.option(
    "--policy",
    default="edx-2021",
    show_default=True,
    metavar="NAME|FILE",
    help="A preset, or a file with a policy as JSON.",
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples(
        "certs run                       a course run through the whole stack, on this machine",
        "certs run --keep                ... and then, in another terminal:",
        "certs check course-v1:A+B+C     why a course run can issue no certificates",
        "certs replay events.jsonl.gz    from a dump of events to certificates, without any cloud",
    ),
)
@click.version_option(package_name="course-certificates")
def main() -> None:
    """Course certificates: decided by one logic, explained, and defended."""


@main.command(
    epilog=examples(
        "certs replay events.jsonl.gz", "certs replay --until 2026-06-01T00:00:00Z --explain < events.jsonl"
    )
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True))
@click.option(
    "--until",
    type=Instant(),
    help="Decide as of this instant (1970 to 2199, with its offset from UTC); default: the last event's.",
)
@_policy_option
@click.option("--explain", "with_explanation", is_flag=True, help="Add to each line why, and what it would take.")
@click.option("--programs", "with_programs", is_flag=True, help="After the certificates, a line for each program.")
@click.option(
    "--parked", type=click.Path(), metavar="FILE", help="Write lines that can't be taken in here instead of to stderr."
)
def replay(
    files: tuple[str, ...],
    until: datetime | None,
    policy: str,
    *,
    with_explanation: bool,
    with_programs: bool,
    parked: str | None,
) -> None:
    """Turn events into one certificate a line, without any cloud.

    The events are JSON lines, in files (plain or .gz) or on stdin; their order makes no difference. Each learner
    and course run that any event names gets a line of JSON, sorted by course run and learner. Lines that can't be
    taken in are reported as JSON with their number and the reason, and the exit code is 2.

    The kill switch is honoured: what it stops is held. The breaker is not, since no event has its state; where it
    would have held something, a note on stderr names the course run.
    """
    from certrules.core.policy import PolicyError
    from certs.replay import Parked, Replayed, UnreadableError, read_history, read_policy

    refused: list[Parked] = []
    try:
        policies = read_policy(policy)
        history = read_history(files or ("-",), datetime.now(UTC), refused)
    except (PolicyError, UnreadableError) as error:
        raise click.ClickException(str(error)) from error
    reports = "".join(json.dumps(line.as_json(), ensure_ascii=False) + "\n" for line in refused)
    if parked is None:
        click.echo(reports, err=True, nl=False)
    else:
        _save(parked, reports)
    as_of = until or history.last
    if as_of is not None:
        output = click.get_binary_stream("stdout")  # the same bytes, whatever the terminal's encoding
        replayed = Replayed(history, policies, as_of)
        for line in replayed.lines(with_explanation=with_explanation, with_programs=with_programs):
            output.write(line.encode() + b"\n")
        output.flush()
        for note in replayed.notes():
            click.echo(json.dumps(note, ensure_ascii=False), err=True)
    if refused:
        sys.exit(MALFORMED_LINES)


def _save(path: str, text: str) -> None:
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


@main.command(
    epilog=examples(
        "certs run --learners 200 --seed 7", "certs run events.jsonl.gz --policy open-edx --json", "certs run --keep"
    )
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--learners",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many learners the made-up course run has.",
)
@click.option("--seed", default=2026, show_default=True, help="Another seed makes another course run.")
@click.option(
    "--oulad",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Real data: the folder of the OULAD tables.",
)
@_policy_option
@click.option("--keep", is_flag=True, help="Serve the cloud afterwards, for `certs explain`, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Save the output as a picture (SVG).")
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
    """Put events through the local cloud; show the result.

    Without FILES, a made-up course run of a thousand learners; with FILES, Open edX events as JSON lines (plain or
    .gz). The cloud is the stack of template.yaml, with its real functions, in this process.
    """
    from certrules.core.policy import PolicyError
    from certs import run as job
    from certs import show
    from certs.replay import UnreadableError, read_policy
    from certs.sources import course_run
    from certs.sources import oulad as university
    from localcloud import LocalCloud

    if files and oulad is not None:
        raise click.UsageError("either FILES or --oulad: they are different events")
    console = terminal.console(118 if picture else terminal.PAGE, stderr=as_json, record=picture is not None)
    try:
        policies = read_policy(policy)
        if oulad is not None:
            events = list(job.events_of(university.oulad(oulad)))
        elif files:
            events = list(job.events_of_files(files))
        else:
            events = list(job.events_of(course_run.history(learners, seed)))
    except (PolicyError, UnreadableError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"--oulad: {error}") from error
    with LocalCloud(job.TEMPLATE, _parameters(policy) | job.trusting(events)) as cloud:
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
            _save(picture, console.export_svg(title="make run", code_format=show.PICTURE))
        if keep:
            from certs.serving import serve

            serve(cloud, console)


@main.command(
    epilog=examples("aws events put-events --endpoint-url http://127.0.0.1:4580 --entries file://entries.json")
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4580,
    show_default=True,
    help="Where the cloud answers on this machine; 0: any free port.",
)
@_policy_option
def local(port: int, policy: str) -> None:
    """Serve the local cloud, for any program, until Ctrl-C.

    What programs put on its bus is delivered, and becomes certificates. They reach it by its endpoint URL, with any
    credentials and region eu-west-1; `certs explain` finds it, in the folder where this was started.
    """
    from certrules.core.policy import PolicyError
    from certs import serving
    from certs.replay import read_policy
    from certs.run import TEMPLATE
    from localcloud import LocalCloud

    try:
        read_policy(policy)
        with LocalCloud(TEMPLATE, _parameters(policy)) as cloud:
            serving.serve(cloud, terminal.console(), port)
    except (PolicyError, stacks.NoStackError) as error:
        raise click.ClickException(str(error)) from error


def _parameters(policy: str) -> dict[str, str]:
    """Return the template's parameters for a local cloud."""
    from certrules.core.policy import PRESETS
    from certs.run import LOCAL_PARAMETERS

    text = policy if policy in PRESETS else Path(policy).read_text()
    # In one process nothing is gained by threads.
    return {**LOCAL_PARAMETERS, "DailyReconciliation": "off", "IngestMemory": "512", "Policy": text}


main.add_command(imports.import_)
main.add_command(archive)
main.add_command(doctor)
main.add_command(reconcile)
records.add_command(compare)
main.add_command(bridge)
main.add_command(policy_commands)
main.add_command(program_commands)
for _command in support.COMMANDS:
    main.add_command(_command)
