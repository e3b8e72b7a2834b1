"""A row of a table of the platform: its fields, the warnings about them, and what it changes."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from math import inf
from typing import Any, NamedTuple

from certrules.formats.events_in import CLOCK_SKEW
from certrules.formats.refusals import Reason, RefusedError, checked_course_key, checked_mode
from certrules.formats.table_rows import TableRow
from certs.imports import values

MAX_NOTES = 2_000
"""Longer notes are cut, as events may not have them either."""

ID_VERIFICATION = timedelta(days=365)
"""How long an ID verification without an expiration date holds, by the platform's default."""


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


def _read[T](read: Callable[[str], T], value: str, reason: Reason, field: str) -> T:
    """Return what a reader of values makes of a text. Raises RejectedError."""
    try:
        return read(value)
    except ValueError as error:
        raise RejectedError(reason, field, str(error)) from None


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


class Warned(NamedTuple):
    """A field that makes no sense and was left out, or that was read in a way that people should know of."""

    field: str
    problem: str


class Fields:
    """The fields of a row. What is required is read strictly; an optional field that makes no sense is left out."""

    def __init__(self, row: Mapping[str, Any], now: datetime, id_verification: timedelta = ID_VERIFICATION) -> None:
        self._values = row
        self._now = now
        self.id_verification = id_verification
        self.warnings: list[Warned] = []

    def has(self, name: str) -> bool:
        """Whether the table has this column."""
        return name in self._values

    def warn(self, name: str, problem: str) -> None:
        """Note a field that people should look at."""
        self.warnings.append(Warned(name, problem))

    def problem_of(self, name: str) -> str:
        """Return what is wrong with a field; "" if there is no warning about it."""
        return next((warning.problem for warning in self.warnings if warning.field == name), "")

    def or_none[T](self, read: Callable[[str], T], name: str) -> T | None:
        """Return an optional field by its reader; None if it is empty, or makes no sense, which is a warning."""
        try:
            return read(name) if self.text(name).strip() else None
        except RejectedError as error:
            self.warn(name, error.fix)
            return None

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
            raise RejectedError(Reason.MISSING_FIELD, name, "it is empty; the row means nothing without it")
        return value

    def observation(self, name: str) -> str:
        """Return a short field, such as a mode."""
        value = self.text(name).strip()
        if len(value) > 255 or not value.isprintable():
            raise RejectedError(Reason.BAD_VALUE, name, "at most 255 printable characters")
        return value

    def mode(self, name: str) -> str:
        """Return an enrollment mode, trimmed and in lower case."""
        self.required(name)
        try:
            return checked_mode(self.observation(name), name)
        except RefusedError as refusal:
            raise RejectedError(refusal.reason, name, refusal.fix) from refusal

    def number(self, name: str) -> int:
        """Return an id."""
        value = self.required(name)
        number = _read(values.whole_number, value, Reason.WRONG_TYPE, name)
        if not 1 <= number < 2**63:
            raise RejectedError(Reason.BAD_VALUE, name, f"{value[:80]} is no id")
        return number

    def flag(self, name: str) -> bool:
        """Return a yes or no."""
        return _read(values.flag, self.required(name), Reason.WRONG_TYPE, name)

    def flag_or_none(self, name: str) -> bool | None:
        """Return an optional yes or no; None if there is none that makes sense. An empty one is a warning, too."""
        found = self.or_none(self.flag, name)
        if found is None and self.has(name) and not self.problem_of(name):
            self.warn(name, "it is empty, and neither 1 nor 0")
        return found

    def share(self, name: str) -> float:
        """Return a percent as a fraction of one; extra credit makes it more than 1."""
        value = self.required(name)
        try:
            share = float(value)
        except ValueError:
            raise RejectedError(Reason.WRONG_TYPE, name, f"{value[:80]!r} is no number") from None
        if not 0 <= share < inf:
            raise RejectedError(Reason.BAD_VALUE, name, f"{value[:80]} is no finite number from 0")
        return share

    def past(self, name: str, *, date_alone: bool = False) -> datetime:
        """Return when something was so."""
        instant = self.instant(name, date_alone=date_alone)
        if instant > self._now + CLOCK_SKEW:
            fix = f"{instant.isoformat()} is in the future; it is to be when this was so, in UTC"
            raise RejectedError(Reason.FUTURE_TIME, name, fix)
        return instant

    def past_or_none(self, name: str) -> datetime | None:
        """Return when something was so; None if there is no time that makes sense. A date is its first instant."""
        return self.or_none(partial(self.past, date_alone=True), name)

    def instant(self, name: str, *, date_alone: bool = False) -> datetime:
        """Return a time in UTC; a date without a time of day is its first instant, if `date_alone` allows one."""
        value = self.required(name)
        instant = _read(values.instant, value, Reason.BAD_VALUE, name)
        if values.is_date(value) and not date_alone:
            raise RejectedError(Reason.NAIVE_TIME, name, f"{value!r} has no time of day; write it out, in UTC")
        return instant

    def instant_or_none(self, name: str) -> datetime | None:
        """Return a time in UTC; None if there is none that makes sense. A date is its first instant."""
        return self.or_none(partial(self.instant, date_alone=True), name)

    def certificate_id(self, name: str) -> str:
        """Return a certificate's id, as 32 hexadecimal digits in lower case."""
        return _read(values.certificate_id, self.required(name), Reason.BAD_VALUE, name)

    def course_run(self, name: str) -> str:
        """Return a course run's key."""
        try:
            return checked_course_key(self.required(name), name)
        except RefusedError as refusal:
            raise RejectedError(refusal.reason, name, refusal.fix) from refusal

    def notes(self, name: str) -> str:
        """Return a person's note."""
        text = (self.or_none(self.text, name) or "").strip()
        return text if len(text) <= MAX_NOTES else f"{text[: MAX_NOTES - 1]}…"

    def person(self, name: str) -> str:
        """Return who did it, by their id; "" if the table has none."""
        number = self.or_none(self.number, name)
        return "" if number is None else f"user:{number}"


_WHOLE_FLOAT = re.compile(r"(?<=[0-9])\.0*$")  # 7.0 names the same row as 7

type RowContent = TableRow | Change


class FactInRow(NamedTuple):
    """A fact that a table's rows hold, for the docs."""

    fact: str
    value: str
    since: str  # as far back as it counts
    observed_at: str  # when it was so for sure


class ReadRow(NamedTuple):
    """A row that was read."""

    contents: list[RowContent]
    warnings: list[Warned]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the platform."""

    name: str
    columns: tuple[str, ...]  # that it must have
    key: tuple[str, ...]  # the columns that identify a row: the first that exist
    read_row: Callable[[Fields, str], Iterable[RowContent]]
    facts: tuple[FactInRow, ...]
    also: tuple[str, ...] = ()  # columns that are read where they are

    def read(self, row: Mapping[str, Any], now: datetime, id_verification: timedelta = ID_VERIFICATION) -> ReadRow:
        """Return the observations and changes of a row, and its warnings. Raises RejectedError.

        `id_verification` is for how long an ID verification holds that has no expiration date.
        """
        fields = Fields(row, now, id_verification)
        key = next(filter(None, (fields.or_none(fields.text, name) for name in self.key)), "")
        return ReadRow(list(self.read_row(fields, f"{self.name}/{_WHOLE_FLOAT.sub('', key)}")), fields.warnings)
