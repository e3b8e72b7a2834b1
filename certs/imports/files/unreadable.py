"""Files that no import reads, and what to do about each: by the ending of their name, and by how they begin."""

from typing import NamedTuple

READ_AS_ROWS = (".csv", ".tsv", ".tab", ".txt", ".sql", ".jsonl", ".ndjson", ".json")
"""Endings of files that hold rows as text."""


class Unreadable(NamedTuple):
    """A kind of files that is refused."""

    what: str
    endings: tuple[str, ...]
    fix: str
    beginnings: tuple[bytes, ...] = ()  # which show it where the name does not
    is_archive: bool = False  # it may hold tables that its name doesn't show


KINDS = (
    Unreadable(
        "a spreadsheet",
        (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"),
        "save its sheet as CSV (UTF-8)",
        (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"),
    ),
    Unreadable(
        "a columnar file",
        (".parquet", ".orc", ".avro", ".feather", ".arrow"),
        "write it as CSV or JSON lines (DuckDB)",
        (b"PAR1", b"ORC", b"Obj\x01", b"ARROW1"),
    ),
    Unreadable(
        "packed by Zstandard", (".zst", ".zstd"), "unpack it (zstd -d), or pack it by gzip", (b"\x28\xb5\x2f\xfd",)
    ),
    Unreadable(
        "packed otherwise than by gzip, bzip2, xz or zip",
        (".lz4", ".br", ".z", ".lzma", ".lzo", ".sz", ".snappy"),
        "unpack it, or pack it by gzip",
        (b"\x04\x22\x4d\x18", b"\x1f\x9d"),
    ),
    Unreadable(
        "an archive",
        (".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar"),
        "unpack it, or zip it",
        (b"7z\xbc\xaf", b"Rar!"),
        is_archive=True,
    ),
    Unreadable("a zip archive in pieces, or inside another", (".zip",), "unpack it", is_archive=True),
    Unreadable("encrypted", (".gpg", ".pgp", ".asc", ".enc", ".age"), "decrypt it", (b"-----BEGIN PGP",)),
    Unreadable(
        "a database",
        (".db", ".sqlite", ".sqlite3", ".frm", ".ibd"),
        "export its tables as CSV",
        (b"SQLite format 3",),
    ),
)
"""What docs/import.md lists as refused."""

DUMP = "it is a dump of SQL statements: write rows instead (mysql --batch -e 'SELECT * FROM {table}' > {table}.tsv)"

CHECKSUMS = (".md5", ".sha1", ".sha256", ".sha512", ".crc", ".sig")


def kind_of(ending: str, start: bytes = b"") -> Unreadable | None:
    """Return the kind of files that have this ending, or begin so; None if it is none of those that are refused."""
    return next((kind for kind in KINDS if ending in kind.endings or start.startswith(kind.beginnings)), None)
