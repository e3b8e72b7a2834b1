"""`certs import` as its users have it."""

import gzip
import json
import stat
import tracemalloc
from pathlib import Path

import pytest

from certs.imports import command, parts, spread
from certs.imports.files import Source
from certs.imports.parts import read_tables
from certs.imports.tables import TABLES
from localcloud import LocalCloud
from tests.scenes.commands import certs
from tests.scenes.platform_tables import NOW, ROWS, Tables, as_csv
from tests.scenes.scene import tapped

ENROLLMENTS = "student_courseenrollment"
CERTIFICATES = "certificates_generatedcertificate"


@pytest.fixture
def export(tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tables, one row of which is bad, and of other files."""
    monkeypatch.chdir(tmp_path)
    tables.qualifying().add(CERTIFICATES).add(ENROLLMENTS, user_id=8, course_id="CS101").read()
    (tables.folder / "auth_user.csv").write_text("id\n1\n")
    return tables.folder


def test_checking_reads_and_reports_and_needs_no_stack(export: Path) -> None:
    result = certs("import", export, "--check", "--json")
    assert result.exit_code == command.REJECTED
    report = json.loads(result.stdout)
    assert (report["rows"][ENROLLMENTS], report["rejected"]) == (2, {ENROLLMENTS: 1})
    assert (report["records"], report["saved"], report["name"]) == (3, 0, "")
    assert "auth_user.csv" in result.stderr


def test_a_warning_is_in_the_report_and_is_no_reject(export: Path) -> None:
    (export / "certificates_certificatewhitelist.csv").write_text(
        as_csv([{**ROWS["certificates_certificatewhitelist"], "notes": "x"}])
    )
    (export / f"{ENROLLMENTS}.csv").write_text(as_csv([{**ROWS[ENROLLMENTS], "created": "[soon]"}]))
    result = certs("import", export, "--check")
    assert result.exit_code == 0, result.output
    where, problem = f"{export}/{ENROLLMENTS}.csv line 2", "'[soon]' is no time such as 2026-01-31 12:00:00, in UTC"
    shown = f"Warning: {ENROLLMENTS}.created was not taken as it is in 1 row, first in {where}: {problem}"
    assert "".join(shown.split()) in "".join(result.output.split())


def test_rejects_are_json_lines_that_only_their_owner_may_read(export: Path) -> None:
    certs("import", export, "--check", "--rejects", "bad.jsonl")
    (reject,) = map(json.loads, Path("bad.jsonl").read_text().splitlines())
    assert set(reject) == {"table", "file", "line", "reason", "field", "fix", "row"}
    assert (reject["table"], reject["line"], reject["field"]) == (ENROLLMENTS, 3, "course_id")
    assert "CS101" in reject["row"]
    assert reject["file"].endswith(f"{ENROLLMENTS}.csv")
    assert stat.S_IMODE(Path("bad.jsonl").stat().st_mode) == 0o600


def test_without_rejects_there_is_no_file_of_them(tables: Tables, tmp_path: Path) -> None:
    tables.qualifying().read()
    result = certs("import", tables.folder, "--check", "--rejects", tmp_path / "bad.jsonl")
    assert result.exit_code == 0
    assert not (tmp_path / "bad.jsonl").exists()


def test_an_import_ends_with_a_report_and_another_one_writes_nothing(export: Path, cloud: LocalCloud) -> None:
    first = certs("import", export, "--json")
    assert first.exit_code == command.REJECTED  # one row was; the rest went on
    report = json.loads(first.stdout)
    assert (report["saved"], report["unchanged"], report["statuses"]) == (3, 0, {"downloadable": 1})
    second = json.loads(certs("import", export, "--json").stdout)
    assert (second["saved"], second["unchanged"], second["statuses"]) == (0, 3, {"downloadable": 1})
    shown = certs("import", export)
    assert "1 rows were rejected" in shown.stdout
    assert "downloadable" in shown.stdout
    assert [run.status for run in cloud.executions() if run.machine == "ImportMachine"] == [
        "SUCCEEDED"
    ] * 6  # each with a preview


def test_an_import_whose_part_failed_names_it_and_is_resumed(export: Path, cloud: LocalCloud) -> None:
    assert cloud is not None
    with tapped() as wire:
        wire.refuse("PutItem", "R#")
        failed = certs("import", export, "--json")
    assert failed.exit_code == command.FAILED
    report = json.loads(failed.stdout)
    assert report["missing"]
    assert report["error"]
    resumed = certs("import", "--resume", report["name"], "--json")
    assert json.loads(resumed.stdout)["saved"] == 3
    assert json.loads(resumed.stdout)["missing"] == []


def test_where_the_preview_fails_nothing_is_imported_and_it_can_be_resumed(export: Path, cloud: LocalCloud) -> None:
    queue = cloud.functions["LoadFunction"]._variables.pop("INGEST_QUEUE_URL")
    failed = certs("import", export)
    assert failed.exit_code == command.FAILED
    assert "nothing was imported" in failed.stderr
    name = next(word for word in failed.stderr.split() if word.startswith("import-"))
    cloud.functions["LoadFunction"]._variables["INGEST_QUEUE_URL"] = queue
    resumed = certs("import", "--resume", name, "--json")
    assert json.loads(resumed.stdout)["saved"] == 3


def test_an_import_that_does_not_exist_can_not_be_resumed(cloud: LocalCloud) -> None:
    assert cloud is not None
    result = certs("import", "--resume", "import-1")
    assert result.exit_code == 1
    assert "there is no import 'import-1'" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--resume", "a", "--check"]])
def test_files_or_an_import_are_to_be_named(arguments: list[str]) -> None:
    assert certs("import", *arguments).exit_code == 2


def test_a_file_that_names_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id\n1\n")
    result = certs("import", tmp_path / "people.csv", "--check")
    assert result.exit_code == 1
    assert "contain a table's" in result.stderr
    assert certs("import", tmp_path, "--check").exit_code == 1


def test_a_damaged_file_stops_an_import_before_anything_is_uploaded(export: Path, cloud: LocalCloud) -> None:
    body = gzip.compress((export / "grades_persistentcoursegrade.csv").read_bytes() * 9)
    (export / "grades_persistentcoursegrade.csv").unlink()
    (export / "grades_persistentcoursegrade.csv.gz").write_bytes(body[:-8])
    result = certs("import", export)
    assert result.exit_code == command.FAILED
    assert "grades_persistentcoursegrade.csv.gz: it is cut off or damaged" in result.stderr
    bucket = cloud.client("s3").list_objects_v2(Bucket=cloud.physical("BulkBucket"))
    assert (bucket["KeyCount"], cloud.executions()) == (0, [])
    assert not Path("import-rejects.jsonl").exists()


def test_a_file_without_a_readable_row_leaves_no_rejects(export: Path) -> None:
    path = export / f"{ENROLLMENTS}.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"{row}," for row in rows)]))
    result = certs("import", export, "--check")
    assert result.exit_code == command.FAILED
    assert "no row can be read, of 2" in result.stderr
    assert not Path("import-rejects.jsonl").exists()


def test_a_table_without_rows_is_in_the_report(export: Path) -> None:
    (export / "student_courseaccessrole.csv").write_text("user_id,course_id,role\n")
    report = json.loads(certs("import", export, "--check", "--json").stdout)
    assert report["rows"]["student_courseaccessrole"] == 0


def test_without_a_local_cloud_the_error_names_how_to_start_one(export: Path) -> None:
    result = certs("import", export)
    assert result.exit_code == 1
    assert "certs local" in result.stderr


def test_memory_does_not_grow_with_the_tables(tmp_path: Path) -> None:
    def peak(learners: int) -> int:
        folder = tmp_path / str(learners)
        folder.mkdir()
        path = folder / f"{ENROLLMENTS}.csv"
        rows = ({**ROWS[ENROLLMENTS], "id": number, "user_id": number} for number in range(1, learners + 1))
        path.write_text(as_csv(rows))
        tracemalloc.start()
        with (folder / "rejects.jsonl").open("w") as rejects:
            read_tables({Source(path): TABLES[ENROLLMENTS]}, folder / "parts", rejects, NOW)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(parts, "PART_BYTES", 50_000)
        limits.setattr(spread, "_SPILL_BYTES", 100_000)
        small, large = peak(4_000), peak(16_000)
    assert large < 1.3 * small
