"""What the API and the console share: who asks and what they may do, what is asked for, and what went wrong."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from msgspec import DecodeError, json
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pynamodb.exceptions import PynamoDBException

import certrules.wire.inbound as contract
from certrules import edge, store
from certrules.casework import acts, cases
from certrules.casework.acts import ACTS
from certrules.casework.cases import RefusedActError
from certrules.core.terms import is_person
from certrules.store import LostRaceError, Pair

logger = Logger()
metrics = Metrics()
store.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUS = os.environ["BUS_NAME"]
CONSUMER_DEAD_LETTERS = os.environ["CONSUMER_DEAD_LETTERS_URL"]
CERTIFICATE_URL = os.environ["CERTIFICATE_URL"]
SCOPE_PREFIX = os.environ["SCOPE_PREFIX"]
ACTOR_CLAIM = os.environ["ACTOR_CLAIM"]
POLICIES = edge.policies()

app = APIGatewayHttpResolver(enable_validation=True)

LearnerId = Annotated[int, Query(ge=1, le=2**63 - 1, description="The platform's user id.")]
CourseRun = Annotated[str, Query(min_length=1, max_length=255, description="The course run's key.")]
AsOf = Annotated[AwareDatetime | None, Query(description="As of this instant; default: now, as published.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
Key = Annotated[
    str, Header(alias="idempotency-key", min_length=8, max_length=255, description="The same key acts once.")
]
Reason = Annotated[str, Field(min_length=3, max_length=1000, description="Why; it is kept and shown.")]


class Strict(BaseModel):
    """A body in which nothing stands that isn't read."""

    model_config = ConfigDict(extra="forbid")


class Asked(Strict):
    """An act on one learner's certificate in one course run."""

    act: Literal[*ACTS]  # type: ignore[valid-type]
    learner_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    course_run: Annotated[str, Field(min_length=1, max_length=255)]
    reason: Reason
    date: AwareDatetime | None = None
    version: Annotated[int | None, Field(description="The case's version that was seen; another is refused.")] = None


class WhatIf(Strict):
    """Changes to a copy of a case."""

    learner_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    course_run: Annotated[str, Field(min_length=1, max_length=255)]
    changes: Annotated[list[str], Field(max_length=20, description="Codes, such as pass or mode:verified.")] = []
    events: Annotated[list[dict[str, Any]], Field(max_length=20, description="Event details, as on the bus.")] = []


class Switch(Strict):
    """Stop or resume automatic revocations."""

    course_run: Annotated[str | None, Field(max_length=255, description="null: everywhere")]
    reason: Reason


class BulkRevocation(Strict):
    """Ask for several certificates to be revoked."""

    act: Literal["release", "invalidate"]
    course_run: Annotated[str, Field(min_length=1, max_length=255)]
    learners: Annotated[list[int] | None, Field(description="null: all whose revocation is held")] = None
    reason: Reason


class BulkDiscard(Strict):
    """Have certificates stay whose revocation is held."""

    course_run: Annotated[str, Field(min_length=1, max_length=255)]
    learners: Annotated[list[int] | None, Field(description="null: all whose revocation is held")] = None
    reason: Reason


# --- who asks


def actor() -> str:
    """Return who asks. Raises RefusedActError for a token that names nobody."""
    name = claims().get(ACTOR_CLAIM, "")
    if not is_person(name):
        raise RefusedActError(403, "the token names no person", f"its claim {ACTOR_CLAIM} has to")
    return str(name)


def claims() -> dict[str, Any]:
    """Return what the token says, as API Gateway has verified it."""
    context = app.current_event.raw_event.get("requestContext", {})
    found: dict[str, Any] = context.get("authorizer", {}).get("jwt", {}).get("claims", {})
    return found


def scopes() -> set[str]:
    """Return what the person may do: view, act, revoke, approve."""
    named = str(claims().get("scope") or claims().get("scp") or "").strip("[]").replace(",", " ").split()
    return {name.removeprefix(SCOPE_PREFIX) for name in named if name.startswith(SCOPE_PREFIX)}


def demand(scope: str) -> None:
    """Let only those pass who have the scope. Raises RefusedActError."""
    if scope not in scopes():
        raise RefusedActError(403, f"this takes the scope {SCOPE_PREFIX}{scope}", "ask whoever gives out access")


