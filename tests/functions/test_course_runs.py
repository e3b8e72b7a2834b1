"""Course runs are listed by the index that lists their learners, and nothing else is taken for one."""

from uuid import uuid4

from certrules import storage
from certs.sources import event_builders
from tests.scenes.scene import ACTOR, Learner, Scene, day


def test_every_course_run_that_was_ever_configured_is_listed_once(scene: Scene, learner: Learner) -> None:
    course_runs = [f"{learner.course_run}-{number}" for number in range(9)]
    before = sorted(storage.course_runs())

    for course_run in (*course_runs, course_runs[0]):
        scene.ingest(Learner(learner.learner_id, course_run).configured(day(1)))

    assert sorted(storage.course_runs()) == sorted([*before, *course_runs])
    assert any(storage.course_runs_in_shard(shard, None, 100)[0] for shard in range(storage.CATALOGUE_SHARDS))


def test_course_runs_are_listed_a_page_at_a_time(scene: Scene, learner: Learner) -> None:
    for number in range(9):
        scene.ingest(Learner(learner.learner_id, f"{learner.course_run}-{number}").configured(day(1)))

    found: list[str] = []
    for shard in range(storage.CATALOGUE_SHARDS):
        page, after = storage.course_runs_in_shard(shard, None, 2)
        found += page
        while after is not None:
            page, after = storage.course_runs_in_shard(shard, after, 2)
            assert len(page) <= 2
            found += page

    assert sorted(found) == sorted(storage.course_runs())


def test_a_learner_their_id_verification_and_the_deployment_s_switch_are_no_course_run(
    scene: Scene, learner: Learner
) -> None:
    before = sorted(storage.course_runs())

    scene.ingest(learner.enrolled(day(1)), learner.id_approved(day(1)))
    scene.ingest(event_builders.automatic_revocations("automatic_revocations.stopped", uuid4(), day(1), None, **ACTOR))

    assert sorted(storage.course_runs()) == before
