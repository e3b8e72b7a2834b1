"""The same rows as files of every format in which exports come."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping, Sequence

type Rows = Sequence[Mapping[str, str | None]]
type Spelled = Callable[[str], str]


def _text(value: str | None) -> str:
    return "NULL" if value is None else value


def _as_csv(delimiter: str) -> Callable[[Rows, Spelled], str]:
    def written(rows: Rows, spelled: Spelled) -> str:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow([spelled(name) for name in rows[0]])
        writer.writerows([[_text(row[name]) for name in rows[0]] for row in rows])
        return text.getvalue()

    return written


def _as_mysql_batch(rows: Rows, spelled: Spelled) -> str:
    escapes = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n"})
    lines = [[spelled(name) for name in rows[0]]]
    lines += [[_text(row[name]).translate(escapes) for name in rows[0]] for row in rows]
    return "".join("\t".join(fields) + "\n" for fields in lines)


def _as_json_lines(rows: Rows, spelled: Spelled) -> str:
    return "".join(json.dumps({spelled(name): value for name, value in row.items()}) + "\n" for row in rows)


def zipped(**files: bytes) -> bytes:
    """Return a zip archive of files; in names, `__` stands for a dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name.replace("__", "."), body)
    return packed.getvalue()


FORMATS: Mapping[str, tuple[str, Callable[[Rows, Spelled], str]]] = {
    "CSV": (".csv", _as_csv(",")),
    "CSV with semicolons": (".csv", _as_csv(";")),
    "CSV with bars": (".txt", _as_csv("|")),
    "CSV that is named tab-separated": (".tsv", _as_csv(",")),
    "tab-separated": (".tsv", _as_mysql_batch),
    "tab-separated that is named CSV": (".csv", _as_mysql_batch),
    "edX research data package": ("-prod-analytics.sql", _as_mysql_batch),
    "JSON lines": (".jsonl", _as_json_lines),
    "JSON lines that are named CSV": (".CSV", _as_json_lines),
}
"""By name: how files of the format end, and are written."""

PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda body: body,
    ".gz": lambda body: gzip.compress(body, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".GZ": lambda body: gzip.compress(body[:9], mtime=0) + gzip.compress(body[9:], mtime=0),
    ".zip": lambda body: zipped(rows__csv=body),
}
"""By the ending of the file's name."""

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")

HEADERS: Mapping[str, Spelled] = {
    "as they are": str,
    "in upper case": str.upper,
    "with blanks": lambda name: f" {name.replace('_', ' ')} ",
    "with their table": lambda name: f"edxapp.TABLE.{name}",
    "in backticks": lambda name: f"`{name}`",
}
"""How the columns are spelled."""
