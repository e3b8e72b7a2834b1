"""The support API, and with it the console: why a learner has no certificate, since when, and what now.

API Gateway lets in whoever has a valid token; what a person may do stands in its scopes, and is looked at here.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query
from msgspec import DecodeError, json
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pynamodb.exceptions import PynamoDBException

import certrules.wire.inbound as contract
from certrules import casework, edge, store
from certrules.casework import ACTS, SWITCHES, RefusedActError
from certrules.core import explain as explaining
from certrules.core.terms import is_person
from certrules.store import LostRaceError, Pair

logger = Logger()
metrics = Metrics()
store.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
BUS = os.environ["BUS_NAME"]
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
        response = next_middleware(app)
        status = response.status_code
    except RefusedActError as error:
        status = error.status
        raise
    finally:
        logger.info("audit", extra={**said, "status": status, "about": app.context.get("about")})
    response.headers.update(HEADERS)
    return response


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


def problem(status: int, title: str, fix: str = "", field: str = "") -> Response[str]:
    """Return the answer that names what is wrong, where, and what to do."""
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
    field = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "header"})
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


# --- find


@app.get("/v1/learners/<learner_id>", summary="A learner's course runs, with the certificate in each")
def learner(learner_id: int) -> dict[str, Any]:
    """Return where anything is known of a learner; a learner of whom nothing is known has none."""
    return {"learner_id": learner_id, "course_runs": casework.course_runs_of(learner_id)}


@app.get("/v1/certificates/<certificate_id>", summary="Whose certificate this is")
def certificate(certificate_id: str) -> dict[str, Any]:
    """Return learner and course run of a certificate."""
    owner = store.owner_of(certificate_id.replace("-", "").lower()) or store.owner_of(certificate_id)
    if owner is None:
        raise RefusedActError(404, "no certificate has this id", "compare it with the end of its address")
    return owner._asdict()


@app.get("/v1/course-run/learners", summary="A course run's learners, a page at a time")
def learners(course_run: CourseRun, cursor: Cursor = None) -> dict[str, Any]:
    """Return learners of whom anything is known in a course run."""
    key = key_of(course_run)
    start = read_cursor(cursor)
    shard, after = (start["shard"], start["after"]) if start else (0, None)
    found: list[int] = []
    while shard < store.COURSE_RUN_SHARDS and len(found) < PAGE:
        some, after = store.learners_in(key, shard, after, PAGE - len(found))
        found += some
        shard += after is None
    following = {"shard": shard, "after": after} if shard < store.COURSE_RUN_SHARDS else None
    return {"course_run": key, "learners": found, "next": write_cursor(following)}


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


# --- a case


@app.get("/v1/case", summary="Why a learner has a certificate in a course run, or hasn't")
def case(learner_id: LearnerId, course_run: CourseRun, as_of: AsOf = None) -> dict[str, Any]:
    """Return the case now as it is published, or as of an instant."""
    found = casework.open_case(pair_of(learner_id, course_run), POLICIES)
    return casework.case_as_json(found, as_of, edge.now(), CERTIFICATE_URL)


@app.get("/v1/case/changes", summary="What changed in a case between two instants")
def changes(learner_id: LearnerId, course_run: CourseRun, since: AwareDatetime, until: AsOf = None) -> dict[str, Any]:
    """Return facts, transitions and verdicts that changed."""
    later = until or edge.now()
    if since > later:
        raise RefusedActError(422, "since is after until", "swap them", "since")
    found = casework.open_case(pair_of(learner_id, course_run), POLICIES)
    return explaining.as_json(explaining.changed(found.record, POLICIES, since, later))


@app.get("/v1/case/events", summary="The events that reproduce a case in `certs replay`")
def case_events(learner_id: LearnerId, course_run: CourseRun) -> dict[str, Any]:
    """Return what was heard, as events."""
    found = casework.open_case(pair_of(learner_id, course_run), POLICIES)
    settings = {"policy": os.environ["POLICY"], "web_certificates": os.environ["WEB_CERTIFICATES"]}
    return {**casework.export(found, edge.now()), **settings}


@app.post("/v1/case/what-if", summary="What a case would amount to; nothing is stored")
def what_if(asked: Annotated[WhatIf, Body()]) -> dict[str, Any]:
    """Return the outcome of changes to a copy."""
    found = casework.open_case(pair_of(asked.learner_id, asked.course_run), POLICIES)
    return casework.what_if(found, asked.changes, asked.events, edge.now())


@app.post("/v1/case/preview", summary="What an act will do to the certificate; nothing is stored")
def preview(asked: Annotated[Asked, Body()]) -> dict[str, Any]:
    """Return what the act would do, and which scope it takes."""
    return previewed(asked, casework.event_id_of("preview"))[1]._asdict()


def previewed(asked: Asked, event_id: str) -> tuple[dict[str, Any], casework.Preview, datetime]:
    """Return the event that is the act, and what it will do. Raises RefusedActError."""
    now = edge.now()
    found = casework.open_case(pair_of(asked.learner_id, asked.course_run), POLICIES)
    if asked.version is not None and asked.version != found.version:
        raise RefusedActError(409, "the case changed since it was looked at", "look at it again", "version")
    if not found.is_known and asked.act not in {"erase-name", "allowlist-add"}:
        raise RefusedActError(404, "nothing is known of this learner here", "compare learner id and course run")
    detail = casework.detail_of(
        asked.act, found, event_id=event_id, at=now, by=actor(), reason=asked.reason, date=asked.date
    )
    return detail, casework.preview(found, asked.act, detail, now), now


@app.post("/v1/case/act", summary="Act on a certificate")
def act(asked: Annotated[Asked, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the act as an event, once for a key, if the person may do what it will do."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, acted(asked, key))


def acted(asked: Asked, key: str) -> dict[str, Any]:
    """Send the act as an event, once for a key. Raises RefusedActError, SendError, LostRaceError."""
    demand(ACTS[asked.act].scope)
    app.context["about"] = asked.model_dump(mode="json")
    request = asked.model_dump(mode="json", exclude={"version"})
    before = casework.asked_before(actor(), key, request)
    if before.kept is not None:
        return dict(casework.carry_out(BUS, before, request, {}, {}, edge.now()))
    event_id = casework.event_id_of(actor(), key)
    detail, seen, now = previewed(asked, event_id)
    demand(seen.scope)
    answer = {"event_id": event_id, "at": detail["metadata"]["time"], **seen._asdict()}
    metrics.add_metric(name=f"act_{asked.act}", unit="Count", value=1)
    return dict(casework.carry_out(BUS, before, request, detail, answer, now))


# --- a course run


@app.get("/v1/course-run", summary="Why a course run can issue no certificates")
def course_run(course_run: CourseRun) -> dict[str, Any]:
    """Return the checklist over a course run's configuration."""
    checks = casework.checklist(key_of(course_run), POLICIES, edge.now())
    return {"course_run": key_of(course_run), "ok": all(check["ok"] for check in checks), "checks": checks}


