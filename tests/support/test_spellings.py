"""A course run's key in another spelling: what was probably meant is named, by few requests."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from certrules.formats.refusals import Reason
from certrules.formats.words import words_of
from certs.support.api import NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.support_client import Client, about
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ANOTHER_CASE = "another case"
OLD_STYLE = "the old style"
SPELLINGS = [ANOTHER_CASE, OLD_STYLE]


def spelled(learner: Learner, how: str) -> Learner:
    """Return the learner in the course run whose key has another spelling."""
    pieces = learner.course_run.removeprefix("course-v1:").split("+")
    return learner.elsewhere("/".join(pieces) if how == OLD_STYLE else f"course-v1:{'+'.join(pieces).lower()}")


def on(learner: Learner) -> tuple[str, str]:
    return str(learner.learner_id), learner.course_run


# --- not found


@pytest.mark.parametrize("how", SPELLINGS)
def test_what_only_looks_names_the_key_under_which_something_is_known(
    scene: Scene, learner: Learner, support_client: Client, how: str
) -> None:
    scene.ingest(*learner.qualifying())
    wrong = spelled(learner, how)
    since = {"since": "2026-01-01T00:00:00Z"}
    run = {"course_run": wrong.course_run}
    for answer in (
        support_client.get("/v1/case/changes", **about(wrong), **since),
        support_client.get("/v1/case/events", **about(wrong)),
        support_client.post("/v1/case/what-if", **about(wrong), changes=["pass"]),
        support_client.get("/v1/course-run/learners", **run),
        support_client.get("/v1/invalidations", **run),
        support_client.get("/v1/held", **run),
        support_client.get("/v1/rollout", **run),
    ):
        assert (answer.status, learner.course_run in answer.body["fix"]) == (404, True), answer.body
    for command in (("learners",), ("invalidations",), ("rollout", "status")):
        result = certs(*command, wrong.course_run)
        assert (result.exit_code, learner.course_run in result.stderr) == (NOT_FOUND, True), command


@pytest.mark.parametrize("how", SPELLINGS)
def test_nobody_acts_on_a_spelling_of_which_nothing_is_known(
    scene: Scene, learner: Learner, support_client: Client, how: str, wire: Wire
) -> None:
    scene.ingest(*learner.qualifying())
    wrong = spelled(learner, how)
    run = {"course_run": wrong.course_run, "reason": "ticket 12"}
    runs: dict[str, Any] = {"course_runs": [wrong.course_run], "reason": "ticket 12"}
    wire.sent.clear()
    for answer in (
        support_client.post("/v1/automatic-revocations/stop", **run),
        support_client.post("/v1/held/discard", **run),
        support_client.post("/v1/revocations", **run, act="invalidate", learners=[learner.learner_id]),
        support_client.post("/v1/rollout/shadow", **runs),
        support_client.post("/v1/regenerations", **runs),
        support_client.post("/v1/case/act", **about(wrong), act="allowlist-add", version=None, reason="ticket 12"),
        support_client.post("/v1/case/act", **about(wrong), act="invalidate", version=None, reason="ticket 12"),
    ):
        assert (answer.status, learner.course_run in answer.body["fix"]) == (404, True), answer.body
    assert "PutEvents" not in wire.operations()


def test_the_checklist_of_an_unknown_course_run_asks_whether_a_known_one_was_meant(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    scene.ingest(learner.configured(day(1)))
    wrong = spelled(learner, ANOTHER_CASE).course_run
    wire.sent.clear()
    known = support_client.get("/v1/course-run", course_run=learner.course_run).body["checks"][0]
    assert (known["ok"], wire.operations()) == (True, {"GetItem": 1, "Query": 16, "BatchGetItem": 2})
    wire.sent.clear()
    unknown = support_client.get("/v1/course-run", course_run=wrong).body["checks"][0]
    assert (unknown["ok"], wire.operations()) == (False, {"GetItem": 1, "Query": 20, "BatchGetItem": 2})
    assert unknown["fix"].startswith(f"Is {learner.course_run} meant?")


def test_a_key_of_which_no_other_spelling_is_known_is_answered_as_before(
    learner: Learner, support_client: Client
) -> None:
    run = {"course_run": learner.course_run}
    assert support_client.get("/v1/course-run/learners", **run).body["learners"] == []
    assert support_client.get("/v1/held", **run).body["held"] == []
    missing = support_client.post("/v1/case/preview", **about(learner), act="redecide", reason="ticket 12")
    assert (missing.status, missing.body["fix"]) == (404, "compare learner id and course run")


# --- explained


@pytest.mark.parametrize("how", SPELLINGS)
def test_explain_shows_that_a_learner_is_known_under_another_spelling(
    scene: Scene, learner: Learner, support_client: Client, how: str
) -> None:
    """The enrollment came under another spelling than everything else."""
    configured, enrolled, approved, passing = learner.qualifying()
    wrong = spelled(learner, how)
    enrolled["enrollment"]["course"]["course_key"] = wrong.course_run
    scene.ingest(configured, enrolled, approved, passing)
    for here, there in ((learner, wrong), (wrong, learner)):
        case = support_client.case(here)
        assert case["other_spellings"] == [there.course_run]
        shown = certs("explain", *on(here)).stdout
        assert f"Something is known under another spelling of the key, too: {there.course_run}." in shown
        where = urlencode(about(here))
        page = support_client.ask("GET", f"/case?{where}")
        assert "Something is known under another spelling" in page.body.decode()


def test_only_a_case_that_lacks_a_fact_costs_more_requests(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    configured, enrolled, approved, passing = learner.qualifying()
    scene.ingest(configured, enrolled, approved)

    def queries() -> int:
        wire.sent.clear()
        support_client.case(learner)
        return wire.operations()["Query"]

    incomplete = queries()
    scene.ingest(passing)
    complete = queries()
    assert incomplete == complete + 1
    wire.sent.clear()
    support_client.case(learner.elsewhere("course-v1:CertX+Unheard+2026"))
    assert wire.operations()["Query"] == complete + 1 + 4


# --- an allowlist entry before the enrollment


def preview(support_client: Client, learner: Learner) -> Any:
    return support_client.post("/v1/case/preview", **about(learner), act="allowlist-add", reason="ticket 12").body


def test_an_allowlist_entry_is_taken_before_an_enrollment_is_known_and_the_preview_states_it(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    configured, enrolled, approved, _ = learner.qualifying()
    scene.ingest(configured)
    unknown = "No enrollment is known yet: the entry is stored all the same, and counts once the learner is enrolled."
    assert preview(support_client, learner)["sentence"].endswith(unknown)
    assert unknown in certs("allowlist", "add", *on(learner), "--reason", "ticket 12", stdin="n\n").stderr
    assert support_client.act("allowlist-add", learner).status == 202
    scene.ingest(enrolled, approved)
    certificate = scene.certificate(learner)
    assert (certificate and certificate.status) == "downloadable"


def test_where_an_enrollment_is_known_the_preview_does_not_mention_it(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying()[:-1])
    assert "No enrollment" not in preview(support_client, learner)["sentence"]


def test_an_allowlist_entry_beside_an_enrollment_under_another_spelling_shows_that_key(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    wrong = spelled(learner, ANOTHER_CASE)
    scene.ingest(learner.configured(day(1)), wrong.enrolled(day(1)))
    assert f"is {wrong.course_run} meant?" in preview(support_client, learner)["sentence"]


# --- refused


@pytest.mark.parametrize("form", ["{}", "{}/course/", " {}", "https://lms.example.org/courses/{}/about"])
def test_a_pasted_key_is_refused_with_the_key_that_was_probably_meant(
    learner: Learner, support_client: Client, form: str
) -> None:
    pasted = form.format(learner.course_run.replace("+", "%2B"))
    for command in (("explain", "7", pasted), ("check", pasted), ("learners", pasted)):
        result = certs(*command)
        assert (result.exit_code, f"probably meant: {learner.course_run}" in " ".join(result.stderr.split())) == (
            2,
            True,
        )
    answer = support_client.get("/v1/case", learner_id=7, course_run=f"x{pasted}")
    assert answer.body["title"] == words_of("refusal", Reason.BAD_COURSE_KEY)


def test_an_event_is_refused_with_the_key_that_was_probably_meant_and_no_other_text(
    scene: Scene, learner: Learner
) -> None:
    detail = learner.enrolled(day(1))
    for written, meant in (
        (learner.course_run.replace("+", "%2B"), learner.course_run),
        ("Ann Example of ann@example.org", ""),
    ):
        detail["enrollment"]["course"]["course_key"] = written
        scene.send(detail, at=day(1))
        scene.cloud.deliver()
        (parked,) = scene.queued("ParkedQueue")
        scene.empty_queues()
        assert (parked.attributes["reason"], "Ann" in json.dumps(parked.attributes)) == (Reason.BAD_COURSE_KEY, False)
        assert parked.attributes["fix"].endswith(f"probably meant: {meant}" if meant else "2026_T1")
