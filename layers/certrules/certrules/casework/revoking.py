"""Revocations that are pending or held, and bulk revocations: one person asks, another approves."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from certrules import store
from certrules.casework.acts import ACTS, event_id_of, event_of, send
from certrules.casework.cases import RefusedActError, pending_as_json
from certrules.core.terms import Cause
from certrules.wire.stored import as_time

APPROVAL_TIME = timedelta(days=1)
"""How long a bulk revocation waits for the second person."""

MOST_LEARNERS = 1_000
"""How many learners one bulk revocation takes; more are asked for in parts."""


def pending_in(course_run: str, cursor: Mapping[str, Any] | None, limit: int) -> tuple[list[dict[str, Any]], Any]:
    """Return a page of pending revocations in a course run ("": everywhere), and where the next one starts."""
    shard, after = (cursor["shard"], cursor["after"]) if cursor else (0, None)
    pairs: list[store.Pair] = []
    while shard < store.PENDING_SHARDS and len(pairs) < limit:
        found, after = store.pending_in(course_run, shard, after, limit - len(pairs))
        pairs += found
        if after is None:
            shard += 1
    records = store.load(pairs).records if pairs else {}
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
    following = {"shard": shard, "after": after} if shard < store.PENDING_SHARDS else None
    return rows, following


def all_pending_in(course_run: str) -> Iterator[dict[str, Any]]:
    """Return every pending revocation in a course run."""
    cursor = None
    while True:
        rows, cursor = pending_in(course_run, cursor, 100)
        yield from rows
        if cursor is None:
            return


def discards(
    course_run: str, wanted: set[int] | None, by: str, reason: str, key: str, now: datetime
) -> list[dict[str, Any]]:
    """Return the events that have certificates stay whose revocation is held in a course run: these, or (None) all."""
    act = ACTS["discard"]
    return [
        event_of(
            act.event_type,
            act.key,
            {**_subject(row), "by": by, "notes": reason, "cause": row["cause"]},
            event_id_of("discard", by, key, row["learner_id"]),
            now,
        )
        for row in all_pending_in(course_run)
        if wanted is None or row["learner_id"] in wanted
    ]


def _subject(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"learner_id": row["learner_id"], "course_key": row["course_run"]}


def request_revocation(
    act: str, course_run: str, learners: Iterable[int] | None, by: str, reason: str, now: datetime, key: str
) -> dict[str, Any]:
    """Ask for several learners' certificates to be revoked: `release` what is held, or `invalidate`.

    `learners` None: all whose revocation is held in the course run. A second person has to approve it. The same
    person and key give the same request. Raises RefusedActError.
    """
    name = event_id_of("revocation", by, key)
    item = store.find_note("V", name)
    wanted = None if learners is None else set(learners)
    asked = {"act": act, "course_run": course_run, "learners": None if wanted is None else sorted(wanted)}
    if item.v:
        kept: dict[str, Any] = msgspec.json.decode(item.b)
        if kept["asked"] != asked:
            raise RefusedActError(422, "this key was used for something else", "use a new one", "Idempotency-Key")
        return kept
    if act == "release":
        causes = {row["learner_id"]: row["cause"] for row in all_pending_in(course_run)}
        if wanted is not None and (missing := wanted - causes.keys()):
            some = ", ".join(map(str, sorted(missing)[:10]))
            raise RefusedActError(409, f"nothing is held of: {some}", "leave them out", "learners")
        chosen = {
            str(learner): cause for learner, cause in sorted(causes.items()) if wanted is None or learner in wanted
        }
    elif wanted is None:
        raise RefusedActError(422, "whom?", "name the learners; only release takes all that are held", "learners")
    else:
        chosen = {str(learner): Cause.INVALIDATED for learner in sorted(wanted)}
    if not 0 < len(chosen) <= MOST_LEARNERS:
        fix = "nothing is held here" if not chosen else f"at most {MOST_LEARNERS} at once: ask in parts"
        raise RefusedActError(422, f"{len(chosen)} learners", fix, "learners")
    body = {
        "id": name,
        "asked": asked,
        "act": act,
        "course_run": course_run,
        "learners": chosen,
        "reason": reason,
        "requested_by": by,
        "requested_at": as_time(now),
        "expires_at": as_time(now + APPROVAL_TIME),
        "state": "requested",
        "decided_by": None,
        "decided_at": None,
    }
    store.save_note(item, body)
    return body


def revocations(now: datetime, limit: int = 100) -> list[dict[str, Any]]:
    """Return the bulk revocations that were asked for, newest first."""
    found = [_with_expiry(msgspec.json.decode(item.b), now) for item in store.notes_of("V", 1000)]
    return sorted(found, key=lambda body: body["requested_at"], reverse=True)[:limit]


def _with_expiry(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    if body["state"] == "requested" and datetime.fromisoformat(body["expires_at"]) <= now:
        return {**body, "state": "expired"}
    return body


def decide_revocation(bus: str, name: str, by: str, now: datetime, *, approve: bool) -> dict[str, Any]:
    """Approve a bulk revocation, which then happens, or decline it. Raises RefusedActError, SendError, LostRaceError.

    Killed in between, the same call by the same person carries on.
    """
    item = store.find_note("V", name)
    if not item.v:
        raise RefusedActError(404, "no such revocation was asked for", "see the list of revocations", "id")
    body = _with_expiry(msgspec.json.decode(item.b), now)
    state = "approved" if approve else "declined"
    resumed = body["state"] == state == "approved" and body["decided_by"] == by
    if not resumed:
        if body["state"] != "requested":
            raise RefusedActError(409, f"it is {body['state']} already", "ask for it anew if it is still wanted")
        if approve and body["requested_by"] == by:
            raise RefusedActError(403, "nobody approves what they asked for", "have a second person approve it")
        body |= {"state": state, "decided_by": by, "decided_at": as_time(now)}
        store.save_note(item, body)
    if approve:
        send(bus, _revocation_details(body))
        body["state"] = "done"
        store.save_note(item, body)
    return body


def _revocation_details(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    act = ACTS[body["act"]]
    notes = f"{body['reason']} (asked for by {body['requested_by']})"
    for learner, cause in body["learners"].items():
        data = {"learner_id": int(learner), "course_key": body["course_run"], "by": body["decided_by"], "notes": notes}
        if body["act"] == "release":
            data["cause"] = cause
        event_id = event_id_of(body["id"], learner)
        yield event_of(act.event_type, act.key, data, event_id, datetime.fromisoformat(body["decided_at"]))
