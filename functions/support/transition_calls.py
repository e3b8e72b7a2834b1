"""Transitions of all course runs at the API: by time, actor, cause, kind and course run."""

import re
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from application import PAGE, app, key_of, refuse_unknown_course_run
from audit_calls import Since, Until, span
from certrules import aws
from certrules.core.terms import Cause, Status
from certrules.formats.transition_texts import CHANGES
from certrules.requests import RefusedActError
from certrules.support.transitions import NOBODY, Filter, as_json, listed
from models import CourseRun, choice
from openapi import call
from transition_answers import TransitionsPage

CHOICES = {"cause": tuple(Cause), "change": CHANGES, "previous": (NOBODY, *Status), "status": tuple(Status)}
"""What a filter may be, where that is a closed list."""

_KEY = re.compile(r"\d{16}[0-9a-f]{8}", re.ASCII)

By = Annotated[str, Query(max_length=255, description="Only what this person caused.")]
After = Annotated[str | None, Query(max_length=100, description="`next` of the page before, as it is.")]


@app.get(
    "/v1/transitions",
    summary="Changes of certificates in all course runs, by time",
    **call(TransitionsPage, refuses=(404,)),
)
def transitions(
    *,
    since: Since = None,
    until: Until = None,
    actor: By = "",
    cause: choice(CHOICES["cause"], "Only from this cause.") = "",  # type: ignore[valid-type]
    change: choice(CHOICES["change"], "Only awards, losses, revocations that were held, or other changes.") = "",  # type: ignore[valid-type]
    previous: choice(CHOICES["previous"], "The status before; none: no certificate.") = "",  # type: ignore[valid-type]
    status: choice(CHOICES["status"], "The status after.") = "",  # type: ignore[valid-type]
    course_run: CourseRun | None = None,
    cursor: After = None,
) -> dict[str, Any]:
    """Return a page, newest first. Changes that a release before the index wrote are not in it."""
    fields = {"actor": actor, "cause": cause, "change": change, "previous": previous, "status": status}
    first, last = span(since, until, aws.now())
    found, following = listed(first, last, checked({**fields, "course_run": course_run or ""}), place_in(cursor), PAGE)
    return {"transitions": as_json(found), "next": following}


def checked(fields: dict[str, str]) -> Filter:
    """Return the filter of a request's fields. Raises RefusedActError for what no transition can have."""
    for name, known in CHOICES.items():
        if (value := fields.get(name, "")) and value not in known:
            raise RefusedActError(422, f"{value[:40]!r} is no {name} to filter by", f"one of: {', '.join(known)}", name)
    which = Filter(**{name: fields.get(name, "") for name in Filter._fields})
    if which.course_run:
        which = which._replace(course_run=key_of(which.course_run))
        refuse_unknown_course_run(which.course_run)
    return which


def place_in(cursor: str | None) -> str | None:
    """Return where a page starts. Raises RefusedActError for what no page gave out."""
    if cursor and not _KEY.fullmatch(cursor):
        raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor")
    return cursor or None
