"""Values of table fields, as databases and what exports them write them.

MySQL, BigQuery and pandas write the same time, flag or id in different ways; each way that can mean only one thing is
read. Anything else raises ValueError with the fix as its message.
"""

import re
from datetime import UTC, datetime, timedelta

from certrules.core.instants import EPOCH
from certrules.formats.refusals import EARLIEST

_YES = {"true", "t", "yes", "y", "on", "\x01", "b'1'"}
_NO = {"false", "f", "no", "n", "off", "\x00", "b'0'"}

_WHOLE = re.compile(r"([0-9]+)(\.0*)?")  # pandas writes an id as 1.0 if its column has blanks
_EXACT_FLOATS = 2**53
"""From here on, a float may stand for another whole number than was meant."""

_ZERO_DATE = re.compile(r"0000-00-00(?:[ T].*)?")
_COMPACT = re.compile(r"([0-9]{8})([0-9]{6})")
_ZONE = re.compile(r"\s+(?:Etc/)?(?:UTC|GMT)", re.IGNORECASE)  # as BigQuery writes it
_SINCE_1970 = re.compile(r"([0-9]{9,19})(?:\.([0-9]{1,9}))?")
_NANOSECONDS = {9: 10**9, 10: 10**9, 12: 10**6, 13: 10**6, 15: 10**3, 16: 10**3, 18: 1, 19: 1}
"""The unit of a number of so many digits, if it is a time since 1970: seconds, milli-, micro- or nanoseconds."""

_CERTIFICATE_ID = re.compile(r"[0-9a-f]{32}")


def whole_number(text: str) -> int:
    """Read a whole number from 0: 7, and 7.0."""
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no whole number")
    number = int(found[1])
    if found[2] and number > _EXACT_FLOATS:
        raise ValueError(f"{text[:80]!r} was rounded when it became a float; export it as a whole number")
    return number


def flag(text: str) -> bool:
    """Read a yes or no: 1 or 0, and 1.0, true, t, yes, y, on."""
    value = text.casefold()
    if value in _YES:
        return True
    if value in _NO:
        return False
    found = _WHOLE.fullmatch(value)
    if found is None or int(found[1]) > 1:
        raise ValueError(f"{text[:80]!r} is neither 1 nor 0")
    return int(found[1]) == 1


def is_date(text: str) -> bool:
    """Whether a readable time has no time of day."""
    return len(text) <= len("2026-01-31") and _SINCE_1970.fullmatch(text) is None


def instant(text: str) -> datetime:
    """Read a time in UTC; one without an offset is in UTC, a date is its first instant, a number counts from 1970."""
    if _ZERO_DATE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is MySQL's zero date: there is no time; leave the field empty")
    try:
        found = _instant_since_1970(text) or _instant_of_calendar(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:80]!r} is no time such as 2026-01-31 12:00:00, in UTC") from None
    if found < EARLIEST:
        raise ValueError(f"{text[:80]!r} is before {EARLIEST:%Y}")
    return found


def _instant_since_1970(text: str) -> datetime | None:
    found = _SINCE_1970.fullmatch(text)
    unit = _NANOSECONDS.get(len(found[1])) if found else None
    if found is None or unit is None:
        return None
    fraction = found[2] or ""
    nanoseconds = int(found[1] + fraction) * unit // 10 ** len(fraction)
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _instant_of_calendar(text: str) -> datetime:
    compact = _COMPACT.fullmatch(text)
    found = datetime.fromisoformat(f"{compact[1]}T{compact[2]}" if compact else _ZONE.sub("Z", text))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def certificate_id(text: str) -> str:
    """Read a certificate's id: 32 hexadecimal digits, with dashes or without, in either case."""
    found = text.replace("-", "").lower()
    if _CERTIFICATE_ID.fullmatch(found) is None:
        raise ValueError(f"{text[:80]!r} is no id of 32 hexadecimal digits, so no certificate page has it")
    return found
