"""A definition that comes later, names and dates: what is decided again by the schedule, and what is delivered then."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import pytest
from aws_lambda_powertools import Logger

from certrules import aws, settings
from certrules.core.deliveries.desired import Kind, Target, Username
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.formats.senders import TrustedSenders
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, CredentialsClient
from certrules.records.delivering import Delivering
from certrules.records.running import Deployment, Records
from certrules.records.stored import DynamoDeliveries
from certrules.storage.learner_records import StoredLearner, deliveries_of, due_others, load_learner
from certrules.storage.program_definitions import load_definitions
from tests.records.cloud import COURSES, SECRET, announced, cloud_scene, defined, earn, send
from tests.records.scene import A1, A2, ADA, B1, P1
from tests.records.service import Host
from tests.scenes.crashes import Death
from tests.scenes.named_learners import erased, renamed
from tests.scenes.scene import Learner, Scene, as_time, day, sqs_event, tapped

__all__ = ["cloud_scene"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@dataclass
class Clock:
    """What time it is."""

    now: datetime


@dataclass
class Timed:
    """The records of the stack, worked off by a clock that the test sets."""

    scene: Scene
    records: Records
    clock: Clock

    def later(self, **time: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.now += timedelta(**time)
        counts = self.records.work_due(lambda: True)
        assert counts["RecordsFailed"] == 0
        self.work_off()

    def work_off(self) -> None:
        """Work off all that is queued, delayed or not."""
        while messages := self.scene.take("RecordsQueue"):
            worked = self.records.work_off(sqs_event(messages)["Records"], lambda: True)
            assert worked.retried == set()

    @property
    def learner(self) -> StoredLearner:
        """What is stored of ada."""
        return load_learner(ADA)

    @property
    def program(self) -> tuple[ProgramCertificateStatus | None, ProgramCause | None]:
        """The status of ada's program certificate, and the cause of what is pending."""
        published = self.learner.programs[P1].state.published
        return published.status, published.pending.cause if published.pending else None


@pytest.fixture
def timed(cloud_scene: Scene, host: Host) -> Iterator[Timed]:
    cloud, clock = cloud_scene.cloud, Clock(aws.now())
    deployment = Deployment(
        settings.policies(),
        TrustedSenders(("openedx/*",), ("openedx/lms/web",), "123456789012", frozenset({"123456789012"})),
        cloud.physical("RecordsQueue"),
        cloud.physical("ParkedQueue"),
        cloud.physical("Bus"),
        "records",
        announces=True,
    )
    client = CredentialsClient(PlatformClient(host.url, host.url, SECRET, PARAMETERS))
    holders = count()
    delivering = Delivering(DynamoDeliveries(), client, lambda: clock.now, lambda: 0.5, lambda: str(next(holders)))
    aws.client.cache_clear()
    yield Timed(cloud_scene, Records(deployment, delivering, lambda: clock.now, Logger()), clock)
    aws.client.cache_clear()


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
