"""The call for a reply that goes into a ticket."""

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from answer_models import Answer
from application import CERTIFICATE_URL, app, known_case
from certrules import aws
from certrules.support import cases, replies
from certrules.support.case_history import ticket_fields
from certrules.support.catalogue import languages
from models import AsOf, CourseRun, LearnerId
from openapi import call


class Reply(Answer):
    """A reply in plain text."""

    to: Literal["learner", "colleague"]
    language: Annotated[str, Field(description="Of a reply to a colleague: en.")]
    zone: Annotated[str, Field(description="Of a reply to a colleague: UTC.")]
    languages: Annotated[dict[str, str], Field(description="Languages of replies to learners: code and name.")]
    text: str


@app.get("/v1/case/reply", summary="A reply for the ticket, in plain text", **call(Reply, refuses=(404,)))
def reply(
    learner_id: LearnerId,
    course_run: CourseRun,
    to: Annotated[Literal["learner", "colleague"], Query(description="learner: without internals.")] = "learner",
    language: Annotated[str, Query(max_length=20, description="Of a reply to a learner.")] = "en",
    zone: Annotated[str, Query(max_length=64, description="Of a reply to a learner, such as Europe/Madrid.")] = "UTC",
    as_of: AsOf = None,
) -> dict[str, Any]:
    """Return what a case amounts to, for the learner or for a colleague."""
    view = cases.view_of(known_case(learner_id, course_run), as_of, aws.now())
    if to == "learner":
        text = reply_to_learner_of(view, language, zone)
    else:
        language, zone, text = "en", "UTC", reply_to_colleague_of(view)
    return {"to": to, "language": language, "zone": zone, "languages": languages(), "text": text}


def reply_to_learner_of(view: cases.View, language: str, zone: str) -> str:
    """Return the reply to the learner. Raises RefusedActError for an unknown language or zone."""
    is_live = view.case.rollout.is_live
    return replies.reply_to_learner(view.explanation, language, replies.zone_of(zone), is_live=is_live)


def reply_to_colleague_of(view: cases.View) -> str:
    """Return the reply to a colleague."""
    fields = ticket_fields(view.case.record.timeline, view.explanation, view.history, CERTIFICATE_URL)
    return replies.reply_to_colleague(view.explanation, fields)
