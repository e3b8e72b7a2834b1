"""From when on the credentials of a course run are shown: delivered for course runs with credentials there."""

from dataclasses import replace
from datetime import datetime

from certrules.core.deliveries.delivery import Acknowledgement
from certrules.core.deliveries.desired import Availability, Kind, Target, availability_date
from certrules.core.fact_types import Fact
from certrules.core.timeline import at_instant
from certrules.records.catalog import Catalog
from certrules.records.desired import next_delivery
from certrules.storage import LostRaceError
from certrules.storage.learner_records import load_delivery, save_delivery

_ATTEMPTS = 5


def want_availability(course_run: str, mode: str | None, catalog: Catalog, now: datetime) -> bool:
    """Save from when on the credentials of a course run should be shown, as of now (UTC). Return whether it changed.

    `mode` is that of the first credential that is delivered in the course run; None: none is delivered now. Until there
    is a date, nothing is sent: some modes are refused. Raises LostRaceError: a retry helps.
    """
    target = Target(Kind.AVAILABILITY, course_run)
    for _ in range(_ATTEMPTS):
        stored = load_delivery(target)
        if stored is not None:
            assert isinstance(stored.delivery.desired, Availability)
            mode = stored.delivery.desired.mode
        date = shown_from(course_run, catalog, now)
        if mode is None:
            return False
        desired = Availability(mode=mode, date=date)
        delivery = next_delivery(stored, target, desired, now)
        if delivery is None:
            return False
        if stored is None and date is None:  # the service shows them at once, until a date is sent
            delivery = replace(delivery, acknowledged=Acknowledgement(desired, now), due=None)
        try:
            save_delivery(delivery, 0 if stored is None else stored.version)
        except LostRaceError:
            continue
        return True
    raise LostRaceError(f"lost {_ATTEMPTS} races for the availability of {course_run}")


def shown_from(course_run: str, catalog: Catalog, now: datetime) -> datetime | None:
    """Return from when on (UTC) the credentials of a course run should be shown, as of now; None: at once."""
    settings = {
        subject: entry.value
        for (fact, subject), entry in at_instant(catalog.configuration(course_run), now).items()
        if fact is Fact.COURSE_RUN
    }
    return availability_date(
        self_paced=bool(settings.get("self_paced")),
        display_behavior=settings.get("display_behavior"),
        available_date=settings.get("available_date"),
        end=settings.get("end"),
    )
