"""From an enrollment to the program certificate in the Credentials service: the whole stack, with records on."""

import json
import time
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from certrules import aws
from certrules.core.deliveries.desired import Kind, Target
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.formats.events_out import PROGRAM_AWARDED, PROGRAM_REVOKED
from certrules.formats.senders import TrustedSenders
from certrules.records.hints import Hint, read_hint
from certrules.storage.learner_records import StoredLearner, load_learner
from certrules.storage.program_definitions import all_programs, load_definitions
from certs.sources import event_builders
from tests.records.cloud import COURSES, announced, cloud_scene, defined, earn, send
from tests.records.scene import A1, A2, ADA, B1, P1, configured
from tests.records.service import Host, Service
from tests.scenes.crashes import Death
from tests.scenes.scene import TEMPLATE, Learner, Scene, day, failed, sqs_event, tapped

__all__ = ["cloud_scene"]

# Powertools warns that an invocation that died has counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def stored() -> StoredLearner:
    return load_learner(ADA)


def test_a_learner_who_completes_a_program_has_it_in_the_service_after_the_courses(
    cloud_scene: Scene, host: Host
) -> None:
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1)
    assert stored().programs == {}
    earn(cloud_scene, B1)

    state = host.service.state
    rows = {key: state.credential("ada", key) for key in (A1, B1, P1)}
    assert {key: row.status for key, row in rows.items() if row} == dict.fromkeys((A1, B1, P1), "awarded")
    (event,) = announced(cloud_scene)
    assert event["detail-type"] == PROGRAM_AWARDED
    assert event["detail"]["program_certificate"]["program"] == {
        "uuid": P1,
        "title": "P1",
        "program_type": "MicroMasters",
    }
    assert event["detail"]["program_certificate"]["user"]["id"] == ADA
    assert event["detail"]["program_certificate"]["uuid"] == ""  # it does not wait until the service has named it
    found = stored()
    assert all(item.delivery.is_settled for item in found.deliveries.values())
    (program,) = found.programs.values()
    assert (program.state.number, program.state.announced, program.next_change_at) == (1, 1, None)


def test_a_program_stays_while_another_run_carries_it_and_falls_after_the_hold(cloud_scene: Scene, host: Host) -> None:
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1, A2, B1)
    announced(cloud_scene)
    state = host.service.state

    send(cloud_scene, Learner(ADA, A1).invalidated(aws.now()))
    cloud_scene.cloud.run_schedules()
    assert cloud_scene.cloud.deliver().errors == []
    row = state.credential("ada", A1)
    assert row is not None
    assert row.status == "revoked"
    (program,) = stored().programs.values()
    assert (program.state.published.status, program.state.published.pending) == (ProgramCertificateStatus.AWARDED, None)

    send(cloud_scene, Learner(ADA, A2).invalidated(aws.now()))
    (program,) = stored().programs.values()
    pending = program.state.published.pending
    assert program.state.published.status is ProgramCertificateStatus.AWARDED
    assert pending is not None
    assert pending.cause is ProgramCause.COURSE_LOST
    assert pending.due is not None
    assert announced(cloud_scene) == []
    while aws.now() <= pending.due:
        time.sleep(0.1)  # the hold is some seconds of real time
    cloud_scene.cloud.run_schedules()
    assert cloud_scene.cloud.deliver().errors == []

    row = state.credential("ada", P1)
    assert row is not None
    assert row.status == "revoked"
    (event,) = announced(cloud_scene)
    assert (event["detail-type"], event["detail"]["decision"]["cause"]) == (PROGRAM_REVOKED, "course_lost")
    assert event["detail"]["metadata"]["time"] == pending.due.isoformat()
    assert event["detail"]["program_certificate"]["uuid"] == row.uuid


