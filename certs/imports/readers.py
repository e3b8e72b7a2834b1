"""The readers of the tables' rows: the facts in a row, about whom, and since when.

Times in the tables are UTC without an offset. A row shows the current state; where nothing dates a change, it counts as
far back as it can have been so (see certrules.formats.table_rows).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from certrules.core.fact_types import Enrollment, Fact, Grade, Recorded
from certrules.core.terms import Status, is_nothing, mode_of
from certrules.formats.learner_names import Name, usable
from certrules.formats.refusals import EARLIEST, Reason
from certrules.formats.table_rows import Observation, TableRow, ignored
from certs.imports.rows import Change, Fields, RejectedError

EXPORTED = datetime(9999, 12, 31, tzinfo=UTC)
"""In the place of when a table was exported, which is known when all tables are read."""

_ALL_HONOR = datetime(2014, 1, 1, tzinfo=UTC)
"""Before this, the platform's tables had no column `mode`; it was added with `honor` in every row."""

_DISPLAY = {"early_with_info": "early_no_info"} | {name: name for name in ("early_no_info", "end", "end_with_date")}

_OLD_STATUSES = {"regenerating": Status.GENERATING}
"""Statuses that the platform had until 2017."""


def _pair(fields: Fields, *observations: Observation) -> Iterator[TableRow]:
    yield TableRow(fields.number("user_id"), fields.course_run("course_id"), observations)


# --- course runs


