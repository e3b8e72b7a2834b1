"""What `certs run` shows a person."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from certrules.core.rules import RULEBOOK
from certrules.core.terms import Status
from certrules.formats.events_out import EVENTS_OUT
from certs.run import Run
from certs.sources.oulad import OuladComparison

_COLOURS = {
    Status.DOWNLOADABLE: "green",
    Status.NOTPASSING: "yellow",
    Status.UNVERIFIED: "yellow",
    Status.UNAVAILABLE: "red",
}
_BAR = 12

PICTURE = re.sub(r"@font-face \{\{.*?\}\}|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""The form of a picture: rich's, without fonts from elsewhere."""


@contextmanager
def progress(console: Console, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; call the yielded function with how many events are done."""
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]events through the local cloud"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("events", total=total, speed="")

        def done(count: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            bar.update(task, completed=count, speed=f"{count / elapsed:,.0f}/s" if elapsed else "")

        yield done
        bar.update(task, total=bar.tasks[0].completed)


def outcome(console: Console, run: Run, shown: Iterator[str]) -> None:
    """Show counts, reasons, three explained learners, and where to look next."""
    by_status = run.by_status()
    total = sum(by_status.values())
    statuses = _counts("Certificates", by_status, total, {str(status): colour for status, colour in _COLOURS.items()})
    reasons = _counts(
        "Why not downloadable", run.by_reason(), total, {}, {rule.code: rule.unmet for rule in RULEBOOK.rules}
    )
    tables = [statuses, reasons]
    if run.parked:
        tables.append(_counts("Parked: could not be taken in", run.parked, sum(run.parked.values()), {}))
    published = Counter({name.removeprefix("org.openedx.learning."): count for name, count in run.published.items()})
    meanings = {name.removeprefix("org.openedx.learning."): meaning for name, meaning in EVENTS_OUT.items()}
    tables.append(_counts("Events out", published, sum(published.values()), {}, meanings))
    for table in tables:
        console.print()
        console.print(table)
    console.print()
    for text in shown:
        heading, _, rest = text.partition("\n")
        console.print(
            Panel(Text(rest.strip()), title=Text(heading, style="bold"), title_align="left", border_style="dim")
        )
    rate = run.events / run.seconds if run.seconds else 0
    console.print(
        f"[bold]{run.events:,}[/] events in {run.seconds:.1f} s ({rate:,.0f}/s): "
        f"[bold]{total:,}[/] learners' certificates, {sum(run.parked.values()):,} events parked, "
        f"{run.dead:,} dead-lettered."
    )
    console.print(
        "Next: [bold]certs run --keep[/] and, beside it, [bold]certs explain LEARNER COURSE_RUN[/] for any learner; "
        "[bold]certs run FILE[/] for your own events; docs/replay.md for a ticket's."
    )


def comparison(console: Console, compared: OuladComparison) -> None:
    """Show how certificates agree with the data's own outcome, and explain each kind of difference."""
    table = Table(title="Against the data's own outcome", title_justify="left", title_style="bold", box=None)
    for heading in ("outcome", "learners", "certificate"):
        table.add_column(heading, justify="right" if heading == "learners" else "left")
    for name, count in sorted(compared.agreeing.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{count:,}", Text("as the data has it", style="green"))
    for difference in compared.differences:
        shown = f"{difference.status or 'none'}: {difference.explanation}"
        table.add_row(difference.outcome or "unknown", f"{difference.count:,}", Text(shown, style="red"))
    console.print(table)
    agreeing = sum(compared.agreeing.values())
    console.print(f"[bold]{agreeing:,}[/] of {compared.total:,} agree.")


def _counts(
    title: str,
    counts: Mapping[str, int],
    total: int,
    colours: Mapping[str, str],
    meanings: Mapping[str, str] | None = None,
) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_column()
    largest = max(counts.values(), default=1)
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        bar = Text("█" * max(1, round(_BAR * count / largest)), style=colours.get(name, "blue"))
        meaning = Text(meanings.get(name, "") if meanings else "", style="dim")
        table.add_row(name, f"{count:,}", f"{count / total:.1%}" if total else "", bar, meaning)
    return table
