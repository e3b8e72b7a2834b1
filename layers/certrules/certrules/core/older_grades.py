"""The value that stands for older grades, which are no longer stored one by one: they only informed."""

from datetime import datetime
from typing import Any, NamedTuple

from certrules.core.instants import instant_of, micros, optional_instant, optional_micros
from certrules.core.wording import EntryWording, when


class OlderGrades(NamedTuple):
    """What is stored of dropped grades. The entry's own instant is that of the last one."""

    number: int  # at least so many: one that is delivered again, or late, is not counted
    since: datetime  # UTC, of the first one
    percent: float | None  # of the last one, a fraction of one
    letters_until: datetime | None  # UTC, of the last one with a letter that may mean passed; None: none had one


def older_grades_wording(_subject: str, value: OlderGrades, _as_of: datetime) -> EntryWording:
    """Return the wording of an entry for older grades."""
    count = f"at least {value.number}"
    percent = "" if value.percent is None else f" ({value.percent * 100:.6g}%)"
    event = (
        f"The last of {count} grades since {when(value.since)} that are no longer stored one by one{percent} was given"
    )
    return EntryWording("Older grades", count, event)


def older_grades_to_stored(value: OlderGrades) -> list[Any]:
    """Return the stored form: plain JSON."""
    return [value.number, micros(value.since), value.percent, optional_micros(value.letters_until)]


def older_grades_from_stored(_subject: str, value: list[Any]) -> OlderGrades:
    """Return the value of its stored form."""
    number, since, percent, letters_until = value
    return OlderGrades(number, instant_of(since), percent, optional_instant(letters_until))
