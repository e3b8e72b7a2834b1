"""`make fuzz`: the readers and the API, for so many seconds each. A finding ends it with the exit code 1.

The readers are fuzzed guided by coverage where atheris is (Linux on x86_64), and by hypothesis elsewhere.
"""

import argparse
import logging
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.fuzz.api_requests import MODES, OPERATIONS, FuzzedApi
from tests.fuzz.targets import TARGETS, edits_and_bytes
from tests.scenes.scene import TEMPLATE, Scene

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 100  # inputs of a reader before it is looked whether its time is over
REQUESTS_AT_ONCE = 10  # the same of an operation of the API
ROUND_SECONDS = 300
NO_ATHERIS = "atheris is not here (it exists for Linux on x86_64): the readers are fuzzed without guidance by coverage"

settings.register_profile(
    "fuzz",
    max_examples=AT_ONCE,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class FindingError(Exception):
    """Fuzzing found something; the message shows it."""


def guided(name: str, seconds: int) -> int:
    """Fuzz a reader guided by coverage, and return how many inputs it read. Raises FindingError."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds)]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise FindingError(ran.stderr[-5000:])
    executed = re.search(r"number_of_executed_units: (\d+)", ran.stderr)
    assert executed is not None, ran.stderr
    return int(executed[1])


def unguided(name: str, seconds: int) -> int:
    """Fuzz a reader by hypothesis, and return how many inputs it read. Raises what the reader raises."""
    read = count()

    @given(edits_and_bytes())
    def reads(data: bytes) -> None:
        next(read)
        TARGETS[name](data)

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reads()
    return next(read)


def api(seconds: int) -> int:
    """Fuzz the API, each operation for an equal share of the time, and return how many requests it answered.

    Each has a turn even on a machine that is too slow for the time. Each round has a stack of its own, since acts use
    up what waits for one. Raises AssertionError for a finding, with the request as it was: shrinking it takes minutes.
    """
    until, requests = None, 0
    turns = [(operation, mode) for operation in OPERATIONS for mode in MODES]
    for left in range(max(1, seconds // ROUND_SECONDS), 0, -1):
        with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:
            fuzzed = FuzzedApi.on(Scene(cloud))
            now = time.monotonic()
            until = until or now + seconds  # setting up is not counted
            for operation, mode in shared(turns, now + (until - now) / left):
                fuzzed.fuzz(operation, mode, REQUESTS_AT_ONCE)
        requests += fuzzed.requests
    return requests


def shared[T](turns: Sequence[T], until: float, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Yield each turn at least once, and again while its share of the time up to `until` lasts."""
    for number, turn in enumerate(turns):
        now = clock()
        ends = now + (until - now) / (len(turns) - number)
        yield turn
        while clock() < ends:
            yield turn


def main() -> None:
    """Fuzz all of it, and print how much was fuzzed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("seconds", type=int, nargs="?", default=120, help="for each reader, and the API (default: 120)")
    seconds: int = parser.parse_args().seconds
    settings.load_profile("fuzz")
    warnings.simplefilter("ignore")
    logging.disable()
    if find_spec("atheris") is None:
        print(NO_ATHERIS)
    reader = unguided if find_spec("atheris") is None else guided
    parts: list[tuple[str, Callable[[], int]]] = [
        *((name, lambda name=name: reader(name, seconds)) for name in TARGETS),
        ("api", lambda: api(seconds)),
    ]
    total = 0
    for name, fuzz in parts:
        try:
            inputs = fuzz()
        except FindingError as finding:
            sys.exit(f"{name}: {finding}")
        total += inputs
        print(f"{name}: {inputs:,} inputs", flush=True)
    print(f"{total:,} inputs fuzzed, and nothing found")


if __name__ == "__main__":
    main()
