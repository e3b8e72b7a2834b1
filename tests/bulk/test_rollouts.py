"""Going live and back through the API, on the real state machine and queues: nothing but what the comparison said."""

from collections.abc import Mapping

import pytest

from certrules.core.terms import Status
from tests.bulk.conftest import class_of, everything
from tests.bulk.test_comparison_counts import EXPECTED, plant, recorded, told
from tests.functions.scene import OWN_EVENTS, Learner, Scene, day
from tests.support.conftest import Desk, Told, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def desk(scene: Scene) -> Desk:
    """Somebody who may do everything."""
    return Desk(scene)


def compare(desk: Desk, course_runs: list[str] | str) -> str:
    """Have course runs compared, and return the run's id."""
    answer = desk.post("/v1/regenerations", course_runs=course_runs, reason="before going live", purpose="compare")
    assert answer.status == 202, answer.body
    desk.scene.cloud.deliver()
    run_id = str(answer.body["id"])
    assert desk.get(f"/v1/regenerations/{run_id}").body["state"] == "planned"
    return run_id


def set_to(desk: Desk, setting: str, learner: Learner, key: str = "", **more: object) -> Told:
    """Change who decides in a course run, and let it take effect."""
    answer = desk.post(
        f"/v1/rollout/{setting}", key, course_runs=[learner.course_run], reason="both were compared", **more
    )
    desk.scene.cloud.deliver()
    desk.scene.cloud.deliver(delayed=True)  # a minute later, its learners are decided again
    return answer


def certificates(scene: Scene, learners: Mapping[str, Learner]) -> dict[str, object]:
    """Return what each of them has: status, id and dates."""
    found = {name: scene.certificate(learner) for name, learner in learners.items()}
    return {name: certificate and (certificate.status, *certificate[3:]) for name, certificate in found.items()}


def rollout_of(desk: Desk, learner: Learner) -> dict[str, object]:
    """Return who decides in a course run."""
    (row,) = desk.get("/v1/rollout", course_run=learner.course_run).body["course_runs"]
    return {name: row[name] for name in ("rollout", "by", "reason", "known")}


def test_a_course_run_goes_live_and_back_and_live_again_and_tells_exactly_what_was_planned(
    scene: Scene, learner: Learner, desk: Desk
) -> None:
    planted = plant(scene, learner)
    scene.empty_queues()
    run_id = compare(desk, [learner.course_run])
    report = desk.get(f"/v1/regenerations/{run_id}").body["report"]["comparison"]
    assert (report["revocations"], report["going_live"]["hold"]) == (3, 2)
    scene.empty_queues()

    answer = set_to(desk, "live", learner, comparison=run_id, accept_revocations=3)

    assert (answer.status, answer.body["course_runs"]) == (202, 1)
    assert rollout_of(desk, learner) == {
        "rollout": "live", "by": "ada", "reason": "both were compared", "known": True,
    }  # fmt: skip
    events = [(body["detail-type"], body["detail"]) for body in scene.take(OWN_EVENTS)]
    created = [detail["certificate"]["user"]["id"] for kind, detail in events if kind.endswith("created.v1")]
    changed = [detail["certificate"]["user"]["id"] for kind, detail in events if kind.endswith("changed.v1")]
    held = [detail["revocation"]["learner_id"] for kind, detail in events if kind.endswith("held.v1")]
    by_effect = {
        effect: sorted(planted[name].learner_id for name, (_, found) in EXPECTED.items() if found == effect)
        for effect in ("issue", "label", "hold")
    }
    assert sorted(created) == by_effect["issue"]
    assert sorted(changed) == sorted(by_effect["issue"] + by_effect["label"])
    assert sorted(held) == by_effect["hold"]
    assert not [kind for kind, _ in events if kind.endswith("revoked.v1")]
    have = certificates(scene, planted)

    assert set_to(desk, "shadow", learner).status == 202
    assert rollout_of(desk, learner)["rollout"] == "shadow"
    assert certificates(scene, planted) == have
    assert desk.get("/v1/held", course_run=learner.course_run).body["held"] == []

    again = compare(desk, [learner.course_run])
    history = {name: told(scene, one) for name, one in planted.items()}
    numbers = desk.get(f"/v1/regenerations/{again}").body["report"]["comparison"]
    scene.empty_queues()
    set_to(desk, "live", learner, comparison=again, accept_revocations=numbers["revocations"])
    assert certificates(scene, planted) == have
    for name, one in planted.items():
        news = told(scene, one)[len(history[name]) :]
        assert news == ([(None, "held")] if EXPECTED[name][1] == "hold" else [])


