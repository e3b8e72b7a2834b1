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
from certrules.formats.words import counted
from certrules.requests import RefusedActError
from certrules.support.acts import Done
from certrules.support.outcomes import SEND_AGAIN
from certrules.support.sending_again import EVENTS_A_CHANGE, Changes, changes_between, send_again
from models import Instant, SendAgain, SendAgainRange
from openapi import call

MOST_SHOWN = 100
"""How many changes the preview lists; all are counted."""


class PublishedChange(Answer):
    """A change that was published, or a revocation that was held."""

    learner_id: int
    course_run: str
    at: Instant
    status: str
    kind: str


class SendAgainPreview(Answer):
    """What would be sent again."""

    changes: Annotated[int, Field(description="All of the time, with those that are skipped.")]
    certificates: int
    until: Annotated[Instant, Field(description="Up to when they were counted: to be sent along with the act.")]
    next_sent: Annotated[int, Field(description="How many of them the next request sends: a write for each.")]
    most_events: Annotated[int, Field(description="How many events all that are not skipped put on the bus at most.")]
    first: Annotated[list[PublishedChange], Field(description="The first 100 of what the next request sends.")]


class SentAgain(Answer):
    """How many changes are sent again, within a minute."""

    sent: int
    next: Annotated[int | None, Field(description="`skip` of the request that sends the others; null: there are none.")]


def found_for(asked: SendAgainRange) -> Changes:
    """Return the changes that a request means. Raises RefusedActError if there are none, or too many."""
    if asked.learner_id is not None:
        ABOUT["learner_id"] = asked.learner_id
    course_run = None if asked.course_run is None else key_of(asked.course_run)
    if course_run is not None:
        refuse_unknown_course_run(course_run)
    until = asked.until or aws.now()
    changes = changes_between(course_run, asked.learner_id, asked.since, until)._replace(skip=asked.skip)
    if not changes.found:
        raise RefusedActError(404, "nothing was published then", "compare learner, course run and times", "since")
    if not changes.sent:
        raise RefusedActError(404, "all of them were sent", "look at the preview with `skip` 0", "skip")
    return changes


def sent_again(asked: SendAgainRange, reason: str, changes: Changes) -> Done:
    """Send changes again, and note who did it. Raises RefusedActError, and PynamoDB's errors: ask again."""
    ABOUT["act"] = SEND_AGAIN
    demand("act")
    now, count = aws.now(), len(changes.sent)
    send_again(changes.sent, now)
    metrics.add_metric(name="act_send_again", unit=MetricUnit.Count, value=1)
    course_runs = () if asked.course_run is None else (asked.course_run,)
    subject = Subject(SEND_AGAIN, reason, asked.learner_id, course_runs)
    return Done(count, audit.note(str(uuid4()), actor(), now, Kind.ACT, subject, count=count))


@app.post(
    "/v1/send-again/preview",
    summary="What would be sent again of a certificate, of a course run, or of a time",
    **call(SendAgainPreview, refuses=(404, 409, 415)),
)
def preview_send_again(request: Annotated[SendAgainRange, Body()]) -> dict[str, Any]:
    """Return how many changes were published in a time, of how many certificates."""
    changes = found_for(request)
    return {
        "changes": len(changes.found),
        "certificates": len({change.pair for change in changes.found}),
        "until": changes.until,
        "next_sent": len(changes.sent),
        "most_events": (len(changes.found) - changes.skip) * EVENTS_A_CHANGE,
        "first": [
            {**one.pair._asdict(), "at": one.at, "status": one.status, "kind": one.kind}
            for one in changes.sent[:MOST_SHOWN]
        ],
    }


@app.post(
    "/v1/send-again",
    summary="Send the events of published changes again",
    **call(SentAgain, scope="act", status=202, refuses=(404, 409, 415)),
)
def post_send_again(request: Annotated[SendAgain, Body()]) -> Response[dict[str, Any]]:
    """Have every consumer get them once more, under the same ids, if they are as many as were seen.

    The oldest 1,000 that are not skipped; `next` is what the following request skips.
    """
    ABOUT["act"] = SEND_AGAIN
    demand("act")
    changes = found_for(request)
    if len(changes.found) != request.changes:
        title = f"by now it is {counted(len(changes.found), 'change')}"
        raise RefusedActError(409, title, "look at the preview again", "changes")
    sent = sent_again(request, request.reason, changes).answer
    answer = {"sent": sent, "next": changes.following}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, answer)
