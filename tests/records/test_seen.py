"""What people see of learners' records: programs, deliveries, what waits, and what falls with a certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from certrules.core.deliveries.outcomes import REASONS, Waiting
from tests.records.scene import A1, A2, B1, P1
from tests.records.seen_stack import Seen, seen_stack
from tests.records.service import Host
from tests.scenes.browsers import Person, browser
from tests.scenes.published import sent
from tests.scenes.scene import Learner, day
from tests.scenes.support_client import Client, about, hidden_fields

__all__ = ["browser"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def seen(host: Host) -> Iterator[Seen]:
    with seen_stack(host) as found:
        yield found


@pytest.fixture
def client(seen: Seen) -> Client:
    seen.scene.empty_tables("SupportTable")
    return Client(seen.scene)


@pytest.fixture
def records_ada(browser: Browser, seen: Seen) -> Person:
    """Somebody of support, at the console of this stack."""
    seen.scene.empty_tables("SupportTable")
    return Person(browser, seen.scene.cloud.serve_api(), seen.scene, "ada")


def programs(client: Client, learner: Learner, **query: Any) -> Any:
    answer = client.get(f"/v1/learners/{learner.learner_id}/programs", **query)
    assert answer.status == 200, answer.body
    return answer.body


def preview(client: Client, learner: Learner, act: str = "invalidate") -> Any:
    answer = client.post("/v1/case/preview", act=act, reason="ticket 12", **about(learner))
    assert answer.status == 200, answer.body
    return answer.body


# --- programs and deliveries


def test_a_learner_who_completed_a_program_sees_what_carries_it_and_that_the_record_has_it(
    seen: Seen, client: Client
) -> None:
    learner = seen.learner(A1, B1)
    found = programs(client, learner)
    (program,) = found["programs"]
    assert (program["program"], program["status"], program["reasons"]) == (P1, "awarded", [])
    assert [(item["course"], item["course_run"]) for item in program["courses"]] == [("A", A1), ("B", B1)]
    assert program["delivery"]["is_delivered"]
    assert program["delivery"]["sentence"].startswith("In the learner's record: awarded. Wanted since ")
    assert program["text"].startswith(f"Learner {learner.learner_id} in the program Demo program ({P1}, MicroMasters)")
    assert [(item["kind"], item["is_delivered"]) for item in found["deliveries"]] == [
        ("course", True),
        ("course", True),
        ("username", True),
    ]


def test_a_learner_on_the_way_sees_what_is_missing_and_which_course_runs_would_do(seen: Seen, client: Client) -> None:
    (program,) = programs(client, seen.learner(B1))["programs"]
    assert (program["status"], program["reasons"], program["delivery"]) == (None, ["no_certificate"], None)
    assert program["next_steps"] == [f"A: The learner earns one in any of them. They are {A1} and {A2}."]


def test_a_program_as_of_an_instant_is_what_the_facts_gave_then(seen: Seen, client: Client) -> None:
    learner = seen.learner(A1, B1)
    (before,) = programs(client, learner, as_of="2026-01-02T00:00:00Z")["programs"]
    (after,) = programs(client, learner, as_of="2026-01-04T00:00:00Z")["programs"]
    assert (before["status"], after["status"], after["awarded_at"]) == (None, "awarded", "2026-01-03T00:00:00Z")


def test_a_learner_without_programs_has_an_empty_list(client: Client) -> None:
    assert programs(client, Learner(987_654, A1)) == {
        "learner_id": 987_654,
        "programs": [],
        "deliveries": [],
        "waits": False,
    }


def test_a_case_has_its_own_delivery_and_the_programs_that_it_carries(seen: Seen, client: Client) -> None:
    learner = seen.learner(A2, A1)
    case = client.case(learner.elsewhere(A1))
    record = case["record"]
    assert record["delivery"]["key"] == A1
    assert record["delivery"]["is_delivered"]
    (program,) = record["programs"]
    assert (program["title"], program["status"], program["carries"]) == ("Demo program", None, ["A"])
    assert "Its record and programs:\n  In the learner's record: awarded as verified." in case["text"]
    assert client.case(learner.elsewhere(A2))["record"]["programs"][0]["carries"] == []
    assert client.case(learner, as_of="2026-01-04T00:00:00Z")["record"] is None


def test_a_course_run_in_no_program_has_a_delivery_alone(seen: Seen, client: Client) -> None:
    learner = seen.learner("course-v1:DemoX+Z+2026", known=False)
    record = client.case(learner)["record"]
    assert (record["delivery"]["reason"], record["programs"]) == (Waiting.NOT_IN_CATALOG, [])
    other = Learner(learner.learner_id, A1)
    assert "Nothing was to be delivered to the learner's record so far." in client.case(other)["text"]


# --- what waits


def test_what_waits_is_listed_by_reason_with_what_to_do_and_a_person_has_it_tried_again(
    seen: Seen, client: Client
) -> None:
    learner = seen.learner("course-v1:DemoX+Later+2026")
    (waits,) = [row for row in waiting(client, Waiting.NOT_IN_CATALOG) if row["learner_id"] == learner.learner_id]
    assert (waits["kind"], waits["key"]) == ("course", learner.course_run)
    assert waits["remedy"] == REASONS[Waiting.NOT_IN_CATALOG].remedy
    assert waits in waiting(client)
    assert waiting(client, Waiting.THROTTLED) == []

    answer = client.post("/v1/records/retry", learner_id=learner.learner_id, reason="ticket 12")
    assert (answer.status, answer.body) == (200, {"retried": 1})
    again = client.post("/v1/records/retry", learner_id=learner.learner_id, reason="ticket 12")
    assert again.body == {"retried": 0}  # it is due already
    before = client.case(learner)["record"]["delivery"]
    seen.run_schedules()
    after = client.case(learner)["record"]["delivery"]
    assert after["tries"] == before["tries"] + 1


def test_the_credentials_service_is_among_those_who_take_status_changes(seen: Seen, client: Client) -> None:
    before = client.get("/v1/consumers").body["credentials"]
    seen.learner(A1, B1)
    seen.learner("course-v1:DemoX+Later+2026")
    found = client.get("/v1/consumers").body
    service = found["credentials"]
    assert service["acknowledged"] > before["acknowledged"]
    assert (service["waits"] > before["waits"], service["is_broken"]) == (True, False)
    assert [one["rule"] for one in found["consumers"] if "RecordsRule" in one["rule"]]
    page = client.get("/consumers").body
    assert f"Acknowledged: {service['acknowledged']}." in page


def test_one_delivery_is_sent_again_though_it_is_acknowledged(seen: Seen, client: Client) -> None:
    learner = seen.learner(A1, B1)
    before = programs(client, learner)["programs"][0]["delivery"]
    one: Any = {"learner_id": learner.learner_id, "kind": "program", "of": P1, "reason": "ticket 12"}
    assert client.post("/v1/records/retry", **one).body == {"retried": 1}
    assert client.post("/v1/records/retry", **one).body == {"retried": 0}  # it is due already
    noted = client.get("/v1/audit", act="retry").body["entries"][-1]
    assert (noted["by"], noted["reason"], noted["learner_id"]) == ("ada", "ticket 12", learner.learner_id)
    assert (noted["program"], noted["count"], noted["course_runs"]) == (P1, 1, [])
    (program,) = programs(client, learner)["programs"]
    assert not program["delivery"]["is_delivered"]
    seen.run_schedules()
    (program,) = programs(client, learner)["programs"]
    assert program["delivery"]["is_delivered"]
    assert program["delivery"]["acknowledged_at"] > before["acknowledged_at"]
    unknown = client.post("/v1/records/retry", **{**one, "of": "elsewhere"})
    assert (unknown.status, unknown.body["field"]) == (404, "of")
    half = client.post("/v1/records/retry", learner_id=1, kind="program", reason="ticket 12")
    assert (half.status, half.body["field"]) == (422, "kind")
    assert client.post("/v1/records/retry", **{**one, "kind": "username"}).status == 422


def waiting(client: Client, reason: str | None = None) -> list[Any]:
    """Return all pages of what waits."""
    query: dict[str, Any] = {} if reason is None else {"reason": reason}
    rows = []
    while True:
        answer = client.get("/v1/records", **query)
        assert answer.status == 200, answer.body
        rows += answer.body["waiting"]
        if answer.body["next"] is None:
            return rows
        query["cursor"] = answer.body["next"]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"reason": "weather"}, "reason"), ({"cursor": "bm9uZQ=="}, "cursor"), ({"cursor": "WzksIiIsIiIsIiJd"}, "cursor")],
)
def test_a_list_that_there_is_not_is_refused(client: Client, query: dict[str, str], field: str) -> None:
    answer = client.get("/v1/records", **query)
    assert (answer.status, answer.body["field"]) == (422, field)


def test_a_retry_names_one_owner_and_takes_the_scope_act(seen: Seen, client: Client) -> None:
    assert client.post("/v1/records/retry", reason="ticket 12").status == 422
    assert client.post("/v1/records/retry", learner_id=1, course_run=A1, reason="ticket 12").status == 422
    assert client.post("/v1/records/retry", course_run=A1, reason="ticket 12").body == {"retried": 0}
    assert client.post("/v1/records/retry", course_run=A1).status == 422
    assert Client(seen.scene, scopes=["view"]).post("/v1/records/retry", learner_id=1, reason="ticket 12").status == 403


# --- before a certificate is taken away


def test_the_preview_of_an_invalidation_names_the_program_certificates_that_fall(seen: Seen, client: Client) -> None:
    learner = seen.learner(A1, B1)
    found = preview(client, learner)["programs"]
    assert [(item["program"], item["courses"]) for item in found["falling"]] == [(P1, ["A"])]
    assert (found["surviving"], found["hidden"]) == ([], [])
    (sentence,) = found["sentences"]
    assert sentence.startswith("Demo program: the program certificate falls on ")
    done = client.act("invalidate", learner)
    assert done.body["programs"]["sentences"][0].startswith("Demo program: the program certificate falls on ")


def test_the_preview_names_those_that_survive_because_another_run_carries_them(seen: Seen, client: Client) -> None:
    found = preview(client, seen.learner(A1, A2, B1))["programs"]
    assert found["sentences"] == [f"Demo program: the program certificate stays because A is carried by {A2}."]


_minutes = count(1)


@contextmanager
def shown_in_2031(seen: Seen, learner: Learner) -> Iterator[None]:
    """Have the certificates of a course run be shown from 2031 on, for a while."""
    dates: Any = {"display_behavior": "end_with_date", "available_date": "2031-01-01T00:00:00Z"}
    seen.send(learner.configured(day(1) + timedelta(minutes=next(_minutes)), **dates))
    try:
        yield
    finally:
        again = day(1) + timedelta(minutes=next(_minutes))
        seen.send(learner.configured(again, display_behavior="early_no_info"))


def test_an_award_in_a_run_with_a_future_date_hides_the_program_certificate(seen: Seen, client: Client) -> None:
    learner = seen.learner(A1, B1)
    other = learner.elsewhere(A2)
    seen.send(other.enrolled(day(2)), other.failing(day(3)))
    with shown_in_2031(seen, other):
        found = preview(client, other, "allowlist-add")["programs"]
    assert [(item["course_run"], item["visible_from"]) for item in found["hidden"]] == [(A2, "2031-01-01T00:00:00Z")]


def test_a_program_certificate_that_a_future_date_hides_states_until_when(seen: Seen, client: Client) -> None:
    learner = seen.learner(A1, A2, B1)
    assert programs(client, learner)["programs"][0]["hidden"] is None
    with shown_in_2031(seen, learner.elsewhere(A2)):
        hidden = programs(client, learner)["programs"][0]["hidden"]
        page = client.get("/learner", learner_id=learner.learner_id).body
    assert (hidden["course_run"], hidden["visible_from"]) == (A2, "2031-01-01T00:00:00Z")
    assert f"It is hidden until 1 January 2031 at 00:00 UTC, the available date of {A2}" in page


def test_acts_that_take_nothing_away_read_no_programs(seen: Seen, client: Client) -> None:
    assert preview(client, seen.learner(A1, B1), "redecide")["programs"] is None


def test_a_bulk_revocation_shows_what_falls_and_what_stays_to_both_persons(seen: Seen, client: Client) -> None:
    falls, stays, other = seen.learner(A1, B1), seen.learner(A1, A2, B1), seen.learner(A1)
    learners = [learner.learner_id for learner in (falls, stays, other)]
    asked = client.post("/v1/revocations", act="invalidate", course_run=A1, learners=learners, reason="cheating")
    assert asked.status == 201, asked.body
    found = asked.body["programs"]
    assert (found["falling"], found["surviving"]) == (1, 1)
    assert [item["learner_id"] for item in found["listed"]] == [falls.learner_id, stays.learner_id]
    assert client.get("/v1/revocations").body["revocations"][0]["programs"] == found


def ungraded(seen: Seen, *learners: Learner) -> None:
    """Have grades fall, with a hold that ran out unseen: a bulk run would take these certificates away."""
    for learner in learners:
        seen.scene.ingest(sent(learner.failing(day(5))))
    seen.scene.empty_queues()


def planned(client: Client, **more: Any) -> Any:
    """Plan a bulk run over both runs of course A; return it as people see it."""
    asked = client.post("/v1/regenerations", course_runs=[A1, A2], reason="new policy", **more)
    assert asked.status == 202, asked.body
    client.scene.cloud.deliver()
    return client.get(f"/v1/regenerations/{asked.body['id']}").body


def test_a_plan_shows_its_approver_what_falls_with_all_that_a_learner_loses(seen: Seen, client: Client) -> None:
    falls, stays = (seen.learner(A1, A2, B1) for _ in range(2))
    ungraded(seen, falls, falls.elsewhere(A2), stays)
    named = [falls.learner_id, stays.learner_id]
    dry = planned(client, dry_run=True, learners=named)
    assert (dry["state"], dry["plan"]["revocations"]) == ("planned", 3)
    run = planned(client, learners=named)
    assert run["state"] == "waiting"
    programs = run["plan"]["programs"]
    assert {name: programs[name] for name in ("learners", "looked_at", "falling", "surviving")} == {
        "learners": 2,
        "looked_at": 2,
        "falling": 1,
        "surviving": 1,
    }
    assert [item["learner_id"] for item in programs["listed"]] == named
    assert programs["listed"][1]["sentence"].endswith(f"stays because A is carried by {A2}.")
    page = client.get("/regeneration", id=run["id"]).body
    assert 'fall with these</th><td class="number">1</td>' in page

    Client(seen.scene, "bob").post(f"/v1/regenerations/{run['id']}/approve", hash=run["plan"]["hash"])
    seen.scene.cloud.deliver()
    for run_id in (run["id"], dry["id"]):
        report = client.get(f"/v1/regenerations/{run_id}/report", form="html").body["text"]
        assert "What becomes of program certificates" in report
        assert "the program certificate falls on" in report


def test_a_plan_that_takes_nothing_away_shows_no_programs(client: Client) -> None:
    assert planned(client, dry_run=True, learners=[1])["plan"].get("programs") is None


def test_of_a_large_plan_only_so_many_learners_are_looked_at_and_that_is_stated(
    seen: Seen, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = [seen.learner(A1, B1) for _ in range(2)]
    ungraded(seen, *learners)
    loaded = seen.scene.app("ReportFunction").program_losses.__globals__  # the function has modules of its own
    monkeypatch.setitem(loaded, "MOST_LOOKED_AT", 1)
    run = planned(client, learners=[learner.learner_id for learner in learners])
    programs = run["plan"]["programs"]
    assert (programs["learners"], programs["looked_at"], programs["falling"]) == (2, 1, 1)
    assert (
        'of whom programs were not looked at</th><td class="number">1</td>'
        in client.get("/regeneration", id=run["id"]).body
    )
    Client(seen.scene, "bob").post(f"/v1/regenerations/{run['id']}/approve", hash=run["plan"]["hash"])
    seen.scene.cloud.deliver()
    report = client.get(f"/v1/regenerations/{run['id']}/report", form="html").body["text"]
    assert "Of 1 more learners who lose a certificate, programs were not looked at." in report


# --- in the console


def test_the_console_shows_what_waits_and_tries_it_again(seen: Seen, client: Client) -> None:
    learner = seen.learner("course-v1:DemoX+Other+2026")
    page = client.get("/records", reason=Waiting.NOT_IN_CATALOG).body
    assert f"/learner?learner_id={learner.learner_id}#programs" in page
    assert REASONS[Waiting.NOT_IN_CATALOG].remedy in page
    assert f'<bdi class="small">learner{learner.learner_id}</bdi>' in page
    assert "Nothing waits." in client.get("/records", reason=Waiting.THROTTLED).body
    answer = client.confirm("/records/retry", learner_id=learner.learner_id, reason="ticket 12")
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/result")
    assert client.form("/records/retry", site="cross-site", learner_id=learner.learner_id).status == 403
    one: Any = {"learner_id": learner.learner_id, "kind": "course", "of": learner.course_run}
    assert 'aria-label="Send again: course course-v1:DemoX+Other+2026"' in client.get("/learner", **one).body
    asks = client.form("/records/retry", "same-origin", **one).body
    assert 'name="reason" rows="2" required' in asks
    unfounded = client.form("/records/retry", "same-origin", **hidden_fields(asks))
    assert (unfounded.status, 'name="reason"' in unfounded.body) == (422, True)
    again = client.form("/records/retry", "same-origin", **hidden_fields(asks), reason="ticket 13")
    assert (again.status, again.headers["location"].partition("?")[0]) == (303, "/result")


def test_a_long_list_has_pages(seen: Seen, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    learners = {seen.learner(f"course-v1:DemoX+Page{number}+2026").learner_id for number in range(3)}
    monkeypatch.setattr(seen.scene.app("SupportFunction").routes.record_calls, "PAGE", 1)
    rows = waiting(client, Waiting.NOT_IN_CATALOG)
    assert learners <= {row["learner_id"] for row in rows}
    assert len(rows) == len({(row["learner_id"], row["kind"], row["key"]) for row in rows})


def test_a_learner_sees_programs_and_deliveries_in_the_console(seen: Seen, records_ada: Person) -> None:
    page = records_ada.page
    learner = seen.learner(A1, A2, B1)
    other = seen.learner("course-v1:DemoX+Third+2026").elsewhere(B1)
    records_ada.look_up(learner)
    expect(page.get_by_role("main")).to_contain_text("carried by this certificate")
    page.get_by_role("heading", name="The learner's record").scroll_into_view_if_needed()
    records_ada.check("record-case")
    page.get_by_role("link", name=f"Learner {learner.learner_id}").click()
    expect(page.get_by_role("main")).to_contain_text("The program certificate is awarded")
    records_ada.check("programs")
    records_ada.look_up(other)
    page.get_by_role("link", name=f"Learner {other.learner_id}").click()
    expect(page.get_by_role("button", name="Try again what waits")).to_be_visible()
    records_ada.check("waiting")
    page.get_by_role("link", name="Records").click()
    records_ada.check("records")
    page.get_by_role("link", name="Course certificates").click()
    expect(page.get_by_role("main")).to_contain_text("not in the service's catalog")


def test_the_preview_in_the_console_names_what_falls_before_it_is_confirmed(seen: Seen, records_ada: Person) -> None:
    learner = seen.learner(A1, B1)
    records_ada.look_up(learner)
    records_ada.act("invalidate", "Reported for plagiarism.")
    main = records_ada.page.get_by_role("main")
    expect(main).to_contain_text("1 program certificate would fall with it.")
    expect(main).to_contain_text("Demo program: the program certificate falls on ")
    records_ada.check("preview-programs")
    records_ada.confirm()
    records_ada.page.get_by_role("link", name=f"Learner {learner.learner_id}").click()
    expect(main).to_contain_text("its revocation has been pending since")
    records_ada.check("program-pending")


def test_the_second_person_sees_which_program_certificates_fall(seen: Seen, records_ada: Person) -> None:
    learners = [seen.learner(A1, B1).learner_id, seen.learner(A1, A2, B1).learner_id]
    asked = Client(seen.scene, "bob").post(
        "/v1/revocations", act="invalidate", course_run=A1, learners=learners, reason="cheating"
    )
    assert asked.status == 201
    records_ada.page.get_by_role("link", name="Revocations").click()
    expect(records_ada.page.get_by_role("main")).to_contain_text("that fall with these: 1")
    records_ada.page.get_by_text("Which programs").click()
    records_ada.check("approve-programs")
