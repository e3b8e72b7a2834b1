"""State machines: moto's interpreter, but nothing waits, and functions run where messages are delivered.

Moto runs an execution, and each child of a map, in threads of its own. Here they only go from state to state: what
they ask of a function waits until `Machines.run_task` runs it, in the thread that delivers everything else, too; a Wait
lasts until nothing else is left to do. So functions run one at a time, and it is known when all executions rest.
"""

from __future__ import annotations

import heapq
import json
import logging
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Event, Lock, RLock, Thread, current_thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, override

import boto3
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import inline_iteration_component, job
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branch_worker, branches_decl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.callback import callback
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localcloud.steps import LocalStepFunctions

# What fails is in `executions`; moto logs it once more, for each of its parts.
logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)

# How long deliveries wait for the interpreter before they look at the queues again.
MOMENT_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of a state machine.

    `machine` is its logical id. `status` is RUNNING (for one that waits for a task token, too), SUCCEEDED, FAILED,
    TIMED_OUT or ABORTED. `error` and `cause` are why it failed, or the reason of whoever stopped it.
    """

    name: str
    arn: str
    machine: str
    status: str
    input: Any
    output: Any = None
    error: str | None = None
    cause: str | None = None


class _Worker(Thread):
    """A thread of the interpreter, which is known to rest or to run."""

    def __init__(self, machines: Machines, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._machines = machines
        self.is_over = False
        self.wait: _Rest | None = None

    @override
    def start(self) -> None:
        self._machines.workers.add(self)
        super().start()

    @override
    def run(self) -> None:
        try:
            super().run()
        finally:
            self.is_over = True
            self._machines.workers.discard(self)
            self._machines.moved.set()

    @override
    def join(self, timeout: float | None = None) -> None:
        with _resting(lambda: self.is_over):
            super().join(timeout)

    @contextmanager
    def resting(self, is_over: Callable[[], bool]) -> Iterator[None]:
        """Pause until the block is left, or until `is_over` returns true."""
        self.wait = _Rest(is_over)
        self._machines.moved.set()
        try:
            yield
        finally:
            self.wait = None


@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """The condition that a thread waits for."""

    is_over: Callable[[], bool]


@contextmanager
def _resting(is_over: Callable[[], bool]) -> Iterator[None]:
    thread = current_thread()
    if isinstance(thread, _Worker):
        with thread.resting(is_over):
            yield
    else:
        yield


class _Signal(Event):
    """An event that the interpreter's threads rest to wait for."""

    @override
    def wait(self, timeout: float | None = None) -> bool:
        with _resting(self.is_set):
            return super().wait(timeout)


class _Task:
    """A state's request to a function."""

    def __init__(self, function: str, run: Callable[[], Any]) -> None:
        self.function = function
        self._run = run
        self._over = _Signal()
        self._answers: list[Any] = []

    def run(self) -> Any:
        """Run the function, end the state with its answer, and return the answer."""
        try:
            self._answers.append(self._run())
        finally:
            self._over.set()
        return self._answers[0]

    def drop(self) -> None:
        """Let the state end without an answer."""
        self._over.set()

    def wait(self) -> Any:
        """Return the function's answer."""
        self._over.wait()
        if not self._answers:
            raise RuntimeError("the local cloud was left")
        return self._answers[0]


