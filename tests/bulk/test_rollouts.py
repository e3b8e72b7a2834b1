"""Going live and back through the API, on the real state machine and queues: just what was compared happens."""

from collections.abc import Mapping

import pytest

from certrules.core.terms import Status
from tests.scenes.bulk_runs import class_of, everything
from tests.scenes.comparisons import EXPECTED, plant, recorded, reported
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, day
from tests.scenes.support_client import Client, Reported, about

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def support_client(scene: Scene) -> Client:
    """Somebody who may do everything."""
    return Client(scene)


def compare(support_client: Client, course_runs: list[str] | str) -> str:
    """Have course runs compared, and return the run's id."""
    answer = support_client.post(
        "/v1/regenerations", course_runs=course_runs, reason="before going live", purpose="compare"
    )
    assert answer.status == 202, answer.body
    support_client.scene.cloud.deliver()
    run_id = str(answer.body["id"])
    assert support_client.get(f"/v1/regenerations/{run_id}").body["state"] == "planned"
    return run_id


def set_to(support_client: Client, setting: str, learner: Learner, key: str = "", **more: object) -> Reported:
    """Change who decides in a course run, and let it take effect."""
    answer = support_client.post(
        f"/v1/rollout/{setting}", key, course_runs=[learner.course_run], reason="both were compared", **more
    )
    support_client.scene.cloud.deliver()
    support_client.scene.cloud.deliver(delayed=True)  # a minute later, its learners are decided again
    return answer


def certificates(scene: Scene, learners: Mapping[str, Learner]) -> dict[str, tuple[object, ...] | None]:
    """Return what each of them has: status, id and dates."""
    found = {name: scene.certificate(learner) for name, learner in learners.items()}
    return {name: certificate and (certificate.status, *certificate[3:]) for name, certificate in found.items()}


def rollout_of(support_client: Client, learner: Learner) -> dict[str, object]:
    """Return who decides in a course run."""
    (row,) = support_client.get("/v1/rollout", course_run=learner.course_run).body["course_runs"]
    return {name: row[name] for name in ("rollout", "by", "reason", "known")}


