"""Acts on many learners at once, of a pasted list: each line is looked at, and nothing happens to those refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.requests import RefusedActError
from certrules.support.lists import MOST_CHARACTERS, Line, lines_of
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import broken, class_of, earn, statuses
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WHY = "ticket 12"


def listed(act: str, learner: Learner, *lines: object) -> dict[str, Any]:
    """Return the request of a list."""
    return {"act": act, "course_run": learner.course_run, "text": "\n".join(map(str, lines)), "reason": WHY}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("86\n97", [Line(1, "86", ""), Line(2, "97", "")]),
        ("86, 97,98\r\n", [Line(1, "86", ""), Line(1, "97", ""), Line(1, "98", "")]),
        ("\ufeffuser,notes\nada,lab 3\n\n bob , ", [Line(2, "ada", "lab 3"), Line(4, "bob", "")]),
        ('ada@example.org,"lost, found"', [Line(1, "ada@example.org", "lost, found")]),
        ("learner_id\tnotes\n86\tlab 3", [Line(2, "86", "lab 3")]),
        ("ada;lab 3\nbob;", [Line(1, "ada", "lab 3"), Line(2, "bob", "")]),
        ("ada,lab,3", [Line(1, "ada", "lab 3")]),
    ],
)
def test_a_list_is_read_as_the_instructor_dashboard_and_people_write_it(text: str, lines: list[Line]) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", "the list names nobody"),
        ("\n , \n", "the list names nobody"),
        ("user,notes", "the list names nobody"),
        ("\n".join(map(str, range(1, 1002))), "the list names 1001 learners"),
        ("x" * (MOST_CHARACTERS + 1), "the list has 100,001 characters"),
    ],
    ids=["nothing", "no cells", "only names of columns", "too many learners", "too long"],
)
def test_a_list_that_names_nobody_or_too_many_is_refused(text: str, title: str) -> None:
    with pytest.raises(RefusedActError) as refusal:
        lines_of(text)
    assert (refusal.value.status, refusal.value.title, refusal.value.field) == (422, title, "text")


@given(st.text(alphabet='a1",;\t\r\n\0\x85\u2028\ufeff\\ '))
def test_any_text_that_is_not_too_long_is_read_as_lines(text: str) -> None:
    assert lines_of(f"b{text}")
    assert lines_of(f'b{text}"'.ljust(MOST_CHARACTERS, "x"))


def test_each_line_is_accepted_or_refused_with_a_fix_and_only_the_accepted_are_added(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    first, second, third = class_of(3, learner)
    scene.ingest(learner.configured(day(1)), first.enrolled(day(1)), second.enrolled(day(1)), third.enrolled(day(1)))
    support_client.act("allowlist-add", third)
    body = listed(
        "allowlist-add",
        learner,
        f"{first.learner_id},lab 3",
        second.learner_id,
        third.learner_id,
        first.learner_id,
        "ada",
    )

    preview = support_client.post("/v1/lists/preview", **body).body
    done = support_client.post("/v1/lists/act", "the same key", **body, seen=preview["seen"])
    scene.cloud.deliver()
    again = support_client.post("/v1/lists/act", "the same key", **body, seen=preview["seen"])
    scene.cloud.deliver()
    another = support_client.post("/v1/lists/act", **body)

    assert [(line["line"], line["accepted"]) for line in preview["lines"]] == [
        (1, True), (2, True), (3, False), (4, False), (5, False),
    ]  # fmt: skip
    assert [line["sentence"] for line in preview["lines"][2:4]] == [
        "the learner is on the allowlist already",
        "line 1 names the same learner",
    ]
    assert all(line["fix"] for line in preview["lines"] if not line["accepted"])
    assert (done.status, done.body["accepted"], done.body["refused"]) == (202, 2, 3)
    assert again.body == done.body
    notes = [" ".join(entry["sentence"] for entry in support_client.case(one)["timeline"]) for one in (first, second)]
    assert [f"{WHY}: lab 3" in notes[0], f'"{WHY}"' in notes[1]] == [True, True]
    assert (another.status, another.body["title"]) == (409, "no line of the list is accepted")
    assert len(scene.stored_record(first).timeline) == 2  # enrolled, and listed once
    assert scene.queued("ParkedQueue") == []


def test_what_is_remembered_of_a_list_has_no_names(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(learner.configured(day(1)), learner.enrolled(day(1)))
    body = listed("allowlist-add", learner, learner.learner_id, "grace@example.org", "hopper")
    assert support_client.post("/v1/lists/act", **body).body["refused"] == 2
    stored = json.dumps(scene.items("SupportTable"))
    assert ("grace" in stored, "hopper" in stored) == (False, False)


def test_a_cheating_case_of_many_is_invalidated_by_a_list_and_a_second_person(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    learners = class_of(7, learner)
    earn(scene, learners)
    support_client.act("allowlist-add", learners[0])
    body = listed("invalidate", learner, *(f"{one.learner_id},exam 2" for one in learners), 999)
    bob = Client(scene, "bob")

    asked = support_client.post("/v1/lists/act", "the same key", **body).body
    before = statuses(scene, learners)
    alone = support_client.post(f"/v1/revocations/{asked['revocation']}/approve")
    approved = bob.post(f"/v1/revocations/{asked['revocation']}/approve")
    scene.cloud.deliver()
    again = support_client.post("/v1/lists/act", "the same key", **body).body
    rest = support_client.post("/v1/lists/preview", **body).body

    assert (asked["accepted"], asked["refused"]) == (6, 2)
    assert before == ["downloadable"] * 7
    assert (alone.status, approved.status) == (403, 200)
    assert statuses(scene, learners) == ["downloadable", *["unavailable"] * 6]
    assert "exam 2" in support_client.case(learners[1])["text"]
    assert again == asked
    assert rest["accepted"] == 0


def test_what_changed_since_it_was_looked_at_is_not_done(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(*learner.qualifying())
    body = listed("invalidate", learner, learner.learner_id)
    preview = support_client.post("/v1/lists/preview", **body).body
    scene.ingest(learner.failing(day(5)))
    refused = support_client.post("/v1/lists/act", **body, seen=preview["seen"])
    assert (refused.status, refused.body["field"]) == (409, "seen")
    assert support_client.get("/v1/revocations").body["revocations"] == []


def test_only_what_is_held_is_discarded(scene: Scene, learner: Learner, support_client: Client) -> None:
    learners = broken(scene, learner, 3)
    other = Learner(learner.learner_id * 1000 + 900, learner.course_run)
    scene.ingest(other.enrolled(day(1)))
    body = listed("discard", learner, learners[0].learner_id, learners[1].learner_id, other.learner_id)
    done = support_client.post("/v1/lists/act", **body).body
    scene.cloud.deliver()
    held = support_client.get("/v1/held", course_run=learner.course_run).body["held"]
    assert (done["accepted"], done["refused"]) == (2, 1)
    assert [row["learner_id"] for row in held] == [learners[2].learner_id]


@pytest.mark.parametrize(
    ("act", "scopes", "status"),
    [
        ("invalidate", ("view", "act"), 403),
        ("allowlist-add", ("view", "revoke"), 403),
        ("allowlist-add", ("view", "act"), 202),
    ],
)
def test_a_list_takes_the_scope_of_its_act(
    scene: Scene, learner: Learner, act: str, scopes: tuple[str, ...], status: int
) -> None:
    scene.ingest(learner.configured(day(1)), learner.enrolled(day(1)))
    assert (
        Client(scene, "ada", scopes).post("/v1/lists/act", **listed(act, learner, 86, learner.learner_id)).status
        == status
    )


def test_a_list_for_a_course_run_that_nobody_knows_is_refused_line_by_line(support_client: Client) -> None:
    nowhere = Learner(86, "course-v1:Never+Was+There")
    lines = support_client.post("/v1/lists/preview", **listed("allowlist-add", nowhere, 86, 0, 2**64)).body["lines"]
    assert [line["accepted"] for line in lines] == [False] * 3
    assert lines[0]["fix"] == "compare learner id and course run"


def test_notes_that_nobody_can_store_are_refused(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(learner.configured(day(1)), learner.enrolled(day(1)))
    for note in ("x" * 201, "turned \u202e", "bell\x07"):
        found = support_client.post(
            "/v1/lists/preview", **listed("allowlist-add", learner, f"{learner.learner_id},{note}")
        )
        assert found.body["lines"][0]["sentence"] == "the note can't be taken"


def test_a_list_is_pasted_looked_at_and_done_in_the_console(scene: Scene, learner: Learner) -> None:
    learners = class_of(6, learner)
    earn(scene, learners)
    ada, bob = Client(scene), Client(scene, "bob")
    fields = {**listed("invalidate", learner, *(one.learner_id for one in learners), "<b>ada"), "key": "a form's key"}

    empty = ada.get("/lists", act="invalidate", course_run=learner.course_run)
    preview = ada.form("/lists/preview", **fields)
    seen = preview.body.partition('name="seen" value="')[2].partition('"')[0]
    done = ada.form("/lists/act", **fields, seen=seen)
    waiting = bob.get("/revocations")
    refused = [
        ada.form("/lists/preview", **{**fields, **wrong}).status
        for wrong in ({"act": "erase"}, {"text": ""}, {"reason": "x"}, {"course_run": "CS101"})
    ]
    viewer = Client(scene, "eve", ("view",))

    assert (empty.status, preview.status, done.status) == (200, 200, 200)
    assert "Ask a second person to invalidate 6" in preview.body
    assert "<b>" not in preview.body
    assert "&lt;b&gt;ada" in preview.body
    assert "until a colleague approves it" in done.body
    assert "6 certificates: requested" in waiting.body
    assert refused == [422] * 4
    assert (
        "which you don&#39;t have" in viewer.get("/lists").body or "which you don't have" in viewer.get("/lists").body
    )
    assert viewer.form("/lists/act", **fields, seen=seen).status == 403


def test_files_of_learners_are_commands(scene: Scene, learner: Learner, tmp_path: Path) -> None:
    learners = class_of(3, learner)
    scene.ingest(learner.configured(day(1)), *(one.enrolled(day(1)) for one in learners))
    file = tmp_path / "exceptions.csv"
    file.write_text(f"{learners[0].learner_id},lab 3\n{learners[1].learner_id},lab 3\nhopper\n")
    command = ("allowlist", "add-all", learner.course_run, "--reason", WHY)

    no = certs(*command, "--file", str(file), stdin="n\n")
    done = certs(*command, "--file", str(file), stdin="y\n")
    scene.cloud.deliver()
    same = certs(*command, "--file", str(file), "--yes")
    piped = certs(*command, "--file", "-", "--yes", "--json", stdin=f"{learners[2].learner_id}\n")
    asked = certs(*command, "--file", "-", stdin="1\n")
    scene.cloud.deliver()
    earn(scene, learners)
    request = ("revocations", "request", learner.course_run, "--invalidate", "--reason", WHY, "--yes")
    listed_all = certs(*request, "--file", str(file))

    assert (no.exit_code, "REFUSED   line 3, hopper" in no.stderr) == (1, True)
    assert (done.exit_code, done.stdout.endswith("Sent for 2 learners.\n")) == (1, True)
    assert (same.exit_code, "no line of the list is accepted" in same.stderr) == (5, True)
    assert (piped.exit_code, json.loads(piped.stdout)["accepted"]) == (0, 1)
    assert asked.exit_code == 2
    assert listed_all.exit_code == 5  # they are on the allowlist
    assert (
        certs("held", "discard-all", learner.course_run, "--reason", WHY, "--yes", "--file", str(file)).exit_code == 5
    )
    assert certs(*command).exit_code == 2
    assert certs(*request[:3], "--reason", WHY, "--file", str(file)).exit_code == 2
