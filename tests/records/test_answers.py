"""Every recorded answer of a call that the client makes is the outcome that it should be."""

from typing import Any

import pytest

from certrules.core.deliveries.desired import Availability, CourseCredential, Grade, ProgramCredential
from certrules.core.deliveries.outcomes import Acknowledged, Outcome, RecordWarning, Unacknowledged, Waiting
from certrules.platform_client import Answer
from certrules.records.answers import (
    availability_outcome,
    availability_shown,
    certificates_shown,
    credential_outcome,
    credential_shown,
    grade_outcome,
    grade_shown,
    is_completed,
    refused,
    rename_outcome,
    rows_shown,
)
from tests.records import recorded
from tests.records.recorded import A1, P1, PATHS, Exchange
from tests.records.service import AVAILABILITY, CREDENTIALS, GRADES, RECORDS, STATUS, USERNAMES
from tests.records.state import read

EXCHANGES = [recorded.exchange(path) for path in PATHS]
SENT = [item for item in EXCHANGES if item.request["method"] == "POST"]
ABOUT_CREDENTIALS = [item for item in EXCHANGES if item.request["path"].startswith(CREDENTIALS)]
AWARDED = CourseCredential(is_awarded=True, mode="verified")
CONFIRMED = Acknowledged()

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not PATHS, reason="needs the recorded exchanges of the data folder (CERTS_DATA)"),
]

#: What FACTS.md states of the answers that aren't 201, by the beginning of the case; all others are 400: refused.
REASONS = {
    "auth-no-version-claim": Waiting.IN_DOUBT,
    "auth-": Waiting.NOT_AUTHORISED,
    "course-mode-missing": Waiting.IN_DOUBT,
    "course-unknown-run": Waiting.NOT_IN_CATALOG,
    "course-run-old-style": Waiting.NOT_IN_CATALOG,
    "course-run-key-garbage": Waiting.NOT_IN_CATALOG,
    "course-inactive-": Waiting.SWITCHED_OFF,
    "course-credential-string": Waiting.IN_DOUBT,
    "program-unknown-username": Waiting.IN_DOUBT,  # the client asks whether it is that
    "program-inactive": Waiting.UNKNOWN_PROGRAM,
    "program-not-configured": Waiting.UNKNOWN_PROGRAM,
    "program-unknown": Waiting.UNKNOWN_PROGRAM,
    "program-without-catalog-link": Waiting.IN_DOUBT,
    "availability-left-out": Waiting.IN_DOUBT,
    "availability-active-left-out": Waiting.IN_DOUBT,
    "availability-other-mode": Waiting.IN_DOUBT,  # the client asks which mode there is
    "availability-mode-bad": Waiting.REFUSED_MODE,
    "grade-unknown-run": Waiting.NOT_IN_CATALOG,
    "grade-not-administrator": Waiting.NOT_AUTHORISED,
    "throttled-": Waiting.THROTTLED,
    "username-replace-not-worker": Waiting.RENAME_REFUSED,
    "username-replace-bad": Waiting.UNAVAILABLE,  # 400 without a body: it isn't this view
}


def to(path: str) -> list[Exchange]:
    return [item for item in SENT if item.request["path"] == path]


def named(item: Exchange) -> str:
    return f"{item.number}-{item.case}"


def answer_of(item: Exchange) -> Answer:
    after = item.headers.get("retry-after")
    is_json = not (isinstance(item.body, dict) and item.body.get("not_json"))
    return Answer(item.status, item.body if is_json else None, None if after is None else float(after))


def reason_of(item: Exchange) -> Waiting:
    fitting = [start for start in REASONS if item.case.startswith(start)]
    return REASONS[max(fitting, key=len)] if fitting else Waiting.REFUSED


def assert_refused(item: Exchange, outcome: Outcome) -> None:
    assert isinstance(outcome, Unacknowledged)
    assert outcome.reason is reason_of(item)
    assert outcome.is_over is (item.status == 500)
    assert (outcome.retry_after is not None) is (item.status == 429)
    assert "course-v1" not in outcome.detail
    assert "uuu" not in outcome.detail


def desired_of(body: Any) -> CourseCredential | ProgramCredential:
    """Return the desired state that a recorded request would be sent for."""
    credential = body.get("credential") if isinstance(body, dict) else None
    if not isinstance(credential, dict):
        return AWARDED
    is_awarded = body.get("status") != "revoked"
    if "program_uuid" in credential:
        return ProgramCredential(is_awarded=is_awarded)
    override = body.get("date_override")
    date = read(override.get("date")) if isinstance(override, dict) else None
    return CourseCredential(is_awarded=is_awarded, mode=credential.get("mode", "verified"), date_override=date)


@pytest.mark.parametrize("item", to(CREDENTIALS), ids=named)
def test_answers_to_credentials(item: Exchange) -> None:
    desired = desired_of(item.request["body"])
    name = item.request["body"].get("username") if isinstance(item.request["body"], dict) else None
    outcome = credential_outcome(answer_of(item), desired, name or "ada")
    if item.status != 201:
        return assert_refused(item, outcome)
    has_mode = isinstance(desired, ProgramCredential) or item.body["credential"]["mode"] == desired.mode
    assert outcome == Acknowledged(item.body["uuid"], None if has_mode else RecordWarning.OTHER_MODE)
    return None


@pytest.mark.parametrize("item", to(GRADES), ids=named)
def test_answers_to_grades(item: Exchange) -> None:
    outcome = grade_outcome(answer_of(item))
    if item.status != 201:
        return assert_refused(item, outcome)
    assert outcome == CONFIRMED
    return None


