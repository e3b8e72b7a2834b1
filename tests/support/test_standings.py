"""Who has what in a course run: numbers that add up, each with the learners behind it, from an index alone."""

import csv
import json
from base64 import urlsafe_b64encode
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def class_of_seven(scene: Scene, learner: Learner) -> list[Learner]:
    """Two have certificates, one lost it, one is unverified, one hasn't passed, two audit."""
    everybody = [Learner(learner.learner_id * 100 + number, learner.course_run) for number in range(7)]
    two, another, lost, unverified, failing, *auditing = everybody
    scene.ingest(learner.configured(day(1)))
    for one in (two, another, lost):
        scene.ingest(*one.qualifying()[1:])
    scene.ingest(lost.invalidated(day(6)))
    scene.ingest(unverified.enrolled(day(1)), unverified.passing(day(3)))
    scene.ingest(failing.enrolled(day(1)), failing.id_approved(day(1)), failing.failing(day(3)))
    scene.ingest(*(one.enrolled(day(1), "audit") for one in auditing))
    return everybody


def numbers(client: Client, learner: Learner, **query: Any) -> Any:
    answer = client.get("/v1/course-run/summary", course_run=learner.course_run, **query)
    assert answer.status == 200, answer.body
    return answer.body


def behind(client: Client, learner: Learner, **which: str) -> list[int]:
    """Return the learners behind a number, of all pages."""
    query = {"course_run": learner.course_run, **which}
    body = client.get("/v1/course-run/summary/learners", **query).body
    found = [row["learner_id"] for row in body["learners"]]
    while body["next"] is not None:
        body = client.get("/v1/course-run/summary/learners", **query, cursor=body["next"]).body
        found += [row["learner_id"] for row in body["learners"]]
    return sorted(found)


def counted(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["value"]: row["count"] for row in rows}


def test_the_numbers_of_a_course_run_and_the_learners_behind_each(
    learner: Learner, class_of_seven: list[Learner], support_client: Client
) -> None:
    found = numbers(support_client, learner)
    assert (found["learners"], found["uncounted"]) == (7, 0)
    assert counted(found["by_status"]) == {"none": 3, "downloadable": 2, "unavailable": 1, "unverified": 1}
    assert counted(found["by_mode"]) == {"verified": 5, "audit": 2}
    assert counted(found["by_reason"])["mode_not_eligible"] == 2
    assert counted(found["funnel"]) == {
        "received": 7, "enrolled": 7, "eligible_mode": 5, "verified": 4, "passed": 3, "downloadable": 2,
    }  # fmt: skip
    assert found["days"] == [
        {"day": "2026-01-06", "awarded": 0, "lost": 1},
        {"day": "2026-01-03", "awarded": 2, "lost": 0},
    ]
    for name, rows in (("status", "by_status"), ("mode", "by_mode"), ("reason", "by_reason"), ("step", "funnel")):
        for row in found[rows]:
            assert len(behind(support_client, learner, **{name: row["value"]})) == row["count"], row
    two, another, lost, unverified, *_ = (one.learner_id for one in class_of_seven)
    assert behind(support_client, learner, change="awarded", day="2026-01-03") == [two, another]
    assert behind(support_client, learner, change="lost", day="2026-01-06") == [lost]
    assert behind(support_client, learner, stuck="passed") == [lost]
    assert behind(support_client, learner, stuck="eligible_mode") == [unverified]


def test_numbers_are_remembered_and_counted_again_on_demand(
    scene: Scene, learner: Learner, class_of_seven: list[Learner], support_client: Client, wire: Wire
) -> None:
    numbers(support_client, learner)
    scene.ingest(class_of_seven[0].invalidated(day(7)))
    wire.sent.clear()
    assert counted(numbers(support_client, learner)["by_status"])["downloadable"] == 2
    assert wire.operations() == {"GetItem": 1}
    assert counted(numbers(support_client, learner, fresh="true")["by_status"])["downloadable"] == 1


