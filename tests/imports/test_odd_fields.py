"""A field is read in every spelling; an optional one that makes no sense takes nothing else along."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Enrollment, Fact, Recorded
from certrules.core.instants import EPOCH, instant_of, micros
from certrules.core.terms import Status
from certrules.core.timeline import ignored_fields
from certs.imports import values
from certs.imports.rows import RejectedError
from certs.imports.tables import TABLES
from tests.scenes.platform_tables import NOW, ROWS, Export, Tables, instant, read

OVERVIEWS = "course_overviews_courseoverview"
ENROLLMENTS = "student_courseenrollment"
GRADES = "grades_persistentcoursegrade"
CERTIFICATES = "certificates_generatedcertificate"

# --- spellings

SPELLINGS: list[Callable[[datetime], str]] = [
    lambda time: time.isoformat(),
    lambda time: time.isoformat().replace("+00:00", "Z"),
    lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f}",
    lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f} UTC",  # BigQuery
    lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f} utc",
    lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f}+00",  # PostgreSQL
    lambda time: time.astimezone(tz=None).isoformat(),
    lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f}000",  # nanoseconds
    lambda time: f"{micros(time)}",
    lambda time: f"{micros(time)}000",
    lambda time: f"{(time - EPOCH) // timedelta(seconds=1)}.{time.microsecond:06}",
]
TIMES = st.integers(10**15, 7 * 10**15).map(instant_of)


@given(time=TIMES, spell=st.sampled_from(SPELLINGS))
def test_a_time_is_the_same_however_it_is_spelled(time: datetime, spell: Callable[[datetime], str]) -> None:
    assert values.instant(spell(time)) == time


@pytest.mark.parametrize(
    "text",
    [
        "1767607200",
        "1767607200.0",
        "1767607200000",
        "20260105100000",
        "20260105T100000",
        "2026-01-05 10:00",
        "2026-01-05 10:00:00 GMT",
    ],
)
def test_a_time_without_fractions_is_read(text: str) -> None:
    assert values.instant(text) == instant("2026-01-05 10:00")


@given(number=st.integers(0, 2**53))
def test_a_number_is_the_same_as_a_float(number: int) -> None:
    assert values.whole_number(str(number)) == values.whole_number(f"{number}.0") == number


@pytest.mark.parametrize("text", ["1", "1.0", "1.00", "true", "TRUE", "True", "t", "yes", "Y", "on", "\x01"])
def test_a_yes_is_read(text: str) -> None:
    assert values.flag(text) is True


@pytest.mark.parametrize("text", ["0", "0.0", "false", "False", "f", "no", "N", "off", "\x00"])
def test_a_no_is_read(text: str) -> None:
    assert values.flag(text) is False


@given(st.uuids(), st.booleans(), st.booleans())
def test_a_certificates_id_is_the_same_with_dashes_and_in_either_case(uuid: Any, dashes: bool, upper: bool) -> None:
    text = str(uuid) if dashes else uuid.hex
    assert values.certificate_id(text.upper() if upper else text) == uuid.hex


FLAGS = {
    "is_active", "active", "allowlist", "whitelist", "self_paced", "cert_html_view_enabled",
    "certificates_show_before_end",
}  # fmt: skip


def respelled(name: str, value: Any, spell: Callable[[datetime], str]) -> Any:
    """Write a field's value as another program would: times by `spell`, flags as words, ids as floats."""
    if name in FLAGS:
        return str(bool(value))
    if isinstance(value, int):
        return f"{value}.0"
    try:
        return spell(instant(value))
    except (TypeError, ValueError):
        return value.upper() if name == "status" else value


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("table", TABLES)
def test_a_row_means_the_same_whichever_program_wrote_it(table: str, spell: Callable[[datetime], str]) -> None:
    row = {name: respelled(name, value, spell) for name, value in ROWS[table].items()}
    assert TABLES[table].read(row, NOW) == TABLES[table].read(ROWS[table], NOW)


# --- what is required, and what is not

ODD = (
    "", None, "maybe", "hidden", "0026-01-05 10:00:00", "1969-12-31 00:00:00", "0000-00-00 00:00:00", "0000-00-00",
    "1/5/2026 10:00", "9999-12-31 23:59:59-05:00", "2031-01-01 00:00:00", "nan", "-1", "1e999", "9" * 30, "a\x00b",
    "x" * 300, ["a"], {"a": 1},
)  # fmt: skip

