"""What events wait for when a function starts cold: what it loads beside a bare client of DynamoDB."""

import subprocess
import sys

import pytest

from bench.cold import CLIENT, FUNCTION, environment, places

AT_MOST = {"ingest": 140, "publish": 120}
"""Modules; each costs 0.2 to 1 ms of CPU."""


def run(function: str, code: str) -> list[str]:
    paths = places(function)["the checkout"].paths
    program = f"import sys; sys.path[:0] = {paths!r}; {code}"
    ran = subprocess.run([sys.executable, "-c", program], env=environment(), check=True, capture_output=True, text=True)
    return ran.stdout.split()


@pytest.mark.parametrize("function", AT_MOST)
def test_a_function_that_events_wait_for_loads_few_modules(function: str) -> None:
    bare = run(function, f"{CLIENT}; print(*sys.modules)")
    loaded = set(run(function, f"{FUNCTION}; print(*sys.modules)")) - {*bare}
    assert len(loaded) <= AT_MOST[function], sorted(loaded)


def test_no_garbage_is_looked_for_while_a_function_starts() -> None:
    collected = run("ingest", f"{FUNCTION}; import gc; print(gc.get_stats()[2]['collections'])")
    assert int(collected[0]) <= 2  # botocore's, before our package is loaded: its first module is Powertools
