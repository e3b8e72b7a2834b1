"""A stack with records on, before the stand-in of the Credentials service, and the events of ada."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from certrules import aws
from certrules.formats.events_out import PROGRAM_AWARDED, PROGRAM_REVOKED
from certrules.storage.record_owners import load_comparison, save_comparison
from certrules.storage.records_table import connect_records
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.records.scene import A1, A2, ADA, B1, P1, configured
from tests.records.service import Host, Service
from tests.scenes.named_learners import WITH_NAMES, with_pii
from tests.scenes.scene import OWN_EVENTS, TEMPLATE, Learner, Scene

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credentials-client"
HOLD_SECONDS = 3
COURSES = {"A": [A1, A2], "B": [B1]}


@contextmanager
def records_scene(host: Host, **more: str) -> Iterator[Scene]:
    """Start a stack, in this process, whose records go to a new service at the host; `more` are parameters."""
    service = host.service = Service(configured())
    parameters = {
        **WITH_NAMES,
        "CredentialsUrl": host.url,
        "CredentialsTokenUrl": host.url,
        "CredentialsSecret": SECRET,
        **more,
    }
    with LocalCloud(TEMPLATE, parameters) as cloud:
        client = {"client_id": service.platform.client_id, "client_secret": service.platform.client_secret}
        cloud.client("secretsmanager").create_secret(Name="credentials-client", SecretString=json.dumps(client))
        scene = Scene(cloud)
        connect_records(cloud.physical("RecordsTable"))  # by the connection that the scene makes
        yield scene


@pytest.fixture
def cloud_scene(host: Host) -> Iterator[Scene]:
    """A stack with a short hold that announces programs."""
    policy = json.dumps({"preset": "edx-2021", "hold_seconds": HOLD_SECONDS})
    with records_scene(host, Policy=policy, ProgramEvents="service") as scene:
        yield scene


def defined(at: datetime, courses: dict[str, list[str]], title: str = "P1") -> Detail:
    """Return the event that defines the program."""
    content = {
        "uuid": P1,
        "title": title,
        "type": "MicroMasters",
        "status": "active",
        "courses": [{"key": key, "course_runs": runs} for key, runs in courses.items()],
    }
    return event_builders.own("program.configured", uuid4(), at, program=content)


def send(scene: Scene, *details: Detail) -> None:
    """Put events on the bus, and deliver all that follows but what is delayed."""
    scene.send(*details, at=aws.now())
    assert scene.cloud.deliver().errors == []


def earn(scene: Scene, *course_runs: str) -> None:
    """Have ada earn a certificate in each of these course runs."""
    for course_run in course_runs:
        details = Learner(ADA, course_run).qualifying()
        send(scene, *(with_pii(detail) if "enrollment" in detail else detail for detail in details))


def announced(scene: Scene) -> list[Any]:
    """Return the events of programs that a consumer has, and forget them."""
    return [event for event in scene.take(OWN_EVENTS) if event["detail-type"] in {PROGRAM_AWARDED, PROGRAM_REVOKED}]


def pass_is_due() -> None:
    """Have the next pass over all deliveries begin with the next run of the schedule."""
    stored = load_comparison()
    if stored.text is not None:
        content = msgspec.json.decode(stored.text)
        began_at = datetime.fromisoformat(content["began_at"]) - timedelta(days=1)
        save_comparison(stored, msgspec.json.encode({**content, "began_at": began_at}).decode())
