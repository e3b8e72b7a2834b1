"""What pages show of an act: before it, what is for good or so already; after it, whose it was and what it is now."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scenes.forms import Form, forms_of
from tests.scenes.grading_jobs import broken, class_of
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, Reported, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WHY = "ticket 12"


def first_form(answer: Reported) -> Form:
    """Return the form that a page that asks is confirmed with."""
    return forms_of(answer.body)[0]


def whose(client: Client, path: str) -> tuple[str, list[str]]:
    """Return the heading of a result's list of learners, and their ids."""
    body = client.ask("GET", path).body.decode()
    heading, _, names = body.partition("<h2>Whose: ")[2].partition("</h2>")
    return heading, re.findall(r">(\d+)</a>", names.partition("</ul>")[0])


def test_the_result_of_an_act_on_many_names_all_of_them(scene: Scene, learner: Learner) -> None:
    learners = broken(scene, learner, 4)
    ids = [str(one.learner_id) for one in learners]
    ada, bob = Client(scene), Client(scene, "bob")
    fields = {"act": "discard", "course_run": learner.course_run, "text": "\n".join(ids[:2]), "reason": WHY}
    done = ada.form("/lists/act", **first_form(ada.form("/lists/preview", **fields)).fields)
    (entry,) = re.findall(r'href="(/result\?[^"]*)"', done.body)
    scene.cloud.deliver()
    assert whose(ada, entry) == ("2", ids[:2])

    asked = ada.confirm("/revocations/ask", course_run=learner.course_run, reason=WHY)
    assert whose(ada, asked.headers["location"]) == ("2", ids[2:])
    revocation = ada.get("/v1/revocations").body["revocations"][0]["id"]
    approved = bob.confirm("/revocations/decide", id=revocation, choice="approve")
    assert whose(ada, approved.headers["location"]) == ("2", ids[2:])

    stopped = ada.confirm("/course-run/act", course_run=learner.course_run, choice="stop", reason=WHY)
    assert whose(ada, stopped.headers["location"]) == ("", [])


def test_the_result_in_a_case_shows_the_date_that_the_certificate_shows(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    ada = Client(scene)
    fields = {"act": "date-set", "date": "2026-05-29T00:00", "reason": WHY, **about(learner)}
    acted = ada.form("/act", **first_form(ada.form("/preview", "same-origin", **fields)).fields)
    scene.cloud.deliver()
    assert parse_qs(urlsplit(acted.headers["location"]).query).keys() == {"entry"}
    body = ada.ask("GET", acted.headers["location"]).body.decode()
    assert "It shows the date 29 May 2026 at 00:00 UTC." in body


def test_what_cannot_be_undone_is_marked_as_that(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    for act, is_for_good in (("erase-name", True), ("redecide", False)):
        body = Client(scene).form("/preview", act=act, reason=WHY, **about(learner)).body
        assert ("This can&#39;t be undone." in body or "This can't be undone." in body) is is_for_good, act
        assert ('class="danger"' in body) is is_for_good, act


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_switch_that_is_so_already_shows_since_when_and_by_whom(
    scene: Scene, learner: Learner, everywhere: bool
) -> None:
    scene.ingest(learner.configured(day(1)))
    ada, bob = Client(scene), Client(scene, "bob")
    fields = {"course_run": "" if everywhere else learner.course_run, "reason": WHY}
    assert "They are not stopped: nothing changes." in ada.form("/course-run/act", choice="resume", **fields).body
    open_tab = ada.form("/course-run/act", choice="stop", **fields)
    assert "stopped already" not in open_tab.body
    bob.confirm("/course-run/act", choice="stop", **fields)
    scene.cloud.deliver()
    late = ada.form("/course-run/act", **first_form(open_tab).fields)
    assert (late.status, "They are stopped already, since" in late.body, f"by bob: {WHY}" in late.body) == (
        409, True, True,
    )  # fmt: skip
    bob.confirm("/course-run/act", choice="resume", **fields)
    scene.cloud.deliver()


def test_a_case_of_which_nothing_was_received_has_no_empty_table(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)))
    body = Client(scene).get("/case", **about(learner)).body
    assert "Nothing was received of this learner yet." in body
    assert not re.search(r"<tbody>\s*</tbody>", body)


def test_who_may_not_approve_a_bulk_revocation_sees_whom_it_waits_for(scene: Scene, learner: Learner) -> None:
    broken(scene, learner, 1)
    Client(scene).post("/v1/revocations", act="release", course_run=learner.course_run, reason=WHY)
    viewer = Client(scene, "eve", ("view",))
    assert "It waits for a colleague who has the right to approve." in viewer.get("/revocations").body
    assert "1 certificate: requested" in viewer.get("/revocations").body


def test_who_may_not_act_is_offered_no_list_to_correct(scene: Scene, learner: Learner) -> None:
    fields = {"act": "discard", "course_run": learner.course_run, "text": class_of(1, learner)[0].learner_id}
    scene.ingest(learner.configured(day(1)))
    asked = Client(scene, "eve", ("view",)).form("/lists/preview", "same-origin", reason=WHY, **fields)
    assert (asked.status, forms_of(asked.body)) == (200, [])
