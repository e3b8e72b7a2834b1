"""Calls that find what was published of certificates, and send it again."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import Field

from answer_models import Answer
from application import ABOUT, actor, app, demand, key_of, metrics, refuse_unknown_course_run
from certrules import audit, aws
from certrules.audit import Kind, Subject
from certrules.requests import RefusedActError
from certrules.support.acts import Done
from certrules.support.outcomes import SEND_AGAIN
from certrules.support.sending_again import Change, changes_between, send_again
from models import Instant, SendAgain, SendAgainRange
from openapi import call

MOST_SHOWN = 100
"""How many changes the preview lists; all are counted."""


class PublishedChange(Answer):
    """A change that was published, or a revocation that was held."""

    learner_id: int
    at: Instant
    status: str
    kind: str


class SendAgainPreview(Answer):
    """What would be sent again."""

    changes: int
    certificates: int
    first: Annotated[list[PublishedChange], Field(description="The first 100 of them.")]


class SentAgain(Answer):
    """How many changes are sent again, within a minute."""

    sent: int


def found_for(asked: SendAgainRange) -> list[Change]:
    """Return the changes that a request means. Raises RefusedActError if there are none, or too many."""
    if asked.learner_id is not None:
        ABOUT["learner_id"] = asked.learner_id
    course_run = key_of(asked.course_run)
    refuse_unknown_course_run(course_run)
    changes = changes_between(course_run, asked.learner_id, asked.since, asked.until, aws.now())
    if not changes:
        raise RefusedActError(404, "nothing was published then", "compare learner, course run and times", "since")
    return changes


def sent_again(asked: SendAgainRange, reason: str, changes: list[Change]) -> Done:
    """Send changes again, and note who did it. Raises RefusedActError, and PynamoDB's errors: ask again."""
    ABOUT["act"] = SEND_AGAIN
    demand("act")
    now = aws.now()
    send_again(changes, now)
    metrics.add_metric(name="act_send_again", unit=MetricUnit.Count, value=1)
    subject = Subject(SEND_AGAIN, reason, asked.learner_id, (asked.course_run,))
    return Done(len(changes), audit.note(str(uuid4()), actor(), now, Kind.ACT, subject, count=len(changes)))


@app.post(
    "/v1/send-again/preview",
    summary="What would be sent again of a certificate or a course run",
    **call(SendAgainPreview, refuses=(404, 409, 415)),
)
def preview_send_again(request: Annotated[SendAgainRange, Body()]) -> dict[str, Any]:
    """Return how many changes were published in a time, of how many certificates."""
    changes = found_for(request)
    return {
        "changes": len(changes),
        "certificates": len({change.pair for change in changes}),
        "first": [
            {"learner_id": one.pair.learner_id, "at": one.at, "status": one.status, "kind": one.kind}
            for one in changes[:MOST_SHOWN]
        ],
    }


@app.post(
    "/v1/send-again",
    summary="Send the events of published changes again",
    **call(SentAgain, scope="act", status=202, refuses=(404, 409, 415)),
)
def post_send_again(request: Annotated[SendAgain, Body()]) -> Response[dict[str, Any]]:
    """Have every consumer get them once more, under the same ids, if they are as many as were seen."""
    ABOUT["act"] = SEND_AGAIN
    demand("act")
    changes = found_for(request)
    if len(changes) != request.changes:
        raise RefusedActError(409, f"there are {len(changes)} changes by now", "look at the preview again", "changes")
    sent = sent_again(request, request.reason, changes).answer
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, {"sent": sent})
