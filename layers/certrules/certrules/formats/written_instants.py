"""Instants as people write them: ISO 8601 with the offset from UTC, in the years that a certificate can have."""

from datetime import UTC, date, datetime

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Nothing here happens before the first or from the last on."""


def read_instant(text: object) -> datetime:
    """Return the instant (UTC) that a text names. Raises ValueError, whose message is the fix."""
    written = str(text).strip()
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("write it as 2026-01-31T00:00:00Z") from None
    if found.tzinfo is None:
        if _is_date(written):
            raise ValueError(f"add the time of day and its offset from UTC, as in {found:%Y-%m-%d}T00:00:00Z")
        raise ValueError("add its offset from UTC; Z is UTC, as in 2026-01-31T00:00:00Z")
    if not FIRST <= found < LAST:
        raise ValueError(f"it lies before {FIRST.year} or after {LAST.year - 1}")
    return found.astimezone(UTC)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
