"""A bulk run plans every change before it makes any, and then makes exactly those."""

import pytest

from certrules import aws
from certrules.bulk import planning
from tests.scenes.bulk_runs import Run, class_of, everything, in_parts_of, outcome, revocable, statuses, waiting
from tests.scenes.scene import Learner, Scene, day

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_where_nothing_would_change_nothing_is_planned_and_nobody_is_asked(scene: Scene, learner: Learner) -> None:
    learners = class_of(3, learner)
    scene.ingest(learner.configured(day(1)))
    for one in learners:
        scene.ingest(one.enrolled(day(1)), one.id_approved(day(1)), one.passing(day(3)))
    before = everything(scene)

    run = Run(scene, [learner.course_run])
    report = run.go()

    assert (report["state"], report["plan"]["records"], report["plan"]["counts"]["changes"]) == ("done", 3, 0)
    assert report["plan"]["approvers"] == "nobody"
    assert everything(scene) == before


def test_awards_need_no_approval_and_are_made_as_planned(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner)
    run = Run(scene, [learner.course_run])

    assert run.planned() == "apply"
    assert statuses(scene, learners) == [None] * 5
    run.apply(*run.list_parts())
    report = run.report()

    assert statuses(scene, learners) == ["downloadable"] * 5
    assert (report["state"], report["outcome"]["applied"]) == ("done", 5)
    assert report["plan"]["counts"]["by_status"] == {"none > downloadable": 5}
    assert ">no certificate → downloadable</text>" in run.text("report.html")
    change = next(change for change in run.changes() if change["learner_id"] == learners[0].learner_id)
    history = scene.history(learners[0])[-1]
    assert change["end"]["certificate"] == history["certificate"]
    assert change["steps"] == [[history["at"], None, "downloadable", "earned"]]


def test_a_dry_run_plans_and_changes_nothing(scene: Scene, learner: Learner) -> None:
    revocable(scene, learner)
    before = everything(scene)
    run = Run(scene, [learner.course_run], more={"dry_run": True})

    report = run.go()

    assert (report["state"], report["plan"]["counts"]["revocations"]) == ("planned", 5)
    assert everything(scene) == before


@pytest.mark.parametrize(
    ("size", "approvers"), [(1, "a person"), (2, "somebody else than who asked")], ids=["one", "several"]
)
def test_what_takes_certificates_away_waits_for_people_who_answer_for_it(
    scene: Scene, learner: Learner, size: int, approvers: str
) -> None:
    learners = revocable(scene, learner, size)
    run = Run(scene, [learner.course_run])

    assert run.planned() == "ask"
    assert run.file("plan.json")["approvers"] == approvers
    run.approve("bob")
    run.apply(*run.list_parts())
    report = run.report()

    assert (report["state"], report["outcome"]["applied"]) == ("done", size)
    assert statuses(scene, learners) == ["notpassing"] * size
    last = scene.history(learners[0])[-1]
    assert (last["cause"], last["by"]) == ("grade_fell", "bob")
    assert last["reason"] == f"new policy (bulk run {run.id}, asked for by ada)"


def test_an_approved_revocation_is_not_stopped_by_the_breaker(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    learners = revocable(scene, learner, 3)

    Run(scene, [learner.course_run]).go()

    assert statuses(scene, learners) == ["notpassing"] * 3


def test_a_record_that_changed_since_is_decided_again_and_reported_not_written(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner)
    run = Run(scene, [learner.course_run])
    run.planned()
    scene.ingest(learners[0].invalidated(day(2)))  # no certificate after all
    scene.ingest(learners[1].enrolled(day(10), "audit"), learners[2].requested(day(10)))  # the same, and as planned
    parts = run.list_parts()
    before = {key: item for key, item in everything(scene).items() if key[1] == f"L#{learners[0].learner_id}"}

    run.apply(*parts)
    report = run.report()

    assert (report["state"], report["outcome"]) == ("done", outcome(applied=2, already=2, changed_since=1))
    assert everything(scene).items() >= before.items()
    (row,) = report["changed_since"]
    assert (row["learner_id"], row.get("now")) == (learners[0].learner_id, None)


def test_named_learners_and_statuses_limit_the_plan(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner)
    only = [learners[1].learner_id, learners[3].learner_id]

    run = Run(scene, [learner.course_run], more={"learners": only, "statuses": ["none"]})
    report = run.go()

    assert sorted(change["learner_id"] for change in run.changes()) == only
    assert report["outcome"]["applied"] == 2
    assert Run(scene, [learner.course_run], more={"statuses": ["downloadable"]}).go()["outcome"]["applied"] == 0


def test_a_plan_is_applied_no_faster_than_is_wanted(scene: Scene, learner: Learner) -> None:
    waiting(scene, learner, 3)
    report = Run(scene, [learner.course_run], more={"records_per_second": 20, "concurrency": 1}).go()
    assert report["outcome"] == outcome(applied=3)
    assert report["seconds"]["applying"] >= 3 / 20


def test_many_course_runs_are_planned_in_groups(scene: Scene, learner: Learner) -> None:
    run = Run(scene, [f"{learner.course_run}-{number}" for number in range(150)], more={"learners": [16]})
    shards = run.begin()
    assert [shard["shard"] for shard in shards] == [f"{group:03}-00" for group in range(75)]
    assert len(run.file("course-runs/000.json")) == 2


def test_a_shard_with_many_changes_is_planned_in_parts_and_applied_wholly(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "PART", 2)
    aws.client.cache_clear()
    learners = [Learner(learner.learner_id * 1000 + 16 * number, learner.course_run) for number in range(5)]
    for one in learners:
        scene.ingest(*one.qualifying()[1:])
    scene.ingest(learner.configured(day(4)))
    scene.empty_queues()
    run = Run(scene, [learner.course_run])
    for shard in run.begin():
        planning.plan_shard(scene.cloud.physical("BulkBucket"), run_id=shard["id"], shard=shard["shard"])
    aws.client.cache_clear()

    assert run.seal() == "apply"
    assert [changes for _, _, changes in run.file("parts.json")] == [2, 2, 1]
    run.apply(*run.list_parts())
    assert run.report()["outcome"] == outcome(applied=5)


@pytest.mark.parametrize(("changes", "parts"), [(500, [5]), (4, [4, 1]), (1, [1, 1, 1, 1, 1])])
def test_changes_of_many_shards_that_fill_no_part_share_parts(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch, changes: int, parts: list[int]
) -> None:
    in_parts_of(changes, scene, monkeypatch)
    learners = waiting(scene, learner)
    run = Run(scene, [learner.course_run])

    assert run.planned() == "apply"
    assert [count for _, _, count in run.file("parts.json")] == parts
    run.apply(*run.list_parts())

    assert run.report()["outcome"] == outcome(applied=5)
    assert statuses(scene, learners) == ["downloadable"] * 5
    assert statuses(scene, learners) == ["downloadable"] * 5
