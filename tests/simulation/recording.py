"""Prints the requests to DynamoDB of some histories, and the answers, as JSON: for the contract test."""

import sys
from typing import Any

import msgspec

from tests.simulation.history import run_history


def main(histories: int) -> None:
    """Print a list for each history: of [operation, parameters, answer, or the code of the error]."""
    recorded: list[list[Any]] = []
    for seed in range(1, histories + 1):
        calls: list[Any] = []
        result = run_history(seed, calls=calls)
        assert not result.broken, result.broken
        recorded.append(calls)
    sys.stdout.buffer.write(msgspec.msgpack.encode(recorded))


if __name__ == "__main__":
    main(int(sys.argv[1]))
