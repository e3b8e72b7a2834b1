"""The platform's tables: the facts in each row, about whom, and since when. docs/import.md is generated from this.

Times in the tables are UTC without an offset. A row shows the current state; where nothing dates a change, it counts as
far back as it can have been so (see certrules.formats.table_rows).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.terms import Status
from certrules.formats.platform_events import implies_passing
from certrules.formats.refusals import EARLIEST, Reason
from certrules.formats.table_rows import Observation, TableRow
from certs.imports.rows import Change, FactInRow, Fields, RejectedError, Table

EXPORTED = datetime(9999, 12, 31, tzinfo=UTC)
"""In the place of when a table was exported, which is known when all tables are read."""

ID_VERIFICATION_DAYS = 365
"""For how long an ID verification without an expiration date holds: the platform's VERIFY_STUDENT["DAYS_GOOD_FOR"]."""


_NOTHING_NEW = {"created", "ready", "submitted", "must_retry", "pending"}
_DISPLAY = {"early_with_info": "early_no_info"} | {name: name for name in ("early_no_info", "end", "end_with_date")}


def _pair(fields: Fields, *observations: Observation) -> Iterator[TableRow]:
    yield TableRow(fields.number("user_id"), fields.course_run("course_id"), observations)


# --- course runs


def _overview(fields: Fields, source: str) -> Iterator[TableRow]:
    course_run = fields.course_run("id")
    behavior = fields.observation("certificates_display_behavior")
    if behavior and behavior not in _DISPLAY:
        fix = f"{behavior[:80]!r} is none of {', '.join(_DISPLAY)}"
        raise RejectedError(Reason.BAD_VALUE, "certificates_display_behavior", fix)
    early = fields.flag("certificates_show_before_end")
    settings = {
        "": True,
        "web_certificates_enabled": fields.flag("cert_html_view_enabled"),
        "display_behavior": "early_no_info" if early else _DISPLAY.get(behavior),
        "available_date": fields.instant("certificate_available_date"),
        "end": fields.instant("end"),
        "self_paced": fields.flag("self_paced"),
    }
    modified = fields.past("modified")
    yield TableRow(
        None,
        course_run,
        tuple(
            Observation(EARLIEST, modified, Fact.COURSE_RUN, value, source, setting)
            for setting, value in settings.items()
        ),
    )


# --- learners in course runs


def _enrollment(fields: Fields, source: str) -> Iterator[TableRow]:
    value = Enrollment(fields.required("mode") and fields.observation("mode"), fields.flag("is_active"))
    since = fields.past_or_none("created") or EARLIEST
    yield from _pair(fields, Observation(since, EXPORTED, Fact.ENROLLMENT, value, source))


def _enrollment_history(fields: Fields, source: str) -> Iterator[TableRow]:
    active = fields.flag("is_active") and not _is_deletion(fields)
    value = Enrollment(fields.required("mode") and fields.observation("mode"), active)
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past_or_none("created") or EARLIEST)
    yield from _pair(fields, Observation(since, observed_at, Fact.ENROLLMENT, value, source))


def _grade(fields: Fields, source: str) -> Iterator[TableRow]:
    letter = fields.observation("letter_grade")
    percent = fields.share("percent_grade")
    passed_at, modified = fields.past_or_none("passed_timestamp"), fields.past("modified")
    passing = implies_passing(letter)
    observations = [Observation(modified, modified, Fact.GRADE, Grade(percent, letter), source)]
    if passed_at is not None:
        if passed_at > modified or (passed_at == modified and not passing):
            fix = "it is not before `modified`: a row that says when the learner passed is not older than that"
            raise RejectedError(Reason.BAD_VALUE, "passed_timestamp", fix)
        observations.append(Observation(passed_at, passed_at, Fact.PASSING, True, source))
    # Who never passed never fell: dated before everything, this entry can cost nobody a certificate.
    at = modified if passing or passed_at is not None else EARLIEST
    observations.append(Observation(at, at, Fact.PASSING, passing, source))
    yield from _pair(fields, *observations)


