"""Names in lists: usernames that are pasted, and usernames beside the ids of the lists that pages show."""

from typing import Any

import pytest

from certrules.core.fact_types import Fact
from tests.scenes.bulk_runs import revocable
from tests.scenes.commands import certs
from tests.scenes.grading_jobs import broken
from tests.scenes.named_learners import EMAIL, erased, named, with_pii
from tests.scenes.named_platform import _nothing_is_known, _platform_as_ever, platform, stack
from tests.scenes.platform_accounts import Platform
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, about
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "_nothing_is_known", "_platform_as_ever", "address", "platform", "stack"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ADA = 42
"""The learner whom the platform has under the e-mail, and the username ada."""


def test_a_pasted_list_may_name_learners_as_whoever_wrote_it_did(scene: Scene, learner: Learner) -> None:
    bea, ada = learner, Learner(ADA, learner.course_run)
    twin = Learner(learner.learner_id + 1, learner.course_run)
    scene.ingest(
        learner.configured(day(1)),
        with_pii(bea.enrolled(day(1)), "Bea", "Bea B."),
        ada.enrolled(day(1)),
        with_pii(twin.enrolled(day(1)), "ADA", "Ada of long ago"),
    )
    text = f"username,notes\nbEA,lab 3\n{EMAIL}\nnobody\nada\n{bea.learner_id}"
    body = {"act": "allowlist-add", "course_run": learner.course_run, "text": text, "reason": "ticket 12"}
    found = Client(scene).post("/v1/lists/preview", **body).body
    assert [(line["written"], line["learner_id"], line["accepted"]) for line in found["lines"]] == [
        ("bEA", bea.learner_id, True),
        (EMAIL, ADA, True),
        ("nobody", None, False),
        ("ada", None, False),
        (str(bea.learner_id), bea.learner_id, False),
    ]
    refused = {line["written"]: f"{line['sentence']}: {line['fix']}" for line in found["lines"]}
    assert "no learner is known by this name: it was looked for in any case" in refused["nobody"]
    assert f"write the id of the right one: {ADA}, {twin.learner_id}" in refused["ada"]
    assert "line 2 names the same learner" in refused[str(bea.learner_id)]

    done = Client(scene).post("/v1/lists/act", **body, seen=found["seen"])
    scene.cloud.deliver()
    assert (done.status, done.body["accepted"]) == (202, 2)
    assert [scene.facts_stored(one)[Fact.ALLOWLIST] for one in (bea, ada, twin)] == [1, 1, 0]
    assert "bEA" not in repr(scene.items("SupportTable"))
    assert EMAIL not in repr([scene.items(name) for name in ("SupportTable", "CertificatesTable", "HistoryTable")])


def test_a_list_of_many_usernames_asks_the_platform_for_fifty_at_once(
    scene: Scene, learner: Learner, platform: Platform
) -> None:
    names = [f"Learner-{number}" for number in range(1_000)]
    platform.accounts = [
        {"id": 1_000_000 + number, "username": name.lower() if number == 7 else name, "name": "", "email": ""}
        for number, name in enumerate(names)
        if number != 500
    ]
    scene.ingest(learner.configured(day(1)))
    body = {"act": "allowlist-add", "course_run": learner.course_run, "text": "\n".join(names), "reason": "ticket 12"}
    lines = Client(scene).post("/v1/lists/preview", **body).body["lines"]
    assert [line["learner_id"] for line in lines if line["learner_id"]] == [one["id"] for one in platform.accounts]
    assert [line["written"] for line in lines if not line["accepted"]] == ["Learner-500"]
    assert platform.requests == {"POST /oauth2/access_token": 1, "GET /api/user/v1/accounts": 20}


def test_the_page_of_a_pasted_list_has_the_name_beside_the_id(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1)), with_pii(learner.enrolled(day(1)), "Bea", "Bea B."))
    fields = {"act": "allowlist-add", "course_run": learner.course_run, "reason": "ticket 12"}
    for text in ("bEA", str(learner.learner_id)):
        asked = Client(scene).form("/lists/preview", "same-origin", **fields, text=text)
        assert (asked.status, f">{learner.learner_id}</a>" in asked.body) == (200, True)
        assert "Bea</bdi>" in asked.body or "bEA</bdi>" in asked.body


