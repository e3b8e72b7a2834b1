"""The date that a certificate shows, and since when learners see it: computed from the facts, never stored."""

from datetime import datetime
from typing import Any, NamedTuple

from certrules.core.certificate import Certificate
from certrules.core.fact_types import Fact
from certrules.core.terms import Status
from certrules.core.timeline import Timeline, at_instant


class Shown(NamedTuple):
    """The date on the certificate page. Times in UTC."""

    date: datetime | None  # None: not issued
    rests_on: str  # "date_override", "available_date", "course_end", "issued_at", or "" if there is no date
    visible_from: datetime | None  # None: not downloadable, or the date that it waits for is unknown


def awaited_date(display_behavior: str | None) -> str | None:
    """Return the setting whose date an instructor-paced course run waits for; None: it waits for nothing.

    As on the platform, a behaviour that is unset or unknown waits for the end of the course run.
    """
    if display_behavior == "early_no_info":
        return None
    return "available_date" if display_behavior == "end_with_date" else "end"


def shown(certificate: Certificate | None, timeline: Timeline, as_of: datetime) -> Shown:
    """Return the date that the certificate shows as of an instant, what it rests on, and when it becomes visible.

    The date: the learner's override; else, in an instructor-paced course run, its available date (display
    behaviour `end_with_date`), or its end unless the behaviour is `early_no_info`; else the day of issue.
    """
    if certificate is None or certificate.status is not Status.DOWNLOADABLE or certificate.issued_at is None:
        return Shown(None, "", None)
    values: dict[tuple[Fact, str], Any] = {line: entry.value for line, entry in at_instant(timeline, as_of).items()}
    visible_from: datetime | None = certificate.issued_at
    date, rests_on = certificate.issued_at, "issued_at"
    if not values.get((Fact.COURSE_RUN, "self_paced")):
        awaited = awaited_date(values.get((Fact.COURSE_RUN, "display_behavior")))
        if awaited is not None:
            visible_from = values.get((Fact.COURSE_RUN, awaited))
            if visible_from is not None:
                date, rests_on = visible_from, "course_end" if awaited == "end" else awaited
    override = values.get((Fact.DATE_OVERRIDE, ""))
    if override is not None:
        date, rests_on = override, "date_override"
    return Shown(date, rests_on, visible_from)
