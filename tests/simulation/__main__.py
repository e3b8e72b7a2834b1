"""`make simulate`: many histories with faults, each from its own seed. A failing one is shrunk and shown."""

import argparse
import gc
import os
import sys
import time
from collections import Counter
from multiprocessing import Pool

from tests.simulation.history import HistoryResult, run_history, shrunk
from tests.simulation.services import DEFECTS

MOST_SHOWN = 3
SHOWN_EVERY = 5_000
"""After so many histories, their count is shown while more run."""


def main() -> int:
    """Run histories; return 1 if something did not hold in one of them."""
    options = _options()
    seeds = range(options.seed, options.seed + options.histories)
    started = time.monotonic()
    requests = 0
    faults: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    failed: list[HistoryResult] = []
    with Pool(options.workers, _prepare) as pool:
        for number, result in enumerate(pool.imap_unordered(_Run(options.defect), seeds, chunksize=20), 1):
            if number % SHOWN_EVERY == 0:
                print(f"{number} histories, {faults.total()} faults, {len(failed) or 'none'} broken", flush=True)
            requests += result.requests
            faults.update(result.faults)
            alarms.update(result.alarms)
            if result.broken:
                failed.append(result)
                print(f"seed {result.seed}: {result.broken}", flush=True)
            if len(failed) == MOST_SHOWN:
                break
    print(
        f"{len(seeds)} histories from seed {options.seed}, {requests} requests to AWS, {faults.total()} faults, "
        f"in {time.monotonic() - started:.0f} s: {len(failed) or 'none'} broken"
    )
    print(f"alarms that rang: {', '.join(f'{name} {times}' for name, times in alarms.most_common()) or 'none'}")
    print("\n".join(f"{times:>9}  {kind}" for kind, times in faults.most_common()))
    if options.trace:
        for seed in seeds:
            print(f"\nseed {seed}:\n" + "\n".join(run_history(seed, defect=options.defect, traced=True).trace))
    for result in failed[:1]:
        _show(result, options.defect)
    return 1 if failed else 0


def _prepare() -> None:
    """Have a process collect garbage after each history alone, without what a first one has left loaded."""
    gc.disable()
    run_history(0)
    gc.collect()
    gc.freeze()


class _Run:
    """Runs a history in a process of the pool."""

    def __init__(self, defect: str) -> None:
        self._defect = defect

    def __call__(self, seed: int) -> HistoryResult:
        try:
            return run_history(seed, defect=self._defect)
        finally:
            gc.collect()


def _show(result: HistoryResult, defect: str) -> None:
    smallest = shrunk(result.seed, defect=defect)
    print(f"\nseed {result.seed}, shrunk from {len(result.disturbed)} to {len(smallest.disturbed)} disturbances:")
    for name, value in smallest.disturbed.items():
        print(f"  {name} = {value}")
    print("\n" + "\n".join(smallest.trace))
    print(f"\nRun it again: make simulate ARGS='--seed {result.seed} --histories 1'")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000, help="how many histories (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first history")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many processes")
    parser.add_argument("--defect", choices=DEFECTS, default="", help="what AWS does not hold: it has to be noticed")
    parser.add_argument("--trace", action="store_true", help="show what happened in each history")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