def test_nothing_goes_live_that_nobody_compared_or_looked_at(scene: Scene, learner: Learner, desk: Desk) -> None:
    plant(scene, learner)
    other = Learner(learner.learner_id, f"{learner.course_run}_other")
    scene.ingest(other.configured(day(1), rollout="shadow"))
    run_id = compare(desk, [learner.course_run])
    before = everything(scene)

    refused = [
        set_to(desk, "live", learner),
        set_to(desk, "live", learner, comparison="no-such-run"),
        set_to(desk, "live", learner, comparison=run_id),
        set_to(desk, "live", learner, comparison=run_id, accept_revocations=2),
        set_to(desk, "live", other, comparison=run_id),
        set_to(Desk(scene, "bob", ["view", "act", "revoke"]), "shadow", learner),
    ]

    assert [(answer.status, answer.body["field"]) for answer in refused] == [
        (409, "comparison"),
        (409, "comparison"),
        (409, "accept_revocations"),
        (409, "accept_revocations"),
        (409, "comparison"),
        (403, None),
    ]
    assert "3 certificates" in refused[2].body["title"]
    assert set_to(desk, "sideways", learner).status == 422
    after = everything(scene)
    assert {key: after[key] for key in before} == before


def test_a_course_run_that_nobody_has_spoken_of_has_the_default_and_can_be_put_in_shadow_first(
    learner: Learner, desk: Desk
) -> None:
    assert rollout_of(desk, learner) == {"rollout": "live", "by": "", "reason": "", "known": False}
    run_id = compare(desk, [learner.course_run])
    assert set_to(desk, "live", learner, comparison=run_id).status == 409
    assert set_to(desk, "shadow", learner, "the same key").status == 202
    assert set_to(desk, "shadow", learner, "the same key").status == 202
    assert rollout_of(desk, learner) == {
        "rollout": "shadow", "by": "ada", "reason": "both were compared", "known": True,
    }  # fmt: skip
    run_id = compare(desk, [learner.course_run])
    assert set_to(desk, "live", learner, comparison=run_id).status == 202


def test_all_course_runs_are_listed_a_page_at_a_time(scene: Scene, learner: Learner, desk: Desk) -> None:
    mine = {f"{learner.course_run}_{number:03}" for number in range(120)}
    for name in sorted(mine):
        scene.ingest(Learner(1, name).configured(day(1), rollout="off"))
    found: list[str] = []
    page = desk.get("/v1/rollout").body
    while True:
        assert len(page["course_runs"]) <= 100
        found += [row["course_run"] for row in page["course_runs"]]
        if page["next"] is None:
            break
        page = desk.get("/v1/rollout", cursor=page["next"]).body
    assert mine <= set(found)
    assert len(found) == len(set(found))


def test_the_whole_catalogue_in_shadow_changes_nothing_and_tells_nothing(
    scene: Scene, learner: Learner, desk: Desk
) -> None:
    scene.empty_tables()
    for number in range(4):
        run = Learner(learner.learner_id + 1000 * number, f"{learner.course_run}_{number}")
        learners = class_of(10, run)
        scene.ingest(run.configured(day(1), rollout="shadow"))
        for place, one in enumerate(learners):
            status = Status.DOWNLOADABLE if place % 5 else Status.NOTPASSING
            scene.ingest(
                one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)), recorded(one, status=status)
            )
    before = everything(scene)
    scene.empty_queues()

    run_id = compare(desk, "all")

    assert everything(scene) == before
    assert [body["detail-type"] for body in scene.take(OWN_EVENTS)] == ["certificates.comparison.finished.v1"]
    comparison = desk.get(f"/v1/regenerations/{run_id}").body["report"]["comparison"]
    assert comparison["classes"] == {"agree": 32, "would_issue": 8}
    assert not [key for key in before if key[0] == "HistoryTable"]


def test_support_is_told_who_decides_and_what_would_come_of_it(scene: Scene, learner: Learner, desk: Desk) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"), *learner.qualifying()[1:], recorded(learner))
    decides = "The old logic decides certificates in this course run (rollout: shadow)."

    case = desk.case(learner)
    assert (case["rollout"], case["status"]) == ("shadow", "downloadable")
    assert case["sentence"].startswith(f"{decides} The old logic has a certificate that is downloadable")
    seen = desk.post("/v1/case/preview", act="invalidate", reason="ticket 12", **about(learner)).body
    assert (seen["before"], seen["after"], seen["takes_away"]) == ("downloadable", "downloadable", False)
    assert seen["sentence"].startswith(f"{decides} Nothing changes now; then: The old logic has")
    assert "holds its revocation until a person decides" in seen["sentence"]
    checks = desk.get("/v1/course-run", course_run=learner.course_run).body
    assert [check["sentence"] for check in checks["checks"] if not check["ok"]] == [decides]
