"""Whatever bytes are read: refused as documented, or read whole. `make fuzz` does the same for longer."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzz.targets import TARGETS, edits_and_bytes

ROOT = Path(__file__).resolve().parents[2]
SECONDS, INPUTS = "4", "5000"  # of each target, whichever ends first


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_refused_or_read_whole(name: str) -> None:
    @given(edits_and_bytes())
    def reads(data: bytes) -> None:
        TARGETS[name](data)

    reads()


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris exists for Linux on x86_64 only")
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzing_guided_by_coverage_finds_nothing(name: str) -> None:
    fuzzed = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", name, SECONDS, INPUTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert fuzzed.returncode == 0, fuzzed.stderr[-3000:]
