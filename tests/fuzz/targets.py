"""What is fuzzed: three readers of text that others wrote. Any bytes are either refused as documented, or read whole.

Each target raises for a finding only. The bytes are used twice: as they are, and as an edit of something valid, since
hardly any sequence of bytes is an event by chance.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from certrules.core.deciding import DecidedRecord, Known, decide_record
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, undated
from certrules.core.terms import Rollout
from certrules.core.timeline import Entry, Timeline, merge
from certrules.formats.events_in import MAX_BYTES, decode
from certrules.formats.messages import Message
from certrules.formats.refusals import RefusedError
from certrules.formats.stored import decode_published, decode_timeline, encode_published, encode_timeline, history_of
from certrules.formats.table_rows import TableRow, decode_row, encode_row, entries_from
from certrules.reconciliation.reading import UNREADABLE_ERRORS
from certrules.storage.tables import Pair, history_key
from certs.imports.rows import RejectedError
from certs.imports.tables import TABLES
from tests.scenes.platform_tables import ROWS

EVENTS = Path(__file__).resolve().parents[2] / "events"
NOW = datetime(2026, 9, 1, tzinfo=UTC)
POLICIES = undated(DEFAULT)
PUBLISHED_NOTHING = PublishedCertificate()


@cache
def samples() -> list[Any]:
    """Return the sample events, read."""
    return [json.loads(path.read_bytes()) for path in sorted(EVENTS.glob("*.json"))]


def edits_and_bytes() -> SearchStrategy[bytes]:
    """Return a strategy of inputs: any bytes, and places with JSON to put there."""
    texts = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
    values = texts.map(lambda value: json.dumps(value).encode()) | st.binary()
    places = st.binary(min_size=2, max_size=2)
    return st.binary(max_size=100) | st.builds(lambda place, value: place + value, places, values)


# --- events


def events(data: bytes) -> None:
    """Read bytes as an event, and as an edit of a sample event."""
    for body in (data, edited_event(data)):
        message = read_event(body)
        if message is not None:
            assert message.at <= message.sent_at or message.at <= NOW.replace(minute=5)
            decides(message)


def read_event(body: bytes) -> Message | None:
    """Read an event; a refusal has to fit into the attributes of a parked message."""
    try:
        return decode(body, NOW)
    except RefusedError as refusal:
        stated = refusal.as_json()
        assert stated["reason"]
        assert all(text.isprintable() for text in stated.values())
        json.dumps(stated).encode()
    return None


def edited_event(data: bytes) -> bytes:
    """Return a sample event, one value of which is replaced: data[0] names the event, data[1] the value."""
    if len(data) < 2:
        return b"{}"
    event = deepcopy(samples()[data[0] % len(samples())])
    places = list(leaves(event))
    parent, name = places[data[1] % len(places)]
    marker = "\0replaced\0"
    parent[name] = marker
    new = data[2:]
    value = new if is_json(new) else json.dumps(new.decode(errors="replace")).encode()
    return json.dumps(event).encode().replace(json.dumps(marker).encode(), value)[: 2 * MAX_BYTES]


def leaves(node: Any) -> list[tuple[Any, Any]]:
    """Return every value of a JSON text, as its parent and its name or place in there."""
    names = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [place for name in names for place in [(node, name), *leaves(node[name])]]


def is_json(text: str | bytes) -> bool:
    """Return whether a text is JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# --- rows of the platform's tables


def rows(data: bytes) -> None:
    """Read a valid row of a table, one value of which is replaced: data[0] names the table, data[1] the column."""
    if len(data) < 2:
        return
    name = sorted(TABLES)[data[0] % len(TABLES)]
    row: dict[str, Any] = dict(ROWS[name])
    columns = sorted(row)
    text = data[2:].decode(errors="replace")
    row[columns[data[1] % len(columns)]] = json.loads(text) if is_json(text) else text
    try:
        contents = TABLES[name].read(row, NOW).contents
    except RejectedError as rejected:
        json.dumps([rejected.reason, rejected.field, rejected.fix]).encode()
        return
    for content in contents:
        if isinstance(content, TableRow):
            assert decode_row(encode_row(content)) == content
            stored_as_it_is(merge((), entries_from((), content.observations)))


# --- stored text


def stored(data: bytes) -> None:
    """Read bytes as a timeline and as a published certificate; and the samples' timeline, damaged by them.

    As reconciliation does: what makes no sense may be read, but nothing fails that it doesn't expect.
    """
    text = data.decode(errors="replace")
    readers: tuple[Callable[[str], Any], ...] = (read_timeline, read_published)
    for reader in readers:
        for body in (text, damaged_timeline(data)):
            try:
                reader(body)
            except UNREADABLE_ERRORS:
                continue


def read_timeline(text: str) -> None:
    """Read a timeline, and decide by it."""
    decides_by(7, "course-v1:A+B+C", decode_timeline(text), NOW)


def read_published(text: str) -> None:
    """Read a published certificate, and decide by it. Its number of history items is one of a key."""
    published, (*_, history_count) = decode_published(text)
    history_key(Pair(7, "course-v1:A+B+C"), history_count)
    decides_by(7, "course-v1:A+B+C", (), NOW, published)


@cache
def sample_timeline() -> str:
    """Return the timeline of all samples, in its stored form."""
    entries: list[Entry] = []
    for sample in samples():
        message = decode(json.dumps(sample), NOW)
        entries += message.entries if message else ()
    return encode_timeline(merge((), entries))


def damaged_timeline(data: bytes) -> str:
    """Return the samples' timeline with some of it overwritten."""
    text = sample_timeline()
    if len(data) < 2:
        return text
    place = int.from_bytes(data[:2]) % len(text)
    new = data[2:].decode(errors="replace")
    return f"{text[:place]}{new}{text[place + len(new) :]}"


# --- what follows of what was read


def stored_as_it_is(timeline: Timeline) -> None:
    """Store a timeline and read it."""
    assert decode_timeline(encode_timeline(timeline)) == timeline


def decides(message: Message) -> None:
    """Decide a learner by what a message brings, and store everything that follows."""
    timeline = merge((), message.entries)
    stored_as_it_is(timeline)
    if message.learner_id is None or message.course_run is None:
        return
    decided = decides_by(message.learner_id, message.course_run, message.entries, message.sent_at)
    found = decided.publication.published
    assert decode_published(encode_published(found, 0, 0, 0))[0] == found
    for transition in decided.publication.new_transitions:
        json.loads(history_of(transition, decided.record))


def decides_by(
    learner_id: int,
    course_run: str,
    entries: Timeline,
    at: datetime,
    published: PublishedCertificate = PUBLISHED_NOTHING,
) -> DecidedRecord:
    """Decide a learner of whom nothing else is known."""
    known = Known(learner_id, course_run, (), BEGINNING, (), (), BEGINNING, published, (0, 0), Rollout.LIVE, POLICIES)
    return decide_record(known, entries, at)


TARGETS: Mapping[str, Callable[[bytes], None]] = {"events": events, "rows": rows, "stored": stored}
"""The targets, by name."""
