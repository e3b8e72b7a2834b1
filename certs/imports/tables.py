"""The platform's tables: columns, keys, readers, and the facts in a row. docs/import.md is generated from this."""

import re
from collections.abc import Mapping

from certs.imports import readers
from certs.imports.rows import FactInRow, Table

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
    return Table(name, columns, _ID, readers.verification(kind), _VERIFICATION)


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
            readers.overview,
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
            readers.enrollment,
            (FactInRow("enrollment", "`mode`, `is_active`", "`created`", "the export"),),
        ),
        Table(
            "student_courseenrollment_history",
            ("user_id", "course_id", "created", "is_active", "mode", *_HISTORY),
            ("history_id",),
            readers.enrollment_history,
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
            readers.grade,
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
            readers.certificate,
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
            readers.invalidation,
            (
                FactInRow("invalidation", "active, by `user:<invalidated_by_id>`", "`created`", "`created`"),
                FactInRow("invalidation", "not `active`: lifted", "`modified`", "`modified`"),
            ),
        ),
        Table(
            "certificates_historicalcertificateinvalidation",
            ("id", "generated_certificate_id", "active", "notes", *_HISTORY),
            _ID,
            readers.invalidation_history,
            (FactInRow("invalidation", "`active`; `-`: lifted", "`history_date`", "`history_date`"),),
            also=("invalidated_by_id", "history_user_id"),
        ),
        Table(
            "certificates_certificateallowlist",
            ("user_id", "course_id", "created", "modified", "allowlist", "notes"),
            (*_ID, *_PAIR),
            readers.listed("allowlist"),
            (
                FactInRow("allowlist", "`allowlist` 1: listed", "`created`", "`modified`"),
                FactInRow("allowlist", "`allowlist` 0: not listed", "`modified`", "`modified`"),
            ),
        ),
        Table(
            "certificates_historicalcertificateallowlist",
            ("user_id", "course_id", "created", "allowlist", "notes", *_HISTORY),
            ("history_id",),
            readers.allowlist_history,
            (
                FactInRow("allowlist", "`allowlist`; `-`: not listed", "`created` (the first row)", "`history_date`"),
            ),
            also=("history_user_id",),
        ),
        Table(
            "certificates_certificatewhitelist",
            ("user_id", "course_id", "created", "whitelist", "notes"),
            (*_ID, *_PAIR),
            readers.listed("whitelist"),
            (FactInRow("allowlist", "`whitelist`: listed or not", "`created`", "`created`"),),
        ),
        Table(
            "certificates_certificatedateoverride",
            ("id", "generated_certificate_id", "created", "modified", "date", "reason", "overridden_by_id"),
            _ID,
            readers.override,
            (FactInRow("date override", "`date`, by `user:<overridden_by_id>`", "`modified`", "`modified`"),),
        ),
        Table(
            "certificates_historicalcertificatedateoverride",
            ("id", "generated_certificate_id", "date", "reason", *_HISTORY),
            _ID,
            readers.override_history,
            (FactInRow("date override", "`date`; `-`: removed", "`history_date`", "`history_date`"),),
            also=("overridden_by_id", "history_user_id"),
        ),
        Table(
            "student_courseaccessrole",
            ("user_id", "course_id", "role"),
            (*_ID, *_PAIR),
            readers.role,
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
