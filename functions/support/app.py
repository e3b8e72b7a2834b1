"""The support API, and with it the console: why a learner has no certificate, since when, and what now.

API Gateway lets in whoever has a valid token; what a person may do stands in its scopes, and is looked at here.
"""

import os
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.metrics import MetricUnit

import console  # noqa: F401 - its pages are routes of the same app
import openapi
import regenerations  # noqa: F401 - same
import rollouts  # noqa: F401 - same
from application import (
    ABOUT,
    BUS,
    CERTIFICATE_URL,
    CONSUMER_DEAD_LETTERS,
    PAGE,
    POLICIES,
    acted,
    actor,
    app,
    audit,
    demand,
    discarded,
    key_of,
    logger,
    metrics,
    owner_of,
    pair_of,
    previewed,
    read_cursor,
    switched,
    write_cursor,
)
from certrules import aws, storage
from certrules.core.explain import rendering, timeline
from certrules.requests import RefusedActError
from certrules.support import cases, checklist
from certrules.support import revocations as bulk_revocations
from models import (
    Asked,
    AsOf,
    BulkDiscard,
    BulkRevocation,
    CourseRun,
    Cursor,
    Instant,
    Key,
    LearnerId,
    LearnerInPath,
    Switch,
    WhatIf,
)

# --- find


@app.get("/v1/learners/<learner_id>", summary="A learner's course runs, with the certificate in each")
def learner(learner_id: LearnerInPath) -> dict[str, Any]:
    """Return where anything is known of a learner; a learner of whom nothing is known has none."""
    ABOUT["learner_id"] = learner_id
    return {"learner_id": learner_id, "course_runs": cases.course_runs_of(learner_id)}


@app.get("/v1/certificates/<certificate_id>", summary="Whose certificate this is")
def certificate(certificate_id: str) -> dict[str, Any]:
    """Return learner and course run of a certificate."""
    return owner_of(certificate_id)._asdict()


@app.get("/v1/course-run/learners", summary="A course run's learners, a page at a time")
def learners(course_run: CourseRun, cursor: Cursor = None) -> dict[str, Any]:
    """Return learners of whom anything is known in a course run."""
    key = key_of(course_run)
    pairs, following = storage.learners_page(key, read_cursor(cursor, key), PAGE)
    return {"course_run": key, "learners": [pair.learner_id for pair in pairs], "next": write_cursor(following)}


# --- a case


@app.get("/v1/case", summary="Why a learner has a certificate in a course run, or hasn't")
def case(learner_id: LearnerId, course_run: CourseRun, as_of: AsOf = None) -> dict[str, Any]:
    """Return the case now as it is published, or as of an instant."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    return cases.case_as_json(found, as_of, aws.now(), CERTIFICATE_URL, CONSUMER_DEAD_LETTERS)


@app.get("/v1/case/changes", summary="What changed in a case between two instants")
def changes(
    learner_id: LearnerId, course_run: CourseRun, since: Annotated[Instant, Query()], until: AsOf = None
) -> dict[str, Any]:
    """Return facts, transitions and verdicts that changed."""
    later = until or aws.now()
    if since > later:
        raise RefusedActError(422, "since is after until", "swap them", "since")
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    return rendering.as_json(timeline.changed(found.record, POLICIES, since, later))


@app.get("/v1/case/events", summary="The events that reproduce a case in `certs replay`")
def case_events(learner_id: LearnerId, course_run: CourseRun) -> dict[str, Any]:
    """Return what was heard, as events."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    settings = {"policy": os.environ["POLICY"], "web_certificates": os.environ["WEB_CERTIFICATES"]}
    return {**cases.export(found, aws.now()), **settings}


@app.post("/v1/case/what-if", summary="What a case would amount to; nothing is stored")
def what_if(asked: Annotated[WhatIf, Body()]) -> dict[str, Any]:
    """Return the outcome of changes to a copy."""
    found = cases.open_case(pair_of(asked.learner_id, asked.course_run), POLICIES)
    return cases.what_if(found, asked.changes, asked.events, aws.now())


