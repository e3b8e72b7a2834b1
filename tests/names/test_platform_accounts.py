"""The platform's accounts, asked over HTTP: held to what is known of that API, with faults, time-outs and the cache."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certrules import aws, platform_accounts
from certrules.formats.learner_names import Name
from certrules.platform_accounts import Account, PlatformAccounts
from certrules.platform_client import PlatformError
from tests.scenes.platform_accounts import CLIENT, Platform, serving

EXCHANGES = json.loads((Path(__file__).parent / "accounts" / "exchanges.json").read_text())["exchanges"]
ADA = Account(42, Name("ada", "Ada Lovelace"))
ACCOUNTS, TOKEN = "GET /api/user/v1/accounts", "POST /oauth2/access_token"


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving() as platform:
        yield platform


class Secrets:
    """Secrets Manager, with one secret."""

    def __init__(self) -> None:
        self.value = json.dumps(CLIENT)
        self.reads = 0

    def get_secret_value(self, **_: str) -> dict[str, str]:
        self.reads += 1
        return {"SecretString": self.value}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    found = Secrets()
    monkeypatch.setattr(aws, "client", lambda _service: found)
    return found


class Clock:
    """Seconds, as the test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(platform: Platform, secrets: Secrets, clock: Clock) -> PlatformAccounts:
    assert secrets.reads == 0
    return PlatformAccounts(platform.url, "arn:aws:secretsmanager:eu-west-1:1:secret:lms", clock)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["case"])
def test_the_stand_in_answers_as_the_source_of_the_accounts_api_does(platform: Platform, exchange: Any) -> None:
    platform.is_staff = exchange["client"] == "staff"
    headers = {"Authorization": f"JWT {platform.token}"} if exchange["client"] else {}
    ((name, value),) = exchange["query"].items()
    status, body, _ = platform.answer("GET", f"/api/user/v1/accounts?{name}={value}", headers, "")
    assert status == exchange["status"]
    assert type(body) is type(exchange["body"])
    if isinstance(body, list):
        assert {"id", "name", "email"} & body[0].keys() == {"id", "name", "email"} & exchange["body"][0].keys()
    elif body:
        assert body.keys() == exchange["body"].keys()


@pytest.mark.shared_data
@pytest.mark.parametrize("case", ["201-token-client-credentials", "202-token-wrong-secret"])
def test_the_stand_in_gives_tokens_as_they_were_recorded(platform: Platform, shared_data: Path, case: str) -> None:
    recorded = json.loads((shared_data / "credentials" / "exchanges" / f"{case}.json").read_text())
    form = {**recorded["request"]["body"], **CLIENT}
    if "wrong" in case:
        form["client_secret"] = "wrong"
    sent = "&".join(f"{name}={value}" for name, value in form.items())
    status, body, _ = platform.answer("POST", recorded["request"]["path"], {}, sent)
    assert (status, body.keys()) == (recorded["response"]["status"], recorded["response"]["body"].keys())


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["case"])
def test_every_known_answer_is_read_or_refused_with_the_way_out(
    platform: Platform, accounts: PlatformAccounts, exchange: Any
) -> None:
    accounts._client._token = ("t", 9e9)
    platform.answers = [(exchange["status"], exchange["body"], {})]
    ((name, value),) = exchange["query"].items()
    if exchange["client"] == "staff" and exchange["status"] in {200, 404}:
        assert accounts.find(name, value) == ([ADA] if exchange["status"] == 200 else [])
    elif exchange["status"] == 401:
        assert accounts.find(name, value) == [ADA]  # with a new token
    else:
        with pytest.raises(PlatformError) as refusal:
            accounts.find(name, value)
        assert ("staff" in refusal.value.fix) is (exchange["client"] == "learner")


@pytest.mark.parametrize(
    ("by", "value"), [("username", "ada"), ("email", "ada.lovelace@example.org"), ("lms_user_id", "42")]
)
def test_an_answer_counts_for_minutes(
    platform: Platform, accounts: PlatformAccounts, clock: Clock, by: Any, value: str
) -> None:
    assert [accounts.find(by, value) for _ in range(3)] == [[ADA]] * 3
    assert platform.requests == {TOKEN: 1, ACCOUNTS: 1}
    clock.now += platform_accounts.REMEMBERED_SECONDS
    assert accounts.find(by, value) == [ADA]
    assert platform.requests == {TOKEN: 1, ACCOUNTS: 2}


def test_whoever_has_just_registered_is_found_soon(
    platform: Platform, accounts: PlatformAccounts, clock: Clock
) -> None:
    assert accounts.find("username", "bea") == []
    platform.accounts.append({"id": 7, "username": "bea", "name": "", "email": "b@example.org"})
    assert accounts.find("username", "bea") == []
    clock.now += 60
    assert accounts.find("username", "bea") == [Account(7, Name("bea", ""))]


