"""The console's pages of an act on a program certificate: its preview, and doing it."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import app, scopes
from certrules.support.learners import usernames_of
from certrules.support.program_acts import PROGRAM_ACTS
from confirming import done_if_seen
from models import ProgramActRequest
from pages import form, key_in, number, page, unread
from program_calls import program_acted, program_previewed


@app.post("/program/preview", include_in_schema=False)
def preview_page() -> Response[str]:
    """Return what an act on a program certificate would do, with the form that confirms it."""
    return preview_of(act_of(form()))


def preview_of(act: ProgramActRequest, *, stale: bool = False) -> Response[str]:
    """Return the preview of an act on the program as it is now; `stale`: its cause is another than was previewed."""
    found = program_previewed(act.model_copy(update={"cause": None}) if stale else act)
    status = HTTPStatus.CONFLICT if stale else HTTPStatus.OK
    content: dict[str, Any] = {"allowed": found["scope"] in scopes(), "label": PROGRAM_ACTS[act.act].act.label}
    content["usernames"] = usernames_of([act.learner_id])
    return page("program_preview.html", status, request=act, preview=found, key=uuid4(), stale=stale, **content)


@app.post("/program/act", include_in_schema=False)
def act_page() -> Response[str]:
    """Do the confirmed act, and show what comes of it."""
    fields = form()
    act = act_of(fields)
    return done_if_seen(
        "cause", act.cause, lambda: program_acted(act, key_in(fields)), lambda: preview_of(act, stale=True)
    )


def act_of(fields: dict[str, str]) -> ProgramActRequest:
    """Read an act from a form. Raises RefusedActError."""
    named = {name: fields.get(name, "") for name in ("act", "program", "reason")}
    try:
        learner_id = number(fields.get("learner_id", ""))
        return ProgramActRequest(learner_id=learner_id, cause=fields.get("cause") or None, **named)
    except ValidationError as error:
        raise unread(error) from error
