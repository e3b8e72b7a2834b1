"""Fuzzing guided by coverage: `python -m tests.fuzz.guided TARGET SECONDS [INPUTS]`, on Linux with x86_64 (atheris).

A finding ends it with an exit code other than 0, prints the input and leaves it in `.fuzz/`, beside what was learned.
"""

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["certrules", "certs.imports"]):
    from tests.fuzz.targets import TARGETS, samples

FOLDER = Path(__file__).resolve().parents[2] / ".fuzz"


def main() -> None:
    """Fuzz a target for so many seconds or inputs, whichever ends first; 0 seconds or no inputs: without that end."""
    name, seconds, *inputs = sys.argv[1:]
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples()):
        (corpus / f"sample-{number}").write_bytes(json.dumps(sample).encode())
    options = [
        f"-max_total_time={seconds}",
        f"-runs={inputs[0] if inputs else -1}",
        "-max_len=4096",
        "-timeout=5",
        "-print_final_stats=1",
    ]

    def fuzz(data: bytes) -> None:
        try:
            TARGETS[name](data)
        except Exception:
            (FOLDER / f"{name}-finding").write_bytes(data)
            sys.stderr.write(f"the input of the finding, in .fuzz/{name}-finding: {data!r}\n")
            raise

    atheris.Setup([sys.argv[0], *options, str(corpus)], fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
