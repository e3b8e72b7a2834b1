"""Deliveries and the breaker are read as they were written."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.deliveries.breaker import CLOSED, ServiceBreaker
from certrules.core.deliveries.delivery import Acknowledgement, Delivery, Lease, first_wanted
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import RecordWarning, Waiting
from certrules.core.instants import instant_of
from certrules.formats.stored_deliveries import read_breaker, read_delivery, write_breaker, write_delivery

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTANTS = st.integers(0, 4 * 10**15).map(instant_of)
MAYBE = st.none() | INSTANTS
RUNS = st.lists(st.text(max_size=20), max_size=3).map(tuple)
DESIRED: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.USERNAME: st.builds(Username, name=st.text()),
    Kind.AVAILABILITY: st.builds(Availability, mode=st.text(), date=MAYBE),
    Kind.COURSE: st.builds(CourseCredential, is_awarded=st.booleans(), mode=st.text(), date_override=MAYBE),
    Kind.GRADE: st.builds(Grade, percent=st.floats(0, 2), letter=st.text(), updated_at=MAYBE),
    Kind.PROGRAM: st.builds(ProgramCredential, is_awarded=st.booleans(), course_runs=RUNS),
}


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    kind = draw(st.sampled_from(Kind))
    desired = DESIRED[kind]
    return Delivery(
        target=Target(kind, draw(st.integers() | st.text()), draw(st.text())),
        desired=draw(desired),
        number=draw(st.integers(0, 2**50)),
        wanted_at=draw(INSTANTS),
        acknowledged=draw(st.none() | st.builds(Acknowledgement, desired, INSTANTS)),
        uuid=draw(st.none() | st.text()),
        tries=draw(st.integers(0, 1_000)),
        waiting=draw(st.none() | st.sampled_from(Waiting)),
        detail=draw(st.text()),
        due=draw(MAYBE),
        lease=draw(st.none() | st.builds(Lease, st.text(), INSTANTS, desired)),
        in_doubt=draw(st.booleans()),
        overridden=draw(st.booleans()),
        warning=draw(st.none() | st.sampled_from(RecordWarning)),
        is_presumed=draw(st.booleans()),
    )


@given(deliveries())
def test_a_delivery_is_read_as_it_was_written(delivery: Delivery) -> None:
    found = read_delivery(delivery.target, write_delivery(delivery))
    assert found == delivery
    if isinstance(found.desired, ProgramCredential) and isinstance(delivery.desired, ProgramCredential):
        assert found.desired.course_runs == delivery.desired.course_runs  # which equality passes over


@given(st.builds(ServiceBreaker, open_until=MAYBE, opened_at=MAYBE))
def test_the_breaker_is_read_as_it_was_written(breaker: ServiceBreaker) -> None:
    assert read_breaker(write_breaker(breaker)) == breaker
    assert read_breaker("{}") == CLOSED


def test_a_settled_delivery_is_short() -> None:
    course = CourseCredential(is_awarded=True, mode="verified", date_override=NOON)
    new = first_wanted(Target(Kind.COURSE, 7, "course-v1:DemoX+A+2025"), course, 3, NOON)
    assert len(write_delivery(new)) < 250


@pytest.mark.parametrize("text", ["", "{}", '{"d": {}, "n": 1, "w": "2026-06-01T12:00:00Z"}'])
def test_what_is_no_delivery_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_delivery(Target(Kind.COURSE, 7, "a"), text)
