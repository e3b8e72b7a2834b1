"""Wording: statuses, causes, modes, policies and instants in plain English, for support. Instants are in UTC."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from certrules.core.instants import EPOCH
from certrules.core.policy import Modes, Overrides
from certrules.core.terms import Actor, Cause, Rollout, Status, is_person

RECORDS_BEGIN = EPOCH
"""No event is older. A table row without a date counts from here."""


class EntryWording(NamedTuple):
    """An entry in plain English."""

    name: str  # its subject: "Enrollment"
    value: str  # "verified mode"
    event: str  # what happened, up to the date: "Enrolled in verified mode"
    detail: str = ""  # the words after the date


SETTING_NAMES: Mapping[str, str] = {
    "available_date": "Certificate available date",
    "display_behavior": "Certificate display behavior",
    "end": "End",
    "policy": "Policy",
    "rollout": "Rollout",
    "self_paced": "Self-pacing",
    "web_certificates_enabled": "Web certificates",
}
"""The settings of a course run."""

BECAUSE: Mapping[Cause, str] = {
    Cause.EARNED: "all requirements were met",
    Cause.REINSTATED: "all requirements were met again",
    Cause.RECORDED: "the old logic recorded it so",
    Cause.INVALIDATED: "it was invalidated",
    Cause.EXAM_REJECTED: "an exam attempt was rejected",
    Cause.GRADE_FELL: "the grade fell to failing and stayed failing",
    Cause.ALLOWLIST_REMOVED: "the allowlist entry that it rested on was removed",
    Cause.RECORDED_WHILE_INVALIDATED: "the old logic recorded it while an invalidation was active",
    Cause.NEVER_EARNED: "the facts known now do not carry it",
    Cause.NEVER_PASSED: "the first grade that was received is failing",
    Cause.LATE_ENTRY: "an entry came too late to be placed among older ones",
}
"""Why a certificate has its status, by the cause of its last transition."""

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def when(instant: datetime) -> str:
    """Write an instant: "3 March 2026 at 14:05 UTC", with seconds if it has any."""
    instant = instant.astimezone(UTC)
    month = _MONTHS[instant.month - 1]
    seconds = f":{instant.second:02}" if instant.second or instant.microsecond else ""
    return f"{instant.day} {month} {instant.year} at {instant.hour:02}:{instant.minute:02}{seconds} UTC"


def status_text(status: Status | None) -> str:
    """Write a status: "not passing"; "no certificate" for None."""
    if status is None:
        return "no certificate"
    return status.replace("_", " ").replace("notpassing", "not passing")


def modes_text(modes: Modes) -> str:
    """Write a set of modes: "verified and honor", "every mode but audit"."""
    names = listed(sorted(modes.names))
    if modes.all_but:
        return f"every mode but {names}" if names else "every mode"
    return names or "none"


def letters_text(letters: Iterable[str]) -> str:
    """Write letter grades: "A, B and Pass"; "none" if there are none."""
    return listed([letter.capitalize() for letter in letters]) or "none"


def overrides_text(overrides: Overrides) -> str:
    """Write the settings that a course run has in place of the deployment's policy."""
    parts = []
    if overrides.preset is not None:
        parts.append(f"preset {overrides.preset}")
    if overrides.eligible_modes is not None:
        parts.append(f"eligible modes {modes_text(overrides.eligible_modes)}")
    if overrides.id_verification_required is not None:
        parts.append(f"ID verification {'' if overrides.id_verification_required else 'not '}required")
    if overrides.modes_without_id_verification is not None:
        parts.append(f"modes without ID verification {modes_text(overrides.modes_without_id_verification)}")
    if overrides.hold is not None:
        parts.append(f"hold of {overrides.hold.total_seconds():g} seconds")
    if overrides.breaker_limit is not None:
        parts.append(f"at most {overrides.breaker_limit} automatic revocations at once")
    if overrides.breaker_window is not None:
        parts.append(f"counted over {overrides.breaker_window.total_seconds():g} seconds")
    if overrides.passing_letters is not None:
        parts.append(f"passing letters {letters_text(overrides.passing_letters)}")
    return "; ".join(parts) or "that of the deployment"


def old_logic_decides(rollout: Rollout) -> str:
    """Return the sentence that names who decides in a course run that is not live."""
    return f"The old logic decides certificates in this course run (rollout: {rollout})."


def dated(what: str, at: datetime, actor: Actor | None = None, detail: str = "", event_id: str = "") -> str:
    """Return the sentence that something happened: what, when, by whom, and by which event."""
    since = "before records began" if at <= RECORDS_BEGIN else f"on {when(at)}"
    return f"{what} {since}{by_whom(actor or Actor(), event_id)}{detail}."


def by_whom(actor: Actor, event_id: str = "") -> str:
    """Return who did it, their note and the event, as the words after a date."""
    event = f" (event {event_id})" if event_id else ""
    by, reason = _one_line(actor.by), _one_line(actor.reason)
    who = f" by {by}" if is_person(by) else f" by the software {by.removeprefix('system:')}".rstrip() if by else ""
    note = f', with the note "{reason}"' if reason else ""
    return f"{who}{note}{event}"


def credit(cause: Cause, actor: Actor) -> str:
    """Return who revoked a certificate, and why, in parentheses; nothing if nobody is known."""
    return "" if cause is Cause.LABELLED else credit_to(actor)


def credit_to(actor: Actor) -> str:
    """Return who did something, and why, in parentheses; nothing if nobody is known."""
    text = by_whom(actor).removeprefix(",").strip()
    return f" ({text})" if text else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace('"', "'")


def clause(sentence: str) -> str:
    """Return a sentence as a part of another one."""
    return sentence[0].lower() + sentence[1:-1]


def listed(items: list[str]) -> str:
    """Join with commas and a last "and"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def on_or_off(value: bool) -> str:
    """Write a switch."""
    return "on" if value else "off"