def _certificate(fields: Fields, source: str) -> Iterator[TableRow]:
    try:
        status = Status(fields.required("status"))
    except ValueError:
        fix = f"{fields.text('status')[:80]!r} is none of {', '.join(Status)}"
        raise RejectedError(Reason.BAD_VALUE, "status", fix) from None
    modified = fields.past("modified_date")
    value = Recorded(
        status,
        fields.observation("mode"),
        fields.observation("grade"),
        fields.observation("verify_uuid"),
        fields.past("created_date"),
        modified,
    )
    yield from _pair(fields, Observation(modified, modified, Fact.RECORDED, value, source))


def _listed(column: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        listed = fields.flag(column)
        created = fields.past("created")
        observed_at = max(created, fields.past_or_none("modified") or created)
        since = created if listed else observed_at
        yield from _pair(
            fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, notes=fields.notes("notes"))
        )

    return read


def _allowlist_history(fields: Fields, source: str) -> Iterator[TableRow]:
    listed = fields.flag("allowlist") and not _is_deletion(fields)
    observed_at = fields.past("history_date")
    since = min(observed_at, fields.past("created")) if listed else observed_at
    by, notes = fields.person("history_user_id"), fields.notes("notes")
    yield from _pair(fields, Observation(since, observed_at, Fact.ALLOWLIST, listed, source, by=by, notes=notes))


def _role(fields: Fields, source: str) -> Iterator[TableRow]:
    if fields.observation("role") == "beta_testers":
        yield from _pair(fields, Observation(EARLIEST, EXPORTED, Fact.BETA_TESTER, True, source))


def _is_deletion(fields: Fields) -> bool:
    kind = fields.required("history_type")
    if kind not in {"+", "~", "-"}:
        raise RejectedError(Reason.BAD_VALUE, "history_type", f"{kind[:80]!r} is none of +, ~, -")
    return kind == "-"


# --- certificates by their id


def _invalidation(fields: Fields, source: str) -> Iterator[Change]:
    created = fields.past("created")
    until = None if fields.flag("active") else max(created, fields.past("modified"))
    yield _change(fields, source, created, True, ("invalidated_by_id", "notes"), until)


def _invalidation_history(fields: Fields, source: str) -> Iterator[Change]:
    active = fields.flag("active") and not _is_deletion(fields)
    at = fields.past("history_date")
    who = "invalidated_by_id" if active else "history_user_id"
    yield _change(fields, source, at, active, (who, "notes"))


def _override(fields: Fields, source: str) -> Iterator[Change]:
    at = max(fields.past("created"), fields.past("modified"))
    yield _change(fields, source, at, _date(fields), ("overridden_by_id", "reason"))


def _override_history(fields: Fields, source: str) -> Iterator[Change]:
    gone = _is_deletion(fields)
    who = "history_user_id" if gone else "overridden_by_id"
    yield _change(fields, source, fields.past("history_date"), None if gone else _date(fields), (who, "reason"))


def _date(fields: Fields) -> datetime:
    date = fields.instant("date")
    if date is None:
        raise RejectedError(Reason.MISSING_FIELD, "date", "it is empty; it is the date that the certificate shows")
    return date


def _change(
    fields: Fields, source: str, at: datetime, value: object, columns: tuple[str, str], until: datetime | None = None
) -> Change:
    certificate = fields.number("generated_certificate_id")
    row, is_history = fields.required("id"), bool(fields.text("history_type"))
    return Change(
        certificate, source, row, is_history, at, until, value, fields.person(columns[0]), fields.notes(columns[1])
    )


# --- learners


