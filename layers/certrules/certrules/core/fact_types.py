"""Fact types: a row for each fact, with its letter and its codec at rest, its owner, and its wording.

Values are in the form that `core` works with; `to_stored` makes them plain JSON and `from_stored` reads that back.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from certrules.core.instants import MICROSECOND, instant_of, micros, optional_instant, optional_micros
from certrules.core.letters import names_no_pass
from certrules.core.older_grades import older_grades_from_stored, older_grades_to_stored, older_grades_wording
from certrules.core.policy import Modes, Overrides
from certrules.core.terms import PERSON, RevocationAction, Status, mode_of
from certrules.core.wording import SETTING_NAMES, EntryWording, on_or_off, overrides_text, status_text, when


class Fact(StrEnum):
    """The subject of an entry of a timeline."""

    ENROLLMENT = "enrollment"
    PASSING = "passing"
    GRADE = "grade"
    BETA_TESTER = "beta_tester"
    ALLOWLIST = "allowlist"
    INVALIDATION = "invalidation"
    DATE_OVERRIDE = "date_override"
    RECORDED = "recorded"
    ID_VERIFICATION = "id_verification"
    COURSE_RUN = "course_run"
    REVOCATION = "revocation"
    AUTOMATIC_REVOCATIONS = "automatic_revocations"
    IGNORED_FIELD = "ignored_field"
    OLDER_GRADES = "older_grades"


class Owner(StrEnum):
    """To whose timeline a fact belongs."""

    LEARNER_IN_COURSE_RUN = "learner in course run"
    LEARNER = "learner"
    COURSE_RUN = "course run"


# --- values


class Enrollment(NamedTuple):
    """The value of an enrollment entry."""

    mode: str
    active: bool


class Grade(NamedTuple):
    """The value of a grade entry. A letter may mean passed, by the policy in force; none is evidence of failing."""

    percent: float | None  # a fraction of one, above it with extra credit; None: unknown
    letter: str
    has_passed_timestamp: bool = False  # whether the platform names beside it when the learner passed

    @property
    def may_mean_passed(self) -> bool:
        """Whether the letter means passed under some policy."""
        return not names_no_pass(self.letter)


class Approval(NamedTuple):
    """The value of an approved ID verification attempt."""

    expires_at: datetime | None  # UTC; None: never


class Recorded(NamedTuple):
    """A certificate of the old logic."""

    status: Status
    mode: str
    grade: str  # as the platform writes it; "" if it has none
    certificate_id: str  # "" if it has none
    created: datetime | None = None  # UTC; None: from an event without dates
    modified: datetime | None = None  # UTC: the date that the platform shows


class IgnoredField(NamedTuple):
    """An optional field of an event or a table row that makes no sense and was left out."""

    fact: Fact  # the fact that it would have changed ...
    subject: str  # ... and that fact's subject: a setting of the course run, an attempt
    why: str  # names the value


AFTER_PUBLICATION = "after_publication"
"""The subject of a recorded certificate that is newer than the one that this service published: only compared."""


# --- at rest


@lru_cache(maxsize=256)  # nearly every record has one, and they take few values
def _enrollment_from_stored(mode: str, active: bool) -> Enrollment:
    return Enrollment(mode_of(mode), active)


def _recorded_to_stored(value: Recorded) -> list[Any]:
    return [*value[:4], optional_micros(value.created), optional_micros(value.modified)]


def _recorded_from_stored(value: list[Any]) -> Recorded:
    status, mode, grade, certificate_id, created, modified = value
    dates = optional_instant(created), optional_instant(modified)
    return Recorded(Status(status), mode, grade, certificate_id, *dates)


def _setting_to_stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, Overrides):
        return [
            value.preset,
            _modes_to_stored(value.eligible_modes),
            value.id_verification_required,
            _modes_to_stored(value.modes_without_id_verification),
            None if value.hold is None else value.hold // MICROSECOND,
            value.breaker_limit,
            None if value.breaker_window is None else value.breaker_window // MICROSECOND,
            value.passing_letters,
        ]
    return value


def _setting_from_stored(setting: str, value: Any) -> Any:
    if setting in {"available_date", "end"}:
        return instant_of(value)
    if setting == "policy":
        preset, eligible, required, without, hold, limit, window, *letters = value
        hold, window = (None if span is None else timedelta(microseconds=span) for span in (hold, window))
        return Overrides(
            *(preset, _modes_from_stored(eligible), required, _modes_from_stored(without), hold, limit, window),
            *(found if found is None else tuple(found) for found in letters),
        )
    return value


def _modes_to_stored(modes: Modes | None) -> list[Any] | None:
    return None if modes is None else [modes.all_but, *sorted(modes.names)]


def _modes_from_stored(value: list[Any] | None) -> Modes | None:
    return None if value is None else Modes(frozenset(map(mode_of, value[1:])), all_but=value[0])


# --- wording, by the entry's subject, its value, and the instant (UTC) as of which it is described


def _enrollment_wording(_subject: str, value: Enrollment, _as_of: datetime) -> EntryWording:
    if value.active:
        return EntryWording("Enrollment", f"{value.mode} mode", f"Enrolled in {value.mode} mode")
    return EntryWording("Enrollment", f"{value.mode} mode, inactive", f"Unenrolled from {value.mode} mode")


def _passing_wording(_subject: str, value: bool, _as_of: datetime) -> EntryWording:
    return EntryWording("Passing", "passed" if value else "failing", "Passed" if value else "Graded as failing")


def _grade_wording(_subject: str, value: Grade, _as_of: datetime) -> EntryWording:
    text = "without a percent" if value.percent is None else f"{value.percent * 100:.6g}%"
    if value.letter:
        text = f"{text} ({value.letter})"
    return EntryWording("Grade", text, f"Graded {text}")


def _beta_tester_wording(_subject: str, value: bool, _as_of: datetime) -> EntryWording:
    text = "given" if value else "removed"
    return EntryWording("Beta tester role", text, f"Beta tester role {text}")


def _allowlist_wording(_subject: str, value: bool, _as_of: datetime) -> EntryWording:
    text = "added" if value else "removed"
    return EntryWording("Allowlist entry", text, f"Allowlist entry {text}")


def _invalidation_wording(exam: str, value: bool, _as_of: datetime) -> EntryWording:
    if exam == PERSON:
        event = "Certificate invalidated" if value else "Invalidation lifted"
        return EntryWording("Invalidation", "active" if value else "lifted", event)
    event = f"Attempt at the exam {exam} {'rejected' if value else 'verified or reset'}"
    return EntryWording(f"Attempt at the exam {exam}", "rejected" if value else "not rejected", event)


def _date_override_wording(_subject: str, value: datetime | None, _as_of: datetime) -> EntryWording:
    name = "Override of the certificate's date"
    if value is None:
        return EntryWording(name, "none", f"{name} removed")
    return EntryWording(name, when(value), f"{name} set", f": {when(value)}")


def _recorded_wording(subject: str, value: Recorded, _as_of: datetime) -> EntryWording:
    name, status = "Certificate of the old logic", status_text(value.status)
    event = f"Certificate recorded by the old logic as {status}"
    if subject == AFTER_PUBLICATION:
        name, event = f"{name} after publication", f"{event}, which does not count: this service had published before"
    return EntryWording(name, status, event)


def _id_verification_wording(attempt: str, value: Approval | None, as_of: datetime) -> EntryWording:
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


def _setting_wording(setting: str, value: object, _as_of: datetime) -> EntryWording:
    if not setting:
        return EntryWording("Course run", "known", "Configuration of the course run received")
    name = f"{SETTING_NAMES.get(setting, f'Setting {setting}')} of the course run"
    if isinstance(value, bool):
        return EntryWording(name, on_or_off(value), f"{name} {'enabled' if value else 'disabled'}")
    if value is None:
        return EntryWording(name, "none", f"{name} cleared")
    text = f"{value}"
    if isinstance(value, datetime):
        text = when(value)
    elif isinstance(value, Overrides):
        text = overrides_text(value)
    return EntryWording(name, text, f"{name} set", f": {text}")


_ACTIONS: Mapping[RevocationAction, str] = {
    RevocationAction.HELD: "Pending revocation held for a person to decide",
    RevocationAction.RELEASED: "Pending revocation released",
    RevocationAction.DISCARDED: "Pending revocation discarded: the certificate stays",
}


def _revocation_wording(_cause: str, value: RevocationAction, _as_of: datetime) -> EntryWording:
    return EntryWording("Pending revocation", value, _ACTIONS[value])


def _switch_wording(_subject: str, value: bool, _as_of: datetime) -> EntryWording:
    event = f"Automatic revocations {'resumed' if value else 'stopped'}"
    return EntryWording("Automatic revocations", on_or_off(value), event)


def _ignored_field_wording(field: str, value: IgnoredField, _as_of: datetime) -> EntryWording:
    return EntryWording(f"Field {field}", "ignored", f"Field {field} ignored", f": {value.why}")


# --- the table


def _as_is(value: Any) -> Any:
    return value


def _plain(_subject: str, value: Any) -> Any:
    return value


class FactType(NamedTuple):
    """Everything about one fact but what rules and replay make of it."""

    letter: str  # names the fact at rest; never changed
    value: str  # the type of its values, for the docs
    noun: str  # completes the sentence "No ... has been received."
    wording: Callable[[str, Any, datetime], EntryWording]
    owner: Owner = Owner.LEARNER_IN_COURSE_RUN
    to_stored: Callable[[Any], Any] = _as_is  # of a value that is not None
    from_stored: Callable[[str, Any], Any] = _plain  # of an entry's subject and a value that is not None

    @property
    def never_received(self) -> str:
        """The sentence for a fact without an entry."""
        return f"No {self.noun} has been received."


FACTS: Mapping[Fact, FactType] = {
    Fact.ENROLLMENT: FactType(
        letter="e",
        value="mode, is active",
        noun="enrollment",
        wording=_enrollment_wording,
        from_stored=lambda _, value: _enrollment_from_stored(*value),
    ),
    Fact.PASSING: FactType(
        letter="p",
        value="yes or no",
        noun="grade that says whether the learner passes",
        wording=_passing_wording,
    ),
    Fact.GRADE: FactType(
        letter="g",
        value="percent, letter",
        noun="grade",
        wording=_grade_wording,
        to_stored=lambda value: list(value if value.has_passed_timestamp else value[:2]),
        from_stored=lambda _, value: Grade(*value),
    ),
    Fact.BETA_TESTER: FactType(
        letter="b",
        value="yes or no",
        noun="beta tester role",
        wording=_beta_tester_wording,
    ),
    Fact.ALLOWLIST: FactType(
        letter="a",
        value="listed or not",
        noun="allowlist entry",
        wording=_allowlist_wording,
    ),
    Fact.INVALIDATION: FactType(  # the subject is the exam's usage key, or PERSON
        letter="i",
        value="active or lifted",
        noun="invalidation",
        wording=_invalidation_wording,
    ),
    Fact.DATE_OVERRIDE: FactType(
        letter="d",
        value="date, or none",
        noun="date override",
        wording=_date_override_wording,
        to_stored=micros,
        from_stored=lambda _, value: instant_of(value),
    ),
    Fact.RECORDED: FactType(
        letter="o",
        value="status, mode, grade, id, dates",
        noun="certificate of the old logic",
        wording=_recorded_wording,
        to_stored=_recorded_to_stored,
        from_stored=lambda _, value: _recorded_from_stored(value),
    ),
    Fact.ID_VERIFICATION: FactType(  # the subject is the attempt
        letter="v",
        owner=Owner.LEARNER,
        value="approved with its end, or denied",
        noun="ID verification",
        wording=_id_verification_wording,
        to_stored=lambda value: [optional_micros(value.expires_at)],
        from_stored=lambda _, value: Approval(optional_instant(value[0])),
    ),
    Fact.COURSE_RUN: FactType(  # the subject is the setting; "" records only that the course run exists
        letter="r",
        owner=Owner.COURSE_RUN,
        value="the setting's value",
        noun="configuration of the course run",
        wording=_setting_wording,
        to_stored=_setting_to_stored,
        from_stored=_setting_from_stored,
    ),
    Fact.REVOCATION: FactType(  # the subject is the cause of the pending revocation
        letter="h",
        value="held, released or discarded",
        noun="action on a pending revocation",
        wording=_revocation_wording,
        from_stored=lambda _, value: RevocationAction(value),
    ),
    Fact.AUTOMATIC_REVOCATIONS: FactType(
        letter="s",
        owner=Owner.COURSE_RUN,  # or the deployment's own
        value="on or off",
        noun="switch of automatic revocations",
        wording=_switch_wording,
    ),
    Fact.IGNORED_FIELD: FactType(  # the subject is the field's name in the event or the table; no rule looks at it
        letter="w",
        owner=Owner.LEARNER_IN_COURSE_RUN,  # or whose fact the field would have changed
        value="why",
        noun="ignored field",
        wording=_ignored_field_wording,
        from_stored=lambda _, value: IgnoredField(Fact(value[0]), *value[1:]),
    ),
    Fact.OLDER_GRADES: FactType(  # made by `thinning`; no event brings it, and no rule looks at it
        letter="n",
        value="how many, since when",
        noun="grade that is no longer stored",
        wording=older_grades_wording,
        to_stored=older_grades_to_stored,
        from_stored=older_grades_from_stored,
    ),
}

BY_LETTER: Mapping[str, tuple[Fact, FactType]] = {row.letter: (fact, row) for fact, row in FACTS.items()}
