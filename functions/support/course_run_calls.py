"""Calls about a course run: its checklist, invalidations and held revocations, and the kill switch."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body

from acting import discarded, switched
from answers import (
    Checklist,
    Discarded,
    HeldPage,
    Invalidations,
    Switched,
)
from application import (
    PAGE,
    POLICIES,
    app,
    key_of,
    known_key_of,
    read_cursor,
    write_cursor,
)
from certrules import aws
from certrules.support import cases, checklist, standings
from certrules.support import revocations as bulk_revocations
from models import (
    BulkDiscard,
    CourseRun,
    CourseRunOrAny,
    Cursor,
    Key,
    Switch,
    SwitchInPath,
)
from openapi import call


@app.get("/v1/course-run", summary="Why a course run can issue no certificates", **call(Checklist))
def course_run(course_run: CourseRun) -> dict[str, Any]:
    """Return the checklist over a course run's configuration, learners and revocations; of an unknown one, that."""
    key, now = key_of(course_run), aws.now()
    found = checklist.course_run_checks(key, POLICIES, now, standings.summary_of(key, now))
    shown = {"state": found.state, "headline": found.headline, "checks": found.checks}
    return {"course_run": key, "ok": found.ok, **shown}


@app.get(
    "/v1/invalidations",
    summary="A course run's invalidations, active and lifted",
    **call(Invalidations, refuses=(404,)),
)
def invalidations(course_run: CourseRun) -> dict[str, Any]:
    """Return whose they are, by whom or which exam, when and why."""
    found = cases.invalidations_in(key_of(course_run))
    if not found:
        known_key_of(course_run)
    return {"invalidations": found}


@app.get("/v1/held", summary="Revocations that are pending or held", **call(HeldPage, refuses=(404,)))
def held(course_run: CourseRunOrAny = "", cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of them, of a course run or of all."""
    key = key_of(course_run) if course_run else ""
    rows, following = bulk_revocations.pending_in(key, read_cursor(cursor, key), PAGE)
    if key and not rows and cursor is None:
        known_key_of(key)
    return {"held": rows, "next": write_cursor(following)}


@app.post(
    "/v1/held/discard",
    summary="Have all certificates stay whose revocation is held",
    **call(Discarded, scope="act", status=202, refuses=(404, 415)),
)
def discard(request: Annotated[BulkDiscard, Body()], key: Key) -> Response[dict[str, Any]]:
    """Send an event for each, once for a key. `left` is how many are held beyond the limit of one call."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, discarded(request, key).answer)


@app.post(
    "/v1/automatic-revocations/<switch>",
    summary="Stop or resume automatic revocations",
    **call(Switched, scope="act", status=202, refuses=(404, 415)),
)
def automatic_revocations(
    switch: SwitchInPath, request: Annotated[Switch, Body()], key: Key
) -> Response[dict[str, Any]]:
    """Send the switch as an event, once for a key."""
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, switched(switch, request, key).answer)
