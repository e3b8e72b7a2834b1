"""Certificate ids as people write and paste them: with dashes, in capitals, in the certificate's address."""

import re
from collections.abc import Iterator
from unicodedata import category
from urllib.parse import unquote
from uuid import UUID

LOOKS_LIKE = (
    "an id has 32 hexadecimal digits, such as 0123456789abcdef0123456789abcdef, with or without dashes; "
    "the certificate's address ends in it"
)
"""What to write where a text is no certificate id."""

LONGEST = 255
"""No stored id has more characters: those of the old logic may have another form."""

_ID = re.compile(r"(?<![0-9a-z])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-z])", re.ASCII)


def ids_in(text: str) -> tuple[str, ...]:
    """Return the distinct certificate ids in a text, in order, as they are stored: in lower case, without dashes."""
    plain = unquote(unquote(text)).lower()
    plain = "".join("-" if category(letter) == "Pd" else letter for letter in plain if category(letter) != "Cf")
    found = _ID.findall(plain) or _ID.findall("".join(plain.split()))
    return tuple(dict.fromkeys(name.replace("-", "") for name in found))


def possible_ids(text: str) -> Iterator[str]:
    """Yield every id under which the certificate may be stored that a text names: four for an id.

    What is issued here has the first form. The old logic may have recorded another one.
    """
    found: dict[str, None] = {}
    for plain in ids_in(text):
        dashed = str(UUID(plain))
        found |= dict.fromkeys((plain, dashed, plain.upper(), dashed.upper()))
    written = last_part(text)
    yield from found | ({written: None} if 0 < len(written) <= LONGEST else {})


def last_part(text: str) -> str:
    """Return the end of an address, without its query and fragment; of another text, the text."""
    return text.strip().partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
