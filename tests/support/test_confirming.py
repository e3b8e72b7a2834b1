"""Nothing is done blind: a form of the console is offered only where its act is accepted, and asks before it acts."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.scenes.forms import Form, forms_of
from tests.scenes.grading_jobs import break_grades, broken, class_of, earn, held
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WRITES = {"PutItem", "PutEvents", "StartExecution", "TransactWriteItems", "SendTaskSuccess", "SendTaskFailure"}

_people = count(1)


def writes(wire: Wire) -> int:
    """Return how many requests wrote something, but for the numbers of a course run, which reading them stores."""
    return sum(request.operation in WRITES and not request.names('"course-run-counts"') for request in wire.sent)


def anybody(scene: Scene) -> Client:
    """Return somebody new who may do everything: nobody takes away more than five certificates an hour."""
    return Client(scene, f"person-{next(_people)}")


def _nothing_known(_scene: Scene, _learner: Learner) -> None:
    pass


def _only_the_course_run(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)))


def _failing(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying()[:3], learner.failing(day(3)))


def _awarded(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())


def _allowlisted(scene: Scene, learner: Learner) -> None:
    _failing(scene, learner)
    anybody(scene).act("allowlist-add", learner)


def _invalidated(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying(), learner.invalidated(day(6)))


def _dated(scene: Scene, learner: Learner) -> None:
    _awarded(scene, learner)
    anybody(scene).act("date-set", learner, date="2026-05-29T00:00:00Z")


def _held(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, [learner])
    break_grades(scene, [learner], day(10))


CASES: dict[Callable[[Scene, Learner], None], set[str]] = {
    _nothing_known: {"erase-name"},
    _only_the_course_run: {"allowlist-add", "erase-name"},
    _failing: {"allowlist-add", "invalidate", "redecide", "erase-name"},
    _awarded: {"allowlist-add", "invalidate", "date-set", "redecide", "erase-name"},
    _allowlisted: {"allowlist-remove", "date-set", "redecide", "erase-name"},
    _invalidated: {"lift", "date-set", "redecide", "erase-name"},
    _dated: {"allowlist-add", "invalidate", "date-set", "date-remove", "redecide", "erase-name"},
    _held: {"allowlist-add", "invalidate", "date-set", "redecide", "release", "discard", "erase-name"},
}


def the_form(page: str, action: str) -> Form:
    """Return the one form of a page with this action."""
    (found,) = (form for form in forms_of(page) if form.action == action)
    return found


@pytest.mark.parametrize("story", CASES, ids=lambda story: story.__name__)
def test_every_act_that_a_case_offers_is_accepted(
    scene: Scene, learner: Learner, wire: Wire, story: Callable[[Scene, Learner], None]
) -> None:
    story(scene, learner)
    offered = the_form(anybody(scene).get("/case", **about(learner)).body, "/preview").options["act"]
    assert set(offered) == CASES[story]
    for number, act in enumerate(offered):
        each = Learner(learner.learner_id + 1000 * number, f"{learner.course_run}{number}")
        story(scene, each)
        person = anybody(scene)
        form = the_form(person.get("/case", **about(each)).body, "/preview")
        before = writes(wire)
        date = "2026-05-29T00:00" if act == "date-set" else ""
        asked = person.form("/preview", **{**form.fields, "act": act, "date": date, "reason": "ticket 12"})
        assert (asked.status, writes(wire) - before) == (200, 0), (act, asked.body)
        confirmed = person.form("/act", **the_form(asked.body, "/act").fields)
        assert confirmed.status == 303, (act, confirmed.body)
        scene.cloud.deliver()
    assert scene.queued("ParkedQueue") == []


def pages_that_act(scene: Scene, learner: Learner) -> list[tuple[str, dict[str, Any]]]:
    """Return the pages of a scene in which everything waits for somebody."""
    broken(scene, learner, 4)
    asked = {"act": "release", "course_run": learner.course_run, "reason": "the exam was void"}
    learners = [each.learner_id for each in class_of(2, learner)]
    assert Client(scene, "eve").post("/v1/revocations", learners=learners, **asked).status == 201
    return [("/course-run", {"course_run": learner.course_run}), ("/revocations", {}), ("/regenerations", {})]


def test_every_form_of_every_page_asks_first_and_is_accepted_then(scene: Scene, learner: Learner, wire: Wire) -> None:
    done: set[tuple[str, str]] = set()
    for path, query in pages_that_act(scene, learner):
        for form in forms_of(anybody(scene).get(path, **query).body):
            for fields in form.filled():
                where = Learner(learner.learner_id, f"{learner.course_run}{next(_people)}")
                pages_that_act(scene, where)
                again = query | ({"course_run": where.course_run} if "course_run" in query else {})
                person = anybody(scene)
                sent = fields | {
                    name: value
                    for same in forms_of(person.get(path, **again).body)
                    if same.action == form.action
                    for name, value in same.fields.items()
                }
                if "course_runs" in sent:
                    sent["course_runs"] = where.course_run
                before = writes(wire)
                asked = person.form(form.action, **sent)
                assert asked.status == 200, (form.action, sent, asked.body)
                assert writes(wire) == before, (form.action, sent)
                confirmed = person.form(form.action, **the_form(asked.body, form.action).fields)
                assert confirmed.status == 303, (form.action, sent, confirmed.body)
                if form.action == "/course-run/act" and not sent["course_run"]:  # else nothing is revoked any more
                    person.post("/v1/automatic-revocations/resume", course_run=None, reason="ticket 12")
                scene.cloud.deliver()
                done.add((form.action, sent.get("choice", "")))
    assert done == {
        ("/course-run/act", "discard"),
        ("/course-run/act", "stop"),
        ("/send-again", ""),
        ("/revocations/ask", ""),
        ("/revocations/decide", "approve"),
        ("/revocations/decide", "decline"),
        ("/regenerations/start", "plan"),
        ("/regenerations/start", "start"),
    }


def test_who_may_not_is_shown_what_it_would_do_and_whom_to_ask(scene: Scene, learner: Learner) -> None:
    broken(scene, learner, 2)
    revocation = Client(scene).post("/v1/revocations", act="release", course_run=learner.course_run, reason="ticket 12")
    fields = {"course_run": learner.course_run, "reason": "ticket 12"}
    forms: list[tuple[str, str, dict[str, str]]] = [
        ("act", "/course-run/act", {**fields, "choice": "stop"}),
        ("act", "/course-run/act", {**fields, "choice": "discard"}),
        ("revoke", "/course-run/act", {**fields, "choice": "resume"}),
        ("approve", "/revocations/decide", {"id": revocation.body["id"], "choice": "approve"}),
        ("approve", "/revocations/decide", {"id": revocation.body["id"], "choice": "decline"}),
        ("act", "/regenerations/start", {"course_runs": learner.course_run, "reason": "ticket 12"}),
    ]
    for scope, path, sent in forms:
        answer = Client(scene, "eve", ("view",)).form(path, "same-origin", **sent)
        assert (answer.status, f"This takes the right to {scope}" in answer.body) == (200, True), path
        assert forms_of(answer.body) == []


def test_what_changed_since_it_was_shown_is_asked_for_again_and_keeps_the_reason(
    scene: Scene, learner: Learner
) -> None:
    learners = broken(scene, learner, 3)
    ada = Client(scene)
    fields = {"course_run": learner.course_run, "choice": "discard", "reason": "the grading job was broken"}
    asked = ada.form("/course-run/act", **fields)
    assert ("3 certificates" in asked.body, f"{learners[0].learner_id}: " in asked.body) == (True, True)
    ada.act("discard", learners[0])
    stale = ada.form("/course-run/act", **the_form(asked.body, "/course-run/act").fields)
    assert (stale.status, "2 certificates" in stale.body) == (409, True)
    assert "the grading job was broken" in stale.body
    assert len(held(scene, learners)) == 2
    assert ada.form("/course-run/act", **the_form(stale.body, "/course-run/act").fields).status == 303
    scene.cloud.deliver()
    assert held(scene, learners) == []


def test_a_case_that_changed_since_its_preview_is_previewed_again_with_the_reason(
    scene: Scene, learner: Learner
) -> None:
    _awarded(scene, learner)
    ada = Client(scene)
    asked = ada.form("/preview", act="invalidate", reason="ticket 12", **about(learner))
    scene.ingest(learner.graded(day(4), 0.9, "A"))
    stale = ada.form("/act", **the_form(asked.body, "/act").fields)
    assert (stale.status, "changed since you looked at it" in stale.body) == (409, True)
    again = the_form(stale.body, "/act").fields
    assert again["reason"] == "ticket 12"
    assert ada.form("/act", **again).status == 303


def test_a_confirmation_that_is_sent_twice_counts_once(scene: Scene, learner: Learner) -> None:
    _awarded(scene, learner)
    ada = Client(scene)
    fields = the_form(ada.form("/preview", act="redecide", reason="ticket 12", **about(learner)).body, "/act").fields
    first, second = (ada.form("/act", **fields).headers["location"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/act", {"act": "redecide"}),
        ("/preview", {"act": "redecide", "version": "x"}),
        ("/preview", {"act": "nothing"}),
        ("/course-run/act", {"choice": "discard", "reason": ""}),
        ("/course-run/act", {"choice": "nothing"}),
        ("/revocations/decide", {"choice": "approve"}),
        ("/regenerations/start", {}),
        ("/regenerations/resume", {}),
    ],
)
def test_a_form_with_a_field_missing_is_refused_with_the_way_back(
    scene: Scene, learner: Learner, path: str, fields: dict[str, str]
) -> None:
    _awarded(scene, learner)
    answer = Client(scene).form(path, **{"reason": "ticket 12", **about(learner), **fields})
    assert answer.status in {404, 409, 422}
    assert "Back to where you were" in answer.body


def test_what_could_not_be_done_just_now_is_sent_again_as_it_was(scene: Scene, learner: Learner, wire: Wire) -> None:
    _awarded(scene, learner)
    ada = Client(scene)
    fields = the_form(ada.form("/preview", act="redecide", reason="ticket 12", **about(learner)).body, "/act").fields
    wire.refuse("PutEvents", "", "ThrottlingException")
    failed = ada.form("/act", **fields)
    wire.around = lambda _, answer: answer()
    assert failed.status == 503
    assert ada.form("/act", **the_form(failed.body, "/act").fields).status == 303
