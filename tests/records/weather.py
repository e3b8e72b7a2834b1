"""A storm passes over the real records in simulated time: disorder, faults, renames, an outage of an hour.

The functions' own code runs on a table, several workers at a time, before the stand-in of the service over HTTP.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from random import Random
from statistics import median, quantiles
from threading import Lock
from typing import Any, override
from unittest.mock import patch

import msgspec
from aws_lambda_powertools import Logger

from certrules import aws
from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import (
    CourseCredential,
    Desired,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.instants import instant_of
from certrules.core.policy import read_policies
from certrules.core.programs.definitions import DatedDefinition, ProgramCourse, ProgramDefinition, ProgramStatus
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.formats.senders import TrustedSenders
from certrules.records.definitions import save_definition
from certrules.records.delivering import Delivering
from certrules.records.running import Deployment, Records
from certrules.records.stored import DynamoDeliveries
from certrules.storage.learner_records import StoredDelivery, StoredLearner, load_learner
from certrules.storage.records_table import SHARDS, RecordsItem
from tests.records.faults import Fault
from tests.records.meter import Meter
from tests.records.scene import A1, A2, B1, NOON, P1, Scene
from tests.records.state import State
from tests.records.storm import DISORDER, Stored, Storm

OUTAGE = (NOON + timedelta(hours=1), NOON + timedelta(hours=2))
HOLD = timedelta(minutes=10)
TICK = timedelta(minutes=1)
ERRORS, DUPLICATES, LATE = 0.05, 0.1, 0.3
WORKERS = 4
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


@dataclass
class StormResult:
    """What a storm came to."""

    changes: int
    requests: Counter[str]  # of the Credentials service
    counted: Counter[str]  # DynamoDB's operations, messages, calls of the function, events
    units: tuple[float, float]  # of DynamoDB: read, written
    wrong: list[str]
    delays: list[float]  # seconds from a change of what is desired to its acknowledgement

    def report(self) -> str:
        """Return it for people."""
        total, wrong = self.requests.total(), len(self.wrong) or "no"
        head = f"{self.changes} changes, {total} requests ({total / self.changes:.2f} a change): {wrong} records differ"
        late = quantiles(self.delays, n=100)[98]
        delay = f"delay: median {median(self.delays):.0f} s, 99 % {late:.0f} s, longest {max(self.delays):.0f} s"
        units = "{:,.0f} units read, {:,.0f} written, a million changes".format(
            *(each * 1e6 / self.changes for each in self.units)
        )
        rows = [*self.requests.most_common(), *sorted(self.counted.items())]
        lines = [f"{count:>9}  {count / self.changes:>6.2f} a change  {name}" for name, count in rows]
        return "\n".join([head, delay, units, *lines, *self.wrong[:20]])


class Bus:
    """EventBridge, which refuses some events, and takes half of these all the same."""

    def __init__(self, random: Random) -> None:
        self.ids: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        self._random, self._lock = random, Lock()

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as boto3 names it
        """Take events."""
        answers = []
        with self._lock:
            for entry in Entries:
                is_refused, is_taken = self._random.random() < ERRORS, self._random.random() < 0.5
                if not is_refused or is_taken:
                    detail = msgspec.json.decode(entry["Detail"])
                    certificate = detail["program_certificate"]
                    key = certificate["user"]["id"], certificate["program"]["uuid"]
                    self.ids[key][detail["metadata"]["id"]] += 1
                answers.append({"ErrorCode": "InternalFailure"} if is_refused else {"EventId": "1"})
        return {"Entries": answers}


@dataclass
class Queue:
    """The records queue: hints come some time later, in any order, and some twice."""

    scene: Scene
    random: Random
    waiting: list[tuple[datetime, int, str]] = field(default_factory=list)
    sent: int = 0

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803, ARG002
        """Take messages of the function itself."""
        for entry in Entries:
            self.put(entry["MessageBody"])
        return {}

    def put(self, body: str) -> None:
        """Take a message, perhaps twice, each copy late perhaps."""
        for _ in range(2 if self.random.random() < DUPLICATES else 1):
            self.sent += 1
            late = DISORDER * self.random.random() if self.random.random() < LATE else timedelta()
            heapq.heappush(self.waiting, (self.scene.now + late, self.sent, body))

    def due(self) -> list[dict[str, Any]]:
        """Return the messages that come now."""
        found = []
        while self.waiting and self.waiting[0][0] <= self.scene.now:
            _, number, body = heapq.heappop(self.waiting)
            found.append({"messageId": str(number), "body": body})
        self.random.shuffle(found)
        return found


class MeasuredDeliveries(DynamoDeliveries):
    """The real store; it notes how long each delivery took."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._lock = scene, Lock()
        self.delays: dict[tuple[Target, datetime], float] = {}

    @override
    def save(self, delivery: Delivery, version: int) -> StoredDelivery | None:
        """Save a delivery."""
        saved = super().save(delivery, version)
        done = delivery.acknowledged
        if saved is not None and done is not None and delivery.is_settled and done.at == self._scene.now:
            with self._lock:
                key = delivery.target, delivery.wanted_at
                self.delays.setdefault(key, (done.at - delivery.wanted_at).total_seconds())
        return saved


