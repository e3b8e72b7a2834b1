"""`certs import`."""

import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from certs.options import examples
from certs.terminal import confirm
from certs.terminal import console as terminal_console

if TYPE_CHECKING:
    from rich.console import Console

    from certs.imports.company import RefusedRow
    from certs.imports.job import Import, ImportReport, ImportTarget

FAILED = 1
"""Exit code when parts were not imported: resume."""

REJECTED = 2
"""Exit code when some rows could not be imported, or certificates have the same id; the others were imported."""


class PartialImportError(Exception):
    """An import into live course runs lacks certificates or grades. Nothing was imported."""


class UnknownRowsError(Exception):
    """Rejected rows may forbid certificates, and nobody knows whose. Nothing was imported."""

    def __init__(self, rows: "list[RefusedRow]", rejects: Path) -> None:
        named = ", ".join(f"{row.table} line {row.line}" for row in rows[:5])
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        super().__init__(
            f"nothing was imported: {len(rows)} rejected rows may forbid a certificate, and their learner or course "
            f"run can't be read: {named}{more}. Mend them (see {rejects}) and import again, or go on --without-unknown"
        )


@click.command(
    "import",
    epilog=examples(
        "certs import export/ --check                        only read the tables, and report",
        "certs import export/                                into the local cloud that runs here (certs local)",
        "certs import export/ --stack certificates           into a deployed stack, with your AWS credentials",
        "certs import --resume import-20260601T120000-1a2b3c --stack certificates",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--stack", metavar="NAME", help="A deployed stack; default: the local cloud that runs here.")
@click.option("--check", is_flag=True, help="Only read the tables and report: no stack is needed.")
@click.option("--resume", metavar="IMPORT", help="Go on with an import that was interrupted, or whose parts failed.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    default="import-rejects.jsonl",
    show_default=True,
    help="Where rows go that can't be taken in: with line, field, reason and fix.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="How many parts are taken in at once.",
)
@click.option(
    "--without-unknown",
    is_flag=True,
    help="Go on without rejected rows of certificates and invalidations that may be about anybody.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Import into live course runs although certificates or grades of them are missing.",
)
@click.option("--yes", is_flag=True, help="Don't ask before importing into live course runs.")
@click.option(
    "--id-verification-days",
    type=click.IntRange(1, 36_500),
    default=365,
    show_default=True,
    help='How long an ID verification without an expiration date holds: VERIFY_STUDENT["DAYS_GOOD_FOR"].',
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def import_(
    files: tuple[Path, ...],
    stack: str | None,
    resume: str | None,
    rejects: Path,
    at_once: int,
    *,
    id_verification_days: int,
    check: bool,
    without_unknown: bool,
    partial: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Turn the platform's tables into facts.

    FILES are tables as CSV, JSON lines or tab-separated (plain, .gz, .bz2, .xz), or folders and zip archives of them;
    a file's name contains its table's. If a file can't be read, it is named with the fix, and nothing is imported. What
    each row means is in docs/import.md. Import the tables of one export together. Importing again changes nothing. Rows
    that can't be taken in go to a file; what is stated of the same learner and course run waits for them, the rest goes
    on, and the exit code is 2.

    Course runs that an import is the first to name begin in shadow. Into those that are live nothing is imported before
    you have seen what it publishes there.
    """
    from certs.imports import job
    from certs.imports.files import UnreadableFileError
    from certs.stacks import NoStackError

    if bool(files) is bool(resume) or (resume and check):
        raise click.UsageError("name FILES to import, or the import to --resume")
    console = terminal_console(stderr=as_json)
    options = _Options(rejects, at_once, timedelta(days=id_verification_days), without_unknown, partial, yes)
    try:
        if resume:
            report = _take_in(console, job.Import(job.stack_of(stack), resume), options)
        else:
            report = _import(console, files, None if check else job.stack_of(stack), options)
    except (UnreadableFileError, UnknownRowsError, PartialImportError, NoStackError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        from certs.imports import show

        show.report(console, report, rejects if report.rejected and not resume else None)
    if not report.is_whole:
        sys.exit(FAILED)
    if any(report.rejected.values()) or report.refused or report.shared_ids:
        sys.exit(REJECTED)


class _Options(NamedTuple):
    rejects: Path
    at_once: int
    id_verification: timedelta  # how long one without an expiration date holds
    without_unknown: bool
    partial: bool
    yes: bool


def _import(
    console: "Console", paths: tuple[Path, ...], stack: "ImportTarget | None", options: _Options
) -> "ImportReport":
    from certs.imports import job, show
    from certs.imports.files import UnreadableFileError, files_of
    from certs.imports.parts import read_tables
    from certs.imports.tables import NAMES

    stores_names = stack is not None and stack.stores_names
    why = "names are imported only into a stack that stores them (LearnerNames)"
    files, ignored = files_of(paths, {} if stores_names else dict.fromkeys(NAMES, why))
    for source, why in ignored:
        console.print(f"{source} is ignored: {why}", highlight=False, markup=False, soft_wrap=True)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="certs-import-") as name:
        folder = Path(name)
        try:
            with _private(options.rejects) as file, show.counting(console, "reading tables", "rows", None) as count:
                reading = read_tables(files, folder, file, now, count, id_verification=options.id_verification)
        except UnreadableFileError:
            options.rejects.unlink()
            raise
        if not any(reading.rejected.values()):
            options.rejects.unlink()
        if stack is None:
            return job.ImportReport.of(reading)
        if reading.unknown and not options.without_unknown:
            raise UnknownRowsError(reading.unknown, options.rejects)
        with show.counting(console, "uploading", "parts", len(reading.parts)) as count:
            begun = job.Import.upload(stack, reading, folder, now, count)
    return _take_in(console, begun, options)


def _take_in(console: "Console", begun: "Import", options: _Options) -> "ImportReport":
    from certs.imports import show

    total = begun.report().parts
    if not begun.is_accepted():
        _accept(console, begun, options)
    console.print(f"[bold]{begun.name}[/]: were it interrupted, --resume {begun.name} goes on with it", highlight=False)
    with show.reaching(console, "taking in", "parts", total) as reach:
        return begun.run(options.at_once, reach)


def _accept(console: "Console", begun: "Import", options: _Options) -> None:
    """Show what an import publishes in live course runs, and have it confirmed. Raises PartialImportError."""
    from certs.imports import show
    from certs.imports.preview import what_lacks

    preview = begun.preview(options.at_once)
    show.preview(console, preview)
    lacking = preview.lacking(begun.complete())
    if lacking and not options.partial:
        raise PartialImportError(what_lacks(lacking))
    if preview.live and not options.yes:
        confirm("Import into live course runs? (--yes answers this)")
    begun.accept(preview.live)


def _private(path: Path) -> TextIO:
    """Open a file that only its owner may read: rejected rows are as they were, names included."""
    path.touch(mode=0o600)
    return path.open("w")