def test_lists_of_learners_show_their_usernames_until_they_are_erased(scene: Scene, learner: Learner) -> None:
    learners = broken(scene, learner, 2)
    falling = Learner(learner.learner_id, f"{learner.course_run}_Fall")
    planned = revocable(scene, falling, 2)
    for number, one in enumerate([*learners, *planned]):
        scene.ingest(named(one, day(20), f"learner-{number % 2}", ""))
    ada = Client(scene)
    run = ada.post("/v1/regenerations", course_runs=[falling.course_run], reason="new policy").body["id"]
    scene.cloud.deliver()
    pages: list[tuple[str, dict[str, Any]]] = [
        ("/course-run", {"course_run": learner.course_run}),
        ("/course-run/learners", {"course_run": learner.course_run}),
        ("/revocations", {}),
        ("/regeneration/plan", {"id": run}),
        ("/case", about(learners[0])),
        ("/what-if", {**about(learners[0]), "change": "fail"}),
    ]
    asked_for = ada.post("/v1/revocations", act="release", course_run=learner.course_run, reason="ticket 12").body
    in_run = {"course_run": learner.course_run, "reason": "ticket 12"}
    forms: list[tuple[str, dict[str, Any]]] = [
        ("/preview", {"act": "discard", "reason": "ticket 12", **about(learners[0])}),
        ("/course-run/act", {"choice": "discard", **in_run}),
        ("/revocations/decide", {"id": asked_for["id"], "choice": "approve"}),
        ("/regenerations/decide", {"id": run, "choice": "approve"}),
        ("/send-again", {"since": "2020-01-01T00:00", **in_run}),
    ]

    def shown() -> set[str]:
        bodies = [(path, ada.get(path, **query).body) for path, query in pages]
        bodies += [(path, ada.form(path, "same-origin", **fields).body) for path, fields in forms]
        return {path for path, body in bodies if "learner-0" in body}

    assert shown() == {path for path, _ in (*pages, *forms)}
    scene.ingest(*(erased(one, day(21)) for one in learners))
    assert shown() == set()


@pytest.mark.usefixtures("address")
def test_transitions_have_usernames_until_they_are_erased_and_then_the_id_alone(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying(), named(learner, day(20), "bea", "Bea B."))
    ada, since = Client(scene), day(1).isoformat()

    def shown() -> list[str]:
        pages = [ada.get(path, since=since).body for path in ("/transitions", "/transitions.csv")]
        return [*pages, certs("transitions", "--since", since).stdout]

    assert [row["username"] for row in ada.get("/v1/transitions", since=since).body["transitions"]] == ["bea"]
    assert all("bea" in text for text in shown())
    scene.ingest(erased(learner, day(21)))
    assert [row["username"] for row in ada.get("/v1/transitions", since=since).body["transitions"]] == [None]
    assert all(str(learner.learner_id) in text and "bea" not in text for text in shown())


def test_learners_who_are_chosen_in_several_course_runs_have_their_usernames(scene: Scene, learner: Learner) -> None:
    other = learner.elsewhere(f"{learner.course_run}_Fall")
    scene.ingest(*learner.qualifying(), *other.qualifying(), named(learner, day(20), "bea", ""))
    rows = [f"{one.learner_id} {one.course_run}" for one in (learner, other)]
    page = Client(scene).form("/transitions/chosen", "same-origin", act="invalidate", reason="ticket 12", row=rows)
    assert (page.status, page.body.count("bea</bdi>")) == (200, 2)


def test_the_audit_log_shows_the_username_beside_the_id(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying(), named(learner, day(20), "bea", ""))
    ada = Client(scene)
    fields = {"act": "redecide", "reason": "ticket 12", "version": ada.case(learner)["version"], **about(learner)}
    acted = ada.form("/act", "same-origin", key="a key of it", **fields)
    for path in (acted.headers["location"], "/audit"):
        assert b"bea</bdi>" in ada.ask("GET", path).body, path