REQUIRED = {
    OVERVIEWS: {"id", "modified"},
    ENROLLMENTS: {"user_id", "course_id", "mode"},
    "student_courseenrollment_history": {"user_id", "course_id", "mode", "history_date", "history_type"},
    GRADES: {"user_id", "course_id", "modified"},
    **{
        f"verify_student_{kind}": {"id", "user_id", "status"}
        for kind in ("softwaresecurephotoverification", "ssoverification", "manualverification", "verificationattempt")
    },
    CERTIFICATES: {"user_id", "course_id", "status", "modified_date"},
    "certificates_certificateinvalidation": {"id", "generated_certificate_id", "active", "created"},
    "certificates_historicalcertificateinvalidation": {
        "id", "generated_certificate_id", "active", "history_date", "history_type",
    },
    "certificates_certificateallowlist": {"user_id", "course_id", "created", "allowlist"},
    "certificates_historicalcertificateallowlist": {
        "user_id", "course_id", "allowlist", "history_date", "history_type",
    },
    "certificates_certificatewhitelist": {"user_id", "course_id", "created", "whitelist"},
    "certificates_certificatedateoverride": {"id", "generated_certificate_id", "modified", "date"},
    "certificates_historicalcertificatedateoverride": {
        "id", "generated_certificate_id", "date", "history_date", "history_type",
    },
    "auth_user": {"id"},
    "auth_userprofile": {"user_id"},
    "student_courseaccessrole": {"user_id", "course_id"},
}  # fmt: skip
"""Who, what and when: the fields of each table's row without which it means nothing."""

OPTIONAL = [
    (table.name, column)
    for table in TABLES.values()
    for column in (*table.columns, *table.also)
    if column in ROWS[table.name] and column not in REQUIRED[table.name] and column not in {"id", "role"}
]


def test_the_required_fields_of_every_table_are_named_here() -> None:
    assert REQUIRED.keys() == TABLES.keys()


@pytest.mark.parametrize(("table", "column"), OPTIONAL)
def test_an_optional_field_that_makes_no_sense_takes_nothing_else_along(table: str, column: str) -> None:
    usual = TABLES[table].read(ROWS[table], NOW)
    for odd in ODD:
        read = TABLES[table].read({**ROWS[table], column: odd}, NOW)
        assert [content[:2] for content in read.contents] == [content[:2] for content in usual.contents]
        assert {warning.field for warning in read.warnings} <= {column}


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in REQUIRED for column in sorted(REQUIRED[table])]
)
def test_a_required_field_that_makes_no_sense_is_named(table: str, column: str) -> None:
    for odd in ("", None, "may\nbe", ["a"]):
        with pytest.raises(RejectedError) as rejected:
            TABLES[table].read({**ROWS[table], column: odd}, NOW)
        assert rejected.value.field == column
        assert rejected.value.fix


def test_warnings_are_counted_by_table_and_field_with_the_first_line(tables: Tables) -> None:
    for number, created in enumerate(["1/5/2026 10:00", "2026-01-05 10:00:00", "0000-00-00 00:00:00"], start=8):
        tables.add(ENROLLMENTS, user_id=number, created=created)
    export = tables.add(GRADES, percent_grade="A").read()
    assert export.rejects == []
    assert export.reading.warned() == [
        {
            "table": GRADES, "field": "percent_grade", "file": f"{tables.folder}/{GRADES}.csv", "line": 2, "rows": 1,
            "problem": "'A' is no number",
        },
        {
            "table": ENROLLMENTS, "field": "created", "line": 2, "rows": 2,
            "file": f"{tables.folder}/{ENROLLMENTS}.csv",
            "problem": "'1/5/2026 10:00' is no time such as 2026-01-31 12:00:00, in UTC",
        },
    ]  # fmt: skip


# --- course runs


