"""From an enrollment to the program certificate in the Credentials service: the whole stack, with records on."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from certrules import aws
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.storage.learner_records import StoredLearner, load_learner
from certrules.storage.records_table import connect_records
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.records.scene import A1, A2, ADA, B1, P1, configured
from tests.records.service import Host, Service
from tests.scenes.named_learners import WITH_NAMES, with_pii
from tests.scenes.scene import OWN_EVENTS, TEMPLATE, Learner, Scene, day

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credentials-client"
HOLD_SECONDS = 3
AWARDED, REVOKED = (f"org.openedx.learning.program.certificate.{what}.v1" for what in ("awarded", "revoked"))


@pytest.fixture
def cloud_scene(host: Host) -> Iterator[Scene]:
    parameters = {
        **WITH_NAMES,
        "Policy": json.dumps({"preset": "edx-2021", "hold_seconds": HOLD_SECONDS}),
        "CredentialsUrl": host.url,
        "CredentialsTokenUrl": host.url,
        "CredentialsSecret": SECRET,
        "ProgramEvents": "service",
    }
    service = host.service = Service(configured())
    with LocalCloud(TEMPLATE, parameters) as cloud:
        client = {"client_id": service.platform.client_id, "client_secret": service.platform.client_secret}
        cloud.client("secretsmanager").create_secret(Name="credentials-client", SecretString=json.dumps(client))
        scene = Scene(cloud)
        connect_records(cloud.physical("RecordsTable"))
        yield scene


def defined(at: datetime, courses: dict[str, list[str]]) -> Detail:
    """Return the event that defines the program."""
    content = {
        "uuid": P1,
        "title": "P1",
        "type": "MicroMasters",
        "status": "active",
        "courses": [{"key": key, "course_runs": runs} for key, runs in courses.items()],
    }
    return event_builders.own("program.configured", uuid4(), at, program=content)


def send(scene: Scene, *details: Detail, at: datetime | None = None) -> None:
    """Put events on the bus, and deliver all that follows."""
    scene.send(*details, at=at or aws.now())
    assert scene.cloud.deliver().errors == []


def earn(scene: Scene, *course_runs: str) -> None:
    """Have ada earn a certificate in each of these course runs."""
    for course_run in course_runs:
        details = Learner(ADA, course_run).qualifying()
        send(scene, *(with_pii(detail) if "enrollment" in detail else detail for detail in details))


def stored() -> StoredLearner:
    return load_learner(ADA)


def announced(scene: Scene) -> list[Any]:
    """Return the events of programs that a consumer has."""
    events = [json.loads(body) if isinstance(body, str) else body for body in scene.take(OWN_EVENTS)]
    return [event for event in events if event["detail-type"] in {AWARDED, REVOKED}]


def test_a_learner_who_completes_a_program_has_it_in_the_service_after_the_courses(
    cloud_scene: Scene, host: Host
) -> None:
    send(cloud_scene, defined(day(1), {"A": [A1, A2], "B": [B1]}))
    earn(cloud_scene, A1)
    assert stored().programs == {}
    earn(cloud_scene, B1)

    state = host.service.state
    rows = {key: state.credential("ada", key) for key in (A1, B1, P1)}
    assert {key: row.status for key, row in rows.items() if row} == dict.fromkeys((A1, B1, P1), "awarded")
    (event,) = announced(cloud_scene)
    assert event["detail-type"] == AWARDED
    assert event["detail"]["program_certificate"]["program"] == {
        "uuid": P1,
        "title": "P1",
        "program_type": "MicroMasters",
    }
    assert event["detail"]["program_certificate"]["user"]["id"] == ADA
    found = stored()
    assert all(item.delivery.is_settled for item in found.deliveries.values())
    (program,) = found.programs.values()
    assert (program.state.number, program.state.announced, program.next_change_at) == (1, 1, None)


def test_a_program_stays_while_another_run_carries_it_and_falls_after_the_hold(cloud_scene: Scene, host: Host) -> None:
    send(cloud_scene, defined(day(1), {"A": [A1, A2], "B": [B1]}))
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
    assert (event["detail-type"], event["detail"]["decision"]["cause"]) == (REVOKED, "course_lost")
    assert event["detail"]["metadata"]["time"] == pending.due.isoformat()
