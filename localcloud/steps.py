"""Step Functions: moto's, with names, causes, one answer for each token, and an end for stopped executions."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, override

import moto.stepfunctions.models
import moto.stepfunctions.parser.backend.execution
import moto.stepfunctions.parser.models
from jsonpath_ng.ext.parser import parse as parse_path
from jsonpath_ng.jsonpath import Index
from jsonpath_ng.parser import parse as parse_result_path
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.api import (
    ExecutionStatus,
    InvalidToken,
    TaskTimedOut,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry.retry_outcome import RetryOutcome
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcomeFailure, CallbackOutcomeSuccess
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud import maps

if TYPE_CHECKING:
    from datetime import datetime

    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
    from moto.stepfunctions.parser.asl.component.state.state_props import StateProps
    from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcome
    from moto.stepfunctions.parser.asl.eval.environment import Environment

# These end an execution, whatever it catches.
TERMINAL = {StatesErrorNameType.StatesRuntime, StatesErrorNameType.StatesStatesDataLimitExceeded}

_moto_matches = ErrorEqualsDecl._eval_body  # noqa: SLF001
_moto_handle_retry = StateTaskServiceCallback._handle_retry  # noqa: SLF001
_moto_from_state_props = StateTaskServiceLambda.from_state_props
_one_answer = Lock()

parse = lru_cache(maxsize=64)(AmazonStateLanguageParser.parse)
"""Return what runs a definition. It takes 0.1 s, and moto would do it for every execution."""


DEFINITE = re.compile(r"\$(\.[\w-]+|\[-?\d+\]|\['[^']+'\])*")
_one_of_many = Index(0)


class _JsonPath:
    """A path: one that leads to one place gives the value there; moto's gives a list behind an index."""

    def __init__(self, path: str) -> None:
        self._path = parse_path(path)
        self._kind = None if DEFINITE.fullmatch(path) else _one_of_many

    def find(self, value: Any) -> list[Any]:
        """Return the stored value."""
        return [SimpleNamespace(value=m.value, path=self._kind, context=None) for m in self._path.find(value)]


class LocalMachine(StateMachine):
    """A state machine that `Fn::GetAtt` gives the ARN of."""

    @classmethod
    @override
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn" or super().has_cfn_attr(attr)

    @override
    def get_cfn_attribute(self, attribute_name: str) -> Any:
        return self.arn if attribute_name == "Arn" else super().get_cfn_attribute(attribute_name)


