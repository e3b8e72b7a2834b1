"""What events wait for when a function starts cold: what it loads beside a bare client of DynamoDB."""

import subprocess
import sys

import pytest

from bench.cold import CLIENT, FUNCTION, ROOT, environment, places

AT_MOST = {"ingest": 126, "publish": 110}
"""Modules; each costs 0.2 to 1 ms of CPU."""


LATE = {
    "certrules.core.comparison",
    "certrules.core.programs",
    "certrules.formats.certificate_ids",
    "certrules.formats.event_types",
    "certrules.formats.events_out",
    "certrules.formats.key_spellings",
    "certrules.formats.own_events",
    "certrules.formats.program_events",
    "certrules.formats.table_rows",
    "certrules.formats.transition_texts",
    "certrules.parking",
    "certrules.revoking",
    "certrules.storage.breaker",
    "certrules.storage.listings",
    "certrules.storage.notes",
}
"""What only shadow, programs, acts of people, imports, refusals and revocations need."""


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


def test_ingest_loads_nothing_that_the_platforms_events_seldom_need() -> None:
    assert not LATE & {*run("ingest", f"{FUNCTION}; print(*sys.modules)")}


def test_an_event_loads_nothing_either_that_it_does_not_need() -> None:
    program = f"""
sys.path.insert(0, {str(ROOT)!r})
from random import Random
from bench.batches import Ingest, Learner, sqs_event, unseen_output
from bench.wire import Tables, Wire
wire = Wire()
ingest, wire.answer = Ingest(wire), Tables().answer
with unseen_output():
    ingest(sqs_event([Learner(Random(7), 1).passed()]))
print(*sys.modules)"""
    assert LATE & {*run("ingest", program)} == {"certrules.storage.notes"}  # it stands before the records


def test_no_garbage_is_looked_for_while_a_function_starts() -> None:
    collected = run("ingest", f"{FUNCTION}; import gc; print(gc.get_stats()[2]['collections'])")
    assert int(collected[0]) <= 2  # botocore's, before our package is loaded: its first module is Powertools
