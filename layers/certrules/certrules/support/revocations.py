"""Revocations that are pending or held, and bulk revocations: one person asks, another approves."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from certrules import audit, storage
from certrules.audit import Kind, Subject
from certrules.core.policy import Policies
from certrules.core.terms import Cause
from certrules.formats.stored import as_time
from certrules.requests import RefusedActError, event_id_of, identity, refuse_another_use
from certrules.storage import Pair, Place, StoredRecord
from certrules.support.acts import ACTS, Act, event_of, is_allowlisted, send
from certrules.support.cases import pending_as_json
from certrules.support.records import preview_of_many

APPROVAL_TIME = timedelta(days=1)
"""How long a bulk revocation waits for the second person."""

RETENTION = timedelta(days=90)
"""How long a bulk revocation stays on the list; what came of it stays in the certificates' history."""

MOST_LEARNERS = 1_000
"""How many learners one bulk revocation takes; more are asked for in parts."""


def pending_in(course_run: str, start: Place | None, limit: int) -> tuple[list[dict[str, Any]], Place | None]:
    """Return a page of pending revocations in a course run ("": everywhere), and where the next one starts."""
    pairs, following = storage.pending_page(course_run, start, limit)
    records = storage.load(pairs).records if pairs else {}
    rows = [
        {
            "learner_id": pair.learner_id,
            "course_run": pair.course_run,
            **pending,
            "by": records[pair].published.pending.actor.by,  # type: ignore[union-attr]
        }
        for pair in pairs
        if (pending := pending_as_json(records[pair].published.pending)) is not None
    ]
    return rows, following


def all_pending_in(course_run: str) -> Iterator[dict[str, Any]]:
    """Return every pending revocation in a course run."""
    rows, place = pending_in(course_run, None, 100)
    yield from rows
    while place is not None:
        rows, place = pending_in(course_run, place, 100)
        yield from rows


def plan_discards(
    course_run: str, learner_ids: set[int] | None, by: str, reason: str, now: datetime, event_id: str
) -> tuple[Any, Any]:
    """Plan to have certificates stay whose revocation is held in a course run: these learners', or (None) all.

    Return the plan, for `discards`, and the answer: how many, and how many are left for another call.
    """
    held = {
        str(row["learner_id"]): row["cause"]
        for row in all_pending_in(course_run)
        if learner_ids is None or row["learner_id"] in learner_ids
    }
    chosen = dict(islice(held.items(), MOST_LEARNERS))
    plan = {"id": event_id, "course_run": course_run, "learners": chosen, "by": by, "notes": reason}
    return {**plan, "at": as_time(now)}, {"discarded": len(chosen), "left": len(held) - len(chosen)}


