"""A timeline's invalidations: who made them, when, and who lifted them."""

from datetime import UTC, datetime, timedelta

from certrules.core.fact_types import Fact
from certrules.core.facts import CertificateInvalidation, invalidations
from certrules.core.terms import PERSON
from certrules.core.timeline import Entry, merge

START = datetime(2026, 3, 1, tzinfo=UTC)
EXAM = "block-v1:DemoX+CS101+2026_T1+type@sequential+block@final"


def _stated(hour: int, *, active: bool, exam: str = PERSON, by: str = "", notes: str = "") -> Entry:
    return Entry(_at(hour), f"event-{hour}", Fact.INVALIDATION, exam, active, by, notes)


def _at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def test_a_repeated_invalidation_is_one_and_ends_when_it_is_lifted() -> None:
    timeline = merge(
        (),
        [
            _stated(1, active=True, by="integrity-desk-1", notes="shared account"),
            _stated(2, active=True, by="integrity-desk-2"),
            _stated(3, active=False, by="support-4"),
            _stated(4, active=False, by="support-5"),
        ],
    )
    assert invalidations(timeline) == (
        CertificateInvalidation(PERSON, _at(1), "integrity-desk-1", "shared account", _at(3), "support-4"),
    )


def test_a_person_and_an_exam_invalidate_side_by_side() -> None:
    timeline = merge(
        (),
        [
            Entry(_at(0), "event-0", Fact.PASSING, "", value=True),
            _stated(1, active=True, exam=EXAM),
            _stated(2, active=True, by="integrity-desk-1"),
            _stated(3, active=False, exam=EXAM),
            _stated(5, active=True, exam=EXAM),
        ],
    )
    assert [(item.exam, item.at, item.lifted_at) for item in invalidations(timeline)] == [
        (EXAM, _at(1), _at(3)),
        (PERSON, _at(2), None),
        (EXAM, _at(5), None),
    ]
