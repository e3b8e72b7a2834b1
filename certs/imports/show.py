"""What `certs import` shows a person."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from certs.imports.job import Report

EXAMPLES = 5
"""How many failures are shown; all are in --json."""


@contextmanager
def counting(console: Console, what: str, unit: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; what is yielded is told how many more are done."""
    with _bar(console, what, unit, total) as (bar, task):
        yield lambda more: bar.update(task, advance=more)
        bar.update(task, total=bar.tasks[0].completed)


@contextmanager
def reaching(console: Console, what: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; what is yielded is told how many are done."""
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


def report(console: Console, told: Report, rejects: Path | None) -> None:
    """Show what came of an import."""
    tables = Table(title="Tables", title_justify="left", title_style="bold", box=None)
    for heading, justify in (("table", "left"), ("rows", "right"), ("rejected", "right")):
        tables.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name, rows in sorted(told.rows.items()):
        tables.add_row(name, f"{rows:,}", f"[red]{told.rejected.get(name, 0):,}[/]" if told.rejected.get(name) else "0")
    console.print(tables)
    console.print(_counts("Facts", told.facts))
    if told.statuses:
        console.print(_counts("Certificates", told.statuses))
    if told.name:
        console.print(
            f"[bold]{told.records:,}[/] records in {told.parts:,} parts: {told.saved:,} written, {told.unchanged:,} as "
            f"they were, {len(told.failed) + len(told.refused):,} not taken in; {told.seconds:.1f} s."
        )
    else:
        console.print(f"[bold]{told.records:,}[/] records in {told.parts:,} parts; nothing was taken in (--check).")
    if rejects is not None:
        console.print(f"[red]{sum(told.rejected.values()):,} rows were rejected:[/] see {rejects}", highlight=False)
    for refused in told.refused[:EXAMPLES]:
        console.print(f"[red]Refused:[/] {_whose(refused)}: {refused['fix']}", highlight=False)
    for failed in told.failed[:EXAMPLES]:
        console.print(f"[red]Failed:[/] {_whose(failed)}: {failed['error']}", highlight=False)
    if not told.is_whole:
        parts = ", ".join([*sorted({failed["part"] for failed in told.failed}), *told.missing][:EXAMPLES])
        why = f" ({told.error})" if told.error else ""
        console.print(f"[red]Parts are not done:[/] {parts}{why}. Go on with --resume {told.name}", highlight=False)


def _whose(item: Mapping[str, object]) -> str:
    return f"learner {item['learner_id']} in {item['course_run']}"


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, f"{count:,}")
    return table
