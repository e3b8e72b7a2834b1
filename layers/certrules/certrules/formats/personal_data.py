"""Personal data in events: what the platform sends along about people, and nothing here reads, is taken out of a text.

The text may be damaged, and need not be JSON: everything around the personal data stays as it is.
"""

import json
import re
from base64 import b64decode, b64encode

from certrules.formats.messages import NAMED, RENAMED
from certrules.formats.wrappings import MOST_LAYERS

_PERSONAL = {"pii", "name", "username", "email", "first_name", "last_name", "full_name", "mbox"}
"""The names, in any case, under which messages hold data about people beside their id."""

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_PART = re.compile(rf'{_TEXT.pattern}|[{{\[\]}},]|[^"\[\]{{}},\s]+', re.DOTALL)
_COLON = re.compile(r"\s*:\s*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_NO_BODY_HAS = re.compile("[\ud800-\udfff\ufffe\uffff\x7f-\x9f]")
"""Characters that a queue refuses, or that have no bytes; JSON can have them escaped."""


def without_personal_data(text: str, layers: int = MOST_LAYERS) -> str:
    """Return the text of an event without personal data, also where it is a text (or base64) within the text.

    An event that brings a learner's name is about nothing else, and is returned as it is. Where the text breaks off in
    the midst of personal data, that is left out to the end. The result is never longer.
    """
    if NAMED in text or RENAMED in text:
        return text
    done, parts = 0, []
    while (found := _TEXT.search(text, done)) is not None:
        parts.append(text[done : found.start()])
        done = found.end()
        content = _content(found[0])
        colon = _COLON.match(text, done)
        if colon is not None and content.casefold() in _PERSONAL:
            value_ends = _end_of_value(text, colon.end())
            parts.append(found[0] + colon[0] + _emptied(text[colon.end() : value_ends]))
            done = value_ends
        else:
            parts.append(_without(found[0], content, layers))
    return "".join(parts) + text[done:]


def _content(written: str) -> str:
    """Return what a text in JSON holds, also one that breaks off; as it is written, if it is damaged otherwise."""
    for candidate in (written, f'{written}"', f'{written[:-1]}"'):
        try:
            return str(json.loads(candidate, strict=False))
        except ValueError:
            continue
    return written.strip('"')


def _end_of_value(text: str, start: int) -> int:
    """Return where a JSON value ends, also a damaged one."""
    depth = 0
    for found in _PART.finditer(text, start):
        part = found[0]
        depth += (part in {"{", "["}) - (part in {"}", "]"})
        if depth < 0 or (depth == 0 and part == ","):
            return found.start()
        if depth == 0:
            return found.end()
    return len(text)


def _emptied(value: str) -> str:
    if len(value) < 2 or value == "null" or (value.startswith("{") and _is_empty(value)):
        return value
    return "{}" if value.startswith("{") else '""'


def _is_empty(value: str) -> bool:
    """Whether an object has only the usual fields, without content."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return found.keys() <= _PERSONAL and not any(found.values())


def _without(written: str, content: str, layers: int) -> str:
    """Return a text of JSON without the personal data of an event that it holds, as text or as base64."""
    if not layers:
        return written
    if content.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')):
        inner, cleaned = content, without_personal_data(content, layers - 1)
        rewritten = _NO_BODY_HAS.sub(lambda found: rf"\u{ord(found[0]):04x}", json.dumps(cleaned, ensure_ascii=False))
    elif _BASE64.fullmatch(content):
        try:
            inner = b64decode(content, validate=True).decode()
        except ValueError:
            return written
        cleaned = without_personal_data(inner, layers - 1)
        rewritten = json.dumps(b64encode(cleaned.encode()).decode())
    else:
        return written
    if cleaned == inner:
        return written
    return rewritten if len(rewritten.encode()) <= len(written.encode()) else '""'
