"""Killed at any write, before or after AWS did it, a bulk run that is resumed ends as if it had not been killed."""

import json
from functools import partial
from hashlib import sha256
from typing import Any, cast, override

import pytest

from tests.scenes.bulk_runs import Run, everything, outcome, revocable, waiting
from tests.scenes.crashes import Death
from tests.scenes.scene import Answer, Killed, Learner, Request, Scene, Wire, day

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WRITES = {"PUT", "TransactWriteItems", "PutItem", "PutEvents"}


class DeathAtAWrite(Death):
    """Kills the process at a request that writes."""

    @override
    def __call__(self, request: Request, answer: Any) -> Answer:
        return answer() if request.operation not in WRITES else super().__call__(request, answer)


def restore(scene: Scene, tables: dict[tuple[str, ...], Any]) -> None:
    """Put the tables back as they were."""
    scene.empty_tables()
    for (table, _, _), item in tables.items():
        scene.client("dynamodb").put_item(TableName=scene.cloud.physical(table), Item=item)


def by_any_run(scene: Scene, run: Run) -> str:
    """Return both tables as text, without the run's id."""
    return str(sorted(everything(scene).items(), key=str)).replace(run.id, "the run")


def attempt(run: Run) -> Any:
    """Take all steps as the state machine does; what was approved stays approved."""
    approval = run.state["approval"]
    run.state = {name: run.state[name] for name in ("id", "request")} | {"approval": approval}
    return run.go()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_whichever_write_it_dies_at_a_resumed_run_ends_like_one_that_was_not_interrupted(
    scene: Scene, learner: Learner, wire: Wire, done: bool
) -> None:
    learners = revocable(scene, learner, 2)
    more = {"learners": [one.learner_id for one in learners]}
    before = everything(scene)
    run = Run(scene, [learner.course_run], more=more)
    assert attempt(run)["outcome"] == outcome(applied=2)
    uninterrupted = by_any_run(scene, run)
    ended, step, deaths = [], 0, 0

    while True:
        restore(scene, before)
        run = Run(scene, [learner.course_run], more=more)
        wire.around = death = DeathAtAWrite(step, done=done)
        report = death.run(partial(attempt, run))
        wire.around = lambda _, answer: answer()
        if not death.came:
            break
        deaths += 1
        step += 1
        ended.append((report["state"], report["outcome"]["applied"] + report["outcome"]["already"]))
        assert by_any_run(scene, run) == uninterrupted, f"killed at write {step}"

    assert deaths > 12
    assert set(ended) == {("done", 2)}


def test_a_part_that_is_applied_twice_at_once_is_applied_once(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner, 3)
    run = Run(scene, [learner.course_run])
    run.planned()
    parts = run.list_parts()

    run.apply(*parts, *parts)

    assert [len(scene.history(one)) for one in learners] == [1] * 3
    assert run.report()["outcome"]["applied"] == 3


def test_a_shard_that_could_not_be_planned_is_named_and_alone_planned_when_the_run_is_resumed(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    waiting(scene, learner, 3)
    run = Run(scene, [learner.course_run])
    shards = run.begin()
    broken = shards[learner.learner_id * 1000 % 16]
    run.plan(*(shard for shard in shards if shard != broken))
    wire.around = lambda request, answer: kill_or(request, answer, f"shards/{broken['shard']}.json")
    with pytest.raises(Killed):
        run.plan(broken)
    wire.around = lambda _, answer: answer()

    assert run.seal() == "report"
    report = run.report()
    assert (report["state"], [item["what"] for item in report["failures"]]) == ("failed", [f"shard {broken['shard']}"])
    assert "nothing came back" in report["failures"][0]["error"]
    assert run.begin() == [broken]
    run.plan(broken)
    assert run.seal() == "apply"


def test_a_run_whose_shards_a_release_before_planned_goes_on(scene: Scene, learner: Learner) -> None:
    waiting(scene, learner, 3)
    run = Run(scene, [learner.course_run])
    run.plan(*(shards := run.begin()))
    for shard in shards:
        name = f"shards/{shard['shard']}.json"
        planned = run.file(name)
        if changes := planned.pop("rest"):  # each shard had a part of its own for them
            part = f"{shard['shard']}-0000"
            content = json.dumps(changes).encode()
            run.write(f"plan/{part}.json", content)
            planned["parts"] = [[part, sha256(content).hexdigest(), len(changes)]]
        run.write(name, json.dumps(planned).encode())

    assert run.seal() == "apply"
    run.apply(*run.list_parts())
    assert run.report()["outcome"] == outcome(applied=3)


def kill_or(request: Request, answer: Any, name: str) -> Answer:
    """Kill the process at the request that names this file."""
    if request.names(name):
        raise Killed
    return cast("Answer", answer())


def test_a_record_that_can_not_be_read_is_named_and_stops_no_other(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner, 4)
    poisoned = [Learner(learners[0].learner_id + 16 * number, learner.course_run) for number in (1, 2)]
    for one in poisoned:
        poison(scene, one, course_run=learner.course_run)
    run = Run(scene, [learner.course_run])

    report = run.go()

    assert (report["state"], report["outcome"]["applied"]) == ("done", 4)
    assert sorted(item["learner_id"] for item in report["failures"]) == [one.learner_id for one in poisoned]
    assert all(item["what"] == "record" and item["error"] for item in report["failures"])


def test_a_record_that_spoils_after_it_was_planned_fails_alone_and_is_done_when_it_is_mended(
    scene: Scene, learner: Learner
) -> None:
    learners = [Learner(learner.learner_id * 1000 + 16 * number, learner.course_run) for number in range(3)]
    for one in learners:  # all in one part
        scene.ingest(*one.qualifying()[1:])
    scene.ingest(learner.configured(day(4)))
    scene.empty_queues()
    run = Run(scene, [learner.course_run])
    run.planned()
    mended = everything(scene)["CertificatesTable", f"L#{learners[1].learner_id}", learner.course_run]
    poison(scene, learners[1], course_run=learner.course_run)

    run.apply(*run.list_parts())
    first = run.report()
    scene.client("dynamodb").put_item(TableName=scene.cloud.physical("CertificatesTable"), Item=mended)
    resumed = attempt(run)

    assert (first["state"], first["outcome"]) == ("incomplete", outcome(applied=2, failed=1))
    assert [item["learner_id"] for item in first["failures"]] == [learners[1].learner_id]
    assert (resumed["state"], resumed["outcome"]) == ("done", outcome(applied=3))
    assert [len(scene.history(one)) for one in learners] == [1] * 3


def poison(scene: Scene, one: Learner, course_run: str) -> None:
    """Spoil a record."""
    item = {
        "p": f"L#{one.learner_id}",
        "s": course_run,
        "e": "[[nonsense",
        "c": json.dumps([None, [], None, 0, 0]),
        "r": f"{course_run}#{one.learner_id % 16}",
    }
    scene.client("dynamodb").put_item(
        TableName=scene.cloud.physical("CertificatesTable"),
        Item={**{name: {"S": text} for name, text in item.items()}, "v": {"N": "9"}},
    )
