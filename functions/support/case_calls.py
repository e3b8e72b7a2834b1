"""Calls about one case: find it, explain it, what if, preview an act, act."""

import os
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from acting import acted, previewed
from answers import (
    ActPreview,
    Case,
    Changes,
    CourseRuns,
    Done,
    Exported,
    FoundLearners,
    LearnersPage,
    Outcome,
    Owners,
)
from application import (
    ABOUT,
    CERTIFICATE_URL,
    CONSUMER_DEAD_LETTERS,
    PAGE,
    POLICIES,
    app,
    found_learners,
    key_of,
    known_case,
    known_key_of,
    owners_of,
    pair_of,
    read_cursor,
    write_cursor,
)
from certrules import aws, storage
from certrules.core.explain import rendering, timeline
from certrules.requests import RefusedActError
from certrules.support import cases
from certrules.support import learners as finding
from models import (
    ActRequest,
    AsOf,
    CourseRun,
    Cursor,
    Email,
    Instant,
    Key,
    LearnerId,
    LearnerInPath,
    PreviewRequest,
    Username,
    WhatIf,
)
from openapi import call


@app.get(
    "/v1/learners",
    summary="The learners who have a username or an e-mail",
    **call(FoundLearners, refuses=(404, 409)),
)
def find_learners(username: Username = None, email: Email = None) -> dict[str, Any]:
    """Return whom a username or an e-mail may mean; give one of the two."""
    if (username is None) is (email is None):
        raise RefusedActError(422, "ask by a username or by an e-mail", "give one of the two", "username")
    found = found_learners(lambda: finding.find("email", email) if email else finding.find("username", username or ""))
    return {"learners": [learner._asdict() for learner in found.learners], "problem": found.problem}


@app.get(
    "/v1/learners/<learner_id>",
    summary="A learner's course runs, with the certificate in each",
    **call(CourseRuns, refuses=(404,)),
)
def learner(learner_id: LearnerInPath) -> dict[str, Any]:
    """Return where anything is known of a learner; a learner of whom nothing is known has none."""
    ABOUT["learner_id"] = learner_id
    known_as = finding.name_of(learner_id)
    return {
        "learner_id": learner_id,
        "known_as": None if known_as is None else known_as._asdict(),
        "course_runs": cases.course_runs_of(learner_id),
    }


@app.get("/v1/certificates/<certificate_id>", summary="Whose certificate this is", **call(Owners, refuses=(404,)))
def certificate(certificate_id: str) -> dict[str, Any]:
    """Return learner and course run of a certificate: by its id with or without dashes, or by its address."""
    first, *others = (owner._asdict() for owner in owners_of(certificate_id))
    return {**first, "others": others}


@app.get(r"/v1/certificates/.*[^\w.-].*", include_in_schema=False)
def certificate_by_address() -> dict[str, Any]:
    """Return the same for a whole address, which stands encoded in the path."""
    return certificate(app.current_event.path.partition("/v1/certificates/")[2])


@app.get(
    "/v1/course-run/learners", summary="A course run's learners, a page at a time", **call(LearnersPage, refuses=(404,))
)
def learners(course_run: CourseRun, cursor: Cursor = None) -> dict[str, Any]:
    """Return learners of whom anything is known in a course run."""
    key = key_of(course_run)
    pairs, following = storage.learners_page(key, read_cursor(cursor, key), PAGE)
    if not pairs and cursor is None:
        known_key_of(key)
    return {"course_run": key, "learners": [pair.learner_id for pair in pairs], "next": write_cursor(following)}


# --- a case


@app.get("/v1/case", summary="Why a learner has a certificate in a course run, or hasn't", **call(Case))
def case(learner_id: LearnerId, course_run: CourseRun, as_of: AsOf = None) -> dict[str, Any]:
    """Return the case now as it is published, or as of an instant."""
    found = cases.open_case(pair_of(learner_id, course_run), POLICIES)
    return cases.case_as_json(cases.view_of(found, as_of, aws.now()), CERTIFICATE_URL, CONSUMER_DEAD_LETTERS)


@app.get("/v1/case/changes", summary="What changed in a case between two instants", **call(Changes, refuses=(404,)))
def changes(
    learner_id: LearnerId, course_run: CourseRun, since: Annotated[Instant, Query()], until: AsOf = None
) -> dict[str, Any]:
    """Return facts, transitions and verdicts that changed."""
    later = until or aws.now()
    if since > later:
        raise RefusedActError(422, "since is after until", "swap them", "since")
    found = known_case(learner_id, course_run)
    return rendering.as_json(timeline.changed(found.record, POLICIES, since, later))


@app.get(
    "/v1/case/events", summary="The events that reproduce a case in `certs replay`", **call(Exported, refuses=(404,))
)
def case_events(learner_id: LearnerId, course_run: CourseRun) -> dict[str, Any]:
    """Return the case's entries as events."""
    found = known_case(learner_id, course_run)
    settings = {"policy": os.environ["POLICY"], "web_certificates": os.environ["WEB_CERTIFICATES"]}
    return {**cases.export(found, aws.now()), **settings}


@app.post(
    "/v1/case/what-if", summary="What a case would amount to; nothing is stored", **call(Outcome, refuses=(404, 415))
)
def what_if(request: Annotated[WhatIf, Body()]) -> dict[str, Any]:
    """Return the outcome of changes to a copy."""
    found = known_case(request.learner_id, request.course_run)
    return cases.what_if(found, request.changes, request.events, aws.now(), request.as_of)


@app.post(
    "/v1/case/preview",
    summary="What an act will do to the certificate; nothing is stored",
    **call(ActPreview, refuses=(404, 409, 415)),
)
def preview(request: Annotated[PreviewRequest, Body()]) -> dict[str, Any]:
    """Return the effect of the act, and the scope that it takes."""
    return previewed(request, "preview")[1]._asdict()


@app.post(
    "/v1/case/act", summary="Act on a certificate", **call(Done, scope="act", status=202, refuses=(404, 409, 415))
)
def act(request: Annotated[ActRequest, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send the act as an event, once for a key, if the person may do what it will do."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, acted(request, key).answer)