class LocalStepFunctions(StepFunctionsParserBackend):
    """The Step Functions backend."""

    @override
    def start_execution(
        self,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        """Start an execution; one without a name gets one, as it does in the cloud."""
        payload = execution_input or "{}"
        return super().start_execution(state_machine_arn, name or str(uuid.uuid4()), payload, cast("str", trace_header))

    def all(self) -> list[LocalExecution]:
        """Return all executions, of each machine the oldest first."""
        return cast("list[LocalExecution]", self._get_executions())

    @override
    def send_task_success(self, task_token: str, outcome: str) -> Any:
        """Let the task that waits for this token succeed. Raises InvalidToken or TaskTimedOut."""
        self._answer(CallbackOutcomeSuccess(callback_id=task_token, output=outcome))

    @override
    def send_task_failure(self, task_token: str, error: str | None = None, cause: str | None = None) -> Any:
        """Let the task that waits for this token fail. Raises InvalidToken or TaskTimedOut."""
        self._answer(CallbackOutcomeFailure(callback_id=task_token, error=error, cause=cause))

    def _answer(self, outcome: CallbackOutcome) -> None:
        """Answer a task once: it doesn't exist any more when it was answered, timed out or was stopped."""
        for execution in self.all():
            endpoint = cast("LocalWorker", execution.exec_worker).env.callback_pool_manager.get(outcome.callback_id)
            if endpoint is not None:
                with _one_answer:
                    if endpoint._notify_event.is_set():  # noqa: SLF001
                        raise TaskTimedOut(
                            "Task Timed Out: 'Provided task does not exist anymore'", "TaskTimedOut", 400
                        )
                    endpoint.notify(outcome)
                return
        raise InvalidToken


class LocalExecution(Execution):
    """An execution that ends as soon as it is stopped, whatever it waits for."""

    @override
    def stop(self, stop_date: datetime, error: str | None, cause: str | None) -> None:
        if self.exec_status != ExecutionStatus.RUNNING:
            return
        self.exec_status, self.stop_date, self.error, self.cause = ExecutionStatus.ABORTED, stop_date, error, cause
        super().stop(stop_date, error, cause)
        self.interrupt()

    def interrupt(self) -> None:
        """Wake all tasks that wait for a token."""
        worker = cast("LocalWorker", self.exec_worker)
        for endpoint in list(worker.env.callback_pool_manager._pool.values()):  # noqa: SLF001
            endpoint.interrupt_all()

    @override
    def _get_start_execution_worker_comm(self) -> BaseExecutionWorkerCommunication:
        return _Communication(self)


class _Communication(BaseExecutionWorkerCommunication):
    execution: LocalExecution

    @override
    def terminated(self) -> None:
        if self.execution.exec_status == ExecutionStatus.RUNNING:
            super().terminated()
            self.execution.interrupt()  # whatever a time-out left waiting


class LocalWorker(ExecutionWorker):
    """What runs an execution: it can be stopped, and asked for its tokens, from the first moment on."""

    env: Environment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.env = super()._get_evaluation_environment()

    @override
    def _get_evaluation_environment(self) -> Environment:
        return self.env

    @override
    def _execution_logic(self) -> None:
        try:
            super()._execution_logic()  # type: ignore[no-untyped-call]
        except RuntimeError:
            if not isinstance(self.env.program_state(), ProgramStopped):
                raise

    @override
    def stop(self, stop_date: datetime, error: str | None, cause: str | None) -> None:
        if self.env.program_state() is None:
            self.env._program_state = ProgramStopped(stop_date, error, cause)  # noqa: SLF001
        super().stop(stop_date, error, cause)


def _stop_execution(self: StepFunctionResponse) -> ActionResult:
    """Stop an execution for a reason; moto would forget it."""
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    execution.stop(utcnow(), self._get_param("error"), self._get_param("cause"))
    return ActionResult({"stopDate": execution.stop_date})


def _send_task_failure(self: StepFunctionResponse) -> EmptyResult:
    """Let a task fail with a cause; moto would forget it."""
    token, error, cause = (self._get_param(name) for name in ("taskToken", "error", "cause"))
    cast("LocalStepFunctions", self.stepfunction_backend).send_task_failure(token, error, cause)
    return EmptyResult()


def _handle_retry(self: StateTaskServiceCallback, env: Environment, failure_event: FailureEvent) -> RetryOutcome:
    """Give each try of a task a token of its own; moto's next try would get the last one's answer."""
    outcome = _moto_handle_retry(self, env, failure_event)
    if outcome == RetryOutcome.CanRetry and self.resource.condition == ResourceCondition.WaitForTaskToken:
        env.callback_pool_manager.add(env.states.context_object.update_task_token())
    return outcome


def _from_state_props(self: StateTaskServiceLambda, state_props: StateProps) -> None:
    """Read a task of a function. Its time isn't up while it waits for its turn: here functions run one at a time."""
    _moto_from_state_props(self, state_props)
    if self.resource.condition is None:
        self.timeout = TimeoutSeconds(TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS)


def _matches(self: ErrorEqualsDecl, env: Environment) -> None:
    """Whether an error is matched. In the cloud, States.ALL does not match errors that end the execution."""
    error = env.stack[-1]
    if isinstance(error, StatesErrorName) and error.typ in TERMINAL:
        env.stack[-1] = error in self.error_names
    else:
        _moto_matches(self, env)


# What moto doesn't do, or not as the cloud does.
REPLACED: tuple[tuple[object, str, object], ...] = (
    (moto.stepfunctions.models, "StateMachine", LocalMachine),
    (moto.stepfunctions.models, "stepfunctions_backends", stepfunctions_parser_backends),
    (moto.stepfunctions.parser.backend.execution, "ExecutionWorker", LocalWorker),
    (moto.stepfunctions.parser.models, "Execution", LocalExecution),
    (stepfunctions_parser_backends, "backend", LocalStepFunctions),
    (AmazonStateLanguageParser, "parse", parse),
    # Parsing takes milliseconds, and moto does it each time.
    (json_path, "parse", lru_cache(maxsize=1000)(_JsonPath)),
    (result_path, "parse", lru_cache(maxsize=1000)(parse_result_path)),
    # Definitions were parsed as the template was read, when all clouds' are the same.
    (StepFunctionsParserBackend, "_validate_definition", lambda definition: None),  # noqa: ARG005
    (ErrorEqualsDecl, "_eval_body", _matches),
    (StateTaskServiceCallback, "_handle_retry", _handle_retry),
    (StateTaskServiceLambda, "from_state_props", _from_state_props),
    (StepFunctionResponse, "send_task_failure", _send_task_failure),
    (StepFunctionResponse, "stop_execution", _stop_execution),
    *maps.REPLACED,
)
