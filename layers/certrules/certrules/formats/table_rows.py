"""Table rows: observations of facts, and the entries that they add to a timeline.

An event states when something changed. A table row shows a value at an instant. Its observations become entries by
what the timeline holds: a fact that an event brought is not added again, and one whose event was lost is added.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import zip_longest
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import msgspec

from certrules.core.fact_types import Fact, IgnoredField
from certrules.core.instants import BEGINNING, instant_of, micros
from certrules.core.terms import Status
from certrules.core.timeline import Entry, Timeline
from certrules.formats.learner_names import Name
from certrules.formats.refusals import EARLIEST
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
    is_undated: bool = False  # the row names no time: `observed_at` is the last one that any row of the import names


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
    name: Name | None = None  # the learner's, of tables that have it
    named_at: datetime = BEGINNING  # UTC: when the tables had it


_order = attrgetter("at", "event_id")
_by_time = attrgetter("observed_at", "since", "source")

_PROVISIONAL = "8"
"""The version in the event id (a UUID) of an entry that the rows of another table may overrule."""


def standing(timeline: Timeline, observations: Iterable[Observation]) -> Timeline:
    """Return the timeline without the entries of earlier imports that these observations overrule.

    So the tables of an export can be imported in any order:
    - a grade that fell, where the platform's certificate is downloadable all the same;
    - a value that was dated back, where an older row, such as one of the history, shows another value.
    """
    rows = sorted(observations, key=_by_time)
    fall_is_overruled = _certificate_stands(timeline, rows)
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        lines.setdefault((entry.fact, entry.subject), []).append(entry)
    overruled = set[Entry]()
    for key, line in lines.items():
        seen = [row for row in rows if (row.fact, row.subject) == key]
        for entry, following in zip_longest(line, line[1:]):
            if _is_fall(entry):
                is_overruled = fall_is_overruled
            else:
                is_overruled = bool(seen) and _is_dated_back(entry, following, seen)
            if is_overruled and entry.event_id[14:15] == _PROVISIONAL:
                overruled.add(entry)
    return tuple(entry for entry in timeline if entry not in overruled) if overruled else timeline


def _is_dated_back(entry: Entry, following: Entry | None, rows: list[Observation]) -> bool:
    """Whether rows show another value after the entry and before the following one, and then the entry's again."""
    between = [row for row in rows if row.observed_at >= entry.at and (not following or row.observed_at < following.at)]
    return rows[-1].value == entry.value and any(row.value != entry.value for row in between)


def _is_fall(item: Entry | Observation) -> bool:
    """Whether it is a failing grade; one that is dated before everything follows on nothing, so it is no fall."""
    at = item.at if isinstance(item, Entry) else item.observed_at
    return item.fact is Fact.PASSING and not item.value and at > EARLIEST


def _certificate_stands(timeline: Timeline, observations: Iterable[Observation]) -> bool:
    """Whether the certificate that the old logic recorded last is downloadable."""
    recorded = [(entry.at, entry.value) for entry in timeline if entry.fact is Fact.RECORDED]
    recorded += [(row.observed_at, row.value) for row in observations if row.fact is Fact.RECORDED]
    return bool(recorded) and max(recorded, key=lambda item: item[0])[1].status is Status.DOWNLOADABLE


def entries_from(timeline: Timeline, observations: Iterable[Observation]) -> Iterator[Entry]:
    """Yield the entries that observations add to a timeline, the oldest observation first.

    If the timeline has no value by then, the observed value counts from `since`. If the last value by then is another
    one, the fact changed meanwhile, and the observed value counts from `observed_at`. If it is the same value, nothing
    is added, unless the field was ignored since: a readable value supersedes that. If the first value is later than
    `since`, it is dated back. The same observations again add nothing. A grade that fell is not added where the
    platform's certificate is downloadable all the same: an import takes none away.
    """
    rows = sorted(observations, key=_by_time)
    if not rows:
        return
    certificate_stands = _certificate_stands(timeline, rows)
    last_ignored = {entry.value[:2]: entry.at for entry in timeline if entry.fact is Fact.IGNORED_FIELD}
    lines: dict[tuple[Fact, str], list[Entry]] = {}
    for entry in timeline:
        lines.setdefault((entry.fact, entry.subject), []).append(entry)
    for observation in rows:
        if certificate_stands and _is_fall(observation):
            continue
        line = lines.setdefault((observation.fact, observation.subject), [])
        known = [entry for entry in line if entry.at <= observation.observed_at]
        if observation.is_undated and line and line[-1].value == observation.value:
            known = line  # the row may be younger than all that is known, and it agrees with the last of it
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
    event_id = str(uuid5(NAMESPACE_OID, f"{observation.source}:{fact}:{subject}:{at.isoformat()}:{value!r}"))
    entry = Entry(at, event_id, fact, subject, value, observation.by, observation.notes)
    if _is_fall(entry) or at < observation.observed_at or observation.is_undated:
        return entry._replace(event_id=f"{event_id[:14]}{_PROVISIONAL}{event_id[15:]}")
    return entry


# --- in part files, a line each


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_row(row: TableRow) -> bytes:
    """Return the line of a part file, without its line end."""
    items = [
        [micros(item.since), item.source, item.is_undated, *entries_out([_as_entry(item)])[0]]
        for item in row.observations
    ]
    name = [] if row.name is None else [[*row.name, micros(row.named_at)]]
    return _encode([row.learner_id, row.course_run, items, *name])


def decode_row(line: bytes) -> TableRow:
    """Return the row of a line of a part file."""
    learner_id, course_run, items, *names = _decode(line)
    row = TableRow(learner_id, course_run, tuple(_observation(*item) for item in items))
    for *name, named_at in names:
        row = row._replace(name=Name(*name), named_at=instant_of(named_at))
    return row


def _as_entry(item: Observation) -> Entry:
    return Entry(item.observed_at, "", item.fact, item.subject, item.value, item.by, item.notes)


def _observation(since: int, source: str, is_undated: bool, *stored_entry: Any) -> Observation:
    (entry,) = entries_in([list(stored_entry)])
    return Observation(
        instant_of(since), entry.at, entry.fact, entry.value, source, entry.subject, entry.by, entry.notes, is_undated
    )
