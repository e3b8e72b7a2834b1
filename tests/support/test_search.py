"""One search for anything: one hit opens, several are distinguished, a contradiction is the answer."""

import json
from uuid import uuid4

import pytest

from certs.support.api import CONTRADICTS, NOT_FOUND
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import break_grades, class_of, earn
from tests.scenes.scene import Learner, Scene, Wire, day
from tests.scenes.searches import found, opened
from tests.scenes.support_client import Client, about
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def number_of(learner: Learner) -> str:
    """Return the part of a course run's key that no other has."""
    return learner.course_run.split("+")[1]


def test_one_hit_opens_whatever_named_it(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying())
    one, run = learner.learner_id, learner.course_run
    certificate = scene.certificate(learner)
    assert certificate is not None
    lms = "https://lms.example.org"
    texts = {
        f"{one}": ("learner", one, None),
        f"learner {one}": ("learner", one, None),
        run: ("course_run", None, run),
        number_of(learner).lower(): ("course_run", None, run),
        f"{lms}/courses/{run}/courseware/x/": ("course_run", None, run),
        f"{lms}/courses/{run.replace('+', '%2B')}/progress/{one}/": ("case", one, run),
        f"{run} {one}": ("case", one, run),
        f"{one} {number_of(learner)}": ("case", one, run),
        f"{lms}/certificates/{certificate.certificate_id}?lang=es": ("case", one, run),
        f"{one} {certificate.certificate_id}": ("case", one, run),
        f"{one} {scene.stored_record(learner).timeline[-1].event_id}": ("case", one, run),
    }
    assert {text: opened(support_client, text) for text in texts} == texts


