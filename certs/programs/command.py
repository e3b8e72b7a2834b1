"""`certs programs import`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from certs.options import Instant, examples

REJECTED = 2
"""Exit code when some programs could not be read; the others were."""


@click.group(epilog=examples("certs programs import programs.json --at 2026-06-01T00:00:00Z"))
def programs() -> None:
    """Bring programs from the catalog."""


@programs.command(
    "import",
    epilog=examples(
        "certs programs import programs.json > programs.jsonl     events, to look at or for certs replay --programs",
        "certs programs import page-*.json --send                 to the local cloud that runs here (certs local)",
        "certs programs import page-*.json --send --stack certificates",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--at", type=Instant(), help="From when on the programs are like this; default: now.")
@click.option(
    "--accept",
    "accepted_modes",
    multiple=True,
    metavar="MODE",
    help="The programs accept certificates in this mode, and in no others; may be repeated. Default: every paid mode.",
)
@click.option("--with-curricula", is_flag=True, help="Demand the courses of active curricula, too.")
@click.option("--send", is_flag=True, help="Put the events on the bus, in place of printing them.")
@click.option(
    "--source",
    default="openedx/lms/web",
    show_default=True,
    help="In whose name the events are sent: one of the stack's ActingSources.",
)
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that runs here.")
def import_(
    files: tuple[Path, ...],
    at: datetime | None,
    accepted_modes: tuple[str, ...],
    source: str,
    stack: str | None,
    *,
    with_curricula: bool,
    send: bool,
) -> None:
    """Turn the catalog's programs into events.

    FILES are answers of course-discovery's /api/v1/programs/ as JSON: pages, single programs or lists of them; or the
    platform's cache of programs, as a mapping from its keys. Each program becomes its whole definition from now on, a
    line of JSON (certificates.program.configured.v1). Importing again changes nothing.

    What can't be read is reported on stderr with file, program, field and fix, the rest goes on, and the exit code is
    2. Notes there name gaps, pages and programs that are missing, and curricula (docs/programs.md).
    """
    from certs import stacks
    from certs.programs import events as made
    from certs.programs.catalog import Catalog, Note, Problem

    catalog = Catalog(accepted_modes=accepted_modes, with_curricula=with_curricula)
    for file in files:
        try:
            catalog.add(str(file), file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeError) as error:
            catalog.problems.append(Problem(str(file), "", "", f"it can't be read: {error}"))
    catalog.finish()
    events = made.events_of(catalog, at or datetime.now(UTC), source)
    for report in [*map(Problem.as_json, catalog.problems), *map(Note.as_json, catalog.notes)]:
        click.echo(json.dumps(report, ensure_ascii=False), err=True)
    if send:
        try:
            taken = made.send(events, stacks.aws(stack), source)
        except stacks.NoStackError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"Programs put on the bus: {taken}")
    else:
        for event in events:
            click.echo(json.dumps(event, ensure_ascii=False))
    if catalog.problems:
        sys.exit(REJECTED)
