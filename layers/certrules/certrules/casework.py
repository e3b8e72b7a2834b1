"""What support sees and does: a learner's case in a course run, a course run's checklist, and acts on certificates.

Whatever is done is an event like any other. Before it is sent, the very decision that `intake` will take is taken
here, so that a person knows what it will do to the certificate.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules import edge, store
from certrules.core import explain as explaining
from certrules.core.facts import CertificateInvalidation, Enrollment, Record, active_by_person, invalidations
from certrules.core.guard import Published
from certrules.core.policy import Policies, overridden
from certrules.core.replay import Pending, replay
from certrules.core.terms import PERSON, Cause, Fact, Status, is_ccx
from certrules.core.timeline import Entry, Timeline, at_instant
from certrules.core.words import when
from certrules.intake import decide_anew
from certrules.store import Loaded, Pair, SupportItem
from certrules.wire.inbound import ERASED, OWN_SOURCE, REQUESTED, RefusedError, decode
from certrules.wire.stored import as_time, certificate_as_json
from certrules.wire.told import events_from

SOURCE = f"{OWN_SOURCE}/support"
REMEMBERED = timedelta(days=7)
"""How long an act is remembered by the key that it was asked for with."""

APPROVAL_TIME = timedelta(days=1)
"""How long a bulk revocation waits for the second person."""

ALONE = 5
ALONE_WITHIN = timedelta(hours=1)
"""How many certificates a person may take away one by one in this time; more are a bulk revocation."""

MOST_LEARNERS = 1_000
"""How many learners one bulk revocation takes; more are asked for in parts."""


class RefusedActError(Exception):
    """What was asked for can't be done. `field` is what is wrong with it, `fix` the way out; `status` is HTTP's."""

    def __init__(self, status: int, title: str, fix: str, field: str = "") -> None:
        """Refuse, with the way out."""
        super().__init__(f"{title}: {fix}")
        self.status, self.title, self.fix, self.field = status, title, fix, field


# --- a learner's case


@dataclass(frozen=True, slots=True)
class Case:
    """All that is kept of a learner in a course run."""

    pair: Pair
    loaded: Loaded
    policies: Policies

    @property
    def published(self) -> Published:
        """What learners and other services were last told."""
        return self.loaded.records[self.pair].published

    @property
    def record(self) -> Record:
        """What was heard: of the learner in the course run, their ID verification, and the course run."""
        return store.record_of(self.pair, self.loaded, self.loaded.records[self.pair].timeline)

    @property
    def version(self) -> int:
        """How often anything was saved of the learner in the course run."""
        return self.loaded.records[self.pair].version

    @property
    def is_known(self) -> bool:
        """Whether anything was ever heard of the learner in the course run."""
        return self.version > 0


def open_case(pair: Pair, policies: Policies) -> Case:
    """Read all that is kept of a learner in a course run: one request."""
    return Case(pair, store.load([pair]), policies)


def explain(case: Case, as_of: datetime | None, now: datetime) -> explaining.Explanation:
    """Explain the case as of an instant (UTC), or (None) as it is published now."""
    kept = case.loaded.records[case.pair]
    published = kept.published if as_of is None else None
    return explaining.explain(case.record, case.policies, as_of or now, published=published, compacted=kept.settled)


def case_as_json(
    case: Case, as_of: datetime | None, now: datetime, certificate_url: str, dead_letters: str
) -> dict[str, Any]:
    """Return everything that support can know of a case: three requests more.

    `dead_letters` is the queue that gets what could not be delivered to consumers.
    """
    explanation = explain(case, as_of, now)
    history = _history(case.pair)
    return {
        **explaining.as_json(explanation),
        "text": explaining.as_text(explanation),
        "fields": _fields(case, explanation, history, certificate_url),
        "invalidations": [_invalidation(item) for item in invalidations(case.record.timeline)],
        "history": history,
        "undelivered": edge.waiting_in(dead_letters),  # status changes, of anybody, that a consumer's queue didn't take
        "version": case.version,
    }


def _invalidation(item: CertificateInvalidation) -> dict[str, Any]:
    return {
        "origin": item.exam or "person",
        "at": as_time(item.at),
        "by": item.by,
        "notes": item.notes,
        "lifted_at": as_time(item.lifted_at),
        "lifted_by": item.lifted_by,
    }


def invalidations_in(course_run: str) -> list[dict[str, Any]]:
    """Return every invalidation in a course run, active or lifted, by learner."""
    return [
        {"learner_id": learner_id, **_invalidation(item)}
        for learner_id, found in sorted(store.invalidated_in(course_run))
        for item in found
    ]


def _history(pair: Pair) -> list[dict[str, Any]]:
    """Return what was published, oldest first, with when the bus took it and as which events (None: not yet)."""
    receipts = store.receipts_of(pair)
    found = []
    for key, body in store.history_of(pair):
        item = msgspec.json.decode(body)
        if item["kind"] == "tripped":
            continue
        receipt = msgspec.json.decode(receipts[key]) if key in receipts else {"at": None, "events": []}
        found.append(
            {
                "at": item["at"],
                "kind": item["kind"],
                "previous": item.get("previous"),
                "status": item["certificate"]["status"],
                "cause": item["cause"],
                "by": item.get("by", ""),
                "reason": item.get("reason", ""),
                "reasons": item["decision"]["unmet"],
                "policy": item["decision"]["policy"],
                "published_at": receipt["at"],
                "published_as": receipt["events"],
            }
        )
    return found


def _fields(
    case: Case, explanation: explaining.Explanation, history: list[dict[str, Any]], certificate_url: str
) -> dict[str, Any]:
    """Return what support would otherwise collect by hand."""
    values = _values(case.record.timeline, explanation.as_of)
    certificate = explanation.certificate
    enrollment: Enrollment | None = values.get((Fact.ENROLLMENT, ""))
    changes = [item for item in history if item["kind"] == "transition"]
    actors = [item["by"] for item in changes if item["by"]]
    return {
        "kind": "course certificate",
        "course_run": case.pair.course_run,
        "learner_id": case.pair.learner_id,
        "mode": certificate.mode if certificate else None,
        "enrollment_mode": enrollment.mode if enrollment else None,
        "grade": certificate.grade if certificate else None,
        "url": certificate_url + certificate.certificate_id if certificate and certificate.certificate_id else None,
        "certificate_id": certificate.certificate_id if certificate else None,
        "generated_at": as_time(certificate.first_issued_at) if certificate else None,
        "issued_at": as_time(certificate.issued_at) if certificate else None,
        "regenerated_at": changes[-1]["at"] if len(changes) > 1 else None,
        "last_changed_by": actors[-1] if actors else None,
        "pacing": _PACING[values.get((Fact.COURSE_RUN, "self_paced"))],
        "display_behavior": values.get((Fact.COURSE_RUN, "display_behavior")),
    }


_PACING = {True: "self-paced", False: "instructor-paced", None: None}


def _values(timeline: Timeline, as_of: datetime) -> dict[tuple[Fact, str], Any]:
    return {line: entry.value for line, entry in at_instant(timeline, as_of).items()}


def course_runs_of(learner_id: int) -> list[dict[str, Any]]:
    """Return the course runs in which anything is known of a learner, with the certificate there: one request."""
    return [
        {
            "course_run": course_run,
            "certificate": certificate_as_json(kept.published.certificate) if kept.published.certificate else None,
            "pending": _pending(kept.published.pending),
        }
        for course_run, kept in sorted(store.records_of(learner_id).items())
    ]


def _pending(pending: Pending | None) -> dict[str, Any] | None:
    if pending is None:
        return None
    return {"cause": pending.cause, "since": as_time(pending.since), "due": as_time(pending.due)}


def export(case: Case, now: datetime) -> dict[str, Any]:
    """Return the events that reproduce the case in `certs replay`, with the instant, and what is published."""
    published = case.published
    return {
        "events": events_from(case.record),
        "until": as_time(now),
        "certificate": certificate_as_json(published.certificate) if published.certificate else None,
        "pending": _pending(published.pending),
    }


# --- what if


def what_if(case: Case, codes: Iterable[str], events: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Return what the case would amount to after changes by their codes, and events; nothing is stored.

    Raises RefusedActError for a code that can't be offered here, or an event that can't be read.
    """
    offered = {change.code: change for change in explaining.possible_changes(case.record, case.policies, now)}
    chosen = []
    for code in codes:
        if code not in offered:
            known = ", ".join(sorted(offered))
            raise RefusedActError(
                422, f"{code!r} is no change that could be made here", f"choose of: {known}", "changes"
            )
        chosen.append(offered[code])
    entries = [entry for event in events for entry in _entries(case.pair, event, now)]
    told = explaining.Change("events", "", "", tuple(entry._replace(at=now) for entry in entries))
    before = replay(case.record, case.policies, now)
    after = explaining.what_if(case.record, case.policies, now, [*chosen, told])
    return {
        "stored": False,
        "changes": [{"code": change.code, "sentence": change.sentence, "who": change.who} for change in chosen],
        "before": {"status": before.status, "reasons": before.reasons},
        "after": {"status": after.status, "reasons": after.reasons, "pending": _pending(after.pending)},
    }