@pytest.mark.parametrize("item", to(AVAILABILITY), ids=named)
def test_answers_to_availability(item: Exchange) -> None:
    body = item.request["body"]
    desired = Availability(mode=body["certificate_type"], date=read(body.get("certificate_available_date")))
    outcome = availability_outcome(answer_of(item), desired)
    if item.status != 201:
        return assert_refused(item, outcome)
    assert outcome == CONFIRMED
    return None


@pytest.mark.parametrize("item", to(USERNAMES), ids=named)
def test_answers_to_renames(item: Exchange) -> None:
    outcome = rename_outcome(answer_of(item))
    if item.status != 200:
        return assert_refused(item, outcome)
    is_clash = item.case == "username-replace-clash"
    assert outcome == Acknowledged(warning=RecordWarning.TWO_USERNAMES if is_clash else None)
    return None


@pytest.mark.parametrize("item", to(STATUS), ids=named)
def test_answers_to_what_holds_of_a_learner(item: Exchange) -> None:
    answer = answer_of(item)
    shown = list(certificates_shown(answer.body, A1))
    is_shown = item.case not in {"status-unknown", "known-unknown-id"} and item.status == 200
    assert bool(shown) is is_shown
    if item.status in {403, 500}:
        reason = refused(answer).reason
        assert reason is (Waiting.NOT_AUTHORISED if item.status == 403 else Waiting.IN_DOUBT)


def test_a_grade_is_confirmed_by_what_is_shown_of_it() -> None:
    (item,) = [item for item in EXCHANGES if item.case == "status-as-admin"]
    assert grade_shown(item.body, A1, Grade(percent=0.91, letter="Pass")) == CONFIRMED
    assert grade_shown(item.body, A1, Grade(percent=0.92, letter="Pass")) is None
    assert grade_shown(item.body, A1, Grade(percent=0.91, letter="A")) is None
    assert grade_shown(item.body, "course-v1:DemoX+A+2026", Grade(percent=0.91, letter="Pass")) is None


@pytest.mark.parametrize("item", ABOUT_CREDENTIALS, ids=named)
def test_rows_that_the_service_shows_confirm_what_they_hold_and_nothing_else(item: Exchange) -> None:
    if item.request["method"] != "GET" or item.status != 200:
        assert list(rows_shown(item.body, A1)) == []
        return
    rows = item.body.get("results", [item.body])
    for row in rows:
        override = row["date_override"]
        is_awarded = row["status"] == "awarded"
        if row["credential"]["type"] == "program":
            right: Any = ProgramCredential(is_awarded=is_awarded)
            wrong: Any = ProgramCredential(is_awarded=not is_awarded)
        else:
            mode, date = row["credential"]["mode"], None if override is None else read(override["date"])
            right = CourseCredential(is_awarded=is_awarded, mode=mode, date_override=date)
            wrong = CourseCredential(is_awarded=is_awarded, mode=mode, date_override=recorded.START)
        assert credential_shown(row, right, row["username"]) == Acknowledged(row["uuid"])
        assert credential_shown(row, right, "another") is None
        assert credential_shown(row, wrong, row["username"]) is None
    assert all(row in rows for row in rows_shown(item.body, A1))


@pytest.mark.parametrize(
    "item",
    [item for item in EXCHANGES if item.request["path"].startswith(AVAILABILITY) and item.request["method"] == "GET"],
    ids=named,
)
def test_an_availability_that_is_shown_is_confirmed_or_of_another_mode(item: Exchange) -> None:
    date = read(item.body.get("certificate_available_date"))
    outcome = availability_shown(item.body, Availability(mode="verified", date=date))
    assert outcome == (CONFIRMED if item.status == 200 else None)
    if item.status == 200:
        assert availability_shown(item.body, Availability(mode="verified", date=recorded.LATER)) is None
        other = availability_shown(item.body, Availability(mode="honor", date=date))
        assert isinstance(other, Unacknowledged)
        assert other.reason is Waiting.REFUSED_MODE


@pytest.mark.parametrize("item", [item for item in EXCHANGES if RECORDS + "?" in item.request["path"]], ids=named)
def test_a_program_is_confirmed_by_the_record_that_shows_it(item: Exchange) -> None:
    assert is_completed(item.body, P1) is (item.case == "records-list")
    assert not is_completed(item.body, recorded.INACTIVE)


@pytest.mark.parametrize(
    ("answer", "reason", "is_over"),
    [
        (Answer(201, None), Waiting.IN_DOUBT, False),  # half an answer
        (Answer(200, None), Waiting.UNAVAILABLE, False),  # a page
        (Answer(201, {"uuid": 7}), Waiting.IN_DOUBT, False),
        (Answer(302), Waiting.UNAVAILABLE, False),
        (Answer(404), Waiting.UNAVAILABLE, False),
        (Answer(400, ["?"]), Waiting.UNAVAILABLE, False),
        (Answer(502), Waiting.IN_DOUBT, False),
        (Answer(503), Waiting.IN_DOUBT, False),
        (Answer(500), Waiting.IN_DOUBT, True),
    ],
)
def test_answers_that_the_service_never_gives(answer: Answer, reason: Waiting, is_over: bool) -> None:
    outcome = credential_outcome(answer, AWARDED, "ada")
    assert isinstance(outcome, Unacknowledged)
    assert (outcome.reason, outcome.is_over) == (reason, is_over)
