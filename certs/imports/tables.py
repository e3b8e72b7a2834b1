"""The platform's tables: columns, keys, readers, and the facts in a row. docs/import.md is generated from this."""

import re
from collections.abc import Mapping

from certs.imports import readers
from certs.imports.rows import FactInRow, Table
from certs.imports.verifications import verification

_HISTORY = ("history_date", "history_type")
_ID = ("id",)
_PAIR = ("user_id", "course_id")
_OVERVIEW = "1970"

USERS, PROFILES = NAMES = ("auth_user", "auth_userprofile")
"""The tables that hold nothing but learners' names, as far as they are read."""


def _verifications(name: str, kind: str, end: str, *also: str) -> Table:
    also = ("status_changed", "created_at", "updated_at", *also)
    facts = (
        FactInRow("ID verification", f"`approved`: until {end}", "`status_changed`", "`updated_at`"),
        FactInRow("ID verification", "`denied`: this attempt counts no more", "`status_changed`", "`updated_at`"),
        FactInRow("", "any other status: nothing is decided yet", "", ""),
    )
    return Table(name, ("id", "user_id", "status"), _ID, verification(kind), facts, also=also)


def _named_verifications(kind: str, name: str) -> Table:
    end = "`expiration_date` or `expiry_date`, else as many days from `created_at` as `--id-verification-days` names"
    return _verifications(f"verify_student_{name}", kind, end, "expiration_date", "expiry_date")


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "course_overviews_courseoverview",
            ("id", "modified", "cert_html_view_enabled"),
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
            also=(
                "certificates_display_behavior", "certificates_show_before_end", "certificate_available_date", "end",
                "self_paced",
            ),
        ),
        Table(
            "student_courseenrollment",
            ("user_id", "course_id", "created"),
            (*_ID, *_PAIR),
            readers.enrollment,
            (FactInRow("enrollment", "`mode`, `is_active`", "`created`, or 1970", "the export"),),
            also=("is_active", "mode"),
        ),
        Table(
            "student_courseenrollment_history",
            ("user_id", "course_id", "created", *_HISTORY),
            ("history_id",),
            readers.enrollment_history,
            (
                FactInRow(
                    "enrollment", "`mode`, `is_active`; `-`: inactive", "`created` (the first row)", "`history_date`"
                ),
            ),
            also=("is_active", "mode"),
        ),
        Table(
            "grades_persistentcoursegrade",
            ("user_id", "course_id", "percent_grade", "letter_grade", "modified"),
            (*_ID, *_PAIR),
            readers.grade,
            (
                FactInRow("grade", "`percent_grade`, `letter_grade` of who passes", "`passed_timestamp`", "`modified`"),
                FactInRow("grade", "`percent_grade`, `letter_grade` of others", "`modified`", "`modified`"),
                FactInRow("passing", "`passed_timestamp` set: passed", "`passed_timestamp`", "`passed_timestamp`"),
                FactInRow("passing", "a letter (not F): passes", "`modified`", "`modified`"),
                FactInRow("passing", "no letter, `passed_timestamp` set: fails (again)", "`modified`", "`modified`"),
                FactInRow("passing", "no letter, no `passed_timestamp`: never passed", "1970", "1970"),
            ),
            also=("passed_timestamp",),
        ),
        _named_verifications("photo", "softwaresecurephotoverification"),
        _named_verifications("sso", "ssoverification"),
        _named_verifications("manual", "manualverification"),
        _verifications(
            "verify_student_verificationattempt", "", "`expiration_datetime`; without one, for ever",
            "expiration_datetime", "created", "modified",
        ),
        Table(
            "certificates_generatedcertificate",
            ("user_id", "course_id", "status", "grade", "verify_uuid", "created_date", "modified_date"),
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
            also=("id", "mode"),
        ),
        Table(
            "certificates_certificateinvalidation",
            ("id", "generated_certificate_id", "active", "created", "modified"),
            _ID,
            readers.invalidation,
            (
                FactInRow("invalidation", "active, by `user:<invalidated_by_id>`", "`created`", "`created`"),
                FactInRow("invalidation", "not `active`: lifted", "`modified`", "`modified`"),
            ),
            also=("notes", "invalidated_by_id"),
        ),
        Table(
            "certificates_historicalcertificateinvalidation",
            ("id", "generated_certificate_id", "active", *_HISTORY),
            _ID,
            readers.invalidation_history,
            (FactInRow("invalidation", "`active`; `-`: lifted", "`history_date`", "`history_date`"),),
            also=("notes", "invalidated_by_id", "history_user_id"),
        ),
        Table(
            "certificates_certificateallowlist",
            ("user_id", "course_id", "created", "allowlist"),
            (*_ID, *_PAIR),
            readers.listed("allowlist"),
            (
                FactInRow("allowlist", "`allowlist` 1: listed", "`created`", "`modified`"),
                FactInRow("allowlist", "`allowlist` 0: not listed", "`modified`", "`modified`"),
            ),
            also=("modified", "notes"),
        ),
        Table(
            "certificates_historicalcertificateallowlist",
            ("user_id", "course_id", "allowlist", *_HISTORY),
            ("history_id",),
            readers.allowlist_history,
            (
                FactInRow("allowlist", "`allowlist`; `-`: not listed", "`created` (the first row)", "`history_date`"),
            ),
            also=("created", "notes", "history_user_id"),
        ),
        Table(
            "certificates_certificatewhitelist",
            ("user_id", "course_id", "whitelist"),
            (*_ID, *_PAIR),
            readers.listed("whitelist"),
            (FactInRow("allowlist", "`whitelist`: listed or not", "`created`; without it, the export", "the same"),),
            also=("created", "notes"),
        ),
        Table(
            "certificates_certificatedateoverride",
            ("id", "generated_certificate_id", "modified", "date"),
            _ID,
            readers.override,
            (FactInRow("date override", "`date`, by `user:<overridden_by_id>`", "`modified`", "`modified`"),),
            also=("created", "reason", "overridden_by_id"),
        ),
        Table(
            "certificates_historicalcertificatedateoverride",
            ("id", "generated_certificate_id", "date", *_HISTORY),
            _ID,
            readers.override_history,
            (FactInRow("date override", "`date`; `-`: removed", "`history_date`", "`history_date`"),),
            also=("reason", "overridden_by_id", "history_user_id"),
        ),
        Table(
            USERS,
            ("id", "username"),
            _ID,
            readers.user,
            (FactInRow("name", "`username`; the e-mail is not read", "the export", "the export"),),
        ),
        Table(
            PROFILES,
            ("user_id", "name"),
            _ID,
            readers.profile,
            (FactInRow("name", "`name`, the full one", "the export", "the export"),),
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


_OTHERS = re.compile("auth_user_(groups|user_permissions)")
"""Tables of the platform that are not imported, though their names begin with that of one that is."""


def table_of(name: str) -> Table | None:
    """Return the longest table name that a file's name contains between separators; None if it contains none."""
    name = _OTHERS.sub("", name)
    named = [table for table in TABLES.values() if re.search(rf"(?<![a-z0-9]){table.name}(?![a-z0-9])", name)]
    return max(named, key=lambda table: len(table.name), default=None)
