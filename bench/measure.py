"""CPU time, compared side by side: what a busy machine does to one side, it does to the others too.

All sides take their turns in each round, in another order each time, and a ratio is taken within a round. The
figures are medians over the rounds, with the quartiles around them.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The measurements of several rounds."""

    median: float
    low: float  # the first quartile
    high: float  # the third quartile


class Side(NamedTuple):
    """One of several things to be compared."""

    seconds: Spread  # CPU, of one unit of its work
    ratio: Spread  # to the first side


type Turn = Callable[[], float]
"""One side's part of a round. Returns the CPU seconds that a unit of its work took."""


def timed(work: Callable[[], object], units: int) -> Turn:
    """Return a turn that does the work, which is so many units, once; the CPU time is that of all threads."""

    def turn() -> float:
        start = time.process_time()
        work()
        return (time.process_time() - start) / units

    return turn


def compare(turns: Mapping[str, Turn], rounds: int) -> dict[str, Side]:
    """Return the cost of each side. The first one is the baseline of the others."""
    names = list(turns)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        turns[name]()  # the first turn is spent on imports, connections and memos
    gc.collect()
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            seconds[name].append(turns[name]())
    base = seconds[names[0]]
    return {
        name: Side(_spread(cost), _spread([this / that for this, that in zip(cost, base, strict=True)]))
        for name, cost in seconds.items()
    }


def _spread(values: Sequence[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)
