"""The audit log at the API: who did what, when, why, on what, and what came of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BeforeValidator

from application import PAGE, app, key_of
from audit_answers import AuditPage
from certrules import audit, aws
from certrules.audit import Entry, Filter, Kind
from certrules.bulk import lifecycle
from certrules.core.terms import Rollout
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError
from certrules.support.acts import ACTS
from certrules.support.outcomes import SEND_AGAIN, outcomes
from certrules.support.program_acts import PROGRAM_ACTS
from models import CourseRun, Instant, whole_number
from openapi import call

LABELS = {name: act.label for name, act in ACTS.items()} | {
    "stop": "Stop automatic revocations",
    "resume": "Resume automatic revocations",
    "ask to release": "Ask to release what is held",
    "ask to invalidate": "Ask to invalidate many",
    "approve": "Approve a bulk revocation",
    "decline": "Decline a bulk revocation",
    lifecycle.START: "Start a bulk run",
    lifecycle.RESUME: "Resume a bulk run",
    "approve a bulk run": "Approve a bulk run",
    "decline a bulk run": "Decline a bulk run",
    "retry": "Try deliveries again",
    SEND_AGAIN: "Send changes again",
    **{f"program {name}": f"{known.act.label} (program)" for name, known in PROGRAM_ACTS.items()},
    **{f"rollout {setting}": f"Set the rollout to {setting}" for setting in Rollout},
}
"""Acts by their names in the audit log, as pages call them."""


def label_of(act: str) -> str:
    """Return what an act is called on pages; an unknown one by its name."""
    return LABELS.get(act, act)


LATELY = timedelta(days=7)
"""How far the log is read back, if nobody states it."""

Since = Annotated[Instant | None, Query(description="From this instant on; default: a week before `until`.")]
Until = Annotated[Instant | None, Query(description="Before this instant; default: now.")]
By = Annotated[str | None, Query(min_length=1, max_length=255, description="Only what this person did.")]
ActName = Annotated[str | None, Query(min_length=1, max_length=64, description="Only this act, such as invalidate.")]
OnLearner = Annotated[
    int | None, BeforeValidator(whole_number), Query(ge=1, lt=2**63, description="Only on this learner.")
]
After = Annotated[str | None, Query(max_length=100, description="`next` of the page before, as it is.")]


@app.get("/v1/audit", summary="What people did, approved, declined or were refused", **call(AuditPage))
def audit_log(
    *,
    since: Since = None,
    until: Until = None,
    actor: By = None,
    kind: Annotated[Kind | None, Query(description="Only entries of this kind.")] = None,
    act: ActName = None,
    course_run: CourseRun | None = None,
    learner_id: OnLearner = None,
    cursor: After = None,
) -> dict[str, Any]:
    """Return a page, newest first, with what came of each entry by now."""
    now = aws.now()
    first, last = span(since, until, now)
    which = Filter(actor, kind, act, None if course_run is None else key_of(course_run), learner_id)
    found, following = audit.listed(first, last, which, place_in(cursor), PAGE)
    return {"entries": as_json(found, now), "next": following}


def span(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return from when and up to when (UTC) a list goes. Raises RefusedActError."""
    last = until or now
    first = since or last - LATELY
    if first > last:
        raise RefusedActError(422, "since is after until", "swap them", "since")
    return first, last


def place_in(cursor: str | None) -> str | None:
    """Return where a page starts. Raises RefusedActError for what no page gave out."""
    if cursor and not (len(cursor) > 17 and cursor[:16].isascii() and cursor[:16].isdigit() and cursor[16] == "#"):
        raise RefusedActError(422, "this is no cursor", "take `next` of the page before as it is", "cursor")
    return cursor or None


def as_json(found: Sequence[Entry], now: datetime) -> list[dict[str, Any]]:
    """Return entries as JSON has them, with what came of each as of now (UTC)."""
    return [
        {
            **{name: value or None for name, value in entry.subject._asdict().items()},
            "reason": entry.subject.reason,
            "course_runs": list(entry.subject.course_runs),
            "key": entry.key,
            "at": as_time(entry.at),
            "by": entry.by,
            "kind": entry.kind,
            "count": entry.how_many,
            "event_id": entry.event_id or None,
            "outcome": outcome._asdict(),
        }
        for entry, outcome in zip(found, outcomes(found, now) if found else (), strict=True)
    ]
