"""What people do with the pending revocation of a program certificate, from the API to the learner's record."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from certrules import aws
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.storage.learner_records import load_learner
from certs.sources.program_builder import program_revocation
from tests.records.scene import A1, B1, P1
from tests.records.seen_stack import Seen, seen_stack
from tests.records.service import Host
from tests.scenes.browsers import Person, browser
from tests.scenes.scene import Learner, sqs_event
from tests.scenes.support_client import Client

__all__ = ["browser"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def seen(host: Host) -> Iterator[Seen]:
    with seen_stack(host) as found:
        yield found


@pytest.fixture
def client(seen: Seen) -> Client:
    return Client(seen.scene)


def with_pending_revocation(seen: Seen) -> Learner:
    """Return a learner whose program certificate is to be revoked, since a course is lost."""
    learner = seen.learner(A1, B1)
    seen.send(learner.invalidated(aws.now()))
    (pending,) = [item["pending"] for item in programs(Client(seen.scene), learner)]
    assert pending["cause"] == "course_lost"
    assert pending["due"]
    return learner


def decide_again(seen: Seen, learner: Learner) -> None:
    seen.scene.cloud.invoke("RecordsFunction", sqs_event([{"learner_id": learner.learner_id}]))


def programs(client: Client, learner: Learner) -> Any:
    return client.get(f"/v1/learners/{learner.learner_id}/programs").body["programs"]


def act(seen: Seen, client: Client, learner: Learner, name: str, **more: Any) -> Any:
    body = {"act": name, "learner_id": learner.learner_id, "program": P1, "reason": "ticket 12", **more}
    answer = client.post("/v1/programs/act", **body)
    assert seen.scene.cloud.deliver().errors == []
    return answer


def test_a_person_has_a_program_certificate_stay_though_a_course_is_lost(seen: Seen, client: Client) -> None:
    learner = with_pending_revocation(seen)
    answer = act(seen, client, learner, "discard")
    assert (answer.status, answer.body["cause"], answer.body["title"]) == (202, "course_lost", "Demo program")
    (program,) = programs(client, learner)
    assert (program["status"], program["pending"]) == ("awarded", None)
    assert [(act["event_id"], act["action"], act["notes"]) for act in program["acts"]] == [
        (answer.body["event_id"], "discarded", "ticket 12")
    ]
    decide_again(seen, learner)
    (again,) = programs(client, learner)
    assert (again["status"], again["pending"]) == ("awarded", None)
    second = act(seen, client, learner, "discard")
    assert (second.status, second.body["title"]) == (409, "no revocation is pending")


def test_a_person_releases_the_revocation_and_the_record_follows(seen: Seen, client: Client) -> None:
    learner = with_pending_revocation(seen)
    assert act(seen, client, learner, "release").status == 202
    (program,) = programs(client, learner)
    assert program["status"] == "revoked"
    stored = load_learner(learner.learner_id).programs[P1].state
    last = stored.published.transitions[-1]
    assert (last.status, last.cause, last.actor.reason) == (
        ProgramCertificateStatus.REVOKED,
        "course_lost",
        "ticket 12",
    )
    assert last.actor.by
    row = seen.host.service.state.credential(f"learner{learner.learner_id}", P1)
    assert row is not None
    assert row.status == "revoked"


def test_the_preview_of_an_act_names_what_falls_and_what_stays_and_stores_nothing(seen: Seen, client: Client) -> None:
    learner = with_pending_revocation(seen)
    body: Any = {"learner_id": learner.learner_id, "program": P1, "reason": "ticket 12"}
    released = client.post("/v1/programs/preview", act="release", **body)
    found = released.body
    assert released.status == 200, found
    assert (found["before"], found["after"], found["takes_away"], found["scope"]) == (
        "awarded",
        "revoked",
        True,
        "revoke",
    )
    assert found["sentences"][0].startswith("Demo program: the program certificate is revoked at once because ")
    assert found["sentences"][1:3] == [
        "A: nothing satisfies it any more.",
        f"B: it stays carried by the certificate in {B1}.",
    ]
    discarded = client.post("/v1/programs/preview", act="discard", **body).body
    assert (discarded["after"], discarded["takes_away"], discarded["pending"], discarded["scope"]) == (
        "awarded",
        False,
        None,
        "act",
    )
    (program,) = programs(client, learner)
    assert (program["status"], program["pending"]["cause"], program["acts"]) == ("awarded", "course_lost", [])
    other = client.post("/v1/programs/act", act="discard", cause="never_earned", **body)
    assert (other.status, other.body["field"]) == (409, "cause")
    assert client.post("/v1/programs/preview", act="discard", **{**body, "program": "P1"}).status == 422


def test_only_who_may_revoke_releases(seen: Seen, client: Client) -> None:
    learner = with_pending_revocation(seen)
    acting = Client(seen.scene, scopes=("view", "act"))
    assert act(seen, acting, learner, "release").status == 403
    assert act(seen, acting, learner, "hold").status == 202
    assert programs(client, learner)[0]["pending"]["due"] is None


def test_an_act_on_nothing_is_refused_by_name(seen: Seen, client: Client) -> None:
    unknown = act(seen, client, Learner(987_654, A1), "discard")
    assert (unknown.status, unknown.body["field"]) == (404, "program")
    nothing = act(seen, client, seen.learner(A1, B1), "release")
    assert (nothing.status, nothing.body["title"]) == (409, "no revocation is pending")
    odd = act(seen, client, seen.learner(A1, B1), "release", program="P1")
    assert odd.status == 422


def test_an_act_that_comes_twice_and_before_its_program_counts_once(seen: Seen) -> None:
    early = program_revocation(
        "program.revocation.discarded",
        uuid4(),
        aws.now(),
        31,
        P1,
        cause="program_withdrawn",
        by="support:eve",
        notes="ticket 12",
    )
    seen.send(early)
    seen.send(early)
    state = load_learner(31).programs[P1].state
    assert (state.published.status, len(state.actions), state.actions[0].by) == (None, 1, "support:eve")


# --- in the console


@pytest.fixture
def records_ada(browser: Browser, seen: Seen) -> Person:
    return Person(browser, seen.scene.cloud.serve_api(), seen.scene, "ada")


def test_the_console_shows_what_an_act_will_do_asks_why_and_shows_what_came_of_it(
    seen: Seen, records_ada: Person
) -> None:
    learner = with_pending_revocation(seen)
    page = records_ada.page
    records_ada.look_up(learner)
    page.get_by_role("link", name=f"Learner {learner.learner_id}").click()
    page.get_by_label("What to do with the revocation").select_option("release")
    page.get_by_label("Why stored").fill("Reported for plagiarism.")
    page.get_by_role("button", name="See what it will do").click()
    expect(records_ada.answer).to_contain_text("Demo program: the program certificate is revoked at once because")
    expect(page.get_by_role("alert")).to_contain_text("takes a program certificate away")
    records_ada.check("preview-program-act")
    page.get_by_role("button", name="Yes:").click()
    expect(page.get_by_role("status")).to_contain_text("It was sent, and takes effect in a moment.")
    assert seen.scene.cloud.deliver().errors == []
    expect(page.get_by_role("status")).to_contain_text("It has taken effect.", timeout=30_000)  # it loads itself again
    page.get_by_role("link", name="Back to the learner").click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("The program certificate was revoked on")
    expect(main).to_contain_text("released by ada (a course is no longer satisfied): Reported for plagiarism.")
    records_ada.check("program-acted")


def test_the_console_offers_no_release_to_who_may_not_revoke(seen: Seen) -> None:
    learner = with_pending_revocation(seen)
    acting = Client(seen.scene, scopes=("view", "act"))
    page = acting.get("/learner", learner_id=learner.learner_id).body
    assert "Discard the revocation" in page
    assert "Release the revocation" not in page
    fields: Any = {"learner_id": learner.learner_id, "program": P1, "reason": "ticket 12", "key": "key-000001-form"}
    assert acting.form("/program/act", act="discard", **fields).status == 422  # it names no cause
    stale = acting.form("/program/act", act="discard", cause="never_earned", **fields)
    assert (stale.status, "This changed since you looked at it" in stale.body) == (409, True)
    fields["cause"] = "course_lost"
    assert acting.form("/program/act", act="release", **fields).status == 403
    assert acting.form("/program/act", act="weather", **fields).status == 422
    assert acting.form("/program/act", site="cross-site", act="discard", **fields).status == 403
    preview = acting.form("/program/preview", act="release", **fields).body
    assert "This takes the right to revoke" in preview
    assert acting.form("/program/act", act="discard", **fields).status == 303
