"""What was published and did not arrive is sent again: previewed, confirmed, noted, under the same ids."""

from typing import Any

import pytest

from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def taken(scene: Scene) -> list[tuple[str, str]]:
    """Return type and id of the events that consumers got."""
    scene.cloud.deliver()
    return [(event["detail-type"], event["detail"]["metadata"]["id"]) for event in scene.take(OWN_EVENTS)]


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

    assert (answer.status, answer.body) == (202, {"sent": 2})
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
    assert (shown.exit_code, shown.stdout) == (0, "3 changes are sent again.\n")
    assert sorted(taken(scene)) == sorted(first)


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
    everything = support_client.post("/v1/send-again/preview", course_run=learner.course_run)
    assert (never.status, unknown.status, everything.status) == (404, 404, 422)
    looking = Client(scene, scopes=("view",))
    assert looking.post("/v1/send-again", **which, changes=2, reason="ticket 12").status == 403
    assert looking.form("/send-again", **which, reason="ticket 12").status == 403
    assert taken(scene) == []
    missing = certs("send-again", learner.course_run, "--learner", "987654", "--reason", "ticket 12", "--yes")
    assert missing.exit_code == NOT_FOUND