def test_many_usernames_are_asked_at_once_and_each_is_remembered(
    platform: Platform, accounts: PlatformAccounts
) -> None:
    platform.accounts += [{"id": 100 + one, "username": f"bea{one}", "name": "", "email": ""} for one in range(119)]
    names = ["ada", *(f"bea{number}" for number in range(119))]
    found = accounts.find_usernames([*names, "nobody"])
    assert found == {
        "ada": [ADA],
        **{f"bea{one}": [Account(100 + one, Name(f"bea{one}", ""))] for one in range(119)},
        "nobody": [],
    }
    assert platform.requests == {TOKEN: 1, ACCOUNTS: 3}
    assert accounts.find_usernames(names[::-1])["bea7"] == accounts.find("username", "bea7") == found["bea7"]
    assert platform.requests == {TOKEN: 1, ACCOUNTS: 3}


def test_a_username_that_the_platform_spells_otherwise_is_asked_alone(
    platform: Platform, accounts: PlatformAccounts
) -> None:
    accounts.find("username", "nobody")
    other = {"id": 7, "username": "josé", "name": "", "email": ""}
    platform.answers = [(200, [dict(platform.accounts[0]), other], {}), (200, [other], {})]
    assert accounts.find_usernames(["ada", "jose"]) == {"ada": [ADA], "jose": [Account(7, Name("josé", ""))]}
    assert platform.requests == {TOKEN: 1, ACCOUNTS: 3}


def test_no_more_than_so_many_answers_are_in_memory(
    accounts: PlatformAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_accounts, "_MOST_REMEMBERED", 3)
    for number in range(6):
        accounts.find("username", f"nobody{number}")
    assert len(accounts._remembered) == 3


def test_a_token_is_renewed_before_it_ends(platform: Platform, accounts: PlatformAccounts, clock: Clock) -> None:
    accounts.find("username", "ada")
    clock.now += 3550
    accounts.find("username", "ada")
    assert platform.requests[TOKEN] == 2


def test_a_token_that_the_platform_withdrew_is_replaced(platform: Platform, accounts: PlatformAccounts) -> None:
    accounts.find("username", "nobody")
    platform.token = "another.valid.token"
    assert accounts.find("username", "ada") == [ADA]


def test_a_rotated_secret_is_read_again(platform: Platform, accounts: PlatformAccounts, secrets: Secrets) -> None:
    secrets.value = json.dumps({**CLIENT, "client_secret": "of last year"})
    with pytest.raises(PlatformError, match="refuses this service's client"):
        accounts.find("username", "ada")
    secrets.value = json.dumps(CLIENT)
    assert accounts.find("username", "ada") == [ADA]
    assert platform.requests[TOKEN] == 4  # one of them with what was in memory


@pytest.mark.parametrize("value", ["", "swordfish", "[]", '{"client_id": "a"}'])
def test_a_secret_of_another_form_is_refused_without_its_content(
    accounts: PlatformAccounts, secrets: Secrets, value: str
) -> None:
    secrets.value = value
    with pytest.raises(PlatformError) as refusal:
        accounts.find("username", "ada")
    assert "swordfish" not in str(refusal.value)
    assert "client_secret" in refusal.value.fix


@pytest.mark.parametrize(
    ("status", "body", "title"),
    [
        (500, b"<html>", "the platform doesn't answer"),
        (503, None, "the platform doesn't answer"),
        (429, {"detail": "Request was throttled."}, "the platform doesn't answer"),
        (200, b"<html>", "there is no accounts API at the platform's address"),
        (200, {"results": []}, "there is no accounts API at the platform's address"),
        (302, None, "there is no accounts API at the platform's address"),
        (400, None, "there is no accounts API at the platform's address"),
        (200, ["ada"], "the platform names no ids of accounts to this service"),
        (200, [{"id": True}], "the platform names no ids of accounts to this service"),
    ],
)
@pytest.mark.usefixtures("caplog")
def test_a_fault_is_named_and_nothing_of_what_was_asked_or_sent(
    platform: Platform, accounts: PlatformAccounts, caplog: pytest.LogCaptureFixture, status: int, body: Any, title: str
) -> None:
    caplog.set_level(logging.DEBUG)
    accounts.find("username", "nobody")
    platform.answers = [(status, body, {"Location": f"{platform.url}/elsewhere"} if status == 302 else {})]
    with pytest.raises(PlatformError) as refusal:
        accounts.find("email", "ada.lovelace@example.org")
    assert refusal.value.title == title
    assert refusal.value.fix
    shown = str(refusal.value) + repr(refusal.value.__cause__) + caplog.text
    assert not [text for text in ("lovelace", "swordfish", platform.token) if text in shown]
    assert "GET /elsewhere" not in platform.requests  # the token goes to no other address
    assert accounts.find("email", "ada.lovelace@example.org") == [ADA]  # a fault is not remembered


def test_a_platform_that_is_slow_or_down_is_given_up_on(platform: Platform, accounts: PlatformAccounts) -> None:
    accounts._client.timeout = 0.2
    platform.pause = 0.6
    with pytest.raises(PlatformError, match="TimeoutError") as slow:
        accounts.find("username", "ada")
    assert slow.value.is_passing
    accounts._client._token_url = "http://127.0.0.1:9"
    with pytest.raises(PlatformError, match="ConnectionRefusedError"):
        accounts.find("username", "ada")