def discards(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the events of a plan to discard."""
    return events_for(ACTS["discard"], plan)


def request_revocation(
    act: str,
    course_run: str,
    learners: Iterable[int] | None,
    by: str,
    reason: str,
    *,
    now: datetime,
    key: str,
    policies: Policies,
    line_notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Request a bulk revocation: `release` held revocations, or `invalidate`.

    `learners` None: all whose revocation is held in the course run, as far as nobody asked for them already. A second
    person has to approve it. The same person and key give the same request. Where records are on, it has what becomes
    of programs as of now (UTC). `line_notes`: learners of whom something is to be noted beside the reason. Raises
    RefusedActError.
    """
    name = event_id_of("revocation", by, key)
    item = storage.find_note("V", name)
    learner_ids = None if learners is None else set(learners)
    requested = {"act": act, "course_run": course_run, "learners": None if learner_ids is None else sorted(learner_ids)}
    if item.v:
        stored: dict[str, Any] = msgspec.json.decode(item.b)
        refuse_another_use(stored["asked"], requested)
        return stored
    chosen = to_release(course_run, learner_ids, now) if act == "release" else _to_invalidate(course_run, learner_ids)
    taken = dict(islice(chosen.items(), MOST_LEARNERS))
    body = {
        "id": name,
        "asked": requested,
        "act": act,
        "course_run": course_run,
        "learners": taken,
        "line_notes": dict(line_notes or {}),
        "programs": preview_of_many(map(int, taken), course_run, policies, now),
        "left": max(0, len(chosen) - MOST_LEARNERS),  # for another request
        "reason": reason,
        "requested_by": by,
        "requested_at": as_time(now),
        "expires_at": as_time(now + APPROVAL_TIME),
        "state": "requested",
        "decided_by": None,
        "decided_at": None,
    }
    audit.note(name, by, now, Kind.ACT, _subject(body, f"ask to {act}"), count=len(taken))
    storage.save_note(item, body, now + RETENTION)
    return body


def _subject(body: Mapping[str, Any], act: str) -> Subject:
    return Subject(act, body["reason"], course_runs=(body["course_run"],), revocation=body["id"])


def entry_of(body: Mapping[str, Any]) -> str:
    """Return the key of the last entry of the audit log about a bulk revocation."""
    return storage.entry_key(datetime.fromisoformat(body["decided_at"] or body["requested_at"]), body["id"])


def to_release(course_run: str, learner_ids: set[int] | None, now: datetime) -> dict[str, str]:
    """Return the learners whose held revocation is to be released, each with its cause. Raises RefusedActError.

    `learner_ids` None: all that are held in the course run and that nobody asked for yet.
    """
    causes = {row["learner_id"]: str(row["cause"]) for row in all_pending_in(course_run)}
    if learner_ids is not None and (missing := learner_ids - causes.keys()):
        raise RefusedActError(409, f"nothing is held of: {_some(missing)}", "leave them out", "learners")
    if learner_ids is None:
        waiting = (item for item in revocations(now) if item["state"] == "requested" and item["act"] == "release")
        learner_ids = causes.keys() - {
            int(who) for item in waiting if item["course_run"] == course_run for who in item["learners"]
        }
    if not learner_ids:
        raise RefusedActError(409, "nothing is held here that nobody asked for yet", "see the held list", "learners")
    return {str(learner): causes[learner] for learner in sorted(learner_ids)}


def _to_invalidate(course_run: str, learner_ids: set[int] | None) -> dict[str, str]:
    """Return the learners whose certificate is to be invalidated. An allowlist entry contradicts that."""
    if not learner_ids:
        raise RefusedActError(422, "whom?", "name the learners; only release takes all that are held", "learners")
    records = storage.load(Pair(learner, course_run) for learner in learner_ids).records
    if unknown := {pair.learner_id for pair, stored in records.items() if not stored.version}:
        fix = "compare learner ids and course run, or leave them out"
        raise RefusedActError(404, f"nothing is known here of: {_some(unknown)}", fix, "learners")
    _refuse_allowlisted(records)
    return {str(learner): Cause.INVALIDATED for learner in sorted(learner_ids)}


def _refuse_allowlisted(records: Mapping[Pair, StoredRecord]) -> None:
    if listed := {pair.learner_id for pair, stored in records.items() if is_allowlisted(stored.timeline)}:
        fix = "remove their entries first, or leave them out"
        raise RefusedActError(409, f"on the allowlist: {_some(listed)}", fix, "learners")


def _some(learners: Collection[int]) -> str:
    some = ", ".join(map(str, sorted(learners)[:10]))
    return f"{some} and {len(learners) - 10} more" if len(learners) > 10 else some


def revocations(now: datetime) -> list[dict[str, Any]]:
    """Return the bulk revocations that were asked for of late, newest first."""
    found = [_with_expiry(msgspec.json.decode(item.b), now) for item in storage.notes_of("V")]
    return sorted(found, key=lambda body: body["requested_at"], reverse=True)


def _with_expiry(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    if body["state"] == "requested" and datetime.fromisoformat(body["expires_at"]) <= now:
        return {**body, "state": "expired"}
    return body


def decide_revocation(bus: str, name: str, by: str, now: datetime, *, approve: bool) -> dict[str, Any]:
    """Approve a bulk revocation, which then happens, or decline it. Raises RefusedActError, SendError, LostRaceError.

    The same decision again gets the same answer. After a crash in between, whoever approves it again completes it.
    """
    item = storage.find_note("V", name) if 0 < len(name) <= 64 else None
    if item is None or not item.v:
        raise RefusedActError(404, "no such revocation was asked for", "see the list of revocations", "id")
    body = _with_expiry(msgspec.json.decode(item.b), now)
    decision = "approved" if approve else "declined"
    if approve and identity(body["requested_by"]) == identity(by):
        raise RefusedActError(403, "nobody approves what they asked for", "have a second person approve it")
    if body["state"] == "requested":
        if approve and body["act"] == "invalidate":
            _refuse_allowlisted(storage.load(Pair(int(who), body["course_run"]) for who in body["learners"]).records)
        kind, act = (Kind.APPROVAL, "approve") if approve else (Kind.DECLINE, "decline")
        audit.note(name, by, now, kind, _subject(body, act), count=len(body["learners"]))
        body |= {"state": decision, "decided_by": by, "decided_at": as_time(now)}
        storage.save_note(item, body, _expiry(body))
    elif body["state"] == "done" and approve and body["decided_by"] == by:
        return body
    elif body["state"] != decision or (body["decided_by"] != by and not approve):
        fix = "ask for it anew if it is still wanted"  # a sentence of the API: it reads as callers know it
        raise RefusedActError(409, f"it is {body['state']} already", fix)
    if approve:
        send(bus, _revocation_events(body))
        body["state"] = "done"
        storage.save_note(item, body, _expiry(body))
    return body


def _expiry(body: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(body["requested_at"]) + RETENTION


def _revocation_events(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    notes = f"{body['reason']} (asked for by {body['requested_by']})"
    return events_for(ACTS[body["act"]], {**body, "by": body["decided_by"], "notes": notes, "at": body["decided_at"]})


def events_for(act: Act, plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return an event for each learner of a plan, always under the same id."""
    line_notes = plan.get("line_notes", {})
    for learner, cause in plan["learners"].items():
        notes = f"{plan['notes']}: {line_notes[learner]}" if learner in line_notes else plan["notes"]
        data = {"learner_id": int(learner), "course_key": plan["course_run"], "by": plan["by"], "notes": notes}
        if act.key == "revocation":
            data["cause"] = cause
        event_id = event_id_of("one of many", plan["id"], learner)
        yield event_of(act.event_type, act.key, data, event_id, datetime.fromisoformat(plan["at"]))
