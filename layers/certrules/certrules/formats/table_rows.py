"""Facts as tables have them: what was so when a row was written, and since when it may have been.

An event says when something changed. A row says how things stood; what it says becomes entries by what is known
already, so that a fact that was heard live is not told twice, and one whose event got lost is told after all.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules.core.fact_types import Fact
from certrules.core.instants import instant_of, micros
from certrules.core.timeline import Entry, Timeline
from certrules.formats.stored import entries_in, entries_out


class Observation(NamedTuple):
    """This fact had this value at an instant, and may have had it since another."""

    since: datetime  # UTC: as early as it can have been so
    seen: datetime  # UTC: when it was so
    fact: Fact
    value: Any  # as in an entry
    source: str  # the table and the row's key
    subject: str = ""
    by: str = ""
    notes: str = ""


class TableRow(NamedTuple):
    """What tables say of a learner in a course run, of a learner (no course run), or of a course run (no learner)."""

    learner_id: int | None
    course_run: str | None
    said: tuple[Observation, ...]


_order = attrgetter("at", "event_id")
_by_time = attrgetter("seen", "since", "source")


def entries_from(timeline: Timeline, said: Iterable[Observation]) -> Iterator[Entry]:
    """Yield what is to be added to a timeline so that it says what tables say, oldest row first.

    A fact of which nothing was heard by then counts since it may have been so. Is another value the last that was
    heard by then, it changed meanwhile: it counts from when it was seen. The same value is known already; what is
    known first is then taken to have held since the row says so. Telling the same again yields nothing new.
    """
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        lines.setdefault((entry.fact, entry.subject), []).append(entry)
    for word in sorted(said, key=_by_time):
        line = lines.setdefault((word.fact, word.subject), [])
        heard = [entry for entry in line if entry.at <= word.seen]
        news = []
        if not heard:
            news.append(_entry(word, word.since, word.value))
        else:
            if heard[0].at > word.since:
                news.append(_entry(word._replace(by="", notes=""), word.since, heard[0].value))
            if heard[-1].value != word.value:
                news.append(_entry(word, word.seen, word.value))
        for entry in news:
            insort(line, entry, key=_order)
        yield from news


def _entry(word: Observation, at: datetime, value: Any) -> Entry:
    """Return an entry whose event id is made of what it says, so that it is the same whenever it is told."""
    name = f"{word.source}:{word.fact}:{word.subject}:{at.isoformat()}:{value!r}"
    return Entry(at, str(uuid5(NAMESPACE_OID, name)), word.fact, word.subject, value, word.by, word.notes)


# --- as part files have them, a line each


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_row(row: TableRow) -> bytes:
    """Return a line of a part file, without its line end."""
    said = [[micros(word.since), word.source, *entries_out([_as_entry(word)])[0]] for word in row.said]
    return _encode([row.learner_id, row.course_run, said])


def decode_row(line: bytes) -> TableRow:
    """Return what a line of a part file says."""
    learner_id, course_run, said = _decode(line)
    return TableRow(learner_id, course_run, tuple(_seen_in(*word) for word in said))


def _as_entry(word: Observation) -> Entry:
    return Entry(word.seen, "", word.fact, word.subject, word.value, word.by, word.notes)


def _seen_in(since: int, source: str, *entry: Any) -> Observation:
    (said,) = entries_in([list(entry)])
    return Observation(instant_of(since), said.at, said.fact, said.value, source, said.subject, said.by, said.notes)
