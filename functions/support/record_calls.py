"""Calls about learners' records in the Credentials service: programs, what waits, and trying again."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any
from uuid import uuid4

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import DecodeError, json

from application import ABOUT, PAGE, POLICIES, actor, app, demand, key_of, metrics
from certrules import audit, aws
from certrules.audit import Kind, Subject
from certrules.core.deliveries.outcomes import Waiting
from certrules.records.seen import WaitingPlace
from certrules.requests import RefusedActError
from certrules.support import records
from certrules.support.acts import Done
from models import AsOf, Cursor, LearnerInPath, Retry
from openapi import call
from record_answers import Programs, Retried, WaitingPage

Reason = Annotated[str | None, Query(json_schema_extra={"enum": list(Waiting)}, description="Why it waits.")]


@app.get(
    "/v1/learners/<learner_id>/programs",
    summary="A learner's programs, what is missing, and whether the record has them",
    **call(Programs, refuses=(404,)),
)
def programs(learner_id: LearnerInPath, as_of: AsOf = None) -> dict[str, Any]:
    """Return the programs that list a course run of the learner, and how far each delivery is."""
    ABOUT["learner_id"] = learner_id
    return records.programs_of(learner_id, POLICIES, aws.now(), as_of)


@app.get(
    "/v1/records",
    summary="Deliveries to the Credentials service that wait, by reason",
    **call(WaitingPage, refuses=(404,)),
)
def waiting(reason: Reason = None, cursor: Cursor = None) -> dict[str, Any]:
    """Return a page of what waits; it may be empty, and others follow."""
    rows, following = records.waiting(reason, place_in(cursor), PAGE)
    return {"waiting": rows, "next": write_place(following)}


def write_place(place: WaitingPlace | None) -> str | None:
    """Return a cursor; it is opaque to whoever gets it."""
    return None if place is None else urlsafe_b64encode(json.encode(place)).decode()


def place_in(cursor: str | None) -> WaitingPlace:
    """Return where a page starts. Raises RefusedActError for what no page gave out."""
    try:
        return json.decode(urlsafe_b64decode(cursor), type=WaitingPlace) if cursor else WaitingPlace()
    except (ValueError, DecodeError):
        raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor") from None


def retried(request: Retry) -> Done:
    """Have deliveries be tried again. Its answer is how many these are. Raises RefusedActError, LostRaceError."""
    ABOUT["act"] = "retry"
    if request.learner_id is not None:
        ABOUT["learner_id"] = request.learner_id
    demand("act")
    now = aws.now()
    course_run = None if request.course_run is None else key_of(request.course_run)
    count = records.retry(request.learner_id, course_run, request.kind, request.of, now)
    is_program = request.kind == "program"
    subject = Subject(
        "retry",
        request.reason,
        request.learner_id,
        tuple(key for key in (course_run, None if is_program else request.of) if key is not None),
        program=request.of or "" if is_program else "",
    )
    metrics.add_metric(name="act_retry", unit=MetricUnit.Count, value=1)
    return Done(count, audit.note(str(uuid4()), actor(), now, Kind.ACT, subject, count=count))


@app.post(
    "/v1/records/retry",
    summary="Try what waits of a learner or a course run again, or send one delivery of a learner again",
    **call(Retried, scope="act", refuses=(404, 415)),
)
def retry(request: Annotated[Retry, Body()]) -> dict[str, Any]:
    """Have it tried within a minute or two; what is being sent just now is not."""
    return {"retried": retried(request).answer}
