"""The storylines of a course run: what all people have in common, and the staff."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import override
from uuid import UUID

from certs.sources import event_builders
from certs.sources.event_builders import Detail

ENROLLMENT_OPENS = datetime(2025, 11, 3, 9, tzinfo=UTC)
RUN_STARTS = datetime(2026, 1, 12, 9, tzinfo=UTC)
RUN_ENDS = datetime(2026, 4, 12, 23, tzinfo=UTC)
HISTORY_END = datetime(2026, 6, 1, tzinfo=UTC)  # nothing is dated later

DUPLICATED = 0.03  # of the events
LATE = 0.02  # by hours or days; the rest is delivered within moments

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Storyline(ABC):
    """Yields the events of one person's part in the course run."""

    chance: Random
    course_run: str

    @abstractmethod
    def story(self) -> Iterator[Detail]:
        """Yield the events, each dated; in no particular order."""

    def stamp(self, at: datetime) -> tuple[UUID, datetime]:
        """Return the id and the instant of a new event; the platform's clock here knows seconds."""
        return UUID(int=self.chance.getrandbits(128), version=4), at.replace(microsecond=0)

    def happens(self, share: float) -> bool:
        """Draw whether something happens that happens in this share of the cases."""
        return self.chance.random() < share

    def fate(self, **shares: float) -> str:
        """Draw one of several by their shares; "" for the rest."""
        drawn = self.chance.random()
        for name, share in shares.items():
            if drawn < share:
                return name
            drawn -= share
        return ""

    def between(self, start: datetime, end: datetime) -> datetime:
        """Return an instant between two others."""
        return start + self.chance.random() * (end - start)

    def later(self, at: datetime, least: timedelta, most: timedelta) -> datetime:
        """Return an instant that much later."""
        return at + self.chance.uniform(least / DAY, most / DAY) * DAY

    @property
    def ccx(self) -> str:
        """Return the key of the course run's CCX."""
        return self.course_run.replace("course-v1:", "ccx-v1:", 1) + "+ccx@1"

    @property
    def exam(self) -> str:
        """Return the usage key of the course run's exam."""
        return self.course_run.replace("course-v1:", "block-v1:", 1) + "+type@sequential+block@final_exam"


class Staff(Storyline):
    """The staff of the course run, and the faults around it."""

    @override
    def story(self) -> Iterator[Detail]:
        yield from self._configures()
        yield from self._breaks()

    def _configures(self) -> Iterator[Detail]:
        announced_end = RUN_ENDS - 7 * DAY
        for course_run in (self.course_run, self.ccx):
            yield event_builders.configuration(
                "course_run.configured",
                *self.stamp(ENROLLMENT_OPENS - 7 * DAY),
                course_run,
                web_certificates_enabled=True,
                display_behavior="early_no_info",
                end=announced_end,
                self_paced=False,
            )
        switched_off = datetime(2026, 3, 31, 14, 5, tzinfo=UTC)  # by mistake, for forty minutes
        for at, enabled in ((switched_off, False), (switched_off + timedelta(minutes=40), True)):
            yield event_builders.configuration(
                "course_run.configured", *self.stamp(at), self.course_run, web_certificates_enabled=enabled
            )
        yield event_builders.configuration(
            "course_run.configured", *self.stamp(announced_end - 4 * DAY), self.course_run, end=RUN_ENDS
        )

    def _breaks(self) -> Iterator[Detail]:
        """Yield one event of each kind that is refused."""
        broken = [self._enrollment() for _ in range(6)]
        broken[0]["metadata"]["event_type"] = "org.openedx.learning.exam.attempt.errored.v1"
        broken[1]["metadata"]["event_type"] = "org.openedx.learning.course.enrollment.created.v2"
        broken[2]["metadata"]["time"] = broken[2]["metadata"]["time"].removesuffix("+00:00")
        del broken[3]["enrollment"]["mode"]
        broken[4]["enrollment"]["user"]["id"] = "learner-1"
        broken[5]["enrollment"]["course"]["course_key"] = "CS101"
        yield from broken

    def _enrollment(self) -> Detail:
        at = self.between(RUN_STARTS, RUN_ENDS)
        return event_builders.enrollment("course.enrollment.created", *self.stamp(at), 1, self.course_run, mode="audit")


def deliveries(chance: Random, detail: Detail) -> Iterator[datetime]:
    """Yield the instants at which an event is delivered: once or twice, some late; none after the history's end."""
    at = datetime.fromisoformat(detail["metadata"]["time"])
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    if at > HISTORY_END:
        return
    late = chance.random() < LATE
    yield at + (chance.uniform(1, 24 * 5) * HOUR if late else timedelta(seconds=chance.expovariate(1 / 20)))
    if chance.random() < DUPLICATED:
        yield at + timedelta(minutes=chance.uniform(0, 90))
