"""Files of an import in every format, packing, encoding and spelling: the same rows, or one refusal of the file."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.imports.files import UnreadableFileError, files_of, read_rows
from certs.imports.files.reading import NULLS
from certs.imports.tables import TABLES
from tests.scenes.file_formats import ENCODINGS, FORMATS, HEADERS, PACKINGS, Rows
from tests.scenes.platform_tables import QUALIFYING, ROWS, Tables, as_csv, read

TABLE = TABLES["certificates_certificateinvalidation"]
COLUMNS = tuple(ROWS[TABLE.name])
CSV = as_csv([ROWS[TABLE.name]]).encode()

values = st.one_of(
    st.none(),
    st.sampled_from(["7", "two\nlines", 'a "quote"', "a, b; c | d", "a\tb", "back\\slash", "\\\\N", "Ž", "{}", ""]),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20),
).filter(lambda value: value is None or value.casefold() not in {spelling.casefold() for spelling in NULLS})
tables = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, values)), min_size=1, max_size=8)
packings = st.sampled_from(
    [name for name in PACKINGS if name not in {"", ".GZ"}]
)  # two streams may end after the first
places = st.floats(0, 1, exclude_max=True)  # in a file, from its beginning


def rows_of(name: str, body: bytes) -> list[dict[str, object] | None]:
    """Return the rows of a file of an import, NULL as an empty text."""
    with TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(body)
        files, _ = files_of([Path(folder)])
        return [
            row.values and {column: "" if value is None else value for column, value in row.values.items()}
            for source, table in files.items()
            for row in read_rows(source, table)
        ]


@given(
    rows=tables,
    form=st.sampled_from(list(FORMATS)),
    packing=st.sampled_from(list(PACKINGS)),
    encoding=st.sampled_from(ENCODINGS),
    header=st.sampled_from(list(HEADERS)),
)
def test_the_same_rows_are_read_from_every_format(
    rows: Rows, form: str, packing: str, encoding: str, header: str
) -> None:
    ending, written = FORMATS[form]
    body = PACKINGS[packing](written(rows, HEADERS[header]).encode(encoding))
    assert rows_of(f"edxapp.{TABLE.name}{ending}{packing}", body) == [
        {column: value or "" for column, value in row.items()} for row in rows
    ]


@given(packing=packings, at=places)
def test_a_packed_file_that_is_cut_off_anywhere_is_refused(packing: str, at: float) -> None:
    body = PACKINGS[packing](CSV * 3)
    with pytest.raises(UnreadableFileError, match="cut off or damaged"):
        rows_of(f"{TABLE.name}.csv{packing}", body[: int(len(body) * at)])


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_packed_file_with_a_flipped_bit_is_refused_or_has_the_same_rows(packing: str, bit: int) -> None:
    rows = rows_of(f"{TABLE.name}.csv", CSV)
    body = PACKINGS[packing](CSV)
    for place in range(len(body)):
        damaged = bytes([*body[:place], body[place] ^ 1 << bit, *body[place + 1 :]])
        with suppress(UnreadableFileError):
            assert rows_of(f"{TABLE.name}.csv{packing}", damaged) == rows


@pytest.mark.parametrize("null", ["", *NULLS, "null", "nan"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_spelling_of_null_is_null(form: str, null: str) -> None:
    ending, written = FORMATS[form]
    body = written([{column: "<>" if column == "notes" else "7" for column in COLUMNS}], str).replace("<>", null)
    body = body.replace(r"\N", r"\\N") if body.startswith("{") else body
    assert [row and row["notes"] for row in rows_of(f"{TABLE.name}{ending}", body.encode())] == [""]


def test_what_a_row_of_json_lines_leaves_out_is_null() -> None:
    ending, written = FORMATS["JSON lines"]
    rows = [dict.fromkeys(COLUMNS, "7"), {"id": "8"}]
    first, second = rows_of(f"{TABLE.name}{ending}", written(rows, str).encode())
    assert first == rows[0]
    assert second == {**dict.fromkeys(COLUMNS, ""), "id": "8"}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("packing", ["", ".bz2", ".zip"])
def test_an_export_in_any_format_is_the_same_import(tmp_path: Path, form: str, packing: str) -> None:
    tables = Tables(tmp_path).qualifying(letter_grade=None, expiration_date=None)
    ending, written = FORMATS[form]
    folder = tmp_path / "other"
    folder.mkdir()
    for name in QUALIFYING:
        left_out = {"letter_grade", "expiration_date"}
        row = {column: None if column in left_out else value for column, value in ROWS[name].items()}
        rows = [{column: None if value is None else str(value) for column, value in row.items()}]
        (folder / f"X-{name}{ending}{packing}").write_bytes(PACKINGS[packing](written(rows, str).encode()))
    found = read([folder], tmp_path / "parts")
    assert found.rows() == tables.read().rows()
    assert found.rejects == []


def test_the_last_of_contradicting_files_counts_as_the_command_line_names_them(tmp_path: Path) -> None:
    for name, mode in (("b", "audit"), ("a", "verified")):
        row = {**ROWS["student_courseenrollment"], "mode": mode}
        (tmp_path / f"{name}.student_courseenrollment.csv").write_text(as_csv([row]))
    paths = [tmp_path / "b.student_courseenrollment.csv", tmp_path / "a.student_courseenrollment.csv"]
    for order, mode in ((paths, "verified"), (paths[::-1], "audit")):
        found = read(order, tmp_path / f"parts-{mode}")
        assert [observation.value.mode for observation in found.stated()] == [mode]
