import gzip
import io
import sys
from pathlib import Path

import pytest

from certs.sources.lines import read_lines

CONTENT = b'{"a": 1}\n\n\xff not even UTF-8\r\n  \n{"b": 2}'
LINES = [(1, b'{"a": 1}'), (3, b"\xff not even UTF-8"), (5, b'{"b": 2}')]


def test_lines_are_yielded_raw_with_the_numbers_that_an_editor_shows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(CONTENT)
    assert list(read_lines(path)) == LINES


@pytest.mark.parametrize("name", ["events.jsonl.gz", "events.GZ", "events"])
def test_a_compressed_file_reads_the_same_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT))
    assert list(read_lines(path)) == LINES


@pytest.mark.parametrize("content", [CONTENT, gzip.compress(CONTENT)], ids=["plain", "compressed"])
def test_a_dash_is_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert list(read_lines("-")) == LINES


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + CONTENT)
    assert list(read_lines(path)) == LINES


def test_what_came_before_the_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(CONTENT)[:-4])
    lines = read_lines(path)
    assert [next(lines), next(lines)] == LINES[:2]
    with pytest.raises(EOFError):
        list(lines)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsonl"):
        list(read_lines(tmp_path / "nowhere.jsonl"))