def _record(case: Case) -> Any:
    return store.record_of(case.pair, case.loaded, case.loaded.records[case.pair].timeline)


def _entries(pair: Pair, detail: Mapping[str, Any], now: datetime) -> tuple[Entry, ...]:
    try:
        message = decode(msgspec.json.encode(detail), now)
    except RefusedError as refusal:
        raise RefusedActError(422, f"the event is refused: {refusal.reason}", refusal.fix, refusal.field) from refusal
    if message is None or message.learner_id not in {None, pair.learner_id}:
        raise RefusedActError(422, "the event is about another learner", "name the learner of the case", "learner_id")
    return message.entries


# --- acts


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
    anew = decide_anew(case.pair, case.loaded, _entries(case.pair, detail, now), case.policies, now)
    published = anew.settled.published
    after = published.certificate.status if published.certificate else None
    takes_away = before is Status.DOWNLOADABLE and after is not Status.DOWNLOADABLE
    scope = "revoke" if takes_away else ACTS[act].scope
    return Preview(before, after, _sentence(before, after, published), takes_away, _pending(published.pending), scope)


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
    values = _values(timeline, timeline[-1].at) if timeline else {}
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
    return _detail(ACTS[act].event_type, ACTS[act].key, data, event_id, at)


def switch_detail(switch: str, course_run: str | None, event_id: str, at: datetime, by: str, reason: str) -> Any:
    """Return the event that stops or resumes automatic revocations, in a course run or (None) everywhere."""
    return _detail(SWITCHES[switch], "switch", {"course_key": course_run, "by": by, "notes": reason}, event_id, at)


