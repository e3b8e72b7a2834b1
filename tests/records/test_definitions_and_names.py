"""A definition that comes later, names and dates: what is decided again by the schedule, and what is delivered then."""

from datetime import timedelta
from functools import partial

import pytest

from certrules import aws
from certrules.core.deliveries.desired import Kind, Target, Username
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.storage.learner_records import deliveries_of, due_others
from certrules.storage.program_definitions import load_definitions
from tests.records.cloud import COURSES, announced, cloud_scene, defined, earn, send
from tests.records.scene import A1, A2, ADA, B1, P1
from tests.records.service import Host
from tests.records.state import User
from tests.records.timed import Timed, timed
from tests.scenes.crashes import Death
from tests.scenes.named_learners import erased, named, renamed
from tests.scenes.scene import Learner, as_time, day, tapped

__all__ = ["cloud_scene", "timed"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_a_definition_that_comes_later_awards_those_who_have_completed_it(timed: Timed, host: Host) -> None:
    earn(timed.scene, A1, B1)
    send(timed.scene, defined(day(1), COURSES))
    assert timed.learner.programs == {}
    timed.later(minutes=2)
    assert timed.program == (ProgramCertificateStatus.AWARDED, None)
    row = host.service.state.credential("ada", P1)
    assert row is not None
    assert row.status == "awarded"
    (event,) = announced(timed.scene)
    assert event["detail"]["decision"]["awarded_at"] == as_time(day(3))
    assert due_others(timed.clock.now + timedelta(days=99), 10) == []  # the cursor is through


def test_a_definition_that_demands_more_takes_nothing_away_and_is_held(timed: Timed) -> None:
    send(timed.scene, defined(day(1), COURSES))
    earn(timed.scene, A1, B1)
    send(timed.scene, defined(day(10), {**COURSES, "C": ["course-v1:DemoX+C+2026"]}))
    timed.later(minutes=2)
    timed.later(days=99)
    assert timed.program == (ProgramCertificateStatus.AWARDED, ProgramCause.DEFINITION_CHANGED)
    send(timed.scene, defined(day(11), {"A": [A2], "B": [B1]}))  # the run that carries it is listed no more
    timed.later(minutes=2)
    assert timed.program == (ProgramCertificateStatus.AWARDED, ProgramCause.DEFINITION_CHANGED)
    assert len(announced(timed.scene)) == 1


def test_a_definition_that_is_sent_again_every_night_decides_nobody_again(timed: Timed) -> None:
    earn(timed.scene, A1)
    send(timed.scene, defined(day(1), COURSES))
    timed.later(minutes=2)
    send(timed.scene, defined(day(2), COURSES))
    assert len(load_definitions([P1])[P1].timeline) == 2
    assert due_others(timed.clock.now + timedelta(days=99), 10) == []
    send(timed.scene, defined(day(3), COURSES, "Renamed"))
    assert [due.program for due in due_others(timed.clock.now + timedelta(days=99), 10)] == [P1]


@pytest.mark.parametrize("done", [False, True])
def test_the_schedule_may_die_between_any_two_steps_of_a_definition(timed: Timed, done: bool) -> None:
    earn(timed.scene, A1, B1)
    for step in range(10_000):
        timed.scene.empty_tables("RecordsTable")
        send(timed.scene, defined(day(1), COURSES))
        announced(timed.scene)
        timed.clock.now += timedelta(minutes=2)
        death = Death(step, done=done)
        with tapped() as wire:
            wire.around = death
            death.run(partial(timed.records.work_due, lambda: True))
        timed.work_off()
        timed.later(minutes=5)
        assert timed.program == (ProgramCertificateStatus.AWARDED, None), f"it died at request {step}"
        assert len({event["detail"]["metadata"]["id"] for event in announced(timed.scene)}) == 1
        if not death.came:
            break
    assert step > 5


def test_a_new_username_is_delivered_and_nothing_of_an_erased_learner_stays(timed: Timed) -> None:
    learner = Learner(ADA, A1)
    earn(timed.scene, A1)
    send(timed.scene, renamed(learner, aws.now(), "countess"))
    timed.work_off()
    wanted = timed.learner.deliveries[Target(Kind.USERNAME, ADA)].delivery.desired
    assert wanted == Username(name="countess")
    send(timed.scene, erased(learner, aws.now()))
    timed.work_off()
    assert timed.learner.deliveries == {}
    assert "countess" not in repr(timed.scene.items("RecordsTable"))


@pytest.mark.parametrize("may_rename", [True, False])
def test_a_learner_who_is_renamed_before_the_first_delivery_has_all_under_the_new_username(
    timed: Timed, host: Host, may_rename: bool
) -> None:
    learner, state = Learner(ADA, A1), host.service.state
    state.users = [User("miss.byron", ADA)]  # she has logged in there, or the platform has sent credentials
    if may_rename:
        state.replacement_worker = host.service.platform.username
    send(timed.scene, named(learner, day(1), "miss.byron", ""), renamed(learner, day(2), "ada"))
    earn(timed.scene, A1)
    timed.later(minutes=2)
    assert [user.username for user in state.users] == ["ada" if may_rename else "miss.byron"]
    assert (state.credential("ada", A1) is not None, state.credential("miss.byron", A1)) == (True, None)
    assert all(stored.delivery.is_settled for stored in timed.learner.deliveries.values())


def test_the_date_of_a_course_run_is_delivered_once_it_has_one_and_when_it_changes(timed: Timed, host: Host) -> None:
    learner = Learner(ADA, A1)
    earn(timed.scene, A1)
    (stored,) = deliveries_of(A1)
    assert stored.delivery.is_settled  # nothing was sent: without a date, credentials are shown at once
    for at, end in ((day(10), day(20)), (day(11), None), (day(12), day(30))):
        send(timed.scene, learner.configured(at, display_behavior="end", end=end and as_time(end)))
        timed.clock.now += timedelta(minutes=3)
        timed.work_off()
        assert host.service.state.course_certificates[A1].available == end
