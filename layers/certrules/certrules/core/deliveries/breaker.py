"""The circuit breaker of the Credentials service: while the service is down, one request in a while asks for all."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from certrules.core.deliveries.outcomes import Outcome, Unacknowledged, Waiting, is_failure_of_service

FAILURES = 5
"""So many failures in a row open it."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_NAMED_PAUSE = timedelta(hours=1)
LONGEST_PROBE = timedelta(minutes=3)
"""When a probe has no outcome after this time, another may start."""


class Permission(Enum):
    """Whether a request may be sent."""

    YES = auto()
    PROBE = auto()  # one, after `probing` was saved
    NO = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBreaker:
    """Closed: `open_until` is None. Open: until then. Half-open: a probe is in flight, or the pause is over."""

    failures: int = 0  # in a row, while closed
    pauses: int = 0  # in a row
    open_until: datetime | None = None  # UTC
    is_probed: bool = False
    opened_at: datetime | None = None  # UTC: since when it isn't closed


CLOSED = ServiceBreaker()


def permission(breaker: ServiceBreaker, now: datetime) -> Permission:
    """Return whether a request may be sent now."""
    if breaker.open_until is None:
        return Permission.YES
    return Permission.PROBE if now >= breaker.open_until else Permission.NO


def probing(breaker: ServiceBreaker, now: datetime) -> ServiceBreaker:
    """Return the breaker with a probe in flight: nobody else sends before it has an outcome."""
    return replace(breaker, open_until=now + LONGEST_PROBE, is_probed=True)


def counted(breaker: ServiceBreaker, outcome: Outcome, now: datetime) -> ServiceBreaker:
    """Return the breaker after an outcome. One that is not about the service closes it; throttling opens it at once."""
    if not is_failure_of_service(outcome):
        return CLOSED
    assert isinstance(outcome, Unacknowledged)
    is_open = breaker.open_until is not None
    if is_open and not breaker.is_probed:
        return breaker  # of a request that was sent before it opened
    failures = breaker.failures + 1
    if not is_open and failures < FAILURES and outcome.reason is not Waiting.THROTTLED:
        return replace(breaker, failures=failures)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(breaker.pauses, 20)))
    named = timedelta(seconds=min(outcome.retry_after or 0, LONGEST_NAMED_PAUSE.total_seconds()))
    return ServiceBreaker(
        failures=failures,
        pauses=breaker.pauses + 1,
        open_until=now + max(pause, named),
        opened_at=breaker.opened_at or now,
    )
