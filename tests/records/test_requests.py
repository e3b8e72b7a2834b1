"""The client sends what was recorded with the real service: method, path and body."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest

from certrules import aws
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import Acknowledged, Outcome
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, CredentialsClient, Unconfirmed
from tests.records import recorded
from tests.records.recorded import A1, P1, PATHS
from tests.records.scene import SECRET, Secrets
from tests.records.service import Host

BOB, VERA = 102, 200
MAY_DAY = datetime(2026, 5, 1, tzinfo=UTC)
AWARDED, REVOKED = (CourseCredential(is_awarded=awarded, mode="verified") for awarded in (True, False))
DATED = CourseCredential(is_awarded=True, mode="verified", date_override=MAY_DAY)
PROGRAM = ProgramCredential(is_awarded=True)
PASSED = Grade(percent=0.91, letter="Pass", updated_at=datetime(2026, 5, 1, 12, tzinfo=UTC))
COURSE_OF_VERA, GRADE_OF_VERA = Target(Kind.COURSE, VERA, A1), Target(Kind.GRADE, VERA, A1)

type Call = Callable[[CredentialsClient], Outcome | Unconfirmed]

SENT: dict[str, Call] = {
    "course-award": lambda client: client.send_course("ada", A1, AWARDED),
    "course-revoke": lambda client: client.send_course("ada", A1, REVOKED),
    "date-override-set": lambda client: client.send_course("ada", A1, DATED),
    "date-override-null": lambda client: client.send_course("ada", A1, AWARDED),
    "program-award": lambda client: client.send_program("bob", P1, PROGRAM, BOB),
    "availability-null": lambda client: client.send_availability(A1, Availability(mode="verified", date=None)),
    "availability-set": lambda client: client.send_availability(A1, Availability(mode="verified", date=recorded.LATER)),
    "grade-create": lambda client: client.send_grade("ada", A1, PASSED),
    "username-replace": lambda client: client.rename("vroni", "vroni2"),
}
ASKED: dict[str, Call] = {
    "status-by-username": lambda client: client.ask(GRADE_OF_VERA, PASSED, "vera", overridden=False, uuid=None),
    "availability-get": lambda client: client.ask(
        Target(Kind.AVAILABILITY, A1), Availability(mode="verified", date=MAY_DAY), "", overridden=False, uuid=None
    ),
    "list-as-superuser": lambda client: client.ask(
        Target(Kind.COURSE, 101, A1), AWARDED, "ada", overridden=False, uuid=None
    ),
    "records-list": lambda client: client.ask(
        Target(Kind.PROGRAM, VERA, P1), PROGRAM, "vera", overridden=False, uuid="of the row"
    ),
}
SUPERUSER = {"list-as-superuser"}

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not PATHS, reason="needs the recorded exchanges of the data folder (CERTS_DATA)"),
]


@pytest.fixture
def client(host: Host) -> Iterator[CredentialsClient]:
    with patch.object(aws, "client", lambda _service: Secrets(host.service)):
        yield CredentialsClient(PlatformClient(host.url, host.url, SECRET, PARAMETERS, lambda: 0.0))


@pytest.mark.parametrize("case", [*SENT, *ASKED])
def test_what_is_sent_and_asked_is_what_was_recorded(host: Host, client: CredentialsClient, case: str) -> None:
    (found,) = [item for item in map(recorded.exchange, PATHS) if item.case == case]
    host.service = recorded.recorded_until(found.number)
    host.service.platform.is_superuser = case in SUPERUSER
    host.service.state.replacement_worker = host.service.platform.username
    outcome = (SENT | ASKED)[case](client)
    assert isinstance(outcome, Acknowledged)
    method, path, content = host.service.received[-1]
    assert (method, path.replace("%3A", ":").replace("%2B", "+")) == (found.request["method"], found.request["path"])
    sent: Any = json.loads(content) if content else None
    assert sent == found.request["body"]


def test_whether_a_learner_was_renamed_is_asked_by_the_id_of_the_platform(
    host: Host, client: CredentialsClient
) -> None:
    (found,) = [item for item in map(recorded.exchange, PATHS) if item.case == "known-by-lms-user-id"]
    host.service = recorded.recorded_until(found.number)
    target = Target(Kind.USERNAME, BOB)
    assert isinstance(client.ask(target, Username(name="bob"), "b", overridden=False, uuid=None), Acknowledged)
    other = client.ask(target, Username(name="bob2"), "b", overridden=False, uuid=None)
    assert other is Unconfirmed.DIFFERS
    method, path, content = host.service.received[-1]
    assert (method, path) == (found.request["method"], found.request["path"])
    assert json.loads(content).keys() == found.request["body"].keys()
