"""Keys of course runs as people spell them: which was meant by a pasted text, and which differ only in spelling."""

import re
from collections.abc import Iterable, Iterator
from unicodedata import category, normalize
from urllib.parse import unquote

from certrules.formats.course_keys import OLD_PIECE, PIECE, is_course_key

_MOST_READ = 2_000
"""How many characters of a pasted text are looked at: an address has no more."""

_PLUS = r"(?:\s*\+\s*|\s+)"  # a plus, also one that an address's encoding made a blank
_THREE = rf"({PIECE}){_PLUS}({PIECE}){_PLUS}({PIECE}+)"  # the last one is whole: it gives nothing back
_ENDS = r"(?!\s*\+(?!(?:type|branch|version)@))"  # a fourth piece is no content's: then it is no course run's key
_TODAY = re.compile(rf"(?:course|block|asset)-v1\s*:\s*{_THREE}{_ENDS}", re.IGNORECASE)
_CCX = re.compile(rf"(?:ccx|ccx-block|course)-v1\s*:\s*{_THREE}{_PLUS}ccx@(\d+)", re.IGNORECASE)
_WITH_SLASHES = re.compile(rf"course-v1:({PIECE})/({PIECE})/({PIECE})", re.IGNORECASE)
_OLD_IN_ADDRESS = re.compile(rf"/courses?/({OLD_PIECE})/({OLD_PIECE})/({OLD_PIECE})(?:[/?#\s]|$)")
_WITHOUT_PREFIX = re.compile(rf"{PIECE}\+{PIECE}\+{PIECE}")
_AROUND = " \t\r\n/\"'`<>()[]{},;"


def meant_course_key(text: str) -> str:
    """Return the key that was probably meant by a text that is none; "" if none can be made out.

    Nothing of the text is returned but a key of the right form. Words that are only separated by blanks are no key.
    """
    plain = text[:_MOST_READ]
    for _ in range(3):  # a link in a link is encoded twice
        plain = unquote(plain)
    plain = "".join(letter for letter in normalize("NFKC", plain) if category(letter) != "Cf")
    return next((key for key in _candidates(plain) if key != text and is_course_key(key)), "")


def with_whole_keys(text: str) -> str:
    """Return a decoded text in which each course run's key stands in one piece: blanks in it are pluses again."""
    whole = _CCX.sub(lambda key: f"ccx-v1:{'+'.join(key.groups()[:3])}+ccx@{key[4]}", text)
    return _TODAY.sub(lambda key: f"course-v1:{'+'.join(key.groups())}", whole)


def keys_in(text: str) -> tuple[str, ...]:
    """Return the distinct keys in a text of `with_whole_keys`: of today's style, of CCX, or old ones in an address."""
    found = [f"ccx-v1:{'+'.join(key.groups()[:3])}+ccx@{key[4]}" for key in _CCX.finditer(text)]
    rest = _CCX.sub(" ", text)
    found += [f"course-v1:{'+'.join(key.groups())}".rstrip(".:") for key in _TODAY.finditer(rest)]
    if not found:
        found = ["/".join(key.groups()) for key in _OLD_IN_ADDRESS.finditer(f"/{text}")]
    return tuple(key for key in dict.fromkeys(found) if is_course_key(key))


def _candidates(text: str) -> Iterator[str]:
    for match in _CCX.finditer(text):
        yield f"ccx-v1:{'+'.join(match.groups()[:3])}+ccx@{match[4]}"
    for pattern in (_TODAY, _WITH_SLASHES):
        for match in pattern.finditer(text):
            yield f"course-v1:{'+'.join(match.groups())}".rstrip(".:")
    for match in _OLD_IN_ADDRESS.finditer(f"/{text}"):
        yield "/".join(match.groups())
    bare = text.strip(_AROUND)
    yield bare
    yield re.sub(r"\s*/\s*", "/", bare)
    if _WITHOUT_PREFIX.fullmatch(bare):
        yield f"course-v1:{bare}"


def no_course_key(text: str, shown: str = "this") -> str:
    """Return the sentence for a text that is no key, with the key that was probably meant."""
    meant = meant_course_key(text)
    sentence = f"{shown} is no key of a course run, such as course-v1:edX+DemoX+2026_T1"
    return f"{sentence}; probably meant: {meant}" if meant else sentence


def folded(course_run: str) -> str:
    """Return what all spellings of a key have in common: they differ in case, or one is of the old style."""
    return normalize("NFKC", course_run).casefold().removeprefix("course-v1:").replace("/", "+")


def other_spellings(course_run: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the known keys that differ from this one only in spelling, sorted."""
    form = folded(course_run)
    return tuple(sorted({key for key in known if key != course_run and folded(key) == form}))
