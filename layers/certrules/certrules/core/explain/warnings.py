"""Fields of events and table rows that were left out because they make no sense."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.timeline import Timeline, ignored_fields
from certrules.core.wording import dated


class FieldWarning(NamedTuple):
    """A field that was left out: the fact that it would have changed stayed as it was."""

    field: str  # its name in the event or the table
    sentence: str
    event_id: str
    at: datetime  # UTC


def warnings_of(timeline: Timeline, as_of: datetime) -> tuple[FieldWarning, ...]:
    """Return the fields that were left out and that nothing has superseded as of an instant (UTC)."""
    found = []
    for entry in ignored_fields(timeline, as_of):
        text = entry.wording(as_of)
        sentence = dated(text.event, entry.at, None, text.detail, entry.event_id)
        found.append(FieldWarning(entry.subject, sentence, entry.event_id, entry.at))
    return tuple(found)
