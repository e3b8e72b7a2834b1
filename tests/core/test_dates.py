"""The date that a certificate shows, and from when: override, available date, course end, day of issue."""

import pytest

from certrules.core.dates import Shown, shown
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from tests.scenes.phrases import instant, qualifying

CASES = {
    "the day of issue in a self-paced course run": (["self-paced"], ("day 3", "issued_at", "day 3")),
    "the course's end, without a display behavior": (["course end day 20"], ("day 20", "course_end", "day 20")),
    "the course's end, with one that is not known": (
        ["display behavior sometime", "course end day 20", "available date day 9"],
        ("day 20", "course_end", "day 20"),
    ),
    "nothing ever, without a display behavior and an end": ([], ("day 3", "issued_at", None)),
    "the day of issue at once, with a display behavior that waits for nothing": (
        ["display behavior early_no_info", "available date day 9", "course end day 20"],
        ("day 3", "issued_at", "day 3"),
    ),
    "the available date, from then on": (
        ["display behavior end_with_date", "available date day 9", "course end day 20"],
        ("day 9", "available_date", "day 9"),
    ),
    "the course's end, from then on": (
        ["display behavior end", "available date day 9", "course end day 20"],
        ("day 20", "course_end", "day 20"),
    ),
    "the day of issue in a self-paced course run, whatever else it says": (
        ["self-paced", "display behavior end", "course end day 20"],
        ("day 3", "issued_at", "day 3"),
    ),
    "nothing yet while the available date is unknown": (
        ["display behavior end_with_date", "course end day 20"],
        ("day 3", "issued_at", None),
    ),
    "nothing yet while the course's end is unknown": (["display behavior end"], ("day 3", "issued_at", None)),
    "the override, though not before the day of issue": (
        ["self-paced", "date override day 2 by ada"],
        ("day 2", "date_override", "day 3"),
    ),
    "the override, visible from the available date on": (
        ["date override day 2 by ada", "display behavior end_with_date", "available date day 9"],
        ("day 2", "date_override", "day 9"),
    ),
    "the day of issue again once the override is removed": (
        ["self-paced", "date override day 2 by ada", "date override removed"],
        ("day 3", "issued_at", "day 3"),
    ),
}


@pytest.mark.parametrize(("phrases", "expected"), CASES.values(), ids=CASES.keys())
def test_a_certificate_shows(phrases: list[str], expected: tuple[str, str, str | None]) -> None:
    record = qualifying(*(("day 4", phrase) for phrase in phrases))
    as_of = instant("day 5")
    outcome = replay(record, undated(DEFAULT), as_of)
    date, rests_on, visible_from = expected
    visible = instant(visible_from) if visible_from else None
    assert shown(outcome.certificate, record.timeline, as_of) == Shown(instant(date), rests_on, visible)


def test_as_of_a_day_only_what_was_stated_by_then_counts() -> None:
    record = qualifying(("day 8", "date override day 2 by ada"))
    certificate = replay(record, undated(DEFAULT), instant("day 9")).certificate
    assert shown(certificate, record.timeline, instant("day 5")).rests_on == "issued_at"
    assert shown(certificate, record.timeline, instant("day 8")).rests_on == "date_override"


def test_what_is_not_downloadable_shows_no_date() -> None:
    record = qualifying(("day 5", "invalidated by ada"))
    certificate = replay(record, undated(DEFAULT), instant("day 9")).certificate
    assert certificate is not None
    assert certificate.issued_at == instant("day 3")
    assert shown(certificate, record.timeline, instant("day 9")) == Shown(None, "", None)
    assert shown(None, record.timeline, instant("day 9")) == Shown(None, "", None)
