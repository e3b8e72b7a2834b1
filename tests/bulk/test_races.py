"""Events that arrive while a plan is applied, on AWS's own engine: nothing is lost, and nothing is published twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from typing import Any

import pytest

from certrules import aws
from certrules.bulk.applying import apply_part
from certrules.core.fact_types import Fact
from tests.scenes.bulk_runs import Run, waiting
from tests.scenes.lifecycle_story import read
from tests.scenes.races import stack, taken_in_wholly
from tests.scenes.scene import Learner, Scene, day

__all__ = ["stack"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def _clients_of_this_cloud() -> Iterator[None]:
    """Let this process's own clients find the local cloud, and those of other tests another one."""
    aws.client.cache_clear()
    yield
    aws.client.cache_clear()


@pytest.mark.parametrize("seed", range(3))
def test_events_that_arrive_while_a_plan_is_applied_are_neither_lost_nor_overwritten(
    scene: Scene, learner: Learner, seed: int
) -> None:
    chance = Random(seed)
    learners = waiting(scene, learner, 24)
    run = Run(scene, [learner.course_run])
    run.planned()
    parts = run.list_parts()
    # Some pass a day earlier, which changes what is planned; some fail by now; some repeat what is known.
    reported = [
        (one, chance.choice([one.passing(day(2)), one.failing(day(10)), one.enrolled(day(5)), one.invalidated(day(9))]))
        for one in learners
    ]
    chance.shuffle(reported)
    start = Barrier(5)

    def arrive(some: list[Any]) -> None:
        start.wait()
        for _, detail in some:
            taken_in_wholly([[read(detail)]])

    def apply() -> None:
        start.wait()
        for part in parts:
            apply_part(scene.cloud.physical("BulkBucket"), run.state, part)

    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(arrive, reported[number::4]) for number in range(4)]
        futures.append(pool.submit(apply))
        for future in futures:
            future.result()

    report = run.report()
    assert report["state"] == "done"
    assert sum(report["outcome"].values()) == 24
    for one, detail in reported:
        assert detail["metadata"]["id"] in {entry.event_id for entry in scene.stored_record(one).timeline}
        history = scene.history(one)
        assert [item["previous"] for item in history] == [None, *(item["status"] for item in history[:-1])]
        assert len({item["certificate"]["id"] for item in history}) <= 1
        assert scene.facts_stored(one)[Fact.ENROLLMENT] >= 1
    scene.empty_queues()
    again = Run(scene, [learner.course_run])
    assert again.go()["plan"]["counts"]["changes"] == 0