@app.post("/v1/case/preview", summary="What an act will do to the certificate; nothing is stored")
def preview(asked: Annotated[Asked, Body()]) -> dict[str, Any]:
    """Return what the act would do, and which scope it takes."""
    return previewed(asked, "preview")[1]._asdict()


@app.post("/v1/case/act", summary="Act on a certificate")
def act(asked: Annotated[Asked, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the act as an event, once for a key, if the person may do what it will do."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, acted(asked, key))


# --- a course run


@app.get("/v1/course-run", summary="Why a course run can issue no certificates")
def course_run(course_run: CourseRun) -> dict[str, Any]:
    """Return the checklist over a course run's configuration."""
    checks = checklist.checks_of(key_of(course_run), POLICIES, aws.now())
    return {"course_run": key_of(course_run), "ok": all(check["ok"] for check in checks), "checks": checks}


@app.get("/v1/invalidations", summary="A course run's invalidations, active and lifted")
def invalidations(course_run: CourseRun) -> dict[str, Any]:
    """Return whose they are, by whom or which exam, when and why."""
    return {"invalidations": cases.invalidations_in(key_of(course_run))}


@app.get("/v1/held", summary="Revocations that are pending or held")
def held(course_run: Annotated[str, Query(max_length=255)] = "", cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of them, of a course run or of all."""
    key = key_of(course_run) if course_run else ""
    rows, following = bulk_revocations.pending_in(key, read_cursor(cursor, key), PAGE)
    return {"held": rows, "next": write_cursor(following)}


@app.post("/v1/held/discard", summary="Have all certificates stay whose revocation is held")
def discard(asked: Annotated[BulkDiscard, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send an event for each, once for a key; where more are held than one call takes, it says how many are left."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, discarded(asked, key))


@app.post("/v1/automatic-revocations/<switch>", summary="Stop or resume automatic revocations")
def automatic_revocations(switch: str, asked: Annotated[Switch, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the switch as an event, once for a key."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, switched(switch, asked, key))


# --- bulk revocations: one person asks, another approves


@app.get("/v1/revocations", summary="Bulk revocations that were asked for")
def revocations() -> dict[str, Any]:
    """Return the last of them."""
    return {"revocations": bulk_revocations.revocations(aws.now())}


@app.post("/v1/revocations", summary="Ask for several certificates to be revoked")
def request_revocation(asked: Annotated[BulkRevocation, Body()], key: Key) -> Response[dict[str, Any]]:
    """Keep what is asked for until a second person approves it."""
    demand("revoke")
    ABOUT["act"] = f"ask for: {asked.act}"
    course_run = key_of(asked.course_run)
    body = bulk_revocations.request_revocation(
        asked.act, course_run, asked.learners, actor(), asked.reason, aws.now(), key
    )
    return Response(HTTPStatus.CREATED, content_types.APPLICATION_JSON, body)


@app.post("/v1/revocations/<revocation_id>/<word>", summary="Approve or decline a bulk revocation")
def decide_revocation(revocation_id: str, word: str) -> dict[str, Any]:
    """Let it happen, or not."""
    if word not in {"approve", "decline"}:
        raise RefusedActError(404, f"{word} is neither approve nor decline", "POST to one of them")
    demand("approve")
    ABOUT["act"] = word
    return bulk_revocations.decide_revocation(BUS, revocation_id, actor(), aws.now(), approve=word == "approve")


@app.get("/v1/openapi.json", include_in_schema=False)
def openapi_document() -> Response[str]:
    """Return what this API is, for other programs."""
    return Response(200, "application/json; charset=utf-8", openapi.document())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of API Gateway (payload format 2.0), and note who asked for what."""
    metrics.add_metric(name="SupportRequests", unit=MetricUnit.Count, value=1)
    answer: dict[str, Any] = app.resolve(event, context)
    audit(event, answer["statusCode"])
    return answer
