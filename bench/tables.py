"""Results as Markdown, and their place in a page of the documentation."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bench.measure import Side, Spread


class Goal(NamedTuple):
    """The most that something may cost, in times its baseline."""

    most: float


class Row(NamedTuple):
    """One line of a table."""

    what: str
    figures: tuple[str, ...]
    ratio: Spread | None = None  # None: it is the baseline itself
    goal: Goal | None = None


class Table(NamedTuple):
    """The result of one comparison."""

    title: str
    figures: tuple[str, ...]  # the heads of the columns between the name and the ratio
    baseline: str
    rows: Sequence[Row]


def markdown(table: Table) -> str:
    """Return a table; ratios with their quartiles, goals with whether they are met."""
    heads = [table.title, *table.figures, f"× {table.baseline}", "goal"]
    lines = [heads, ["---", *["---:"] * len(table.figures), "---:", "---"]]
    lines += [[row.what, *row.figures, _ratio(row.ratio), _verdict(row)] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(ratio: Spread | None) -> str:
    if ratio is None:
        return "1"
    digits = 2 if ratio.median < 10 else 1 if ratio.median < 100 else 0
    return f"{ratio.median:.{digits}f} ({ratio.low:.{digits}f}–{ratio.high:.{digits}f})"


def _verdict(row: Row) -> str:
    if row.goal is None or row.ratio is None:
        return ""
    return f"≤ {row.goal.most:g}: {'met' if row.ratio.median <= row.goal.most else '**missed**'}"


def microseconds(side: Side) -> str:
    """Return the cost of a unit of a side's work."""
    cost = side.seconds.median * 1e6
    return f"{cost:.2f}" if cost < 10 else f"{cost:,.0f}"


def per_second(side: Side) -> str:
    """Return how many units of a side's work one core does in a second, to two or three digits."""
    rate = 1 / side.seconds.median
    step = 10 ** max(0, len(str(int(rate))) - 3)
    return f"{round(rate / step) * step:,}"


def put(page: str, name: str, content: str) -> str:
    """Return the page with the content between the markers of this name. Raises ValueError without them."""
    begin, end = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    filled, count = pattern.subn(lambda _: f"{begin}\n\n{content}\n\n{end}", page)
    if count != 1:
        raise ValueError(f"the page has to have {begin} and {end}, once")
    return filled
