"""Everybody with deliveries is found page by page, each once, whatever else is in the table."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from certrules.core.deliveries.delivery import first_wanted
from certrules.core.deliveries.desired import Availability, CourseCredential, Kind, Owner, Target
from certrules.storage import learner_records
from certrules.storage.learner_records import save_delivery, save_service_breaker
from certrules.storage.program_definitions import save_listing
from certrules.storage.record_owners import OwnerPlace, owners_page
from tests.records.tables import records_table

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUNS = [f"course-v1:DemoX+A+{number}" for number in range(7)]


@pytest.fixture(params=["in this process", "AWS's engine"])
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    endpoint = None if request.param == "in this process" else request.getfixturevalue("dynamodb_local")
    with records_table(endpoint):
        yield


def stored() -> set[Owner]:
    """Store deliveries of learners and course runs, and whatever else the table has. Return their owners."""
    for learner_id in range(1, 21):
        for run in RUNS[: learner_id % 6 + 1]:
            desired = CourseCredential(is_awarded=True, mode="verified")
            save_delivery(first_wanted(Target(Kind.COURSE, learner_id, run), desired, 1, NOON), 0)
    for run in RUNS[:3]:
        save_delivery(
            first_wanted(Target(Kind.AVAILABILITY, run), Availability(mode="verified", date=None), 1, NOON), 0
        )
    save_listing("p1", RUNS)
    save_service_breaker(learner_records.load_service_breaker().breaker, 0)
    return {*range(1, 21), *RUNS[:3]}


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize("limit", [1, 3, 10, 1_000])
def test_each_owner_is_in_one_page(limit: int) -> None:
    owners = stored()
    found: list[Owner] = []
    start: OwnerPlace | None = None
    while True:
        page, start = owners_page(start, limit)
        found += [owner for owner, _ in page]
        if start is None:
            break
    assert len(found) == len(owners)
    assert set(found) == owners


@pytest.mark.usefixtures("_table")
def test_a_page_may_be_left_behind_any_of_its_owners() -> None:
    owners = stored()
    found: list[Owner] = []
    start: OwnerPlace | None = None
    while True:
        page, end = owners_page(start, 9)
        found += [owner for owner, _ in page[:1]]
        start = page[0][1] if page else end
        if start is None:
            break
    assert (len(found), set(found)) == (len(owners), owners)
