"""A record told again: its timelines as the events that say the same, so that a decision can be taken anywhere.

Decoding them (wire.inbound) gives the same entries back: instants, event ids, values, actors and notes. One thing
can't be said by any event: percent and letter without the word on passing that the letter implies. Where compaction
has dropped that word, the letter is left out; it decides nothing. And attempts of ID verification that tables name by
more than a number get one.
"""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any
from zlib import crc32

from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.policy import Modes, Overrides
from certrules.core.terms import PERSON, is_ccx
from certrules.core.timeline import Entry
from certrules.formats.event_types import OWN_SOURCE, implies_passing
from certrules.formats.stored import as_time

type EventData = tuple[str, str, dict[str, Any]]
"""An event's type, its data key and its data."""

_EDX = "org.openedx.learning"
_NAMED_ATTEMPTS = 2**48
"""From here on attempts of ID verification have numbers that are made of their names; the platform's are below."""


def events_from(record: Record) -> list[dict[str, Any]]:
    """Return the events that tell a record, as details, oldest first."""
    details = []
    for (at, event_id), group in groupby(record.timeline, key=lambda entry: entry[:2]):
        entries = list(group)
        for event_type, key, data in _told(record, entries):
            metadata = {
                "id": event_id,
                "event_type": event_type,
                "minorversion": 0,
                "time": as_time(at),
                "source": f"{OWN_SOURCE}/export",
            }
            details.append({"metadata": metadata, key: data})
    return details


def _told(record: Record, entries: list[Entry]) -> list[EventData]:
    """Return the events that say what entries with one event id say; most often it is one."""
    told: list[EventData] = []
    settings = [entry for entry in entries if entry.fact is Fact.COURSE_RUN]
    if settings:
        told.append(_configured(record, settings))
    passing = next((entry for entry in entries if entry.fact is Fact.PASSING), None)
    grade = next((entry for entry in entries if entry.fact is Fact.GRADE), None)
    if grade is not None:
        letter = grade.value.letter
        if implies_passing(letter):
            letter = letter if passing is not None else ""
            passing = None
        data = {"user_id": record.learner_id, "course": _course(record), "percent_grade": grade.value.percent}
        key = f"{_EDX}.course.persistent_grade_summary.changed.v1"
        told.append((key, "grade", {**data, "letter_grade": letter}))
    if passing is not None:
        told.append(_passing(record, passing))
    others = (entry for entry in entries if entry.fact in _TELLERS)
    return told + [_TELLERS[entry.fact](record, entry) for entry in others]


def _user(record: Record) -> dict[str, Any]:
    return {"id": record.learner_id, "is_active": True, "pii": {"username": "", "email": "", "name": ""}}


def _course(record: Record) -> dict[str, Any]:
    return {"course_key": record.course_run, "display_name": "", "start": None, "end": None}


def _act(record: Record, entry: Entry) -> dict[str, Any]:
    return {
        "learner_id": record.learner_id,
        "course_key": record.course_run,
        "by": entry.by,
        "notes": entry.notes,
    }


def _passing(record: Record, entry: Entry) -> EventData:
    ccx = is_ccx(record.course_run)
    course = {"ccx_course_key": record.course_run} if ccx else _course(record)
    data = {"is_passing": entry.value, "user": _user(record), "course": course}
    return f"{_EDX}.{'ccx.' if ccx else ''}course.passing.status.updated.v1", "course_passing_status", data


def _enrollment(record: Record, entry: Entry) -> EventData:
    mode, active = entry.value
    data = {"user": _user(record), "course": _course(record), "mode": mode, "is_active": active}
    return f"{_EDX}.course.enrollment.changed.v1", "enrollment", data


def _id_verification(record: Record, entry: Entry) -> EventData:
    name = entry.subject
    number = int(name) if name.isdecimal() else _NAMED_ATTEMPTS + crc32(name.encode())
    data: dict[str, Any] = {"attempt_id": number, "user": _user(record)}
    if entry.value is None:
        return f"{_EDX}.idv_attempt.denied.v1", "idv_attempt", data
    return (
        f"{_EDX}.idv_attempt.approved.v1",
        "idv_attempt",
        {**data, "expiration_date": as_time(entry.value.expires_at)},
    )


