"""The OpenAPI document of the support API."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from answers import (
    BulkRunAnswer,
    BulkRunProgress,
    BulkRuns,
    Case,
    Changes,
    Checklist,
    CourseRuns,
    Discarded,
    Done,
    Exported,
    HeldPage,
    Invalidations,
    LearnersPage,
    Outcome,
    Owner,
    Piece,
    Problem,
    Refused,
    Revocation,
    Revocations,
    RolledOut,
    Rollouts,
    Seen,
    Switched,
)
from application import app


class Row(NamedTuple):
    """What is to be said of a call beside its parameters."""

    scope: str  # that it takes beside `view`
    status: int
    answer: type[BaseModel]
    refuses: tuple[int, ...] = ()  # beside what every call may answer


CALLS: Mapping[str, Row] = {
    "get /v1/learners/{learner_id}": Row("view", 200, CourseRuns),
    "get /v1/certificates/{certificate_id}": Row("view", 200, Owner, (404,)),
    "get /v1/course-run/learners": Row("view", 200, LearnersPage),
    "get /v1/case": Row("view", 200, Case),
    "get /v1/case/changes": Row("view", 200, Changes),
    "get /v1/case/events": Row("view", 200, Exported),
    "post /v1/case/what-if": Row("view", 200, Outcome, (415,)),
    "post /v1/case/preview": Row("view", 200, Seen, (404, 409, 415)),
    "post /v1/case/act": Row("act", 202, Done, (404, 409, 415)),
    "get /v1/course-run": Row("view", 200, Checklist),
    "get /v1/invalidations": Row("view", 200, Invalidations),
    "get /v1/held": Row("view", 200, HeldPage),
    "post /v1/held/discard": Row("act", 202, Discarded, (415,)),
    "post /v1/automatic-revocations/{switch}": Row("act", 202, Switched, (404, 415)),
    "get /v1/revocations": Row("view", 200, Revocations),
    "post /v1/revocations": Row("revoke", 201, Revocation, (404, 409, 415)),
    "post /v1/revocations/{revocation_id}/{word}": Row("approve", 200, Revocation, (404, 409, 415)),
    "get /v1/regenerations": Row("view", 200, BulkRuns),
    "post /v1/regenerations": Row("act", 202, BulkRunAnswer, (415,)),
    "get /v1/regenerations/{run_id}": Row("view", 200, BulkRunProgress, (404,)),
    "get /v1/regenerations/{run_id}/report": Row("view", 200, Piece, (404,)),
    "post /v1/regenerations/{run_id}/resume": Row("act", 202, BulkRunAnswer, (404, 409, 415)),
    "post /v1/regenerations/{run_id}/{word}": Row("approve", 200, BulkRunAnswer, (404, 409, 415)),
    "get /v1/rollout": Row("view", 200, Rollouts),
    "post /v1/rollout/{setting}": Row("approve", 202, RolledOut, (409, 415)),
}


_REFUSALS: Mapping[int, str] = {
    401: "The token is missing, expired, or not of the issuer and for the audience that this stack trusts.",
    403: "The token's scopes don't allow it, or it takes a second person.",
    404: "There is no such thing.",
    409: "It contradicts what stands, or what was looked at changed meanwhile; `fix` is the way out.",
    415: "The body is no JSON.",
    422: "The request can't be read; `field` says where, `fix` how it would be.",
    500: "Our own fault; an alarm rings.",
    503: "Not just now; ask again with the same Idempotency-Key, it counts once.",
}


_DESCRIPTION = """\
Why a learner has a certificate or hasn't, and what can be done.

Every call takes a token with the scope `view`; what it takes beside that stands with it. The stack's parameter
`ScopePrefix` (`certificates/` unless set) stands before `view`, `act`, `revoke` and `approve`. An act that would take a
certificate away takes `revoke`, whatever it is called. The same Idempotency-Key by the same person acts once, for seven
days; approving or declining twice counts once by its nature. Pages end when `next` is null."""


def document() -> str:
    """Return the OpenAPI document, as JSON."""
    found: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(title="Course certificates: support", version="1", description=_DESCRIPTION)
    )
    models: list[type[BaseModel]] = [Problem, Refused, *dict.fromkeys(row.answer for row in CALLS.values())]
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    kept = {name: said for name, said in found["components"]["schemas"].items() if "ValidationError" not in name}
    found["components"]["schemas"] = {**kept, **schemas["$defs"]}
    found["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Of the OpenID Connect provider that the stack's parameter TokenIssuer names.",
        }
    }
    for path, methods in found["paths"].items():
        for method, call in methods.items():
            row = CALLS[f"{method} {path}"]
            call["security"] = [{"token": sorted({"certificates/view", f"certificates/{row.scope}"})}]
            call["responses"] = dict(_responses(row))
    return json.dumps(found, separators=(",", ":"), sort_keys=True)


def _responses(row: Row) -> Iterable[tuple[str, Any]]:
    yield str(row.status), _response("The answer.", ("application/json", row.answer))
    gateways: tuple[str, type[BaseModel]] = ("application/json", Refused)
    ours: tuple[str, type[BaseModel]] = ("application/problem+json", Problem)
    for status in sorted({401, 403, 422, 500, 503, *row.refuses}):
        kinds = [*([gateways] if status in {401, 403} else []), *([ours] if status != 401 else [])]
        yield str(status), _response(_REFUSALS[status], *kinds)


def _response(text: str, *kinds: tuple[str, type[BaseModel]]) -> Any:
    content = {kind: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}} for kind, model in kinds}
    return {"description": text, "content": content}
