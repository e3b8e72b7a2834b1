"""The numbers and lists of a course run whose index has many megabytes in each shard."""

import csv
from io import StringIO
from typing import Any

import pytest

from certrules.storage import COURSE_RUN_SHARDS
from tests.scenes.large_course_run import LargeCourseRun
from tests.scenes.scene import Learner, Wire
from tests.scenes.support_client import Client

PAGES = 8
"""Of each shard, as of a course run of a million."""

ON_A_PAGE = 100
IN_A_SHARD = PAGES * ON_A_PAGE
AWARDED = IN_A_SHARD // 10


@pytest.fixture
def large(learner: Learner, wire: Wire) -> LargeCourseRun:
    """Each of its shards has 800 learners, 80 of whom have certificates; the last one of five shards lost theirs."""
    found = LargeCourseRun(learner.course_run, IN_A_SHARD, ON_A_PAGE, lost=5, bare=3)
    wire.around = found.answer
    return found


def page(client: Client, large: LargeCourseRun, **which: Any) -> Any:
    return client.get("/v1/course-run/summary/learners", course_run=large.course_run, **which).body


def pages(client: Client, large: LargeCourseRun, **which: Any) -> list[list[int]]:
    """Return the learners behind a number, on each page."""
    body = page(client, large, **which)
    found = [body["learners"]]
    while body["next"] is not None:
        body = page(client, large, **which, cursor=body["next"])
        found.append(body["learners"])
    return [[row["learner_id"] for row in rows] for rows in found]


def queries(wire: Wire) -> int:
    return wire.operations()["Query"]


def test_a_large_course_run_is_counted_by_day_with_one_request_a_megabyte(
    large: LargeCourseRun, support_client: Client, wire: Wire
) -> None:
    found = support_client.get("/v1/course-run/summary", course_run=large.course_run).body

    assert queries(wire) == PAGES * COURSE_RUN_SHARDS
    assert (found["learners"], found["uncounted"]) == (IN_A_SHARD * COURSE_RUN_SHARDS - 3, 3)
    counts = {row["value"]: row["count"] for row in found["by_status"]}
    assert (counts["downloadable"], counts["unavailable"]) == (AWARDED * COURSE_RUN_SHARDS - 1, 5)
    assert len(found["days"]) == 60  # of 71
    assert found["days"][0] == {"day": "2026-03-11", "awarded": COURSE_RUN_SHARDS, "lost": 0}


def test_a_rare_group_is_found_a_bounded_number_of_requests_a_page(
    large: LargeCourseRun, support_client: Client, wire: Wire
) -> None:
    page(support_client, large, status="unavailable")  # counts
    wire.sent.clear()

    found = pages(support_client, large, status="unavailable")

    assert found == [
        [16_012_784, 16_012_785, 16_012_786, 16_012_787],  # the last of four shards: 32 requests
        [16_012_788],
    ]
    assert queries(wire) == 5 * PAGES  # shards that have nobody of them are not read
    body = support_client.get("/course-run/learners", course_run=large.course_run, status="unavailable").body
    assert "others may follow" in body
    assert body.count('<th scope="row">') == 4


def test_a_page_without_anybody_leads_on_too(large: LargeCourseRun, support_client: Client) -> None:
    body = support_client.get("/course-run/learners", course_run=large.course_run, day="2025-12-30").body
    assert "Nobody yet" in body
    assert ">More</a>" in body


def test_a_list_that_many_are_in_is_read_no_further_than_its_page(
    large: LargeCourseRun, support_client: Client, wire: Wire
) -> None:
    everybody = page(support_client, large)
    wire.sent.clear()
    second = page(support_client, large, cursor=everybody["next"])
    assert (len(second["learners"]), queries(wire)) == (100, 1)  # as many as a page of the index has
    wire.sent.clear()
    awarded = page(support_client, large, status="downloadable")
    assert len(awarded["learners"]) == 100
    assert queries(wire) <= 1.3 * 100 * 10 / ON_A_PAGE
    assert sum(map(len, pages(support_client, large, status="downloadable"))) == AWARDED * COURSE_RUN_SHARDS - 1


@pytest.mark.parametrize(
    ("which", "many"),
    [
        ({"change": "lost", "day": "2025-12-31"}, 5),
        ({"change": "awarded", "day": "2026-01-02"}, 2 * COURSE_RUN_SHARDS),  # also on the 71st day
        ({"change": "awarded", "day": "2026-03-11"}, COURSE_RUN_SHARDS),
        ({"day": "2025-12-30"}, 0),
    ],
    ids=["losses of earlier days", "awards of earlier days", "a day of its own", "a day of nobody"],
)
def test_a_day_has_its_learners_also_where_earlier_days_are_counted_as_one(
    which: dict[str, str], many: int, large: LargeCourseRun, support_client: Client
) -> None:
    assert sum(map(len, pages(support_client, large, **which))) == many


def test_a_file_has_all_of_a_list(large: LargeCourseRun, support_client: Client, wire: Wire) -> None:
    page(support_client, large)
    wire.sent.clear()
    asked = {"course_run": large.course_run, "status": "downloadable"}
    rows = list(csv.DictReader(StringIO(support_client.get("/course-run/learners.csv", **asked).body)))
    assert len({row["learner_id"] for row in rows}) == AWARDED * COURSE_RUN_SHARDS - 1
    assert queries(wire) == PAGES * COURSE_RUN_SHARDS
