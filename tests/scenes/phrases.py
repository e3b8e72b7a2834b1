"""Facts in words: "day 4 10:00" and "invalidated by ada" become an instant and an entry of a timeline.

Day 1 is 1 January 2026, UTC. A phrase is read by the first pattern of VOCABULARY that it matches as a whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, IgnoredField, Recorded
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


class Content(NamedTuple):
    """What a phrase means, but for when and by which event."""

    fact: Fact
    subject: str
    value: Any
    by: str = ""


def instant(all_phrases: str) -> datetime:
    """Read "day 4", "day 4 10:00" or "day 4 10:00:01"; a negative day is before day 1."""
    match = re.fullmatch(r"day (-?\d+)(?: (\d+):(\d\d)(?::(\d\d))?)?", all_phrases)
    assert match, f"not an instant: {all_phrases!r}"
    day, hour, minute, second = (int(group or 0) for group in match.groups())
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)


def _optional_instant(all_phrases: str | None) -> datetime | None:
    return instant(all_phrases) if all_phrases else None


def _recorded(
    status: str, mode: str | None, grade: str | None, certificate_id: str | None, *dates: str | None
) -> Content:
    created, modified = (_optional_instant(date) for date in dates)
    all_phrases = {None: "verified", "-": ""}.get(mode, mode), {None: "0.9", "-": ""}.get(grade, grade)
    mode, grade = (str(one_phrase) for one_phrase in all_phrases)
    value = Recorded(Status(status), mode, grade, certificate_id or "", created, modified)
    return Content(Fact.RECORDED, "", value)


def _setting(name: str, value: object) -> Content:
    return Content(Fact.COURSE_RUN, name, value)


_ATTEMPT = r"ID(?: attempt (\S+))?"
_BY = r"(?: by (\S+))?"
_DAY = r"(day \S+(?: \S+)?)"

VOCABULARY: tuple[tuple[str, Callable[..., Content]], ...] = (
    (r"enrolled in (\S+)", lambda mode: Content(Fact.ENROLLMENT, "", Enrollment(mode, active=True))),
    (r"unenrolled from (\S+)", lambda mode: Content(Fact.ENROLLMENT, "", Enrollment(mode, active=False))),
    (r"passing", lambda: Content(Fact.PASSING, "", value=True)),
    (r"failing", lambda: Content(Fact.PASSING, "", value=False)),
    (
        r"graded (\S+)(?: (\S+))?( since passing)?",
        lambda percent, letter, passed: Content(Fact.GRADE, "", Grade(float(percent), letter or "", bool(passed))),
    ),
    (
        rf"{_ATTEMPT} approved(?: until {_DAY})?",
        lambda attempt, end: Content(Fact.ID_VERIFICATION, attempt or "1", Approval(_optional_instant(end))),
    ),
    (rf"{_ATTEMPT} denied", lambda attempt: Content(Fact.ID_VERIFICATION, attempt or "1", None)),
    (rf"beta tester added{_BY}", lambda by: Content(Fact.BETA_TESTER, "", value=True, by=by or "")),
    (rf"beta tester removed{_BY}", lambda by: Content(Fact.BETA_TESTER, "", value=False, by=by or "")),
    (rf"allowlisted{_BY}", lambda by: Content(Fact.ALLOWLIST, "", value=True, by=by or "")),
    (rf"allowlist entry removed{_BY}", lambda by: Content(Fact.ALLOWLIST, "", value=False, by=by or "")),
    (rf"invalidated{_BY}", lambda by: Content(Fact.INVALIDATION, PERSON, value=True, by=by or "")),
    (rf"invalidation lifted{_BY}", lambda by: Content(Fact.INVALIDATION, PERSON, value=False, by=by or "")),
    (rf"exam (\S+) rejected{_BY}", lambda exam, by: Content(Fact.INVALIDATION, exam, value=True, by=by or "")),
    (
        rf"exam (\S+) (?:verified|reset){_BY}",
        lambda exam, by: Content(Fact.INVALIDATION, exam, value=False, by=by or ""),
    ),
    (r"date override removed", lambda: Content(Fact.DATE_OVERRIDE, "", None)),
    (
        rf"date override {_DAY} by (\S+)",
        lambda day, by: Content(Fact.DATE_OVERRIDE, "", instant(day), by),
    ),
    (r"course run configured", lambda: _setting("", value=True)),
    (
        r"web certificates switched (on|off)",
        lambda state: _setting("web_certificates_enabled", state == "on"),
    ),
    (r"display behavior (\S+)", lambda behavior: _setting("display_behavior", behavior)),
    (rf"available date {_DAY}", lambda day: _setting("available_date", instant(day))),
    (rf"course end {_DAY}", lambda day: _setting("end", instant(day))),
    (
        r"ignored display behavior",
        lambda: Content(
            Fact.IGNORED_FIELD,
            "course_run.display_behavior",
            IgnoredField(
                Fact.COURSE_RUN,
                "display_behavior",
                "a text of 6 characters is none of early_no_info, end, end_with_date",
            ),
        ),
    ),
    (
        r"ignored percent",
        lambda: Content(
            Fact.IGNORED_FIELD, "grade.percent_grade", IgnoredField(Fact.GRADE, "", "-1 is no number from 0")
        ),
    ),
    (r"self-paced", lambda: _setting("self_paced", value=True)),
    (r"passing letters (\S+)", lambda letter: _setting("policy", read_overrides({"passing_letters": [letter]}))),
    (r"policy of the deployment", lambda: _setting("policy", None)),
    (r"policy (\S+)", lambda preset: _setting("policy", read_overrides(preset))),
    (r"hold of (\d+) seconds", lambda hold: _setting("policy", read_overrides({"hold_seconds": int(hold)}))),
    (
        r"ID verification not required",
        lambda: _setting("policy", read_overrides({"id_verification_required": False})),
    ),
    (
        r"revocation (\S+) because (\S+)",
        lambda one_phrase, cause: Content(Fact.REVOCATION, cause, RevocationAction(one_phrase), "ada"),
    ),
    (
        rf"recorded (\S+?)(?: in (\S+))?(?: graded (\S+))?(?: with id (\S+))?(?: created {_DAY})?(?: modified {_DAY})?",
        _recorded,
    ),
)


def stated(phrase: str) -> Content:
    """Return what a phrase means."""
    for pattern, content in VOCABULARY:
        if match := re.fullmatch(pattern, phrase):
            return content(*match.groups())
    raise AssertionError(f"no fact is worded like this: {phrase!r}")


def reported(phrases: Iterable[tuple[str, str]]) -> tuple[Entry, ...]:
    """Return the entries that these instants and phrases mean; of those at one instant, the last one holds."""
    return tuple(
        Entry(instant(at), f"event-{number:04}", content.fact, content.subject, content.value, content.by)
        for number, (at, content) in enumerate(((at, stated(phrase)) for at, phrase in phrases), 1)
    )


def record_of(*phrases: tuple[str, str], course_run: str = COURSE_RUN) -> Record:
    """Return the record of a learner of whom this was received."""
    return Record(7, course_run, merge((), reported(phrases)))


def qualifying(*phrases: tuple[str, str], without: Iterable[str] = (), course_run: str = COURSE_RUN) -> Record:
    """Return the record of a qualifying learner, without some of it and with what came on top."""
    base = [phrase for name, phrase in QUALIFYING.items() if name not in set(without)]
    return record_of(*base, *phrases, course_run=course_run)
