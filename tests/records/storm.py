"""A storm in simulated time: changes in disorder, faults, renames, an outage; then every record is as desired."""

from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from statistics import median, quantiles
from threading import Lock
from typing import NamedTuple

from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import (
    CourseCredential,
    Desired,
    Grade,
    Kind,
    Owner,
    ProgramCredential,
    Target,
    Username,
    four_decimals,
)
from tests.records.faults import Fault
from tests.records.scene import A1, A2, B1, NOON, P1, Scene
from tests.records.state import State, User

LASTS = timedelta(hours=5)
OUTAGE = (NOON + timedelta(hours=1), NOON + timedelta(hours=2))
DISORDER = timedelta(minutes=30)
TICK = timedelta(seconds=30)
ERRORS, RENAMES, DUPLICATES = 0.05, 0.02, 0.1
RUNS = (A1, A2, B1)
FAULTS = (
    Fault.THROTTLED,
    Fault.ERROR,
    Fault.ERROR_AFTER_WRITING,
    Fault.PAGE,
    Fault.GATEWAY,
    Fault.HALF,
    Fault.SILENT,
    Fault.SILENT_AFTER_WRITING,
)


class Change(NamedTuple):
    """A desired state, and when it arrives."""

    at: datetime
    target: Target
    desired: Desired
    number: int


@dataclass
class StormResult:
    """What a storm came to."""

    changes: int
    requests: Counter[str]
    wrong: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)  # seconds from a change to its acknowledgement

    def report(self) -> str:
        """Return it for people."""
        total, wrong = self.requests.total(), len(self.wrong) or "no"
        late = quantiles(self.delays, n=100)[98]
        head = f"{self.changes} changes, {total} requests ({total / self.changes:.2f} a change): {wrong} records differ"
        delay = f"delay: median {median(self.delays):.0f} s, 99 % {late:.0f} s, longest {max(self.delays):.0f} s"
        paths = [f"{count:>9}  {path}" for path, count in self.requests.most_common()]
        return "\n".join([head, delay, *paths, *self.wrong[:20]])


