"""Puts events on the bus from a background thread, so that no request waits for AWS.

Events wait in a bounded buffer, and on disk (see spool). They are sent in order, in batches of ten; while the bus can't
be reached, they are sent again with growing pauses.
"""

import atexit
import logging
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from django.core.signals import setting_changed

from openedx_course_certificates.events import MOST_BYTES, Entry
from openedx_course_certificates.options import SETTING, Options, client, options
from openedx_course_certificates.spool import Spool

logger = logging.getLogger(__name__)

BATCH = 10
"""How many events EventBridge takes in one request."""

GATHER_SECONDS = 0.05
"""How long the first event of a batch waits for others."""

ADOPT_SECONDS = 30.0
"""How often the events of ended processes are looked for."""

END_SECONDS = 3.0
"""How long a process that ends waits for its last events to be sent."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds, between tries

HOPELESS = frozenset({"InvalidArgument", "MalformedDetail", "ValidationException"})
"""Errors of one event that no retry changes. All others (throttling, rights, no such bus) may be over some time."""


class Sender:
    """The events that wait, and the thread that sends them. `counts`: what became of events, by outcome."""

    def __init__(self, found: Options) -> None:
        self.counts: Counter[str] = Counter()
        self._options = found
        self._waiting: deque[Entry] = deque()
        self._sending: list[Entry] = []
        self._spool = Spool(found.buffer_folder, found.bus)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._end = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def put(self, entry: Entry) -> None:
        """Have an event sent. Never waits for AWS; an event for which there is no room is logged and counted."""
        with self._lock:
            full = len(self._waiting) + len(self._sending) >= self._options.buffer_events
            if not full:
                if not self._waiting:
                    self._idle.clear()
                self._waiting.append(entry)
                self._spool.append(entry)
            self._start()
        if full:
            self.drop(entry.event_id, entry.event_type, f"{self._options.buffer_events:,} events wait already", "full")
        if not self._wake.is_set():
            self._wake.set()

    def start(self) -> None:
        """Look for the events of processes that have ended, though this one has sent none yet."""
        with self._lock:
            self._start()

    def drop(self, event_id: str, event_type: str, why: str, count: str) -> None:
        """Log and count an event that is not sent."""
        self.counts[count] += 1
        logger.error("Event %s (%s) is not sent: %s", event_id, event_type, why)

    def wait(self, seconds: float) -> bool:
        """Wait until no event waits any more; return whether that is so."""
        return self._idle.wait(seconds)

    def close(self, seconds: float = END_SECONDS) -> None:
        """End the thread, with so much time for what waits. What is left is on disk, or else logged as not sent."""
        self._idle.wait(seconds)
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(self._options.connect_seconds + self._options.read_seconds)
        with self._lock:
            if not self._spool.is_on_disk:
                for entry in [*self._sending, *self._waiting]:
                    self.drop(entry.event_id, entry.event_type, "its process ended", "lost")
            self._spool.close()

    def abandon(self) -> None:
        """Leave it, in the child of a fork: what waits is the parent's to send, and so is its file."""
        self._spool.abandon()

    def _start(self) -> None:
        if self._thread is None and not self._end.is_set():
            self._thread = threading.Thread(target=self._run, name="course-certificates-sender", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Send until the process ends. Nothing may end the thread before: events would wait for ever."""
        while not self._end.is_set():
            try:
                self._send_what_waits()
            except Exception:  # see above
                logger.exception("Sending failed, and begins again.")
                with self._lock:
                    self._waiting.extendleft(reversed(self._sending))
                    self._sending = []
                self._end.wait(FIRST_PAUSE)

    def _send_what_waits(self) -> None:
        adopted_at = -ADOPT_SECONDS
        pause = FIRST_PAUSE
        while not self._end.is_set():
            if time.monotonic() - adopted_at >= ADOPT_SECONDS:
                adopted_at = time.monotonic()
                self._adopt()
            if not self._waiting:
                self._wake.wait(ADOPT_SECONDS)
                self._wake.clear()
            if len(self._waiting) < BATCH:
                self._end.wait(GATHER_SECONDS)
            batch = self._next_batch()
            if not batch:
                continue
            left = self._try(batch)
            with self._lock:
                self._waiting.extendleft(reversed(left))
                self._sending = []
                self._spool.settle(self._waiting)
                if not self._waiting:
                    self._idle.set()
            if left:
                self._end.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - so that processes don't all come at once
            pause = min(2 * pause, LONGEST_PAUSE) if left else FIRST_PAUSE

    def _adopt(self) -> None:
        try:
            with self._lock:
                room = self._options.buffer_events - len(self._waiting) - len(self._sending)
                adopted = self._spool.adopt(room)
                if adopted:
                    self._idle.clear()
                self._waiting.extend(adopted)
        except Exception:  # a damaged file of another process must not stop this one's events
            logger.exception("The events of ended processes could not be read.")

    def _next_batch(self) -> list[Entry]:
        with self._lock:
            size = 0
            while self._waiting and len(self._sending) < BATCH:
                size += self._waiting[0].size
                if self._sending and size > MOST_BYTES:
                    break
                self._sending.append(self._waiting.popleft())
            return self._sending

    def _try(self, batch: Sequence[Entry]) -> list[Entry]:
        """Put a batch on the bus; return what is to be sent again."""
        try:
            return self._put(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the events are not lost for it
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if code in HOPELESS:
                if len(batch) > 1:
                    return [left for entry in batch for left in self._try([entry])]
                self.drop(batch[0].event_id, batch[0].event_type, str(error), "refused")
                return []
            self.counts["retried"] += len(batch)
            logger.warning("%d events could not be sent, and will be again: %s", len(batch), error)
            return list(batch)

    @cached_property
    def _events(self) -> Any:
        return client("events")

    def _put(self, batch: Sequence[Entry]) -> list[Entry]:
        entries = [
            {
                "EventBusName": self._options.bus,
                "Source": entry.source,
                "DetailType": entry.event_type,
                "Detail": entry.detail,
                "Time": datetime.fromtimestamp(entry.time, timezone.utc),  # noqa: UP017 - botocore parses a number slowly
            }
            for entry in batch
        ]
        left = []
        for entry, result in zip(batch, self._events.put_events(Entries=entries)["Entries"], strict=True):
            code = result.get("ErrorCode")
            if code is None:
                self.counts["sent"] += 1
            elif code in HOPELESS:
                self.drop(entry.event_id, entry.event_type, f"{code}: {result.get('ErrorMessage')}", "refused")
            else:
                left.append(entry)
                self.counts["retried"] += 1
                logger.warning("Event %s is sent again: %s: %s", entry.event_id, code, result.get("ErrorMessage"))
        return left


_current: Sender | None = None
_current_lock = threading.Lock()


def sender() -> Sender:
    """Return the sender of this process."""
    global _current  # noqa: PLW0603 - one a process, which a fork and a change of settings replace
    found = _current
    if found is None:
        with _current_lock:
            found = _current = _current or Sender(options())
    return found


def close() -> None:
    """End the sender of this process, if there is one."""
    global _current
    with _current_lock:
        found, _current = _current, None
    if found is not None:
        found.close()


def _after_fork() -> None:
    """Begin again in a child: threads and locks of the parent are not there."""
    global _current, _current_lock  # noqa: PLW0603 - as above
    _current_lock = threading.Lock()
    found, _current = _current, None
    if found is not None:
        found.abandon()


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        close()


atexit.register(close)
os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_settings_changed)
