"""The console's way to send again what was published and did not arrive."""

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import app, demand
from certrules.core.wording import when
from certrules.formats.words import counted, words_of
from certrules.support.sending_again import EVENTS_A_CHANGE, Change, Changes
from confirming import MOST_NAMES, Step, asked_first, names_in_cases
from models import SendAgain
from pages import form, instant, link, number, see, unread
from sending_calls import found_for, sent_again


@app.post("/send-again", include_in_schema=False)
def send_again_page() -> Response[str]:
    """Show what would be sent again, and send it once it is confirmed; of many, show the next ones then."""
    fields = form()
    demand("act")
    asked = asked_of(fields)
    changes = found_for(asked)
    fields["until"] = changes.until.isoformat()  # what is confirmed is what was counted
    if asks := asked_first(step_of(asked, changes), fields):
        return asks
    done = sent_again(asked, asked.reason, changes)
    if changes.following is None:
        return see("/result", entry=done.entry)
    others = changes._replace(skip=changes.following)
    left = {name: value for name, value in fields.items() if name != "seen"} | {"skip": str(others.skip)}
    return asked_first(step_of(asked, others), left) or see("/result", entry=done.entry)


def asked_of(fields: dict[str, str]) -> SendAgain:
    """Read a form. Raises RefusedActError."""
    try:
        return SendAgain(
            course_run=fields.get("course_run") or None,
            learner_id=number(fields["learner_id"]) if fields.get("learner_id") else None,
            since=instant(fields.get("since", ""), "since"),
            until=instant(fields.get("until", ""), "until"),
            skip=number(fields["skip"]) if fields.get("skip") else 0,
            changes=1,
            reason=fields.get("reason", ""),
        )
    except ValidationError as error:
        raise unread(error) from error


def step_of(asked: SendAgain, changes: Changes) -> Step:
    """Return what the form is about to do: to send what is next of the changes."""
    sent = changes.sent
    count = counted(len(sent), "change")
    notes = [f"It costs a write for each, and puts up to {len(sent) * EVENTS_A_CHANGE:,} events on the bus."]
    if changes.skip:
        notes.append(f"Sent again by now: {changes.skip:,} of {counted(len(changes.found), 'change')}.")
    if changes.following:
        notes.append(f"There are {len(changes.found):,} changes: the oldest go first, then you are asked for the next.")
    if asked.course_run is None:
        back = "/consumers"
    elif asked.learner_id is None:
        back = link("/course-run", course_run=asked.course_run)
    else:
        back = link("/case", learner_id=asked.learner_id, course_run=asked.course_run)
    where = "of all course runs " if asked.course_run is None else ""
    return Step(
        f"Send {count} again",
        f"The events of {count} {where}go to every consumer once more, under the same ids. No certificate changes.",
        f"send {count} again",
        back,
        names_in_cases((*one.pair, _text_of(one, is_one_run=bool(asked.course_run))) for one in sent[:MOST_NAMES]),
        notes,
        more=max(0, len(sent) - MOST_NAMES),
    )


def _text_of(change: Change, *, is_one_run: bool) -> str:
    text = f"{words_of('status', change.status)} on {when(change.at)}"
    return text if is_one_run else f"{change.pair.course_run}, {text}"