@dataclass
class Storm:
    """Changes of learners in two courses and a program."""

    seed: int
    count: int
    changes: list[Change] = field(default_factory=list)
    final: dict[Target, Change] = field(default_factory=dict)  # by number, not by arrival
    former: defaultdict[Owner, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        """Draw the changes."""
        random = Random(self.seed)
        learners = range(1_000, 1_000 + max(5, self.count // 12))
        for learner in learners:
            self._add(NOON, Target(Kind.USERNAME, learner), Username(name=f"learner{learner}"), random, late=False)
        for at in sorted(NOON + LASTS * random.random() for _ in range(self.count)):
            if len(self.changes) >= self.count:
                break
            learner = random.choice(learners)
            if random.random() < RENAMES:
                name = f"learner{learner}-{len(self.changes)}"
                self._add(at, Target(Kind.USERNAME, learner), Username(name=name), random)
            elif random.random() < 0.2:
                grade = Grade(percent=four_decimals(random.random()), letter="Pass")
                self._add(at, Target(Kind.GRADE, learner, random.choice(RUNS)), grade, random)
            else:
                self._change_course(at, learner, random)

    def _change_course(self, at: datetime, learner: int, random: Random) -> None:
        override = NOON + timedelta(days=random.randrange(9)) if random.random() < 0.2 else None
        course = CourseCredential(is_awarded=random.random() < 0.7, mode="verified", date_override=override)
        self._add(at, Target(Kind.COURSE, learner, random.choice(RUNS)), course, random)
        awarded = [run for run in RUNS if self._is_awarded(Target(Kind.COURSE, learner, run))]
        a = next((run for run in awarded if run != B1), None)
        completes = a is not None and B1 in awarded
        program = ProgramCredential(is_awarded=completes, course_runs=(a, B1) if completes and a else ())
        target = Target(Kind.PROGRAM, learner, P1)
        if completes or target in self.final:
            self._add(at, target, program, random)

    def _is_awarded(self, target: Target) -> bool:
        change = self.final.get(target)
        return change is not None and isinstance(change.desired, CourseCredential) and change.desired.is_awarded

    def _add(self, at: datetime, target: Target, desired: Desired, random: Random, *, late: bool = True) -> None:
        change = Change(at + DISORDER * random.random() * late, target, desired, len(self.changes) + 1)
        before = self.final.get(target)
        if before is not None and isinstance(before.desired, Username):
            self.former[target.owner].add(before.desired.name)
        self.final[target] = change
        self.changes.append(change)
        if random.random() < DUPLICATES:
            self.changes.append(change._replace(at=change.at + DISORDER * random.random()))

    def users(self) -> list[User]:
        """Return the users that the service has: the first names of all learners."""
        owners = sorted({int(target.owner) for target in self.final})
        return [User(f"learner{owner}", owner) for owner in owners]


def weather(scene: Scene, storm: Storm) -> StormResult:
    """Let a storm pass over a scene. Return what it came to."""
    random, lock = Random(storm.seed + 1), Lock()
    service, delays = scene.service, dict[tuple[Target, datetime], float]()

    def fault(_path: str) -> Fault | None:
        return random.choice(FAULTS) if random.random() < ERRORS else None

    def measure(delivery: Delivery) -> None:
        acknowledged = delivery.acknowledged
        if acknowledged is not None and delivery.is_settled and acknowledged.at == scene.now:
            with lock:
                key = delivery.target, delivery.wanted_at
                delays.setdefault(key, (acknowledged.at - delivery.wanted_at).total_seconds())

    service.state.users = storm.users()
    service.state.replacement_worker = service.platform.username
    service.misbehaviour.choose = fault
    service.misbehaviour.deadlocks = True  # and each request takes some milliseconds
    scene.store.before_save = measure
    wrong: list[str] = []
    arriving = sorted(storm.changes, key=lambda change: change.at)
    with ThreadPoolExecutor(4) as workers:
        while arriving or scene.store.first_due() is not None:
            arrived: list[Change] = []
            while arriving and arriving[0].at <= scene.now:
                arrived.append(arriving.pop(0))
            is_out = OUTAGE[0] <= scene.now < OUTAGE[1]
            service.misbehaviour.down_until = OUTAGE[1] if is_out else None
            events = len(service.state.events)
            _deliver_all(scene, workers, random, arrived)
            wrong += [f"{event}: it is desired" for event in service.state.events[events:] if _is_desired(scene, event)]
            scene.now = _next(scene, arriving)
            assert scene.now < NOON + timedelta(days=14), "it does not come to an end"
    result = StormResult(len(storm.changes), service.misbehaviour.requests, delays=list(delays.values()))
    result.wrong = [*wrong, *_differences(service.state, storm), *_crowds(scene)]
    return result


def _is_desired(scene: Scene, event: tuple[str, str, str]) -> bool:
    """Whether a program credential was revoked that was desired to be awarded."""
    status, name, program = event
    owner = int(name.removeprefix("learner").partition("-")[0])
    desired = scene.delivery(Target(Kind.PROGRAM, owner, program)).desired
    return status == "revoked" and desired != ProgramCredential(is_awarded=False)


def _deliver_all(scene: Scene, workers: ThreadPoolExecutor, random: Random, arrived: list[Change]) -> None:
    """Deliver what is due, some of it twice, while changes arrive; those of programs arrive before."""
    delivering = scene.delivering

    def want(change: Change) -> None:
        scene.store.want(change.target, change.desired, change.number, scene.now)

    for change in arrived:
        if change.target.kind is Kind.PROGRAM:
            want(change)
    tasks: list[Callable[[], object]] = []
    for owner in scene.store.due(scene.now, 10_000):
        times = 3 if random.random() < 0.2 else 1  # a queue delivers some more than once
        tasks += [partial(delivering.deliver, owner)] * times
    for change in arrived:
        if change.target.kind is not Kind.PROGRAM:
            tasks.insert(random.randint(0, len(tasks)), partial(want, change))
            tasks.append(partial(delivering.deliver, change.target.owner))
    for done in [workers.submit(task) for task in tasks]:
        done.result()


def _next(scene: Scene, arriving: list[Change]) -> datetime:
    """Return when there is something to do next, a tick later at least."""
    soonest = [change.at for change in arriving[:1]]
    due = scene.store.first_due()
    if due is not None:
        soonest.append(max(due, scene.store.breaker.breaker.open_until or due))
    return max(scene.now + TICK, min(soonest, default=scene.now))


def _differences(state: State, storm: Storm) -> list[str]:
    """Return the records that differ from what is desired."""
    found = []
    for target, change in storm.final.items():
        username = storm.final[Target(Kind.USERNAME, target.owner)].desired
        assert isinstance(username, Username)
        shown = _shown(state, target, username.name)
        if shown != change.desired:
            found.append(f"{target}: {shown}, desired {change.desired}")
    for owner, names in storm.former.items():
        found += [f"{owner}: rows under a former name" for name in names if any(state.of_user(name))]
    return found


def _shown(state: State, target: Target, name: str) -> Desired | None:
    if target.kind is Kind.USERNAME:
        user = next(user for user in state.users if user.lms_user_id == target.owner)
        return Username(name=user.username)
    if target.kind is Kind.GRADE:
        grade = state.grades.get((name, target.key))
        return None if grade is None else Grade(percent=float(grade.percent), letter=grade.letter)
    row = state.credential(name, target.key)
    if row is None:
        return None
    is_awarded = row.status == "awarded"
    if target.kind is Kind.PROGRAM:
        return ProgramCredential(is_awarded=is_awarded)
    return CourseCredential(is_awarded=is_awarded, mode="verified", date_override=row.override)


def _crowds(scene: Scene) -> list[str]:
    """Return the credentials for which more than one request was in flight."""
    crowds = scene.service.misbehaviour.most_in_flight
    return [f"{subject}: {count} requests in flight" for subject, count in crowds.items() if count > 1]
