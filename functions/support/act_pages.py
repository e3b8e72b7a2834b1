"""The console's pages of an act in a case: its preview, and doing it."""

from collections.abc import Mapping
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import acted, app, key_of, previewed, scopes
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
    """Do the confirmed act, and return to the case."""
    fields = form()
    act = act_of(fields)
    answer = acted(act, key_in(fields))
    done = answer["event_id"] if act.act not in _CHANGE_NO_FACT else "sent"
    return see("/case", learner_id=act.learner_id, course_run=act.course_run, done=done)


_CHANGE_NO_FACT = {"redecide", "erase-name"}
"""Of these a case doesn't show that they have arrived."""


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
