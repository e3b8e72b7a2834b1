"""What each call of the support API needs, answers and refuses: it stands on the call's route."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer
from pydantic import BaseModel

from answers import Problem, Refused

type Scope = Literal["view", "act", "revoke", "approve"]

_REFUSALS: Mapping[int, str] = {
    401: "The token is missing, expired, or not of the issuer and for the audience that this stack trusts.",
    403: "The token's scopes don't allow it, or it takes a second person.",
    404: "There is no such thing.",
    409: "It contradicts the current state, or the case changed since it was looked at; `fix` is the way out.",
    415: "The body is no JSON.",
    422: "The request can't be read; `field` is where, `fix` is how to write it.",
    500: "A fault of the service; an alarm rings.",
    503: "Not possible at the moment. Ask again with the same Idempotency-Key: it counts once.",
}
_ALWAYS = (401, 403, 422, 500, 503)

_DESCRIPTION = """\
Why a learner has a certificate or hasn't, and what can be done.

Every call takes a token with the scope `view`, and some take another one as well. The stack's parameter `ScopePrefix`
(`certificates/` unless set) stands before `view`, `act`, `revoke` and `approve`. An act that would revoke a certificate
takes `revoke`, whatever it is called. The same Idempotency-Key by the same person acts once, for seven days; approving
or declining twice counts once. Pages end when `next` is null."""


_EMPTY_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "maxProperties": 0}}},
    "description": "Empty. Its media type has to be named: no page of another site can send it unasked.",
}


def call(
    answer: type[BaseModel], *, scope: Scope = "view", status: int = 200, refuses: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Return the documentation of a call, as keyword arguments of its route.

    `answer` is what it answers with `status`, `scope` what it takes beside `view`, and `refuses` the statuses of its
    refusals beside those of every call.
    """
    responses: dict[int, Any] = {
        status: {"description": "The answer.", "content": {"application/json": {"model": answer}}}
    }
    for refused in sorted({*_ALWAYS, *refuses}):
        content: dict[str, Any] = {}
        if refused in {401, 403}:  # by API Gateway, before the function runs
            content["application/json"] = {"model": Refused}
        if refused != 401:
            content["application/problem+json"] = {"model": Problem}
        responses[refused] = {"description": _REFUSALS[refused], "content": content}
    security = [{"token": sorted({"certificates/view", f"certificates/{scope}"})}]
    return {"responses": responses, "security": security}


def document(app: APIGatewayHttpResolver) -> str:
    """Return the OpenAPI document of the app, as JSON."""
    token = HTTPBearer(
        bearerFormat="JWT", description="Of the OpenID Connect provider that the stack's parameter TokenIssuer names."
    )
    found: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="Course certificates: support",
            version="1",
            description=_DESCRIPTION,
            security_schemes={"token": token},
        )
    )
    schemas = found["components"]["schemas"]
    found["components"]["schemas"] = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    for calls in found["paths"].values():
        if "post" in calls:
            calls["post"].setdefault("requestBody", _EMPTY_BODY)
    return json.dumps(_with_plain_bounds(found), separators=(",", ":"), sort_keys=True)


_BOUNDS = {"ge": "minimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""What pydantic writes for the bounds of a value that a function of ours reads first, as JSON Schema has it."""


def _with_plain_bounds(node: Any) -> Any:
    """Return a part of the document with the bounds of numbers as JSON Schema has them, whole ones as whole numbers."""
    if isinstance(node, dict):
        is_schema = isinstance(node.get("type"), str)
        return {_BOUNDS.get(name, name) if is_schema else name: _with_plain_bounds(part) for name, part in node.items()}
    if isinstance(node, list):
        return [_with_plain_bounds(part) for part in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
