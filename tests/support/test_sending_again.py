"""What was published and did not arrive is sent again: previewed, confirmed, noted, under the same ids."""

import re
from html import unescape
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, Wire, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def taken(scene: Scene) -> list[tuple[str, str]]:
    """Return type and id of the events that consumers got."""
    scene.cloud.deliver()
    return [(event["detail-type"], event["detail"]["metadata"]["id"]) for event in scene.take(OWN_EVENTS)]


@pytest.fixture
def sending_again(scene: Scene) -> ModuleType:
    """The support function's own module that finds and sends."""
    return scene.module("SupportFunction", "certrules.support.sending_again")


def fields_of(page: str) -> dict[str, str]:
    """Return the fields of the form that confirms."""
    return {name: unescape(value) for name, value in re.findall(r'name="([a-z_]+)" value="([^"]*)"', page)}


def lost(scene: Scene, learner: Learner) -> list[tuple[str, str]]:
    """Award a certificate and invalidate it, and return the events."""
    scene.ingest(*learner.qualifying())
    scene.ingest(learner.invalidated(day(6)))
    return taken(scene)


def test_a_certificate_is_sent_again_as_the_same_events(scene: Scene, learner: Learner, support_client: Client) -> None:
    first = lost(scene, learner)
    before = scene.certificate(learner), scene.history(learner)
    which: dict[str, Any] = {"course_run": learner.course_run, "learner_id": learner.learner_id}
    seen = support_client.post("/v1/send-again/preview", **which).body
    assert (seen["changes"], seen["certificates"], seen["first"][0]["status"]) == (2, 1, "downloadable")

    answer = support_client.post("/v1/send-again", **which, changes=2, reason="ticket 12")

    assert (answer.status, answer.body) == (202, {"sent": 2, "next": None})
    assert (len(first), sorted(taken(scene))) == (4, sorted(first))
    assert (scene.certificate(learner), scene.history(learner)) == before
    noted = support_client.get("/v1/audit").body["entries"][0]
    assert (noted["act"], noted["reason"], noted["count"]) == ("send again", "ticket 12", 2)


def test_a_course_run_is_sent_again_for_a_time(scene: Scene, learner: Learner, support_client: Client) -> None:
    other = Learner(learner.learner_id * 10, learner.course_run)
    auditing = Learner(learner.learner_id * 10 + 1, learner.course_run)
    first = lost(scene, learner)
    scene.ingest(*other.qualifying()[1:], auditing.enrolled(day(1), "audit"))
    first += taken(scene)
    which: dict[str, Any] = {"course_run": learner.course_run, "since": day(5).isoformat()}
    assert support_client.post("/v1/send-again/preview", **which).body["changes"] == 1
    which |= {"since": day(1).isoformat(), "until": day(6).isoformat()}
    assert support_client.post("/v1/send-again/preview", **which).body["changes"] == 2
    assert support_client.post("/v1/send-again", **which, changes=2, reason="ticket 12").status == 202
    assert len(taken(scene)) == 4
    shown = certs("send-again", learner.course_run, "--since", day(1).isoformat(), "--reason", "ticket 12", "--yes")
    assert (shown.exit_code, shown.stdout) == (0, "Sent again: 3 changes.\n")
    assert sorted(taken(scene)) == sorted(first)


def test_all_course_runs_are_sent_again_for_a_time_in_parts(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch, sending_again: ModuleType
) -> None:
    scene.empty_tables("CertificatesTable", "HistoryTable", "SupportTable")
    monkeypatch.setattr(sending_again, "MOST_AT_ONCE", 2)
    other = Learner(learner.learner_id * 10, f"{learner.course_run}_B")
    first = lost(scene, learner) + lost(scene, other)
    which: dict[str, Any] = {"since": day(1).isoformat(), "until": day(7).isoformat()}
    seen = support_client.post("/v1/send-again/preview", **which).body
    counts = {name: seen[name] for name in ("changes", "certificates", "next_sent", "most_events")}
    assert counts == {"changes": 4, "certificates": 2, "next_sent": 2, "most_events": 8}
    assert [one["at"] for one in seen["first"]] == sorted(one["at"] for one in seen["first"])
    assert {one["course_run"] for one in seen["first"]} == {learner.course_run, other.course_run}
    answers = [
        support_client.post("/v1/send-again", **which, changes=4, skip=skip, reason="ticket 12").body for skip in (0, 2)
    ]
    assert answers == [{"sent": 2, "next": 2}, {"sent": 2, "next": None}]
    assert sorted(taken(scene)) == sorted(first)
    assert support_client.post("/v1/send-again", **which, changes=4, skip=4, reason="ticket 12").status == 404
    noted = support_client.get("/v1/audit").body["entries"]
    assert [(entry["act"], entry["course_runs"], entry["count"]) for entry in noted] == [("send again", [], 2)] * 2

    shown = certs("send-again", "--since", day(1).isoformat(), "--reason", "ticket 12", "--yes")
    assert (shown.exit_code, shown.stdout) == (0, "Sent again: 4 changes.\n")
    assert "2 of 4 are sent (--skip 2 --until" in shown.stderr
    assert sorted(taken(scene)) == sorted(first)
    rest = certs("send-again", "--since", day(1).isoformat(), "--skip", "3", "--reason", "ticket 12", "--yes")
    assert (rest.stdout, len(taken(scene))) == ("Sent again: 1 change.\n", 2)


