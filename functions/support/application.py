"""The parts that the API and the console share: actors and scopes, cursors, and problems."""

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import DecodeError, json
from pynamodb.exceptions import PynamoDBException

from certrules import audit, aws, settings, storage
from certrules.audit import Kind, Subject
from certrules.core.terms import is_person
from certrules.formats import refusals
from certrules.formats.certificate_ids import LOOKS_LIKE, ids_in, possible_ids
from certrules.formats.words import words_of
from certrules.records.seen import connect_records_if_on
from certrules.requests import RefusedActError, identity
from certrules.storage import LostRaceError, Pair, Place
from certrules.support import cases, similar_keys, spellings
from certrules.support.learners import FoundLearners
from request_bodies import JSON, read_json

logger = Logger()
metrics = Metrics()
storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"], os.environ["SUPPORT_TABLE"])
connect_records_if_on()
BUS = os.environ["BUS_NAME"]
CONSUMER_DEAD_LETTERS = os.environ["CONSUMER_DEAD_LETTERS_URL"]
CERTIFICATE_URL = os.environ["CERTIFICATE_URL"]
SCOPE_PREFIX = os.environ["SCOPE_PREFIX"]
ACTOR_CLAIM = os.environ["ACTOR_CLAIM"]
POLICIES = settings.policies()

app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=read_json)


# --- who asks


def actor() -> str:
    """Return who asks. Raises RefusedActError for a token that names nobody."""
    name = claims().get(ACTOR_CLAIM)
    if odd := oddness_of(name):
        fix = f"its claim {ACTOR_CLAIM}, which names who asks, {odd}: correct the provider of tokens, or ActorClaim"
        raise RefusedActError(403, "the token names no person", fix)
    return str(name)


def named_actor() -> str:
    """Return who asks; "" for a token that names nobody."""
    name = claims().get(ACTOR_CLAIM)
    return "" if oddness_of(name) else str(name)


def oddness_of(name: object) -> str:
    """Return why a claim doesn't name a person, as the end of a sentence; "" if it does."""
    if name is None or not str(name).strip():
        return "is missing or empty"
    if not isinstance(name, str):
        return "is no text"
    if len(name) > 255:
        return f"has {len(name)} characters and may have 255"
    if not is_person(identity(name)):
        return "names software"
    return "" if name.isprintable() else "has control characters, or others that don't show"


def claims() -> dict[str, Any]:
    """Return the claims of the token, which API Gateway has verified."""
    return claims_of(app.current_event.raw_event)


def claims_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of a request's token; none if it has no token."""
    found: Any = event
    for name in ("requestContext", "authorizer", "jwt", "claims"):
        found = found.get(name) or {}
    return dict(found)


def scopes() -> set[str]:
    """Return the scopes of the person: view, act, revoke, approve."""
    named = str(claims().get("scope") or claims().get("scp") or "").strip("[]").replace(",", " ").split()
    return {name.removeprefix(SCOPE_PREFIX) for name in named if name.startswith(SCOPE_PREFIX)}


def demand(scope: str) -> None:
    """Let only those pass who have the scope. Raises RefusedActError."""
    if scope not in scopes():
        raise RefusedActError(403, f"this takes the scope {SCOPE_PREFIX}{scope}", "ask whoever gives out access")