@pytest.mark.parametrize(
    ("column", "value", "setting"),
    [
        ("certificates_display_behavior", "hidden", "display_behavior"),
        ("certificates_display_behavior", '"early_no_info"', "display_behavior"),
        ("end", "0026-05-29 22:00:00", "end"),
        ("certificate_available_date", "soon", "available_date"),
        ("self_paced", "", "self_paced"),
        ("cert_html_view_enabled", "", "web_certificates_enabled"),
    ],
)
def test_a_course_run_is_known_with_its_other_settings_and_its_checklist_names_the_odd_one(
    tables: Tables, column: str, value: str, setting: str
) -> None:
    usual = {"", "web_certificates_enabled", "display_behavior", "available_date", "end", "self_paced"}
    timeline = tables.add(OVERVIEWS, **{column: value}).read().timeline()
    assert {entry.subject for entry in timeline if entry.fact is Fact.COURSE_RUN} == usual - {setting}
    (warning,) = ignored_fields(timeline, NOW)
    assert warning.subject == f"{OVERVIEWS}.{column}"
    assert warning.value[:2] == (Fact.COURSE_RUN, setting)


@pytest.mark.parametrize("known_before", [False, True])
def test_a_setting_that_was_corrected_ends_the_warning_at_once(
    tables: Tables, tmp_path: Path, known_before: bool
) -> None:
    known = tables.add(OVERVIEWS).read().timeline() if known_before else ()
    for number, end in enumerate(("0026-05-29 22:00:00", "2026-05-01 00:00:00")):
        (tmp_path / str(number)).mkdir()
        export = Tables(tmp_path / str(number)).add(OVERVIEWS, end=end, modified="2026-02-01 00:00:00").read()
        known = export.timeline(known)
        assert bool(ignored_fields(known, NOW)) is (number == 0)
    assert export.timeline(known) == known


def test_an_end_without_a_time_of_day_is_the_beginning_of_that_day(tables: Tables) -> None:
    timeline = tables.add(OVERVIEWS, end="2026-05-29").read().timeline()
    assert [entry.value for entry in timeline if entry.subject == "end"] == [instant("2026-05-29")]
    assert ignored_fields(timeline, NOW) == ()


# --- tables of old


def of_old(tables: Tables, table: str, *without: str, **fields: Any) -> Export:
    row = {name: value for name, value in {**ROWS[table], **fields}.items() if name not in without}
    tables.folder.mkdir()
    tables._rows[table] = [row]
    return tables.read()


def test_an_enrollment_from_before_there_were_modes_is_honor(tables: Tables) -> None:
    export = of_old(tables, ENROLLMENTS, "mode", created="2013-01-05 10:00:00")
    assert [entry.value for entry in export.timeline()] == [Enrollment("honor", active=True)]
    assert [item["field"] for item in export.reading.warned()] == ["mode"]


def test_a_newer_enrollment_has_to_have_its_mode(tables: Tables) -> None:
    (reject,) = of_old(tables, ENROLLMENTS, "mode").rejects
    assert (reject["reason"], reject["field"]) == ("missing_field", "mode")


@pytest.mark.parametrize(("year", "mode"), [(2013, "honor"), (2014, "")])
def test_a_certificate_without_a_mode_stands(tables: Tables, year: int, mode: str) -> None:
    export = of_old(tables, CERTIFICATES, "mode", created_date=None, modified_date=f"{year}-01-05 10:00:00")
    (entry,) = export.timeline()
    assert (entry.value.status, entry.value.mode) == (Status.DOWNLOADABLE, mode)


@pytest.mark.parametrize(("without", "since"), [(["notes"], "2026-02-01 08:00"), (["notes", "created"], "2026-06-01")])
def test_an_allowlist_of_old_has_no_notes_and_no_dates(tables: Tables, without: list[str], since: str) -> None:
    (entry,) = of_old(tables, "certificates_certificatewhitelist", *without).timeline()
    assert (entry.at, entry.value, entry.notes) == (instant(since), True, "")


@pytest.mark.parametrize("status", [f"{spell(status)}" for status in Status for spell in (str.upper, str.title)])
def test_a_status_is_the_same_in_any_case(tables: Tables, status: str) -> None:
    (entry,) = tables.add(CERTIFICATES, status=f" {status} ").read().timeline()
    assert entry.value.status == status.lower()


def test_regenerating_is_generating(tables: Tables) -> None:
    export = tables.add(CERTIFICATES, status="regenerating").read()
    assert [entry.value.status for entry in export.timeline()] == [Status.GENERATING]
    assert [(item["field"], item["rows"]) for item in export.reading.warned()] == [("status", 1)]


