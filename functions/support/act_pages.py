"""The console's pages of an act in a case: its preview, and doing it."""

from collections.abc import Mapping
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import acted, previewed
from application import app, key_of, scopes
from certrules.support.acts import ACTS
from models import ActRequest
from pages import form, instant, key_in, number, page, see, unread


@app.post("/preview", include_in_schema=False)
def preview_page() -> Response[str]:
    """Return the preview of an act, with the form that confirms it."""
    fields = form()
    act = act_of(fields)
    _, preview, _ = previewed(act, "preview")
    allowed = preview.scope in scopes()
    return page(
        "preview.html",
        request=act,
        fields=fields,
        preview=preview,
        allowed=allowed,
        label=ACTS[act.act].label,
        key=uuid4(),
    )


@app.post("/act", include_in_schema=False)
def act_page() -> Response[str]:
    """Do the confirmed act, and show what comes of it."""
    fields = form()
    act = act_of(fields)
    return see("/result", entry=acted(act, key_in(fields)).entry)


def act_of(fields: Mapping[str, str]) -> ActRequest:
    """Read an act from a form. Raises RefusedActError."""
    try:
        return ActRequest(
            act=fields.get("act", ""),
            learner_id=number(fields.get("learner_id", "")),
            course_run=key_of(fields.get("course_run", "")),
            reason=fields.get("reason", ""),
            date=instant(fields.get("date", ""), "date") if fields.get("act") == "date-set" else None,
            version=number(fields["version"], "version") if fields.get("version") else None,
        )
    except ValidationError as error:
        raise unread(error) from error
