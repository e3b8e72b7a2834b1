"""The audit log: every act, approval, decline and refusal of a person, and what came of it."""

import csv
from functools import partial
from typing import Any

import pytest

from certrules import aws
from tests.scenes.crashes import Death
from tests.scenes.grading_jobs import broken, class_of, earn
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about, hidden_fields

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def logged(client: Client, **query: object) -> list[tuple[str, str, str, str]]:
    """Return who did what, and the outcome, newest first."""
    entries = client.get("/v1/audit", **query).body["entries"]
    return [(entry["by"], entry["kind"], entry["act"], entry["outcome"]["state"]) for entry in entries]


def test_an_act_is_in_the_log_before_it_takes_effect_and_done_after(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    body = {"act": "invalidate", "reason": "ticket 12", "version": None, **about(learner)}
    assert support_client.post("/v1/case/act", "one-key-only", **body).status == 202
    assert logged(support_client) == [("ada", "act", "invalidate", "sent")]
    scene.cloud.deliver()
    assert support_client.post("/v1/case/act", "one-key-only", **body).status == 202  # again: it counts once
    assert logged(support_client) == [("ada", "act", "invalidate", "done")]
    (entry,) = support_client.get("/v1/audit").body["entries"]
    assert (entry["reason"], entry["learner_id"], entry["course_runs"]) == (
        "ticket 12", learner.learner_id, [learner.course_run],
    )  # fmt: skip
    assert "Invalidate" in support_client.get("/case", **about(learner)).body


def test_every_kind_of_act_is_in_the_log(scene: Scene, learner: Learner, support_client: Client) -> None:
    learners = broken(scene, learner, 3)
    for act, more in (
        ("redecide", {}), ("erase-name", {}), ("date-set", {"date": "2026-05-29T00:00:00Z"}), ("discard", {}),
    ):  # fmt: skip
        assert support_client.act(act, learners[0], **more).status == 202
    on: dict[str, Any] = {"course_run": learner.course_run, "reason": "ticket 12"}
    assert support_client.post("/v1/automatic-revocations/stop", **on).status == 202
    assert support_client.post("/v1/automatic-revocations/resume", course_run=None, reason="ticket 12").status == 202
    assert support_client.post("/v1/held/discard", **{**on, "learners": [learners[1].learner_id]}).status == 202
    asked = support_client.post("/v1/revocations", act="release", **on).body
    scene.cloud.deliver()
    assert support_client.post(f"/v1/revocations/{asked['id']}/approve").status == 403
    assert Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/decline").status == 200
    asked = support_client.post("/v1/revocations", act="release", **on).body
    assert Client(scene, "bob").post(f"/v1/revocations/{asked['id']}/approve").status == 200
    scene.cloud.deliver()
    assert logged(support_client) == [
        ("bob", "approval", "approve", "done"),
        ("ada", "act", "ask to release", "done"),
        ("bob", "decline", "decline", "done"),
        ("ada", "refusal", "approve", "refused"),
        ("ada", "act", "ask to release", "done"),
        ("ada", "act", "discard", "done"),
        ("ada", "act", "resume", "done"),
        ("ada", "act", "stop", "done"),
        ("ada", "act", "discard", "done"),
        ("ada", "act", "date-set", "done"),
        ("ada", "act", "erase-name", "done"),
        ("ada", "act", "redecide", "sent"),
    ]


def test_the_log_is_filtered_and_paged(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = class_of(3, learner)
    earn(scene, learners)
    for each in learners:
        support_client.act("redecide", each)
    Client(scene, "Bob").act("invalidate", learners[0])
    assert len(logged(support_client, actor="bob")) == 1
    assert len(logged(support_client, act="redecide")) == 3
    assert len(logged(support_client, learner_id=learners[0].learner_id)) == 2
    assert len(logged(support_client, course_run=learner.course_run, kind="act")) == 4
    assert logged(support_client, course_run="course-v1:A+B+C") == []
    assert logged(support_client, until="2026-01-01T00:00:00Z") == []
    assert support_client.get("/v1/audit", since="2026-02-01T00:00:00Z", until="2026-01-01T00:00:00Z").status == 422
    assert support_client.get("/v1/audit", cursor="nothing").body["field"] == "cursor"
    monkeypatch.setattr(scene.app("SupportFunction").routes.audit_calls, "PAGE", 3)
    first = support_client.get("/v1/audit").body
    second = support_client.get("/v1/audit", cursor=first["next"]).body
    keys = [entry["key"] for page in (first, second) for entry in page["entries"]]
    assert (len(keys), keys) == (4, sorted(keys, reverse=True))


def test_the_log_reaches_over_the_turn_of_months(scene: Scene, support_client: Client) -> None:
    audit = scene.app("SupportFunction").routes.audit_calls.audit
    with scene.cloud.functions["SupportFunction"].running():
        for number in (1, 31, 32, 90):
            audit.note(f"n{number}", "ada", day(number), "act", audit.Subject("redecide"))
    found = support_client.get("/v1/audit", since="2026-01-01T00:00:00Z", until="2026-03-31T00:00:00Z").body
    assert [entry["at"][:10] for entry in found["entries"]] == ["2026-02-01", "2026-01-31", "2026-01-01"]


def test_what_a_person_may_not_do_is_in_the_log_and_bad_input_is_not(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    viewer = Client(scene, "eve", ["view"])
    assert viewer.act("invalidate", learner).status == 403
    assert viewer.post("/v1/regenerations", course_runs=[learner.course_run], reason="ticket 12").status == 403
    assert viewer.act("invalidate", learner, reason="").status == 422
    (start, invalidate) = viewer.get("/v1/audit").body["entries"]
    assert (start["kind"], start["act"]) == ("refusal", "start a bulk run")
    assert (invalidate["learner_id"], invalidate["outcome"]["state"]) == (learner.learner_id, "refused")
    assert "certificates/revoke" in invalidate["outcome"]["sentence"]


@pytest.mark.parametrize("done", [False, True])
def test_killed_at_any_step_no_act_is_without_its_entry(scene: Scene, learner: Learner, wire: Wire, done: bool) -> None:
    for step in range(100):
        each = Learner(learner.learner_id + step, f"{learner.course_run}{'after' if done else 'before'}")
        earn(scene, [each])
        wire.around = death = Death(step, done=done)
        ask = partial(Client(scene).post, "/v1/case/act", f"key-of-step-{done}-{step}", version=None)
        death.run(partial(ask, act="invalidate" if step % 2 else "redecide", reason="ticket 12", **about(each)))
        wire.around = lambda _, answer: answer()
        scene.cloud.deliver()
        assert len(logged(Client(scene), learner_id=each.learner_id)) == 1, step
        if not death.came:
            return
        if step % 4 == 3:
            scene.empty_tables("SupportTable")  # nobody takes away more than five an hour
    pytest.fail("it never ended")


def test_an_act_costs_one_request_more_for_its_entry(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    scene.ingest(*learner.qualifying())
    before = wire.operations()
    body = {"act": "redecide", "reason": "ticket 12", "version": None, **about(learner)}
    support_client.post("/v1/case/act", **body)
    assert (wire.operations() - before)["PutItem"] == 2  # what was asked for by the key, and the entry


def test_the_page_of_an_act_loads_itself_again_until_it_is_done(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    fields = {"act": "invalidate", "reason": "ticket 12", **about(learner)}
    sent = support_client.form("/act", **hidden_fields(support_client.form("/preview", **fields).body))
    assert sent.status == 303
    path = sent.headers["location"]
    waits = support_client.get(path.partition("?")[0], entry=path.partition("entry=")[2].replace("%23", "#"))
    assert (waits.headers["refresh"], "takes effect in a moment" in waits.body) == ("2", True)
    scene.cloud.deliver()
    done = support_client.get("/result", entry=path.partition("entry=")[2].replace("%23", "#"))
    assert "refresh" not in done.headers
    assert "It has taken effect." in done.body
    assert "unavailable since" in done.body
    assert support_client.get("/result", entry="nothing").status == 404


def test_the_log_is_a_page_and_a_file_in_which_nothing_is_a_formula(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    support_client.act("redecide", learner, reason='=HYPERLINK("http://example.org")')
    page = support_client.get("/audit", actor="ada", since="2026-01-01T00:00").body
    assert "Decide again" in page
    assert "Nobody did anything of that" in support_client.get("/audit", actor="bob").body
    answer = support_client.get("/audit.csv", act="redecide")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(answer.body.splitlines())
    assert (row["by"], row["learner_id"], row["reason"][:2]) == ("ada", str(learner.learner_id), "'=")
    assert support_client.get("/audit", kind="nothing").status == 422


def test_an_entry_expires_after_the_days_of_the_parameter(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    support_client.act("redecide", learner)
    (entry,) = (item for item in scene.items("SupportTable") if item["p"]["S"].startswith("A#"))
    assert int(entry["ttl"]["N"]) == pytest.approx(aws.now().timestamp() + 731 * 86_400, abs=60)
