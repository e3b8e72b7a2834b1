"""The console's way to send again what was published and did not arrive."""

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from application import app, demand
from certrules.core.wording import when
from certrules.formats.words import words_of
from confirming import Step, asked_first, names_in_cases
from models import SendAgain
from pages import form, instant, link, number, see, unread
from sending_calls import found_for, sent_again


@app.post("/send-again", include_in_schema=False)
def send_again_page() -> Response[str]:
    """Show what would be sent again, and send it once it is confirmed."""
    fields = form()
    demand("act")
    try:
        asked = SendAgain(
            course_run=fields.get("course_run", ""),
            learner_id=number(fields["learner_id"]) if fields.get("learner_id") else None,
            since=instant(fields.get("since", ""), "since"),
            until=instant(fields.get("until", ""), "until"),
            changes=1,
            reason=fields.get("reason", ""),
        )
    except ValidationError as error:
        raise unread(error) from error
    changes = found_for(asked)
    names = names_in_cases(
        (one.pair.learner_id, one.pair.course_run, f"{words_of('status', one.status)} on {when(one.at)}")
        for one in changes
    )
    count = f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
    back = (
        link("/course-run", course_run=asked.course_run)
        if asked.learner_id is None
        else link("/case", learner_id=asked.learner_id, course_run=asked.course_run)
    )
    sentence = f"The events of {count} go to every consumer once more, under the same ids. No certificate changes."
    if asks := asked_first(Step(f"Send {count} again", sentence, f"send {count} again", back, names), fields):
        return asks
    return see("/result", entry=sent_again(asked, asked.reason, changes).entry)
