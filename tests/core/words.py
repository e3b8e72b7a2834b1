"""Facts in words: "day 4 10:00" and "invalidated by ada" become an instant and an entry of a timeline.

Day 1 is 1 January 2026, UTC. A phrase is read by the first pattern of VOCABULARY that it matches as a whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.facts import Record
from certrules.core.policy import read_overrides
from certrules.core.terms import PERSON, RevocationAction, Status
from certrules.core.timeline import Entry, merge

COURSE_RUN = "course-v1:CertX+CS101+2026"
CCX = "ccx-v1:CertX+CS101+2026+ccx@7"

#: A learner who qualifies: everything is in place on day 1, and on day 3 they pass.
QUALIFYING: Mapping[str, tuple[str, str]] = {
    "course run": ("day 1", "course run configured"),
    "enrollment": ("day 1", "enrolled in verified"),
    "ID verification": ("day 1", "ID approved"),
    "grade": ("day 3", "passing"),
}


class Saying(NamedTuple):
    """What a phrase says, but for when and by which event."""

    fact: Fact
    subject: str
    value: Any
    by: str = ""


def instant(words: str) -> datetime:
    """Read "day 4", "day 4 10:00" or "day 4 10:00:01"; a negative day is before day 1."""
    match = re.fullmatch(r"day (-?\d+)(?: (\d+):(\d\d)(?::(\d\d))?)?", words)
    assert match, f"not an instant: {words!r}"
    day, hour, minute, second = (int(group or 0) for group in match.groups())
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)


def _optional_instant(words: str | None) -> datetime | None:
    return instant(words) if words else None


def _recorded(
    status: str, mode: str | None, grade: str | None, certificate_id: str | None, *dates: str | None
) -> Saying:
    created, modified = (_optional_instant(date) for date in dates)
    words = {None: "verified", "-": ""}.get(mode, mode), {None: "0.9", "-": ""}.get(grade, grade)
    mode, grade = (str(word) for word in words)
    value = Recorded(Status(status), mode, grade, certificate_id or "", created, modified)
    return Saying(Fact.RECORDED, "", value)


def _setting(name: str, value: object) -> Saying:
    return Saying(Fact.COURSE_RUN, name, value)


_ATTEMPT = r"ID(?: attempt (\S+))?"
_BY = r"(?: by (\S+))?"
_DAY = r"(day \S+(?: \S+)?)"

VOCABULARY: tuple[tuple[str, Callable[..., Saying]], ...] = (
    (r"enrolled in (\S+)", lambda mode: Saying(Fact.ENROLLMENT, "", Enrollment(mode, active=True))),
    (r"unenrolled from (\S+)", lambda mode: Saying(Fact.ENROLLMENT, "", Enrollment(mode, active=False))),
    (r"passing", lambda: Saying(Fact.PASSING, "", value=True)),
    (r"failing", lambda: Saying(Fact.PASSING, "", value=False)),
    (
        r"graded (\S+)(?: (\S+))?",
        lambda percent, letter: Saying(Fact.GRADE, "", Grade(float(percent), letter or "")),
    ),
    (
        rf"{_ATTEMPT} approved(?: until {_DAY})?",
        lambda attempt, end: Saying(Fact.ID_VERIFICATION, attempt or "1", Approval(_optional_instant(end))),
    ),
    (rf"{_ATTEMPT} denied", lambda attempt: Saying(Fact.ID_VERIFICATION, attempt or "1", None)),
    (rf"beta tester added{_BY}", lambda by: Saying(Fact.BETA_TESTER, "", value=True, by=by or "")),
    (rf"beta tester removed{_BY}", lambda by: Saying(Fact.BETA_TESTER, "", value=False, by=by or "")),
    (rf"allowlisted{_BY}", lambda by: Saying(Fact.ALLOWLIST, "", value=True, by=by or "")),
    (rf"allowlist entry removed{_BY}", lambda by: Saying(Fact.ALLOWLIST, "", value=False, by=by or "")),
    (rf"invalidated{_BY}", lambda by: Saying(Fact.INVALIDATION, PERSON, value=True, by=by or "")),
    (rf"invalidation lifted{_BY}", lambda by: Saying(Fact.INVALIDATION, PERSON, value=False, by=by or "")),
    (rf"exam (\S+) rejected{_BY}", lambda exam, by: Saying(Fact.INVALIDATION, exam, value=True, by=by or "")),
    (
        rf"exam (\S+) (?:verified|reset){_BY}",
        lambda exam, by: Saying(Fact.INVALIDATION, exam, value=False, by=by or ""),
    ),
    (r"date override removed", lambda: Saying(Fact.DATE_OVERRIDE, "", None)),
    (
        rf"date override {_DAY} by (\S+)",
        lambda day, by: Saying(Fact.DATE_OVERRIDE, "", instant(day), by),
    ),
    (r"course run configured", lambda: _setting("", value=True)),
    (
        r"web certificates switched (on|off)",
        lambda state: _setting("web_certificates_enabled", state == "on"),
    ),
    (r"display behavior (\S+)", lambda behavior: _setting("display_behavior", behavior)),
    (rf"available date {_DAY}", lambda day: _setting("available_date", instant(day))),
    (rf"course end {_DAY}", lambda day: _setting("end", instant(day))),
    (r"self-paced", lambda: _setting("self_paced", value=True)),
    (r"policy of the deployment", lambda: _setting("policy", None)),
    (r"policy (\S+)", lambda preset: _setting("policy", read_overrides(preset))),
    (r"hold of (\d+) seconds", lambda hold: _setting("policy", read_overrides({"hold_seconds": int(hold)}))),
    (
        r"ID verification not required",
        lambda: _setting("policy", read_overrides({"id_verification_required": False})),
    ),
    (
        r"revocation (\S+) because (\S+)",
        lambda word, cause: Saying(Fact.REVOCATION, cause, RevocationAction(word), "ada"),
    ),
    (
        rf"recorded (\S+?)(?: in (\S+))?(?: graded (\S+))?(?: with id (\S+))?(?: created {_DAY})?(?: modified {_DAY})?",
        _recorded,
    ),
)


def said(phrase: str) -> Saying:
    """Return what a phrase says."""
    for pattern, saying in VOCABULARY:
        if match := re.fullmatch(pattern, phrase):
            return saying(*match.groups())
    raise AssertionError(f"no fact is worded like this: {phrase!r}")


def told(phrases: Iterable[tuple[str, str]]) -> tuple[Entry, ...]:
    """Return the entries that these instants and phrases tell; of those at one instant, the last one holds."""
    return tuple(
        Entry(instant(at), f"event-{number:04}", saying.fact, saying.subject, saying.value, saying.by)
        for number, (at, saying) in enumerate(((at, said(phrase)) for at, phrase in phrases), 1)
    )


def record_of(*phrases: tuple[str, str], course_run: str = COURSE_RUN) -> Record:
    """Return the record of a learner of whom this was heard."""
    return Record(7, course_run, merge((), told(phrases)))


def qualifying(*phrases: tuple[str, str], without: Iterable[str] = (), course_run: str = COURSE_RUN) -> Record:
    """Return the record of a qualifying learner, without some of it and with what came on top."""
    base = [phrase for name, phrase in QUALIFYING.items() if name not in set(without)]
    return record_of(*base, *phrases, course_run=course_run)
