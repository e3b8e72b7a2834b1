"""What the Credentials service should hold of a learner or a course run: the desired states of deliveries."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from certrules.core.dates import awaited_date


class Kind(StrEnum):
    """What is delivered, in the order in which one owner's deliveries are sent."""

    USERNAME = "username"
    AVAILABILITY = "availability"
    COURSE = "course"
    GRADE = "grade"
    PROGRAM = "program"


ORDER = {kind: position for position, kind in enumerate(Kind)}

type Owner = int | str
"""Whose deliveries are sent one after the other: a learner's id, or a course run's key."""


class Target(NamedTuple):
    """Which item of the Credentials service a delivery is about. One request is in flight for it at a time."""

    kind: Kind
    owner: Owner  # the learner's id; for availability the course run's key
    key: str = ""  # the course run's key, or the program's uuid; empty for usernames and availability


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseCredential:
    """A learner's credential in a course run."""

    is_awarded: bool  # False: revoked
    mode: str
    date_override: datetime | None = None  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCredential:
    """A learner's credential in a program."""

    is_awarded: bool  # False: revoked
    course_runs: tuple[str, ...] = field(default=(), compare=False)  # an award waits for their credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A learner's grade in a course run."""

    percent: float  # a fraction from 0; over 1 exists
    letter: str = ""
    updated_at: datetime | None = None  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """From when on a course run's credentials are shown."""

    mode: str
    date: datetime | None  # UTC; None: at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Username:
    """The username under which the Credentials service has all that it has of a learner."""

    name: str


type Desired = CourseCredential | ProgramCredential | Grade | Availability | Username


def availability_date(
    *, self_paced: bool, display_behavior: str | None, available_date: datetime | None, end: datetime | None
) -> datetime | None:
    """Return from when on a course run's credentials are shown (UTC); None: at once, or its date is unknown."""
    if self_paced:
        return None
    awaited = awaited_date(display_behavior)
    return {"available_date": available_date, "end": end, None: None}[awaited]


def four_decimals(percent: float) -> float:
    """Return a grade as the Credentials service takes it: more decimals are refused."""
    return float(Decimal(str(percent)).quantize(Decimal("0.0001"), ROUND_HALF_UP))


def in_seconds(instant: datetime | None) -> datetime | None:
    """Return an instant as the Credentials service answers it: what is below a second is cut off. None for None."""
    return None if instant is None else instant.replace(microsecond=0)
