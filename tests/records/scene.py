"""A scene of deliveries: the stand-in over HTTP, a store in memory, the client, and a clock that the test sets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from unittest.mock import patch

from certrules import aws
from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import CourseCredential, Desired, Kind, ProgramCredential, Target, Username
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, CredentialsClient
from certrules.records.delivering import Delivered, Delivering
from tests.records.memory_store import MemoryStore
from tests.records.service import Host, Service
from tests.records.state import Course, Program, ProgramCertificate, State, User

A1, A2, B1 = "course-v1:DemoX+A+2025", "course-v1:DemoX+A+2026", "course-v1:DemoX+B+2026"
P1 = "09451658-1777-5b2c-8487-ed7fd4938598"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADA = 101
USERNAME = Target(Kind.USERNAME, ADA)
COURSE, GRADE, PROGRAM = Target(Kind.COURSE, ADA, A1), Target(Kind.GRADE, ADA, A1), Target(Kind.PROGRAM, ADA, P1)
AVAILABILITY = Target(Kind.AVAILABILITY, A1)
AWARDED, REVOKED = (CourseCredential(is_awarded=awarded, mode="verified") for awarded in (True, False))
PROGRAM_AWARDED = ProgramCredential(is_awarded=True, course_runs=(A1,))
SECRET = "arn:aws:secretsmanager:eu-west-1:1:secret:credentials"


class Secrets:
    """Secrets Manager, with the secret of the service's client."""

    def __init__(self, service: Service) -> None:
        self.reads = 0
        self.value = json.dumps(
            {"client_id": service.platform.client_id, "client_secret": service.platform.client_secret}
        )

    def get_secret_value(self, **_: str) -> dict[str, str]:
        self.reads += 1
        return {"SecretString": self.value}


def configured() -> State:
    """Return a service with two courses, a program and ada."""
    courses = [Course("A", {A1: "of A1", A2: "of A2"}, "of A"), Course("B", {B1: "of B1"}, "of B")]
    return State(
        users=[User("ada", ADA)],
        courses=courses,
        programs=[Program(P1, "P1", list(courses))],
        program_certificates={P1: ProgramCertificate(1, P1)},
    )


@dataclass
class Scene:
    """What a test of deliveries stands on."""

    host: Host
    service: Service
    secrets: Secrets
    client: CredentialsClient
    platform: PlatformClient
    store: MemoryStore = field(default_factory=MemoryStore)
    now: datetime = NOON
    random: Random = field(default_factory=lambda: Random(3))
    holders: Iterator[int] = field(default_factory=count)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def delivering(self) -> Delivering:
        """Return what delivers, as a new process has it."""
        return Delivering(
            self.store, self.client, lambda: self.now, self.random.random, lambda: str(next(self.holders))
        )

    def want(self, target: Target, desired: Desired) -> None:
        """Want the next state of a target."""
        self.store.want(target, desired, next(self.numbers), self.now)

    def named(self) -> None:
        """Store ada's username."""
        self.want(USERNAME, Username(name="ada"))

    def deliver(self) -> Delivered:
        """Deliver what is due of ada."""
        return self.delivering.deliver(ADA)

    def until_settled(self, *, limit: timedelta = timedelta(days=3)) -> None:
        """Go on to each instant at which something is due, until nothing is, or the limit is over."""
        end = self.now + limit
        while (at := self.store.first_due()) is not None and at <= end:
            breaker = self.store.breaker.breaker.open_until
            self.now = max(self.now, at if breaker is None else max(at, breaker))
            self.delivering.deliver_due(1_000)

    def delivery(self, target: Target = COURSE) -> Delivery:
        """Return the delivery of a target."""
        found = self.store.load(target)
        assert found is not None
        return found.delivery

    def status(self, key: str = A1, name: str = "ada") -> str | None:
        """Return the status that the service has of a learner's credential."""
        row = self.service.state.credential(name, key)
        return None if row is None else row.status

    def requests(self, path: str = "POST /api/v2/credentials/") -> int:
        """Return how many requests a path has received."""
        return self.service.misbehaviour.requests[path]


@contextmanager
def staged(host: Host, *, timeout: float = 30) -> Iterator[Scene]:
    """Set the scene on a server that runs."""
    service = host.service = Service(configured())
    secrets = Secrets(service)
    scene: Scene

    def seconds() -> float:
        return (scene.now - NOON).total_seconds()

    platform = PlatformClient(host.url, host.url, SECRET, PARAMETERS, seconds, timeout=timeout)
    scene = Scene(host, service, secrets, CredentialsClient(platform), platform)
    service.state.clock = lambda: scene.now
    with patch.object(aws, "client", lambda _service: secrets):
        yield scene
