"""Every page of the console: axe, a phone's width, and the keyboard."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from certrules import aws
from tests.scenes.browsers import Person, ada, address, browser
from tests.scenes.bulk_runs import revocable
from tests.scenes.grading_jobs import break_grades, class_of, earn
from tests.scenes.scene import TEMPLATE, Learner, Scene, day
from tests.scenes.support_client import Client, about

__all__ = ["ada", "address", "browser"]

FUNCTION = TEMPLATE.parent / "functions" / "support"
LONG = "course-v1:AnOrganisationWithoutAnyBreakInItsLongName+ACourseNumberThatGoesOnAndOnWithoutABlank+2026_and_more"
PAGES = {
    "/": {},
    "/audit": {},
    "/consumers": {},
    "/case": {"learner_id": "{learner_id}", "course_run": "{course_run}"},
    "/course-run": {"course_run": "{course_run}"},
    "/course-run/learners": {"course_run": "{course_run}"},
    "/find": {"q": "course-v1"},
    "/learner": {"learner_id": "{learner_id}"},
    "/lists": {},
    "/messages": {},
    "/records": {},
    "/regeneration": {"id": "{run}"},
    "/regeneration/issued": {"id": "{comparison}"},
    "/regeneration/plan": {"id": "{run}"},
    "/regenerations": {},
    "/result": {"entry": "{entry}"},
    "/revocations": {},
    "/transitions": {"since": "2026-01-01T00:00"},
    "/trends": {},
    "/what-if": {"learner_id": "{learner_id}", "course_run": "{course_run}", "change": "fail"},
}


def test_every_page_is_looked_at() -> None:
    sources = "".join(path.read_text() for path in FUNCTION.glob("*.py"))
    pages = re.findall(r'@app\.get\("(/[^"]*)", include_in_schema=False\)', sources)
    assert {page for page in pages if "." not in page} == set(PAGES)


def test_the_navigation_has_every_page_and_form_once() -> None:
    sources = "".join(path.read_text() for path in FUNCTION.glob("*.py"))
    paths = re.findall(r'@app\.(?:get|post)\("(/[^".]*)", include_in_schema=False\)', sources)
    navigation = (FUNCTION / "pages.py").read_text().partition("NAVIGATION = (")[2].partition("# fmt")[0]
    assert sorted(re.findall(r'"(/[^"]*)"', navigation)) == sorted(set(paths))


@pytest.fixture
def held(scene: Scene) -> Learner:
    """A learner in a course run with a long key, whose revocation is held."""
    learner = Learner(4_294_967_295_000, LONG)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    learners = class_of(2, learner)
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    recent, another = aws.now() - timedelta(weeks=2), learner.elsewhere(f"{LONG}_2")  # for the chart of the last weeks
    scene.ingest(
        another.configured(recent), another.enrolled(recent), another.id_approved(recent), another.passing(recent)
    )
    return learners[0]


@pytest.fixture
def made(scene: Scene, held: Learner) -> dict[str, str]:
    """What acts make: a bulk run that waits for its approval, a comparison, and an entry of the audit log."""
    ada = Client(scene)
    learner = Learner(4_294_967_296, LONG + "_more")
    revocable(scene, learner, 2)
    asked: dict[str, Any] = {"course_runs": [learner.course_run], "reason": "new policy"}
    run = ada.post("/v1/regenerations", **asked).body["id"]
    comparison = ada.post("/v1/regenerations", **asked, purpose="compare").body["id"]
    scene.cloud.deliver()
    version = ada.case(held)["version"]
    acted = ada.form("/act", act="redecide", reason="ticket 12", version=version, key="a key of it", **about(held))
    (entry,) = parse_qs(urlsplit(acted.headers["location"]).query)["entry"]
    return {"run": run, "comparison": comparison, "entry": entry}


def test_every_page_is_for_everybody(held: Learner, made: dict[str, str], ada: Person, address: str) -> None:
    for path, query in [*PAGES.items(), ("/regeneration", {"id": "{comparison}"})]:
        filled = {name: value.format(**about(held), **made) for name, value in query.items()}
        ada.page.goto(f"{address}{path}?{urlencode(filled)}")
        expect(ada.page.get_by_role("heading", level=1)).to_have_count(1)
        ada.check()
        ada.page.get_by_role("link", name="Skip to the content").focus()
        ada.page.keyboard.press("Enter")
        ada.page.keyboard.press("Tab")
        assert ada.page.locator("main :focus, footer :focus").count() == 1, path
        assert ada.page.locator("thead + tbody td:not([data-label], :empty)").count() == 0, f"{path}: a cell of a card"
        tables = ada.page.locator("main table").filter(visible=True).count()
        ada.page.emulate_media(media="print")
        paper = ada.page.locator("form, nav, button, input, select").filter(visible=True)
        assert paper.count() == 0, f"{path}: nobody can press what is printed"
        printed = ada.page.locator("main table").filter(visible=True).count()
        assert printed >= tables, f"{path}: a list is not printed"
        ada.page.emulate_media(media="screen")


def test_one_click_selects_the_whole_reply(held: Learner, ada: Person, address: str) -> None:
    with_scripts = ada.reader
    with_scripts.goto(f"{address}/case?{urlencode(about(held))}")
    with_scripts.get_by_role("region", name="For the learner").click()
    selected = with_scripts.evaluate("getSelection().toString()")
    assert selected.startswith("Hello,\n\nYou still have the certificate.")
    assert selected.strip().endswith("please answer this message.")