def audited(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Let in only whom the token lets view, and log each call: who, what, and with which outcome."""
    event = app.current_event
    said: dict[str, Any] = {"method": event.http_method, "path": event.path, "query": event.query_string_parameters}
    status = 500
    try:
        said["actor"] = actor()
        demand("view")
        demand_json(event)
        response = next_middleware(app)
        status = response.status_code
    except RefusedActError as error:
        status = error.status
        raise
    finally:
        logger.info("audit", extra={**said, "status": status, "about": app.context.get("about")})
    response.headers.update(HEADERS)
    return response


def demand_json(event: APIGatewayProxyEventV2) -> None:
    """Take only JSON at the API: no browser sends it from another site. Raises RefusedActError."""
    kind = event.headers.get("content-type", "")
    if event.path.startswith("/v1") and event.http_method == "POST" and not kind.startswith("application/json"):
        raise RefusedActError(415, "the body is no JSON", "send it as application/json", "Content-Type")


HEADERS: dict[str, Any] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; img-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000",
}
app.use(middlewares=[audited])


def pair_of(learner_id: int, course_run: str) -> Pair:
    """Return whose case it is. Raises RefusedError for a key that no course run can have."""
    return Pair(learner_id, key_of(course_run))


def key_of(course_run: str) -> str:
    """Return the key of a course run; a plus that a query's encoding made a blank is one again."""
    return contract.checked_course_key(course_run.strip().replace(" ", "+"), "course_run")


# --- what went wrong, as problem+json


PROBLEM_PAGE: list[Callable[[int, str, str, str], Response[str]]] = []
"""How the console says it; it adds itself."""


def problem(status: int, title: str, fix: str = "", field: str = "") -> Response[str]:
    """Return the answer that names what is wrong, where, and what to do."""
    if not app.current_event.path.startswith("/v1"):
        return PROBLEM_PAGE[0](status, title, fix, field)
    body = {"type": "about:blank", "title": title, "status": status, "field": field or None, "fix": fix or None}
    return Response(status, "application/problem+json", json.encode(body).decode(), headers=dict(HEADERS))


def answer_to(error: RefusedActError | contract.RefusedError) -> Response[str]:
    """Return the answer to what can't be done."""
    if isinstance(error, RefusedActError):
        return problem(error.status, error.title, error.fix, error.field)
    return problem(422, str(error.reason), error.fix, error.field)


@app.exception_handler([RefusedActError, contract.RefusedError])  # type: ignore[untyped-decorator]
def refused(error: RefusedActError | contract.RefusedError) -> Response[str]:
    """Answer what can't be done."""
    return answer_to(error)


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def invalid(error: RequestValidationError) -> Response[str]:
    """Answer a request of another form, naming the first field."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "header", "path"})
    return problem(422, "the request can't be read", str(first["msg"]), field or "body")


@app.exception_handler([LostRaceError, edge.SendError, PynamoDBException])  # type: ignore[untyped-decorator]
def busy(error: Exception) -> Response[str]:
    """Answer what can be asked for again."""
    logger.error("The request failed.", exc_info=error)
    return problem(503, "it could not be done just now", "ask again, with the same Idempotency-Key: it counts once")


@app.not_found
def missing(_error: NotFoundError) -> Response[str]:
    """Answer a path that there is not."""
    return problem(404, "there is no such page", "see /v1/openapi.json for what there is")


# --- pages


PAGE = 100


def write_cursor(cursor: Any) -> str | None:
    """Return a cursor that says nothing to whoever gets it."""
    return None if cursor is None else urlsafe_b64encode(json.encode(cursor)).decode()


def read_cursor(cursor: str | None) -> dict[str, Any] | None:
    """Return where a page starts. Raises RefusedActError for what no page gave out."""
    if not cursor:
        return None
    try:
        found = json.decode(urlsafe_b64decode(cursor))
        if isinstance(found, dict) and isinstance(found["shard"], int) and 0 <= found["shard"] < PAGE:
            return {"shard": found["shard"], "after": found["after"]}
    except (ValueError, KeyError, DecodeError):
        pass
    raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor")


# --- acts


def previewed(asked: Asked, event_id: str) -> tuple[dict[str, Any], acts.Preview, datetime]:
    """Return the event that is the act, and what it will do. Raises RefusedActError."""
    now = edge.now()
    found = cases.open_case(pair_of(asked.learner_id, asked.course_run), POLICIES)
    if asked.version is not None and asked.version != found.version:
        raise RefusedActError(409, "the case changed since it was looked at", "look at it again", "version")
    if not found.is_known and asked.act not in {"erase-name", "allowlist-add"}:
        raise RefusedActError(404, "nothing is known of this learner here", "compare learner id and course run")
    detail = acts.detail_of(
        asked.act, found, event_id=event_id, at=now, by=actor(), reason=asked.reason, date=asked.date
    )
    return detail, acts.preview(found, asked.act, detail, now), now


def acted(asked: Asked, key: str) -> dict[str, Any]:
    """Send the act as an event, once for a key. Raises RefusedActError, SendError, LostRaceError."""
    demand(ACTS[asked.act].scope)
    app.context["about"] = asked.model_dump(mode="json")
    request = asked.model_dump(mode="json", exclude={"version"})
    before = acts.asked_before(actor(), key, request)
    if before.kept is not None:
        return dict(acts.carry_out(BUS, before, request, {}, {}, edge.now()))
    event_id = acts.event_id_of(actor(), key)
    detail, seen, now = previewed(asked, event_id)
    demand(seen.scope)
    if seen.takes_away:
        acts.count_alone(actor(), now)
    answer = {"event_id": event_id, "at": detail["metadata"]["time"], **seen._asdict()}
    metrics.add_metric(name=f"act_{asked.act}", unit=MetricUnit.Count, value=1)
    return dict(acts.carry_out(BUS, before, request, detail, answer, now))