def test_an_act_a_bulk_revocation_and_a_bulk_run_are_found_by_their_ids(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(2, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    asked = support_client.post("/v1/revocations", act="release", course_run=learner.course_run, reason="ticket 12")
    run = support_client.post("/v1/regenerations", course_runs=[learner.course_run], reason="ticket 12", dry_run=True)
    act = support_client.act("discard", learners[0])
    scene.cloud.deliver()
    assert opened(support_client, asked.body["id"])[0] == "revocation"
    assert opened(support_client, f"/regeneration?id={run.body['id']}")[0] == "bulk_run"
    assert opened(support_client, act.body["event_id"]) == ("case", *learners[0].pair)


def test_what_contradicts_itself_is_the_answer_and_both_are_shown(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    other = Learner(learner.learner_id * 10, learner.course_run)
    scene.ingest(*learner.qualifying(), *other.qualifying()[1:])
    certificate = scene.certificate(learner)
    assert certificate is not None
    text = f"{other.learner_id} {certificate.certificate_id}"

    answer = found(support_client, text)

    assert answer["opens"] is None
    assert f"belongs to Learner {learner.learner_id} in {learner.course_run}" in answer["contradiction"]
    assert [hit["learner_id"] for hit in answer["hits"]] == [learner.learner_id, other.learner_id]
    page = support_client.form("/find", q=text)
    assert (page.status, "belongs to Learner" in page.body) == (200, True)
    shown = certs("find", str(other.learner_id), certificate.certificate_id)
    assert (shown.exit_code, "belongs to Learner" in shown.stderr) == (CONTRADICTS, True)


@pytest.mark.parametrize(
    "text", ["nobody {}", "{} nobody", "username:nobody {}", "https://lms.example.org/u/nobody {}"]
)
def test_a_learner_whom_nobody_has_is_named_and_not_passed_over(
    learner: Learner, scene: Scene, support_client: Client, text: str
) -> None:
    scene.ingest(*learner.qualifying())
    answer = found(support_client, text.format(learner.course_run))
    assert (answer["opens"], answer["contradiction"]) == (None, "No learner was found by nobody.")
    assert [hit["course_run"] for hit in answer["hits"]] == [learner.course_run]
    words = f"they have no certificate of {learner.course_run}"
    assert opened(support_client, words) == ("course_run", None, learner.course_run)


def test_of_several_each_is_distinguished(scene: Scene, learner: Learner, support_client: Client) -> None:
    later = Learner(learner.learner_id, f"{learner.course_run}_T2")
    scene.ingest(*learner.qualifying(), later.configured(day(1), self_paced=True), later.enrolled(day(2)))
    by_key = found(support_client, number_of(learner))
    assert [hit["course_run"] for hit in by_key["hits"]] == [learner.course_run, later.course_run]
    assert by_key["hits"][0]["detail"] != by_key["hits"][1]["detail"]
    by_case = found(support_client, f"{learner.learner_id} {number_of(learner)}")
    assert ["downloadable" in hit["detail"] for hit in by_case["hits"]] == [True, False]
    page = support_client.form("/find", q=number_of(learner)).body
    assert "Which of these?" in page
    assert "self-paced" in page
    assert certs("find", number_of(learner)).stdout.count("certs check") == 2


def test_an_event_is_found_with_its_learner_and_the_answer_for_its_id_alone_is_how(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    events = learner.qualifying()
    scene.ingest(*events)
    event_id, other = events[-1]["metadata"]["id"], str(uuid4())
    alone = found(support_client, event_id)
    assert alone["hits"] == []
    assert "Add the learner's id or username" in alone["further"][1]
    of_two = found(support_client, f"{event_id} {other}")["further"]
    assert [sentence for sentence in of_two if "Add the learner's id" in sentence] == alone["further"][1:2]
    assert [hit["learner_id"] for hit in found(support_client, f"{learner.learner_id} {event_id}")["hits"]] == [
        learner.learner_id
    ]
    assert (
        f"Nothing of learner {learner.learner_id} is by it."
        in (found(support_client, f"{learner.learner_id} {other}")["further"])
    )


def test_nothing_is_found_and_the_answer_is_how_the_text_was_read_and_what_is_similar(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(learner.configured(day(1)))
    wrong = learner.course_run.replace("2026", "2062")
    answer = found(support_client, wrong)
    assert (answer["opens"], answer["understood"]) == (None, [f"course run: {wrong}"])
    assert learner.course_run in [hit["course_run"] for hit in answer["hits"]]
    assert not any(hit["is_exact"] for hit in answer["hits"])
    assert f"Nothing was received of the course run {wrong}" in answer["further"][0]
    assert "Not found, but similar" in support_client.form("/find", q=wrong).body
    for text in ("987654321987", str(uuid4()), "https://lms.example.org/", "in", f"{wrong}xyz+a+b"):
        nothing = found(support_client, text)
        assert (nothing["hits"], nothing["opens"]) == ([], None)
        assert nothing["further"], text
    assert certs("find", "987654321987").exit_code == NOT_FOUND


def test_a_search_for_a_case_costs_one_request(
    scene: Scene, learner: Learner, support_client: Client, wire: Wire
) -> None:
    scene.ingest(*learner.qualifying())
    wire.sent.clear()
    found(support_client, f"{learner.learner_id} {learner.course_run}")
    assert wire.operations() == {"BatchGetItem": 1}


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "\x1b[31m", "\u202e86", "x" * 1990, "\U0001f393", "0", "9" * 30, "-1", "%", "%zz", "a,b;c|d",
     "{{ 7*7 }}", "<script>alert(1)</script>", "' or 1=1 --", "course-v1:", "course-v1:++", "\u043a\u0443\u0440\u0441",
     "\u8bfe\u7a0b+\u4e00+\u4e8c", "ada@", "@", "https://", "http://[::1", "a@b@c", "../../etc/passwd", "(((((", "==="],
)  # fmt: skip
def test_hostile_and_clumsy_texts_get_an_answer(support_client: Client, text: str) -> None:
    found(support_client, text)
    for answer in (support_client.form("/find", q=text * 3), support_client.get("/find", q=text)):
        assert answer.status in {200, 303}
        assert "<script>" not in answer.body
        assert "49" not in answer.body


def test_the_command_answers_as_the_api_does_and_leads_on(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    shown = certs("find", str(learner.learner_id), learner.course_run)
    assert f"certs explain {learner.learner_id} {learner.course_run}" in shown.stdout
    answer = json.loads(certs("find", str(learner.learner_id), learner.course_run, "--json").stdout)
    assert {name: answer["opens"][name] for name in ("learner_id", "course_run")} == about(learner)
