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
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.fuzz.api_requests import MODES, OPERATIONS, FuzzedApi
from tests.fuzz.targets import TARGETS, edits_and_bytes
from tests.scenes.scene import TEMPLATE, Scene

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 100  # requests of an operation, or inputs of a reader, before it is the next one's turn
NO_ATHERIS = "atheris is not here (it exists for Linux on x86_64): the readers are fuzzed without guidance by coverage"

settings.register_profile(
    "fuzz", max_examples=AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck)
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
    """Fuzz the API, with a stack of its own for each round, and return how many requests it answered."""
    until, requests = None, 0
    while until is None or time.monotonic() < until:
        with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:
            fuzzed = FuzzedApi.on(Scene(cloud))
            until = until or time.monotonic() + seconds  # setting up is not counted
            for operation in OPERATIONS:
                for mode in MODES:
                    if time.monotonic() < until:
                        fuzzed.fuzz(operation, mode, AT_ONCE)
        requests += fuzzed.requests
    return requests


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
