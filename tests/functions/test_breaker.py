"""What stops automatic revocations: the breaker of a course run, and the switch of a course run or of all."""

from uuid import uuid4

import pytest

from certrules.core.terms import Cause, Status
from certs.sources import event_builders
from tests.scenes.grading_jobs import break_grades, class_of, earn, held, sent, statuses
from tests.scenes.scene import ACTOR, Learner, Scene, Wire, day

LIMIT = {"breaker_limit": 2, "breaker_window_seconds": 86_400}


def test_a_broken_grading_job_costs_no_more_certificates_than_the_breaker_lets_through(
    scene: Scene, learner: Learner
) -> None:
    learners = class_of(6, learner)
    scene.ingest(learner.configured(day(1), policy=LIMIT))
    earn(scene, learners)

    break_grades(scene, learners, day(10))

    assert statuses(scene, learners).count(Status.NOTPASSING) == 2
    assert len(held(scene, learners)) == 4
    kinds = [item["kind"] for each in learners for item in scene.history(each)]
    assert kinds.count("held") == 4
    assert kinds.count("tripped") == 1


def test_once_its_window_is_over_the_breaker_lets_revocations_through_but_what_is_held_stays_held(
    scene: Scene, learner: Learner
) -> None:
    learners = class_of(5, learner)
    scene.ingest(learner.configured(day(1), policy=LIMIT))
    earn(scene, learners)
    break_grades(scene, learners[:3], day(10))

    break_grades(scene, learners[3:], day(12))

    assert held(scene, learners) == [learners[2]]
    assert statuses(scene, learners[3:]) == [Status.NOTPASSING] * 2


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "in the course run"])
def test_where_automatic_revocations_are_stopped_all_of_them_are_held_until_they_are_resumed(
    scene: Scene, learner: Learner, everywhere: bool
) -> None:
    learners = class_of(2, learner)
    where = None if everywhere else learner.course_run
    earn(scene, learners)
    scene.ingest(event_builders.automatic_revocations("automatic_revocations.stopped", uuid4(), day(5), where, **ACTOR))

    break_grades(scene, learners[:1], day(10))
    scene.ingest(
        event_builders.automatic_revocations("automatic_revocations.resumed", uuid4(), day(11), where, **ACTOR)
    )
    break_grades(scene, learners[1:], day(12))

    assert held(scene, learners) == learners[:1]
    assert statuses(scene, learners) == [Status.DOWNLOADABLE, Status.NOTPASSING]
    forget_switch(scene)


def test_what_was_due_while_stopped_is_held_also_if_it_is_decided_after_they_were_resumed(
    scene: Scene, learner: Learner
) -> None:
    learners = class_of(2, learner)
    earn(scene, learners)
    turned = (("automatic_revocations.stopped", day(5)), ("automatic_revocations.resumed", day(11)))
    for event, at in turned:
        scene.ingest(event_builders.automatic_revocations(event, uuid4(), at, learner.course_run, **ACTOR))  # type: ignore[arg-type]

    break_grades(scene, learners[:1], day(10))
    break_grades(scene, learners[1:], day(12))

    assert held(scene, learners) == learners[:1]


def forget_switch(scene: Scene) -> None:
    """Delete the deployment's switch: it holds for the learners of other tests, too."""
    key = {"p": {"S": "R#"}, "s": {"S": "-"}}
    scene.client("dynamodb").delete_item(TableName=scene.cloud.physical("CertificatesTable"), Key=key)


def test_what_is_held_is_released_or_discarded_by_a_person_learner_by_learner(scene: Scene, learner: Learner) -> None:
    learners = class_of(4, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 0}))
    earn(scene, learners)
    break_grades(scene, learners, day(10))
    assert held(scene, learners) == learners

    for number, phrase in enumerate(("revocation.released", "revocation.discarded", "revocation.released")):
        about = (uuid4(), day(11), *learners[number].pair)
        scene.ingest(event_builders.revocation(phrase, *about, cause=Cause.GRADE_FELL, **ACTOR))  # type: ignore[arg-type]

    assert held(scene, learners) == learners[3:]
    expected = [Status.NOTPASSING, Status.DOWNLOADABLE, Status.NOTPASSING, Status.DOWNLOADABLE]
    assert statuses(scene, learners) == expected
    last = scene.history(learners[0])[-1]
    assert (last["cause"], last["by"], last["reason"]) == (Cause.GRADE_FELL, ACTOR["by"], ACTOR["notes"])


def test_a_revocation_costs_one_read_more_and_no_write_more(scene: Scene, learner: Learner, wire: Wire) -> None:
    scene.ingest(*learner.qualifying())
    scene.ingest(sent(learner.failing(day(10)), day(10)))
    wire.sent.clear()

    scene.ingest(sent(learner.requested(day(11)), day(11)))

    assert wire.operations() == {"BatchGetItem": 2, "TransactWriteItems": 1}
    assert statuses(scene, [learner]) == [Status.NOTPASSING]
