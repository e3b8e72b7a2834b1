"""Calls about lists: an act on many learners of a course run, looked at line by line, then done."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit

from answers import ListDone, ListPreviewed
from application import ABOUT, BUS, POLICIES, actor, app, demand, known_key_of, metrics
from certrules import aws
from certrules.support import lists
from certrules.support.acts import ACTS, Done
from certrules.support.lists import ListRequest
from models import Key, ListAct, ListPreview
from openapi import call


def asked_for(request: ListPreview) -> ListRequest:
    """Return the request of a list. Raises RefusedActError if only another spelling of its course run is known."""
    ABOUT["act"] = f"list: {request.act}"
    return ListRequest(request.act, known_key_of(request.course_run), request.text, actor(), request.reason)


def done(request: ListAct, key: str) -> Done:
    """Do what a list asks for, once for a key. Raises RefusedActError, SendError, LostRaceError."""
    demand(ACTS[request.act].scope)
    asked = asked_for(request)
    found = lists.act_on(BUS, asked, request.seen, key, policies=POLICIES, now=aws.now())
    metrics.add_metric(name=f"act_{request.act}", unit=MetricUnit.Count, value=found.answer["accepted"])
    return found


@app.post(
    "/v1/lists/preview",
    summary="What becomes of each line of a list; nothing is stored",
    **call(ListPreviewed, refuses=(404, 415)),
)
def preview_list(request: Annotated[ListPreview, Body()]) -> dict[str, Any]:
    """Return for each line what will happen, or why nothing does, and the fix."""
    return lists.previewed(asked_for(request), POLICIES, aws.now())


@app.post(
    "/v1/lists/act",
    summary="Act on all learners of a list that are not refused",
    **call(ListDone, scope="act", status=202, refuses=(404, 409, 415)),
)
def act_on_list(request: Annotated[ListAct, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send an event for each accepted line, once for a key; of invalidations, ask a second person.

    Invalidations take the scope `revoke`.
    """
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, done(request, key).answer)
