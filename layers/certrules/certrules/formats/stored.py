"""Timelines and certificates as they are kept: compact JSON, since every started KB of an item is paid for.

An entry is a list: microseconds since the entry before it (since 1970, UTC, for the first), event id (a UUID in
base64; empty if it is that of the entry before), a letter for the fact, and then subject, value, actor and notes,
as far as the last that isn't empty.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from certrules.core.decision import Decision
from certrules.core.facts import Approval, Enrollment, Facts, Grade, Record, Recorded
from certrules.core.guard import PublishedCertificate, PublishedTransition
from certrules.core.policy import Modes, Overrides
from certrules.core.replay import Actor, Certificate, Pending, Transition
from certrules.core.rules import BY_CODE
from certrules.core.terms import Cause, Fact, RevocationAction, Status
from certrules.core.timeline import Entry, Timeline, at_instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_LETTERS = {
    Fact.ENROLLMENT: "e",
    Fact.PASSING: "p",
    Fact.GRADE: "g",
    Fact.BETA_TESTER: "b",
    Fact.ALLOWLIST: "a",
    Fact.INVALIDATION: "i",
    Fact.DATE_OVERRIDE: "d",
    Fact.RECORDED: "o",
    Fact.ID_VERIFICATION: "v",
    Fact.COURSE_RUN: "r",
    Fact.REVOCATION: "h",
    Fact.AUTOMATIC_REVOCATIONS: "s",
}
_FACTS = {letter: fact for fact, letter in _LETTERS.items()}
_JUDGED = {Fact.ALLOWLIST, *(fact for rule in BY_CODE.values() for fact in rule.looks_at)}
_JUDGED_SETTINGS = {"", "web_certificates_enabled", "policy"}  # of a course run; the others are only shown


def micros(instant: datetime) -> int:
    """Return microseconds since 1970 (UTC)."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> datetime:
    """Return the instant (UTC) that is so many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _optional_micros(instant: datetime | None) -> int | None:
    return None if instant is None else micros(instant)


def _optional_instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else instant_of(microseconds)


# --- timelines


def encode_timeline(timeline: Timeline, text: str = "", known: Timeline = ()) -> str:
    """Return a timeline as it is kept. If it was kept before, as `text`, only what came after is written again."""
    count = len(known)
    if not count or timeline[:count] != known:
        return _encode(entries_out(timeline)).decode()
    if len(timeline) == count:
        return text
    last = known[-1]
    return f"{text[:-1]},{_encode(entries_out(timeline[count:], last.at, last.event_id))[1:].decode()}"


def decode_timeline(text: str) -> Timeline:
    """Return a timeline that was kept."""
    return entries_in(_decode(text))


def entries_in(items: Iterable[list[Any]]) -> Timeline:
    """Return entries as they were kept."""
    entries = []
    at, event_id = _EPOCH, ""
    for since, text, letter, subject, value, *said in items:
        at += since * _MICROSECOND
        event_id = _id_in(text) if text else event_id
        fact = _FACTS[letter]
        entries.append(Entry(at, event_id, fact, subject, _value_in(fact, subject, value), *said))
    return tuple(entries)


def entries_out(entries: Iterable[Entry], before: datetime = _EPOCH, event_id: str = "") -> list[list[Any]]:
    """Return entries as they are kept, after one of that instant and event, if there is one before them."""
    items = []
    for at, told_by, fact, subject, value, by, notes in entries:
        text = "" if told_by == event_id else _id_out(told_by)
        item = [(at - before) // _MICROSECOND, text, _LETTERS[fact], subject, _value_out(fact, subject, value)]
        if notes:
            item += by, notes
        elif by:
            item.append(by)
        items.append(item)
        before, event_id = at, told_by
    return items


def _value_out(fact: Fact, subject: str, value: Any) -> Any:
    if value is None:
        return None
    write = _WRITERS.get(fact)
    if write is not None:
        return write(value)
    return _setting_out(subject, value) if fact is Fact.COURSE_RUN else value


def _value_in(fact: Fact, subject: str, value: Any) -> Any:
    if value is None:
        return None
    read = _READERS.get(fact)
    if read is not None:
        return read(value)
    return _setting_in(subject, value) if fact is Fact.COURSE_RUN else value


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
    digits = a2b_base64(f"{text[1:].replace('-', '+').replace('_', '/')}==").hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _recorded_out(value: Recorded) -> list[Any]:
    dates = (_optional_micros(value.created), _optional_micros(value.modified))
    return [value.status, value.mode, value.grade, value.certificate_id, *dates]


def _recorded_in(value: list[Any]) -> Recorded:
    status, mode, grade, certificate_id, created, modified = value
    dates = (_optional_instant(created), _optional_instant(modified))
    return Recorded(Status(status), mode, grade, certificate_id, *dates)


def _approval_in(value: list[int | None]) -> Approval:
    return Approval(_optional_instant(value[0]))


_WRITERS: Mapping[Fact, Callable[[Any], Any]] = {
    Fact.RECORDED: _recorded_out,
    Fact.ID_VERIFICATION: lambda value: [_optional_micros(value.expires_at)],
    Fact.DATE_OVERRIDE: micros,
}
_READERS: Mapping[Fact, Callable[[Any], Any]] = {
    Fact.ENROLLMENT: lambda value: Enrollment(*value),
    Fact.GRADE: lambda value: Grade(*value),
    Fact.RECORDED: _recorded_in,
    Fact.ID_VERIFICATION: _approval_in,
    Fact.DATE_OVERRIDE: instant_of,
    Fact.REVOCATION: RevocationAction,
}


def _setting_out(setting: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    if setting == "policy":
        return [
            value.preset,
            _modes_out(value.eligible_modes),
            value.id_verification_required,
            _modes_out(value.modes_without_id_verification),
            None if value.hold is None else value.hold // _MICROSECOND,
            value.breaker_limit,
            None if value.breaker_window is None else value.breaker_window // _MICROSECOND,
        ]
    return value


def _setting_in(setting: str, value: Any) -> Any:
    if setting in {"available_date", "end"}:
        return instant_of(value)
    if setting == "policy":
        preset, eligible, required, without, hold, limit, window = value
        hold, window = (None if span is None else timedelta(microseconds=span) for span in (hold, window))
        return Overrides(preset, _modes_in(eligible), required, _modes_in(without), hold, limit, window)
    return value


def _modes_out(modes: Modes | None) -> list[Any] | None:
    return None if modes is None else [modes.all_but, *sorted(modes.names)]


def _modes_in(value: list[Any] | None) -> Modes | None:
    return None if value is None else Modes(frozenset(value[1:]), all_but=value[0])


# --- what was published


def encode_published(published: PublishedCertificate, *based_on: int) -> str:
    """Return what was published as it is kept, with the versions of what it rests on."""
    certificate, transitions, pending = published
    return _encode(
        [
            _certificate_out(certificate),
            [(micros(mark.at), mark.status, mark.cause) for mark in transitions],
            None
            if pending is None
            else [pending.cause, micros(pending.since), _optional_micros(pending.due), *pending.actor],
            *based_on,
        ]
    ).decode()


def decode_published(text: str) -> tuple[PublishedCertificate, list[int]]:
    """Return what was published, and the versions of what it rests on."""
    certificate, transitions, pending, *based_on = _decode(text)
    return (
        PublishedCertificate(
            _certificate_in(certificate),
            tuple(
                PublishedTransition(instant_of(at), Status(status), Cause(cause)) for at, status, cause in transitions
            ),
            None
            if pending is None
            else Pending(Cause(pending[0]), instant_of(pending[1]), _optional_instant(pending[2]), Actor(*pending[3:])),
        ),
        based_on,
    )


def _certificate_out(certificate: Certificate | None) -> list[Any] | None:
    if certificate is None:
        return None
    dates = (_optional_micros(certificate.issued_at), _optional_micros(certificate.first_issued_at))
    return [certificate.status, certificate.mode, certificate.grade, certificate.certificate_id, *dates]


def _certificate_in(item: list[Any] | None) -> Certificate | None:
    if item is None:
        return None
    status, mode, grade, certificate_id, issued_at, first_issued_at = item
    dates = (_optional_instant(issued_at), _optional_instant(first_issued_at))
    return Certificate(Status(status), mode, grade, certificate_id, *dates)


# --- history

_UNHEARD = [Facts._field_defaults.get(name) for name in Facts._fields]


def as_time(instant: datetime | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with `Z`."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def decision_as_json(decision: Decision, record: Record) -> dict[str, Any]:
    """Return a decision with all that it takes to take it again, and the events behind it. What it names, fails."""
    facts = decision.facts
    sources = at_instant(record.timeline, facts.as_of)
    evidence = (
        Entry(*entry[:5])  # neither by whom nor why
        for entry in sources.values()
        if entry.fact in _JUDGED and (entry.fact is not Fact.COURSE_RUN or entry.subject in _JUDGED_SETTINGS)
    )
    return {
        "as_of": as_time(facts.as_of),
        "policy": decision.policy_version,
        "unmet": sorted(decision.unmet),
        "waived": sorted(decision.waived),
        "facts": {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value, unheard in zip(Facts._fields, facts, _UNHEARD, strict=True)
            if value != unheard and name not in {"as_of", "policy"}
        },
        "evidence": entries_out(sorted(evidence, key=lambda entry: entry[:4])),
    }


def history_of(transition: Transition, record: Record) -> str:
    """Return one transition as history keeps it: JSON, with the certificate and the whole decision."""
    body = {
        "kind": "transition",
        "learner_id": record.learner_id,
        "course_run": record.course_run,
        "at": as_time(transition.at),
        "previous": transition.previous,
        "status": transition.status,
        "cause": transition.cause,
        "by": transition.actor.by,
        "reason": transition.actor.reason,
        "certificate": certificate_as_json(transition.certificate),
        "decision": decision_as_json(transition.decision, record),
    }
    return _encode(body).decode()


def held_history_of(pending: Pending, certificate: Certificate, record: Record, decision: Decision) -> str:
    """Return a revocation that is held for a person as history keeps it."""
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
    """Return as history keeps it that a course run's breaker began to hold automatic revocations."""
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