def _verification(kind: str) -> Callable[[Fields, str], Iterator[TableRow]]:
    def read(fields: Fields, source: str) -> Iterator[TableRow]:
        status = fields.required("status")
        learner_id, attempt = fields.number("user_id"), f"{kind}:{fields.number('id')}"
        changed, updated = fields.past("status_changed"), fields.past("updated_at")
        if status == "approved":
            created = fields.past("created_at")
            value = Approval(fields.instant("expiration_date") or created + timedelta(days=ID_VERIFICATION_DAYS))
        elif status == "denied":
            value = None
        elif status in _NOTHING_NEW:
            return
        else:
            known = ", ".join(sorted({"approved", "denied", *_NOTHING_NEW}))
            raise RejectedError(Reason.BAD_VALUE, "status", f"{status[:80]!r} is none of {known}")
        observed_at = max(changed, updated)
        yield TableRow(
            learner_id, None, (Observation(changed, observed_at, Fact.ID_VERIFICATION, value, source, attempt),)
        )

    return read


# --- the map


_HISTORY = ("history_date", "history_type")
_ID = ("id",)
_PAIR = ("user_id", "course_id")
_OVERVIEW = "1970"
_VERIFICATION = (
    FactInRow(
        "ID verification",
        "`approved`: until `expiration_date`, else 365 days from `created_at`",
        "`status_changed`",
        "`updated_at`",
    ),
    FactInRow("ID verification", "`denied`: this attempt counts no more", "`status_changed`", "`updated_at`"),
    FactInRow("", "any other status: nothing is decided yet", "", ""),
)


