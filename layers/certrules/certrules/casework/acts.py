"""What a person does to a certificate: an event like any other.

Before it is sent, the very decision that `intake` will take is taken here, so that a person knows what it will do.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules import edge, store
from certrules.casework.cases import Case, RefusedActError, entries_of, pending_as_json, values_at
from certrules.core.facts import active_by_person
from certrules.core.guard import Published
from certrules.core.terms import PERSON, Fact, Status
from certrules.core.words import when
from certrules.intake import decide_anew
from certrules.store import SupportItem
from certrules.wire.inbound import ERASED, OWN_SOURCE, REQUESTED
from certrules.wire.stored import as_time

SOURCE = f"{OWN_SOURCE}/support"
REMEMBERED = timedelta(days=7)
"""How long an act is remembered by the key that it was asked for with."""

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
    """What an act will do, decided as `intake` will decide it."""

    before: Status | None
    after: Status | None
    sentence: str
    takes_away: bool
    pending: dict[str, Any] | None
    scope: str  # what it takes


def preview(case: Case, act: str, detail: Mapping[str, Any], now: datetime) -> Preview:
    """Say what an act will do to the certificate. Raises RefusedActError if it contradicts what stands."""
    _refuse_contradictions(case, act)
    before = case.published.certificate.status if case.published.certificate else None
    if ACTS[act].event_type == ERASED:
        return Preview(before, before, "The certificate stays; the learner's name is forgotten.", False, None, "act")
    anew = decide_anew(case.pair, case.loaded, entries_of(case.pair, detail, now), case.policies, now)
    published = anew.settled.published
    after = published.certificate.status if published.certificate else None
    takes_away = before is Status.DOWNLOADABLE and after is not Status.DOWNLOADABLE
    scope = "revoke" if takes_away else ACTS[act].scope
    return Preview(
        before, after, _sentence(before, after, published), takes_away, pending_as_json(published.pending), scope
    )


def _sentence(before: Status | None, after: Status | None, published: Published) -> str:
    if before is not after:
        words = "no certificate" if before is None else f"{before}"
        return f"The certificate changes from {words} to {after}."
    stays = "There is still no certificate" if after is None else f"The certificate stays {after}"
    if published.pending is None:
        return f"{stays}."
    due = published.pending.due
    until = "until a person decides" if due is None else f"until {when(due)}"
    return f"{stays}; a revocation is pending {until}."


def _refuse_contradictions(case: Case, act: str) -> None:
    timeline = case.loaded.records[case.pair].timeline
    values = values_at(timeline, timeline[-1].at) if timeline else {}
    pending = case.published.pending
    if act == "allowlist-add" and active_by_person(timeline) is not None:
        raise RefusedActError(409, "the certificate is invalidated by a person", "lift the invalidation first (lift)")
    if act == "invalidate" and values.get((Fact.ALLOWLIST, "")):
        raise RefusedActError(
            409, "the learner is on the allowlist", "remove the allowlist entry first (allowlist-remove)"
        )
    if act == "allowlist-remove" and not values.get((Fact.ALLOWLIST, "")):
        raise RefusedActError(409, "the learner is not on the allowlist", "nothing has to be removed")
    if act == "lift" and not values.get((Fact.INVALIDATION, PERSON)):
        raise RefusedActError(
            409, "no person's invalidation is active", "an exam's is lifted by verifying or resetting the exam"
        )
    if act in {"release", "discard"} and pending is None:
        raise RefusedActError(409, "no revocation is pending", "look at the case again: it may be decided already")


def detail_of(
    act: str, case: Case, *, event_id: str, at: datetime, by: str, reason: str, date: datetime | None = None
) -> dict[str, Any]:
    """Return the event that is the act. Raises RefusedActError if a date is missing, or is not asked for."""
    if (act == "date-set") is not (date is not None):
        fix = "give the date to show, as in 2026-01-31T00:00:00Z" if date is None else "only date-set takes one"
        raise RefusedActError(422, f"{act} and its date don't go together", fix, "date")
    data: dict[str, Any] = {"learner_id": case.pair.learner_id}
    if act != "erase-name":
        data |= {"course_key": case.pair.course_run, "by": by, "notes": reason}
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
    metadata = {"id": event_id, "event_type": event_type, "minorversion": 0, "time": as_time(at), "source": SOURCE}
    return {"metadata": metadata, key: data}


def event_id_of(*names: object) -> str:
    """Return the same event id for the same names: an act that is asked for twice happens once."""
    return str(uuid5(NAMESPACE_OID, msgspec.json.encode([str(name) for name in names]).decode()))


class Asked(NamedTuple):
    """An act that was asked for with a key."""

    item: SupportItem
    kept: dict[str, Any] | None  # what was kept of it, if it was asked for before


def asked_before(actor: str, key: str, asked: object) -> Asked:
    """Return what is remembered of an act by its key. Raises RefusedActError if the key was for something else."""
    name = event_id_of(actor, key)
    item = store.find_note(f"K#{name}", "-")
    if not item.v:
        return Asked(item, None)
    kept = msgspec.json.decode(item.b)
    if kept["asked"] != msgspec.json.decode(msgspec.json.encode(asked)):
        raise RefusedActError(422, "this key was used for something else", "use a new one", "Idempotency-Key")
    return Asked(item, kept)


def carry_out(bus: str, asked: Asked, request: object, detail: Mapping[str, Any], answer: object, now: datetime) -> Any:
    """Remember the act, then send its event; return the answer.

    Killed in between, it is carried out when it is asked for again: what was remembered is sent, under the same
    event id, so that it counts once. Raises SendError and LostRaceError: ask again.
    """
    kept = asked.kept
    if kept is None:
        kept = {"asked": request, "detail": detail, "answer": answer}
        store.save_note(asked.item, kept, now + REMEMBERED)
    send(bus, [kept["detail"]])
    return kept["answer"]


def count_alone(by: str, now: datetime) -> None:
    """Note that a person takes a certificate away. Raises RefusedActError when it becomes a bulk revocation."""
    item = store.find_note(f"K#{event_id_of('alone', by)}", "-")
    taken: list[str] = msgspec.json.decode(item.b) if item.v else []
    recent = [at for at in taken if datetime.fromisoformat(at) > now - ALONE_WITHIN]
    if len(recent) >= ALONE:
        fix = "ask for the others as a bulk revocation (POST /v1/revocations), which a second person approves"
        raise RefusedActError(403, f"nobody takes away more than {ALONE} certificates an hour alone", fix)
    store.save_note(item, [*recent, as_time(now)], now + ALONE_WITHIN)


def send(bus: str, details: Iterable[Mapping[str, Any]]) -> None:
    """Put events on the bus. Raises SendError unless all were taken."""
    events = [(item["metadata"]["event_type"], msgspec.json.encode(item).decode()) for item in details]
    taken = edge.put_events(bus, SOURCE, events)
    if taken < len(events):
        raise edge.SendError(f"{len(events) - taken} of {len(events)} events were not taken; ask again")
