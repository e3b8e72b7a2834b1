"""Table rows: observations of facts, and the entries that they add to a timeline.

An event states when something changed. A table row shows a value at an instant. Its observations become entries by
what the timeline holds: a fact that an event brought is not added again, and one whose event was lost is added.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules.core.fact_types import Fact, IgnoredField
from certrules.core.instants import instant_of, micros
from certrules.core.timeline import Entry, Timeline
from certrules.formats.stored import entries_in, entries_out


class Observation(NamedTuple):
    """A fact as a table row shows it: its value at an instant, and since when it may have had it."""

    since: datetime  # UTC: the earliest instant at which it can have had this value
    observed_at: datetime  # UTC: the instant at which it had this value
    fact: Fact
    value: Any  # as in an entry
    source: str  # the table and the row's key
    subject: str = ""
    by: str = ""
    notes: str = ""


def ignored(observation: Observation, field: str, why: str) -> Observation:
    """Return the observation that a field of the same row was ignored.

    `observation` is that of the fact that the field would have changed; `field` names table and column.
    """
    value = IgnoredField(observation.fact, observation.subject, why)
    return observation._replace(fact=Fact.IGNORED_FIELD, value=value, subject=field, by="", notes="")


class TableRow(NamedTuple):
    """The observations about a learner in a course run, a learner (no course run), or a course run (no learner)."""

    learner_id: int | None
    course_run: str | None
    observations: tuple[Observation, ...]


_order = attrgetter("at", "event_id")
_by_time = attrgetter("observed_at", "since", "source")


def entries_from(timeline: Timeline, observations: Iterable[Observation]) -> Iterator[Entry]:
    """Yield the entries that observations add to a timeline, the oldest observation first.

    If the timeline has no value by then, the observed value counts from `since`. If the last value by then is another
    one, the fact changed meanwhile, and the observed value counts from `observed_at`. If it is the same value, nothing
    is added, unless the field was ignored since: a readable value supersedes that. If the first value is later than
    `since`, it is dated back. The same observations again add nothing.
    """
    last_ignored = {entry.value[:2]: entry.at for entry in timeline if entry.fact is Fact.IGNORED_FIELD}
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        lines.setdefault((entry.fact, entry.subject), []).append(entry)
    for observation in sorted(observations, key=_by_time):
        line = lines.setdefault((observation.fact, observation.subject), [])
        known = [entry for entry in line if entry.at <= observation.observed_at]
        added = []
        if not known:
            added.append(_entry(observation, observation.since, observation.value))
        elif known[0].at > observation.since:
            added.append(_entry(observation._replace(by="", notes=""), observation.since, known[0].value))
        last = (known or added)[-1]
        ignored_at = last_ignored.get((observation.fact, observation.subject))
        is_ignored = ignored_at is not None and last.at < ignored_at <= observation.observed_at
        if last.value != observation.value or is_ignored:
            added.append(_entry(observation, observation.observed_at, observation.value))
        for entry in added:
            insort(line, entry, key=_order)
        yield from added


def _entry(observation: Observation, at: datetime, value: Any) -> Entry:
    """Return an entry. Its event id follows from its content, so it is the same at each import."""
    fact, subject = observation.fact, observation.subject
    name = f"{observation.source}:{fact}:{subject}:{at.isoformat()}:{value!r}"
    return Entry(at, str(uuid5(NAMESPACE_OID, name)), fact, subject, value, observation.by, observation.notes)


# --- in part files, a line each


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_row(row: TableRow) -> bytes:
    """Return the line of a part file, without its line end."""
    items = [[micros(item.since), item.source, *entries_out([_as_entry(item)])[0]] for item in row.observations]
    return _encode([row.learner_id, row.course_run, items])


def decode_row(line: bytes) -> TableRow:
    """Return the row of a line of a part file."""
    learner_id, course_run, items = _decode(line)
    return TableRow(learner_id, course_run, tuple(_observation(*item) for item in items))


def _as_entry(item: Observation) -> Entry:
    return Entry(item.observed_at, "", item.fact, item.subject, item.value, item.by, item.notes)


def _observation(since: int, source: str, *stored_entry: Any) -> Observation:
    (entry,) = entries_in([list(stored_entry)])
    return Observation(
        instant_of(since), entry.at, entry.fact, entry.value, source, entry.subject, entry.by, entry.notes
    )
