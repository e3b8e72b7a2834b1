"""Facts, statuses and instants in words: what support reads, in plain English. Instants are in UTC."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from certrules.core.facts import Approval, Enrollment, Grade, Recorded
from certrules.core.policy import Modes, Overrides
from certrules.core.replay import Actor, Pending, Transition
from certrules.core.rules import BY_CODE
from certrules.core.terms import PERSON, Cause, Fact, RevocationAction, Rollout, Status, is_person
from certrules.core.timeline import Entry

RECORDS_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
"""No event is older; what a table has without a date counts since then."""

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
}
"""Why a certificate has its status, by the cause of its last transition."""


class EntryWording(NamedTuple):
    """What an entry says."""

    name: str  # what it is about: "Enrollment"
    value: str  # "verified mode"
    event: str  # what happened, up to the date: "Enrolled in verified mode"
    detail: str = ""  # what follows the date


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
    """Write an instant, in UTC: "3 March 2026 at 14:05 UTC", with seconds if it has any."""
    instant = instant.astimezone(UTC)
    month = _MONTHS[instant.month - 1]
    seconds = f":{instant.second:02}" if instant.second or instant.microsecond else ""
    return f"{instant.day} {month} {instant.year} at {instant.hour:02}:{instant.minute:02}{seconds} UTC"


def wording_of(entry: Entry, as_of: datetime) -> EntryWording:  # noqa: C901 - a case for every fact there is
    """Put an entry in words, as of an instant: an ID verification may have run out since."""
    value: Any = entry.value
    match entry.fact:
        case Fact.ENROLLMENT:
            return _enrollment_words(value)
        case Fact.PASSING:
            word = "passed" if value else "failing"
            return EntryWording("Passing", word, "Passed" if value else "Graded as failing")
        case Fact.GRADE:
            return _grade_words(value)
        case Fact.BETA_TESTER:
            word = "given" if value else "removed"
            return EntryWording("Beta tester role", word, f"Beta tester role {word}")
        case Fact.ALLOWLIST:
            word = "added" if value else "removed"
            return EntryWording("Allowlist entry", word, f"Allowlist entry {word}")
        case Fact.INVALIDATION:
            return _invalidation_words(entry.subject, active=value)
        case Fact.DATE_OVERRIDE:
            return _date_override_words(value)
        case Fact.RECORDED:
            return _recorded_words(value)
        case Fact.ID_VERIFICATION:
            return _id_verification_words(entry.subject, value, as_of)
        case Fact.COURSE_RUN:
            return _setting_words(entry.subject, value)
        case Fact.REVOCATION:
            return EntryWording("Pending revocation", value, _REVOCATION_WORDS[value])
        case Fact.AUTOMATIC_REVOCATIONS:  # pragma: no branch - there are no other facts
            return EntryWording(
                "Automatic revocations", on_or_off(value), f"Automatic revocations {'resumed' if value else 'stopped'}"
            )


_REVOCATION_WORDS: Mapping[RevocationAction, str] = {
    RevocationAction.HELD: "Pending revocation held for a person to decide",
    RevocationAction.RELEASED: "Pending revocation released",
    RevocationAction.DISCARDED: "Pending revocation discarded: the certificate stays",
}


def _enrollment_words(value: Enrollment) -> EntryWording:
    if value.active:
        return EntryWording("Enrollment", f"{value.mode} mode", f"Enrolled in {value.mode} mode")
    return EntryWording("Enrollment", f"{value.mode} mode, inactive", f"Unenrolled from {value.mode} mode")


def _grade_words(value: Grade) -> EntryWording:
    words = f"{value.percent * 100:.6g}%"
    if value.letter:
        words = f"{words} ({value.letter})"
    return EntryWording("Grade", words, f"Graded {words}")


def _invalidation_words(exam: str, *, active: bool) -> EntryWording:
    if exam == PERSON:
        word = "active" if active else "lifted"
        return EntryWording("Invalidation", word, "Certificate invalidated" if active else "Invalidation lifted")
    word = "rejected" if active else "not rejected"
    event = f"Attempt at the exam {exam} {'rejected' if active else 'verified or reset'}"
    return EntryWording(f"Attempt at the exam {exam}", word, event)


def _date_override_words(value: datetime | None) -> EntryWording:
    name = "Override of the certificate's date"
    if value is None:
        return EntryWording(name, "none", f"{name} removed")
    return EntryWording(name, when(value), f"{name} set", f": {when(value)}")


def _recorded_words(value: Recorded) -> EntryWording:
    status = status_text(value.status)
    return EntryWording("Certificate of the old logic", status, f"Certificate recorded by the old logic as {status}")


def _id_verification_words(attempt: str, value: Approval | None, as_of: datetime) -> EntryWording:
    name = f"ID verification (attempt {attempt})"
    if value is None:
        return EntryWording(name, "denied", f"{name} denied")
    if value.expires_at is None:
        ends = "without an end"
    elif value.expires_at > as_of:
        ends = f"valid until {when(value.expires_at)}"
    else:
        ends = f"expired on {when(value.expires_at)}"
    return EntryWording(name, f"approved, {ends}", f"{name} approved", f", {ends}")


_SETTINGS: Mapping[str, str] = {
    "available_date": "Certificate available date",
    "display_behavior": "Certificate display behavior",
    "end": "End",
    "policy": "Policy",
    "rollout": "Rollout",
    "self_paced": "Self-pacing",
    "web_certificates_enabled": "Web certificates",
}


def _setting_words(setting: str, value: object) -> EntryWording:
    if not setting:
        return EntryWording("Course run", "known", "Configuration of the course run received")
    name = f"{_SETTINGS.get(setting, f'Setting {setting}')} of the course run"
    if isinstance(value, bool):
        return EntryWording(name, on_or_off(value), f"{name} {'enabled' if value else 'disabled'}")
    if value is None:
        return EntryWording(name, "none", f"{name} cleared")
    words = f"{value}"
    if isinstance(value, datetime):
        words = when(value)
    elif isinstance(value, Overrides):
        words = _overrides_words(value)
    return EntryWording(name, words, f"{name} set", f": {words}")


def _overrides_words(overrides: Overrides) -> str:
    """Put in words what a course run sets instead of the deployment's policy."""
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
    return "; ".join(parts) or "that of the deployment"


