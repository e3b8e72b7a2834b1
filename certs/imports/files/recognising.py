"""What a file of an import is, by its name and by how it begins: a table, a part of one, or none."""

import difflib
import re
from pathlib import Path
from typing import NamedTuple

from certs.imports.files.headers import created_by
from certs.imports.files.sources import PACKINGS, Source, UnreadableFileError, ending_of, head, packing_of
from certs.imports.files.unreadable import CHECKSUMS, DUMP, READ_AS_ROWS, Unreadable, kind_of
from certs.imports.rows import Table
from certs.imports.tables import TABLES, table_of

NO_TABLE = "its name contains the name of no table that is imported"

_NEARLY = 0.96
_STATEMENTS = re.compile(
    rb"(\xef\xbb\xbf)?\s*(--|/\*|(CREATE|INSERT|DROP|SET|LOCK|USE|BEGIN|START|COPY|REPLACE)\s)", re.IGNORECASE
)
_ROWS = re.compile(rb"^\s*(INSERT|REPLACE|COPY)\s", re.IGNORECASE | re.MULTILINE)
_PACKAGE = re.compile(r"(.*)-prod(-edge)?-analytics\.")
_PART_WORD = r".*(?:part|chunk|shard|split)[-_.]*"


class Part(NamedTuple):
    """What the name of a numbered part consists of."""

    number: int
    before: str
    after: str
    folder: str
    is_named_so: bool  # it is called a part; else it only has a number after the table's name, which may be a year


def table_in(source: Source) -> Table | str:
    """Return the table that a file holds; or why it holds none. Raises UnreadableFileError where it can't be read."""
    name, ending = source.name.lower(), ending_of(source.name)
    table, kind = _table_of(source), kind_of(ending)
    if name.startswith((".", "~")) or "__MACOSX" in source.member:
        return "it is a hidden file"
    if ending in CHECKSUMS or (name.startswith("_") and table_of(name) is None):
        return "it is no table, but belongs to an export"
    if kind is not None and (table is not None or kind.is_archive):
        raise _refused(source, kind)
    if table is None:
        return _no_table(source, ending)
    if ending not in READ_AS_ROWS:
        raise UnreadableFileError(f"{source}: its name is to end in what it is: {', '.join(READ_AS_ROWS)}, or .zip")
    start = head(source)
    if (kind := kind_of(ending, start)) is not None:
        raise _refused(source, kind)
    if _STATEMENTS.match(start):
        if _ROWS.search(start) or not _has_rows_beside(source):
            raise UnreadableFileError(f"{source}: {DUMP.format(table=table.name)}")
        return "it names the columns of the file beside it"
    return table


def _refused(source: Source, kind: Unreadable) -> UnreadableFileError:
    return UnreadableFileError(f"{source}: it is {kind.what}, which is not read: {kind.fix}")


def _table_of(source: Source) -> Table | None:
    """Return the table that a file's name contains; else the table whose name its folder or zip archive has."""
    folder = Path(source.folder).name.lower()
    of_folder = table_of(folder) if folder.endswith(".zip") else TABLES.get(folder.rpartition(".")[2])
    return table_of(source.name.lower()) or of_folder


def _no_table(source: Source, ending: str) -> str:
    words = re.findall(r"\w+", source.name.lower())
    for word in (*words, "_".join(words[:-1])):
        if nearly := difflib.get_close_matches(word, TABLES, 1, _NEARLY):
            raise UnreadableFileError(f"{source}: is it {nearly[0]}? Rename it so, or move it away")
    if ending == ".sql":
        start = head(source)
        of_database = not any(name.lower() in source.name.lower() for name in created_by(start))
        if _STATEMENTS.match(start) and _ROWS.search(start) and of_database:
            raise UnreadableFileError(f"{source}: {DUMP.format(table='TABLE')}")
    return NO_TABLE


def _has_rows_beside(source: Source) -> bool:
    stem = source.name[: -len(packing_of(source.name)) or None].rpartition(".")[0]
    endings = (f"{ending}{packing}" for ending in (".txt", ".tsv", ".csv") for packing in ("", *PACKINGS))
    return any(source.beside(f"{stem}{ending}") for ending in endings)


def package_of(source: Source) -> str:
    """Return of which course run a file of the research data package is: what its name has before the table; or ""."""
    found = _PACKAGE.match(source.name)
    return found[1] if found else ""


def part_of(source: Source, table: Table) -> Part | None:
    """Return which numbered part of a table a file is: `TABLE_part1.csv`, `TABLE-00001.csv`, `TABLE.csv.1`."""
    name = source.name.lower().removesuffix(packing_of(source.name))
    for pattern in (rf"({_PART_WORD})(\d+)(.*)", rf"(.*{table.name}[-_.@]+)(\d+)(.*)", r"(.*\.)(\d+)()"):
        if found := re.fullmatch(pattern, name):
            return Part(int(found[2]), found[1], found[3], source.folder, pattern.startswith(f"({_PART_WORD}"))
    return None


def natural_order(path: str) -> list[tuple[str, int]]:
    """Return a key by which numbers in names are sorted as numbers."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", path)]
