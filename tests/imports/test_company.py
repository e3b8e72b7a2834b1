"""A refused row may forbid what the rest of the export gives: the same learner and course run wait for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certrules.core.fact_types import Fact
from certrules.core.facts import active_by_person
from certrules.core.guard import is_downloadable
from certs.imports import command
from localcloud import LocalCloud
from tests.scenes.commands import certs
from tests.scenes.platform_tables import COURSE_RUN, ROWS, Export, Tables

CERTIFICATES = "certificates_generatedcertificate"
INVALIDATIONS = "certificates_certificateinvalidation"
INVALIDATION_HISTORY = "certificates_historicalcertificateinvalidation"
ENROLLMENTS = "student_courseenrollment"
HISTORY = "student_courseenrollment_history"
GRADES = "grades_persistentcoursegrade"
PHOTOS = "verify_student_softwaresecurephotoverification"
OVERVIEWS = "course_overviews_courseoverview"
ALLOWLIST_HISTORY = "certificates_historicalcertificateallowlist"
ROLES = "student_courseaccessrole"
OVERRIDES = "certificates_certificatedateoverride"
OTHER_COURSE_RUN = "course-v1:CertX+CS102+2026"

#: What forbids learner 7 the certificate: the table, what its row has, and the rest of the export.
FORBIDDING: dict[str, tuple[str, dict[str, Any], Callable[[Tables], Tables]]] = {
    "a certificate that is invalidated": (
        CERTIFICATES,
        {"status": "unavailable", "modified_date": "2026-04-01 08:00:01"},
        lambda tables: tables.qualifying().add(INVALIDATIONS),
    ),
    "a certificate without an invalidation": (CERTIFICATES, {"status": "unavailable"}, Tables.qualifying),
    "an invalidation": (INVALIDATIONS, {}, lambda tables: tables.qualifying().add(CERTIFICATES, status="unavailable")),
    "an invalidation in the history": (
        INVALIDATION_HISTORY,
        {},
        lambda tables: tables.qualifying().add(CERTIFICATES, status="unavailable"),
    ),
    "an invalidation that followed on one that was lifted": (
        INVALIDATION_HISTORY,
        {"id": 4, "history_date": "2026-05-01 08:00:00"},
        lambda tables: tables.qualifying().add(CERTIFICATES, status="unavailable").add(INVALIDATIONS, active=0),
    ),
    "another mode": (
        HISTORY,
        {"mode": "audit", "history_date": "2026-01-11 09:00:00", "history_id": "a2"},
        lambda tables: tables.qualifying().add(HISTORY),
    ),
    "the beta tester role": (ROLES, {}, Tables.qualifying),
    "a grade that fell": (
        GRADES,
        {"letter_grade": "", "modified": "2026-03-03 00:00:00"},
        Tables.qualifying,
    ),
    "the end of an allowlist entry": (
        ALLOWLIST_HISTORY,
        {"history_type": "-", "history_date": "2026-01-05 08:00:00", "history_id": 9},
        lambda tables: tables.qualifying(letter_grade="", passed_timestamp=None).add(ALLOWLIST_HISTORY),
    ),
    "a denied ID verification": (PHOTOS, {"status": "denied"}, Tables.qualifying),
    "a course run without web certificates": (OVERVIEWS, {"cert_html_view_enabled": 0}, Tables.qualifying),
}

#: Values that no column takes, and none that a column may have in another table.
GARBAGE = ["9" * 30, "?", "two\nlines" * 40, "0000-13-99 00:00:00", "x" * 300]


def awarded(export: Export) -> bool:
    """Whether the facts of the import give learner 7 a certificate in COURSE_RUN."""
    return is_downloadable(export.outcome().certificate)


#: The columns that name whom a row is about.
NAMING = {"id", "user_id", "course_id", "generated_certificate_id"}
DATES = {"created", "created_date", "modified", "modified_date", "history_date", "status_changed", "updated_at"}


@pytest.mark.parametrize("what", FORBIDDING)
@settings(max_examples=25)
@given(data=st.data())
def test_however_a_row_that_forbids_is_damaged_its_company_gives_nobody_a_certificate(
    tmp_path_factory: pytest.TempPathFactory, what: str, data: st.DataObject
) -> None:
    table, fields, rest = FORBIDDING[what]
    column = data.draw(st.sampled_from(sorted(ROWS[table].keys() - NAMING)), label="column")
    value = data.draw(st.sampled_from([*GARBAGE, None, ""]), label="value")
    tables = rest(Tables(tmp_path_factory.mktemp("tables"))).add(table, **{**fields, column: value})
    export = tables.qualifying(user_id=8).read()
    if export.reading.rejected[table]:
        assert not awarded(export)
        assert export.reading.waits_for
    assert table == OVERVIEWS or export.stated(8)  # nobody else waits


@pytest.mark.parametrize("what", FORBIDDING)
def test_what_waits_is_counted_and_is_imported_once_the_row_is_mended(tables: Tables, what: str) -> None:
    table, fields, rest = FORBIDDING[what]
    broken = dict.fromkeys(DATES & ROWS[table].keys(), "?") or {"role": "beta_testers" * 40}
    export = rest(tables).add(table, **{**fields, **broken}).read()
    assert export.reading.rejected == {table: 1}
    line = len(tables._rows[table]) + 1
    for item in export.reading.waits_for:
        assert item["learner_id"] == 7 or (item["learner_id"], item["course_run"]) == (None, COURSE_RUN)
        assert item["refused"] == [{"table": table, "line": line}]
        assert item["facts"] > 0
    assert sum(item["facts"] for item in export.reading.waits_for) > 1
    assert not awarded(export)
    tables._rows[table][-1] = {**ROWS[table], **fields}
    mended = tables.read()
    assert (mended.reading.waits_for, mended.rejects) == ([], [])
    assert mended.stated()


def test_an_invalidation_of_a_refused_certificate_is_imported_for_it_gives_nothing(tables: Tables) -> None:
    tables.qualifying().add(CERTIFICATES, status="lost").add(INVALIDATIONS).add(OVERRIDES)
    export = tables.read()
    assert [item.fact for item in export.stated()] == [Fact.INVALIDATION]
    assert active_by_person(export.timeline()) is not None
    facts = {(item["learner_id"], item["course_run"]): item["facts"] for item in export.reading.waits_for}
    assert facts == {(7, None): 1, (7, COURSE_RUN): 5}  # enrollment, grade, passing twice, date override
    assert export.reading.facts == {"course_run": 6, "invalidation": 1}


@pytest.mark.parametrize(
    ("invalidation", "fields"),
    [
        (INVALIDATIONS, {"active": 0}),  # lifted: it would be downloadable again
        (INVALIDATION_HISTORY, {"active": "?", "history_date": "2026-04-02 08:00:00"}),  # perhaps it was lifted
    ],
)
def test_an_invalidation_that_may_be_lifted_waits_too(
    tables: Tables, invalidation: str, fields: dict[str, Any]
) -> None:
    tables.qualifying().add(CERTIFICATES, status="lost").add(INVALIDATION_HISTORY, id=9, active=1)
    if invalidation == INVALIDATIONS:
        tables._rows.pop(INVALIDATION_HISTORY)
    assert tables.add(invalidation, **fields).read().stated() == ()


def test_a_learner_whose_id_verification_is_refused_waits_in_every_course_run(tables: Tables) -> None:
    tables.qualifying().add(ENROLLMENTS, course_id=OTHER_COURSE_RUN).add(
        PHOTOS, id=6, status="denied", status_changed="?", updated_at="?"
    )
    export = tables.qualifying(user_id=8).read()
    assert {row.learner_id for row in export.rows()} == {None, 8}
    waiting = [(item["learner_id"], item["course_run"]) for item in export.reading.waits_for]
    assert waiting == [(7, None), (7, COURSE_RUN), (7, OTHER_COURSE_RUN)]


def test_other_course_runs_of_the_learner_go_on(tables: Tables) -> None:
    tables.qualifying().add(CERTIFICATES, status="lost").add(ENROLLMENTS, course_id=OTHER_COURSE_RUN)
    export = tables.read()
    assert export.stated(7, OTHER_COURSE_RUN)
    assert not export.stated()
    assert not export.stated(course_run=None)  # an ID verification could give the certificate, too


def test_a_course_run_in_another_case_is_the_same_as_on_the_platform(tables: Tables) -> None:
    tables.qualifying().add(CERTIFICATES, status="lost", course_id=COURSE_RUN.replace("CertX", "certx"))
    assert not tables.read().stated()


@pytest.mark.parametrize(("table", "column"), [(OVERRIDES, "date"), (ROLES, "user_id"), (ENROLLMENTS, "user_id")])
def test_a_refused_row_that_forbids_nothing_or_names_nobody_has_no_company(
    tables: Tables, table: str, column: str
) -> None:
    export = tables.qualifying().add(CERTIFICATES).add(table, **{column: "?"}).read()
    assert export.reading.rejected == {table: 1}
    assert (export.reading.waits_for, export.reading.unknown) == ([], [])
    assert awarded(export)


# --- where nobody knows whose a refused row is


UNKNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "a certificate without a learner": (CERTIFICATES, {"user_id": "?"}),
    "a certificate without a course run": (CERTIFICATES, {"course_id": "CS101"}),
    "an invalidation without a certificate": (INVALIDATIONS, {"generated_certificate_id": "?"}),
    "an invalidation of a certificate that is not there": (INVALIDATIONS, {"generated_certificate_id": 41}),
    "a refused invalidation of a certificate that is not there": (
        INVALIDATION_HISTORY,
        {"generated_certificate_id": 41, "active": "?"},
    ),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_an_import_stops_before_anything_is_imported_where_nobody_knows_whom_a_row_is_about(
    tables: Tables, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table, fields = UNKNOWN[what]
    tables.qualifying().add(CERTIFICATES, status="unavailable", id=39).add(table, **fields).read()
    stopped = certs("import", tables.folder)
    assert stopped.exit_code == command.FAILED
    assert f"{table} line {len(tables._rows[table]) + 1}" in stopped.stderr
    assert "--without-unknown" in stopped.stderr
    assert cloud.executions() == []
    checked = json.loads(certs("import", tables.folder, "--check", "--json").stdout)
    assert [row["table"] for row in checked["unknown"]] == [table]
    gone_on = certs("import", tables.folder, "--without-unknown", "--json")
    assert gone_on.exit_code == command.REJECTED
    assert json.loads(gone_on.stdout)["unknown"] == checked["unknown"]
    assert {execution.status for execution in cloud.executions()} == {"SUCCEEDED"}


def test_a_line_of_the_certificates_that_can_not_be_read_stops_the_import(tables: Tables, tmp_path: Path) -> None:
    tables.qualifying().add(CERTIFICATES).read()
    file = tables.folder / f"{CERTIFICATES}.csv"
    file.write_text(file.read_text() + "41,8\n")
    result = certs("import", tables.folder, "--check", "--json", "--rejects", tmp_path / "rejects.jsonl")
    assert json.loads(result.stdout)["unknown"] == [{"table": CERTIFICATES, "line": 3}]


def test_an_invalidation_that_went_with_its_certificate_stops_nothing(tables: Tables) -> None:
    tables.add(INVALIDATION_HISTORY).add(INVALIDATION_HISTORY, history_type="-", history_date="2026-05-01 08:00:00")
    export = tables.read()
    assert (export.reading.rejected, export.reading.unknown) == ({INVALIDATION_HISTORY: 2}, [])


def test_the_report_names_who_waits_and_for_which_row(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tables.folder.parent)
    tables.qualifying().add(CERTIFICATES, status="lost").read()
    shown = certs("import", tables.folder, "--check").stdout
    assert f"learner 7 in {COURSE_RUN}: 4 facts wait for {CERTIFICATES} line 2" in " ".join(shown.split())
