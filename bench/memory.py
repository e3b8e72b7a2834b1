"""`python -m bench.memory`: what memory and threads are worth to ingest, under Lambda's share of a core and a latency.

Lambda gives a function a share of a core by its memory: 1,769 MB are one. For each memory a container has docker's
limit in place of Lambda's. The network is answers from memory, each as late as a request would have its answer. A batch
has ten messages; in one batch of five each message issues a certificate. The baseline is bare PynamoDB, which makes the
same requests, one after the other. Elapsed time is what Lambda bills, so it is what is measured here.

A busy machine can't spare a whole core: `--slower 4` gives a quarter of each share, makes answers four times as late,
and divides the elapsed time by four.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

from bench.batches import CASES, ENVIRONMENT, Batch, Ingest, unseen_output
from bench.event import Calls, with_pynamodb
from bench.tables import put
from bench.wire import Wire
from certrules import aws
from certs.debug.containers import RUNTIME_IMAGE, prepare_runtime_image

ROOT = Path(__file__).resolve().parents[1]
WHOLE_CORE = 1769
MEMORIES = (512, 1024, WHOLE_CORE)
LATENCIES = (1, 4, 8)  # milliseconds
SIDES = ("bare PynamoDB", "one after the other", "threads")
_PERIOD = 20_000  # microseconds, within which a container gets its share of a core
_IN_THREADS = {"one after the other": "512", "threads": "1024"}  # what ingest takes for its memory


class Delay(NamedTuple):
    """How long a batch of ten takes."""

    memory: int  # MB
    latency: int  # milliseconds
    side: str
    seconds: float  # median


def measured_here(memory: int, rounds: int, slower: int) -> list[Delay]:
    """Return the delays of all sides in this process, which has the share of a core of this memory (MB)."""
    wire = Wire()
    ingest = Ingest(wire)
    batches = ingest.batches()
    mix = [
        batch for n in range(len(batches[CASES[0]])) for batch in (*[batches[CASES[0]][n]] * 4, batches[CASES[1]][n])
    ]
    bare = with_pynamodb()
    found: dict[tuple[int, str], list[float]] = {}
    for number in range(rounds + 1):
        for latency in LATENCIES:
            for side in SIDES:
                calls = bare if side == SIDES[0] else _ingest(ingest, side)
                for batch in mix[number % 2 :: 4]:
                    seconds = _elapsed(wire, batch, calls, slower * latency / 1000) / slower
                    if number:  # the first round is spent on imports, connections and memos
                        found.setdefault((latency, side), []).append(seconds)
    return [Delay(memory, *key, statistics.median(seconds)) for key, seconds in found.items()]


def _ingest(ingest: Ingest, side: str) -> Calls:
    os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = _IN_THREADS[side]
    aws._workers.cache_clear()  # noqa: SLF001 - it reads the memory once
    return lambda batch: ingest(batch.event)


def _elapsed(wire: Wire, batch: Batch, calls: Calls, latency: float) -> float:
    def answer(operation: str, body: bytes) -> bytes:
        time.sleep(latency)  # the network: what threads may overlap
        return batch.respond(operation, body)

    wire.answer = answer
    start = time.perf_counter()
    with unseen_output():
        calls(batch)
    return time.perf_counter() - start


def measured_in_container(memory: int, rounds: int, slower: int = 1) -> list[Delay]:
    """Return the delays in a container with the share of a core of this memory (MB)."""
    site = f"/repo/.venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    variables = {**ENVIRONMENT, "PYTHONPATH": f"/repo:/repo/layers/certrules:{site}", "PYTHONDONTWRITEBYTECODE": "1"}
    share = min(1.0, memory / WHOLE_CORE)
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{ROOT}:/repo:ro", "-w", "/repo"]
    command += ["--cpu-period", str(_PERIOD * slower), "--cpu-quota", str(int(_PERIOD * share))]
    command += [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    command += ["--entrypoint", "/var/lang/bin/python3.13", RUNTIME_IMAGE, "-m", "bench.memory"]
    command += ["--here", str(memory), "--rounds", str(rounds), "--slower", str(slower)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return [Delay(*delay) for delay in json.loads(ran.stdout.splitlines()[-1])]


def table(delays: list[Delay]) -> str:
    """Return the delays, and what Lambda charges for a million events, as a table."""
    prices = tomllib.loads((ROOT / "bench" / "prices.toml").read_text())["lambda"]
    lines = [
        "| a request takes, ms | memory, MB | side | ms a batch of ten | × bare PynamoDB | Lambda, $ a million events |"
    ]
    lines.append("| ---: | ---: | --- | ---: | ---: | ---: |")
    seconds = {delay[:3]: delay.seconds for delay in delays}
    for latency in LATENCIES:
        for memory in MEMORIES:
            for side in SIDES:
                taken = seconds[memory, latency, side]
                ratio = taken / seconds[memory, latency, SIDES[0]]
                dollars = (prices["million_requests"] + taken * memory / 1024 * prices["million_gb_seconds"]) / 10
                lines.append(f"| {latency} | {memory:,} | {side} | {taken * 1e3:.0f} | {ratio:.2f} | {dollars:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slower", type=int, default=1, metavar="TIMES", help="for a busy machine")
    parser.add_argument("--here", type=int, metavar="MB", help="in this process, as JSON: what a container runs")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the markers of this page")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measured_here(options.here, options.rounds, options.slower)))
        return
    prepare_runtime_image()
    result = table(
        [delay for memory in MEMORIES for delay in measured_in_container(memory, options.rounds, options.slower)]
    )
    print(result)
    if options.write:
        options.write.write_text(put(options.write.read_text(), "memory", result))


if __name__ == "__main__":
    main()
