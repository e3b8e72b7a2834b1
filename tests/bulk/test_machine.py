"""The real state machine on the local cloud: asked for through the API, approved by people, applied, announced."""

import json
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest

from certrules.core.terms import Status
from localcloud import Execution
from tests.scenes.bulk_runs import Run, everything, in_parts_of, outcome, revocable, statuses, waiting
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, as_time, tapped
from tests.scenes.support_client import Client, Reported

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def support_client(scene: Scene) -> Client:
    """Somebody who may do everything."""
    return Client(scene)


def start(support_client: Client, learner: Learner, key: str = "", **more: Any) -> str:
    """Ask for a run over a course run, let it go as far as it goes, and return its id."""
    answer = support_client.post(
        "/v1/regenerations", key, course_runs=[learner.course_run], reason="new policy", **more
    )
    assert answer.status == 202, answer.body
    support_client.scene.cloud.deliver()
    return str(answer.body["id"])


def look(support_client: Client, run_id: str) -> Any:
    """Return a run as people see it."""
    answer = support_client.get(f"/v1/regenerations/{run_id}")
    assert answer.status == 200, answer.body
    return answer.body


def approve(support_client: Client, run_id: str, plan_hash: str | None = None, phrase: str = "approve") -> Reported:
    """Approve, or decline, the plan of a run, and let it go on."""
    answer = support_client.post(
        f"/v1/regenerations/{run_id}/{phrase}", hash=plan_hash or look(support_client, run_id)["plan"]["hash"]
    )
    support_client.scene.cloud.deliver()
    return answer


def execution(scene: Scene, name: str) -> Execution:
    """Return the execution of this name."""
    return next(one for one in scene.cloud.executions() if one.name == name)


def reported(scene: Scene) -> list[dict[str, Any]]:
    """Return what the bus received of runs that have ended."""
    kind = "certificates.regeneration.finished.v1"
    return [body["detail"]["regeneration"] for body in scene.take(OWN_EVENTS) if body["detail-type"] == kind]


