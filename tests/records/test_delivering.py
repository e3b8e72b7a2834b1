"""Deliveries reach the Credentials service, whatever it does meanwhile: the stand-in over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from certrules.core.deliveries.breaker import CLOSED, FAILURES
from certrules.core.deliveries.delivery import LEASE, SETTLES, Delivery
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import RecordWarning, Waiting
from certrules.records.delivering import Ending, LostRaceError
from tests.records.faults import Fault
from tests.records.scene import (
    A1,
    A2,
    ADA,
    AVAILABILITY,
    AWARDED,
    B1,
    COURSE,
    GRADE,
    NOON,
    P1,
    PROGRAM,
    PROGRAM_AWARDED,
    REVOKED,
    Scene,
)
from tests.records.state import CourseCertificate, User

DATED = CourseCredential(is_awarded=True, mode="verified", date_override=NOON)


def test_all_of_a_learner_is_delivered_courses_before_the_program(scene: Scene) -> None:
    scene.named()
    scene.want(PROGRAM, PROGRAM_AWARDED)
    scene.want(GRADE, Grade(percent=0.912345, letter="Pass", updated_at=NOON))
    scene.want(COURSE, AWARDED)
    sent = [delivery.target.kind for delivery in scene.deliver().acknowledged]
    assert sent == [Kind.COURSE, Kind.GRADE, Kind.PROGRAM]
    assert (scene.status(), scene.status(P1)) == ("awarded", "awarded")
    assert scene.service.state.grades["ada", A1].percent == "0.9123"
    row = scene.service.state.credential("ada", A1)
    assert row is not None
    assert scene.delivery().uuid == row.uuid
    assert scene.deliver().acknowledged == []  # nothing is sent twice


def test_availability_is_delivered_with_and_without_a_date(scene: Scene) -> None:
    scene.want(AVAILABILITY, Availability(mode="verified", date=NOON))
    scene.delivering.deliver(A1)
    assert scene.service.state.course_certificates[A1].available == NOON
    scene.want(AVAILABILITY, Availability(mode="verified", date=None))
    scene.delivering.deliver(A1)
    assert scene.service.state.course_certificates[A1].available is None


def test_a_date_override_is_in_every_request_so_that_it_stays(scene: Scene) -> None:
    scene.named()
    dated = CourseCredential(is_awarded=True, mode="verified", date_override=NOON + timedelta(microseconds=5))
    scene.want(COURSE, dated)
    scene.deliver()
    scene.want(COURSE, CourseCredential(is_awarded=False, mode="verified", date_override=NOON))
    scene.deliver()
    row = scene.service.state.credential("ada", A1)
    assert row is not None
    assert (row.status, row.override) == ("revoked", NOON)
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert row.override is None


def test_a_program_waits_for_its_courses(scene: Scene) -> None:
    course = scene.service.state.courses.pop(0)
    scene.named()
    scene.want(PROGRAM, PROGRAM_AWARDED)
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().waiting is Waiting.NOT_IN_CATALOG
    assert scene.delivery(PROGRAM).waiting is Waiting.COURSES_FIRST
    assert scene.status(P1) is None
    scene.service.state.courses.append(course)
    scene.until_settled()
    assert (scene.status(), scene.status(P1)) == ("awarded", "awarded")


def test_a_program_is_revoked_without_waiting_for_courses(scene: Scene) -> None:
    scene.named()
    scene.want(PROGRAM, ProgramCredential(is_awarded=False, course_runs=(A1,)))
    scene.deliver()
    assert scene.status(P1) == "revoked"


def test_nothing_is_sent_of_a_learner_without_a_username_and_all_when_it_arrives(scene: Scene) -> None:
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert (scene.delivery().waiting, scene.requests()) == (Waiting.NO_USERNAME, 0)
    scene.named()
    scene.deliver()
    assert scene.status() == "awarded"


@pytest.mark.parametrize("desired", [PROGRAM_AWARDED, ProgramCredential(is_awarded=False)])
def test_a_program_of_an_unknown_username_waits_for_the_user(scene: Scene, desired: ProgramCredential) -> None:
    scene.service.state.users.clear()
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.want(PROGRAM, desired)
    scene.deliver()
    assert scene.status() == "awarded"
    assert scene.delivery(PROGRAM).waiting is Waiting.UNKNOWN_USERNAME
    assert scene.store.breaker.breaker == CLOSED  # the 500 is not the service's fault
    scene.service.state.users.append(User("ada", ADA))
    scene.until_settled()
    assert scene.status(P1) == ("awarded" if desired.is_awarded else "revoked")


def test_what_the_administrator_has_to_configure_is_named(scene: Scene) -> None:
    state = scene.service.state
    scene.named()
    state.course_certificates[A1] = CourseCertificate(1, A1, "verified", is_active=False)
    state.program_certificates[P1].is_active = False
    scene.want(COURSE, AWARDED)
    scene.want(PROGRAM, ProgramCredential(is_awarded=True))
    scene.want(Target(Kind.GRADE, ADA, "course-v1:DemoX+Z+1"), Grade(percent=1))
    scene.deliver()
    waiting = {delivery.target.kind: delivery.waiting for delivery in scene.store.deliveries() if delivery.waiting}
    assert waiting == {
        Kind.COURSE: Waiting.SWITCHED_OFF,
        Kind.PROGRAM: Waiting.UNKNOWN_PROGRAM,
        Kind.GRADE: Waiting.NOT_IN_CATALOG,
    }
    state.course_certificates[A1].is_active = state.program_certificates[P1].is_active = True
    scene.until_settled()
    assert (scene.status(), scene.status(P1)) == ("awarded", "awarded")


@pytest.mark.parametrize("mode", ["executive-education", "honor"])
def test_a_mode_that_the_service_refuses_waits_for_a_person(scene: Scene, mode: str) -> None:
    scene.service.state.course_certificates[A1] = CourseCertificate(1, A1, "verified")
    scene.want(AVAILABILITY, Availability(mode=mode, date=NOON))
    scene.delivering.deliver(A1)
    found = scene.delivery(AVAILABILITY)
    assert (found.waiting, found.next_at, found.detail) == (Waiting.REFUSED_MODE, None, "certificate_type")
    scene.named()
    scene.want(COURSE, CourseCredential(is_awarded=True, mode=mode))
    scene.deliver()
    assert (scene.delivery().is_settled, scene.status()) == (True, "awarded")  # the credential goes through


def test_another_mode_in_the_service_is_warned_of(scene: Scene) -> None:
    scene.service.state.course_certificates[A1] = CourseCertificate(1, A1, "honor")
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().is_settled
    assert scene.delivery().warning is RecordWarning.OTHER_MODE


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
@pytest.mark.parametrize("desired", [AWARDED, REVOKED, DATED])
def test_every_fault_ends_with_the_record_as_desired(scene: Scene, fault: Fault, desired: CourseCredential) -> None:
    scene.named()
    scene.platform.request("GET", "/health/")  # so that there is a token, and the fault is of the next request
    if fault is Fault.TIMEOUT_AFTER_WRITING:
        scene.platform.timeout = 0.3
    scene.service.misbehaviour.faults.append(fault)
    scene.want(COURSE, desired)
    scene.deliver()
    scene.platform.timeout = 30
    scene.until_settled()
    row = scene.service.state.credential("ada", A1)
    assert row is not None
    assert (row.status, row.override) == ("awarded" if desired.is_awarded else "revoked", desired.date_override)
    assert scene.delivery().is_settled
    assert scene.delivery().desired == desired


def test_a_slow_service_is_waited_for(scene: Scene) -> None:
    scene.named()
    scene.service.misbehaviour.pause = 0.05
    scene.service.misbehaviour.faults.extend([Fault.SLOW, Fault.SLOW])
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().is_settled


def test_retry_after_is_waited_for(scene: Scene) -> None:
    scene.named()
    scene.platform.request("GET", "/health/")
    scene.service.misbehaviour.faults.append(Fault.THROTTLED)
    scene.want(COURSE, AWARDED)
    scene.deliver()
    at = scene.delivery().next_at
    assert at is not None
    assert at >= NOON + timedelta(seconds=58)
    assert scene.delivering.deliver(ADA).ending is Ending.DONE
    assert scene.requests() == 1


def test_after_a_500_the_service_is_asked_before_it_is_sent_again(scene: Scene) -> None:
    scene.named()
    scene.platform.request("GET", "/health/")
    scene.service.misbehaviour.faults.append(Fault.ERROR_AFTER_WRITING)
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().is_settled
    assert (scene.requests(), scene.requests("POST /api/credentials/v1/learner_cert_status/")) == (1, 1)


@pytest.mark.parametrize("then", [Fault.ERROR, Fault.THROTTLED, Fault.PAGE])
def test_what_was_written_before_a_500_stays_in_doubt_until_it_is_acknowledged(scene: Scene, then: Fault) -> None:
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.service.misbehaviour.faults.extend([Fault.ERROR_AFTER_WRITING, then])
    scene.want(COURSE, REVOKED)
    scene.deliver()
    assert scene.status() == "revoked"
    scene.want(COURSE, AWARDED)  # as it was acknowledged last
    scene.until_settled()
    assert scene.status() == "awarded"


def test_a_program_award_that_was_written_is_not_sent_again_after_a_500(scene: Scene) -> None:
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.service.misbehaviour.faults.append(Fault.ERROR_AFTER_WRITING)
    scene.want(PROGRAM, PROGRAM_AWARDED)
    scene.deliver()
    assert scene.delivery(PROGRAM).is_settled
    assert scene.service.state.events == [("awarded", "ada", P1)]  # one e-mail, one event


def test_an_account_that_may_read_credentials_reads_the_row_itself(scene: Scene) -> None:
    scene.named()
    scene.service.platform.is_superuser = True
    scene.platform.request("GET", "/health/")
    dated = CourseCredential(is_awarded=False, mode="verified", date_override=NOON)
    for desired in (dated, AWARDED):  # first by the list, then by uuid
        scene.service.misbehaviour.faults.append(Fault.ERROR_AFTER_WRITING)
        scene.want(COURSE, desired)
        scene.deliver()
        assert scene.delivery().is_settled
    assert scene.requests() == 2


def test_a_request_without_an_answer_is_not_followed_by_another_before_it_has_settled(scene: Scene) -> None:
    scene.named()
    scene.platform.request("GET", "/health/")
    scene.service.misbehaviour.faults.append(Fault.SILENT)
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.want(COURSE, REVOKED)
    at = scene.delivery().next_at
    assert at is not None
    assert at >= NOON + SETTLES
    scene.deliver()
    assert scene.requests() == 1
    scene.until_settled()
    assert scene.status() == "revoked"


def test_a_worker_that_ends_while_it_sends_leaves_a_lease_that_runs_out(scene: Scene) -> None:
    scene.named()
    scene.want(COURSE, AWARDED)

    def crash(delivery: Delivery) -> None:
        if delivery.target == COURSE and delivery.acknowledged is not None:
            raise KeyboardInterrupt

    scene.store.before_save = crash
    with pytest.raises(KeyboardInterrupt):
        scene.deliver()
    scene.store.before_save = lambda _delivery: None
    assert scene.deliver().acknowledged == []
    scene.now += LEASE
    scene.deliver()
    assert scene.delivery().is_settled


def test_while_the_service_is_down_one_probe_asks_for_all(scene: Scene) -> None:
    down = scene.service.misbehaviour
    scene.platform.request("GET", "/health/")
    scene.now += timedelta(seconds=1)
    down.down_until = scene.now + timedelta(hours=1)
    for learner in range(200, 240):
        scene.want(Target(Kind.USERNAME, learner), Username(name=f"learner{learner}"))
        scene.want(Target(Kind.COURSE, learner, A1), AWARDED)
    scene.delivering.deliver_due(100)
    assert scene.requests() == FAILURES
    assert scene.delivering.deliver_due(100)[-1].ending is Ending.PAUSED
    scene.until_settled()
    assert all(scene.status(name=f"learner{learner}") == "awarded" for learner in range(200, 240))
    assert scene.requests() < FAILURES + 12 + 40  # probes of an hour, and one request for each
    assert scene.store.breaker.breaker == CLOSED
    assert scene.now - NOON < timedelta(hours=2, minutes=20)


def test_a_wrong_account_is_an_open_breaker_and_nothing_is_lost(scene: Scene) -> None:
    scene.named()
    scene.service.platform.client_secret = "rotated"
    scene.want(COURSE, AWARDED)
    scene.until_settled(limit=timedelta(hours=3))
    assert scene.delivery().waiting is Waiting.NOT_AUTHORISED
    assert scene.store.breaker.breaker.opened_at is not None
    scene.secrets.value = scene.secrets.value.replace("swordfish-of-the-records-worker", "rotated")
    scene.until_settled()
    assert scene.status() == "awarded"


def test_an_account_that_is_not_staff_is_refused_and_waits(scene: Scene) -> None:
    scene.named()
    scene.service.platform.is_administrator = False
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().waiting is Waiting.NOT_AUTHORISED


def test_a_token_is_used_until_shortly_before_its_end_and_replaced_when_withdrawn(scene: Scene) -> None:
    scene.named()
    for number, wait in enumerate((0, 60, 3_500, 60)):
        scene.now += timedelta(seconds=wait)
        scene.want(COURSE, (AWARDED, REVOKED)[number % 2])
        scene.deliver()
    assert (scene.requests("POST /oauth2/access_token"), scene.secrets.reads) == (2, 1)
    scene.service.platform.generation += 1
    scene.want(COURSE, AWARDED)
    scene.deliver()
    assert scene.delivery().is_settled
    assert scene.requests("POST /oauth2/access_token") == 3


def test_many_workers_send_each_change_once(scene: Scene) -> None:
    scene.service.misbehaviour.deadlocks = True
    for learner in range(300, 306):
        scene.want(Target(Kind.USERNAME, learner), Username(name=f"learner{learner}"))
        for run in (A1, A2, B1):
            scene.want(Target(Kind.COURSE, learner, run), AWARDED)
    with ThreadPoolExecutor(6) as workers:
        list(workers.map(lambda _number: scene.delivering.deliver_due(20), range(12)))
    scene.until_settled()
    assert scene.requests() == 18
    assert set(scene.service.misbehaviour.most_in_flight.values()) == {1}


def test_a_change_that_others_always_forestall_is_an_error(scene: Scene) -> None:
    scene.named()
    scene.want(COURSE, AWARDED)

    def forestall(delivery: Delivery) -> None:
        if delivery.target == COURSE and delivery.acknowledged is not None:
            before, scene.store.before_save = scene.store.before_save, lambda _delivery: None
            scene.want(COURSE, delivery.desired)
            scene.store.before_save = before

    scene.store.before_save = forestall
    with pytest.raises(LostRaceError):
        scene.deliver()