def modes_text(modes: Modes) -> str:
    """Write a set of modes: "verified and honor", "every mode but audit"."""
    names = listed(sorted(modes.names))
    if modes.all_but:
        return f"every mode but {names}" if names else "every mode"
    return names or "none"


def status_text(status: Status | None) -> str:
    """Write a status: "not passing"; "no certificate" for none."""
    if status is None:
        return "no certificate"
    return status.replace("_", " ").replace("notpassing", "not passing")


def old_logic_decides(rollout: Rollout) -> str:
    """Return the sentence that says who decides in a course run that is not live."""
    return f"The old logic decides certificates in this course run (rollout: {rollout})."


def dated(what: str, at: datetime, actor: Actor | None = None, detail: str = "", event_id: str = "") -> str:
    """Return the sentence that something happened: what, when, by whom, and which event says so."""
    since = "before records began" if at <= RECORDS_BEGIN else f"on {when(at)}"
    return f"{what} {since}{by_whom(actor or Actor(), event_id)}{detail}."


def by_whom(actor: Actor, event_id: str = "") -> str:
    """Return who did it, with their note and the event that says so, as what follows a date."""
    event = f" (event {event_id})" if event_id else ""
    by, reason = _one_line(actor.by), _one_line(actor.reason)
    who = f" by {by}" if is_person(by) else f" by the software {by.removeprefix('system:')}".rstrip() if by else ""
    note = f', with the note "{reason}"' if reason else ""
    return f"{who}{note}{event}"


def credit(brought_about: Transition | Pending) -> str:
    """Return who took a certificate away, and why, in parentheses; nothing if nobody is known."""
    if brought_about.cause is Cause.LABELLED:
        return ""
    words = by_whom(brought_about.actor).removeprefix(",").strip()
    return f" ({words})" if words else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace('"', "'")


def clause(sentence: str) -> str:
    """Return a sentence as a part of another one."""
    return sentence[0].lower() + sentence[1:-1]


def reasons_text(codes: Iterable[str]) -> str:
    """Return what the unmet rules say as one clause, in the order of the rules."""
    return listed([clause(rule.unmet) for code, rule in BY_CODE.items() if code in codes])


def listed(items: list[str]) -> str:
    """Join with commas and a last "and"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def on_or_off(value: bool) -> str:
    """Write a switch."""
    return "on" if value else "off"
