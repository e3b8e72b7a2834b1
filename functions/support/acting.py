"""What people do, at the API and in the console: previewed, done once for a key, and noted in the audit log."""

from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from application import (
    ABOUT,
    BUS,
    POLICIES,
    actor,
    demand,
    key_of,
    known_key_of,
    metrics,
    pair_of,
    refuse_unknown,
    refuse_unknown_course_run,
)
from certrules import aws
from certrules.audit import Subject
from certrules.requests import RefusedActError
from certrules.support import acts, cases, records, revocations
from certrules.support.acts import ACTS, SWITCHES, Done
from models import ActRequest, BulkDiscard, BulkRevocation, PreviewRequest, Switch


def previewed(request: PreviewRequest, event_id: str) -> tuple[dict[str, Any], acts.Preview, datetime]:
    """Return the event that is the act, and what it will do. Raises RefusedActError."""
    now = aws.now()
    ABOUT["act"] = request.act
    found = cases.open_case(pair_of(request.learner_id, request.course_run), POLICIES)
    if request.version is not None and request.version != found.version:
        raise RefusedActError(409, "the case changed since it was looked at", "look at it again", "version")
    may_be_first = request.act == "allowlist-add" and found.is_course_run_known  # the preview states what is unknown
    if not found.is_known and not may_be_first and request.act != "erase-name":
        refuse_unknown(found, only_spelling=request.act == "allowlist-add")
    detail = acts.detail_of(
        request.act, found, event_id=event_id, at=now, by=actor(), reason=request.reason, date=request.date
    )
    programs = records.previewing(request.learner_id, POLICIES, now)
    return detail, acts.preview(found, request.act, detail, now, programs), now


def acted(request: ActRequest, key: str) -> Done:
    """Send the act as an event, once for a key. Raises RefusedActError, SendError, LostRaceError."""
    ABOUT["act"] = request.act
    pair = pair_of(request.learner_id, request.course_run)
    demand(ACTS[request.act].scope)

    def planned(event_id: str) -> tuple[Any, Any]:
        detail, preview, now = previewed(request, event_id)
        demand(preview.scope)
        if preview.takes_away:
            acts.count_alone(actor(), event_id, now)
        metrics.add_metric(name=f"act_{request.act}", unit=MetricUnit.Count, value=1)
        return detail, {"event_id": event_id, "at": detail["metadata"]["time"], **preview._asdict()}

    body = request.model_dump(mode="json", exclude={"version"})
    subject = Subject(request.act, request.reason, pair.learner_id, (pair.course_run,))
    return acts.once(BUS, actor(), key, body, subject, now=aws.now(), planned=planned)


def switched(switch: str, request: Switch, key: str) -> Done:
    """Send the event that stops or resumes automatic revocations, once for a key. Raises like `acted`."""
    if switch not in SWITCHES:
        raise RefusedActError(404, f"{switch} is neither stop nor resume", "POST to one of them", "switch")
    ABOUT["act"] = switch
    where = None if request.course_run is None else key_of(request.course_run)
    demand("act" if switch == "stop" else "revoke")
    now = aws.now()

    def planned(event_id: str) -> tuple[Any, Any]:
        if where is not None:
            refuse_unknown_course_run(where)
        return acts.switch_detail(switch, where, event_id, now, actor(), request.reason), {"event_id": event_id}

    subject = Subject(switch, request.reason, course_runs=() if where is None else (where,))
    body = {"switch": switch, **request.model_dump(mode="json")}
    return acts.once(BUS, actor(), key, body, subject, now=now, planned=planned)


def discarded(request: BulkDiscard, key: str) -> Done:
    """Send the events that have certificates stay whose revocation is held, once for a key. Raises like `acted`."""
    ABOUT["act"] = "discard"
    demand("act")
    learners = None if request.learners is None else set(request.learners)
    course_run = key_of(request.course_run)
    refuse_unknown_course_run(course_run)
    plan = partial(revocations.plan_discards, course_run, learners, actor(), request.reason, aws.now())
    body = {"discard": request.model_dump(mode="json")}
    subject = Subject("discard", request.reason, course_runs=(course_run,))
    now = aws.now()
    return acts.once(BUS, actor(), key, body, subject, now=now, planned=plan, events_of=revocations.discards)


def revocation_asked_for(request: BulkRevocation, key: str) -> dict[str, Any]:
    """Store a bulk revocation until a second person approves it, once for a key. Raises RefusedActError."""
    ABOUT["act"] = f"ask to {request.act}"
    demand("revoke")
    course_run = known_key_of(request.course_run)
    asked = (request.act, course_run, request.learners, actor(), request.reason)
    return revocations.request_revocation(*asked, now=aws.now(), key=key, policies=POLICIES)


def revocation_decided(revocation_id: str, decision: str) -> dict[str, Any]:
    """Approve or decline a bulk revocation. Raises RefusedActError, SendError, LostRaceError."""
    if decision not in {"approve", "decline"}:
        raise RefusedActError(404, f"{decision} is neither approve nor decline", "POST to one of them")
    ABOUT.update(act=decision, revocation=revocation_id)
    demand("approve")
    return revocations.decide_revocation(BUS, revocation_id, actor(), aws.now(), approve=decision == "approve")