# --- grades


def test_who_passed_a_moment_after_the_row_was_modified_passed_then(tables: Tables) -> None:
    timeline = tables.add(GRADES, passed_timestamp="2026-03-02 12:00:00.000300").read().timeline()
    assert {entry.at for entry in timeline} == {instant("2026-03-02 12:00:00.000300")}
    assert {entry.fact for entry in timeline} == {Fact.GRADE, Fact.PASSING}


@pytest.mark.parametrize("passed_at", ["2026-03-02 12:00:00", "2026-03-02 12:00:01"])
def test_nobody_falls_before_they_pass(tables: Tables, passed_at: str) -> None:
    export = tables.add(GRADES, letter_grade="", passed_timestamp=passed_at).read()
    assert [(entry.value) for entry in export.timeline() if entry.fact is Fact.PASSING] == [False]
    assert [item["field"] for item in export.reading.warned()] == ["passed_timestamp"]


def test_extra_credit_makes_more_than_all(tables: Tables) -> None:
    timeline = tables.add(GRADES, percent_grade="1.0325").read().timeline()
    assert [entry.value.percent for entry in timeline if entry.fact is Fact.GRADE] == [1.0325]


def test_a_certificate_that_is_awarded_for_a_row_has_its_grade(tables: Tables) -> None:
    certificate = tables.qualifying().read().outcome().certificate
    assert certificate is not None
    assert (certificate.grade, certificate.issued_at) == ("0.9", instant("2026-03-01 12:00"))


def test_the_grade_that_cost_a_certificate_is_not_the_one_that_earned_it(tables: Tables) -> None:
    transitions = tables.qualifying(letter_grade="", percent_grade=0.2).read().outcome().transitions
    assert [(item.status, item.certificate.grade) for item in transitions] == [
        (Status.DOWNLOADABLE, ""),
        (Status.NOTPASSING, "0.2"),
    ]


# --- ids


def test_an_id_is_stored_as_the_platform_writes_it(tables: Tables) -> None:
    (entry,) = tables.add(CERTIFICATES, verify_uuid="01234567-89AB-CDEF-0123-456789ABCDE6").read().timeline()
    assert entry.value.certificate_id == "0123456789abcdef0123456789abcde6"


@pytest.mark.parametrize("verify_uuid", ["u", "not a uuid at all", "a6c04f14d61d49f7981d004ff9433ee"])
def test_an_id_that_is_none_is_named_and_the_certificate_stands(tables: Tables, verify_uuid: str) -> None:
    export = tables.add(CERTIFICATES, verify_uuid=verify_uuid).read()
    (entry,) = export.timeline()
    assert isinstance(entry.value, Recorded)
    assert (entry.value.status, entry.value.certificate_id) == (Status.DOWNLOADABLE, "")
    assert [item["field"] for item in export.reading.warned()] == ["verify_uuid"]


def test_an_invalidation_finds_its_certificate_though_one_of_them_has_its_id_as_a_float(tables: Tables) -> None:
    tables.add(CERTIFICATES, id="40.0").add("certificates_certificateinvalidation")
    tables.add("certificates_certificateinvalidation", id=4, generated_certificate_id="40.00")
    export = tables.read()
    assert export.rejects == []
    assert [entry.fact for entry in export.timeline() if entry.fact is Fact.INVALIDATION] == [Fact.INVALIDATION]


# --- exports that people reported


@pytest.mark.parametrize(
    ("case", "rejected", "warned"),
    [
        ("19-float-user-ids", ["user_id", "mode"], ["created"]),
        (
            "20-course-overview-odd",
            ["id"],
            ["cert_html_view_enabled", "certificates_display_behavior", "certificates_show_before_end", "end"],
        ),
        ("21-old-statuses", ["status", "status", "generated_certificate_id"], ["status", "verify_uuid"]),
        ("38j-no-mode-old-dump", [], ["mode", "verify_uuid", "mode"]),
    ],
)
def test_rows_of_the_field(
    shared_data: Path, tmp_path: Path, case: str, rejected: list[str], warned: list[str]
) -> None:
    export = read((shared_data / "field" / case / "in").iterdir(), tmp_path / "parts")
    assert [reject["field"] for reject in export.rejects] == rejected
    assert [item["field"] for item in export.reading.warned()] == warned