class Weather:
    """Lets a storm pass over a scene and tables that are connected."""

    def __init__(self, scene: Scene, storm: Storm) -> None:
        self.scene, self.storm = scene, storm
        self.random, self.lock = Random(storm.seed + 1), Lock()
        self.bus, self.queue = Bus(Random(storm.seed + 2)), Queue(scene, self.random)
        self.store = MeasuredDeliveries(scene)
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.meter = Meter()
        self.clients: dict[str, Any] = {"secretsmanager": scene.secrets, "events": self.bus, "sqs": self.queue}

    def records(self) -> Records:
        """Return the function in an environment of its own."""
        policies = read_policies({"preset": "edx-2021", "hold_seconds": int(HOLD.total_seconds())})
        senders = TrustedSenders((), (), "", frozenset())
        deployment = Deployment(policies, senders, "queue", "parked", "bus", "records", announces=True)
        scene = self.scene
        delivering = Delivering(
            self.store, scene.client, lambda: scene.now, scene.random.random, lambda: str(next(scene.holders))
        )
        return Records(deployment, delivering, lambda: scene.now, Logger(level="CRITICAL"))

    def passes(self) -> StormResult:
        """Let it pass. Return what it came to."""
        service, storm = self.scene.service, self.storm
        service.state.users = storm.users()
        service.state.replacement_worker = service.platform.username
        service.misbehaviour.choose = lambda _path: (
            self.random.choice(FAULTS) if self.random.random() < ERRORS else None
        )
        service.misbehaviour.deadlocks = True  # and each request takes some milliseconds
        with patch.object(aws, "client", self.clients.__getitem__), ThreadPoolExecutor(WORKERS) as workers:
            save_definition(program_of_the_storm(), NOON)
            self._pass(workers, [self.records() for _ in range(WORKERS)])
        self.meter.enabled = False
        self.wrong += self._differences()
        counted = self.counted + self.meter.operations + Counter(messages=self.queue.sent)
        units = self.meter.read, self.meter.written
        delays = list(self.store.delays.values())
        return StormResult(len(storm.changes), service.misbehaviour.requests, counted, units, self.wrong, delays)

    def _pass(self, workers: ThreadPoolExecutor, functions: list[Records]) -> None:
        scene, arriving = self.scene, list(reversed(self.storm.changes))
        while True:
            self._store(arriving)
            is_out = OUTAGE[0] <= scene.now < OUTAGE[1]
            scene.service.misbehaviour.down_until = OUTAGE[1] if is_out else None
            events = len(scene.service.state.events)
            tasks: list[list[Callable[[], object]]] = [[] for _ in functions]
            for number, messages in enumerate(batched(self.queue.due(), 10, strict=False)):
                tasks[number % WORKERS].append(partial(self._work_off, functions[number % WORKERS], list(messages)))
            tasks[-1].append(partial(self._work_due, functions[-1]))
            for done in [workers.submit(lambda acts: [act() for act in acts], each) for each in tasks]:
                done.result()
            for status, name, _ in scene.service.state.events[events:]:
                self._judge(status, name)
            following = self._next(arriving)
            if following is None:
                return
            scene.now = max(scene.now + TICK, following)
            assert scene.now < NOON + timedelta(days=14), "it does not come to an end"

    def _store(self, arriving: list[Any]) -> None:
        self.meter.enabled = False  # what the rest of the service writes
        while arriving and arriving[-1].at <= self.scene.now:
            change = arriving.pop()
            self.storm.learners[change.learner_id].store(change)
            self.queue.put(f'{{"learner_id":{change.learner_id}}}')
        self.meter.enabled = True

    def _work_off(self, function: Records, messages: list[dict[str, Any]]) -> None:
        worked = function.work_off(messages, lambda: True)
        with self.lock:
            self.counted["calls for messages"] += 1
            self.counted["events put"] += worked.counts["ProgramEvents"]
            for message in messages:
                if message["messageId"] in worked.retried:
                    self.queue.put(message["body"])

    def _work_due(self, function: Records) -> None:
        counts = function.work_due(lambda: True)
        with self.lock:
            self.counted["calls by the schedule"] += 1
            self.counted["events put"] += counts["ProgramEvents"]

    def _next(self, arriving: list[Any]) -> datetime | None:
        """Return when there is something to do next; None: never."""
        self.meter.enabled = False
        soonest = [change.at for change in arriving[-1:]]
        soonest += [self.queue.waiting[0][0]] if self.queue.waiting else []
        for shard in range(SHARDS):
            for kind in "PD":
                soonest += [instant_of(int(i.t)) for i in RecordsItem.by_due.query(f"{kind}{shard}", limit=1)]
        self.meter.enabled = True
        return min(soonest, default=None)

    # --- judging

    def _judge(self, status: str, name: str) -> None:
        """Note a program credential that was revoked in the service while the certificates carried it."""
        learner = self._learner(name)
        settled = DISORDER + 2 * TICK  # a hint may be so late
        if status == "revoked" and learner.was_carried(self.scene.now - settled, self.scene.now) == {True}:
            self.wrong.append(f"{name}: the program fell at {self.scene.now}, and was carried")

    def _learner(self, name: str) -> Stored:
        return self.storm.learners[int(name.removeprefix("learner").partition("-")[0])]

    def _differences(self) -> list[str]:
        """Return what differs from what is desired."""
        found, state = [], self.scene.service.state
        for learner in self.storm.learners.values():
            stored, name = load_learner(learner.learner_id), learner.names[-1]
            found += [
                f"{target}: not settled" for target, it in stored.deliveries.items() if not it.delivery.is_settled
            ]
            for target, desired in learner.desired():
                shown = _shown(state, target, name)
                if shown != desired:
                    found.append(f"{target}: {shown}, desired {desired}")
            row = state.credential(name, P1)
            if (row is not None and row.status == "awarded") != learner.is_carried:
                found.append(f"{name}: program {row}, carried: {learner.is_carried}")
            found += [f"{name}: rows under {former}" for former in learner.names[:-1] if any(state.of_user(former))]
            found += self._wrong_transitions(learner, stored)
        crowds = self.scene.service.misbehaviour.most_in_flight
        return found + [f"{subject}: {count} requests in flight" for subject, count in crowds.items() if count > 1]

    def _wrong_transitions(self, learner: Stored, stored: StoredLearner) -> list[str]:
        """Return what is wrong with the transitions of a program, and with their events."""
        events = self.bus.ids[learner.learner_id, P1]
        program = stored.programs.get(P1)
        if program is None:
            return [f"{learner.learner_id}: events of no program"] if events else []
        state, wrong = program.state, []
        if not state.number == state.announced == len(events):
            wrong.append(f"{learner.learner_id}: {state.number} transitions, {len(events)} events")
        awarded = ProgramCertificateStatus.AWARDED
        expected = [awarded, ProgramCertificateStatus.REVOKED] * len(state.published.transitions)
        statuses = [item.status for item in state.published.transitions]
        if statuses != expected[: len(statuses)]:
            wrong.append(f"{learner.learner_id}: {statuses}")
        falls = [item.at for item in state.published.transitions if item.status is not awarded]
        carried = [at for at in falls if learner.was_carried(at - HOLD, at) != {False}]
        return wrong + [f"{learner.learner_id}: the program fell at {at}, and was carried" for at in carried]


def program_of_the_storm() -> DatedDefinition:
    """Return the definition of the program: two courses, one of them with two runs."""
    courses = (ProgramCourse("A", (A1, A2)), ProgramCourse("B", (B1,)))
    definition = ProgramDefinition(P1, "P1", "MicroMasters", ProgramStatus.ACTIVE, None, courses)
    return DatedDefinition(NOON - timedelta(days=1), "definition", definition)


def _shown(state: State, target: Target, name: str) -> Desired | None:
    if target.kind is Kind.USERNAME:
        user = next(user for user in state.users if user.lms_user_id == target.owner)
        return Username(name=user.username)
    if target.kind is Kind.GRADE:
        grade = state.grades.get((name, target.key))
        return (
            None
            if grade is None
            else Grade(percent=float(grade.percent), letter=grade.letter, updated_at=grade.updated)
        )
    row = state.credential(name, target.key)
    if row is None:
        return None
    is_awarded = row.status == "awarded"
    if target.kind is Kind.PROGRAM:
        return ProgramCredential(is_awarded=is_awarded)
    return CourseCredential(is_awarded=is_awarded, mode="verified", date_override=row.override)
