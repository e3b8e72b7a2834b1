"""What each table's rows state, by example; docs/import.md has the map."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certrules.core.fact_types import Enrollment, Fact, Grade, Recorded
from certrules.core.facts import invalidations
from certrules.core.policy import PRESETS
from certrules.core.terms import Cause, Status
from certrules.core.timeline import Entry
from certrules.formats.refusals import EARLIEST
from certs.imports.files import UnreadableFileError
from certs.imports.rows import Why
from certs.imports.tables import TABLES, table_of
from tests.scenes.platform_tables import ROWS, Tables, instant

GRADES = "grades_persistentcoursegrade"
CERTIFICATES = "certificates_generatedcertificate"
INVALIDATIONS = "certificates_certificateinvalidation"
ENROLLMENTS = "student_courseenrollment"
HISTORY = "student_courseenrollment_history"
PHOTOS = "verify_student_softwaresecurephotoverification"


def phrases(tables: Tables, fact: Fact) -> list[tuple[datetime, Any]]:
    """Return when which value of a fact is reported, where nothing was known."""
    return [(entry.at, entry.value) for entry in tables.read().timeline() if entry.fact is fact]


def entries(tables: Tables, fact: Fact) -> list[Entry]:
    return [entry for entry in tables.read().timeline() if entry.fact is fact]


# --- course runs


def test_a_course_run_is_as_its_overview_has_it_as_far_back_as_anybody_knows(tables: Tables) -> None:
    tables.add("course_overviews_courseoverview", self_paced=0, certificate_available_date="2026-05-09 00:00:00")
    assert {entry.subject: entry.value for entry in entries(tables, Fact.COURSE_RUN)} == {
        "": True,
        "web_certificates_enabled": True,
        "display_behavior": "end",
        "available_date": instant("2026-05-09"),
        "end": instant("2026-05-01"),
        "self_paced": False,
    }
    assert {entry.at for entry in entries(tables, Fact.COURSE_RUN)} == {EARLIEST}


def test_a_setting_that_changed_since_the_last_import_counts_from_when_the_overview_was_modified(
    tables: Tables, tmp_path: Path
) -> None:
    known = tables.add("course_overviews_courseoverview").read().timeline()
    later = Tables(tmp_path / "later")
    later.folder.parent.mkdir()
    later.add("course_overviews_courseoverview", cert_html_view_enabled=0, modified="2026-05-20 10:00:00")
    news = set(later.read().timeline(known)) - set(known)
    assert [(entry.at, entry.subject, entry.value) for entry in news] == [
        (instant("2026-05-20 10:00"), "web_certificates_enabled", False)
    ]


@pytest.mark.parametrize(
    ("behavior", "early", "display"),
    [
        ("early_with_info", 0, "early_no_info"),
        ("early_no_info", 0, "early_no_info"),
        ("end_with_date", 0, "end_with_date"),
        ("end", 1, "early_no_info"),
        (None, 0, None),
    ],
)
def test_display_behaviours_of_old_are_those_of_today(
    tables: Tables, behavior: str | None, early: int, display: str | None
) -> None:
    tables.add(
        "course_overviews_courseoverview",
        certificates_display_behavior=behavior,
        certificates_show_before_end=early,
    )
    settings = {entry.subject: entry.value for entry in entries(tables, Fact.COURSE_RUN)}
    assert settings["display_behavior"] == display


# --- enrollments


def test_an_enrollment_counts_since_it_was_created(tables: Tables) -> None:
    tables.add(ENROLLMENTS, is_active=0)
    assert phrases(tables, Fact.ENROLLMENT) == [(instant("2026-01-10 09:00"), Enrollment("verified", active=False))]


def test_an_enrollment_that_nobody_dated_counts_always(tables: Tables) -> None:
    tables.add(ENROLLMENTS, created=None)
    assert phrases(tables, Fact.ENROLLMENT) == [(EARLIEST, Enrollment("verified", active=True))]


def test_history_dates_every_change_and_the_row_itself_then_adds_nothing(tables: Tables) -> None:
    tables.add(ENROLLMENTS)
    tables.add(HISTORY, mode="audit", history_date="2026-01-10 09:00:00.5")
    tables.add(HISTORY, history_id="a2", history_type="~", history_date="2026-02-01 10:00:00")
    assert phrases(tables, Fact.ENROLLMENT) == [
        (instant("2026-01-10 09:00"), Enrollment("audit", active=True)),
        (instant("2026-02-01 10:00"), Enrollment("verified", active=True)),
    ]


def test_a_deleted_enrollment_is_inactive(tables: Tables) -> None:
    tables.add(HISTORY).add(HISTORY, history_id="a2", history_type="-", history_date="2026-02-01 10:00:00")
    assert phrases(tables, Fact.ENROLLMENT)[-1] == (instant("2026-02-01 10:00"), Enrollment("verified", active=False))


def test_a_mode_that_changed_since_the_last_import_counts_from_the_export(tables: Tables, tmp_path: Path) -> None:
    known = tables.add(ENROLLMENTS, mode="audit").read().timeline()
    (tmp_path / "later").mkdir()
    later = Tables(tmp_path / "later").add(ENROLLMENTS).add(GRADES)
    news = [entry for entry in later.read().timeline(known) if entry.fact is Fact.ENROLLMENT and entry not in known]
    assert [(entry.at, entry.value.mode) for entry in news] == [(instant("2026-03-02 12:00"), "verified")]


# --- grades


def test_who_has_a_passed_timestamp_passed_then(tables: Tables) -> None:
    tables.add(GRADES)
    assert phrases(tables, Fact.PASSING) == [(instant("2026-03-01 12:00"), True)]
    assert phrases(tables, Fact.GRADE) == [(instant("2026-03-01 12:00"), Grade(0.9, "Pass", has_passed_timestamp=True))]


def test_a_letter_without_passed_timestamp_counts_from_when_the_row_had_it(tables: Tables) -> None:
    tables.qualifying(passed_timestamp=None)
    assert phrases(tables, Fact.PASSING) == []
    certificate = tables.read().outcome().certificate
    assert certificate is not None
    assert certificate.issued_at == instant("2026-03-02 12:00")


@pytest.mark.parametrize("letter", ["Distinction", "U"])
def test_a_letter_that_the_policy_does_not_know_is_no_evidence_without_passed_timestamp(
    tables: Tables, letter: str
) -> None:
    tables.qualifying(letter_grade=letter, passed_timestamp=None)
    assert phrases(tables, Fact.PASSING) == []
    assert tables.read().outcome().reasons == ("no_grade",)


@pytest.mark.parametrize("letter", ["", "Fail", "F", None, "None", "N/A", "-", "NP"])
def test_who_never_passed_never_fell(tables: Tables, letter: str | None) -> None:
    tables.add(GRADES, letter_grade=letter, passed_timestamp=None)
    assert phrases(tables, Fact.PASSING) == [(EARLIEST, False)]


def test_who_passed_once_and_has_no_letter_now_fell_meanwhile(tables: Tables) -> None:
    tables.add(GRADES, letter_grade="")
    assert phrases(tables, Fact.PASSING) == [(instant("2026-03-01 12:00"), True), (instant("2026-03-02 12:00"), False)]


def test_a_fall_is_not_published_where_the_platform_left_the_certificate(tables: Tables) -> None:
    tables.qualifying(letter_grade="", percent_grade=0.3).add(CERTIFICATES)
    export = tables.read()
    assert [entry.value for entry in export.timeline() if entry.fact is Fact.PASSING] == [True]
    certificate = export.outcome().certificate
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


def test_a_fall_that_cost_the_certificate_on_the_platform_costs_it_here(tables: Tables) -> None:
    tables.qualifying(letter_grade="").add(CERTIFICATES, status="notpassing", modified_date="2026-03-02 12:00:01")
    certificate = tables.read().outcome().certificate
    assert certificate is not None
    assert certificate.status is Status.NOTPASSING


def test_a_certificate_at_a_failing_grade_stands_though_the_next_value_is_failing_too(tables: Tables) -> None:
    tables.qualifying(letter_grade="", passed_timestamp=None, modified="2026-04-01 00:00:00").add(CERTIFICATES)
    failing = Entry(instant("2026-05-01"), "live", Fact.PASSING, "", value=False)
    certificate = tables.read().outcome(known=(failing,)).certificate
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


def test_passing_again_after_a_fall_that_was_received_live_is_reported(tables: Tables) -> None:
    known = (
        Entry(instant("2026-03-01 12:00"), "1", Fact.PASSING, "", value=True),
        Entry(instant("2026-03-01 18:00"), "2", Fact.PASSING, "", value=False),
    )
    last = [entry for entry in tables.add(GRADES).read().timeline(known) if entry.fact is Fact.PASSING][-1]
    assert (last.at, last.value) == (instant("2026-03-02 12:00"), True)


# --- certificates


@pytest.mark.parametrize("status", list(Status))
def test_every_status_of_the_platform_is_taken_over(tables: Tables, status: Status) -> None:
    tables.add(CERTIFICATES, status=status.value)
    assert phrases(tables, Fact.RECORDED) == [
        (
            instant("2026-03-01 12:00:09"),
            Recorded(
                status,
                "verified",
                "0.9",
                "a6c04f14d61d49f7981d004ff9433eea",
                instant("2026-03-01 12:00:05"),
                instant("2026-03-01 12:00:09"),
            ),
        )
    ]


def test_a_certificate_keeps_id_and_dates_though_the_facts_would_give_others(tables: Tables) -> None:
    certificate = tables.qualifying().add(CERTIFICATES).read().outcome().certificate
    assert certificate is not None
    assert certificate.certificate_id == "a6c04f14d61d49f7981d004ff9433eea"
    assert certificate.issued_at == instant("2026-03-01 12:00:09")
    assert certificate.first_issued_at == instant("2026-03-01 12:00:05")


def test_a_certificate_in_a_mode_that_earns_none_stands(tables: Tables) -> None:
    tables.add(CERTIFICATES, mode="honor", grade="0.27", verify_uuid="")
    outcome = tables.read().outcome(PRESETS["edx-2021"])
    assert outcome.certificate is not None
    assert (outcome.certificate.status, outcome.certificate.grade) == (Status.DOWNLOADABLE, "0.27")


# --- invalidations and dates, which a certificate's id joins to it


def test_an_invalidation_is_by_the_person_who_made_it(tables: Tables) -> None:
    (entry,) = entries(tables.add(CERTIFICATES).add(INVALIDATIONS), Fact.INVALIDATION)
    assert (entry.at, entry.value, entry.by, entry.notes) == (
        instant("2026-04-01 08:00"),
        True,
        "user:99",
        "ticket 12",
    )
    transition = tables.read().outcome().transitions[-1]
    assert (transition.status, transition.cause, transition.actor.by) == (
        Status.UNAVAILABLE,
        Cause.INVALIDATED,
        "user:99",
    )


def test_an_invalidation_that_is_not_active_was_lifted_when_its_row_was_modified(tables: Tables) -> None:
    tables.add(CERTIFICATES).add(INVALIDATIONS, active=0, modified="2026-04-05 08:00:00")
    (found,) = invalidations(tables.read().timeline())
    assert (found.at, found.lifted_at) == (instant("2026-04-01 08:00"), instant("2026-04-05 08:00"))


def test_of_several_invalidations_the_last_that_is_lifted_ends_it(tables: Tables) -> None:
    tables.add(CERTIFICATES)
    tables.add(INVALIDATIONS, id=3)
    tables.add(INVALIDATIONS, id=4, active=0, created="2026-04-02 08:00:00", modified="2026-04-03 08:00:00")
    assert phrases(tables, Fact.INVALIDATION) == [(instant("2026-04-01 08:00"), True)]


def test_the_history_of_an_invalidation_dates_its_end(tables: Tables) -> None:
    table = "certificates_historicalcertificateinvalidation"
    tables.add(CERTIFICATES).add(INVALIDATIONS, active=0, modified="2026-05-05 08:00:00")
    tables.add(table)
    tables.add(table, active=0, history_type="~", history_date="2026-04-07 08:00:00", history_user_id=98)
    (found,) = invalidations(tables.read().timeline())
    assert (found.lifted_at, found.lifted_by) == (instant("2026-04-07 08:00"), "user:98")


def test_an_invalidation_of_an_unknown_certificate_is_rejected(tables: Tables) -> None:
    (reject,) = tables.add(INVALIDATIONS).read().rejects
    assert (reject["reason"], reject["field"], reject["line"]) == (
        Why.NO_SUCH_CERTIFICATE,
        "generated_certificate_id",
        2,
    )


def test_a_date_override_holds_since_it_was_last_saved(tables: Tables) -> None:
    (entry,) = entries(tables.add(CERTIFICATES).add("certificates_certificatedateoverride"), Fact.DATE_OVERRIDE)
    assert (entry.at, entry.value, entry.by, entry.notes) == (
        instant("2026-04-03 08:00"),
        instant("2025-12-24"),
        "user:99",
        "ticket 14",
    )


def test_a_date_override_that_was_removed_is_in_its_history(tables: Tables) -> None:
    table = "certificates_historicalcertificatedateoverride"
    tables.add(CERTIFICATES).add(table).add(table, history_type="-", history_date="2026-04-09 08:00:00")
    assert phrases(tables, Fact.DATE_OVERRIDE) == [
        (instant("2026-04-02 08:00"), instant("2025-12-24")),
        (instant("2026-04-09 08:00"), None),
    ]


# --- allowlist and beta testers


@pytest.mark.parametrize("table", ["certificates_certificateallowlist", "certificates_certificatewhitelist"])
def test_an_allowlist_entry_counts_since_it_was_created(tables: Tables, table: str) -> None:
    (entry,) = entries(tables.add(table), Fact.ALLOWLIST)
    assert (entry.at, entry.value, entry.notes) == (instant("2026-02-01 08:00"), True, "ticket 13")


def test_an_entry_that_is_switched_off_never_helped_anybody(tables: Tables) -> None:
    tables.add("certificates_certificateallowlist", allowlist=0, modified="2026-02-09 08:00:00")
    assert phrases(tables, Fact.ALLOWLIST) == [(instant("2026-02-09 08:00"), False)]


def test_the_history_of_the_allowlist_dates_who_was_on_it_and_until_when(tables: Tables) -> None:
    table = "certificates_historicalcertificateallowlist"
    tables.add(table).add(table, history_id=9, history_type="-", history_date="2026-02-20 08:00:00")
    assert [(entry.at, entry.value, entry.by) for entry in entries(tables, Fact.ALLOWLIST)] == [
        (instant("2026-02-01 08:00"), True, "user:99"),
        (instant("2026-02-20 08:00"), False, "user:99"),
    ]


def test_a_beta_tester_always_was_one_as_the_table_has_no_dates(tables: Tables) -> None:
    tables.qualifying().add("student_courseaccessrole")
    assert phrases(tables, Fact.BETA_TESTER) == [(EARLIEST, True)]
    assert tables.read().outcome().reasons == ("beta_tester",)


def test_other_roles_are_ignored(tables: Tables) -> None:
    tables.add("student_courseaccessrole", role="staff", course_id="")
    export = tables.read()
    assert (export.rows(), export.rejects) == ([], [])


# --- what is rejected


@pytest.mark.parametrize(
    ("table", "field", "value", "reason"),
    [
        (ENROLLMENTS, "user_id", "", "missing_field"),
        (ENROLLMENTS, "user_id", "seven", "wrong_type"),
        (ENROLLMENTS, "user_id", "0", "bad_value"),
        (ENROLLMENTS, "user_id", "99999999999999999999", "bad_value"),
        (ENROLLMENTS, "course_id", "CS101", "bad_course_key"),
        (ENROLLMENTS, "user_id", "7.5", "wrong_type"),
        (ENROLLMENTS, "user_id", "9007199254740993.0", "wrong_type"),
        (HISTORY, "history_date", "yesterday", "bad_value"),
        (HISTORY, "history_date", "0000-00-00 00:00:00", "bad_value"),
        (HISTORY, "history_date", "2026-01-10", "naive_time"),
        (HISTORY, "history_date", "1869-01-10 00:00:00", "bad_value"),
        (HISTORY, "history_date", "2031-01-10 00:00:00", "future_time"),
        (HISTORY, "history_date", "20310110000000", "future_time"),
        (HISTORY, "history_date", "12345678901", "bad_value"),
        (ENROLLMENTS, "mode", "", "missing_field"),
        (ENROLLMENTS, "mode", "verified\nhonor", "bad_value"),
        (HISTORY, "history_type", "?", "bad_value"),
        (GRADES, "modified", None, "missing_field"),
        ("certificates_certificateallowlist", "allowlist", "maybe", "wrong_type"),
        ("certificates_certificateallowlist", "created", "", "missing_field"),
        (CERTIFICATES, "status", "lost", "bad_value"),
        (CERTIFICATES, "modified_date", "2026-02-30 00:00:00", "bad_value"),
        (PHOTOS, "status", "perhaps", "bad_value"),
        ("course_overviews_courseoverview", "modified", "0026-01-05 10:00:00", "bad_value"),
        ("certificates_certificatedateoverride", "date", None, "missing_field"),
    ],
)
def test_a_row_that_can_not_be_so_is_rejected_with_its_line_and_the_fix_and_the_rest_goes_on(
    tables: Tables, table: str, field: str, value: object, reason: str
) -> None:
    good = {"user_id": 8} if "user_id" in ROWS[table] else {"id": "course-v1:CertX+CS102+2026"}
    key = {} if table != "certificates_certificatedateoverride" else {"generated_certificate_id": 40}
    export = tables.add(table, **{field: value}).add(table, **{**good, **key}).add(CERTIFICATES, user_id=9).read()
    rejects = [reject for reject in export.rejects if reject["table"] == table and reject["line"] == 2]
    assert [(reject["reason"], reject["field"]) for reject in rejects] == [(reason, field)]
    assert rejects[0]["fix"]
    assert rejects[0]["row"]
    assert export.reading.rejected[table] == len(export.rejects)
    assert {row.learner_id for row in export.rows()} - {9} or table == "certificates_certificatedateoverride"


def test_columns_come_in_any_order_and_others_are_looked_past() -> None:
    row = dict(reversed({**ROWS[ENROLLMENTS], "favourite_colour": "blue"}.items()))
    read = TABLES[ENROLLMENTS].read(row, datetime.now(UTC))
    assert read.contents
    assert read.warnings == []


def test_a_column_that_is_not_there_is_named(tables: Tables) -> None:
    row = {name: value for name, value in ROWS[ENROLLMENTS].items() if name != "created"}
    tables.folder.mkdir()
    tables._rows[ENROLLMENTS] = [row]
    with pytest.raises(UnreadableFileError, match=r"student_courseenrollment\.csv: it lacks .* \(created\)"):
        tables.read()


def test_long_notes_are_cut(tables: Tables) -> None:
    (entry,) = entries(tables.add("certificates_certificateallowlist", notes="x" * 3000), Fact.ALLOWLIST)
    assert len(entry.notes) == 2000


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("student_courseenrollment.csv.gz", ENROLLMENTS),
        ("load_student_courseenrollment_for_enrollment_validation.csv", ENROLLMENTS),
        ("edxapp.student_courseenrollment_history.jsonl", HISTORY),
        ("student_courseenrollmentallowed.csv", None),
        ("auth_user.csv", "auth_user"),
        ("auth_user_groups.csv", None),
    ],
)
def test_a_files_name_names_its_table(name: str, table: str | None) -> None:
    found = table_of(name)
    assert (found.name if found else None) == table


def test_what_is_read_of_every_table_is_in_the_platforms_own_columns(shared_data: Path) -> None:
    """The columns are those of today; `expiry_date` is what `expiration_date` was before 2021."""
    columns: dict[str, set[str]] = {}
    with (shared_data / "sql" / "columns.csv").open() as file:
        for row in csv.DictReader(file):
            columns.setdefault(row["table"], set()).add(row["column"])
    for table in TABLES.values():
        if table.name in columns:
            assert {*table.columns, *table.also} - {"expiry_date"} <= columns[table.name], table.name
