"""Calls about the pending revocation of a program certificate: preview an act, act."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit

from application import ABOUT, BUS, POLICIES, actor, app, demand, metrics
from certrules import aws
from certrules.audit import Subject
from certrules.core.explain.rendering import as_json
from certrules.core.programs.reasons import ProgramCause
from certrules.support import acts
from certrules.support.acts import Done
from certrules.support.program_acts import PROGRAM_ACTS, WantedAct, plan_program_act, preview_program_act
from models import Key, ProgramActRequest
from openapi import call
from record_answers import ProgramActed, ProgramPreview


@app.post(
    "/v1/programs/preview",
    summary="What an act would do to a program certificate; nothing is stored",
    **call(ProgramPreview, refuses=(404, 409, 415)),
)
def preview(request: Annotated[ProgramActRequest, Body()]) -> dict[str, Any]:
    """Return what would fall and what stays, and the scope that the act takes."""
    return program_previewed(request)


@app.post(
    "/v1/programs/act",
    summary="Release, discard or hold the pending revocation of a program certificate",
    **call(ProgramActed, scope="act", status=202, refuses=(404, 409, 415)),
)
def act(request: Annotated[ProgramActRequest, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the act as an event, once for a key; to release takes the scope revoke."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, program_acted(request, key).answer)


def program_previewed(request: ProgramActRequest) -> dict[str, Any]:
    """Return what an act would do. Raises RefusedActError."""
    return as_json(preview_program_act(_wanted(request), aws.now(), POLICIES))


def program_acted(request: ProgramActRequest, key: str) -> Done:
    """Send an act as an event, once for a key. Raises RefusedActError, SendError, LostRaceError."""
    wanted, now = _wanted(request), aws.now()
    demand(PROGRAM_ACTS[request.act].act.scope)

    def planned(event_id: str) -> tuple[Any, Any]:
        found = plan_program_act(wanted, event_id, now, POLICIES)
        if request.act == "release":
            acts.count_alone(actor(), event_id, now)
        metrics.add_metric(name=f"act_program_{request.act}", unit=MetricUnit.Count, value=1)
        return found

    body = {"program": request.model_dump(mode="json", exclude={"cause"})}
    subject = Subject(f"program {request.act}", request.reason, request.learner_id, program=request.program)
    return acts.once(BUS, actor(), key, body, subject, now=now, planned=planned)


def _wanted(request: ProgramActRequest) -> WantedAct:
    ABOUT.update(act=f"program {request.act}", learner_id=request.learner_id, program=request.program)
    wanted = partial(WantedAct, request.act, request.learner_id, request.program, request.reason, actor())
    return wanted(None if request.cause is None else ProgramCause(request.cause))