class Machines:
    """The state machines of a local cloud."""

    def __init__(self, region: str, dynamodb_endpoint: str | None) -> None:
        self._region = region
        self.workers: set[_Worker] = set()
        self.moved = Event()  # set whenever a thread of the interpreter ends or rests
        self._endpoint = dynamodb_endpoint
        self._tasks: deque[_Task] = deque()
        self._alarms: list[tuple[float, int, _Signal]] = []
        self._now = 0.0  # seconds, by the clock that only Waits move
        self._order = count()
        self._clients: dict[str, Any] = {}
        self._alone = Lock()
        self._names: dict[str, str] = {}

    @property
    def _backend(self) -> LocalStepFunctions:
        return cast("LocalStepFunctions", stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][self._region])

    @property
    def replaced(self) -> Iterator[tuple[object, str, object]]:
        """The attributes of moto that are replaced while the cloud exists: owner, attribute, value."""
        threads = SimpleNamespace(Thread=partial(_Worker, self), Event=_Signal, Lock=Lock, RLock=RLock)
        for module in (
            program,
            inline_iteration_component,
            job,
            branch_worker,
            branches_decl,
            environment,
            execute_state,
        ):
            yield module, "threading", threads
        for module in (execute_state, execution_worker):
            yield module, "Thread", threads.Thread
        yield callback, "Event", threads.Event
        yield retrier_decl, "time", SimpleNamespace(sleep=lambda _seconds: None)
        yield WaitFunction, "_wait_interval", lambda _function, env, wait_seconds: self._wait(wait_seconds)  # noqa: ARG005
        yield boto_client, "boto3", SimpleNamespace(client=self._client)

    def name(self, arn: str, logical_id: str) -> None:
        """Remember the logical id of a state machine."""
        self._names[arn] = logical_id

    def ask(self, function: str, run: Callable[[], Any]) -> Any:
        """Run a function: for a state of a machine as a task, for anybody else at once."""
        if not isinstance(current_thread(), _Worker):
            return run()
        task = _Task(function, run)
        self._tasks.append(task)
        return task.wait()

    def next_task(self) -> str | None:
        """Return the function that has to run next, None if there is none."""
        return self._tasks[0].function if self._tasks else None

    def run_task(self) -> Any:
        """Run the next function and return its answer."""
        return self._tasks.popleft().run()

    def proceed(self) -> bool:
        """Wait a moment for the interpreter; False if all executions rest, or have ended."""
        self.moved.clear()
        if self._tasks:
            return True
        if self._all_rest():
            return bool(self._tasks)
        self.moved.wait(MOMENT_SECONDS)
        return True

    def end_wait(self) -> bool:
        """End the Wait whose time comes first; False if there is none."""
        if not self._alarms:
            return False
        self._now, _, alarm = heapq.heappop(self._alarms)
        alarm.set()
        return True

    def start(self, machine_arn: str, event: object) -> None:
        """Start an execution with this event as its input."""
        self._backend.start_execution(machine_arn, None, json.dumps(event))

    def executions(self) -> Iterator[Execution]:
        """Yield all executions, of each machine the oldest first."""
        for execution in self._backend.all():
            machine = execution.state_machine
            yield Execution(
                name=execution.name,
                arn=execution.exec_arn,
                machine=self._names.get(machine.arn, machine.name),
                status=execution.status,
                input=execution.input_data,
                output=execution.output,
                error=execution.error,
                cause=execution.cause,
            )

    def close(self) -> None:
        """End all executions; wait until no thread of theirs is left."""
        executions = self._backend.all()
        for execution in executions:
            execution.stop(execution.start_date, None, None)
        while self.workers:
            for execution in executions:
                execution.interrupt()
            while self._tasks:
                self._tasks.popleft().drop()
            while self.end_wait():
                pass
            self.proceed()
        utils.TMP_THREADS.clear()

    def _all_rest(self) -> bool:
        """Whether every thread of the interpreter waits for something.

        Only if all rest twice in the same way none ran in between: one that was seen resting may have been woken by
        one that was looked at later.
        """
        first = self._rests()
        return first is not None and first == self._rests()

    def _rests(self) -> set[_Rest] | None:
        """Return what each thread waits for, None if one of them runs."""
        rests = set()
        for worker in self.workers.copy():
            rest = worker.wait
            if worker.is_over:
                continue
            if rest is None or rest.is_over():
                return None
            rests.add(rest)
        return rests

    def _wait(self, seconds: float) -> None:
        """Wait by the cloud's own clock."""
        if seconds > 0:
            alarm = _Signal()
            heapq.heappush(self._alarms, (self._now + seconds, next(self._order), alarm))
            alarm.wait()

    def _client(self, *, service_name: str, config: Config, **settings: str) -> Any:
        """Return a client; moto would make a new one for each task."""
        with self._alone:
            if service_name not in self._clients:
                self._clients[service_name] = cast("Any", boto3.client)(
                    service_name,
                    endpoint_url=self._endpoint if service_name == "dynamodb" else None,
                    config=config.merge(Config(account_id_endpoint_mode="disabled", user_agent="localcloud")),
                    **settings,
                )
            return self._clients[service_name]
