"""The languages of replies: a gettext catalogue each, of which the file is a .po beside this module.

`gettext` reads compiled catalogues. They are compiled here, so that a language is one file that people can read.
"""

import ast
import gettext
from functools import cache
from io import BytesIO
from pathlib import Path
from struct import pack

FOLDER = Path(__file__).parent / "languages"
_MAGIC = 0x950412DE


def languages() -> dict[str, str]:
    """Return the languages of which there is a catalogue: their codes, and their names in themselves."""
    return {path.stem: catalogue(path.stem).info()["language-team"] for path in sorted(FOLDER.glob("*.po"))}


@cache
def catalogue(language: str) -> gettext.GNUTranslations:
    """Return the catalogue of a language. Raises KeyError if there is none."""
    if language not in {path.stem for path in FOLDER.glob("*.po")}:
        raise KeyError(language)
    return gettext.GNUTranslations(BytesIO(compiled(messages_of((FOLDER / f"{language}.po").read_text()))))


def messages_of(text: str) -> dict[str, str]:
    """Read a .po file: what stands for each msgid. Raises ValueError for what it does not know, such as plurals."""
    found: dict[str, str] = {}
    parts: dict[str, str] = {}
    name = ""
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        keyword, _, quoted = line.partition(" ")
        if line.startswith('"'):
            parts[name] += _text(line)
            continue
        if keyword not in {"msgid", "msgstr"}:
            raise ValueError(f"{keyword}: only msgid and msgstr are known")
        if keyword == "msgid" and parts:
            found[parts["msgid"]] = parts["msgstr"]
            parts = {}
        name = keyword
        parts[name] = _text(quoted)
    if parts:
        found[parts["msgid"]] = parts["msgstr"]
    return found


def _text(quoted: str) -> str:
    if not quoted.startswith('"'):
        raise ValueError(f"{quoted}: this is no text in quotes")
    return str(ast.literal_eval(quoted))


def compiled(messages: dict[str, str]) -> bytes:
    """Return a catalogue as gettext reads it (.mo): a header, two tables of lengths and offsets, and the texts."""
    pairs = [(key.encode(), text.encode()) for key, text in sorted(messages.items())]
    start = 28 + 16 * len(pairs)
    tables, texts = [b"", b""], b""
    for column in (0, 1):
        for pair in pairs:
            tables[column] += pack("<II", len(pair[column]), start + len(texts))
            texts += pair[column] + b"\0"
    header = pack("<7I", _MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 28 + 16 * len(pairs))
    return header + tables[0] + tables[1] + texts