def overview(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read the settings of a course run. One that makes no sense is left out, and the others count."""
    course_run, modified = fields.course_run("id"), fields.past("modified")
    early = fields.flag_or_none("certificates_show_before_end")
    observations = [Observation(EARLIEST, modified, Fact.COURSE_RUN, True, source)]
    for setting, (column, read) in _SETTINGS.items():
        is_early = setting == "display_behavior" and early
        if not (fields.has(column) or is_early):
            fields.warn(column, "the table has no such column, so this is not set")
            continue
        value = "early_no_info" if is_early else read(fields, column)
        observation = Observation(EARLIEST, modified, Fact.COURSE_RUN, value, source, setting)
        if problem := fields.problem_of(column):
            name = f"{source.partition('/')[0]}.{column}"
            observation = ignored(observation._replace(since=modified), name, problem)
        observations.append(observation)
    yield TableRow(None, course_run, tuple(observations))


def _display_behavior(fields: Fields, column: str) -> str | None:
    return fields.or_none(_known_display_behavior(fields), column)


def _known_display_behavior(fields: Fields) -> Callable[[str], str]:
    def read(column: str) -> str:
        behavior = fields.required(column)
        if behavior not in _DISPLAY:
            raise RejectedError(Reason.BAD_VALUE, column, f"{behavior[:80]!r} is none of {', '.join(_DISPLAY)}")
        return _DISPLAY[behavior]

    return read


_SETTINGS: Mapping[str, tuple[str, Callable[[Fields, str], Any]]] = {
    "web_certificates_enabled": ("cert_html_view_enabled", Fields.flag_or_none),
    "display_behavior": ("certificates_display_behavior", _display_behavior),
    "available_date": ("certificate_available_date", Fields.instant_or_none),
    "end": ("end", Fields.instant_or_none),
    "self_paced": ("self_paced", Fields.flag_or_none),
}
"""For each setting of a course run its column, and how that is read."""


# --- learners


def user(fields: Fields, _source: str) -> Iterator[TableRow]:
    """Read a learner's username. The e-mail beside it is not read."""
    yield from _named(fields.number("id"), Name(fields.or_none(fields.text, "username") or "", ""))


def profile(fields: Fields, _source: str) -> Iterator[TableRow]:
    """Read a learner's full name."""
    yield from _named(fields.number("user_id"), Name("", fields.or_none(fields.text, "name") or ""))


def _named(learner_id: int, name: Name) -> Iterator[TableRow]:
    yield TableRow(learner_id, None, (), usable(name))


# --- learners in course runs


def enrollment(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an enrollment as it is now."""
    created = fields.past_or_none("created")
    value = Enrollment(_mode(fields, created), _is_active(fields))
    yield from _pair(fields, Observation(created or EARLIEST, EXPORTED, Fact.ENROLLMENT, value, source))


def enrollment_history(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an enrollment as it was from `history_date` on."""
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past_or_none("created") or EARLIEST)
    value = Enrollment(_mode(fields, observed_at), not _is_deletion(fields) and _is_active(fields))
    yield from _pair(fields, Observation(since, observed_at, Fact.ENROLLMENT, value, source))


def _mode(fields: Fields, at: datetime | None) -> str:
    """Return the mode of a row of this time; `honor` where the table is from before there were modes."""
    if fields.has("mode"):
        return fields.mode("mode")
    if at is None or at >= _ALL_HONOR:
        fix = f"the table has no such column, and the row is not from before {_ALL_HONOR:%Y}, when all modes were honor"
        raise RejectedError(Reason.MISSING_FIELD, "mode", f"{fix}; export the column")
    fields.warn("mode", f"the table has no such column: read as honor, as all were before {_ALL_HONOR:%Y}")
    return "honor"


def _is_active(fields: Fields) -> bool:
    """Whether an enrollment is active: no rule looks at it, so one of which this is unknown counts as active."""
    return fields.flag_or_none("is_active") is not False


def grade(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a grade, and whether the learner passed and passes.

    The percent of who passes counts since they passed, for that is the grade of a certificate that is issued then.
    """
    modified, passed_at = fields.past("modified"), fields.past_or_none("passed_timestamp")
    if not fields.has("passed_timestamp"):
        fields.warn("passed_timestamp", "the table has no such column: who passes counts as passing since `modified`")
    letter = fields.or_none(fields.observation, "letter_grade") or ""
    percent = fields.or_none(fields.share, "percent_grade")
    letter = "" if is_nothing(letter) else letter
    passing = Grade(percent, letter).may_mean_passed
    if passed_at is not None and passed_at >= modified and not passing:
        fields.warn("passed_timestamp", "it is not before `modified`, and no letter means that the learner passes")
        passed_at = None
    at = modified if passed_at is None else max(modified, passed_at)  # `modified` is set a moment before the other
    observations = []
    if percent is not None or letter:
        since = passed_at if passed_at is not None and passing else at
        value = Grade(percent, letter, passed_at is not None)
        observations.append(Observation(since, at, Fact.GRADE, value, source))
    if passed_at is not None:
        observations.append(Observation(passed_at, passed_at, Fact.PASSING, True, source))
    # Without the time of passing, the policy decides whether a letter that may mean passed does.
    if not fields.problem_of("letter_grade") and (passed_at is not None or not passing):
        # Who never passed never fell: dated before everything, this entry can cost nobody a certificate.
        at = at if passing or passed_at is not None else EARLIEST
        observations.append(Observation(at, at, Fact.PASSING, passing, source))
    yield from _pair(fields, *observations)


def certificate(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a certificate of the old logic."""
    modified = fields.past("modified_date")
    value = Recorded(
        _status(fields),
        _certificate_mode(fields, modified),
        fields.or_none(fields.observation, "grade") or "",
        fields.or_none(fields.certificate_id, "verify_uuid") or "",
        fields.past_or_none("created_date"),
        modified,
    )
    yield from _pair(fields, Observation(modified, modified, Fact.RECORDED, value, source))


def _status(fields: Fields) -> Status:
    status = fields.required("status").casefold()
    if status in _OLD_STATUSES:
        fields.warn("status", f"{status!r}, which the platform has no more, is read as {_OLD_STATUSES[status]}")
        return _OLD_STATUSES[status]
    try:
        return Status(status)
    except ValueError:
        fix = f"{status[:80]!r} is none of {', '.join(Status)}"
        raise RejectedError(Reason.BAD_VALUE, "status", fix) from None


def _certificate_mode(fields: Fields, at: datetime) -> str:
    """Return a certificate's mode; "" if none is known: no rule looks at it."""
    if fields.has("mode"):
        return mode_of(fields.or_none(fields.observation, "mode") or "")
    mode = "honor" if at < _ALL_HONOR else ""
    fields.warn("mode", f"the table has no such column: {f'read as {mode}' if mode else 'the certificate has none'}")
    return mode


def listed(column: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    """Return the reader of an allowlist entry, whose flag is in this column."""

    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        listed = fields.flag(column)
        created = fields.past("created") if fields.has("created") else EXPORTED  # old tables have no such column
        observed_at = max(created, fields.past_or_none("modified") or created)
        since = created if listed else observed_at
        yield from _pair(
            fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, notes=fields.notes("notes"))
        )

    return read


def allowlist_history(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read an allowlist entry as it was from `history_date` on."""
    listed = not _is_deletion(fields) and fields.flag("allowlist")
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past_or_none("created") or observed_at) if listed else observed_at
    by, notes = fields.person("history_user_id"), fields.notes("notes")
    yield from _pair(fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, by=by, notes=notes))


def role(fields: Fields, source: str) -> Iterator[TableRow]:
    """Read a role: only beta testers count."""
    if fields.observation("role") == "beta_testers":
        yield from _pair(fields, Observation(EARLIEST, EXPORTED, Fact.BETA_TESTER, True, source))


def _is_deletion(fields: Fields) -> bool:
    kind = fields.required("history_type")
    if kind not in {"+", "~", "-"}:
        raise RejectedError(Reason.BAD_VALUE, "history_type", f"{kind[:80]!r} is none of +, ~, -")
    return kind == "-"


# --- certificates by their id


def invalidation(fields: Fields, source: str) -> Iterator[Change]:
    """Read an invalidation as it is now."""
    created = fields.past("created")
    until = None if fields.flag("active") else max(created, fields.past("modified"))
    yield _change(fields, source, created, True, ("invalidated_by_id", "notes"), until)


def invalidation_history(fields: Fields, source: str) -> Iterator[Change]:
    """Read an invalidation as it was from `history_date` on."""
    active = not _is_deletion(fields) and fields.flag("active")
    at = fields.past("history_date")
    who = "invalidated_by_id" if active else "history_user_id"
    yield _change(fields, source, at, active, (who, "notes"))


def override(fields: Fields, source: str) -> Iterator[Change]:
    """Read the date that a certificate shows."""
    created = fields.past_or_none("created")
    at = fields.past("modified")
    yield _change(fields, source, max(at, created or at), _date(fields), ("overridden_by_id", "reason"))


def override_history(fields: Fields, source: str) -> Iterator[Change]:
    """Read the date that a certificate showed from `history_date` on."""
    gone = _is_deletion(fields)
    who = "history_user_id" if gone else "overridden_by_id"
    yield _change(fields, source, fields.past("history_date"), None if gone else _date(fields), (who, "reason"))


def _date(fields: Fields) -> datetime:
    """Return the date that a certificate shows, which needs no time of day."""
    return fields.instant("date", date_alone=True)


def _change(
    fields: Fields, source: str, at: datetime, value: object, columns: tuple[str, str], until: datetime | None = None
) -> Change:
    certificate = fields.number("generated_certificate_id")
    row, is_history = str(fields.number("id")), bool(fields.text("history_type"))
    return Change(
        certificate, source, row, is_history, at, until, value, fields.person(columns[0]), fields.notes(columns[1])
    )
