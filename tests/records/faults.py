"""How the stand-in misbehaves, and what it counts meanwhile."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from random import Random
from threading import Lock


class Fault(Enum):
    """What happens to one request."""

    SLOW = auto()  # it waits for `pause` seconds, then answers
    THROTTLED = auto()  # 429 with Retry-After, nothing written
    ERROR = auto()  # 500 with a page, nothing written
    ERROR_AFTER_WRITING = auto()  # 500 with a page, written all the same
    PAGE = auto()  # 200 with HTML, as a proxy or a sign-in page sends it; nothing written
    GATEWAY = auto()  # 502 with a page, nothing written
    HALF = auto()  # written; half an answer, then the connection ends
    SILENT_AFTER_WRITING = auto()  # written; no answer, and the connection ends
    TIMEOUT_AFTER_WRITING = auto()  # written; no answer for `pause` seconds
    SILENT = auto()  # nothing written, and the connection ends


WRITES = {Fault.SLOW, Fault.ERROR_AFTER_WRITING, Fault.HALF, Fault.SILENT_AFTER_WRITING, Fault.TIMEOUT_AFTER_WRITING}

DEADLOCK_FROM = 3
"""So many requests at once for one credential deadlock: none of 320 did with two, 54 of 200 with eight."""

DEADLOCK_CHANCE = 0.3


@dataclass
class Misbehaviour:
    """What the stand-in does beside answering as it should."""

    faults: deque[Fault] = field(default_factory=deque)  # each for one request that writes or asks, in order
    choose: Callable[[str], Fault | None] = lambda _path: None  # for each request, where `faults` has none
    pause: float = 0.5  # seconds
    retry_after: str | None = "58"
    down_until: datetime | None = None  # by the service's clock: until then 503 from a proxy
    deadlocks: bool = False
    random: Random = field(default_factory=lambda: Random(7))
    requests: Counter[str] = field(default_factory=Counter)  # by method and path
    in_flight: Counter[object] = field(default_factory=Counter)
    most_in_flight: Counter[object] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def count(self, request: str) -> None:
        """Count a request."""
        with self._lock:
            self.requests[request] += 1

    def fault(self, path: str) -> Fault | None:
        """Return what happens to a request."""
        with self._lock:
            return self.faults.popleft() if self.faults else self.choose(path)

    @contextmanager
    def flight(self, subject: object) -> Iterator[None]:
        """Count a request for a credential while it is in flight; None: it is about none."""
        if subject is None:
            yield
            return
        with self._lock:
            self.in_flight[subject] += 1
            self.most_in_flight[subject] = max(self.most_in_flight[subject], self.in_flight[subject])
        try:
            yield
        finally:
            with self._lock:
                self.in_flight[subject] -= 1

    def is_deadlocked(self, subject: object) -> bool:
        """Whether the database ends the request of a credential for which others are in flight."""
        with self._lock:
            crowd = self.in_flight[subject]
            return self.deadlocks and crowd >= DEADLOCK_FROM and self.random.random() < DEADLOCK_CHANCE