def test_the_kill_switch_of_the_course_run_holds_the_program_that_falls_with_it(cloud_scene: Scene) -> None:
    send(cloud_scene, defined(day(1), COURSES))
    stopped = event_builders.automatic_revocations(
        "automatic_revocations.stopped", uuid4(), aws.now(), A1, by="ada", notes="ticket 12"
    )
    send(cloud_scene, stopped)
    earn(cloud_scene, A1, B1)
    send(cloud_scene, Learner(ADA, A1).invalidated(aws.now()))
    (program,) = stored().programs.values()
    assert program.state.published.pending is not None
    due = program.state.published.pending.due
    assert due is not None
    while aws.now() <= due:
        time.sleep(0.1)  # the hold is some seconds of real time
    cloud_scene.cloud.run_schedules()
    (program,) = stored().programs.values()
    held = program.state.published.pending
    assert (program.state.published.status, held and held.due) == (ProgramCertificateStatus.AWARDED, None)


def test_a_better_grade_alone_reaches_the_record_of_who_has_a_certificate(cloud_scene: Scene, host: Host) -> None:
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1)
    other = Learner(ADA, B1)
    send(cloud_scene, *other.qualifying()[:2], other.graded(day(4), 0.4))
    assert host.service.state.grades.keys() == set()
    send(cloud_scene, Learner(ADA, A1).graded(day(4), 0.81234))
    grade = load_learner(ADA).deliveries[Target(Kind.GRADE, ADA, A1)].delivery
    assert grade.is_settled
    send(cloud_scene, Learner(ADA, A1).graded(day(5), 0.95))
    later = load_learner(ADA).deliveries[Target(Kind.GRADE, ADA, A1)].delivery
    assert (later.is_settled, later.number) == (True, grade.number + 1)


def test_grades_of_a_batch_are_one_request_for_hints_and_are_retried_if_it_fails(cloud_scene: Scene) -> None:
    earn(cloud_scene, A1)
    graded = [Learner(ADA, A1).graded(day(number), number / 10) for number in (4, 5)]
    nobody = Learner(5_001, A1).graded(day(4), 0.5)
    cloud_scene.empty_queues()
    with tapped() as wire:
        assert cloud_scene.ingest(*graded, nobody) == failed()
        assert wire.operations()["SendMessageBatch"] == 1
        (hint,) = cloud_scene.queued("RecordsQueue")
        assert read_hint(json.dumps(hint.body), aws.now(), TrustedSenders((), (), "", frozenset())) == Hint(
            learner_id=ADA
        )
        wire.refuse("SendMessageBatch", "RecordsQueue")
        assert cloud_scene.ingest(*graded, nobody) == failed("m0", "m1")


def test_the_samples_of_the_function_are_worked_off(cloud_scene: Scene) -> None:
    samples = TEMPLATE.parent / "events" / "records"
    queued, scheduled = (json.loads((samples / f"{name}.json").read_text()) for name in ("queue", "schedule"))
    assert cloud_scene.cloud.invoke("RecordsFunction", queued) == {"batchItemFailures": []}
    assert cloud_scene.cloud.invoke("RecordsFunction", scheduled)["RecordsFailed"] == 0
    (program,) = all_programs()
    assert load_definitions([program])[program].timeline[0].definition.title == "Computer Science"


@pytest.mark.parametrize("done", [False, True])
def test_the_records_function_may_die_between_any_two_steps(cloud_scene: Scene, host: Host, done: bool) -> None:
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1, B1)
    hint = sqs_event([{"learner_id": ADA}])

    def ended(death: Death) -> Any:
        """Return how it ends if the process dies once, and is given its message again, twice."""
        cloud_scene.empty_tables("RecordsTable")
        send(cloud_scene, defined(day(1), COURSES))
        announced(cloud_scene)
        host.service = Service(configured())
        with tapped() as wire:
            wire.around = death
            answer = death.run(partial(cloud_scene.cloud.invoke, "RecordsFunction", hint))
        assert answer == {"batchItemFailures": []}
        cloud_scene.cloud.invoke("RecordsFunction", hint)
        stored = load_learner(ADA)
        decided = {uuid: (item.state, item.next_change_at) for uuid, item in stored.programs.items()}
        desired = {target: (item.delivery.desired, item.delivery.number) for target, item in stored.deliveries.items()}
        return decided, desired, {event["detail"]["metadata"]["id"] for event in announced(cloud_scene)}

    whole = ended(Death(10_000, done=done))
    assert len(whole[2]) == 1
    for step in range(10_000):
        death = Death(step, done=done)
        assert ended(death) == whole, f"it died at request {step}"
        if not death.came:
            break
    assert step > 10
