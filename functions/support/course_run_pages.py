"""The console's page of a course run, and its acts."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from acting import discarded, switched
from application import POLICIES, app, key_of, read_cursor, refuse_unknown_course_run, write_cursor
from certrules import aws
from certrules.formats.words import counted, words_of
from certrules.requests import RefusedActError
from certrules.support import checklist, revocations, standings
from certrules.support.acts import SWITCHES
from certrules.support.learners import usernames_of
from confirming import Step, asked_first, names_in_cases
from models import BulkDiscard, Switch
from pages import form, key_in, link, page, query, see, unread, when


@app.get("/course-run", include_in_schema=False)
def course_run_page() -> Response[str]:
    """Return a course run: its checklist, who has what in it, and its held revocations."""
    course_run = key_of(query("course_run"))
    numbers = standings.summary_of(course_run, aws.now(), is_fresh=query("fresh") == "1")
    found = checklist.course_run_checks(course_run, POLICIES, aws.now(), numbers)
    held, following = revocations.pending_in(course_run, read_cursor(query("cursor"), course_run), 50)
    stopped = any(check["code"] == "automatic_revocations" and not check["ok"] for check in found.checks)
    return page(
        "course_run.html",
        course_run=course_run,
        found=found,
        stopped=stopped,
        summary=standings.summary_as_json(course_run, numbers),
        held=held,
        usernames=usernames_of(row["learner_id"] for row in held),
        next=write_cursor(following),
    )


@app.post("/course-run/act", include_in_schema=False)
def course_run_act() -> Response[str]:
    """Discard all that is held in a course run, or stop or resume automatic revocations there or ("") everywhere."""
    fields = form()
    course_run, decision = fields.get("course_run") or None, fields.get("choice", "")
    if course_run is not None:
        refuse_unknown_course_run(key_of(course_run))
    try:
        if decision == "discard":
            discard = BulkDiscard(course_run=course_run or "", reason=fields.get("reason", ""))
            if asks := asked_first(discard_step(key_of(discard.course_run)), fields):
                return asks
            return see("/result", entry=discarded(discard, key_in(fields)).entry)
        switch = Switch(course_run=course_run, reason=fields.get("reason", ""))
    except ValidationError as error:
        raise unread(error) from error
    if decision in SWITCHES and (asks := asked_first(switch_step(decision, course_run), fields)):
        return asks
    return see("/result", entry=switched(decision, switch, key_in(fields)).entry)


def held_names(rows: Iterable[Mapping[str, Any]], course_run: str) -> list[tuple[str, str]]:
    """Return the address and the text of each certificate whose revocation is held, for a page that asks."""
    return names_in_cases((int(row["learner_id"]), course_run, words_of("cause", row["cause"])) for row in rows)


def taken_at_once(many: int, other: str) -> tuple[int, str]:
    """Return how many of that many one act takes, and the sentence on the rest, which is left for an `other` one."""
    some = min(many, revocations.MOST_LEARNERS)
    return some, f" {many - some} more are left for another {other}." if many > some else ""


def discard_step(course_run: str) -> Step:
    """Return what discarding all that is held will do. Raises RefusedActError if there is nothing."""
    rows = list(revocations.all_pending_in(course_run))
    if not rows:
        raise RefusedActError(
            409, "no revocation is held in the course run", "look at it again: others may have decided"
        )
    some, left = taken_at_once(len(rows), "time")
    return Step(
        f"Discard {counted(some, 'pending revocation')}",
        f"{counted(some, 'certificate')} in {course_run}: kept, with no revocation pending.{left}",
        f"discard {some}",
        link("/course-run", course_run=course_run),
        held_names(rows, course_run),
    )


def switch_step(switch: str, course_run: str | None) -> Step:
    """Return what stopping or resuming automatic revocations will do, in a course run or (None) everywhere."""
    where = "everywhere" if course_run is None else f"in {key_of(course_run)}"
    rows = [] if course_run is None else list(revocations.all_pending_in(course_run))
    back = "/revocations" if course_run is None else link("/course-run", course_run=course_run)
    held = [f"Pending or held there now: {len(rows)}. They stay so."] if course_run else []
    stop = checklist.stopped_everywhere() if course_run is None else checklist.stopped_in(course_run)
    if switch == "stop" and stop:
        held.append(f"They are stopped already, since {when(stop.at)} by {stop.by}: {stop.notes}")
    if switch == "resume" and not stop:
        held.append("They are not stopped: nothing changes.")
    if switch == "stop":
        sentence = (
            f"Automatic revocations {where} are held until somebody decides. Awards go on, and so do people's acts."
        )
        return Step(
            f"Stop automatic revocations {where}", sentence, "stop them", back, notes=held, danger=not course_run
        )
    sentence = f"Automatic revocations {where} take effect again. What is held stays held."
    return Step(
        f"Resume automatic revocations {where}", sentence, "resume them", back, notes=held, danger=True, scope="revoke"
    )
