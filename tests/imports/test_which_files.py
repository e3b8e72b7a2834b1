"""Which files an import reads: one a table, or its numbered parts; all else is refused or ignored by its name."""

import zipfile
from pathlib import Path

import pytest

from certs.imports.files import UnreadableFileError, files_of, read_rows
from certs.imports.tables import TABLES
from tests.scenes.file_formats import PACKINGS, zipped
from tests.scenes.platform_tables import ROWS, as_csv

NAME = "student_courseenrollment"
GRADES = "grades_persistentcoursegrade"
CERTIFICATES = "certificates_generatedcertificate"
BODY = as_csv([ROWS[NAME]])
OTHER = as_csv([{**ROWS[NAME], "mode": "audit"}])
COLUMNS, ROW = BODY.splitlines()
CREATE = f"CREATE TABLE `{NAME}` (\n" + "".join(f"  `{column}` text,\n" for column in COLUMNS.split(",")) + ");\n"
DUMP = CREATE + "INSERT INTO `TABLE` VALUES (1);"  # noqa: S608 - it is refused, and no query
TABS = BODY.replace(",", "\t")


def written(folder: Path, *names: str, **bodies: str | bytes) -> Path:
    """Write files: of rows that differ from file to file, or with these bodies; in names, `__` stands for a dot."""
    for number, name in enumerate(names):
        bodies[name] = as_csv([{**ROWS[NAME], "id": number}])
    for name, body in bodies.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body.encode() if isinstance(body, str) else body)
    return folder


def read_in(*paths: Path) -> list[str]:
    """Return the names of the files that are read, in their order."""
    files, _ = files_of(paths)
    rows = [row for source, table in files.items() for row in read_rows(source, table)]
    assert [row.problem for row in rows if row.problem] == []
    return [source.name for source in files]


def refusal(*paths: Path) -> str:
    """Return why files are refused."""
    with pytest.raises(UnreadableFileError) as refused:
        read_in(*paths)
    return str(refused.value)


# --- one file a table


@pytest.mark.parametrize(
    "second",
    [
        f"{NAME}_backup_2019.csv", f"{NAME}.old.csv", f"{NAME} (1).csv", f"{NAME}_copy.tsv", f"{NAME}.csv.1",
        f"{NAME}_2.csv", f"edxapp.{NAME}.jsonl", f"2019/{NAME}.csv", f"{NAME}.CSV", f"{NAME}-20190101.csv",
    ],
)  # fmt: skip
def test_a_second_file_of_a_table_with_other_rows_is_refused_by_its_name(tmp_path: Path, second: str) -> None:
    found = refusal(written(tmp_path, f"{NAME}.csv", second))
    assert f"{NAME}.csv" in found
    assert second in found
    assert "command line" in found


@pytest.mark.parametrize(
    "names",
    [
        [f"{NAME}_backup_1.csv", f"{NAME}_backup_2.csv"],
        [f"{NAME}-2026-01-01.csv", f"{NAME}-2026-02-01.csv"],
        [f"{NAME} (1).csv", f"{NAME} (2).csv"],
        [f"{NAME}_v1.csv", f"{NAME}_v2.csv"],
        [f"{NAME}_2019.csv", f"{NAME}_2020.csv"],
        [f"a/{NAME}_1.csv", f"b/{NAME}_2.csv"],
        [f"{NAME}_1.csv", f"{NAME}_3.csv"],
    ],
)
def test_files_that_are_numbered_otherwise_than_parts_are_refused(tmp_path: Path, names: list[str]) -> None:
    assert "other rows" in refusal(written(tmp_path, *names))


def test_a_copy_with_the_same_rows_is_read_once_and_named_as_ignored(tmp_path: Path) -> None:
    written(tmp_path, **{f"{NAME}.csv": BODY, f"old/{NAME}.csv": BODY})
    written(tmp_path, **{f"{NAME}.zip": zipped(a__csv=BODY.encode())})
    files, ignored = files_of([tmp_path])
    assert [source.name for source in files] == [f"{NAME}.csv"]
    assert ["it is a copy of" in why for _, why in ignored] == [True, True]


