"""Bulk runs at the console: looked at, approved and declined, in a real browser and without scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.scenes.browsers import EVIL, Person, ada, address, bob, browser
from tests.scenes.bulk_runs import revocable, statuses, waiting
from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import Client

__all__ = ["ada", "address", "bob", "browser"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.mark.browser
def test_a_colleague_approves_the_plan_that_they_look_at(
    scene: Scene, learner: Learner, ada: Person, bob: Person
) -> None:
    learners = revocable(scene, learner, 2)
    ada.page.get_by_role("link", name="Bulk runs").click()
    expect(ada.page.get_by_text("There is none.")).to_be_visible()
    ada.page.get_by_label("Course runs a key").fill(learner.course_run)
    ada.page.get_by_label("Why kept").fill("new policy")
    ada.check()
    ada.page.get_by_role("button", name="Start", exact=True).click()
    ada.check()
    ada.page.get_by_role("button", name="Yes: start it").click()
    scene.cloud.deliver()
    expect(ada.page.get_by_text("a colleague has to approve it")).to_be_visible()
    ada.check()

    bob.page.get_by_role("link", name="Bulk runs").click()
    bob.page.get_by_role("table").get_by_role("link").click()
    bob.check("regeneration")
    bob.page.get_by_role("link", name="Read the plan, line by line").click()
    expect(bob.page.get_by_text("taken away")).to_have_count(2)
    bob.page.get_by_label("Takes a certificate away").check()
    bob.page.get_by_role("button", name="Show").click()
    bob.check("plan")
    bob.page.get_by_role("link", name="Back to the run").click()
    bob.page.get_by_role("button", name="Approve: revoke 2").click()
    expect(bob.page.get_by_role("main")).to_contain_text("Which: 2")
    expect(bob.page.get_by_role("main").get_by_role("listitem")).to_contain_text(["downloadable → not passing"] * 2)
    bob.check()
    bob.page.get_by_role("button", name="Yes: revoke 2, change 2").click()
    scene.cloud.deliver()

    expect(bob.page.get_by_role("heading", level=1)).to_contain_text("done")
    bob.check()
    assert statuses(scene, learners) == ["notpassing"] * 2


def test_what_is_only_planned_is_shown_and_a_form_that_names_no_course_run_is_refused(
    scene: Scene, learner: Learner
) -> None:
    support_client = Client(scene)
    learners = waiting(scene, learner, 2)
    fields = {"course_runs": learner.course_run, "reason": EVIL, "choice": "plan"}

    refused = support_client.form("/regenerations/start", **{**fields, "course_runs": ""})
    planned = support_client.confirm("/regenerations/start", **fields)
    scene.cloud.deliver()
    run_id = planned.headers["location"].partition("=")[2]
    page = support_client.get("/regeneration", id=run_id)

    assert (refused.status, "course_runs" in refused.body) == (422, True)
    assert (planned.status, page.status) == (303, 200)
    assert f"Bulk run {run_id}: planned" in page.body
    assert "What became of it" not in page.body
    assert re.search(r"no certificate → downloadable</th>.*>2</a>", page.body)
    assert "<script" not in page.body
    assert statuses(scene, learners) == [None, None]
    assert support_client.form("/regenerations/resume", id=run_id).status == 409
    assert support_client.form("/regenerations/decide", id=run_id, choice="approve", hash="0" * 64).status == 409
    assert [support_client.get("/regeneration", id=name).status for name in ("", "nothing", EVIL)] == [404] * 3
