"""An id that several certificates have is named with all of them; none of them wins."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact, Recorded
from certrules.core.terms import Status
from certrules.formats.table_rows import Observation, TableRow
from certs.imports import command, shared_ids
from certs.imports.shared_ids import SharedIds
from tests.scenes.commands import certs
from tests.scenes.platform_tables import COURSE_RUN, NOW, Tables

CERTIFICATES = "certificates_generatedcertificate"
ID = "a6c04f14d61d49f7981d004ff9433eea"


def test_both_are_imported_and_named_however_their_id_is_written(tables: Tables) -> None:
    tables.add(CERTIFICATES).add(CERTIFICATES, id=41, user_id=8, verify_uuid="A6C04F14-D61D-49F7-981D-004FF9433EEA")
    tables.add(CERTIFICATES, id=42, user_id=9, verify_uuid="").add(CERTIFICATES, id=43, user_id=10, verify_uuid="")
    export = tables.read()
    owners = [{"learner_id": learner_id, "course_run": COURSE_RUN} for learner_id in (7, 8)]
    assert export.reading.shared_ids == [{"certificate_id": ID, "count": 2, "certificates": owners}]
    assert {row.learner_id: row.observations[0].value.certificate_id for row in export.rows() if row.learner_id} == {
        7: ID, 8: ID, 9: "", 10: "",
    }  # fmt: skip


def test_a_learners_certificates_in_two_course_runs_are_two(tables: Tables) -> None:
    tables.add(CERTIFICATES).add(CERTIFICATES, id=41, course_id="course-v1:CertX+CS102+2026")
    (shared,) = tables.read().reading.shared_ids
    assert {item["course_run"] for item in shared["certificates"]} == {COURSE_RUN, "course-v1:CertX+CS102+2026"}


def test_a_row_that_is_there_twice_is_one_certificate(tables: Tables) -> None:
    tables.add(CERTIFICATES).add(CERTIFICATES, status="unavailable", modified_date="2026-05-01 00:00:00")
    assert tables.read().reading.shared_ids == []


def test_the_command_names_them_and_its_exit_code_shows_it(tables: Tables) -> None:
    tables.add(CERTIFICATES).add(CERTIFICATES, id=41, user_id=8).read()
    result = certs("import", tables.folder, "--check")
    assert result.exit_code == command.REJECTED
    shown = " ".join(result.output.split())
    whose = f"learner 7 in {COURSE_RUN}, learner 8 in {COURSE_RUN}"
    assert f"2 certificates have the id {ID}: {whose}" in shown
    report = json.loads(certs("import", tables.folder, "--check", "--json").stdout)
    assert [item["certificate_id"] for item in report["shared_ids"]] == [ID]


@given(
    owners=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from("ab"), st.sampled_from("xyz")), unique_by=lambda o: o[:2]
    )
)
def test_all_shared_ids_are_found_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, owners: list[tuple[int, str, str]]
) -> None:
    ids = SharedIds(tmp_path_factory.mktemp("ids") / "spread")
    for learner_id, course_run, name in owners:
        value = Recorded(Status.DOWNLOADABLE, "", "", name)
        row = TableRow(learner_id, course_run, (Observation(NOW, NOW, Fact.RECORDED, value, "t/1"),))
        assert list(ids.noted([row])) == [row]
    found = {
        (item["certificate_id"], owner["learner_id"], owner["course_run"])
        for item in ids.found()
        for owner in item["certificates"]
    }
    names = [name for _, _, name in owners]
    assert found == {(name, learner, run) for learner, run, name in owners if names.count(name) > 1}


def test_an_id_that_everybody_has_is_named_with_some(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_ids, "MOST_OWNERS", 3)
    monkeypatch.setattr(shared_ids, "MOST_IDS", 1)
    for number in range(10):
        tables.add(CERTIFICATES, id=number + 1, user_id=number + 1)
        tables.add(CERTIFICATES, id=number + 100, user_id=number + 100, verify_uuid="1" * 32)
    (shared,) = tables.read().reading.shared_ids
    assert (shared["count"], len(shared["certificates"])) == (10, 3)


def test_certificates_of_the_field_that_share_an_id_are_named(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "field" / "21-old-statuses" / "in"
    report = json.loads(certs("import", folder, "--check", "--json", "--rejects", tmp_path / "rejects").stdout)
    assert [[item["learner_id"] for item in shared["certificates"]] for shared in report["shared_ids"]] == [[4, 7]]
