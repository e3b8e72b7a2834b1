"""Recorded exchanges with the real service, and the state that each of them was recorded in."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.records.service import CREDENTIALS, GRADES, Service
from tests.records.state import (
    Course,
    CourseCertificate,
    Credential,
    Grade,
    Program,
    ProgramCertificate,
    State,
    User,
    read,
)
from tests.records.tokens import Account

FOLDER = Path(os.environ.get("CERTS_DATA", Path(__file__).parents[3] / "shared" / "data")) / "credentials"
PATHS = sorted((FOLDER / "exchanges").glob("*.json"))

A1, A2, B1 = "course-v1:DemoX+A+2025", "course-v1:DemoX+A+2026", "course-v1:DemoX+B+2026"
C1, FREE, OFF = "course-v1:DemoX+C+2026", "course-v1:DemoX+FREE+2026", "course-v1:DemoX+OFF+2026"
P1, RETIRED = "09451658-1777-5b2c-8487-ed7fd4938598", "2ede5a3a-97e1-595a-8d7c-0903d35a498e"
INACTIVE, UNCONFIGURED = "86f4c041-5c61-5c35-b62d-641ec85c2404", "33c93d67-6087-5b87-8e4a-34abc1b56ffb"
UNLINKED = "81acf086-d77f-5ed7-9457-eca1b760dc4a"
LATER = datetime(2031, 1, 1, tzinfo=UTC)
START = datetime(2026, 11, 29, 1, 49, 50, tzinfo=UTC)
SERVICE = Account("records-worker", is_administrator=True, is_superuser=False)
SUPERUSER = Account("records-root", is_administrator=False, is_superuser=True)


class Exchange(NamedTuple):
    """One recorded exchange."""

    number: int
    case: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: Any


@cache
def exchange(path: Path) -> Exchange:
    """Read a recorded exchange."""
    found = json.loads(path.read_text())
    response = found["response"]
    return Exchange(
        int(path.name[:3]),
        found["case"],
        found["request"],
        response["status"],
        {name: value for name, value in response["headers"].items() if value is not None},
        response["body"],
    )


def as_configured() -> State:
    """Return the state before the first exchange."""
    a = Course(
        "A",
        {A1: "3da073bd-5668-5b90-adb3-95d158e9e918", A2: "of A2"},
        "5eb847b4-f614-5c20-a12d-3b7aa8f21846",
    )
    b = Course("B", {B1: "of B1"})
    others = [Course(name, {key: f"of {name}"}) for name, key in (("C", C1), ("FREE", FREE), ("OFF", OFF))]
    programs = [
        Program(P1, "P1", [a, b]),
        Program(INACTIVE, "P-inactive", [a, b]),
        Program(UNCONFIGURED, "P-none", [a, b]),
        Program(RETIRED, "P-retired", [others[0]]),
    ]
    configured = [
        ProgramCertificate(1, P1),
        ProgramCertificate(2, INACTIVE, is_active=False),
        ProgramCertificate(3, RETIRED),
        ProgramCertificate(4, UNLINKED, in_catalog=False),
    ]
    users = [
        User("ada", 101),
        User("bob", 102),
        User("vera", 200, "Vera", "vera@learners.example"),
        User("vic", 201),
        User("twice", 301),
        User("twice-renamed", 301),
    ]
    return State(
        lambda: START,
        users=users,
        courses=[a, b, *others],
        programs=programs,
        course_certificates={OFF: CourseCertificate(1, OFF, "verified", is_active=False)},
        program_certificates={item.uuid: item for item in configured},
        superusers={SUPERUSER.username},
    )


def recorded_until(number: int) -> Service:
    """Return the service as it was before an exchange: as earlier answers show it, and what was changed beside."""
    service = Service(as_configured())
    state = service.state
    exchanges = [exchange(path) for path in PATHS]
    (this,) = [item for item in exchanges if item.number == number]
    now = START
    for item in exchanges:
        _beside(service, item, this, now)
        if item is this:
            break
        now = max(now, _show(state, item.body, now))
        if item.case == "username-replace":
            _move(state, "vroni", "vroni2")
    state.clock = lambda: max(now, _show(as_configured(), this.body, now))
    shown = str(this.body.get("uuid")) if isinstance(this.body, dict) else ""
    state.new_uuid = lambda: shown
    if this.case == "record-without-grades":
        state.clock = lambda: datetime.fromisoformat(this.body["record"]["program"]["last_updated"] + "+00:00")
    if number > 200:  # recorded from the toolkit alone
        service.platform.lasts, service.platform.token_type = 36_000, "Bearer"
    return service


def _show(state: State, body: Any, now: datetime) -> datetime:
    """Put what an answer shows into the state. Return the latest time in it."""
    if not isinstance(body, dict):
        return now
    if "results" in body:
        return max([_show(state, item, now) for item in body["results"]], default=now)
    if "certificate_url" in body:
        return _show_credential(state, body)
    if "certificate_type" in body and "id" in body:
        found = CourseCertificate(
            body["id"],
            body["course_id"],
            body["certificate_type"],
            read(body["certificate_available_date"]),
            body["is_active"],
        )
        state.course_certificates[found.course_id] = found
    if "percent_grade" in body and "id" in body:
        grade = Grade(
            body["id"],
            body["username"],
            body["course_run"],
            body["letter_grade"],
            body["percent_grade"],
            body["verified"],
            read(body["lms_last_updated_at"]),
            _instant(body["created"]),
            _instant(body["modified"]),
        )
        state.grades[grade.username.lower(), grade.course_run] = grade
        return grade.modified
    return now


def _show_credential(state: State, body: dict[str, Any]) -> datetime:
    credential = body["credential"]
    key = credential.get("course_run_key") or credential["program_uuid"]
    override = body["date_override"]
    row = Credential(
        body["username"],
        credential["type"],
        key,
        body["status"],
        body["uuid"],
        _instant(body["created"]),
        _instant(body["modified"]),
        None if override is None else _instant(override["date"]),
        {item["name"]: item["value"] for item in body["attributes"]},
    )
    state.add(row)
    if row.type == "course-run" and key not in state.course_certificates:
        number = len(state.course_certificates) + 1
        state.course_certificates[key] = CourseCertificate(number, key, credential["mode"])
    return row.modified


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _move(state: State, old: str, new: str) -> None:
    for row in list(state.of_user(old)):
        del state.credentials[old, row.key]
        state.add(replace(row, username=new))


def _beside(service: Service, item: Exchange, this: Exchange, now: datetime) -> None:  # noqa: C901, PLR0912 - a table
    """Apply what was done beside the recorded requests, just before this one, as `given` and `note` of it describe."""
    state = service.state

    def row(username: str, key: str, status: str, uuid: str = "of the test") -> None:
        state.add(Credential(username, "course-run" if ":" in key else "program", key, status, uuid, now, now))

    match item.case:
        case "list-as-superuser":  # the modes were put right in its admin
            for run in (A2, B1):
                state.course_certificates[run].mode = "verified"
        case "visible-no-dates" | "one-get":
            _show(state, item.body, now)
        case "visible-one-course-later":
            state.course_certificates[B1].available = LATER
        case "visible-other-run-later":
            row("vera", A2, "awarded")
            state.course_certificates[B1].available, state.course_certificates[A2].available = None, LATER
        case "visible-revoked-run-later":
            row("vera", A2, "revoked")
        case "visible-date-override-future":
            state.course_certificates[A2].available = None
            _show(state, item.body, now)  # the request that set it moved `modified`
        case "visible-program-without-courses":
            row("vic", P1, "awarded")
        case "record-without-grades":
            first = _instant(item.body["record"]["grades"][0]["issue_date"])
            state.credentials["vera", A1].created = first
        case "record-with-grades":
            at = _instant(item.body["record"]["program"]["last_updated"])
            for number, (run, letter, percent) in enumerate(((A1, "Pass", "0.9100"), (B1, "", "0.7000")), 9):
                state.grades["vera", run] = Grade(number, "vera", run, letter, percent, True, at, at, at)
        case "record-course-revoked":
            state.credentials["vera", B1].status = "revoked"
        case "username-changed-upstream-only":
            row("vin", A1, "awarded")
        case "username-replace":
            (moved,) = [exchange(path).body["uuid"] for path in PATHS if "155-" in path.name]
            row("vroni", A1, "awarded", moved)
        case "program-award-after-learner-token":
            state.users.append(User("newcomer", 999))
        case "patch-course-keeps-override":
            _show(state, item.body, now)
            state.credentials["newcomer", A1].status = "awarded"
        case "throttled-credentials" | "throttled-grades" if item is this:
            wait = int(item.headers["retry-after"])
            count, path = (15, CREDENTIALS) if "credentials" in item.case else (90, GRADES)
            state.writers.add("writer")
            state.requests["writer", path] = [now - timedelta(seconds=60 - wait)] * count


OWN = {
    "list-own": "ada",
    "list-own-awarded-visible-program": "bob",
    "list-own-awarded-program": "bob",
    "list-own-no-filter": "ada",
    "list-own-status-bad": "ada",
    "list-page": "ada",
    "visible-program-without-courses": "vic",
    "learner-token-makes-user": "newcomer",
    "status-as-learner": "vera",
    "auth-not-administrator": "somebody",
    "auth-course-certificates-not-staff": "somebody",
    "grade-not-administrator": "somebody",
    "throttled-credentials": "writer",
    "throttled-grades": "writer",
}
AS_SUPERUSER = {
    "list-as-superuser",
    "list-program-filter",
    "list-program-filter-garbage",
    "one-get",
    "one-delete",
    "get-one-as-superuser",
}
AS_WORKER = {
    "username-replace-clash",
    "username-replace",
    "username-replace-unknown",
    "username-replace-bad",
}
CLAIMS: dict[str, dict[str, Any]] = {
    "auth-expired": {"exp": int((START - timedelta(seconds=60)).timestamp())},
    "auth-wrong-audience": {"aud": "another"},
    "auth-wrong-issuer": {"iss": "https://another.example"},
    "auth-no-version-claim": {"version": None},
    "auth-unsupported-version": {"version": "2.0.0"},
}


def token(service: Service, of: Exchange) -> str:
    """Return the token that an exchange was recorded with, of the stand-in."""
    account = SUPERUSER if of.case in AS_SUPERUSER else SERVICE
    if of.case in OWN or of.case.startswith("visible-"):
        account = Account(OWN.get(of.case, "vera"), is_administrator=False, is_superuser=False)
    if of.case in AS_WORKER:
        account = Account(service.state.replacement_worker, is_administrator=True, is_superuser=False)
    return service.platform.token(account, service.state.clock(), **CLAIMS.get(of.case, {}))
