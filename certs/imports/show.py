"""What `certs import` shows a person."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from certs.imports.job import ImportReport
from certs.imports.preview import ImportPreview

EXAMPLES = 5
"""How many failures, or certificates with the same id, are shown; more are in --json."""


@contextmanager
def counting(console: Console, what: str, unit: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; call the yielded function with how many more are done."""
    with _bar(console, what, unit, total) as (bar, task):
        yield lambda more: bar.update(task, advance=more)
        bar.update(task, total=bar.tasks[0].completed)


@contextmanager
def reaching(console: Console, what: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; call the yielded function with how many are done."""
    with _bar(console, what, unit, total) as (bar, task):
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def _bar(console: Console, what: str, unit: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield bar, bar.add_task(what, total=total, unit=unit)


def report(console: Console, found: ImportReport, rejects: Path | None) -> None:
    """Show what came of an import."""
    tables = Table(title="Tables", title_justify="left", title_style="bold", box=None)
    for heading, justify in (("table", "left"), ("rows", "right"), ("rejected", "right")):
        tables.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name, rows in sorted(found.rows.items()):
        tables.add_row(
            name, f"{rows:,}", f"[red]{found.rejected.get(name, 0):,}[/]" if found.rejected.get(name) else "0"
        )
    console.print(tables)
    console.print(_counts("Facts", found.facts))
    if found.statuses:
        console.print(_counts("Certificates", found.statuses))
    if found.name:
        console.print(
            f"[bold]{found.records:,}[/] records in {found.parts:,} parts: {found.saved:,} written, {found.unchanged:,}"
            f" as they were, {len(found.failed) + len(found.refused):,} not taken in; {found.seconds:.1f} s."
        )
    else:
        console.print(f"[bold]{found.records:,}[/] records in {found.parts:,} parts; nothing was taken in (--check).")
    _oddities(console, found)
    if rejects is not None:
        console.print(f"[red]{sum(found.rejected.values()):,} rows were rejected:[/] see {rejects}", highlight=False)
    _company(console, found)
    for refused in found.refused[:EXAMPLES]:
        console.print(f"[red]Refused:[/] {_whose(refused)}: {refused['fix']}", highlight=False)
    for failed in found.failed[:EXAMPLES]:
        console.print(f"[red]Failed:[/] {_whose(failed)}: {failed['error']}", highlight=False)
    if not found.is_whole:
        parts = ", ".join([*sorted({failed["part"] for failed in found.failed}), *found.missing][:EXAMPLES])
        why = f" ({found.error})" if found.error else ""
        console.print(f"[red]Parts are not done:[/] {parts}{why}. Go on with --resume {found.name}", highlight=False)


def preview(console: Console, found: ImportPreview) -> None:
    """Show what an import would publish."""
    if found.new:
        why = "nobody named them before this import, so nothing is published there"
        console.print(f"Beginning in shadow: {_runs(found.new)}: {why}", highlight=False)
    if not found.live:
        return
    console.print(f"[bold]Live: {_runs(found.live)}.[/] This import would publish there:", highlight=False)
    console.print(_counts("Certificates", found.changes() or {"none": 0}))
    for item in found.published[:EXAMPLES]:
        change = f"{item['before'] or 'no certificate'} → {item['after']}"
        console.print(f"  {_whose(item)}: {change}", highlight=False)
    if found.settings_changed:
        runs = _runs(found.settings_changed)
        console.print(f"Settings change, and all learners are decided again, in {runs}", highlight=False)


def _runs(course_runs: Iterable[str]) -> str:
    named = sorted(course_runs)
    more = ", …" if len(named) > EXAMPLES else ""
    return f"{len(named):,} course run{'s' if len(named) > 1 else ''} ({', '.join(named[:EXAMPLES])}{more})"


def _company(console: Console, found: ImportReport) -> None:
    """Show what waits for rejected rows, and which of these may be about anybody."""
    if found.unknown:
        what = "rejected rows may forbid a certificate, and nobody knows whose"
        console.print(f"[red]{len(found.unknown):,} {what}:[/] {_places(found.unknown)}", highlight=False)
    if found.waits_for:
        facts = sum(item["facts"] for item in found.waits_for)
        console.print(f"[red]{facts:,} facts wait[/] until rejected rows about the same are mended:", highlight=False)
    for item in found.waits_for[:EXAMPLES]:
        waits = f"{item['facts']} facts wait for {_places(item['refused'])}"
        console.print(f"  {_whose(item)}: {waits}", highlight=False)


def _places(rows: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{row['table']} line {row['line']}" for row in islice(rows, EXAMPLES))


def _oddities(console: Console, found: ImportReport) -> None:
    """Show fields that were left out, and ids that several certificates have."""
    for warning in found.warnings:
        console.print(f"[yellow]Warning:[/] {_warning(warning)}", highlight=False)
    for shared in found.shared_ids[:EXAMPLES]:
        whose = ", ".join(_whose(item) for item in shared["certificates"][:EXAMPLES])
        what = f"{shared['count']} certificates have the id {shared['certificate_id']}:"
        console.print(f"[red]{what}[/] {whose}", highlight=False)


def _warning(found: Mapping[str, Any]) -> str:
    name, rows = f"{found['table']}.{found['field']}", f"{found['rows']:,} rows" if found["rows"] > 1 else "1 row"
    where = f"{found['file']} line {found['line']}"
    return escape(f"{name} was not taken as it is in {rows}, first in {where}: {found['problem']}")


def _whose(item: Mapping[str, object]) -> str:
    if item["learner_id"] is None:
        return str(item["course_run"])
    return f"learner {item['learner_id']}" + (f" in {item['course_run']}" if item["course_run"] else "")


def _counts(title: str, found: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, f"{count:,}")
    return table
