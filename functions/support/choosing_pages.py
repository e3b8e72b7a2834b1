"""The console's way from chosen transitions to an act on their learners: the preview of lists, for each course run."""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response

from application import app, key_of
from certrules.requests import RefusedActError
from certrules.support.learners import usernames_of
from list_pages import LABELS, offered, preview_of
from pages import form, number, page, values_in_form

ACTS = ("invalidate", "discard")
"""The acts that take chosen transitions: a request for a second person, and a discard of what is pending."""


def offered_for_chosen() -> dict[str, str]:
    """Return the acts on chosen transitions that the person may do, with their labels."""
    return {act: label for act, label in offered().items() if act in ACTS}


@app.post("/transitions/chosen", include_in_schema=False)
def chosen_page() -> Response[str]:
    """Return the preview of an act on the learners of the chosen transitions; of several course runs, a form for each.

    Nothing is stored: the preview's own form acts, or asks a second person.
    """
    fields = form()
    act = fields.get("act", "")
    if act not in ACTS:
        raise RefusedActError(422, f"{act[:40]!r} is no act on transitions", f"one of: {', '.join(ACTS)}", "act")
    learners = _learners_by_course_run(values_in_form("row"))
    lists = [_fields(act, course_run, ids, fields) for course_run, ids in learners.items()]
    if len(lists) == 1:
        return preview_of(lists[0])
    usernames = usernames_of({one for ids in learners.values() for one in ids})
    return page("chosen.html", lists=lists, learners=learners, usernames=usernames, label=LABELS[act])


def _learners_by_course_run(rows: list[str]) -> dict[str, list[int]]:
    """Return the learners of chosen rows ("<learner> <course run>"), each once. Raises RefusedActError."""
    found: dict[str, dict[int, None]] = {}
    for row in rows:
        learner, _, course_run = row.partition(" ")
        found.setdefault(key_of(course_run), {})[number(learner, "row")] = None
    if not found:
        raise RefusedActError(422, "no transition is chosen", "go back, and tick those whose learners are meant", "row")
    return {course_run: list(ids) for course_run, ids in sorted(found.items())}


def _fields(act: str, course_run: str, learners: list[int], fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a list, as the page of lists has them."""
    text = "\n".join(map(str, learners))
    return {"act": act, "course_run": course_run, "text": text, "reason": fields.get("reason", "")}
