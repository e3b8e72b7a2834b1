"""Instants: moments in UTC, and their form at rest."""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Before every instant that an event can name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)


def micros(instant: datetime) -> int:
    """Return the microseconds since 1970 (UTC)."""
    return (instant - EPOCH) // MICROSECOND


def instant_of(microseconds: int) -> datetime:
    """Return the instant (UTC) that is so many microseconds after the beginning of 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def optional_micros(instant: datetime | None) -> int | None:
    """Return the microseconds since 1970 (UTC), None for None."""
    return None if instant is None else micros(instant)


def optional_instant(microseconds: int | None) -> datetime | None:
    """Return the instant (UTC), None for None."""
    return None if microseconds is None else instant_of(microseconds)