@app.get("/v1/held", summary="Revocations that are pending or held")
def held(course_run: Annotated[str, Query(max_length=255)] = "", cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of them, of a course run or of all."""
    key = key_of(course_run) if course_run else ""
    rows, following = casework.pending_in(key, read_cursor(cursor), PAGE)
    return {"held": rows, "next": write_cursor(following)}


@app.post("/v1/held/discard", summary="Have all certificates stay whose revocation is held")
def discard(asked: Annotated[BulkDiscard, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send an event for each."""
    demand("act")
    wanted = None if asked.learners is None else set(asked.learners)
    details = casework.discards(key_of(asked.course_run), wanted, actor(), asked.reason, key, edge.now())
    casework.send(BUS, details)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, {"discarded": len(details)})


@app.post("/v1/automatic-revocations/<switch>", summary="Stop or resume automatic revocations")
def automatic_revocations(switch: str, asked: Annotated[Switch, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the switch as an event, once for a key."""
    if switch not in SWITCHES:
        raise RefusedActError(404, f"{switch} is neither stop nor resume", "POST to one of them", "switch")
    demand("act" if switch == "stop" else "revoke")
    request = {"switch": switch, **asked.model_dump(mode="json")}
    before = casework.asked_before(actor(), key, request)
    now = edge.now()
    event_id = casework.event_id_of(actor(), key)
    where = None if asked.course_run is None else key_of(asked.course_run)
    detail = casework.switch_detail(switch, where, event_id, now, actor(), asked.reason)
    answer = casework.carry_out(BUS, before, request, detail, {"event_id": event_id}, now)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, answer)


# --- bulk revocations: one person asks, another approves


@app.get("/v1/revocations", summary="Bulk revocations that were asked for")
def revocations() -> dict[str, Any]:
    """Return the last of them."""
    return {"revocations": casework.revocations(edge.now())}


@app.post("/v1/revocations", summary="Ask for several certificates to be revoked")
def request_revocation(asked: Annotated[BulkRevocation, Body()], key: Key) -> Response[dict[str, Any]]:
    """Keep what is asked for until a second person approves it."""
    demand("revoke")
    course_run = key_of(asked.course_run)
    body = casework.request_revocation(asked.act, course_run, asked.learners, actor(), asked.reason, edge.now(), key)
    return Response(HTTPStatus.CREATED, content_types.APPLICATION_JSON, body)


@app.post("/v1/revocations/<revocation_id>/<word>", summary="Approve or decline a bulk revocation")
def decide_revocation(revocation_id: str, word: str) -> dict[str, Any]:
    """Let it happen, or not."""
    if word not in {"approve", "decline"}:
        raise RefusedActError(404, f"{word} is neither approve nor decline", "POST to one of them")
    demand("approve")
    return casework.decide_revocation(BUS, revocation_id, actor(), edge.now(), approve=word == "approve")


@app.get("/v1/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Return what this API is, for other programs."""
    return Response(200, "application/json; charset=utf-8", openapi_document())


def openapi_document() -> str:
    """Return the OpenAPI document, as JSON."""
    return app.get_openapi_json_schema(
        title="Course certificates: support",
        version="1",
        description="Why a learner has a certificate or hasn't, and what can be done. Errors are problem+json.",
    )


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of API Gateway (payload format 2.0)."""
    answer: dict[str, Any] = app.resolve(event, context)
    return answer
