"""The first page is a work list: what waits for the person who looks, how many, since when, and where it is."""

import json
import re
from datetime import timedelta

import pytest

from certrules import aws
from tests.scenes.grading_jobs import break_grades, broken, class_of, earn
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ROW = re.compile(r'<th scope="row"><a href="([^"]*)">([^<]*)</a></th><td data-label="How many">(\d+)')

MOST_REQUESTS = 30
"""How many requests the page may make: 16 queries of the index of pending revocations, and what these are."""


@pytest.fixture(autouse=True)
def _nothing_waits(scene: Scene) -> None:
    scene.empty_tables()
    scene.empty_queues()


def waits(client: Client) -> dict[str, tuple[int, str]]:
    """Return how many wait of each kind, and the page that has them."""
    answer = client.get("/")
    assert answer.status == 200
    return {title: (int(count), page) for page, title, count in ROW.findall(answer.body)}


def test_nothing_to_do_is_a_good_page(support_client: Client) -> None:
    page = support_client.get("/").body
    assert page.index("What waits") < page.index("What the search understands")
    assert "Nothing to do." in page
    assert waits(support_client) == {}


def test_what_waits_for_whom_is_listed_with_the_page_that_has_it(scene: Scene, learner: Learner) -> None:
    learners = class_of(3, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0, "hold_seconds": 60}))
    earn(scene, learners)
    scene.ingest(*(each.failing(aws.now() - timedelta(minutes=5)) for each in learners))
    scene.ingest(*(each.requested(aws.now()) for each in learners))
    scene.ingest("no event at all")
    asked = {"act": "release", "course_run": learner.course_run, "reason": "the exam was void"}
    Client(scene, "ada").post("/v1/revocations", **asked)
    mine, theirs = waits(Client(scene, "ada")), waits(Client(scene, "bob"))
    assert mine["Bulk revocations of yours wait for a colleague"] == (1, "/revocations")
    assert theirs["Bulk revocations wait for your approval"] == (1, "/revocations")
    assert theirs["Revocations are held for a person"] == (3, "/revocations")
    assert theirs["Breakers are tripped"][1].startswith("/course-run?course_run=")
    assert theirs["Messages are parked"] == (1, "/messages")
    page = Client(scene).get("/").body
    assert "this is no JSON: 1" in page
    assert f" {aws.now().year} at " in page  # since when the oldest is held
    assert [Client(scene).get(path).status for path in ("/messages", "/revocations")] == [200, 200]
    assert len(scene.queued("ParkedQueue")) == 1  # it was only looked at


def test_a_revocation_that_is_due_is_listed_and_a_plan_that_waits(scene: Scene, learner: Learner) -> None:
    learners = class_of(2, learner)
    scene.ingest(learner.configured(day(1), policy={"hold_seconds": 20 * 3600}))
    earn(scene, learners)
    scene.ingest(learners[0].failing(aws.now()))
    assert waits(Client(scene))["Revocations take effect within 24 hours"][0] == 1
    break_grades(scene, learners[1:], day(10))
    Client(scene, "ada").post("/v1/regenerations", course_runs=[learner.course_run], reason="ticket 12", dry_run=True)
    assert waits(Client(scene))["Bulk runs are running"] == (1, "/regenerations")
    scene.cloud.deliver()
    assert "Bulk runs are running" not in waits(Client(scene))


def test_the_page_costs_a_bounded_number_of_requests_however_much_waits(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    broken(scene, learner, 60)
    before = wire.operations()
    assert waits(Client(scene))["Revocations are held for a person"][0] >= 60
    made = wire.operations() - before
    assert sum(made.values()) <= MOST_REQUESTS, json.dumps(made)
