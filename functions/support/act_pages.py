"""The console's pages of an act in a case: its preview, and doing it."""

from collections.abc import Mapping
from http import HTTPStatus
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import acted, previewed
from application import app, key_of, scopes
from certrules.requests import RefusedActError
from certrules.support.acts import ACTS
from certrules.support.learners import usernames_of
from confirming import done_if_seen
from models import ActRequest
from pages import form, instant, key_in, number, page, unread


@app.post("/preview", include_in_schema=False)
def preview_page() -> Response[str]:
    """Return the preview of an act, with the form that confirms it."""
    fields = form()
    act = act_of(fields)
    try:
        return preview_of(act, fields)
    except RefusedActError as error:
        if error.field != "version":
            raise
        return preview_of(act, fields, stale=True)


def preview_of(act: ActRequest, fields: Mapping[str, str], *, stale: bool = False) -> Response[str]:
    """Return the preview of an act on the case as it is now; `stale`: it changed since it was previewed."""
    _, preview, _ = previewed(act.model_copy(update={"version": None}) if stale else act, "preview")
    return page(
        "preview.html",
        HTTPStatus.CONFLICT if stale else HTTPStatus.OK,
        request=act,
        fields={**fields, "version": preview.version},
        preview=preview,
        allowed=preview.scope in scopes(),
        label=ACTS[act.act].label,
        key=uuid4(),
        usernames=usernames_of([act.learner_id]),
        stale=stale,
    )


@app.post("/act", include_in_schema=False)
def act_page() -> Response[str]:
    """Do the confirmed act, and show what comes of it."""
    fields = form()
    act = act_of(fields)
    return done_if_seen(
        "version", act.version, lambda: acted(act, key_in(fields)), lambda: preview_of(act, fields, stale=True)
    )


def version_in(fields: Mapping[str, str]) -> int | None:
    """Return the version that was looked at, 0 of a case of which nothing is known. Raises RefusedActError."""
    text = fields.get("version", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RefusedActError(422, f"{text[:40]!r} is no version", "open the case, and choose the act there", "version")
    return int(text) if text else None


def act_of(fields: Mapping[str, str]) -> ActRequest:
    """Read an act from a form. Raises RefusedActError."""
    try:
        return ActRequest(
            act=fields.get("act", ""),
            learner_id=number(fields.get("learner_id", "")),
            course_run=key_of(fields.get("course_run", "")),
            reason=fields.get("reason", ""),
            date=instant(fields.get("date", ""), "date") if fields.get("act") == "date-set" else None,
            version=version_in(fields),
        )
    except ValidationError as error:
        raise unread(error) from error
