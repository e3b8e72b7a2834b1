"""A stack with records on, beside the stand-in of the Credentials service, for tests of what people see."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from certs.sources.event_builders import Detail
from tests.records.cloud import COURSES, defined, records_scene, send
from tests.records.service import Host
from tests.records.state import User
from tests.scenes.named_learners import with_pii
from tests.scenes.scene import Learner, Scene, day

_learners = count(2001)


@dataclass(frozen=True, slots=True)
class Seen:
    """A stack with records on, a program of two courses, and the service."""

    scene: Scene
    host: Host

    def send(self, *details: Detail) -> None:
        """Put events on the bus, and deliver all that follows."""
        send(self.scene, *details)

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
    """Start a stack with a program whose records go to a new service at the host."""
    with records_scene(host) as scene:
        seen = Seen(scene, host)
        seen.send(defined(day(1), COURSES, "Demo program"))
        yield seen
