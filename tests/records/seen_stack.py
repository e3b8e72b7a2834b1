"""A stack with records on, beside the stand-in of the Credentials service, for tests of what people see."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

from certrules import aws
from certrules.storage.records_table import connect_records
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.records.scene import A1, A2, B1, P1, configured
from tests.records.service import Host, Service
from tests.records.state import User
from tests.scenes.named_learners import WITH_NAMES, with_pii
from tests.scenes.scene import TEMPLATE, Learner, Scene, day

_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credentials-client"
_learners = count(2001)


@dataclass(frozen=True, slots=True)
class Seen:
    """A stack with records on, a program of two courses, and the service."""

    scene: Scene
    host: Host

    def send(self, *details: Detail) -> None:
        """Put events on the bus, and deliver all that follows."""
        self.scene.send(*details, at=aws.now())
        assert self.scene.cloud.deliver().errors == []

    def define(self, **more: Any) -> None:
        """Define the program: course A with two runs, course B with one."""
        courses = [{"key": "A", "course_runs": [A1, A2]}, {"key": "B", "course_runs": [B1]}]
        content = {"uuid": P1, "title": "Demo program", "type": "MicroMasters", "status": "active", "courses": courses}
        self.send(event_builders.own("program.configured", uuid4(), day(1), program={**content, **more}))

    def learner(self, *course_runs: str, known: bool = True) -> Learner:
        """Return a learner with a certificate in each of these course runs; `known`: to the service, too."""
        number = next(_learners)
        username = f"learner{number}"
        if known:
            self.host.service.state.users.append(User(username, number))
        for course_run in course_runs:
            details = Learner(number, course_run).qualifying()
            self.send(*(with_pii(detail, username) if "enrollment" in detail else detail for detail in details))
        return Learner(number, course_runs[0])

    def run_schedules(self, at: datetime | None = None) -> None:
        """Do what is due."""
        self.scene.cloud.run_schedules(at)
        assert self.scene.cloud.deliver().errors == []


@contextmanager
def seen_stack(host: Host) -> Iterator[Seen]:
    """Start a stack whose records go to a new service at the host."""
    service = host.service = Service(configured())
    parameters = {
        **WITH_NAMES,
        "CredentialsUrl": host.url,
        "CredentialsTokenUrl": host.url,
        "CredentialsSecret": _SECRET,
    }
    with LocalCloud(TEMPLATE, parameters) as cloud:
        client = {"client_id": service.platform.client_id, "client_secret": service.platform.client_secret}
        cloud.client("secretsmanager").create_secret(Name="credentials-client", SecretString=json.dumps(client))
        seen = Seen(Scene(cloud), host)
        connect_records(cloud.physical("RecordsTable"))
        seen.define()
        yield seen
