"""What the Credentials service lost or changed is found by comparing, and sent again; a second pass finds nothing."""

from datetime import datetime, timedelta

import pytest

from certrules.core.deliveries.desired import Availability, CourseCredential, Grade, ProgramCredential
from certrules.core.deliveries.outcomes import Acknowledged, Waiting
from certrules.records.credentials import Unconfirmed
from certrules.records.delivering import Ending
from tests.records.scene import (
    A1,
    ADA,
    AVAILABILITY,
    AWARDED,
    COURSE,
    GRADE,
    NOON,
    P1,
    PROGRAM,
    PROGRAM_AWARDED,
    REVOKED,
    Scene,
)


@pytest.fixture
def delivered(scene: Scene) -> Scene:
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.want(GRADE, Grade(percent=0.9, letter="Pass"))
    scene.want(PROGRAM, PROGRAM_AWARDED)
    scene.deliver()
    assert all(delivery.is_settled for delivery in scene.store.deliveries())
    return scene


def reading(scene: Scene) -> Scene:
    """Let the service's account read credentials."""
    scene.service.platform.is_superuser = True
    scene.service.platform.generation += 1  # another token
    return scene


def test_a_record_that_is_as_desired_is_the_same_for_every_account(delivered: Scene) -> None:
    assert delivered.delivering.compare(ADA, heal=True).same == 3
    assert reading(delivered).delivering.compare(ADA, heal=True).same == 3


def test_a_course_run_of_which_the_service_has_nothing_is_shown_at_once(scene: Scene) -> None:
    def asked(date: datetime | None) -> object:
        desired = Availability(mode="verified", date=date)
        return scene.client.ask(AVAILABILITY, desired, "", overridden=False, uuid=None)

    assert asked(None) == Acknowledged()
    assert asked(NOON) is Unconfirmed.DIFFERS


def test_a_forgotten_record_is_found_by_an_account_that_may_read_and_sent_again(delivered: Scene) -> None:
    reading(delivered)
    for key in (A1, P1):
        delivered.service.state.forget("ada", key)
    found = delivered.delivering.compare(ADA, heal=True)
    assert {delivery.target for delivery in found.different} == {COURSE, PROGRAM}
    delivered.deliver()
    assert (delivered.status(), delivered.status(P1)) == ("awarded", "awarded")
    again = delivered.delivering.compare(ADA, heal=True)
    assert (again.same, again.different) == (3, [])


def test_without_that_right_a_forgotten_record_is_not_shown(delivered: Scene) -> None:
    delivered.service.state.forget("ada", A1)
    delivered.service.state.forget("ada", P1)
    found = delivered.delivering.compare(ADA, heal=True)
    assert (found.different, found.not_shown) == ([], 3)


@pytest.mark.parametrize("may_read", [True, False])
def test_a_record_that_is_shown_though_it_is_revoked_is_found_by_every_account(
    delivered: Scene, may_read: bool
) -> None:
    delivered.want(COURSE, REVOKED)
    delivered.want(PROGRAM, ProgramCredential(is_awarded=False))
    delivered.deliver()
    for row in delivered.service.state.credentials.values():
        row.status = "awarded"  # by another sender: the last delivery wins
    if may_read:
        reading(delivered)
    delivered.delivering.compare(ADA, heal=True)
    delivered.deliver()
    assert (delivered.status(), delivered.status(P1)) == ("revoked", "revoked")


def test_a_date_override_is_seen_by_an_account_that_may_read(delivered: Scene) -> None:
    delivered.want(COURSE, CourseCredential(is_awarded=True, mode="verified", date_override=NOON))
    delivered.deliver()
    row = delivered.service.state.credential("ada", A1)
    assert row is not None
    row.override = None
    assert delivered.delivering.compare(ADA, heal=True).different == []
    reading(delivered)
    delivered.delivering._client._may_read = True  # as in a new process
    assert [delivery.target for delivery in delivered.delivering.compare(ADA, heal=True).different] == [COURSE]
    delivered.deliver()
    assert row.override == NOON


def test_another_grade_and_another_date_are_found(delivered: Scene) -> None:
    delivered.want(AVAILABILITY, Availability(mode="verified", date=None))
    delivered.delivering.deliver(A1)
    delivered.service.state.grades["ada", A1].percent = "0.1000"
    assert [delivery.target for delivery in delivered.delivering.compare(ADA, heal=True).different] == [GRADE]
    delivered.deliver()
    assert delivered.service.state.grades["ada", A1].percent == "0.9000"
    delivered.service.state.course_certificates[A1].available = NOON
    assert [delivery.target for delivery in delivered.delivering.compare(A1, heal=True).different] == [AVAILABILITY]
    delivered.delivering.deliver(A1)
    assert delivered.service.state.course_certificates[A1].available is None
    assert delivered.delivering.compare(A1, heal=True).same == 1


def test_a_user_that_the_service_lost_is_named(delivered: Scene) -> None:
    delivered.service.state.users.clear()
    delivered.delivering.compare(ADA, heal=True)
    delivered.deliver()
    assert delivered.delivery(PROGRAM).waiting is Waiting.UNKNOWN_USERNAME


def test_what_waits_and_what_cannot_be_asked_is_left_alone(delivered: Scene) -> None:
    delivered.want(COURSE, REVOKED)
    delivered.service.misbehaviour.down_until = NOON + timedelta(hours=1)
    for _ in range(3):
        found = delivered.delivering.compare(ADA, heal=True)
    assert (found.same, found.different, found.ending) == (0, [], Ending.PAUSED)
