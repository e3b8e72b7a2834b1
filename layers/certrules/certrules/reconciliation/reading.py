"""Records and history items that may be damaged, read so that one that can't be read does not fail the others."""

from collections.abc import Sequence
from typing import Any

import msgspec

from certrules import storage
from certrules.formats.events_out import events_of
from certrules.storage import Loaded, Pair

UNREADABLE_ERRORS = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,  # an instant or a number out of range
    RecursionError,  # lists inside lists without end
)
"""The errors of reading damaged content."""


def load_readable(pairs: Sequence[Pair], *, consistent: bool) -> tuple[Loaded, list[Pair]]:
    """Read records, and return those that can't be read: they are searched one by one, which is rare."""
    try:
        return storage.load(pairs, consistent=consistent), []
    except UNREADABLE_ERRORS:
        if len(pairs) == 1:
            return Loaded({}, {}, {}, {}), [*pairs]
    found, unreadable = Loaded({}, {}, {}, {}), []
    for pair in pairs:
        loaded, failed = load_readable([pair], consistent=consistent)
        found.records.update(loaded.records)
        found.verifications.update(loaded.verifications)
        found.course_runs.update(loaded.course_runs)
        unreadable += failed
    return found, unreadable


def read_body(item: storage.HistoryItem) -> dict[str, Any] | None:
    """Return the content of a history item, None if it can't be read."""
    try:
        body: dict[str, Any] = msgspec.json.decode(item.b)
        list(events_of("", item.b, "", ""))
    except UNREADABLE_ERRORS:
        return None
    return body
