"""The console's pages of lists: an act on many learners, pasted, looked at line by line, then done."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ValidationError

from application import POLICIES, app, key_of, scopes
from certrules import aws
from certrules.requests import RefusedActError
from certrules.support import lists
from certrules.support.acts import ACTS
from certrules.support.learners import usernames_of
from list_calls import asked_for, done
from models import ListAct, ListPreview
from pages import form, key_in, page, query, unread

LABELS = {"allowlist-add": "Add to the allowlist", "invalidate": "Invalidate", "discard": "Discard pending revocations"}


@app.get("/lists", include_in_schema=False)
def lists_page() -> Response[str]:
    """Return the form into which a list is pasted."""
    fields = {name: query(name) for name in ("act", "course_run")}
    return page("lists.html", labels=offered(), fields={**fields, "text": "", "reason": ""})


@app.post("/lists/preview", include_in_schema=False)
def list_preview_page() -> Response[str]:
    """Return what becomes of each line, with the form that confirms it, and the list to correct."""
    return preview_of(form())


def preview_of(fields: Mapping[str, str], *, stale: bool = False) -> Response[str]:
    """Return what becomes of each line as it is now; `stale`: it is otherwise than it was looked at."""
    request = read(ListPreview, fields)
    found = lists.previewed(asked_for(request), POLICIES, aws.now())
    return page(
        "list_preview.html",
        HTTPStatus.CONFLICT if stale else HTTPStatus.OK,
        found=found,
        usernames=names_in(found),
        fields=fields,
        labels=offered(),
        label=LABELS[request.act],
        key=uuid4(),
        stale=stale,
    )


@app.post("/lists/act", include_in_schema=False)
def list_act_page() -> Response[str]:
    """Do what was looked at, and return what became of each line."""
    fields = form()
    request = read(ListAct, fields, seen=fields.get("seen") or None)
    try:
        answer, entry = done(request, key_in(fields))
    except RefusedActError as error:
        if error.field != "seen":
            raise
        return preview_of(fields, stale=True)
    return page("list_done.html", found=answer, usernames=names_in(answer), entry=entry, label=LABELS[request.act])


def names_in(found: Mapping[str, Any]) -> dict[int, str]:
    """Return the usernames of the learners of a list, where they are stored."""
    return usernames_of(line["learner_id"] for line in found["lines"] if line["learner_id"] is not None)


def offered() -> dict[str, str]:
    """Return the acts on lists that the person may do, with their labels."""
    return {act: label for act, label in LABELS.items() if ACTS[act].scope in scopes()}


def read[T: BaseModel](kind: type[T], fields: Mapping[str, str], **more: str | None) -> T:
    """Read a list from a form. Raises RefusedActError."""
    try:
        return kind(
            act=fields.get("act", ""),
            course_run=key_of(fields.get("course_run", "")),
            text=fields.get("text", ""),
            reason=fields.get("reason", ""),
            **more,
        )
    except ValidationError as error:
        raise unread(error) from error