def test_a_plan_that_takes_nothing_away_is_applied_without_asking_anybody(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = waiting(scene, learner)
    scene.empty_queues()

    run_id = start(support_client, learner)

    run = look(support_client, run_id)
    assert (run["state"], run["plan"]["approvers"], run["plan"]["changes"]) == ("done", "nobody", 5)
    assert run["progress"] == {"shards": 16, "shards_planned": 16, "parts": 1, "parts_applied": 1}
    assert run["report"]["outcome"] == outcome(applied=5)
    assert statuses(scene, learners) == [Status.DOWNLOADABLE] * 5
    assert execution(scene, f"{run_id}-1").status == "SUCCEEDED"
    (event,) = reported(scene)
    assert (event["id"], event["state"], event["applied"], event["requested_by"]) == (run_id, "done", 5, "ada")


def test_asked_for_twice_with_the_same_key_a_run_starts_once(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    waiting(scene, learner, 1)

    first = start(support_client, learner, key="the same key")
    again = start(support_client, learner, key="the same key")
    other = support_client.post("/v1/regenerations", "the same key", course_runs="all", reason="something else")

    assert again == first
    assert (other.status, other.body["field"]) == (422, "Idempotency-Key")
    assert len([one for one in scene.cloud.executions() if one.name.startswith(first)]) == 1


def test_revocations_wait_for_a_second_person_who_names_the_plan_that_they_looked_at(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = revocable(scene, learner, 3)
    bob = Client(scene, "bob")

    run_id = start(support_client, learner)
    run = look(support_client, run_id)
    assert (run["state"], run["plan"]["revocations"], run["resumable"]) == ("waiting", 3, False)
    assert "token" not in json.dumps(run).lower()
    refused = [
        approve(support_client, run_id),  # who asked
        approve(Client(scene, "bob", ["view", "act", "revoke"]), run_id),  # without the right to
        approve(bob, run_id, "0" * 64),  # another plan
        bob.post(f"/v1/regenerations/{run_id}/resume"),
    ]

    assert [answer.status for answer in refused] == [403, 403, 409, 409]
    assert statuses(scene, learners) == [Status.DOWNLOADABLE] * 3
    approved = approve(bob, run_id)

    assert (approved.status, approved.body["state"]) == (200, "approved")
    assert statuses(scene, learners) == [Status.NOTPASSING] * 3
    assert [scene.history(one)[-1]["by"] for one in learners] == ["bob"] * 3
    assert look(support_client, run_id)["state"] == "done"
    assert approve(bob, run_id).status == 409


def test_one_revocation_takes_one_person_with_the_right_to_approve(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = revocable(scene, learner, 1)
    run_id = start(support_client, learner)

    assert approve(Client(scene, "eve", ["view", "act", "revoke"]), run_id).status == 403
    assert approve(support_client, run_id).status == 200

    assert statuses(scene, learners) == [Status.NOTPASSING]


def test_a_declined_plan_changes_nothing(scene: Scene, learner: Learner, support_client: Client) -> None:
    revocable(scene, learner, 2)
    before = everything(scene)
    run_id = start(support_client, learner)
    scene.empty_queues()

    answer = approve(Client(scene, "bob"), run_id, phrase="decline")

    assert (answer.status, answer.body["state"], answer.body["decided_by"]) == (200, "declined", "bob")
    assert look(support_client, run_id)["state"] == "declined"
    assert everything(scene) == before
    assert [event["state"] for event in reported(scene)] == ["declined"]
    assert support_client.post(f"/v1/regenerations/{run_id}/resume").status == 409


def test_a_plan_that_nobody_approves_in_time_expires(scene: Scene, learner: Learner, support_client: Client) -> None:
    revocable(scene, learner, 2)
    before = everything(scene)
    body = {"id": "short", "approval": None, "attempt": 1, "request": hand_made(learner, approval_seconds=1)}
    machines = scene.client("stepfunctions")
    machines.start_execution(
        stateMachineArn=scene.cloud.physical("RegenerateMachine"), name="short-1", input=json.dumps(body)
    )
    until = monotonic() + 60

    while execution(scene, "short-1").status == "RUNNING" and monotonic() < until:
        scene.cloud.deliver()

    assert execution(scene, "short-1").status == "SUCCEEDED"
    run = look(support_client, "short")
    assert (run["state"], run["resumable"]) == ("expired", False)
    assert everything(scene) == before
    assert approve(Client(scene, "bob"), "short").status == 409


def hand_made(learner: Learner, **more: Any) -> dict[str, Any]:
    """Return a request as the API writes it."""
    return {
        "course_runs": [learner.course_run],
        "by": "ada",
        "reason": "new policy",
        "at": as_time(datetime.now(UTC)),
        **more,
    }


def test_a_killed_part_is_reported_by_its_missing_result_and_a_resumed_run_does_only_what_is_missing(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts_of(1, scene, monkeypatch)
    learners = revocable(scene, learner, 4)
    run_id = start(support_client, learner)
    files = Run.of(scene, run_id)
    killed = files.file("parts.json")[1][0]
    with tapped() as wire:
        wire.refuse("PUT", f"results/{killed}.json")
        approve(Client(scene, "bob"), run_id)
    run = look(support_client, run_id)
    assert (run["state"], run["report"]["outcome"]) == ("incomplete", outcome(applied=3, unknown=1))
    assert statuses(scene, learners) == [Status.NOTPASSING] * 4  # it was killed after it had saved
    before = everything(scene)
    invocations = scene.cloud.deliver()

    answer = support_client.post(f"/v1/regenerations/{run_id}/resume")
    deliveries = scene.cloud.deliver()

    assert (answer.status, answer.body["attempt"]) == (202, 2)
    assert look(support_client, run_id)["state"] == "done"
    assert files.file("report.json")["outcome"] == outcome(applied=3, already=1)
    assert files.file("report.json")["approval"]["by"] == "bob"
    assert everything(scene) == before
    assert deliveries["ApplyFunction"].invocations == 1
    assert deliveries["PlanFunction"].invocations == 3  # begin, seal, list parts: no shard again
    assert invocations.idle


def test_two_runs_at_once_over_the_same_course_run_change_each_certificate_once(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = waiting(scene, learner, 3)
    body: dict[str, Any] = {"course_runs": [learner.course_run], "reason": "new policy"}
    ids = [support_client.post("/v1/regenerations", **body).body["id"] for _ in range(2)]

    scene.cloud.deliver()

    found = [look(support_client, run_id)["report"]["outcome"] for run_id in ids]
    assert sum(one["applied"] for one in found) == 3
    assert [len(scene.history(one)) for one in learners] == [1] * 3
    assert [look(support_client, run_id)["state"] for run_id in ids] == ["done", "done"]


def test_all_course_runs_are_planned_and_a_dry_run_is_reported_in_three_forms(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = waiting(scene, learner, 2)

    answer = support_client.post("/v1/regenerations", course_runs="all", reason="<b>look</b>", dry_run=True)
    scene.cloud.deliver()

    run_id = answer.body["id"]
    run = look(support_client, run_id)
    assert run["state"] == "planned"
    report = json.loads(support_client.get(f"/v1/regenerations/{run_id}/report").body["text"])
    assert report["plan"]["counts"]["by_course_run"][learner.course_run] == 2
    table = support_client.get(f"/v1/regenerations/{run_id}/report", form="csv").body["text"]
    assert f"{learners[0].learner_id},{learner.course_run},,downloadable,earned" in table
    page = support_client.get(f"/v1/regenerations/{run_id}/report", form="html").body["text"]
    assert "<svg" in page
    assert "<script" not in page
    assert "&lt;b&gt;look&lt;/b&gt;" in page
    assert statuses(scene, learners) == [None, None]
    listed = support_client.get("/v1/regenerations").body["regenerations"]
    assert listed[0]["id"] == run_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("course_runs", []),
        ("course_runs", "everything"),
        ("course_runs", ["no course run"]),
        ("reason", ""),
        ("statuses", ["brilliant"]),
        ("learners", []),
        ("concurrency", 0),
        ("records_per_second", 3),
        ("approval_seconds", 5),
        ("as_if", "dead"),
        ("purpose", "fun"),
        ("by", "somebody else"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(support_client: Client, field: str, value: Any) -> None:
    body = {"course_runs": ["course-v1:A+B+C"], "reason": "new policy", field: value}

    answer = support_client.post("/v1/regenerations", **body)

    assert answer.status == 422
    stated = f"{answer.body['field']} {answer.body['title']} {answer.body['fix']}"
    assert field.rstrip("s") in stated
    assert support_client.get("/v1/regenerations").body == {"regenerations": []}


def test_more_than_an_execution_takes_is_refused_before_anything_is_stored(support_client: Client) -> None:
    learners = [2**62 + number for number in range(10_000)]

    answer = support_client.post("/v1/regenerations", course_runs="all", reason="too many", learners=learners)

    assert (answer.status, answer.body["field"]) == (422, "body")
    assert support_client.get("/v1/regenerations").body == {"regenerations": []}


def test_without_the_right_to_act_nobody_starts_or_resumes_a_run(scene: Scene, learner: Learner) -> None:
    reader = Client(scene, scopes=["view"])

    assert reader.post("/v1/regenerations", course_runs=[learner.course_run], reason="new policy").status == 403
    assert reader.post("/v1/regenerations/nothing/resume").status == 403
    assert reader.get("/v1/regenerations/nothing").status == 404
    assert reader.get("/v1/regenerations/nothing/report").status == 404
