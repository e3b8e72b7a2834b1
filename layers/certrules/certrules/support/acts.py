"""Acts: what a person does to a certificate is an event like any other.

Its effect is decided before it is sent, by the same function as in ingestion, so that a person sees it first.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from certrules import audit, aws, storage
from certrules.audit import Kind, Subject
from certrules.core.dates import shown
from certrules.core.deciding import decide_record
from certrules.core.decision import Decision
from certrules.core.fact_types import Fact
from certrules.core.facts import active_by_person
from certrules.core.guard import PublishedCertificate
from certrules.core.terms import Status
from certrules.core.timeline import Timeline, TimelineFullError
from certrules.core.wording import listed, old_logic_decides, status_text, when
from certrules.formats.messages import ERASED, REQUESTED, SUPPORT_SOURCE
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError, event_id_of, identity, remembered
from certrules.support.case_history import values_at
from certrules.support.cases import Case, entries_of, pending_as_json
from certrules.support.records import Programs
from certrules.support.spellings import spellings_for

ALONE = 5
ALONE_WITHIN = timedelta(hours=1)
"""How many certificates a person may take away one by one in this time; more are a bulk revocation."""


class Act(NamedTuple):
    """Something that a person can do."""

    event_type: str
    key: str  # under which the event holds its data
    label: str  # on a button
    scope: str  # what it takes at least; one that takes a certificate away takes `revoke`


ACTS: Mapping[str, Act] = {
    "allowlist-add": Act("certificates.allowlist.entry.added.v1", "entry", "Add to the allowlist", "act"),
    "allowlist-remove": Act("certificates.allowlist.entry.removed.v1", "entry", "Remove from the allowlist", "act"),
    "invalidate": Act("certificates.invalidation.created.v1", "invalidation", "Invalidate", "revoke"),
    "lift": Act("certificates.invalidation.lifted.v1", "invalidation", "Lift the invalidation", "act"),
    "date-set": Act("certificates.date_override.set.v1", "override", "Set the date", "act"),
    "date-remove": Act("certificates.date_override.removed.v1", "override", "Remove the date override", "act"),
    "redecide": Act(REQUESTED, "request", "Decide again", "act"),
    "release": Act("certificates.revocation.released.v1", "revocation", "Release the revocation", "revoke"),
    "discard": Act("certificates.revocation.discarded.v1", "revocation", "Discard the revocation", "act"),
    "erase-name": Act(ERASED, "learner", "Erase the learner's name", "act"),
}

SWITCHES: Mapping[str, str] = {
    "stop": "certificates.automatic_revocations.stopped.v1",
    "resume": "certificates.automatic_revocations.resumed.v1",
}


class Preview(NamedTuple):
    """The effect of an act, by the same decision that ingestion will make."""

    before: Status | None
    after: Status | None
    sentence: str
    takes_away: bool
    pending: dict[str, Any] | None
    scope: str  # what it takes
    version: int  # of the case, as it was looked at
    programs: dict[str, Any] | None = None  # what becomes of program certificates; None: no loss, or records are off


def preview(case: Case, act: str, detail: Mapping[str, Any], now: datetime, programs: Programs) -> Preview:
    """Return the effect of an act. Raises RefusedActError if it contradicts the current state, or finds no room.

    `programs` is asked only if a certificate is taken away, or if one is awarded that is shown later.
    """
    _refuse_contradictions(case, act)
    before = case.published.certificate
    status = before.status if before else None
    if ACTS[act].event_type == ERASED:
        sentence = "The certificate stays; the learner's name is forgotten here, in all course runs."
        return Preview(status, status, sentence, False, None, "act", case.version)
    try:
        decided = decide_record(case.known, entries_of(case.pair, detail, now), now)
    except TimelineFullError as error:
        raise RefusedActError(409, "the learner's record is full", str(error)) from error
    published = decided.publication.published
    after = published.certificate
    takes_away = status is Status.DOWNLOADABLE and (after is None or after.status is not Status.DOWNLOADABLE)
    sentence = _sentence(status, published, decided.outcome.decision)
    if not decided.rollout.is_live:
        found = decided.compared()
        sentence = f"{old_logic_decides(decided.rollout.rollout)} Nothing changes now; then: {found.sentence}"
    was, will = shown(before, case.record.timeline, now), shown(after, decided.record.timeline, now)
    sentence += "" if was.date in {None, will.date} or will.date is None else f" It will show {when(will.date)}."
    if act == "allowlist-add":
        sentence += _unknown_yet(case)
    scope = "revoke" if takes_away else ACTS[act].scope
    pending = pending_as_json(published.pending)
    course_run, shown_from = case.pair.course_run, {}
    if status is not Status.DOWNLOADABLE and will.visible_from is not None and will.visible_from > now:
        shown_from[course_run] = will.visible_from
    cascade = programs([course_run] if takes_away else [], shown_from)
    return Preview(status, after.status if after else None, sentence, takes_away, pending, scope, case.version, cascade)


def _unknown_yet(case: Case) -> str:
    """Return what a person has to know who adds an allowlist entry before an enrollment is known; "" if one is."""
    if any(entry.fact is Fact.ENROLLMENT for entry in case.record.timeline):
        return ""
    sentence = " No enrollment is known yet: the entry is stored all the same, and counts once the learner is enrolled."
    others = listed([*spellings_for(case.pair, case.record.timeline)])
    return (
        f"{sentence} Something is known under another spelling of the key: is {others} meant?" if others else sentence
    )


def _sentence(before: Status | None, published: PublishedCertificate, decision: Decision) -> str:
    after = published.certificate.status if published.certificate else None
    because = f" because {decision.reasons_text}" if decision.unmet and after is not Status.DOWNLOADABLE else ""
    if before is not after and before is None:
        return f"There will be a certificate: {status_text(after)}{because}."
    if before is not after:
        return f"The certificate changes from {status_text(before)} to {status_text(after)}{because}."
    stays = "There is still no certificate" if after is None else f"The certificate stays {status_text(after)}"
    if published.pending is None:
        return f"{stays}{because}."
    due = published.pending.due
    until = "until a person decides" if due is None else f"until {when(due)}"
    return f"{stays}; a revocation is pending {until}."


def is_allowlisted(timeline: Timeline) -> bool:
    """Whether the learner is on the allowlist, by the last entry."""
    return bool(_last(timeline, Fact.ALLOWLIST))


def _last(timeline: Timeline, fact: Fact) -> Any:
    """Return the value of a fact by its last entry; None: it has none."""
    return values_at(timeline, timeline[-1].at).get((fact, "")) if timeline else None


def is_accepted(case: Case, act: str) -> bool:
    """Whether an act is accepted in a case as it is, by whoever may do it."""
    may_be_first = act == "erase-name" or (act == "allowlist-add" and case.is_course_run_known)
    if not (case.is_known or may_be_first):
        return False
    try:
        _refuse_contradictions(case, act)
    except RefusedActError:
        return False
    return True


def _refuse_contradictions(case: Case, act: str) -> None:
    timeline = case.loaded.records[case.pair].timeline
    invalidated, listed = active_by_person(timeline) is not None, is_allowlisted(timeline)
    if act == "allowlist-add" and invalidated:
        raise RefusedActError(409, "the certificate is invalidated by a person", "lift the invalidation first")
    if act == "allowlist-add" and listed:
        raise RefusedActError(409, "the learner is on the allowlist already", "nothing has to be added")
    if act == "invalidate" and listed:
        fix = "remove the allowlist entry first"
        raise RefusedActError(409, "the learner is on the allowlist", fix)
    if act == "invalidate" and invalidated:
        raise RefusedActError(409, "the certificate is invalidated by a person already", "nothing has to be done")
    if act == "allowlist-remove" and not listed:
        raise RefusedActError(409, "the learner is not on the allowlist", "nothing has to be removed")
    if act == "lift" and not invalidated:
        fix = "an exam's is lifted by verifying or resetting the exam"
        raise RefusedActError(409, "no person's invalidation is active", fix)
    if act == "date-remove" and not _last(timeline, Fact.DATE_OVERRIDE):
        raise RefusedActError(409, "no date is set by a person", "nothing has to be removed")
    if act in {"release", "discard"} and case.published.pending is None:
        raise RefusedActError(409, "no revocation is pending", "look at the case again: it may be decided already")


def detail_of(
    act: str, case: Case, *, event_id: str, at: datetime, by: str, reason: str, date: datetime | None = None
) -> dict[str, Any]:
    """Return the event that is the act. Raises RefusedActError if a date is missing, or is not asked for."""
    if (act == "date-set") is not (date is not None):
        title = "no date is given" if date is None else f"{act} takes no date"
        fix = "give the date to show, as in 2026-01-31T00:00:00Z" if date is None else "leave the date out"
        raise RefusedActError(422, title, fix, "date")
    data: dict[str, Any] = {"learner_id": case.pair.learner_id, "by": by, "notes": reason}
    if act != "erase-name":  # which is about all course runs
        data["course_key"] = case.pair.course_run
    if date is not None:
        data["date"] = as_time(date)
    if act in {"release", "discard"} and case.published.pending is not None:
        data["cause"] = case.published.pending.cause
    return event_of(ACTS[act].event_type, ACTS[act].key, data, event_id, at)


def switch_detail(switch: str, course_run: str | None, event_id: str, at: datetime, by: str, reason: str) -> Any:
    """Return the event that stops or resumes automatic revocations, in a course run or (None) everywhere."""
    return event_of(SWITCHES[switch], "switch", {"course_key": course_run, "by": by, "notes": reason}, event_id, at)


def event_of(event_type: str, key: str, data: Mapping[str, Any], event_id: str, at: datetime) -> dict[str, Any]:
    """Return the event of a type that holds data under its key."""
    metadata = {
        "id": event_id,
        "event_type": event_type,
        "minorversion": 0,
        "time": as_time(at),
        "source": SUPPORT_SOURCE,
    }
    return {"metadata": metadata, key: data}


class Done(NamedTuple):
    """A request that was done: what the person is answered, and the key of its entry in the audit log."""

    answer: Any
    entry: str


def once(
    bus: str,
    by: str,
    key: str,
    request: object,
    subject: Subject,
    *,
    now: datetime,
    planned: Callable[[str], tuple[Any, Any]],
    events_of: Callable[[Any], Iterable[Mapping[str, Any]]] = lambda plan: [plan],
) -> Done:
    """Do a person's request with a key once, as of now (UTC); its answer is that of the first time.

    `planned` is given an event id and returns a plan and the answer, `events_of` the plan's events (the plan itself
    is one by default). The plan and its entry in the audit log are stored before its events are sent: after a crash in
    between, the same call sends the same events under the same ids, so that they count once. Raises like
    `remembered`, and SendError.
    """
    stored = remembered(by, key, request, now, planned)
    events = list(events_of(stored["plan"]))
    event_id = events[0]["metadata"]["id"] if len(events) == 1 else ""
    entry = audit.note(stored["name"], by, stored["at"], Kind.ACT, subject, count=len(events), event_id=event_id)
    send(bus, events)
    return Done(stored["answer"], entry)


def count_alone(by: str, event_id: str, now: datetime) -> None:
    """Note that a person takes a certificate away. Raises RefusedActError when it becomes a bulk revocation."""
    item = storage.find_note(f"K#{event_id_of('alone', identity(by))}", "-")
    accepted: dict[str, str] = msgspec.json.decode(item.b) if item.v else {}
    recent = {name: at for name, at in accepted.items() if datetime.fromisoformat(at) > now - ALONE_WITHIN}
    if event_id in recent:
        return
    if len(recent) >= ALONE:
        fix = "ask for the others at once (console: Many at once; API: POST /v1/lists/act); a second person approves it"
        raise RefusedActError(403, f"nobody takes away more than {ALONE} certificates an hour alone", fix)
    storage.save_note(item, {**recent, event_id: as_time(now)}, now + ALONE_WITHIN)


def send(bus: str, details: Iterable[Mapping[str, Any]]) -> None:
    """Put events on the bus. Raises SendError unless all were taken."""
    events = [(item["metadata"]["event_type"], msgspec.json.encode(item).decode()) for item in details]
    accepted = aws.put_events(bus, SUPPORT_SOURCE, events)
    if accepted < len(events):
        raise aws.SendError(f"{len(events) - accepted} of {len(events)} events were not taken; ask again")
