"""The stored form of timelines, certificates and history: compact JSON, since every started KB of an item is paid for.

An entry is a list: microseconds since the entry before it (since 1970, UTC, for the first), event id (a UUID in
base64; empty if it is that of the entry before), the letter of the fact, subject, value, actor and notes. Empty items
at the end are left out. A long actor and notes are stored once: a number in their place, n, means those of the entry n
places before. A grade without event id is only microseconds, percent, letter, and 1 if a time of passing stands beside
it. The codec of each fact's value stands in core.fact_types.
"""

import re
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from certrules.core.certificate import Certificate, Pending, Transition
from certrules.core.decision import Decision
from certrules.core.fact_types import BY_LETTER, FACTS, Fact, Grade
from certrules.core.facts import Facts, Record
from certrules.core.guard import PublishedCertificate, PublishedTransition
from certrules.core.instants import (
    BEGINNING,
    EPOCH,
    MICROSECOND,
    SECOND,
    instant_of,
    micros,
    optional_instant,
    optional_micros,
)
from certrules.core.limits import is_long
from certrules.core.rules import RULEBOOK
from certrules.core.terms import Actor, Cause, Status
from certrules.core.timeline import Entry, Timeline, at_instant

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_EVIDENCE_BYTES = 64_000
"""How many bytes of entries a history item has as evidence: the newest ones. An item has at most 400 KB."""

