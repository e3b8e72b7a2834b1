"""The circuit breaker of the Credentials service."""

from datetime import UTC, datetime, timedelta

import pytest

from certrules.core.deliveries.breaker import (
    CLOSED,
    FAILURES,
    FIRST_PAUSE,
    LONGEST_NAMED_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PROBE,
    Permission,
    ServiceBreaker,
    counted,
    permission,
    probing,
)
from certrules.core.deliveries.outcomes import REASONS, Acknowledged, Unacknowledged, Waiting, is_failure_of_service

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DOWN = Unacknowledged(Waiting.UNAVAILABLE)


def after(failures: int) -> ServiceBreaker:
    breaker = CLOSED
    for _ in range(failures):
        breaker = counted(breaker, DOWN, NOON)
    return breaker


OPEN = after(FAILURES)


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    assert permission(after(FAILURES - 1), NOON) is Permission.YES
    assert permission(OPEN, NOON) is Permission.NO
    assert (OPEN.open_until, OPEN.opened_at) == (NOON + FIRST_PAUSE, NOON)


def test_anything_that_works_closes_it() -> None:
    for outcome in (Acknowledged(), Unacknowledged(Waiting.NOT_IN_CATALOG), Unacknowledged(Waiting.SERVER_ERROR)):
        assert counted(after(FAILURES - 1), outcome, NOON) == CLOSED
        assert counted(OPEN, outcome, NOON) == CLOSED


def test_one_probe_is_sent_when_the_pause_is_over() -> None:
    later = NOON + FIRST_PAUSE
    assert permission(OPEN, later) is Permission.PROBE
    probed = probing(OPEN, later)
    assert permission(probed, later) is Permission.NO
    assert permission(probed, later + LONGEST_PROBE) is Permission.PROBE  # whoever sent it is gone
    assert counted(probed, Acknowledged(), later) == CLOSED


def test_each_probe_that_fails_makes_the_pause_longer_up_to_a_limit() -> None:
    breaker, now, pauses = OPEN, NOON, []
    for _ in range(30):
        assert breaker.open_until is not None
        now = breaker.open_until
        breaker = counted(probing(breaker, now), DOWN, now)
        assert breaker.open_until is not None
        pauses.append(breaker.open_until - now)
    assert pauses[:3] == [FIRST_PAUSE * 2, FIRST_PAUSE * 4, FIRST_PAUSE * 8]
    assert pauses[-1] == LONGEST_PAUSE
    assert breaker.opened_at == NOON


def test_a_failure_of_a_request_from_before_it_opened_changes_nothing() -> None:
    assert counted(OPEN, DOWN, NOON + timedelta(seconds=9)) is OPEN


@pytest.mark.parametrize(
    ("named", "pause"),
    [(None, FIRST_PAUSE), (58.0, timedelta(seconds=58)), (1.0, FIRST_PAUSE), (1e300, LONGEST_NAMED_PAUSE)],
)
def test_throttling_opens_it_at_once_for_as_long_as_is_named(named: float | None, pause: timedelta) -> None:
    breaker = counted(CLOSED, Unacknowledged(Waiting.THROTTLED, retry_after=named), NOON)
    assert breaker.open_until == NOON + pause


@pytest.mark.parametrize("reason", Waiting)
def test_only_what_is_about_the_service_counts(reason: Waiting) -> None:
    assert is_failure_of_service(Unacknowledged(reason)) is REASONS[reason].is_of_service
    assert not is_failure_of_service(Acknowledged())