def test_who_was_stored_by_an_earlier_release_is_stated_apart_and_not_listed(
    scene: Scene, learner: Learner, class_of_seven: list[Learner], support_client: Client
) -> None:
    key = {"p": {"S": f"L#{class_of_seven[0].learner_id}"}, "s": {"S": learner.course_run}}
    table = {"TableName": scene.cloud.physical("CertificatesTable")}
    scene.client("dynamodb").update_item(**table, Key=key, UpdateExpression="REMOVE y")

    found = numbers(support_client, learner, fresh="true")

    assert (found["learners"], found["uncounted"]) == (6, 1)
    assert behind(support_client, learner) == sorted(one.learner_id for one in class_of_seven[1:])


def test_a_list_is_a_page_and_a_file_without_reading_a_record(
    learner: Learner, class_of_seven: list[Learner], support_client: Client, wire: Wire
) -> None:
    numbers(support_client, learner)
    wire.sent.clear()
    query = {"course_run": learner.course_run, "status": "downloadable"}
    page = support_client.get("/course-run/learners", **query)
    assert wire.operations()["BatchGetItem"] == 0
    assert (page.status, page.body.count('<th scope="row">')) == (200, 2)
    file = support_client.get("/course-run/learners.csv", **query)
    assert "attachment" in file.headers["content-disposition"]
    rows = list(csv.DictReader(StringIO(file.body)))
    assert [int(row["learner_id"]) for row in rows] == sorted(one.learner_id for one in class_of_seven[:2])
    assert {row["day"] for row in rows} == {"2026-01-03"}


def test_the_page_of_a_course_run_has_the_numbers_with_links(
    learner: Learner, class_of_seven: list[Learner], support_client: Client
) -> None:
    assert class_of_seven
    page = support_client.get("/course-run", course_run=learner.course_run).body
    assert "Who has what" in page
    for which in ({"step": "eligible_mode"}, {"status": "downloadable"}, {"reason": "not_passed"}, {"mode": "audit"}):
        address = f"/course-run/learners?{urlencode({'course_run': learner.course_run, **which})}"
        assert address.replace("&", "&amp;") in page
        assert support_client.ask("GET", address).status == 200


def test_a_long_list_is_paged_without_repeating_or_leaving_out_anybody(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    everybody = [Learner(learner.learner_id * 1_000 + number, learner.course_run) for number in range(130)]
    scene.ingest(learner.configured(day(1)))
    for first in range(0, 130, 10):
        scene.ingest(*(one.enrolled(day(1), "audit") for one in everybody[first : first + 10]))
    assert behind(support_client, learner, mode="audit") == [one.learner_id for one in everybody]


def test_what_is_unknown_or_no_filter_is_refused_with_the_way_on(
    learner: Learner, class_of_seven: list[Learner], support_client: Client
) -> None:
    assert class_of_seven
    wrong = learner.course_run.replace("2026", "2062")
    for path in ("/v1/course-run/summary", "/v1/course-run/summary/learners"):
        answer = support_client.get(path, course_run=wrong)
        assert (answer.status, learner.course_run in answer.body["fix"]) == (404, True)
    for which in ({"status": "gone"}, {"reason": "luck"}, {"step": "x"}, {"day": "2026-02-31"}, {"cursor": "x"}):
        answer = support_client.get("/v1/course-run/summary/learners", course_run=learner.course_run, **which)
        assert (answer.status, answer.body["field"]) == (422, next(iter(which)))
    earlier = urlsafe_b64encode(json.dumps([learner.course_run, ["d|verified||", 0, None]]).encode()).decode()
    answer = support_client.get("/v1/course-run/summary/learners", course_run=learner.course_run, cursor=earlier)
    assert (answer.status, answer.body["field"]) == (422, "cursor")  # of a page of an earlier release
    assert certs("course-run", wrong).exit_code == NOT_FOUND


def test_the_command_shows_numbers_lists_and_files(learner: Learner, class_of_seven: list[Learner]) -> None:
    shown = certs("course-run", learner.course_run)
    assert "7 learners" in shown.stdout
    assert "2026-01-06" in shown.stdout
    listed = certs("course-run", learner.course_run, "--status", "downloadable")
    assert str(class_of_seven[0].learner_id) in listed.stdout
    assert certs("course-run", learner.course_run, "--csv", "all.csv").exit_code == 0
    assert len(Path("all.csv").read_text().splitlines()) == 8