def _beta_tester(record: Record, entry: Entry) -> EventData:
    data = {"user": _user(record), "role": "beta_testers", "course_key": record.course_run, "org_key": ""}
    word = "added" if entry.value else "removed"
    return f"{_EDX}.user.course_access_role.{word}.v1", "course_access_role_data", data


def _allowlist(record: Record, entry: Entry) -> EventData:
    word = "added" if entry.value else "removed"
    return f"certificates.allowlist.entry.{word}.v1", "entry", _act(record, entry)


def _invalidation(record: Record, entry: Entry) -> EventData:
    if entry.subject == PERSON:
        word = "created" if entry.value else "lifted"
        return f"certificates.invalidation.{word}.v1", "invalidation", _act(record, entry)
    data = {"student_user": _user(record), "course_key": record.course_run, "usage_key": entry.subject}
    return f"{_EDX}.exam.attempt.{'rejected' if entry.value else 'reset'}.v1", "exam_attempt", data


def _date_override(record: Record, entry: Entry) -> EventData:
    if entry.value is None:
        return "certificates.date_override.removed.v1", "override", _act(record, entry)
    return "certificates.date_override.set.v1", "override", {**_act(record, entry), "date": as_time(entry.value)}


def _recorded(record: Record, entry: Entry) -> EventData:
    value = entry.value
    data = {
        "learner_id": record.learner_id,
        "course_key": record.course_run,
        **value._asdict(),
        "created": as_time(value.created),
        "modified": as_time(value.modified),
    }
    return "certificates.recorded.v1", "certificate", data


def _revocation(record: Record, entry: Entry) -> EventData:
    return f"certificates.revocation.{entry.value}.v1", "revocation", {**_act(record, entry), "cause": entry.subject}


def _switch(record: Record, entry: Entry) -> EventData:
    word = "resumed" if entry.value else "stopped"
    data = {"course_key": record.course_run, "by": entry.by, "notes": entry.notes}
    return f"certificates.automatic_revocations.{word}.v1", "switch", data


_TELLERS: Mapping[Fact, Callable[[Record, Entry], EventData]] = {
    Fact.ENROLLMENT: _enrollment,
    Fact.BETA_TESTER: _beta_tester,
    Fact.ALLOWLIST: _allowlist,
    Fact.INVALIDATION: _invalidation,
    Fact.DATE_OVERRIDE: _date_override,
    Fact.RECORDED: _recorded,
    Fact.ID_VERIFICATION: _id_verification,
    Fact.REVOCATION: _revocation,
    Fact.AUTOMATIC_REVOCATIONS: _switch,
}


def _configured(record: Record, entries: list[Entry]) -> EventData:
    data: dict[str, Any] = {"course_key": record.course_run, "by": entries[0].by, "notes": entries[0].notes}
    for entry in entries:
        if entry.subject == "policy":
            data["policy"] = None if entry.value is None else _overrides(entry.value)
        elif entry.subject in {"available_date", "end"}:
            data[entry.subject] = as_time(entry.value)
        elif entry.subject:
            data[entry.subject] = entry.value
    return "certificates.course_run.configured.v1", "course_run", data


def _overrides(overrides: Overrides) -> dict[str, Any]:
    """Return a course run's policy as core.policy.read_overrides reads it."""
    spans = {"hold": "hold_seconds", "breaker_window": "breaker_window_seconds"}
    found: dict[str, Any] = {}
    for name, value in overrides._asdict().items():
        if isinstance(value, Modes):
            names = sorted(value.names)
            found[name] = {"all_but": names} if value.all_but else names
        elif name in spans and value is not None:
            found[spans[name]] = value.total_seconds()
        elif value is not None:
            found[name] = value
    return found
