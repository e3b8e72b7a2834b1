"""Events that arrive while a plan is applied, on AWS's own engine: nothing is lost, and nothing is published twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from typing import Any

import pytest

from certrules import aws
from certrules.bulk.applying import apply_part
from certrules.core.fact_types import Fact
from tests.scenes.bulk_runs import Run, outcome, statuses, waiting
from tests.scenes.lifecycle_story import read
from tests.scenes.races import stack, taken_in_wholly
from tests.scenes.scene import Answer, Learner, Request, Scene, Wire, day

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


# --- records that are saved together


@pytest.fixture
def shard(scene: Scene, learner: Learner) -> list[Learner]:
    """Learners of one shard who earned a certificate that they don't have."""
    learners = [Learner(16 * (1_000 * learner.learner_id + number), learner.course_run) for number in range(30)]
    for one in learners:
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)))
    scene.ingest(learner.configured(day(4)))
    scene.empty_queues()  # nobody decides them again
    return learners


def test_a_group_is_one_read_and_one_transaction(scene: Scene, shard: list[Learner], wire: Wire) -> None:
    run = Run(scene, [shard[0].course_run])
    run.planned()
    (part,) = run.list_parts()
    wire.sent.clear()

    run.apply(part)

    assert {wire.operations()[name] for name in ("BatchGetItem", "TransactWriteItems")} == {1}
    assert wire.operations()["PutItem"] == 0
    assert run.report()["outcome"] == outcome(applied=30)


def test_a_record_that_changed_meanwhile_keeps_no_other_from_being_saved(
    scene: Scene, shard: list[Learner], wire: Wire
) -> None:
    run = Run(scene, [shard[0].course_run])
    run.planned()
    (part,) = run.list_parts()
    late = {one.learner_id: one.graded(day(2), 0.7) for one in (shard[0], shard[13])}
    arriving = [*late.values()]

    def around(request: Request, answer: Callable[[], Answer]) -> Answer:
        if request.operation == "TransactWriteItems" and arriving:
            scene.ingest(arriving.pop())
        return answer()

    wire.sent.clear()
    wire.around = around
    run.apply(part)

    assert run.report()["outcome"] == outcome(applied=28, changed_since=2)  # their own events awarded them
    assert statuses(scene, shard) == ["downloadable"] * 30
    for one in shard:
        assert [item["previous"] for item in scene.history(one)] == [None]
        grade = scene.stored_record(one).published.certificate
        assert grade is not None
        assert grade.grade == ("0.7" if one.learner_id in late else "")
    assert wire.operations()["TransactWriteItems"] == 4  # cancelled, then without the two; and their events


def test_a_record_that_can_never_be_saved_keeps_no_other_from_being_saved(
    scene: Scene, shard: list[Learner], wire: Wire
) -> None:
    run = Run(scene, [shard[0].course_run])
    run.planned()
    (part,) = run.list_parts()
    wire.refuse("TransactWriteItems", f"L#{shard[7].learner_id}", "ValidationException")

    run.apply(part)

    assert run.report()["outcome"] == outcome(applied=29, failed=1)
    assert statuses(scene, shard).count("downloadable") == 29