def admitted(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Let in only whom the token lets view."""
    actor()
    demand("view")
    demand_json(app.current_event)
    response = next_middleware(app)
    response.headers.update(HEADERS)
    return response


ABOUT: dict[str, Any] = {}
"""The subject of the call for the log: ids, keys and names of acts, never a text that somebody wrote."""

_HARMLESS = re.compile(r"[\w/.\-]{1,200}", re.ASCII)


def log_call(event: dict[str, Any], status: int) -> None:
    """Log a call: who, what, about whom, and with which outcome."""
    context = event.get("requestContext", {})
    claimed = claims_of(event).get(ACTOR_CLAIM)
    name = claimed if oddness_of(claimed) == "" else "(names no person)"
    path = event.get("rawPath", "")
    line = {"actor": name, "method": context.get("http", {}).get("method"), "status": status}
    logger.info("audit", **line, path=path if _HARMLESS.fullmatch(path) else "(not logged)", about=dict(ABOUT))
    ABOUT.clear()


def demand_json(event: APIGatewayProxyEventV2) -> None:
    """Take only JSON at the API: no browser sends it from another site. Raises RefusedActError."""
    if event.path.startswith("/v1") and event.http_method == "POST" and event.headers["content-type"] != JSON:
        raise RefusedActError(415, *NO_JSON)


NO_JSON = ("the body is no JSON", "send it as application/json", "Content-Type")


HEADERS: dict[str, Any] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; img-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000",
}
app.use(middlewares=[admitted])


def pair_of(learner_id: int, course_run: str) -> Pair:
    """Return whose case it is. Raises RefusedError for a key that no course run can have."""
    ABOUT["learner_id"] = learner_id
    return Pair(learner_id, key_of(course_run))


def key_of(course_run: str) -> str:
    """Return the key of a course run; a plus that a query's encoding made a blank is one again."""
    key = refusals.checked_course_key(course_run.strip().replace(" ", "+"), "course_run")
    ABOUT["course_run"] = key
    return key


def known_key_of(course_run: str) -> str:
    """Return the key of a course run. Raises RefusedActError if only another spelling of it is known."""
    key = key_of(course_run)
    spellings.refuse_other_spelling([key])
    return key


def refuse_unknown_course_run(course_run: str) -> None:
    """Refuse an act on a course run of which nothing was received. Raises RefusedActError with what may be meant."""
    spellings.refuse_other_spelling([course_run])
    similar_keys.refuse_unknown(course_run)


def known_case(learner_id: int, course_run: str) -> cases.Case:
    """Return a case. Raises RefusedActError if only another spelling of its course run is known."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    if not found.is_known:
        refuse_unknown(found, only_spelling=True)
    return found


def refuse_unknown(case: cases.Case, *, only_spelling: bool) -> None:
    """Refuse a case of which nothing is known; `only_spelling`: only if it is known under another spelling.

    Raises RefusedActError with the keys that were probably meant.
    """
    others = spellings.spellings_for(case.pair, case.record.timeline)
    if others or not only_spelling:
        fix = spellings.fix_of(others) if others else "compare learner id and course run"
        raise RefusedActError(404, "nothing is known of this learner here", fix)


def owners_of(certificate: str) -> list[Pair]:
    """Return whose certificate this is, by its id or address: more than one if an id was given twice.

    Raises RefusedActError if there is none.
    """
    owners = sorted({owner for name in possible_ids(certificate) for owner in storage.owners_of(name)})
    if not owners:
        fix = "compare it with the end of its address" if ids_in(certificate) else LOOKS_LIKE
        raise RefusedActError(404, "no certificate has this id", fix)
    if len(owners) == 1:
        pair_of(*owners[0])  # for the audit log
    return owners


def found_learners(find: Callable[[], FoundLearners]) -> FoundLearners:
    """Return who was found. The audit log names them by their ids, never what was looked for.

    Raises RefusedActError.
    """
    found = find()
    if found.problem:
        logger.warning("The platform's accounts could not be asked.", problem=found.problem)
    ABOUT["learner_ids"] = [learner.learner_id for learner in found.learners]
    return found


# --- what went wrong, as problem+json


PROBLEM_PAGE: list[Callable[[int, str, str, str], Response[str]]] = []
"""The console's page for a problem; the console adds it."""


def problem(status: int, title: str, fix: str = "", field: str = "") -> Response[str]:
    """Return a problem as the answer."""
    if not app.current_event.path.startswith("/v1"):
        return PROBLEM_PAGE[0](status, title, fix, field)
    body = {"type": "about:blank", "title": title, "status": status, "field": field or None, "fix": fix or None}
    return Response(status, "application/problem+json", json.encode(body).decode(), headers=dict(HEADERS))


def answer_to(error: RefusedActError | refusals.RefusedError) -> Response[str]:
    """Return the answer to what can't be done."""
    if isinstance(error, RefusedActError):
        return problem(error.status, error.title, error.fix, error.field)
    return problem(422, words_of("refusal", error.reason), error.fix, error.field)


@app.exception_handler([RefusedActError, refusals.RefusedError])  # type: ignore[untyped-decorator]
def refused(error: RefusedActError | refusals.RefusedError) -> Response[str]:
    """Answer what can't be done; what a person may not do is an entry of the audit log."""
    if isinstance(error, RefusedActError) and error.status == HTTPStatus.FORBIDDEN and "act" in ABOUT:
        names = {name: str(ABOUT[name]) for name in ("run", "revocation", "program") if name in ABOUT}
        course_runs = (ABOUT["course_run"],) if "course_run" in ABOUT else ()
        subject = Subject(ABOUT["act"], learner_id=ABOUT.get("learner_id"), course_runs=course_runs, **names)
        audit.note(str(uuid4()), actor(), aws.now(), Kind.REFUSAL, subject, refused=error.title)
    return answer_to(error)


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def invalid(error: RequestValidationError) -> Response[str]:
    """Answer a request of another form, naming the first field."""
    first = error.errors()[0]
    places = [str(part) for part in first["loc"] if part not in {"body", "query", "header", "path"}]
    field = ".".join(place for place in places if "[" not in place)  # such as list[int]: which of several forms it is
    return problem(422, "the request can't be read", str(first["msg"]).removeprefix("Value error, "), field or "body")


@app.exception_handler(RequestUnsupportedContentType)  # type: ignore[untyped-decorator]
def no_json(_error: Exception) -> Response[str]:
    """Answer a body of another kind."""
    return problem(415, *NO_JSON)


@app.exception_handler([UnicodeError, RecursionError])  # type: ignore[untyped-decorator]
def unreadable(_error: Exception) -> Response[str]:
    """Answer a body that is no text, or nested without end."""
    return problem(422, "the body can't be read", "send JSON in UTF-8, as /v1/openapi.json has it", "body")


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def failed(error: Exception) -> Response[str]:
    """Answer a fault of the service."""
    logger.error("The request failed.", exc_info=error)
    fix = "have an operator look at it: runbook, support-failing"
    return problem(500, "it could not be done, and that is our fault", fix)


@app.exception_handler([LostRaceError, aws.SendError, PynamoDBException, BotoCoreError, ClientError])  # type: ignore[untyped-decorator]
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


def write_cursor(place: Place | None) -> str | None:
    """Return a cursor; it is opaque to whoever gets it."""
    return None if place is None else urlsafe_b64encode(json.encode(place)).decode()


def read_cursor(cursor: str | None, course_run: str = "") -> Place | None:
    """Return where a page of a course run ("": of all) starts. Raises RefusedActError for what no page gave out.

    An invented cursor is harmless: it only starts elsewhere in a list that the person may see.
    """
    if not cursor:
        return None
    try:
        place = json.decode(urlsafe_b64decode(cursor), type=Place)
    except (ValueError, DecodeError):
        place = None
    if place is None or (place.after is not None and course_run not in {"", place.after.course_run}):
        raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor")
    return place
