"""Cold starts: the functions of the event path, each with its DynamoDB client, against a bare botocore client."""

import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.batches import ENVIRONMENT
from bench.measure import Turn, compare
from bench.tables import Goal, Row, Table
from certs.debug.containers import RUNTIME_IMAGE

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
ROUNDS = 11

CLIENT = "import botocore.session; botocore.session.get_session().create_client('dynamodb', region_name='eu-west-1')"
FUNCTION = "import app; from certrules.storage import Item; Item._get_connection().connection.client"
_TIMED = """
import sys, time
sys.path[:0] = {paths!r}
start = time.process_time()
{code}
print(time.process_time() - start)
"""

FUNCTIONS = ("ingest", "publish")
OTHERS = {"SUPPORT_TABLE": "support", "BUS_NAME": "bus", "CERTIFICATE_URL": "https://credentials.example.org/"}
"""What publish finds in its environment beside what ingest does."""


class Place(NamedTuple):
    """Where a function can be loaded from."""

    python: Sequence[str]  # the interpreter's command, with its options
    paths: Sequence[str]  # first on its path


def places(function: str) -> dict[str, Place]:
    """Return where a function can be loaded from: the checkout and, if there are any, the built layer and the image."""
    found = {"the checkout": Place((sys.executable,), [str(ROOT / "functions" / function)])}
    layer, code = BUILT / "RulesLayer" / "python", BUILT / f"{function.title()}Function"
    if layer.exists():
        isolated = "-I", "-S"
        found["the built layer"] = Place((sys.executable, *isolated), [str(layer), str(code)])
        if _has_image():
            mounts = "-v", f"{layer}:/opt/python:ro", "-v", f"{code}:/var/task:ro"
            variables = [
                part for name, value in {**ENVIRONMENT, **OTHERS}.items() for part in ("-e", f"{name}={value}")
            ]
            container = "docker", "run", "--rm", "--network", "none", *mounts, *variables
            python = *container, "--entrypoint", "/var/lang/bin/python3.13", RUNTIME_IMAGE, *isolated
            found["in Lambda's container"] = Place(python, ["/opt/python", "/var/task"])
    return found


def _has_image() -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "image", "inspect", RUNTIME_IMAGE]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - ours


def measure() -> Table:
    """Return the cost of a cold start, beyond the interpreter's own."""
    rows = []
    for name in places(FUNCTIONS[0]):
        turns = {function: _turn(places(function)[name], FUNCTION) for function in FUNCTIONS}
        sides = compare({"client": _turn(places(FUNCTIONS[0])[name], CLIENT), **turns}, ROUNDS)
        rows.append(Row(f"bare client, {name}", (f"{sides['client'].seconds.median * 1e3:.0f}", "")))
        for function in FUNCTIONS:
            side = sides[function]
            core = statistics.median(core_microseconds(places(function)[name]) for _ in range(5)) / 1e3
            mine = (f"{side.seconds.median * 1e3:.0f}", f"{core:.1f}")
            rows.append(Row(f"{function} and its client, {name}", mine, side.ratio, Goal(1.20)))
    return Table("cold import", ("ms of CPU", "of it the core's own modules"), "its bare client", rows)


def _turn(place: Place, code: str) -> Turn:
    return lambda: float(_run(place, code).stdout)


def _run(place: Place, code: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    program = _TIMED.format(paths=place.paths, code=code)
    command = [*place.python, *options, "-c", program]
    return subprocess.run(command, env=environment(), cwd=ROOT, check=True, text=True, capture_output=True)  # noqa: S603


def environment() -> Mapping[str, str]:
    """Return what both functions find in their environment, beside the machine's own."""
    return {**os.environ, **ENVIRONMENT, **OTHERS}


def core_microseconds(place: Place) -> int:
    """Return the time of the core's own modules when the function is imported."""
    text = _run(place, FUNCTION, ("-X", "importtime")).stderr
    own_times = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+certrules\.core\b", text, re.MULTILINE)
    return sum(int(own) for own in own_times)
