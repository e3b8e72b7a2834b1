"""One history: the functions run as interleaved steps, with deliveries, faults and clocks as chance has it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import count
from typing import Any
from zlib import crc32

import msgspec

from certrules.core.instants import instant_of, micros
from tests.simulation.chances import Chances
from tests.simulation.dynamodb import Row
from tests.simulation.faults import Invocation, Killed, Requests
from tests.simulation.functions import CERTIFICATES, HISTORY, INGEST, REDECIDE, handlers
from tests.simulation.machines import Machine, Step, StepFailedError, redeciding
from tests.simulation.services import Execution, FakeAws, QueuedMessage
from tests.simulation.story import FIRST, Reported

VISIBILITY = timedelta(seconds=180)
MOST_RECEIVES = 5
AT_ONCE = 3
"""How many invocations of one function run at the same time at most."""

TRIES = 5
"""How often a state machine tries a step."""

SKEWS = (*[timedelta(0)] * 3, timedelta(seconds=2), timedelta(seconds=-2), timedelta(minutes=1), timedelta(minutes=-1))
SWEEPING = timedelta(minutes=1)
LAGS = (*[timedelta(0)] * 3, timedelta(seconds=1), timedelta(seconds=20))
QUEUES = {INGEST: ("ingest", 10), REDECIDE: ("redecide", 1)}
"""The function that a queue feeds, and how many messages at once."""

SHARDS = 2
REDECIDE_FAILED = "RedecideFailedAlarm"


@dataclass(slots=True)
class Shard:
    """A shard of the stream of history: its records, and up to where they were delivered."""

    records: list[dict[str, Any]]
    delivered: int = 0
    is_busy: bool = False


@dataclass(slots=True)
class RunningMachine:
    """A state machine at work."""

    name: str
    machine: Machine
    alarm: str  # that rings if it fails
    wakes_at: datetime
    step: Step | None = None
    tries: int = 0
    is_busy: bool = False
    execution: Execution | None = None  # that a function started


class World:
    """The stack in one history."""

    def __init__(self, chances: Chances, seed: int, defect: str = "", *, traced: bool = False) -> None:
        self.chances = chances
        self.now = FIRST + timedelta(days=2)
        self.trace: list[str] = []
        self._traced = traced
        self.aws = FakeAws(lambda: self.now, self._written, self._lag, defect=defect)
        self.aws.started = self.run
        self.requests = Requests(self.aws, chances, self.note)
        self.alarms: set[str] = set()
        self.dead: dict[str, list[QueuedMessage]] = {INGEST: [], REDECIDE: []}
        self.shards = [Shard([]) for _ in range(SHARDS)]
        self.machines: list[RunningMachine] = []
        self.failed_machines: list[str] = []
        self.failed_executions: list[Execution] = []
        self._seed = seed
        self._numbers: dict[str, Iterable[int]] = {}
        self._random = count(1)
        self._steps = count(1)
        self._swept_at = self.now
        self._sequence = count(1)

    # --- surroundings of the functions

    def clock(self) -> datetime:
        """Return the time on the host of the invocation that runs now."""
        invocation = self.requests.current()
        return self.now if invocation is None else self.now + invocation.skew

    def random(self, size: int) -> bytes:
        """Return bytes that are new, and the same in the same history."""
        return blake2b(f"{self._seed} {next(self._random)}".encode(), digest_size=size).digest()

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        if self._traced:
            self.trace.append(f"{self.now:%d %H:%M:%S}  {text}")

    def _lag(self) -> timedelta:
        if not self.requests.are_disturbed or self.requests.calls is not None:
            return timedelta(0)
        return self.chances.among(f"lag {self._number('lag')}", LAGS)

    def _number(self, name: str) -> int:
        numbers: Any = self._numbers.setdefault(name, count(1))
        return int(next(numbers))

    def _written(self, table: str, row: Row) -> None:
        if table == HISTORY:
            number = str(next(self._sequence))
            record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": number, "NewImage": row}}
            self.shards[crc32(row["p"]["S"].encode()) % SHARDS].records.append(record)

    # --- what may happen next

    def invoke(self, function: str, event: Any, after: Callable[[Invocation], None]) -> None:
        """Start an invocation; `after` is called when it is over."""
        name = f"{function} {self._number(function)}"
        skew = self.chances.among(f"{name}: clock", SKEWS) if self.requests.are_disturbed else timedelta(0)
        invocation = Invocation(name, lambda: handlers()[function](event), self.now, skew, after)
        self.requests.running[invocation.thread] = invocation
        self.note(f"{name} starts")
        self._resume(invocation)

    def _resume(self, invocation: Invocation) -> None:
        invocation.thread.switch()
        if not invocation.is_over:
            return
        del self.requests.running[invocation.thread]
        error = invocation.error
        if error is not None and not isinstance(error, Killed):
            self.note(f"{invocation.name} fails: {type(error).__name__}: {error}")
        else:
            self.note(f"{invocation.name} {'crashes' if error else 'ends'}")
        invocation.after(invocation)

    def actions(self) -> list[Callable[[], None]]:
        """Return everything that may happen next; the undisturbed course comes first."""
        running = list(self.requests.running.values())
        found: list[Callable[[], None]] = [_bound(self._resume, invocation) for invocation in running]
        busy = [invocation.name.split()[0] for invocation in running]
        for url, (function, size) in QUEUES.items():
            if busy.count(function) < AT_ONCE and any(
                message.visible_at <= self.now for message in self.aws.queue(url)
            ):
                found.append(_bound(self._deliver, url, function, size))
        for number, shard in enumerate(self.shards):
            if not shard.is_busy and shard.delivered < len(shard.records):
                found.append(_bound(self._stream, number, shard))
        ready = (machine for machine in self.machines if not machine.is_busy and machine.wakes_at <= self.now)
        found += [_bound(self._go_on, machine) for machine in ready]
        if "sweep" not in busy and self._is_something_due():
            found.append(self._sweep)
        return found

    def act(self, actions: Sequence[Callable[[], None]]) -> None:
        """Have one of these things happen."""
        number = self.chances.number(f"step {next(self._steps)}", len(actions)) if self.requests.are_disturbed else 0
        actions[number]()

    def next_instant(self) -> datetime | None:
        """Return when something may happen next, if nothing can happen now."""
        waiting = [message.visible_at for url in QUEUES for message in self.aws.queue(url)]
        waiting += [machine.wakes_at for machine in self.machines]
        due = [instant_of(int(row["t"]["N"])) for row in self._rows() if "d" in row]
        waiting += [max(at, self._swept_at + SWEEPING) for at in due]
        return min((at for at in waiting if at > self.now), default=None)

    def _rows(self) -> Iterable[Row]:
        return self.aws.dynamodb.table(CERTIFICATES).rows.values()

    # --- queues

    def _deliver(self, url: str, function: str, size: int) -> None:
        queue = self.aws.queue(url)
        name = f"delivery {self._number('delivery')}"
        visible = [message for message in queue if message.visible_at <= self.now]
        if self.requests.are_disturbed:
            visible = self.chances.order(f"{name}: order", visible[:20])
            size -= self.chances.number(f"{name}: fewer", size)
        batch = []
        for message in visible[:size]:
            message.receives += 1
            message.visible_at = self.now + VISIBILITY
            if message.receives > MOST_RECEIVES:
                queue.remove(message)
                self.dead[url].append(message)
                self.alarms.add(f"{function.capitalize()}DeadLettersAlarm")
                self.note(f"{message.message_id} goes to the dead letters of {function}")
            else:
                batch.append(message)
        if batch:
            records = [message.as_record() for message in batch]
            self.invoke(function, {"Records": records}, lambda over: self._delivered(url, name, batch, over))

    def _delivered(self, url: str, name: str, batch: list[QueuedMessage], over: Invocation) -> None:
        if over.error is not None:
            return
        failed = {item["itemIdentifier"] for item in over.result["batchItemFailures"]}
        queue = self.aws.queue(url)
        for message in batch:
            if message.message_id in failed or message not in queue:
                continue
            if self.requests.are_disturbed and self.chances.happens(f"{name}: {message.message_id} again", 25):
                message.visible_at = self.now
                self.requests.faults["a message comes twice"] += 1
                continue
            queue.remove(message)

    def redrive(self) -> None:
        """Send all dead letters to their queues again, and have failed executions go on, as the runbook has it.

        Executions that were stopped can't go on: their course runs are sent once more.
        """
        for execution in self.failed_executions:
            if execution.status == "FAILED":
                self.run(execution)
            else:
                self.aws.enqueue(REDECIDE, execution.given)
        self.failed_executions.clear()
        for url, messages in self.dead.items():
            for message in messages:
                message.receives, message.visible_at = 0, self.now
                self.aws.queue(url).append(message)
            messages.clear()

    # --- the stream

    def _stream(self, number: int, shard: Shard) -> None:
        name = f"shard {number} batch {self._number(f'shard {number}')}"
        left = shard.records[shard.delivered : shard.delivered + 100]
        size = len(left)
        if self.requests.are_disturbed:
            size -= self.chances.number(f"{name}: fewer", size)
        shard.is_busy = True
        batch = left[:size]
        self.invoke("publish", {"Records": batch}, lambda over: self._streamed(name, shard, batch, over))

    def _streamed(self, name: str, shard: Shard, batch: list[dict[str, Any]], over: Invocation) -> None:
        shard.is_busy = False
        disturbed = self.requests.are_disturbed
        done = 0
        if over.error is None:
            failures = over.result["batchItemFailures"]
            sequence = [record["dynamodb"]["SequenceNumber"] for record in batch]
            done = sequence.index(failures[0]["itemIdentifier"]) if failures else len(batch)
            if disturbed and self.chances.happens(f"{name}: delivered again", 15):
                self.note(f"{name} is delivered again")
                self.requests.faults["a batch of the stream comes twice"] += 1
                done = 0
        elif disturbed and self.chances.happens(f"{name}: given up", 12):
            self.note(f"{name} is given up")
            self.requests.faults["a batch of the stream is given up"] += 1
            self.alarms.add("PublishDeadLettersAlarm")
            done = len(batch)
        shard.delivered += done

    # --- the schedule

    def _is_something_due(self) -> bool:
        """Whether a sweep would find something; the others, once a minute, would change nothing."""
        if self.now - self._swept_at < SWEEPING:
            return False
        return any("d" in row and int(row["t"]["N"]) <= micros(self.now) for row in self._rows())

    def _sweep(self) -> None:
        self._swept_at = self.now
        self.invoke("sweep", {"time": self.now.isoformat()}, lambda _: None)

    # --- state machines

    def start(self, name: str, machine: Machine, alarm: str) -> None:
        """Start a state machine."""
        self.machines.append(RunningMachine(name, machine, alarm, self.now))

    def run(self, execution: Execution) -> None:
        """Have an execution that a function started go on from its first step, or do so again."""
        execution.status = "RUNNING"
        name = f"redecide run {self._number('redecide run')}"
        machine = redeciding(msgspec.json.decode(execution.given))
        self.machines.append(RunningMachine(name, machine, REDECIDE_FAILED, self.now, execution=execution))

    def _end(self, running: RunningMachine, status: str) -> None:
        """End a state machine. One that did not succeed rings its alarm."""
        self.machines.remove(running)
        if running.execution is not None:
            running.execution.status = status
        if status == "SUCCEEDED":
            return
        self.alarms.add(running.alarm)
        if running.execution is None:
            self.failed_machines.append(running.name)
        else:
            self.failed_executions.append(running.execution)

    def _is_stopped(self, running: RunningMachine) -> bool:
        """Whether somebody stops an execution now, which functions started, and between two of its steps."""
        if running.execution is None or not self.requests.are_disturbed:
            return False
        if not self.chances.happens(f"{running.name}: stopped {self._number(f'stop {running.name}')}", 40):
            return False
        self.note(f"{running.name} is stopped")
        self.requests.faults["an execution is stopped"] += 1
        self._end(running, "ABORTED")
        return True

    def _go_on(self, running: RunningMachine, result: Any = None, error: Exception | None = None) -> None:
        if running.step is None or result is not None or error is not None:
            if self._is_stopped(running):
                return
            try:
                following = running.machine.throw(error) if error else running.machine.send(result)
            except StopIteration:
                self._end(running, "SUCCEEDED")
                return
            except StepFailedError as failure:
                self.note(f"{running.name} fails: {failure}")
                self._end(running, "FAILED")
                return
            if isinstance(following, timedelta):
                running.step, running.wakes_at = None, self.now + following
                return
            running.step, running.tries = following, 0
        running.is_busy = True
        running.tries += 1
        assert running.step is not None
        self.invoke(running.step.function, running.step.event, lambda over: self._stepped(running, over))

    def _stepped(self, running: RunningMachine, over: Invocation) -> None:
        running.is_busy = False
        if over.error is None:
            running.step = None
            self._go_on(running, result=over.result)
        elif running.tries < TRIES:
            running.wakes_at = self.now + timedelta(seconds=5 * 2**running.tries)
        else:
            running.step = None
            self._go_on(running, error=StepFailedError(f"{over.name}: {over.error!r}"))

    # --- the course of time

    def receive(self, reported: Reported, name: str) -> None:
        """Have the bus put an event on the queue: once, or at least once."""
        self.note(
            f"{name}: {reported.kind}, {reported.pair.learner_id} in {reported.pair.course_run}, of {reported.at}"
        )
        self.aws.enqueue(INGEST, reported.body)
        if self.chances.happens(f"{name}: twice", 12):
            self.aws.enqueue(INGEST, reported.body)

    def drain(self) -> None:
        """Let everything happen that is on its way, until nothing is left to do."""
        for _ in range(20_000):
            if actions := self.actions():
                self.act(actions)
                continue
            following = self.next_instant()
            if following is None:
                return
            self.now = following
        raise AssertionError("it never ends: something is sent again and again")


def _bound(act: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: act(*arguments)