def test_in_the_console_all_course_runs_are_sent_again_part_by_part(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch, sending_again: ModuleType
) -> None:
    scene.empty_tables("CertificatesTable", "HistoryTable", "SupportTable")
    monkeypatch.setattr(sending_again, "MOST_AT_ONCE", 1)
    first = lost(scene, learner)
    assert 'action="/send-again"' in support_client.get("/consumers").body
    assert 'action="/send-again"' not in Client(scene, scopes=("view",)).get("/consumers").body
    fields: dict[str, Any] = {"since": day(1).isoformat(), "reason": "ticket 12"}
    asked = support_client.form("/send-again", **fields)
    assert "Send 1 change again" in asked.body
    assert "There are 2 changes: the oldest go first" in asked.body
    assert "up to 2 events" in asked.body
    assert f"{learner.learner_id}: {learner.course_run}, downloadable on" in asked.body
    following = support_client.form("/send-again", **fields_of(asked.body))
    assert (following.status, "Sent again by now: 1 of 2 changes" in following.body, len(taken(scene))) == (
        200,
        True,
        2,
    )
    done = support_client.form("/send-again", **fields_of(following.body))
    assert (done.status, done.headers["location"].startswith("/result")) == (303, True)
    entry = parse_qs(urlsplit(done.headers["location"]).query)["entry"][0]
    assert '<a href="/consumers">Back to what arrived</a>' in support_client.get("/result", entry=entry).body
    assert len(taken(scene)) == 2
    assert len(first) == 4


def test_too_many_changes_are_refused_with_what_to_do(
    scene: Scene, learner: Learner, support_client: Client, monkeypatch: pytest.MonkeyPatch, sending_again: ModuleType
) -> None:
    lost(scene, learner)
    which: dict[str, Any] = {"since": day(1).isoformat(), "until": day(9).isoformat()}
    for name in ("MOST_CHANGES", "MOST_LOOKED_AT"):
        with monkeypatch.context() as changed:
            changed.setattr(sending_again, name, 1)
            answer = support_client.post("/v1/send-again/preview", **which)
            assert (answer.status, "shorter time" in answer.body["fix"]) == (409, True)


def test_looking_for_the_changes_of_a_time_costs_a_request_for_each_shard(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    lost(scene, learner)
    wire.sent.clear()
    support_client.post("/v1/send-again/preview", since=day(1).isoformat(), until=day(9).isoformat())
    assert wire.operations() == {"Query": 16}


def test_in_the_console_it_is_shown_before_it_is_sent(scene: Scene, learner: Learner, support_client: Client) -> None:
    lost(scene, learner)
    case = support_client.get("/case", learner_id=learner.learner_id, course_run=learner.course_run).body
    assert 'action="/send-again"' in case
    fields: dict[str, Any] = {"course_run": learner.course_run, "learner_id": learner.learner_id, "reason": "ticket 12"}
    asked = support_client.form("/send-again", **fields)
    assert (asked.status, "Send 2 changes again" in asked.body, taken(scene)) == (200, True, [])
    seen = asked.body.partition('name="seen" value="')[2].partition('"')[0]
    confirmed = support_client.form("/send-again", **fields, seen=seen)
    assert (confirmed.status, confirmed.headers["location"].startswith("/result")) == (303, True)
    assert len(taken(scene)) == 4


def test_what_was_not_seen_or_never_published_is_not_sent(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    lost(scene, learner)
    which: dict[str, Any] = {"course_run": learner.course_run, "learner_id": learner.learner_id}
    stale = support_client.post("/v1/send-again", **which, changes=1, reason="ticket 12")
    assert (stale.status, stale.body["field"]) == (409, "changes")
    never = support_client.post("/v1/send-again/preview", **{**which, "learner_id": 987_654})
    unknown = support_client.post("/v1/send-again/preview", course_run=f"{learner.course_run}x", learner_id=1)
    for asked in ({"course_run": learner.course_run}, {}, {"learner_id": 1, "since": day(1).isoformat()}):
        assert support_client.post("/v1/send-again/preview", **asked).status == 422
    assert (never.status, unknown.status) == (404, 404)
    looking = Client(scene, scopes=("view",))
    assert looking.post("/v1/send-again", **which, changes=2, reason="ticket 12").status == 403
    assert looking.form("/send-again", **which, reason="ticket 12").status == 403
    assert taken(scene) == []
    missing = certs("send-again", learner.course_run, "--learner", "987654", "--reason", "ticket 12", "--yes")
    assert missing.exit_code == NOT_FOUND
