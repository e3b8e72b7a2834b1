"""What the rows of ID verification attempts state, by example: each of the platform's tables numbers its own."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from certrules.core.fact_types import Approval, Fact
from certrules.core.timeline import Entry, at_instant, merge
from certrules.formats import events_in
from certrules.formats.table_rows import TableRow
from certs.imports.rows import RejectedError
from certs.imports.tables import TABLES
from certs.sources import event_builders
from tests.scenes.commands import certs
from tests.scenes.platform_tables import NOW, ROWS, Tables, instant, read

PHOTOS = "verify_student_softwaresecurephotoverification"
ATTEMPTS = "verify_student_verificationattempt"
VERIFICATIONS = ("softwaresecurephotoverification", "ssoverification", "manualverification", "verificationattempt")


def verifications(tables: Tables) -> list[Entry]:
    return [entry for entry in tables.read().timeline() if entry.fact is Fact.ID_VERIFICATION]


@pytest.mark.parametrize("kind", VERIFICATIONS)
def test_an_approved_id_verification_holds_until_it_expires(tables: Tables, kind: str) -> None:
    (entry,) = verifications(tables.add(f"verify_student_{kind}"))
    assert (entry.at, entry.value) == (instant("2026-01-12 12:00"), Approval(instant("2028-01-11 12:00")))


def test_attempts_of_different_tables_are_different_attempts(tables: Tables) -> None:
    for kind in VERIFICATIONS:
        tables.add(f"verify_student_{kind}")
    assert {entry.subject for entry in verifications(tables)} == {"photo:5", "sso:5", "manual:5", "5"}


def test_without_expiration_date_it_holds_a_year_as_on_the_platform(tables: Tables) -> None:
    assert verifications(tables.add(PHOTOS, expiration_date=None))[0].value == Approval(instant("2027-01-11 12:00"))


@pytest.mark.parametrize("kind", VERIFICATIONS[:3])
@pytest.mark.parametrize("end", [None, "0026-01-01 00:00:00"])
def test_without_an_end_it_holds_as_long_as_the_platform_is_set_to(
    tables: Tables, tmp_path: Path, kind: str, end: str | None
) -> None:
    tables.add(f"verify_student_{kind}", expiration_date=end).read()
    result = certs("import", tables.folder, "--check", "--json", "--id-verification-days", "730")
    assert result.exit_code == 0, result.output
    export = read(tables.folder.iterdir(), tmp_path / "two-years", id_verification=timedelta(days=730))
    assert [entry.value for entry in export.timeline()] == [Approval(instant("2028-01-11 12:00"))]


def test_an_attempt_that_the_platforms_events_are_about_is_without_an_end_if_it_has_none(tables: Tables) -> None:
    assert verifications(tables.add(ATTEMPTS, expiration_datetime=None))[0].value == Approval(None)


def test_an_end_that_makes_no_sense_is_not_for_ever(tables: Tables) -> None:
    tables.add(ATTEMPTS, expiration_datetime="0026-01-01 00:00:00")
    assert verifications(tables)[0].value == Approval(instant("2027-01-11 12:00"))


def test_an_event_that_denies_an_attempt_ends_that_one_and_no_other_of_its_number(tables: Tables) -> None:
    for kind in VERIFICATIONS:
        tables.add(f"verify_student_{kind}")
    approved = tables.read().timeline()
    detail = event_builders.idv_attempt("idv_attempt.denied", uuid4(), instant("2026-02-01"), 7, attempt_id=5)
    denial = events_in.decode(json.dumps(detail), NOW)
    assert denial is not None
    timeline = merge(approved, denial.entries)
    assert {entry.subject for entry in at_instant(timeline, NOW).values() if entry.value is None} == {"5"}
    assert len({subject for fact, subject in at_instant(timeline, NOW) if fact is Fact.ID_VERIFICATION}) == 4


@pytest.mark.parametrize("column", ["expiration_date", "expiry_date"])
def test_photo_tables_of_old_name_the_end_otherwise(column: str) -> None:
    row = {name: value for name, value in ROWS[PHOTOS].items() if name != "expiration_date"}
    (content,) = TABLES[PHOTOS].read({**row, column: "2027-05-05 00:00:00"}, NOW).contents
    assert isinstance(content, TableRow)
    assert [item.value for item in content.observations] == [Approval(instant("2027-05-05"))]


def test_an_attempt_is_dated_by_when_its_row_was_written_if_nothing_else_dates_it() -> None:
    row = {"id": 5, "user_id": 7, "status": "Approved", "created": "2026-01-11 12:00:00"}
    (content,) = TABLES[ATTEMPTS].read({**row, "modified": "2026-01-12 12:00:00"}, NOW).contents
    assert isinstance(content, TableRow)
    assert [(item.since, item.observed_at) for item in content.observations] == [(instant("2026-01-12 12:00"),) * 2]


@pytest.mark.parametrize(
    ("without", "field"),
    [
        ({"status_changed": None, "updated_at": ""}, "status_changed"),
        ({"expiration_date": None, "created_at": ""}, "expiration_date"),
    ],
)
def test_an_attempt_without_dates_is_rejected(without: Mapping[str, object], field: str) -> None:
    with pytest.raises(RejectedError) as rejected:
        TABLES[PHOTOS].read({**ROWS[PHOTOS], **without}, NOW)
    assert (rejected.value.reason, rejected.value.field) == ("missing_field", field)


def test_a_denied_attempt_counts_no_more(tables: Tables) -> None:
    (entry,) = verifications(tables.add(PHOTOS, status="denied"))
    assert (entry.at, entry.value) == (instant("2026-01-12 12:00"), None)


@pytest.mark.parametrize("status", ["created", "ready", "submitted", "must_retry"])
def test_an_attempt_that_nobody_decided_shows_nothing(tables: Tables, status: str) -> None:
    export = tables.add(PHOTOS, status=status).read()
    assert (export.rows(), export.rejects) == ([], [])
