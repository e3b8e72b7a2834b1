"""What a person reads of a run: its chapters with their seconds, and what was expected."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

LOOK_SECONDS = 1
MOST_SECONDS = 180
"""How long something may take that LocalStack does on its own: a container alone may need 20 seconds."""

_numbers = count(1)


class UnexpectedError(Exception):
    """Something else was found than expected."""


@contextmanager
def chapter(title: str) -> Iterator[None]:
    """Head what is printed meanwhile, and print how long it took, even if it fails."""
    print(f"\n{next(_numbers)}. {title}", flush=True)
    began = time.monotonic()
    try:
        yield
    finally:
        note(f"{time.monotonic() - began:.0f} s")


def note(text: str) -> None:
    """Print a line of the chapter."""
    print(f"   {text}", flush=True)


def expect(what: str, found: object, expected: object) -> None:
    """Print what was found. Raises UnexpectedError if it is not what was expected."""
    if found != expected:
        raise UnexpectedError(f"{what}\n   expected: {expected}\n   found:    {found}")
    note(f"{what}: {found}")


def wait_for(what: str, look: Callable[[], object], expected: object, seconds: float = MOST_SECONDS) -> None:
    """Look until what is expected is found, and print it. Raises UnexpectedError if it isn't found in time."""
    until = time.monotonic() + seconds
    while (found := look()) != expected and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)  # neither queues nor streams notify anybody
    expect(what, found, expected)
