"""Files of rows: three forms, plain or compressed, and what a damaged row costs: itself alone."""

import gzip
from pathlib import Path

import pytest

from certs.imports.files import Line, Source, UnreadableFileError, read_rows, reading
from certs.imports.rows import Table

TABLE = Table("a", ("id",), ("id",), lambda _fields, _source: (), (), also=("mode", "notes"))
CSV = 'id,mode,notes\n1,audit,"two\nlines, one ""note"""\n2,verified,\\N\n\n'
TABS = 'id\tmode\tnotes\n1\taudit\ttwo\\nlines, one "note"\n2\tverified\t\\N\n'
JSON = '{"id":1,"mode":"audit","notes":"two\\nlines, one \\"note\\""}\n\n{"id":2,"mode":"verified","notes":null}\n'


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [("a.csv", CSV, [2, 4]), ("a.tsv", TABS, [2, 3]), ("a.jsonl", JSON, [1, 3])],
)
def test_every_form_of_an_event_decodes_to_the_same(
    tmp_path: Path, name: str, text: str, lines: list[int], suffix: str
) -> None:
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    rows = list(read_rows(Source(path), TABLE))
    assert [row.number for row in rows] == lines
    assert [
        {name: None if value is None else str(value) for name, value in (row.values or {}).items()} for row in rows
    ] == [
        {"id": "1", "mode": "audit", "notes": 'two\nlines, one "note"'},
        {"id": "2", "mode": "verified", "notes": None},
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid\n1\n")
    assert [row.values for row in read_rows(Source(path), TABLE)] == [{"id": "1"}]


def test_a_dump_of_mysql_has_its_columns_in_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "student_courseenrollment.sql").write_text(
        "CREATE TABLE `student_courseenrollment` (\n  `id` int(11) NOT NULL,\n  `notes` longtext,\n"
        "  PRIMARY KEY (`id`)\n);\n"
    )
    path = tmp_path / "student_courseenrollment.txt"
    path.write_text("1\ta\\\tb\\\\\n2\ttwo\\\nlines\n3\t\\N\n")
    assert [row.values for row in read_rows(Source(path), TABLE)] == [
        {"id": "1", "notes": "a\tb\\"},
        {"id": "2", "notes": "two\nlines"},
        {"id": "3", "notes": None},
    ]


def test_a_quote_that_nobody_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,mode,notes\n1,"audit,x\n2,verified,y\n3,honor,z\n')
    rows = list(read_rows(Source(path), TABLE))
    assert [(row.number, row.values and row.values["id"]) for row in rows] == [(2, None), (3, "2"), (4, "3")]
    assert rows[0].problem


def test_a_quote_that_another_row_closes_costs_its_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,mode,notes\n1,"audit,x\n2,verified,"y"\n3,honor,z\n')
    assert [row.values and row.values["id"] for row in read_rows(Source(path), TABLE)] == [None, "2", "3"]


def test_a_quote_takes_no_more_lines_than_memory_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FIELD", 1000)
    path = tmp_path / "a.csv"
    path.write_text('id,mode\n0,"audit\n' + "".join(f"{number},verified\n" for number in range(1, 500)))
    rows = list(read_rows(Source(path), TABLE))
    assert [row.values and row.values["id"] for row in rows] == [None, *map(str, range(1, 500))]


def test_a_row_with_too_few_fields_is_reported_with_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,mode\n1\n2,audit\n")
    assert list(read_rows(Source(path), TABLE)) == [
        Line(2, None, "1", "there are 2 columns, and 1 fields here", str(path)),
        Line(3, {"id": "2", "mode": "audit"}, "2,audit", file=str(path)),
    ]


@pytest.mark.parametrize(("name", "text"), [("a.csv", CSV), ("a.tsv", TABS)])
def test_a_header_between_rows_is_no_row(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text * 2)
    rows = list(read_rows(Source(path), TABLE))
    assert [row.values and row.values["id"] for row in rows] == ["1", "2", "1", "2"]


def test_a_line_that_is_no_json_object_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id":1}\n[2]\n{"id":\n{"id":4}\n')
    assert [(row.number, row.values is None) for row in read_rows(Source(path), TABLE)] == [
        (1, False),
        (2, True),
        (3, True),
        (4, False),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_damaged_file_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    text = "".join(f'{{"id":{number}}}\n' if name == "a.jsonl" else f"{number}\n" for number in range(9000))
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(("" if name == "a.jsonl" else "id\n").encode() + text.encode())[:-200])
    with pytest.raises(UnreadableFileError, match="cut off or damaged"):
        list(read_rows(Source(path), TABLE))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"nowhere\.csv"):
        list(read_rows(Source(tmp_path / "nowhere.csv"), TABLE))
