"""What every bridge does: read, carry, acknowledge; wait and try again where a side does not answer; stop."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Protocol

import click
from botocore.exceptions import BotoCoreError, ClientError

from certrules.aws import SendError

OUTAGES: tuple[type[Exception], ...] = (BotoCoreError, ClientError, SendError, OSError)
"""What is raised where AWS, or a registry, does not answer or refuses. A retry can help."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds to wait after a failure: twice as long after each next one, up to the longest."""

FRESH = timedelta(seconds=LONGEST_WAIT * 2)
"""For how long a health file counts."""


class Source[T](Protocol):
    """What a bridge reads: a batch at a time, in order."""

    errors: tuple[type[Exception], ...]  # of its library: a retry can help

    def read(self) -> Sequence[T]:
        """Return the next batch; empty after a short while without any."""

    def acknowledge(self) -> None:
        """Mark the batch that was read last as carried: it does not come again."""

    def again(self) -> None:
        """Have the batch that was read last come again."""

    def close(self) -> None:
        """Leave the source. What was not acknowledged comes to whoever reads next."""


class Health:
    """A file that states how a bridge is, for whoever watches it."""

    def __init__(self, file: Path | None) -> None:
        """Write to this file; None: to none."""
        self._file = file

    def write(self, state: str, error: str = "") -> None:
        """Write the state (ok, failing, stopped), and when."""
        if self._file is None:
            return
        stated = {"state": state, "at": datetime.now(UTC).isoformat(), "error": error}
        fresh = self._file.with_name(f"{self._file.name}.new")
        fresh.write_text(json.dumps(stated))
        fresh.replace(self._file)


def is_healthy(file: Path, now: datetime) -> tuple[bool, str]:
    """Return whether a bridge is well by its file, as of `now` (UTC), and the reason."""
    try:
        stated = json.loads(file.read_text())
        age = now - datetime.fromisoformat(stated["at"])
        state, error = str(stated["state"]), str(stated["error"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        return False, f"{file}: no health file: {problem}"
    if age > FRESH:
        return False, f"{state}, but {age.total_seconds():.0f} seconds ago: the bridge hangs, or has ended"
    return state == "ok", f"{state}: {error}" if error else state


def run[T](
    source: Source[T], carry: Callable[[Sequence[T]], Counter[str]], health: Health, stop: Event, first_wait: float
) -> None:
    """Carry batches until `stop` is set; a batch that was begun is carried to its end."""
    wait = first_wait
    errors = (*OUTAGES, *source.errors)
    while not stop.is_set():
        try:
            batch = source.read()
            if batch:
                counts = carry(batch)
                source.acknowledge()
                click.echo(json.dumps({name: count for name, count in sorted(counts.items()) if count}))
        except errors as error:
            problem = f"{type(error).__name__}: {error}"
            click.echo(json.dumps({"failing": problem, "again_in_seconds": wait}), err=True)
            health.write("failing", problem)
            source.again()
            stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        else:
            wait = first_wait
            health.write("ok")
    source.close()
    health.write("stopped")


def stopped_by_signals() -> Event:
    """Return what SIGTERM and SIGINT set."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