def _detail(event_type: str, key: str, data: Mapping[str, Any], event_id: str, at: datetime) -> dict[str, Any]:
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


# --- what is held, and bulk revocations


def pending_in(course_run: str, cursor: Mapping[str, Any] | None, limit: int) -> tuple[list[dict[str, Any]], Any]:
    """Return a page of pending revocations in a course run ("": everywhere), and where the next one starts."""
    shard, after = (cursor["shard"], cursor["after"]) if cursor else (0, None)
    pairs: list[Pair] = []
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
        if (pending := _pending(records[pair].published.pending)) is not None
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
        _detail(
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
        yield _detail(act.event_type, act.key, data, event_id, datetime.fromisoformat(body["decided_at"]))


# --- a course run


def checklist(course_run: str, policies: Policies, now: datetime) -> list[dict[str, Any]]:
    """Say what a course run's configuration allows: why can it issue no certificates, or show none? One request."""
    loaded = store.load(course_runs=[course_run])
    timeline = loaded.course_runs[course_run].timeline
    values = _values(timeline, now)
    deployed = next((policy for since, policy in reversed(policies) if since <= now), policies[0][1])
    policy = overridden(deployed, values.get((Fact.COURSE_RUN, "policy")))
    brakes = store.load_brakes(course_run)
    switches = (
        [entry for entry in told if entry.fact is Fact.AUTOMATIC_REVOCATIONS][-1:]
        for told in (brakes.everywhere, timeline)
    )
    stops = [entry for last in switches for entry in last if not entry.value]
    tripped = brakes.tripped_at is not None and brakes.tripped_at > now - policy.breaker_window
    return list(_checks(course_run, values, policy, stops, tripped=tripped))


def _checks(
    course_run: str, values: Mapping[tuple[Fact, str], Any], policy: Any, stops: list[Entry], *, tripped: bool
) -> Iterator[dict[str, Any]]:
    def check(code: str, good: str, bad: str, fix: str, *, ok: bool) -> dict[str, Any]:
        return {"code": code, "ok": ok, "sentence": good if ok else bad, "fix": "" if ok else fix}

    known = any(fact is Fact.COURSE_RUN for fact, _ in values)
    setting = {subject: value for (fact, subject), value in values.items() if fact is Fact.COURSE_RUN}
    modes = policy.eligible_modes
    yield check(
        "known",
        "The course run is known.",
        "The course run's configuration was never received.",
        "Have the platform send certificates.course_run.configured.v1 for it.",
        ok=known,
    )
    yield check(
        "web_certificates",
        "Web certificates are on for the course run.",
        "Web certificates are off for the course run.",
        "The course team switches them on in the course's advanced settings.",
        ok=setting.get("web_certificates_enabled", True),
    )
    yield check(
        "web_certificates_instance",
        "Web certificates are on for the deployment.",
        "Web certificates are off for the whole deployment.",
        "An operator sets the parameter WebCertificates to on.",
        ok=policy.web_certificates,
    )
    yield check(
        "modes",
        f"The policy {policy.version} makes some enrollment modes eligible.",
        f"The policy {policy.version} makes no enrollment mode eligible.",
        "An operator corrects the policy.",
        ok=modes.all_but or bool(modes.names),
    )
    yield check(
        "ccx",
        "It is an ordinary course run.",
        "It is a custom course (CCX): only the allowlist brings certificates.",
        "Put the learners on the allowlist, or award in the course that it was made of.",
        ok=not is_ccx(course_run),
    )
    behavior = setting.get("display_behavior")
    awaited = {"end": "end", "end_with_date": "available_date"}.get(behavior or "")
    yield check(
        "dates",
        "Certificates are shown when they are due.",
        f"Certificates are not shown: display behavior {behavior} waits for a date that is not set.",
        f"The course team sets the course run's {(awaited or '').replace('_', ' ')}.",
        ok=bool(setting.get("self_paced")) or awaited is None or setting.get(awaited) is not None,
    )
    where = f" since {when(stops[0].at)} by {stops[0].by}: {stops[0].notes}" if stops else ""
    yield check(
        "automatic_revocations",
        "Automatic revocations take effect.",
        f"Automatic revocations are stopped{where}.",
        "Resume them once what is held was looked at (certs revocations resume).",
        ok=not stops,
    )
    yield check(
        "breaker",
        "The breaker has not tripped.",
        "The breaker holds automatic revocations: there were too many at once.",
        "Look at what is held, and release or discard it (certs held list).",
        ok=not tripped,
    )