def _verifications(name: str, kind: str) -> Table:
    columns = ("id", "user_id", "status", "status_changed", "created_at", "updated_at", "expiration_date")
    return Table(name, columns, _ID, _verification(kind), _VERIFICATION)


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "course_overviews_courseoverview",
            (
                "id", "modified", "cert_html_view_enabled", "certificates_display_behavior",
                "certificates_show_before_end", "certificate_available_date", "end", "self_paced",
            ),
            _ID,
            _overview,
            (
                FactInRow("course run", "exists", _OVERVIEW, "`modified`"),
                FactInRow("course run", "web certificates enabled: `cert_html_view_enabled`", _OVERVIEW, "`modified`"),
                FactInRow(
                    "course run",
                    "display behaviour: `early_no_info` if `certificates_show_before_end`, else "
                    "`certificates_display_behavior` (`early_with_info` is `early_no_info`; NULL is none)",
                    _OVERVIEW,
                    "`modified`",
                ),
                FactInRow("course run", "available date: `certificate_available_date`", _OVERVIEW, "`modified`"),
                FactInRow("course run", "end: `end`; pacing: `self_paced`", _OVERVIEW, "`modified`"),
            ),
        ),
        Table(
            "student_courseenrollment",
            ("user_id", "course_id", "created", "is_active", "mode"),
            (*_ID, *_PAIR),
            _enrollment,
            (FactInRow("enrollment", "`mode`, `is_active`", "`created`", "the export"),),
        ),
        Table(
            "student_courseenrollment_history",
            ("user_id", "course_id", "created", "is_active", "mode", *_HISTORY),
            ("history_id",),
            _enrollment_history,
            (
                FactInRow(
                    "enrollment", "`mode`, `is_active`; `-`: inactive", "`created` (the first row)", "`history_date`"
                ),
            ),
        ),
        Table(
            "grades_persistentcoursegrade",
            ("user_id", "course_id", "percent_grade", "letter_grade", "passed_timestamp", "modified"),
            (*_ID, *_PAIR),
            _grade,
            (
                FactInRow("grade", "`percent_grade`, `letter_grade`", "`modified`", "`modified`"),
                FactInRow("passing", "`passed_timestamp` set: passed", "`passed_timestamp`", "`passed_timestamp`"),
                FactInRow("passing", "a letter (not F): passes", "`modified`", "`modified`"),
                FactInRow("passing", "no letter, `passed_timestamp` set: fails (again)", "`modified`", "`modified`"),
                FactInRow("passing", "no letter, no `passed_timestamp`: never passed", "1970", "1970"),
            ),
        ),
        _verifications("verify_student_softwaresecurephotoverification", "photo"),
        _verifications("verify_student_ssoverification", "sso"),
        _verifications("verify_student_manualverification", "manual"),
        Table(
            "certificates_generatedcertificate",
            ("user_id", "course_id", "status", "mode", "grade", "verify_uuid", "created_date", "modified_date"),
            (*_ID, *_PAIR),
            _certificate,
            (
                FactInRow(
                    "recorded certificate",
                    "`status`, `mode`, `grade`, id `verify_uuid`, `created_date`, `modified_date`",
                    "`modified_date`",
                    "`modified_date`",
                ),
            ),
            also=("id",),
        ),
        Table(
            "certificates_certificateinvalidation",
            ("id", "generated_certificate_id", "active", "created", "modified", "notes", "invalidated_by_id"),
            _ID,
            _invalidation,
            (
                FactInRow("invalidation", "active, by `user:<invalidated_by_id>`", "`created`", "`created`"),
                FactInRow("invalidation", "not `active`: lifted", "`modified`", "`modified`"),
            ),
        ),
        Table(
            "certificates_historicalcertificateinvalidation",
            ("id", "generated_certificate_id", "active", "notes", *_HISTORY),
            _ID,
            _invalidation_history,
            (FactInRow("invalidation", "`active`; `-`: lifted", "`history_date`", "`history_date`"),),
            also=("invalidated_by_id", "history_user_id"),
        ),
        Table(
            "certificates_certificateallowlist",
            ("user_id", "course_id", "created", "modified", "allowlist", "notes"),
            (*_ID, *_PAIR),
            _listed("allowlist"),
            (
                FactInRow("allowlist", "`allowlist` 1: listed", "`created`", "`modified`"),
                FactInRow("allowlist", "`allowlist` 0: not listed", "`modified`", "`modified`"),
            ),
        ),
        Table(
            "certificates_historicalcertificateallowlist",
            ("user_id", "course_id", "created", "allowlist", "notes", *_HISTORY),
            ("history_id",),
            _allowlist_history,
            (
                FactInRow("allowlist", "`allowlist`; `-`: not listed", "`created` (the first row)", "`history_date`"),
            ),
            also=("history_user_id",),
        ),
        Table(
            "certificates_certificatewhitelist",
            ("user_id", "course_id", "created", "whitelist", "notes"),
            (*_ID, *_PAIR),
            _listed("whitelist"),
            (FactInRow("allowlist", "`whitelist`: listed or not", "`created`", "`created`"),),
        ),
        Table(
            "certificates_certificatedateoverride",
            ("id", "generated_certificate_id", "created", "modified", "date", "reason", "overridden_by_id"),
            _ID,
            _override,
            (FactInRow("date override", "`date`, by `user:<overridden_by_id>`", "`modified`", "`modified`"),),
        ),
        Table(
            "certificates_historicalcertificatedateoverride",
            ("id", "generated_certificate_id", "date", "reason", *_HISTORY),
            _ID,
            _override_history,
            (FactInRow("date override", "`date`; `-`: removed", "`history_date`", "`history_date`"),),
            also=("overridden_by_id", "history_user_id"),
        ),
        Table(
            "student_courseaccessrole",
            ("user_id", "course_id", "role"),
            (*_ID, *_PAIR),
            _role,
            (
                FactInRow("beta tester", "role `beta_testers`: yes; other roles are ignored", "1970", "the export"),
            ),
        ),
    )
}  # fmt: skip
"""The tables that are imported, by name."""


def table_of(name: str) -> Table | None:
    """Return the longest table name that a file's name contains between separators; None if it contains none."""
    named = [table for table in TABLES.values() if re.search(rf"(?<![a-z0-9]){table.name}(?![a-z0-9])", name)]
    return max(named, key=lambda table: len(table.name), default=None)
