"""Cold starts: the functions of the event path, each with its DynamoDB client, against a bare botocore client."""

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.batches import ENVIRONMENT
from bench.measure import Turn, compare
from bench.tables import Goal, Row, Table

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
ROUNDS = 11

CLIENT = "import botocore.session; botocore.session.get_session().create_client('dynamodb', region_name='eu-west-1')"
FUNCTION = "import app; from certrules.storage.records import Item; Item._get_connection().connection.client"
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

type Place = tuple[Sequence[str], Sequence[Path]]
"""Options of the interpreter, and what goes on its path."""


def places(function: str) -> dict[str, Place]:
    """Return where a function can be loaded from: the checkout and, if it was built, the layer."""
    found: dict[str, Place] = {"the checkout": ((), [ROOT / "functions" / function])}
    layer = BUILT / "RulesLayer" / "python"
    if layer.exists():
        found["the built layer"] = (("-I", "-S"), [layer, BUILT / f"{function.title()}Function"])
    return found


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
    isolation, paths = place
    program = _TIMED.format(paths=[str(path) for path in paths], code=code)
    command = [sys.executable, *isolation, *options, "-c", program]
    return subprocess.run(command, env=environment(), cwd=ROOT, check=True, text=True, capture_output=True)  # noqa: S603


def environment() -> Mapping[str, str]:
    """Return what both functions find in their environment, beside the machine's own."""
    return {**os.environ, **ENVIRONMENT, **OTHERS}


def core_microseconds(place: Place) -> int:
    """Return the time of the core's own modules when the function is imported."""
    text = _run(place, FUNCTION, ("-X", "importtime")).stderr
    own_times = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+certrules\.core\b", text, re.MULTILINE)
    return sum(int(own) for own in own_times)
