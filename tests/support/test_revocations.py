"""Revoking several certificates takes two people; what a broken grading job would take away is held for them."""

import json
from functools import partial

import pytest

from certrules import aws
from certrules.core.terms import Status
from certrules.support import acts, revocations
from tests.scenes.crashes import Death
from tests.scenes.grading_jobs import break_grades, broken, class_of, earn, held, statuses
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_a_whole_course_runs_broken_grades_revoke_nothing_until_two_people_release_it(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = broken(scene, learner)
    lucky = learners[0]
    support_client.act("discard", lucky, reason="passed on paper")
    asked = support_client.post(
        "/v1/revocations", act="release", course_run=learner.course_run, reason="the exam was void"
    )
    assert (asked.status, asked.body["state"], len(asked.body["learners"])) == (201, "requested", 4)
    assert statuses(scene, learners) == ["downloadable"] * 5
    late = class_of(6, learner)[5]
    earn(scene, [late])
    break_grades(scene, [late], day(11))

    alone = support_client.post(f"/v1/revocations/{asked.body['id']}/approve")
    approved = Client(scene, "bob").post(f"/v1/revocations/{asked.body['id']}/approve")
    scene.cloud.deliver()

    assert (alone.status, "second person" in alone.body["fix"]) == (403, True)
    assert (approved.status, approved.body["state"]) == (200, "done")
    assert statuses(scene, learners) == ["downloadable", *["notpassing"] * 4]
    assert held(scene, [*learners, late]) == [late]
    last = scene.history(learners[1])[-1]
    assert (last["by"], last["reason"]) == ("bob", "the exam was void (asked for by ada)")


def test_all_that_is_held_in_a_course_run_is_discarded_by_one_person_for_it_hurts_nobody(
    scene: Scene, learner: Learner
) -> None:
    learners = broken(scene, learner)
    second_client = Client(scene, scopes=["view", "act"])
    answer = second_client.post("/v1/held/discard", course_run=learner.course_run, reason="the grading job was broken")
    scene.cloud.deliver()
    assert (answer.status, answer.body) == (202, {"discarded": 5, "left": 0})
    assert held(scene, learners) == []
    assert statuses(scene, learners) == ["downloadable"] * 5


def test_the_held_list_pages_through_all_of_them(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = broken(scene, learner, 7)
    monkeypatch.setattr(scene.app("SupportFunction").routes.course_run_calls, "PAGE", 3)
    found, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        page = support_client.get("/v1/held", course_run=learner.course_run, cursor=cursor).body
        found += [row["learner_id"] for row in page["held"]]
        cursor, pages = page["next"], pages + 1
    assert sorted(found) == [each.learner_id for each in learners]
    assert pages >= 3


def test_several_are_invalidated_only_with_a_second_person_who_may_approve(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(3, learner)
    earn(scene, learners)
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    asked = support_client.post("/v1/revocations", learners=[each.learner_id for each in learners[:2]], **body).body
    assert Client(scene, "bob", ["view", "act", "revoke"]).post(f"/v1/revocations/{asked['id']}/approve").status == 403
    assert Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/decline").body["state"] == "declined"
    assert Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/approve").status == 409
    asked = support_client.post("/v1/revocations", learners=[each.learner_id for each in learners[:2]], **body).body
    assert Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/approve").status == 200
    scene.cloud.deliver()
    assert statuses(scene, learners) == ["unavailable", "unavailable", "downloadable"]


def test_nobody_revokes_a_whole_class_one_by_one(scene: Scene, learner: Learner) -> None:
    learners = class_of(acts.ALONE + 2, learner)
    earn(scene, learners)
    hasty = Client(scene, "hasty")
    answers = [hasty.act("invalidate", each) for each in learners]
    assert [answer.status for answer in answers] == [*[202] * acts.ALONE, 403, 403]
    assert "second person" in answers[-1].body["fix"]
    assert statuses(scene, learners).count(Status.DOWNLOADABLE) == 2
    assert hasty.act("allowlist-add", learners[-1]).status == 202


def test_the_same_key_asks_once_and_nothing_or_too_much_is_refused(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    ids = [each.learner_id for each in class_of(3, learner)]
    earn(scene, class_of(3, learner))
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    first = support_client.post("/v1/revocations", "one-key-only", learners=ids[:2], **body).body
    assert support_client.post("/v1/revocations", "one-key-only", learners=ids[1::-1], **body).body == first
    assert support_client.post("/v1/revocations", "one-key-only", learners=ids[2:], **body).status == 422
    assert support_client.post("/v1/revocations", learners=[], **body).status == 422
    assert (
        support_client.post("/v1/revocations", learners=list(range(1, revocations.MOST_LEARNERS + 2)), **body).status
        == 422
    )
    assert support_client.post("/v1/revocations", **body).body["field"] == "learners"
    release = {**body, "act": "release"}
    assert support_client.post("/v1/revocations", **release).status == 409
    assert support_client.post("/v1/revocations", learners=ids[:1], **release).status == 409
    assert support_client.post("/v1/revocations", learners=[999], **body).status == 404
    assert support_client.post("/v1/revocations/nothing/approve").status == 404


def test_what_nobody_approved_in_time_expires(scene: Scene, learner: Learner, support_client: Client) -> None:
    earn(scene, class_of(2, learner))
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    asked = support_client.post(
        "/v1/revocations", learners=[each.learner_id for each in class_of(2, learner)], **body
    ).body
    after = aws.now() + revocations.APPROVAL_TIME
    (item,) = (item for item in scene.items("SupportTable") if item["p"]["S"] == "V" and item["s"]["S"] == asked["id"])
    stored_record = {**json.loads(item["b"]["S"]), "expires_at": "2026-01-01T00:00:00Z"}
    item["b"] = {"S": json.dumps(stored_record)}
    scene.client("dynamodb").put_item(TableName=scene.cloud.physical("SupportTable"), Item=item)

    refused = Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/approve")

    assert (refused.status, "expired" in refused.body["title"]) == (409, True)
    assert asked["expires_at"] <= after.isoformat()


@pytest.mark.parametrize("done", [False, True])
def test_killed_at_any_step_an_approval_that_is_given_again_revokes_each_once(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire, done: bool
) -> None:
    for step in range(100):
        learners = [Learner(each.learner_id + 100 * step, each.course_run) for each in class_of(2, learner)]
        earn(scene, learners)
        body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
        asked = support_client.post("/v1/revocations", learners=[each.learner_id for each in learners], **body).body
        death = Death(step, done=done)
        wire.around = death
        answer = death.run(partial(Client(scene, "bob").post, f"/v1/revocations/{asked['id']}/approve"))
        wire.around = lambda _, answer: answer()
        scene.cloud.deliver()
        assert (answer.status, answer.body["state"]) == (200, "done"), (step, answer.body)
        assert statuses(scene, learners) == ["unavailable"] * 2, step
        phrases = [
            entry for each in learners for entry in scene.stored_record(each).timeline if entry.fact == "invalidation"
        ]
        assert len(phrases) == 2, step
        if not death.came:
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("done", [False, True])
def test_killed_at_any_step_a_discard_of_all_that_is_asked_for_again_discards_each_once(
    scene: Scene, learner: Learner, wire: Wire, done: bool
) -> None:
    for step in range(100):
        course_run = f"course-v1:Step+{step}+{learner.learner_id}{'after' if done else 'before'}"
        learners = broken(scene, Learner(learner.learner_id, course_run), 2)
        death = Death(step, done=done)
        wire.around = death
        ask = partial(Client(scene).post, "/v1/held/discard", f"key-of-step-{step}")
        answer = death.run(partial(ask, course_run=course_run, reason="the grading job was broken"))
        wire.around = lambda _, answer: answer()
        scene.cloud.deliver()
        assert (answer.status, answer.body) == (202, {"discarded": 2, "left": 0}), step
        phrases = [
            entry.value
            for each in learners
            for entry in scene.stored_record(each).timeline
            if entry.fact == "revocation"
        ]
        assert phrases.count("discarded") == 2, step
        assert held(scene, learners) == [], step
        if not death.came:
            return
    pytest.fail("it never ended")


def test_a_key_that_discarded_in_one_course_run_discards_in_no_other(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    another = Learner(learner.learner_id, f"{learner.course_run}b")
    broken(scene, learner, 1)
    broken(scene, another, 1)
    body = {"course_run": learner.course_run, "reason": "the grading job was broken"}
    assert support_client.post("/v1/held/discard", "one-key-only", **body).status == 202
    other = support_client.post("/v1/held/discard", "one-key-only", **{**body, "course_run": another.course_run})
    assert (other.status, other.body["field"]) == (422, "Idempotency-Key")


def test_nobody_is_two_persons_by_another_spelling_of_their_name(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(acts.ALONE + 1, learner)
    earn(scene, learners)
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    asked = support_client.post("/v1/revocations", learners=[each.learner_id for each in learners], **body).body
    for name in ("ADA", "Ada", " ada", "\uff41da"):
        assert Client(scene, name).post(f"/v1/revocations/{asked['id']}/approve").status == 403
    answers = [Client(scene, "eve" if each.learner_id % 2 else "Eve").act("invalidate", each) for each in learners]
    assert [answer.status for answer in answers] == [*[202] * acts.ALONE, 403]


def test_whoever_approves_may_carry_on_what_another_was_killed_at(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    learners = class_of(2, learner)
    earn(scene, learners)
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    asked = support_client.post("/v1/revocations", learners=[each.learner_id for each in learners], **body).body
    path = f"/v1/revocations/{asked['id']}/approve"
    wire.refuse("PutEvents", "", "ThrottlingException")
    assert Client(scene, "bob").post(path).status == 503
    wire.around = lambda _, answer: answer()
    assert Client(scene, "cem").post(f"/v1/revocations/{asked['id']}/decline").status == 409
    assert Client(scene, "cem").post(path).body["state"] == "done"
    assert Client(scene, "dan").post(path).status == 409
    scene.cloud.deliver()
    assert statuses(scene, learners) == ["unavailable"] * 2
    assert {scene.history(each)[-1]["by"] for each in learners} == {"bob"}


def test_the_allowlisted_are_not_invalidated_in_bulk_not_even_if_they_were_listed_meanwhile(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(2, learner)
    earn(scene, learners)
    body = {"act": "invalidate", "course_run": learner.course_run, "reason": "the exam was void"}
    body["learners"] = [each.learner_id for each in learners]  # type: ignore[assignment]
    asked = support_client.post("/v1/revocations", **body).body
    support_client.act("allowlist-add", learners[1])
    for refused in (
        Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/approve"),
        support_client.post("/v1/revocations", **body),
    ):
        assert (refused.status, str(learners[1].learner_id) in refused.body["title"]) == (409, True)
        assert "remove their entries first" in refused.body["fix"]
    assert statuses(scene, learners) == ["downloadable"] * 2


def test_what_was_asked_for_already_is_not_asked_for_again(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = broken(scene, learner, 3)
    assert support_client.get("/v1/revocations").body == {"revocations": []}
    monkeypatch.setattr(scene.app("SupportFunction").routes.revocation_calls.bulk_revocations, "MOST_LEARNERS", 2)
    body = {"act": "release", "course_run": learner.course_run, "reason": "the exam was void"}
    first, second = (support_client.post("/v1/revocations", **body).body for _ in range(2))
    assert ([len(found["learners"]) for found in (first, second)], first["left"], second["left"]) == ([2, 1], 1, 0)
    assert sorted([*first["learners"], *second["learners"]]) == [str(each.learner_id) for each in learners]
    assert support_client.post("/v1/revocations", **body).status == 409
