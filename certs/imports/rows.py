"""A row of a table of the platform: its fields, read strictly, and what it changes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from certrules.formats.events_in import CLOCK_SKEW
from certrules.formats.refusals import EARLIEST, Reason, RefusedError, checked_course_key
from certrules.formats.table_rows import TableRow

MAX_NOTES = 2_000
"""Longer notes are cut, as events may not have them either."""


class Why(StrEnum):
    """Why a row was rejected, beside the reasons why an event is. Never renamed: rejects files carry it."""

    UNREADABLE = "unreadable"
    NO_SUCH_CERTIFICATE = "no_such_certificate"


class RejectedError(ValueError):
    """A row that can't be imported. Names the field and the fix."""

    def __init__(self, reason: Reason | Why, field: str, fix: str) -> None:
        """Reject for a reason."""
        super().__init__(f"{reason}: {field}: {fix}")
        self.reason = reason
        self.field = field
        self.fix = fix


class Change(NamedTuple):
    """A row about a certificate that only its id names."""

    certificate: int
    source: str  # the table and the row's key
    row: str  # which invalidation or override: its history has several rows
    is_history: bool
    at: datetime  # UTC
    until: datetime | None  # UTC; of a row without history: when it ended
    value: Any  # whether it is active; the date
    by: str
    notes: str


class Fields:
    """The fields of a row, read strictly."""

    def __init__(self, values: Mapping[str, Any], now: datetime) -> None:
        self._values = values
        self._now = now

    def text(self, name: str) -> str:
        """Return a field; NULL is the same as empty."""
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(int(value))
        if isinstance(value, (str, int, float)):
            return str(value)
        raise RejectedError(Reason.WRONG_TYPE, name, f"{type(value).__name__} is neither text nor a number")

    def required(self, name: str) -> str:
        """Return a field that may not be empty."""
        value = self.text(name).strip()
        if not value:
            raise RejectedError(Reason.MISSING_FIELD, name, "it is empty; nothing can be said without it")
        return value

    def observation(self, name: str) -> str:
        """Return a short field, such as a mode."""
        value = self.text(name).strip()
        if len(value) > 255 or not value.isprintable():
            raise RejectedError(Reason.BAD_VALUE, name, "at most 255 printable characters")
        return value

    def number(self, name: str) -> int:
        """Return an id."""
        value = self.required(name)
        if not (value.isascii() and value.isdigit()):
            raise RejectedError(Reason.WRONG_TYPE, name, f"{value[:80]!r} is no whole number")
        if not 1 <= int(value) < 2**63:
            raise RejectedError(Reason.BAD_VALUE, name, f"{value[:80]} is no id")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return a yes or no."""
        value = self.required(name).casefold()
        if value in {"1", "true", "t"}:
            return True
        if value in {"0", "false", "f"}:
            return False
        raise RejectedError(Reason.WRONG_TYPE, name, f"{value[:80]!r} is neither 1 nor 0")

    def share(self, name: str) -> float:
        """Return a number from 0 to 1."""
        value = self.required(name)
        try:
            share = float(value)
        except ValueError:
            raise RejectedError(Reason.WRONG_TYPE, name, f"{value[:80]!r} is no number") from None
        if not 0 <= share <= 1:
            raise RejectedError(Reason.BAD_VALUE, name, f"{value[:80]} is not between 0 and 1")
        return share

    def past(self, name: str) -> datetime:
        """Return when something was so."""
        instant = self.instant(name)
        if instant is None:
            raise RejectedError(Reason.MISSING_FIELD, name, "it is empty; it says when this was so")
        if instant > self._now + CLOCK_SKEW:
            fix = f"{instant.isoformat()} is in the future; it is to say when this was so, in UTC"
            raise RejectedError(Reason.FUTURE_TIME, name, fix)
        return instant

    def past_or_none(self, name: str) -> datetime | None:
        """Return the instant of a field; None if the table has none."""
        return None if not self.text(name).strip() else self.past(name)

    def instant(self, name: str) -> datetime | None:
        """Return a time in UTC, None if there is none."""
        value = self.text(name).strip()
        if not value:
            return None
        try:
            instant = datetime.fromisoformat(value)
            instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            fix = f"{value[:80]!r} is no time such as 2026-01-31 12:00:00, in UTC"
            raise RejectedError(Reason.BAD_VALUE, name, fix) from None
        if len(value) <= len("2026-01-31"):
            raise RejectedError(Reason.NAIVE_TIME, name, f"{value!r} has no time of day; write it out, in UTC")
        if instant < EARLIEST:
            raise RejectedError(Reason.BAD_VALUE, name, f"{value[:80]!r} is before {EARLIEST:%Y}")
        return instant

    def course_run(self, name: str) -> str:
        """Return a course run's key."""
        try:
            return checked_course_key(self.required(name), name)
        except RefusedError as refusal:
            raise RejectedError(refusal.reason, name, refusal.fix) from refusal

    def notes(self, name: str) -> str:
        """Return a person's note."""
        text = self.text(name).strip()
        return text if len(text) <= MAX_NOTES else f"{text[: MAX_NOTES - 1]}…"

    def person(self, name: str) -> str:
        """Return who did it, by their id; "" if the table has none."""
        return f"user:{self.number(name)}" if self.text(name).strip() else ""


type RowContent = TableRow | Change


class FactInRow(NamedTuple):
    """A fact that a table's rows hold, for the docs."""

    fact: str
    value: str
    since: str  # as far back as it counts
    observed_at: str  # when it was so for sure


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the platform."""

    name: str
    columns: tuple[str, ...]  # that it must have
    key: tuple[str, ...]  # the columns that identify a row: the first that exist
    read_row: Callable[[Fields, str], Iterable[RowContent]]
    facts: tuple[FactInRow, ...]
    also: tuple[str, ...] = ()  # columns that are read where they are

    def read(self, values: Mapping[str, Any], now: datetime) -> list[RowContent]:
        """Return the observations and changes of a row. Raises RejectedError."""
        for column in self.columns:
            if column not in values:
                raise RejectedError(Reason.MISSING_FIELD, column, f"{self.name} has this column")
        fields = Fields(values, now)
        key = next((fields.text(name) for name in self.key if fields.text(name)), "")
        return list(self.read_row(fields, f"{self.name}/{key}"))
