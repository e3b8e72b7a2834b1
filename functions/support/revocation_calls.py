"""Calls about bulk revocations: one person asks, another approves."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from acting import revocation_asked_for, revocation_decided
from answers import (
    Revocation,
    Revocations,
)
from application import app
from certrules import aws
from certrules.support import revocations as bulk_revocations
from models import (
    BulkRevocation,
    Decision,
    Key,
)
from openapi import call

RevocationId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="The bulk revocation's id.")]


@app.get("/v1/revocations", summary="Bulk revocations that were asked for", **call(Revocations))
def revocations() -> dict[str, Any]:
    """Return the last of them."""
    return {"revocations": bulk_revocations.revocations(aws.now())}


@app.post(
    "/v1/revocations",
    summary="Ask for several certificates to be revoked",
    **call(Revocation, scope="revoke", status=201, refuses=(404, 409, 415)),
)
def request_revocation(request: Annotated[BulkRevocation, Body()], key: Key) -> Response[dict[str, Any]]:
    """Store the request until a second person approves it."""
    return Response(HTTPStatus.CREATED, content_types.APPLICATION_JSON, revocation_asked_for(request, key))


@app.post(
    "/v1/revocations/<revocation_id>/<decision>",
    summary="Approve or decline a bulk revocation",
    **call(Revocation, scope="approve", refuses=(404, 409, 415)),
)
def decide_revocation(revocation_id: RevocationId, decision: Decision) -> dict[str, Any]:
    """Let it happen, or not."""
    return revocation_decided(revocation_id, decision)
