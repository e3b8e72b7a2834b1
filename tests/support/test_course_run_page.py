"""The headline of a course run: what concerns most learners first, and no blame for what stands in nobody's way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import break_grades, class_of, earn
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

FINE = "Nothing in its configuration keeps certificates from being issued and shown"
BLOCKED = "Something in its configuration stands in the way"


def looked_at(client: Client, course_run: str) -> Any:
    answer = client.get("/v1/course-run", course_run=course_run)
    assert answer.status == 200
    assert answer.body["headline"] in client.get("/course-run", course_run=course_run).body.replace("&#39;", "'")
    return answer.body


def test_a_course_run_without_a_fault_is_fine(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(learner.configured(day(1), self_paced=True), *learner.qualifying()[1:])
    found = looked_at(support_client, learner.course_run)
    assert (found["ok"], found["state"], found["headline"]) == (True, "fine", f"{FINE}.")


def test_the_kill_switch_is_named_and_the_configuration_is_not_blamed(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(learner.configured(day(1), self_paced=True), *learner.qualifying()[1:])
    support_client.post("/v1/automatic-revocations/stop", course_run=learner.course_run, reason="ticket 12")
    scene.cloud.deliver()
    found = looked_at(support_client, learner.course_run)
    assert (found["ok"], found["state"], BLOCKED in found["headline"]) == (False, "look", False)
    assert found["headline"].startswith(f"{FINE}, but: Automatic revocations are stopped since")


def test_a_tripped_breaker_is_named_and_the_configuration_is_not_blamed(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(2, learner)
    breaker = {"breaker_limit": 0, "breaker_window_seconds": 7 * 86_400}
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    scene.ingest(learner.configured(day(1), self_paced=True, policy=breaker))
    earn(scene, learners)
    break_grades(scene, learners, yesterday)  # the checklist looks at the breaker as of now
    found = looked_at(support_client, learner.course_run)
    assert (found["state"], BLOCKED in found["headline"]) == ("look", False)
    assert "The breaker holds automatic revocations" in found["headline"]


def test_modes_that_earn_nothing_are_named_first(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(learner.configured(day(1), self_paced=True), *learner.qualifying()[1:])
    auditing = [Learner(learner.learner_id * 10 + number, learner.course_run) for number in range(7)]
    scene.ingest(*(one.enrolled(day(2), "audit") for one in auditing))
    found = looked_at(support_client, learner.course_run)
    assert found["headline"].startswith(
        "88% of enrolled learners (7 of 8) are in modes that earn no certificate: audit 7."
    )
    assert (found["ok"], found["state"], found["checks"][0]["about"]) == (False, "look", "learners")
    shown = certs("check", learner.course_run)
    assert (shown.exit_code, shown.stdout.startswith("88% of enrolled learners")) == (1, True)


def test_what_stands_in_the_way_is_in_the_headline(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(learner.configured(day(1), web_certificates_enabled=False))
    found = looked_at(support_client, learner.course_run)
    assert (found["state"], BLOCKED in found["headline"]) == ("blocked", True)
    assert "Web certificates are off for the course run." in found["headline"]


def test_learners_of_a_course_run_without_a_configuration_are_there(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(learner.enrolled(day(1)))
    found = looked_at(support_client, learner.course_run)
    assert (found["state"], found["headline"]) == (
        "blocked", f"{BLOCKED}: The course run's configuration was never received.",
    )  # fmt: skip
    assert "dates" not in [check["code"] for check in found["checks"]]


def test_an_unknown_course_run_is_unknown_and_similar_keys_are_named(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(learner.configured(day(1)))
    wrong = learner.course_run.replace("2026", "2062")
    found = looked_at(support_client, wrong)
    assert (found["ok"], found["state"], len(found["checks"])) == (False, "unknown", 1)
    assert "it is unknown here" in found["headline"]
    assert learner.course_run in found["headline"]
    page = support_client.get("/course-run", course_run=wrong).body
    assert "<h2>Act</h2>" not in page


@pytest.mark.parametrize("switch", ["stop", "resume"])
def test_nobody_switches_in_a_course_run_that_nobody_knows(
    scene: Scene, learner: Learner, support_client: Client, switch: str
) -> None:
    scene.ingest(learner.configured(day(1)))
    wrong = learner.course_run.replace("2026", "2062")
    answer = support_client.post(f"/v1/automatic-revocations/{switch}", course_run=wrong, reason="ticket 12")
    assert (answer.status, learner.course_run in answer.body["fix"]) == (404, True)
    fields = {"course_run": wrong, "key": "a-key-of-mine", "reason": "ticket 12", "choice": switch}
    assert support_client.form("/course-run/act", **fields).status == 404
    discarded = support_client.post("/v1/held/discard", course_run=wrong, reason="ticket 12")
    assert discarded.status == 404
    command = certs("revocations", switch, "--course-run", wrong, "--reason", "ticket 12", "--yes")
    assert command.exit_code in {2, NOT_FOUND}
