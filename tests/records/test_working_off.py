"""Working off hints: what is refused is parked, what fails comes again, and an outage holds up no decision."""

from datetime import timedelta

import pytest

from certrules.core.deliveries.desired import Kind, Target
from certrules.core.programs.reasons import ProgramCertificateStatus
from tests.records.cloud import COURSES, announced, cloud_scene, defined, earn, send
from tests.records.scene import A1, ADA, B1, P1
from tests.records.service import Host
from tests.records.timed import Timed, timed
from tests.scenes.scene import day, refusal, sqs_event, tapped

__all__ = ["cloud_scene", "timed"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

HINT = sqs_event([{"learner_id": ADA}])["Records"]


def test_a_definition_of_somebody_who_may_not_act_is_parked(timed: Timed) -> None:
    detail = defined(day(1), COURSES)
    detail["metadata"]["source"] = "openedx/cms/web"
    bodies = [
        {"source": "openedx/cms/web", "detail-type": "certificates.program.configured.v1", "detail": detail},
        "not JSON",
    ]
    worked = timed.records.work_off(sqs_event(bodies)["Records"], lambda: True)
    assert worked.retried == set()
    assert {name: count for name, count in worked.counts.items() if name.startswith("parked_")} == {
        "parked_source_not_trusted": 1,
        "parked_not_json": 1,
    }
    assert len(timed.scene.take("ParkedQueue")) == 2
    send(timed.scene, defined(day(1), COURSES))
    earn(timed.scene, A1)
    assert timed.learner.programs == {}


def test_while_the_service_is_down_programs_are_decided_and_later_all_is_delivered(timed: Timed, host: Host) -> None:
    service = host.service
    service.state.clock = lambda: timed.clock.now
    service.misbehaviour.down_until = timed.clock.now + timedelta(hours=1)
    send(timed.scene, defined(day(1), COURSES))
    earn(timed.scene, A1, B1)
    assert timed.program == (ProgramCertificateStatus.AWARDED, None)
    assert len(announced(timed.scene)) == 1
    assert service.state.credential("ada", A1) is None
    timed.later(minutes=10)
    assert timed.records.oldest_delivery() > timedelta(minutes=5)

    for _ in range(40):
        timed.later(minutes=5)
        assert timed.program == (ProgramCertificateStatus.AWARDED, None)
    rows = [service.state.credential("ada", key) for key in (A1, B1, P1)]
    assert [row and row.status for row in rows] == ["awarded"] * 3
    assert timed.records.oldest_delivery() == timedelta()
    assert not timed.records.is_breaker_open()
    assert announced(timed.scene) == []


def test_an_event_that_the_bus_did_not_take_is_put_there_by_the_schedule(timed: Timed) -> None:
    send(timed.scene, defined(day(1), COURSES))
    earn(timed.scene, A1, B1)
    announced(timed.scene)
    timed.scene.empty_tables("RecordsTable")
    send(timed.scene, defined(day(1), COURSES))
    with tapped() as wire:
        wire.around = lambda request, answer: (
            refusal("InternalException") if request.operation == "PutEvents" else answer()
        )
        assert timed.records.work_off(HINT, lambda: True).retried == {"m0"}
    assert timed.program == (ProgramCertificateStatus.AWARDED, None)
    assert announced(timed.scene) == []
    timed.later(minutes=1)
    (event,) = announced(timed.scene)
    assert event["detail"]["decision"]["number"] == 1
    timed.later(minutes=1)
    assert announced(timed.scene) == []


def test_when_there_is_no_time_left_a_learner_is_decided_and_the_schedule_delivers(timed: Timed, host: Host) -> None:
    send(timed.scene, defined(day(1), COURSES))
    earn(timed.scene, A1, B1)
    timed.scene.empty_tables("RecordsTable")
    send(timed.scene, defined(day(1), COURSES))
    before = host.service.misbehaviour.requests.copy()
    assert timed.records.work_off(HINT, lambda: False).retried == set()
    assert host.service.misbehaviour.requests == before
    assert not timed.learner.deliveries[Target(Kind.COURSE, ADA, A1)].delivery.is_settled
    timed.later(minutes=1)
    assert all(item.delivery.is_settled for item in timed.learner.deliveries.values())