_MOST_INVALIDATIONS = 20
"""How many active invalidations a history item names."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_new_tuple = tuple.__new__  # Entry(...) without its own cost: a tenth of reading an entry

_NOBODY = "", ""
"""No actor, and no notes."""

_JUDGED = {Fact.ALLOWLIST, *(fact for rule in RULEBOOK.rules for fact in rule.looks_at)}
_JUDGED_SETTINGS = {"", "web_certificates_enabled", "policy"}  # of a course run; the others are only shown


# --- timelines


def encode_timeline(timeline: Timeline, text: str = "", known: Timeline = ()) -> str:
    """Return a timeline in its stored form. If it continues `known`, whose form is `text`, that is reused."""
    count = len(known)
    if not count or timeline[:count] != known:
        return _encode(entries_out(timeline)).decode()
    if len(timeline) == count:
        return text
    return f"{text[:-1]},{_encode(entries_out(timeline[count:], known))[1:].decode()}"


def decode_timeline(text: str) -> Timeline:
    """Return the timeline of its stored form."""
    return entries_in(_decode(text))


def compressed(text: str) -> bytes:
    """Return the stored form of a timeline that would take more than one KB."""
    return zlib.compress(text.encode(), 6)


def uncompressed(packed: bytes) -> str:
    """Return what was compressed. Raises zlib.error if it is something else."""
    return zlib.decompress(packed).decode()


def entries_in(items: Iterable[list[Any]]) -> Timeline:
    """Return the entries of their stored form."""
    entries: list[Entry] = []
    at, event_id = EPOCH, ""
    for item in items:
        at += item[0] * MICROSECOND
        if not isinstance(item[1], str):
            entries.append(_shortened_in(at, *item[1:]))
            continue
        _, text, letter, subject, value, *actor = item
        event_id = _id_in(text) if text else event_id
        fact, row = BY_LETTER[letter]
        decoded = None if value is None else row.from_stored(subject, value)
        by, notes = _actor_in(entries, *actor) if actor else _NOBODY
        entries.append(_new_tuple(Entry, (at, event_id, fact, subject, decoded, by, notes)))
    return tuple(entries)


def _shortened_in(at: datetime, percent: float | None, letter: str = "", has_passed_timestamp: int = 0) -> Entry:
    """Return a grade of which only instant and value are stored."""
    return Entry(at, "", Fact.GRADE, "", Grade(percent, letter, bool(has_passed_timestamp)))


def _shortened_out(since: int, grade: Grade) -> list[Any]:
    more = [grade.letter, 1] if grade.has_passed_timestamp else [grade.letter] if grade.letter else []
    return [since, grade.percent, *more]


def _actor_in(entries: list[Entry], by: str | int, notes: str = "") -> tuple[str, str]:
    """Return an actor and notes; instead of the actor, how many places before they stand may be given.

    Raises ValueError if no entry is there.
    """
    if isinstance(by, str):
        return by, notes
    if not 0 < by <= len(entries):
        raise ValueError(f"no entry is {by} places before")
    return entries[-by].by, entries[-by].notes


def entries_out(entries: Iterable[Entry], known: Timeline = ()) -> list[list[Any]]:
    """Return entries in their stored form, as they continue `known`."""
    before, event_id = (known[-1].at, known[-1].event_id) if known else (EPOCH, "")
    noted: dict[tuple[str, str], int] = {}  # in which place a long actor and notes stand
    for place, entry in enumerate(known):
        if is_long(entry.by, entry.notes):
            noted.setdefault((entry.by, entry.notes), place)
    items = []
    for place, (at, entry_id, fact, subject, value, by, notes) in enumerate(entries, len(known)):
        if fact is Fact.GRADE and not (entry_id or subject or by or notes):
            items.append(_shortened_out((at - before) // MICROSECOND, value))
            before, event_id = at, ""
            continue
        row = FACTS[fact]
        text = "" if entry_id == event_id else _id_out(entry_id)
        encoded = None if value is None else row.to_stored(value)
        item = [(at - before) // MICROSECOND, text, row.letter, subject, encoded]
        if is_long(by, notes):
            noted_at = noted.setdefault((by, notes), place)
            item += (by, notes) if noted_at == place else (place - noted_at,)
        elif notes:
            item += by, notes
        elif by:
            item.append(by)
        items.append(item)
        before, event_id = at, entry_id
    return items


def _id_out(event_id: str) -> str:
    if _UUID.fullmatch(event_id):
        text = b2a_base64(bytes.fromhex(event_id.replace("-", "")))[:22].decode()
        return f"~{text.replace('+', '-').replace('/', '_')}"
    return "~~" + event_id if event_id.startswith("~") else event_id


def _id_in(text: str) -> str:
    if not text.startswith("~"):
        return text
    if text.startswith("~~"):
        return text[2:]
    pairs = a2b_base64(f"{text[1:].replace('-', '+').replace('_', '/')}==").hex("-", 2)
    return f"{pairs[:4]}{pairs[5:29]}{pairs[30:34]}{pairs[35:]}"


# --- the published certificate


def encode_published(published: PublishedCertificate, *based_on: int) -> str:
    """Return the published certificate in its stored form, with the versions that it is based on.

    `based_on` are the versions of the ID verification, of the configuration, and the number of history items.
    """
    certificate, transitions, pending, published_at, unlisted = published
    return _encode(
        [
            _certificate_out(certificate),
            [*([unlisted] if unlisted else []), *((micros(item.at), item.status, item.cause) for item in transitions)],
            None
            if pending is None
            else [pending.cause, micros(pending.since), optional_micros(pending.due), *pending.actor],
            *based_on,
            *([] if published_at is BEGINNING else [(published_at - _second_of(transitions)) // SECOND]),
        ]
    ).decode()


def decode_published(text: str) -> tuple[PublishedCertificate, list[int]]:
    """Return the published certificate of its stored form, and the versions that it is based on.

    Raises TypeError if the number of history items, which is part of a key, is no number; other errors where the form
    is another one.
    """
    certificate, transitions, pending, verification, configuration, history_count, *published_at = _decode(text)
    if not isinstance(history_count, int):
        raise TypeError(f"a number of history items that is a {type(history_count).__name__}")
    unlisted = transitions.pop(0) if transitions and isinstance(transitions[0], int) else 0
    published = tuple(
        PublishedTransition(instant_of(at), Status(status), Cause(cause)) for at, status, cause in transitions
    )
    return (
        PublishedCertificate(
            _certificate_in(certificate),
            published,
            None
            if pending is None
            else Pending(Cause(pending[0]), instant_of(pending[1]), optional_instant(pending[2]), Actor(*pending[3:])),
            _second_of(published) + published_at[0] * SECOND if published_at else BEGINNING,
            unlisted,
        ),
        [verification, configuration, history_count],
    )


def _second_of(transitions: Sequence[PublishedTransition]) -> datetime:
    """Return the second of the last transition: the instant of a publication is stored from there, in few bytes."""
    return transitions[-1].at.replace(microsecond=0) if transitions else EPOCH


def _certificate_out(certificate: Certificate | None) -> list[Any] | None:
    if certificate is None:
        return None
    dates = [optional_micros(certificate.issued_at), optional_micros(certificate.first_issued_at)]
    if dates[0] == dates[1]:
        del dates[1]  # nearly always the same
    return [certificate.status, certificate.mode, certificate.grade, certificate.certificate_id, *dates]


def _certificate_in(item: list[Any] | None) -> Certificate | None:
    if item is None:
        return None
    status, mode, grade, certificate_id, issued_at, *first_issued_at = item
    dates = optional_instant(issued_at), optional_instant(first_issued_at[0] if first_issued_at else issued_at)
    return Certificate(Status(status), mode, grade, certificate_id, *dates)


# --- history

_UNKNOWN = [Facts._field_defaults.get(name) for name in Facts._fields]


def as_time(instant: datetime | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with `Z`."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def decision_as_json(decision: Decision, record: Record) -> dict[str, Any]:
    """Return a decision with everything needed to make it again, and the entries behind it. `unmet` rules fail."""
    facts = decision.facts
    sources = at_instant(record.timeline, facts.as_of)
    evidence = (
        Entry(*entry[:5])  # without actor and notes
        for entry in sources.values()
        if entry.fact in _JUDGED and (entry.fact is not Fact.COURSE_RUN or entry.subject in _JUDGED_SETTINGS)
    )
    return {
        "as_of": as_time(facts.as_of),
        "policy": decision.policy_version,
        "unmet": sorted(decision.unmet),
        "waived": sorted(decision.waived),
        "facts": {
            name: sorted(value)[:_MOST_INVALIDATIONS] if isinstance(value, frozenset) else value
            for name, value, unknown in zip(Facts._fields, facts, _UNKNOWN, strict=True)
            if value != unknown and name not in {"as_of", "policy"}
        },
        "evidence": _newest_out(sorted(evidence, key=lambda entry: entry[:4])),
    }


def _newest_out(evidence: list[Entry]) -> list[list[Any]]:
    """Return the newest entries of the evidence, nearly always all, in their stored form of _EVIDENCE_BYTES at most."""
    start = 0
    while len(_encode(items := entries_out(evidence[start:]))) > _EVIDENCE_BYTES:
        start += max(1, (len(evidence) - start) // 4)
    return items


def history_of(transition: Transition, record: Record) -> str:
    """Return a transition in the form of a history item: JSON, with the certificate and the whole decision.

    The actor's `by` and `reason` are there if they are not empty.
    """
    body = {
        "kind": "transition",
        "learner_id": record.learner_id,
        "course_run": record.course_run,
        "at": as_time(transition.at),
        "previous": transition.previous,
        "status": transition.status,
        "cause": transition.cause,
        **{name: text for name, text in transition.actor._asdict().items() if text},
        "certificate": certificate_as_json(transition.certificate),
        "decision": decision_as_json(transition.decision, record),
    }
    return _encode(body).decode()


def held_history_of(pending: Pending, certificate: Certificate, record: Record, decision: Decision) -> str:
    """Return a revocation that is held for a person in the form of a history item."""
    body = {
        "kind": "held",
        "learner_id": record.learner_id,
        "course_run": record.course_run,
        "at": as_time(pending.since),
        "cause": pending.cause,
        "certificate": certificate_as_json(certificate),
        "decision": decision_as_json(decision, record),
    }
    return _encode(body).decode()


def tripped_history_of(record: Record, at: datetime, limit: int, window: timedelta) -> str:
    """Return the tripping of a course run's breaker in the form of a history item."""
    body = {
        "kind": "tripped",
        "course_run": record.course_run,
        "at": as_time(at),
        "limit": limit,
        "window_seconds": window.total_seconds(),
    }
    return _encode(body).decode()


def certificate_as_json(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate for people and other programs to read."""
    return {
        "status": certificate.status,
        "mode": certificate.mode,
        "grade": certificate.grade,
        "id": certificate.certificate_id,
        "issued_at": as_time(certificate.issued_at),
        "first_issued_at": as_time(certificate.first_issued_at),
    }
