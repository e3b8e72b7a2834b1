"""Distributed Map: moto's, with children that have a context of their own, and ends as the cloud's."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, cast

from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramStopped, ProgramTimedOut
from moto.stepfunctions.parser.quotas import is_within_size_quota

if TYPE_CHECKING:
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

# Each child is a thread here, and functions run one at a time: more would only cost memory.
MOST_CHILDREN = 1000

Child = distributed_item_processor_worker.DistributedItemProcessorWorker
_moto_map_run = DistributedIterationComponent._map_run  # noqa: SLF001
_moto_eval_input = Child._eval_input  # noqa: SLF001
_moto_eval_job = Child._eval_job  # noqa: SLF001
_moto_read = ItemReader._eval_body  # noqa: SLF001
_moto_put_results = ResourceEvalS3._handle_put_object  # noqa: SLF001
_moto_eval_map = StateMap._eval_execution  # noqa: SLF001


def _eval_map(self: StateMap, env: Environment) -> None:
    """Run a map, whose result may not be larger than that of any state."""
    _moto_eval_map(self, env)
    if not is_within_size_quota(env.stack[-1]):
        cause = (
            "The state/task 'Map' returned a result with a size exceeding the maximum number of bytes service limit."
        )
        raise _failure(env, StatesErrorNameType.StatesStatesDataLimitExceeded, cause)


def _map_run(self: DistributedIterationComponent, env: Environment, eval_input: Any) -> None:
    """Run the children of a map, which fails if more of them fail than are tolerated; moto's would succeed."""
    record = eval_input.map_run_record
    record.results = {}
    options = record.max_concurrency or MOST_CHILDREN
    record.max_concurrency = max(1, min(options, len(env.stack[-1]), MOST_CHILDREN))
    _moto_map_run(self, env, eval_input)
    results = [record.results[index] for index in sorted(record.results)]
    failed = [result for result in results if result["Status"] != "SUCCEEDED"]
    count, percentage = record.tolerated_failure_count, record.tolerated_failure_percentage
    within = (not count or len(failed) <= count) and (not percentage or 100 * len(failed) <= percentage * len(results))
    if failed and not ((count or percentage) and within):
        first = failed[0]
        cause = (
            f"The specified tolerated failure threshold was exceeded; {first['Name']} with {first['Input']}: "
            f"{first.get('Error', first['Status'])}: {first.get('Cause')}"
        )
        raise _failure(env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, cause)


def _eval_input(self: Any, env_frame: Environment) -> None:
    """Give a child its input, and then a context of its own; moto's children would have their parent's."""
    _moto_eval_input(self, env_frame)
    context: Any = env_frame.states.context_object.context_object_data
    machine, name = self._map_run_record.map_state_machine_arn, str(uuid.uuid4())
    own = {"Id": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "Name": name}
    context["Execution"] = context["Execution"] | own | {"Input": env_frame.states.get_input()}


def _eval_job(self: Any, env: Environment, job: Any) -> None:
    """Run a child and record how it ended, in the form of a ResultWriter's files."""
    _moto_eval_job(self, env, job)
    state, execution = env.program_state(), env.states.context_object.context_object_data["Execution"]
    result = {"ExecutionArn": execution["Id"], "Name": execution["Name"], "Input": json.dumps(execution["Input"])}
    if isinstance(state, ProgramError):
        error = state.error or {}
        result |= {"Status": "FAILED", "Error": str(error.get("error")), "Cause": str(error.get("cause"))}
    elif isinstance(state, ProgramStopped | ProgramTimedOut):
        result |= {"Status": "ABORTED" if isinstance(state, ProgramStopped) else "TIMED_OUT"}
    else:
        result |= {"Status": "SUCCEEDED", "Output": json.dumps(job.job_output)}
    self._map_run_record.results[job.job_index] = result


def _read(self: ItemReader, env: Environment) -> None:
    """Read a map's items; what goes wrong has a name that States.ALL catches."""
    try:
        _moto_read(self, env)
    except FailureEventException:
        raise
    except Exception as error:
        raise _failure(env, StatesErrorNameType.StatesItemReaderFailed, str(error)) from error


def _put_results(env: Environment, part: Any, credentials: Any) -> None:
    """Write the results of children, and a manifest that names their files; moto's would name none."""
    _moto_put_results(env, part, credentials)
    record: Any = env.map_run_record_pool_manager.get_all()[-1]
    written: Any = env.stack[-1]["ResultWriterDetails"]
    s3 = cast("Any", ResourceEvalS3._get_s3_client(part, credentials))  # noqa: SLF001
    manifest = json.loads(s3.get_object(**written)["Body"].read())
    results = [record.results[index] for index in sorted(record.results)]
    for kind, files in manifest["ResultFiles"].items():
        if of_kind := [
            r for r in results if (r["Status"] == "SUCCEEDED") == (kind == "SUCCEEDED") and kind != "PENDING"
        ]:
            body, key = json.dumps(of_kind).encode(), written["Key"].replace("manifest.json", f"{kind}_0.json")
            s3.put_object(Bucket=written["Bucket"], Key=key, Body=body)
            files.append({"Key": key, "Size": len(body)})
    s3.put_object(**written, Body=json.dumps(manifest).encode())


def _failure(env: Environment, name: StatesErrorNameType, cause: str) -> FailureEventException:
    details = {"mapRunFailedEventDetails": {"error": name.to_name(), "cause": cause}}
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=name),
            event_type=HistoryEventType.MapRunFailed,
            event_details=cast("EventDetails", details),
        )
    )


# The attributes of moto that are replaced while a cloud exists: owner, attribute, value.
REPLACED: tuple[tuple[object, str, object], ...] = (
    (Child, "_eval_input", _eval_input),
    (Child, "_eval_job", _eval_job),
    (DistributedIterationComponent, "_map_run", _map_run),
    (ItemReader, "_eval_body", _read),
    (ResourceEvalS3, "_handle_put_object", staticmethod(_put_results)),
    (StateMap, "_eval_execution", _eval_map),
)
