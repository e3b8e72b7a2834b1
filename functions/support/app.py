"""The support API, and with it the console: why a learner has no certificate, since when, and what now.

API Gateway lets in whoever has a valid token; what a person may do stands in its scopes, and is looked at here.
"""

import os
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import AwareDatetime

import console  # noqa: F401 - its pages are routes of the same app
from certrules import edge, store
from certrules.casework import acts, cases, checklist, revoking
from certrules.casework.acts import SWITCHES
from certrules.casework.cases import RefusedActError
from certrules.core import explain as explaining
from desk import (
    BUS,
    CERTIFICATE_URL,
    CONSUMER_DEAD_LETTERS,
    PAGE,
    POLICIES,
    Asked,
    AsOf,
    BulkDiscard,
    BulkRevocation,
    CourseRun,
    Cursor,
    Key,
    LearnerId,
    Switch,
    WhatIf,
    acted,
    actor,
    app,
    demand,
    key_of,
    logger,
    metrics,
    pair_of,
    previewed,
    read_cursor,
    write_cursor,
)

# --- find


@app.get("/v1/learners/<learner_id>", summary="A learner's course runs, with the certificate in each")
def learner(learner_id: int) -> dict[str, Any]:
    """Return where anything is known of a learner; a learner of whom nothing is known has none."""
    return {"learner_id": learner_id, "course_runs": cases.course_runs_of(learner_id)}


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


# --- a case


@app.get("/v1/case", summary="Why a learner has a certificate in a course run, or hasn't")
def case(learner_id: LearnerId, course_run: CourseRun, as_of: AsOf = None) -> dict[str, Any]:
    """Return the case now as it is published, or as of an instant."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    return cases.case_as_json(found, as_of, edge.now(), CERTIFICATE_URL, CONSUMER_DEAD_LETTERS)


@app.get("/v1/case/changes", summary="What changed in a case between two instants")
def changes(learner_id: LearnerId, course_run: CourseRun, since: AwareDatetime, until: AsOf = None) -> dict[str, Any]:
    """Return facts, transitions and verdicts that changed."""
    later = until or edge.now()
    if since > later:
        raise RefusedActError(422, "since is after until", "swap them", "since")
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    return explaining.as_json(explaining.changed(found.record, POLICIES, since, later))


@app.get("/v1/case/events", summary="The events that reproduce a case in `certs replay`")
def case_events(learner_id: LearnerId, course_run: CourseRun) -> dict[str, Any]:
    """Return what was heard, as events."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    settings = {"policy": os.environ["POLICY"], "web_certificates": os.environ["WEB_CERTIFICATES"]}
    return {**cases.export(found, edge.now()), **settings}


@app.post("/v1/case/what-if", summary="What a case would amount to; nothing is stored")
def what_if(asked: Annotated[WhatIf, Body()]) -> dict[str, Any]:
    """Return the outcome of changes to a copy."""
    found = cases.open_case(pair_of(asked.learner_id, asked.course_run), POLICIES)
    return cases.what_if(found, asked.changes, asked.events, edge.now())


@app.post("/v1/case/preview", summary="What an act will do to the certificate; nothing is stored")
def preview(asked: Annotated[Asked, Body()]) -> dict[str, Any]:
    """Return what the act would do, and which scope it takes."""
    return previewed(asked, acts.event_id_of("preview"))[1]._asdict()


@app.post("/v1/case/act", summary="Act on a certificate")
def act(asked: Annotated[Asked, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the act as an event, once for a key, if the person may do what it will do."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, acted(asked, key))


# --- a course run


@app.get("/v1/course-run", summary="Why a course run can issue no certificates")
def course_run(course_run: CourseRun) -> dict[str, Any]:
    """Return the checklist over a course run's configuration."""
    checks = checklist.checks_of(key_of(course_run), POLICIES, edge.now())
    return {"course_run": key_of(course_run), "ok": all(check["ok"] for check in checks), "checks": checks}


@app.get("/v1/invalidations", summary="A course run's invalidations, active and lifted")
def invalidations(course_run: CourseRun) -> dict[str, Any]:
    """Return whose they are, by whom or which exam, when and why."""
    return {"invalidations": cases.invalidations_in(key_of(course_run))}


@app.get("/v1/held", summary="Revocations that are pending or held")
def held(course_run: Annotated[str, Query(max_length=255)] = "", cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of them, of a course run or of all."""
    key = key_of(course_run) if course_run else ""
    rows, following = revoking.pending_in(key, read_cursor(cursor), PAGE)
    return {"held": rows, "next": write_cursor(following)}


@app.post("/v1/held/discard", summary="Have all certificates stay whose revocation is held")
def discard(asked: Annotated[BulkDiscard, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send an event for each."""
    demand("act")
    wanted = None if asked.learners is None else set(asked.learners)
    details = revoking.discards(key_of(asked.course_run), wanted, actor(), asked.reason, key, edge.now())
    acts.send(BUS, details)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, {"discarded": len(details)})


@app.post("/v1/automatic-revocations/<switch>", summary="Stop or resume automatic revocations")
def automatic_revocations(switch: str, asked: Annotated[Switch, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the switch as an event, once for a key."""
    if switch not in SWITCHES:
        raise RefusedActError(404, f"{switch} is neither stop nor resume", "POST to one of them", "switch")
    demand("act" if switch == "stop" else "revoke")
    request = {"switch": switch, **asked.model_dump(mode="json")}
    before = acts.asked_before(actor(), key, request)
    now = edge.now()
    event_id = acts.event_id_of(actor(), key)
    where = None if asked.course_run is None else key_of(asked.course_run)
    detail = acts.switch_detail(switch, where, event_id, now, actor(), asked.reason)
    answer = acts.carry_out(BUS, before, request, detail, {"event_id": event_id}, now)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, answer)


# --- bulk revocations: one person asks, another approves


@app.get("/v1/revocations", summary="Bulk revocations that were asked for")
def revocations() -> dict[str, Any]:
    """Return the last of them."""
    return {"revocations": revoking.revocations(edge.now())}


@app.post("/v1/revocations", summary="Ask for several certificates to be revoked")
def request_revocation(asked: Annotated[BulkRevocation, Body()], key: Key) -> Response[dict[str, Any]]:
    """Keep what is asked for until a second person approves it."""
    demand("revoke")
    course_run = key_of(asked.course_run)
    body = revoking.request_revocation(asked.act, course_run, asked.learners, actor(), asked.reason, edge.now(), key)
    return Response(HTTPStatus.CREATED, content_types.APPLICATION_JSON, body)


@app.post("/v1/revocations/<revocation_id>/<word>", summary="Approve or decline a bulk revocation")
def decide_revocation(revocation_id: str, word: str) -> dict[str, Any]:
    """Let it happen, or not."""
    if word not in {"approve", "decline"}:
        raise RefusedActError(404, f"{word} is neither approve nor decline", "POST to one of them")
    demand("approve")
    return revoking.decide_revocation(BUS, revocation_id, actor(), edge.now(), approve=word == "approve")


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
    metrics.add_metric(name="SupportRequests", unit=MetricUnit.Count, value=1)
    answer: dict[str, Any] = app.resolve(event, context)
    return answer
