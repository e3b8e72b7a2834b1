"""Who has this username or e-mail: at the API, the command line and the console, with the platform asked live."""

import json

import pytest
from playwright.sync_api import expect

from certs.support.api import CONTRADICTS, NOT_FOUND, TRY_AGAIN
from tests.scenes.browsers import Person, ada, browser
from tests.scenes.commands import certs
from tests.scenes.named_learners import EMAIL, with_pii
from tests.scenes.named_platform import _nothing_is_known, _platform_as_ever, platform, stack, support_client
from tests.scenes.platform_accounts import Platform
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = [
    "_cloud_in_folder",
    "_nothing_is_known",
    "_platform_as_ever",
    "ada",
    "address",
    "browser",
    "platform",
    "stack",
    "support_client",
]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def audited(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    """Return the one line of the audit log."""
    (line,) = [vars(record) for record in caplog.records if record.message == "audit"]
    return {name: line[name] for name in ("actor", "path", "status", "about")}


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that was logged, with all that is beside the messages."""
    found = repr([vars(record) for record in caplog.records])
    assert "audit" in found
    return found


def test_a_stored_username_finds_its_learner_in_any_case(
    scene: Scene, learner: Learner, support_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    scene.ingest(with_pii(learner.enrolled(day(1)), f"Bea{learner.learner_id}", "Bea B."))
    answer = support_client.get("/v1/learners", username=f"bEA{learner.learner_id}")
    found = {"learner_id": learner.learner_id, "username": f"Bea{learner.learner_id}", "name": "Bea B."}
    assert (answer.status, answer.body) == (200, {"learners": [{**found, "source": "stored"}], "problem": ""})
    about = {"learner_ids": [learner.learner_id]}
    assert audited(caplog) == {"actor": "ada", "path": "/v1/learners", "status": 200, "about": about}
    assert "bEA" not in logged(caplog)


def test_an_email_is_asked_of_the_platform_and_neither_stored_nor_logged(
    scene: Scene, support_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    found = support_client.get("/v1/learners", email=EMAIL).body["learners"]
    assert found == [{"learner_id": 42, "username": "ada", "name": "Ada Lovelace", "source": "platform"}]
    assert "ovelace" not in logged(caplog)
    assert "ovelace" not in repr([scene.items(name) for name in ("CertificatesTable", "SupportTable")])
    known_as = support_client.get("/v1/learners/42").body["known_as"]
    assert known_as == found[0]


def test_a_username_that_the_platform_and_the_store_have_of_two_learners_is_a_list(
    scene: Scene, learner: Learner, support_client: Client
) -> None:
    scene.ingest(with_pii(learner.enrolled(day(1)), "ADA", "Ada of long ago"))
    found = support_client.get("/v1/learners", username="ada").body["learners"]
    assert [(one["learner_id"], one["source"]) for one in found] == [(42, "platform"), (learner.learner_id, "stored")]
    shown = certs("learner", "find", "ada")
    assert "Ada of long ago" in shown.stdout
    assert "Several learners" in shown.stderr


def test_nobody_is_found_and_the_answer_is_what_was_understood_and_what_to_try(support_client: Client) -> None:
    answer = support_client.get("/v1/learners", username=" nobody ")
    assert (answer.status, answer.body["title"]) == (404, "no learner has the username nobody")
    assert "in any case in the names stored here and the platform" in answer.body["fix"]
    assert "try their e-mail" in answer.body["fix"]
    assert certs("learner", "find", "nobody@example.org").exit_code == NOT_FOUND


@pytest.mark.parametrize(
    "query", [{}, {"username": "a", "email": "a@b.c"}, {"username": "a,b"}, {"email": "no"}, {"username": "a\x00"}]
)
def test_what_is_neither_a_username_nor_an_email_is_refused(support_client: Client, query: dict[str, str]) -> None:
    answer = support_client.get("/v1/learners", **query)
    assert answer.status == 422
    assert answer.body["fix"]


def test_without_the_platform_stored_names_answer_and_the_answer_states_it(
    scene: Scene, learner: Learner, support_client: Client, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    username = f"cleo{learner.learner_id}"
    scene.ingest(with_pii(learner.enrolled(day(1)), username))
    platform.answers = [(500, None, {})] * 2
    answer = support_client.get("/v1/learners", username=username)
    assert [one["source"] for one in answer.body["learners"]] == ["stored"]
    assert answer.body["problem"] == "the platform doesn't answer"
    assert certs("learner", "find", EMAIL).exit_code == TRY_AGAIN
    assert "swordfish" not in logged(caplog)


def test_a_refused_client_is_named_with_the_way_out(support_client: Client, platform: Platform) -> None:
    platform.secret = "another"
    answer = support_client.get("/v1/learners", email=EMAIL)
    assert (answer.status, answer.body["title"]) == (503, "the platform refuses this service's client")
    assert "PlatformCredentialsSecret" in answer.body["fix"]


def test_only_who_may_view_is_answered(scene: Scene) -> None:
    assert Client(scene, scopes=()).get("/v1/learners", username="ada").status == 403


def test_the_command_shows_who_it_is_and_a_learner_by_id_as_before(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    assert "42" in certs("learner", "find", "ada").stdout
    assert json.loads(certs("learner", "find", EMAIL, "--json").stdout)["learners"][0]["learner_id"] == 42
    assert learner.course_run.split("+")[1] in certs("learner", str(learner.learner_id)).stdout
    assert "ada (Ada Lovelace)" in certs("learner", "show", "42").stdout
    assert json.loads(certs("learner", "--json", "42").stdout)["course_runs"] == []


def test_a_form_of_another_site_finds_nobody(support_client: Client) -> None:
    assert support_client.form("/find", "cross-site", q="ada").status == 403


def test_in_the_console_a_person_is_found_by_an_email_that_is_in_no_address(ada: Person) -> None:
    ada.check("find")
    ada.find(EMAIL)
    expect(ada.page.get_by_role("heading", name="Learner 42")).to_be_visible()
    expect(ada.page.get_by_role("main")).to_contain_text("ada, Ada Lovelace (as the platform has it now)")
    expect(ada.page.get_by_role("main")).to_contain_text("No enrollment has been received")
    assert "@" not in ada.page.url
    ada.check("found")


def test_in_the_console_several_are_a_list_to_choose_from(scene: Scene, learner: Learner, ada: Person) -> None:
    scene.ingest(with_pii(learner.enrolled(day(1)), "ADA", "<b>Ada</b> of long ago"))
    ada.find("ada")
    expect(ada.page.get_by_role("heading", level=1)).to_contain_text("Which of these")
    expect(ada.page.get_by_role("main")).to_contain_text("<b>Ada</b> of long ago")
    ada.check("several")
    ada.page.get_by_role("link", name=f"Learner {learner.learner_id}", exact=True).click()
    expect(ada.page.get_by_role("main")).to_contain_text(learner.course_run)


def test_in_the_console_nobody_is_a_page_with_what_to_try(ada: Person) -> None:
    ada.find("nobody")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Nothing was found")
    expect(ada.page.get_by_role("main")).to_contain_text("no learner has the username nobody")
    expect(ada.page.get_by_role("main")).to_contain_text("give the learner id")
    ada.check("nobody")


def test_where_nothing_is_stored_and_nobody_is_asked_the_answer_is_what_an_operator_can_do(
    scene: Scene, support_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = scene.cloud.functions["SupportFunction"]
    monkeypatch.setitem(function._variables, "LEARNER_NAMES", "off")
    monkeypatch.setitem(function._variables, "PLATFORM", " ")
    for query, parameter in (({"username": "ada"}, "LearnerNames"), ({"email": EMAIL}, "PlatformUrl")):
        answer = support_client.get("/v1/learners", **query)
        assert answer.status == 409
        assert parameter in answer.body["fix"]
    assert certs("learner", "find", "ada").exit_code == CONTRADICTS
    assert support_client.get("/v1/learners/42").body["known_as"] is None
