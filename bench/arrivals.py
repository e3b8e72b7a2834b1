"""Events as they arrive under load: a seeded Poisson process with bursts of ten, of three mixes of learners."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from certs.sources import event_builders
from certs.sources.event_builders import Detail

BURST = 10
RUNS = 20
SPREAD, HOT_LEARNER, HOT_RUN = "many learners, 20 course runs", "one hot learner", "one hot course run"
_HOT_SHARE = 0.3  # of all events
_EVENTS_BETWEEN_CONFIGURATIONS = 100  # of the hot course run


class Arrival(NamedTuple):
    """One event."""

    at: float  # seconds since 1970
    body: str  # of the queue's message
    key: tuple[str, str]  # of the item whose timeline it enters
    passes: int | None  # the learner who passes with it


@dataclass(frozen=True, slots=True)
class Load:
    """Who has events, how many, and how fast they arrive."""

    mix: str
    events: int
    rate: float | None  # events a second; None: all at once
    seed: int
    number: int = 0  # of the load: each has learners and course runs of its own

    @property
    def runs(self) -> list[str]:
        """The course runs; a hot one is the first."""
        return [f"course-v1:LoadX+CS{run:03}+{self.number}" for run in range(1, RUNS + 1)]

    @property
    def hot_learner(self) -> int:
        """The id of the hot learner, if there is one. The ids of the others follow."""
        return 1 + 1_000_000 * self.number

    def arrivals(self, begins: float) -> list[Arrival]:
        """Return the events, in order; the first arrives shortly after `begins` (seconds since 1970)."""
        chance = Random(f"{self.seed}/{self.number}")
        instants = list(_instants(chance, self.events, self.rate))
        makers = _events(chance, self)
        # an event a microsecond later than the one before: of one instant, nothing would order a learner's events
        return [next(makers)(begins + at + position / 1e6) for position, at in enumerate(instants)]

    def configurations(self, begins: float) -> list[Arrival]:
        """Return the first configuration of each course run, for before the load."""
        chance = Random(f"{self.seed}/{self.number}/runs")
        return [_configured(chance, run, 0)(begins) for run in self.runs]


def _instants(chance: Random, events: int, rate: float | None) -> Iterator[float]:
    """Yield when each event arrives, in seconds: half of the events alone, the other half in bursts of ten."""
    left, at = events, 0.0
    while left:
        size = min(left, BURST if chance.random() < 1 / (BURST + 1) else 1)
        if rate is not None:
            at += chance.expovariate(rate * (BURST + 1) / (2 * BURST))
        yield from [at] * size
        left -= size


type _Maker = Callable[[float], Arrival]


def _events(chance: Random, load: Load) -> Iterator[_Maker]:
    """Yield makers of events without end: some learners at a time, each with their events in order."""
    mix, runs, learner_id = load.mix, load.runs, load.hot_learner
    under_way: list[Iterator[_Maker]] = []
    count = 0
    while True:
        count += 1
        if mix == HOT_RUN and count % _EVENTS_BETWEEN_CONFIGURATIONS == 0:
            yield _configured(chance, runs[0], count // _EVENTS_BETWEEN_CONFIGURATIONS)
            continue
        if mix == HOT_LEARNER and chance.random() < _HOT_SHARE:
            yield _graded(chance, load.hot_learner, runs[0])
            continue
        while len(under_way) < 4 * BURST:
            learner_id += 1
            run = runs[0] if mix == HOT_RUN else chance.choice(runs)
            under_way.append(_story(chance, learner_id, run))
        chosen = chance.choice(under_way)
        maker = next(chosen, None)
        if maker is None:
            under_way.remove(chosen)
        else:
            yield maker


def _story(chance: Random, learner_id: int, run: str) -> Iterator[_Maker]:
    """Yield a learner's events: enrolled, ID-verified, graded, and passed at the end."""
    about = learner_id, run

    def enrolled(event_id: UUID, at: datetime) -> Detail:
        return event_builders.enrollment("course.enrollment.created", event_id, at, *about, mode="verified")

    def approved(event_id: UUID, at: datetime) -> Detail:
        expires = at + timedelta(days=700)
        return event_builders.idv_attempt(
            "idv_attempt.approved", event_id, at, learner_id, attempt_id=learner_id, expires=expires
        )

    def passed(event_id: UUID, at: datetime) -> Detail:
        return event_builders.passing_status("course.passing.status.updated", event_id, at, *about, is_passing=True)

    yield _maker(chance, enrolled, (f"L#{learner_id}", run))
    yield _maker(chance, approved, (f"L#{learner_id}", "ID"))
    for _ in range(chance.randrange(1, 4)):
        yield _graded(chance, learner_id, run)
    yield _maker(chance, passed, (f"L#{learner_id}", run), learner_id)


def _graded(chance: Random, learner_id: int, run: str) -> _Maker:
    percent = chance.randrange(60) / 100

    def graded(event_id: UUID, at: datetime) -> Detail:
        name = "course.persistent_grade_summary.changed"
        return event_builders.grade_summary(name, event_id, at, learner_id, run, percent=percent, letter="")  # type: ignore[arg-type]

    return _maker(chance, graded, (f"L#{learner_id}", run))


def _configured(chance: Random, run: str, number: int) -> _Maker:
    """Return a configuration whose policy differs from the one before, so that the course run is decided again."""
    policy = ("edx-2021", "open-edx-idv")[number % 2]

    def configured(event_id: UUID, at: datetime) -> Detail:
        return event_builders.configuration(
            "course_run.configured", event_id, at, run, web_certificates_enabled=True, policy=policy
        )

    return _maker(chance, configured, (f"R#{run}", "-"))


def _maker(
    chance: Random, build: Callable[[UUID, datetime], Detail], key: tuple[str, str], passes: int | None = None
) -> _Maker:
    event_id = UUID(int=chance.getrandbits(128), version=4)

    def made(at: float) -> Arrival:
        detail = build(event_id, datetime.fromtimestamp(at, UTC))
        return Arrival(at, json.dumps(event_builders.envelope(detail)), key, passes)

    return made