def test_a_course_run_goes_live_and_back_and_live_again_and_shows_exactly_what_was_planned(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    planted = plant(scene, learner)
    scene.empty_queues()
    run_id = compare(support_client, [learner.course_run])
    report = support_client.get(f"/v1/regenerations/{run_id}").body["report"]["comparison"]
    assert (report["revocations"], report["going_live"]["hold"]) == (3, 2)
    scene.empty_queues()

    answer = set_to(support_client, "live", learner, comparison=run_id, accept_revocations=3)

    assert (answer.status, answer.body["course_runs"]) == (202, 1)
    assert rollout_of(support_client, learner) == {
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

    assert set_to(support_client, "shadow", learner).status == 202
    assert rollout_of(support_client, learner)["rollout"] == "shadow"
    assert certificates(scene, planted) == have
    assert support_client.get("/v1/held", course_run=learner.course_run).body["held"] == []

    again = compare(support_client, [learner.course_run])
    history = {name: reported(scene, one) for name, one in planted.items()}
    numbers = support_client.get(f"/v1/regenerations/{again}").body["report"]["comparison"]
    scene.empty_queues()
    set_to(support_client, "live", learner, comparison=again, accept_revocations=numbers["revocations"])
    assert certificates(scene, planted) == have
    for name, one in planted.items():
        news = reported(scene, one)[len(history[name]) :]
        assert news == ([(None, "held")] if EXPECTED[name][1] == "hold" else [])


def test_nothing_goes_live_that_nobody_compared_or_looked_at(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    plant(scene, learner)
    other = Learner(learner.learner_id, f"{learner.course_run}_other")
    scene.ingest(other.configured(day(1), rollout="shadow"))
    run_id = compare(support_client, [learner.course_run])
    before = everything(scene)

    refused = [
        set_to(support_client, "live", learner),
        set_to(support_client, "live", learner, comparison="no-such-run"),
        set_to(support_client, "live", learner, comparison=run_id),
        set_to(support_client, "live", learner, comparison=run_id, accept_revocations=2),
        set_to(support_client, "live", other, comparison=run_id),
        set_to(Client(scene, "bob", ["view", "act", "revoke"]), "shadow", learner),
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
    assert set_to(support_client, "sideways", learner).status == 422
    after = everything(scene)
    assert {key: after[key] for key in before} == before


def test_a_course_run_that_nobody_has_spoken_of_has_the_default_and_can_be_put_in_shadow_first(
    learner: Learner, support_client: Client
) -> None:
    assert rollout_of(support_client, learner) == {"rollout": "live", "by": "", "reason": "", "known": False}
    run_id = compare(support_client, [learner.course_run])
    unknown = set_to(support_client, "live", learner, comparison=run_id, accept_not_compared=1)
    assert (unknown.status, unknown.body["field"]) == (409, "course_runs")
    assert set_to(support_client, "shadow", learner, "the same key").status == 202
    assert set_to(support_client, "shadow", learner, "the same key").status == 202
    assert rollout_of(support_client, learner) == {
        "rollout": "shadow", "by": "ada", "reason": "both were compared", "known": True,
    }  # fmt: skip
    run_id = compare(support_client, [learner.course_run])
    refused = set_to(support_client, "live", learner, comparison=run_id)
    assert (refused.status, refused.body["field"]) == (409, "accept_not_compared")
    assert f"{learner.course_run}: no learner is known in it; nothing was compared" in refused.body["title"]
    assert set_to(support_client, "live", learner, comparison=run_id, accept_not_compared=1).status == 202


def test_what_the_old_logic_withheld_goes_live_only_when_its_number_is_accepted(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    restricted, deleted, notpassing, failing = class_of(4, learner)
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    for one, status in (
        (restricted, Status.RESTRICTED), (deleted, Status.DELETED), (notpassing, Status.NOTPASSING),
        (failing, Status.RESTRICTED),
    ):  # fmt: skip
        grade = one.failing(day(3)) if one is failing else one.passing(day(3))
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), grade, recorded(one, day(4), status))
    run_id = compare(support_client, [learner.course_run])

    assert support_client.get(f"/v1/regenerations/{run_id}").body["report"]["comparison"]["withheld"] == 3
    refused = [
        set_to(support_client, "live", learner, comparison=run_id, accept_withheld=number) for number in (0, 2, 4)
    ]
    assert {(answer.status, answer.body["field"]) for answer in refused} == {(409, "accept_withheld")}
    assert "3 certificates were withheld by the old logic (1 deleted, 2 restricted)" in refused[0].body["title"]
    assert certificates(scene, {"r": restricted})["r"] is not None
    page = support_client.get("/regeneration", id=run_id).body
    assert f"/regeneration/issued?id={run_id}" in page
    listed = support_client.get("/regeneration/issued", id=run_id).body
    assert all(f">{one.learner_id}</a>" in listed for one in (restricted, deleted, notpassing))
    assert f">{failing.learner_id}</a>" not in listed
    assert support_client.get("/regeneration/issued", id=run_id, start="x").status == 422

    scene.ingest(restricted.invalidated(day(6)), failing.invalidated(day(6)))
    again = compare(support_client, [learner.course_run])
    assert set_to(support_client, "live", learner, comparison=again, accept_withheld=1).status == 202
    found = certificates(scene, {"r": restricted, "d": deleted, "n": notpassing, "f": failing})
    assert {name: certificate and certificate[0] for name, certificate in found.items()} == {
        "r": "unavailable", "d": "downloadable", "n": "downloadable", "f": "unavailable",
    }  # fmt: skip


def test_all_course_runs_are_listed_a_page_at_a_time(scene: Scene, learner: Learner, support_client: Client) -> None:
    mine = {f"{learner.course_run}_{number:03}" for number in range(120)}
    for name in sorted(mine):
        scene.ingest(Learner(1, name).configured(day(1), rollout="off"))
    found: list[str] = []
    page = support_client.get("/v1/rollout").body
    while True:
        assert len(page["course_runs"]) <= 100
        found += [row["course_run"] for row in page["course_runs"]]
        if page["next"] is None:
            break
        page = support_client.get("/v1/rollout", cursor=page["next"]).body
    assert mine <= set(found)
    assert len(found) == len(set(found))


def test_the_whole_catalogue_in_shadow_changes_and_publishes_nothing(
    scene: Scene, learner: Learner, support_client: Client
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

    run_id = compare(support_client, "all")

    assert everything(scene) == before
    assert [body["detail-type"] for body in scene.take(OWN_EVENTS)] == ["certificates.comparison.finished.v1"]
    comparison = support_client.get(f"/v1/regenerations/{run_id}").body["report"]["comparison"]
    assert comparison["classes"] == {"agree": 32, "would_issue": 8}
    assert not [key for key in before if key[0] == "HistoryTable"]


def test_support_reads_who_decides_and_what_the_outcome_would_be(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(
        learner.configured(day(1), rollout="shadow", display_behavior="early_no_info"),
        *learner.qualifying()[1:],
        recorded(learner),
    )
    decides = "The old logic decides certificates in this course run (rollout: shadow)."

    case = support_client.case(learner)
    assert (case["rollout"], case["status"]) == ("shadow", "downloadable")
    assert case["sentence"].startswith(f"{decides} The old logic has a certificate that is downloadable")
    seen = support_client.post("/v1/case/preview", act="invalidate", reason="ticket 12", **about(learner)).body
    assert (seen["before"], seen["after"], seen["takes_away"]) == ("downloadable", "downloadable", False)
    assert seen["sentence"].startswith(f"{decides} Nothing changes now; then: The old logic has")
    assert "holds its revocation until a person decides" in seen["sentence"]
    checks = support_client.get("/v1/course-run", course_run=learner.course_run).body
    assert [check["sentence"] for check in checks["checks"] if not check["ok"]] == [decides]
