"""What the benchmark of an event stands on: the function ingests its batches, with the requests that are compared."""

import subprocess
import sys

from tests.scenes.machine import ROOT


def test_batches_of_each_case_are_ingested_with_the_requests_that_are_compared() -> None:
    program = """
from bench.batches import Ingest
from bench.wire import Wire
print([len(batches[0].requests) for batches in Ingest(Wire()).batches().values()])
"""
    command = [sys.executable, "-c", program]  # in a process of its own: the environment is set for good
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[11, 11, 1]"
