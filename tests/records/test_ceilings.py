"""What a change of a certificate may cost at most, by DynamoDB's own count: requests and units of all tables."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import NamedTuple, override
from unittest.mock import patch

import pytest

from certrules import aws
from certrules.records.definitions import save_definition
from certrules.records.running import Records
from tests.records.meter import WRITES, Meter
from tests.records.scene import A1, B1, NOON, Scene
from tests.records.storm import Change, Storm
from tests.records.tables import all_tables
from tests.records.weather import Weather, program_of_the_storm

LEARNER = 1_000


class Cost(NamedTuple):
    """What something costs at most."""

    reads: int  # requests of DynamoDB
    writes: int
    read_units: float
    write_units: float  # with those of the indexes
    service: int  # requests of the Credentials service


NOTHING_NEW = Cost(reads=2, writes=0, read_units=2, write_units=0, service=0)
"""A hint of a learner of whom nothing has to change: what is stored, and the facts."""

IN_NO_PROGRAM = Cost(reads=9, writes=4, read_units=5, write_units=11, service=1)
"""The first certificate in a course run that no program lists: the course credential, and from when on it is shown."""

COMPLETES = Cost(reads=13, writes=9, read_units=8, write_units=31, service=3)
"""A certificate that completes a program: course credential, grade, program, and the event."""


class Quiet(Random):
    """Chance that never comes: nothing is late, twice or refused."""

    @override
    def random(self) -> float:
        return 0.999


class Stage(NamedTuple):
    """One learner, one function that has started, and what is counted."""

    scene: Scene
    meter: Meter
    function: Records
    weather: Weather

    def change(self, course_run: str, *, is_awarded: bool = True) -> None:
        """Store a change of the learner's certificate."""
        change = Change(self.scene.now, LEARNER, course_run, is_awarded, 0.9)
        self.weather.storm.learners[LEARNER].store(change)

    def cost(self) -> Cost:
        """Return what a hint of the learner costs."""
        requests = self.scene.service.misbehaviour.requests
        before = requests.total()
        self.meter.reset()
        message = {"messageId": "1", "body": f'{{"learner_id":{LEARNER}}}'}
        assert self.function.work_off([message], lambda: True).retried == set()
        writes = sum(count for name, count in self.meter.operations.items() if name in WRITES)
        reads = self.meter.operations.total() - writes
        return Cost(reads, writes, self.meter.read, self.meter.written, requests.total() - before)


@pytest.fixture
def stage(scene: Scene, dynamodb_local: str) -> Iterator[Stage]:
    """A program of two courses, and a learner whose name is stored."""
    with all_tables(dynamodb_local):
        weather = Weather(scene, Storm(1, 0))
        weather.bus._random = weather.queue.random = Quiet()
        scene.service.state.users = weather.storm.users()
        with patch.object(aws, "client", weather.clients.__getitem__):
            function = weather.records()
            save_definition(program_of_the_storm(), NOON)
            weather.storm.learners[LEARNER].store(Change(NOON, LEARNER, name=f"learner{LEARNER}"))
            yield Stage(scene, weather.meter, function, weather)


def within(cost: Cost, ceiling: Cost) -> bool:
    return all(one <= most for one, most in zip(cost, ceiling, strict=True))


def warm(stage: Stage) -> None:
    """Have the token fetched, the username acknowledged, and the catalog read."""
    stage.cost()


@pytest.mark.parametrize("wait", [timedelta(), timedelta(seconds=20)])
def test_a_hint_that_changes_nothing_costs_two_reads(stage: Stage, wait: timedelta) -> None:
    stage.change(A1)
    stage.cost()
    stage.scene.now += wait
    cost = stage.cost()
    assert within(cost, NOTHING_NEW), cost


def test_a_certificate_in_no_program(stage: Stage) -> None:
    stage.change(A1)
    warm(stage)
    stage.change("course-v1:DemoX+C+2026")
    cost = stage.cost()
    assert within(cost, IN_NO_PROGRAM), cost


def test_a_certificate_that_completes_a_program(stage: Stage) -> None:
    stage.change(A1)
    warm(stage)
    stage.change(B1)
    cost = stage.cost()
    assert within(cost, COMPLETES), cost
    assert stage.weather.bus.ids.keys() == {(LEARNER, program_of_the_storm().definition.uuid)}
