"""The console's pages: safe whatever is in them, and in a real browser, a support person's five usual tickets."""

import pytest
from playwright.sync_api import expect

from tests.scenes.browsers import EVIL, Person, ada, address, bob, browser
from tests.scenes.grading_jobs import break_grades, class_of, earn
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, about

# --- without a browser

__all__ = ["ada", "address", "bob", "browser"]


@pytest.mark.parametrize(
    "path",
    [
        "/learner?learner_id=",
        "/case?learner_id=1&course_run=",
        "/course-run?course_run=",
        "/nowhere?",
    ],
)
def test_a_page_that_cannot_be_made_shows_why_and_repeats_nothing_raw(support_client: Client, path: str) -> None:
    name, _, query = path.partition("?")
    fields = dict(part.split("=") for part in query.split("&") if part)
    answer = support_client.get(name, **{field: value or EVIL for field, value in fields.items()})
    assert answer.status in {404, 422}
    assert "<script>" not in answer.body
    assert "49" not in answer.body
    assert "That did not work" in answer.body


def test_what_people_write_is_shown_and_never_run(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    body = {"act": "invalidate", "reason": EVIL, "version": None, **about(learner)}
    assert support_client.post("/v1/case/act", **body).status == 202
    scene.cloud.deliver()
    page = support_client.get("/case", **about(learner)).body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_every_page_forbids_scripts_frames_and_caches(support_client: Client) -> None:
    for path in ("/", "/revocations", "/regenerations", "/nowhere", "/v1/held"):
        headers = support_client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("/revocations", '<a href="/revocations" aria-current="page">Revocations</a>'),
        ("/case", '<a href="/" aria-current="true">Find</a>'),
    ],
)
def test_the_navigation_marks_where_a_page_is(learner: Learner, support_client: Client, path: str, mark: str) -> None:
    page = support_client.get(path, **about(learner)).body
    assert mark in page
    assert page.count("aria-current") == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
@pytest.mark.parametrize("path", ["/preview", "/act", "/course-run/act", "/revocations/ask", "/revocations/decide"])
def test_a_form_of_another_site_is_refused(
    scene: Scene, learner: Learner, support_client: Client, path: str, site: str
) -> None:
    scene.ingest(*learner.qualifying())
    fields = {"act": "invalidate", "reason": "ticket 12", "key": "a-key-of-mine", **about(learner)}
    assert support_client.form(path, site, **fields).status == 403
    assert scene.certificate(learner).status == "downloadable"  # type: ignore[union-attr]


# --- in a real browser


def test_ticket_1_i_passed_but_have_no_certificate(scene: Scene, learner: Learner, ada: Person) -> None:
    configured, enrolled, _, passing = learner.qualifying()
    scene.ingest(configured, enrolled, passing)
    ada.check("start")
    ada.look_up(learner)
    expect(ada.answer).to_contain_text("no approved ID verification of the learner has been received")
    expect(ada.page.get_by_role("main")).to_contain_text("The learner verifies their ID.")
    ada.check("unverified")
    ada.page.get_by_label("The learner verifies their ID.").check()
    ada.page.get_by_role("button", name="See what would come of it").click()
    expect(ada.answer).to_contain_text("becomes downloadable")
    ada.check("what-if")


def test_ticket_2_my_certificate_is_gone(scene: Scene, learner: Learner, ada: Person) -> None:
    scene.ingest(*learner.qualifying(), learner.invalidated(day(6)))
    ada.look_up(learner)
    expect(ada.answer).to_contain_text("unavailable since 6 January 2026")
    expect(ada.page.get_by_role("main")).to_contain_text('by ada, with the note "ticket 12"')
    ada.check("invalidated")
    ada.act("lift", "The report was unfounded.")
    expect(ada.answer).to_contain_text("changes from unavailable to downloadable")
    ada.check("preview")
    ada.confirm()
    expect(ada.answer).to_contain_text("has been downloadable since")


def test_ticket_3_the_lab_lost_my_points_put_me_on_the_allowlist(scene: Scene, learner: Learner, ada: Person) -> None:
    configured, enrolled, approved, _ = learner.qualifying()
    scene.ingest(configured, enrolled, approved, learner.failing(day(3)))
    ada.look_up(learner)
    expect(ada.answer).to_contain_text("grade is failing")
    ada.act("allowlist-add", "Lab 3 lost its points.")
    expect(ada.answer).to_contain_text("There will be a certificate: downloadable.")
    ada.confirm()
    expect(ada.answer).to_contain_text("but for what the allowlist waives")
    ada.check("allowlisted")


def test_ticket_4_my_certificate_shows_the_wrong_date(scene: Scene, learner: Learner, ada: Person) -> None:
    scene.ingest(*learner.qualifying())
    ada.look_up(learner)
    ada.act("date-set", "The course ended then.", "2025-12-29T00:00")
    ada.confirm()
    expect(ada.page.get_by_role("main")).to_contain_text("It shows the date 29 December 2025 at 00:00 UTC")
    ada.check("date")


def test_an_operator_stops_revocations_and_discards_what_a_broken_job_would_take(
    scene: Scene, learner: Learner, ada: Person
) -> None:
    learners = class_of(2, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    ada.find(learner.course_run)
    for button, then in (("Stop automatic", "Automatic revocations are stopped since"), ("Discard all", "None.")):
        ada.page.get_by_label("Why kept").fill("The grading job is broken.")
        ada.page.get_by_role("button", name=button).click()
        ada.check("confirm")
        ada.page.get_by_role("button", name="Yes:").click()
        scene.cloud.deliver()
        expect(ada.page.get_by_role("status")).to_contain_text("done")
        ada.page.get_by_role("link", name="The course run").click()
        expect(ada.page.get_by_role("main")).to_contain_text(then)
    ada.check()
    assert [scene.certificate(each).status for each in learners] == ["downloadable"] * 2  # type: ignore[union-attr]


def test_ticket_5_a_whole_course_run_is_about_to_lose_its_certificates(
    scene: Scene, learner: Learner, ada: Person, bob: Person
) -> None:
    learners = class_of(4, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    ada.find(learner.course_run)
    expect(ada.page.get_by_role("table", name="Each certificate stays")).to_contain_text("when a person decides")
    ada.check("course-run")
    ada.page.get_by_label("Why", exact=True).fill("The exam was void.")
    ada.page.get_by_role("button", name="Ask for approval").click()
    expect(ada.page.get_by_role("main")).to_contain_text("Which: 4")
    ada.page.get_by_role("button", name="Yes: ask for approval of 4").click()
    expect(ada.page.get_by_role("main")).to_contain_text("It waits for a second person.")
    bob.page.get_by_role("link", name="Revocations").click()
    expect(bob.page.get_by_role("button", name="Approve: revoke 4")).to_be_visible()
    bob.check("approve")
    bob.page.get_by_role("button", name="Approve: revoke 4").click()
    bob.page.get_by_role("button", name="Yes: revoke 4").click()
    expect(bob.page.get_by_role("main")).to_contain_text("Of the last 4, 0 have.")
    scene.cloud.deliver()
    expect(bob.page.get_by_role("status")).to_contain_text("done")
    bob.look_up(learners[0])
    expect(bob.answer).to_contain_text("not passing")
    bob.check()