def test_files_that_the_command_line_names_are_all_read_in_its_order(tmp_path: Path) -> None:
    written(tmp_path, f"{NAME}.csv", f"{NAME}_backup_2019.csv")
    paths = [tmp_path / f"{NAME}_backup_2019.csv", tmp_path / f"{NAME}.csv"]
    assert read_in(*paths) == [path.name for path in paths]
    assert read_in(*paths[::-1]) == [path.name for path in paths[::-1]]
    assert read_in(tmp_path, *paths) == [f"{NAME}.csv", f"{NAME}_backup_2019.csv"]
    assert "other rows" in refusal(tmp_path, paths[0])


@pytest.mark.parametrize(
    "form",
    [
        "{}_part{}.csv", "{}.part{}.jsonl.gz", "{}-0000{}.csv", "{}.{}.csv", "{}_{}.tsv", "{}.csv.{}", "{}.csv.00{}",
        "{}-part-{}-of-3.csv", "{}_chunk_{}.txt", "{}/part-0000{}-1f2e3d4c.csv", "X-{}-shard{}.csv.bz2", "{}@{}.tsv",
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [0, 1])
def test_numbered_parts_of_a_table_are_read_in_the_order_of_their_numbers(
    tmp_path: Path, form: str, first: int
) -> None:
    names = [form.format(NAME, number) for number in range(first, first + 12)]
    packing = form[form.rindex(".") :]
    for number, name in enumerate(names):
        body = as_csv([{**ROWS[NAME], "id": number}]).encode()
        written(tmp_path, **{name: PACKINGS[packing](body) if packing in PACKINGS else body})
    assert read_in(tmp_path) == [Path(name).name for name in names]


@pytest.mark.parametrize(("numbers", "missing"), [((1, 3), 2), ((2, 3), 1), ((2,), 1), ((0, 1, 3, 4), 2)])
def test_a_missing_part_is_named(tmp_path: Path, numbers: tuple[int, ...], missing: int) -> None:
    written(tmp_path, *[f"{NAME}_part{number}.csv" for number in numbers])
    assert f"part {missing} of {NAME} is missing" in refusal(tmp_path)
    assert len(read_in(*tmp_path.iterdir())) == len(numbers)


def test_a_single_file_may_have_a_number(tmp_path: Path) -> None:
    assert read_in(written(tmp_path, f"{NAME}_2019.csv")) == [f"{NAME}_2019.csv"]


def test_a_research_data_package_has_a_file_for_each_course_run(tmp_path: Path) -> None:
    names = [f"DemoX-{run}-{NAME}-prod-analytics.sql" for run in ("CS101-T1", "CS202-T1")]
    assert read_in(written(tmp_path, **dict.fromkeys(names, TABS))) == names
    found = refusal(written(tmp_path, **{f"older/{names[0]}": TABS.replace("verified", "audit")}))
    assert names[0] in found
    assert "other rows" in found


# --- what is read, wherever it lies


def test_folders_and_zip_archives_are_looked_through(tmp_path: Path) -> None:
    archive = zipped(**{f"export/db/{GRADES}.csv": as_csv([ROWS[GRADES]]).encode(), "export/README.md": b"x"})
    certificates = as_csv([ROWS[CERTIFICATES]])
    written(tmp_path, **{f"a/b/edxapp.{NAME}.csv": BODY, f"{CERTIFICATES}/000.csv": certificates})
    written(tmp_path, **{"c/export.ZIP": archive})
    assert set(read_in(tmp_path)) == {f"edxapp.{NAME}.csv", f"{GRADES}.csv", "000.csv"}
    files, ignored = files_of([tmp_path])
    assert {table.name for table in files.values()} == {NAME, GRADES, CERTIFICATES}
    assert [source.name for source, _ in ignored] == ["README.md"]


def test_a_dump_of_mysql_is_read_with_the_columns_beside_it_and_may_be_empty(tmp_path: Path) -> None:
    rows = ROW.replace(",", "\t") + "\n"
    assert read_in(written(tmp_path, **{f"{NAME}.sql": CREATE, f"{NAME}.txt": rows})) == [f"{NAME}.txt"]
    files, ignored = files_of([tmp_path / f"{NAME}.sql", tmp_path / f"{NAME}.txt"])
    assert [source.name for source in files] == [f"{NAME}.txt"]
    assert [source.name for source, _ in ignored] == [f"{NAME}.sql"]
    ((source, table),) = files.items()
    assert [row.values and row.values["mode"] for row in read_rows(source, table)] == ["verified"]
    assert read_in(written(tmp_path, **{f"{NAME}.txt": ""})) == [f"{NAME}.txt"]


def test_a_header_counts_though_a_file_named_sql_lies_beside_it(tmp_path: Path) -> None:
    written(tmp_path, **{f"{NAME}.sql": CREATE, f"{NAME}.tsv": TABS})
    ((source, table),) = files_of([tmp_path])[0].items()
    assert [row.number for row in read_rows(source, table)] == [2]


def test_files_that_belong_to_a_system_or_an_export_are_named_as_ignored(tmp_path: Path) -> None:
    names = [
        f".{NAME}.csv",
        f"._{NAME}.zip",
        f"{NAME}.csv.sha256",
        f"{NAME}/_SUCCESS",
        "auth_group.csv",
        "auth_group.sql",
    ]
    written(tmp_path, *names, **{f"{NAME}.csv": BODY})
    files, ignored = files_of([tmp_path])
    assert len(files) == 1
    assert {str(source.path.relative_to(tmp_path)) for source, _ in ignored} == set(names)


# --- what is refused, with the fix


@pytest.mark.parametrize(
    ("name", "body", "fix"),
    [
        (f"{NAME}.xlsx", b"x", "as CSV"),
        (f"{NAME}.csv", zipped(**{"xl/workbook.xml": b""}), "as CSV"),
        (f"{NAME}.parquet", b"x", "as CSV"),
        (f"{NAME}.csv", b"PAR1", "as CSV"),
        (f"{NAME}.csv.zst", b"x", "zstd -d"),
        (f"{NAME}.csv", b"\x28\xb5\x2f\xfd", "zstd -d"),
        (f"{NAME}.sql.gpg", b"x", "decrypt"),
        ("export.tar.gz", b"x", "unpack"),
        ("export.7z", b"x", "unpack"),
        ("export.zip", zipped(inner__zip=b""), "unpack"),
        ("export.zip", b"PK", "copy or export it again"),
        (f"{NAME}.csv.gz", BODY.encode(), "copy or export it again"),
        (f"{NAME}.csv.gz", b"", "copy or export it again"),
        (f"{NAME}.csv.bak", BODY.encode(), "is to end in"),
        (NAME, BODY.encode(), "is to end in"),
        (f"{NAME}s.csv", BODY.encode(), f"is it {NAME}?"),
        ("student-courseenrollment.csv", BODY.encode(), f"is it {NAME}?"),
        (f"DemoX-{NAME}s-prod-analytics.sql", TABS.encode(), f"is it {NAME}?"),
        (f"{NAME}.sql", CREATE.encode(), "mysql --batch"),
        (f"{NAME}.sql", DUMP.encode(), "mysql --batch"),
        (f"{NAME}.sql", f"COPY {NAME} (id) FROM stdin;\n1\n\\.\n".encode(), "mysql --batch"),
        ("edxapp.sql", DUMP.encode(), "mysql --batch"),
        (f"{NAME}.csv", b"", "leave it out"),
        (f"{NAME}.csv", ROW.encode(), "put a line above the rows"),
        (f"{NAME}.txt", ROW.replace(",", "\t").encode(), "put a line above the rows"),
        (f"{NAME}.csv", f"sep=,\n{BODY}".encode(), "put a line above the rows"),
        (f"{NAME}.csv", b"id,user_id,course_id\n1,2,3\n", "all of its columns"),
        (f"{NAME}.csv", f"{COLUMNS},u.id\n{ROW},7\n".encode(), "only the table's own"),
        (f"{NAME}.csv", f"{COLUMNS}\n{ROW},7\n{ROW},7\n".encode(), "no row can be read, of 2"),
        (f"{NAME}.csv", f"{COLUMNS.replace(',', ';')}\n{ROW}\n{ROW}\n".encode(), "no row can be read, of 2"),
        (f"{NAME}.tsv", TABS.replace("\n", "\r").encode(), "end them in LF"),
        (f"{NAME}.json", b'[{"id": 1}]', "jq"),
        (f"{NAME}.jsonl", b'{"id": 1}\n', "all of its columns"),
        (f"{NAME}.json", b'{\n"id": 1\n}\n', "no row can be read, of 3"),
        (f"{NAME}.json", b'{"id": 1} {"id": 2}', "no row can be read, of 1"),
        (f"{NAME}.csv", bytes(range(256)) * 9, "put a line above the rows"),
    ],
)
def test_what_can_not_be_read_is_refused_by_its_name_with_the_fix(
    tmp_path: Path, name: str, body: bytes, fix: str
) -> None:
    good = {f"{GRADES}.csv": as_csv([ROWS[GRADES]])}
    found = refusal(written(tmp_path, **good, **{name: body}))
    assert name in found
    assert fix in found
    assert GRADES not in found
    assert name in refusal(tmp_path / name)


def test_all_that_is_wrong_is_named_at_once_with_what_is_ignored(tmp_path: Path) -> None:
    names = [f"{NAME}.xlsx", f"{GRADES}.csv", f"{CERTIFICATES}s.csv", "auth_group.csv"]
    found = refusal(written(tmp_path, *names))
    assert [name in found for name in names] == [True] * 4


def test_a_zip_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    body = bytearray(zipped(**{f"{NAME}.csv": BODY.encode()}))
    with zipfile.ZipFile(written(tmp_path, **{"a.zip": bytes(body)}) / "a.zip") as archive:
        body[archive.start_dir + 8] |= 1  # the flag that states that a member is encrypted
    assert "password" in refusal(written(tmp_path, **{"a.zip": bytes(body)}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_archive_with_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for body in (BODY, OTHER):
            archive.writestr(f"{NAME}.csv", body)
    assert f"{NAME}.csv: it is in the archive more than once" in refusal(tmp_path)


def test_links_to_folders_are_followed_and_in_a_circle_a_file_is_read_once(tmp_path: Path) -> None:
    written(tmp_path / "elsewhere", f"{NAME}.csv")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "link").symlink_to(tmp_path / "elsewhere")
    assert read_in(tmp_path / "export") == [f"{NAME}.csv"]
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "export")
    assert read_in(tmp_path / "export") == [f"{NAME}.csv"]


@pytest.mark.parametrize("table", TABLES)
def test_no_name_of_a_table_is_mistaken_for_another(tmp_path: Path, table: str) -> None:
    written(tmp_path, **{f"edxapp.{table.upper()}.csv": as_csv([ROWS[table]])})
    files, _ = files_of([tmp_path])
    assert [found.name for found in files.values()] == [table]


@pytest.mark.parametrize(
    "neighbour",
    [
        "student_courseenrollmentallowed", "student_courseenrollmentattribute", "course_overviews_courseoverviewtab",
        "certificates_historicalgeneratedcertificate", "certificates_certificategenerationhistory",
        "grades_persistentsubsectiongrade", "verify_student_historicalverificationdeadline", "auth_group",
    ],
)  # fmt: skip
def test_other_tables_of_the_platform_are_ignored_and_not_taken_for_misspelt_ones(
    tmp_path: Path, neighbour: str
) -> None:
    files, ignored = files_of([written(tmp_path, f"{neighbour}.csv", **{f"{NAME}.csv": BODY})])
    assert [table.name for table in files.values()] == [NAME]
    assert [source.name for source, _ in ignored] == [f"{neighbour}.csv"]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("case", "refused"),
    [
        ("16-edx-data-package-sql", False),
        ("16b-tsv-beside-sql", False),
        ("38c-upper-header", False),
        ("17b-mixed", True),
    ],
)
def test_files_from_the_field_are_read_or_refused(shared_data: Path, case: str, refused: bool) -> None:
    folder = shared_data / "field" / case / "in"
    if not refused:
        files, _ = files_of([folder])
        assert [row.problem for source, table in files.items() for row in read_rows(source, table)] == [""] * len(files)
        return
    found = refusal(folder)
    assert [path.name in found for path in folder.iterdir() if path.name != f"{GRADES}.csv"] == [True] * 5


def test_a_table_that_is_not_wanted_is_ignored_whatever_is_wrong_with_its_files(tmp_path: Path) -> None:
    written(tmp_path, "auth_user.csv", "auth_user.sql", "auth_userprofile.xlsx", **{f"{NAME}.csv": BODY})
    files, ignored = files_of([tmp_path], {"auth_user": "not stored", "auth_userprofile": "not stored"})
    assert len(files) == 1
    assert [why for _, why in ignored] == ["not stored"] * 3
