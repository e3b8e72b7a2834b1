"""The form of an event type: its row, its metadata, the types of its fields, and the builder of its entries."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from certrules.core.fact_types import Fact, IgnoredField
from certrules.core.facts import Record
from certrules.core.timeline import Entry
from certrules.formats.learner_names import Name
from certrules.formats.lenient import Form, LeftOut
from certrules.formats.refusals import checked_course_key, checked_mode, in_utc

if TYPE_CHECKING:  # ingest decides no programs
    from certrules.core.programs.definitions import DatedDefinition
    from certrules.core.programs.outcome import ActionOnProgram

LearnerId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
AttemptId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, Meta(max_length=2_000)]
ShortText = Annotated[str, Meta(max_length=255)]
Required = Annotated[str, Meta(min_length=1, max_length=255)]
Instant = Annotated[datetime, Meta(tz=True)]


class Metadata(Struct):
    """The metadata of every event, as far as it is read."""

    id: Required
    event_type: Required
    time: Instant
    minorversion: int = 0
    source: str = ""


class EventContent(NamedTuple):
    """Whom or what an event is about, and its entries."""

    learner_id: int | None
    course_run: str | None
    entries: tuple[Entry, ...] = ()
    name: Name | None = None
    program: "DatedDefinition | None" = None
    program_action: "ActionOnProgram | None" = None


class EntryBuilder:
    """Builds the entries of one event: all have its id and its time."""

    def __init__(self, metadata: Metadata, key: str) -> None:
        """Build for an event whose data stands under `key`. Raises RefusedError if its time is not valid in UTC."""
        self.at = in_utc(metadata.time, "metadata.time")
        self.event_id = metadata.id
        self._key = key

    def entry(self, fact: Fact, value: object, subject: str = "", by: str = "", notes: str = "") -> Entry:
        """Return an entry of this event."""
        return Entry(self.at, self.event_id, fact, subject, value, by, notes)

    def ignored(self, entries: Sequence[Entry], left_out: Sequence[LeftOut]) -> Iterator[Entry]:
        """Yield the entries that name the fields which were left out of the event that brings `entries`."""
        for field, why in left_out if entries else ():
            fact, subject = entries[0][2:4]
            if fact is Fact.COURSE_RUN:
                subject = field
            name = f"{self._key}.{field}"
            yield self.entry(Fact.IGNORED_FIELD, IgnoredField(fact, subject, why), name)

    def utc(self, instant: datetime, field: str) -> datetime:
        """Return an instant of this event in UTC. Raises RefusedError."""
        return in_utc(instant, f"{self._key}.{field}")

    def mode(self, mode: str, field: str) -> str:
        """Return an enrollment mode, trimmed and in lower case. Raises RefusedError for a spelling of nothing."""
        return checked_mode(mode, f"{self._key}.{field}")

    def course_run(self, course_key: str, field: str) -> str:
        """Return the course run's key. Raises RefusedError if no course run can have it."""
        return checked_course_key(course_key, f"{self._key}.{field}")


type Reader = Callable[[Any, EntryBuilder], EventContent]
"""Turns an event's decoded data into its content. Raises RefusedError."""

type Writer = Callable[[Record, Sequence[Entry]], dict[str, Any]]
"""Returns the data of the event that brings these entries of a record: the reverse of a Reader."""


class Export(NamedTuple):
    """Which entries are exported as an event of this type, and how its data is written."""

    fact: Fact
    write: Writer
    includes: Callable[[Record, Entry], bool] = lambda _record, _entry: True


class EventType(NamedTuple):
    """A type of event that is read: one row."""

    name: str
    key: str  # under which `detail` holds the data
    meaning: str  # for the docs
    form: Form
    read: Reader
    export: Export | None  # None: no entry is exported as this event
    is_act: bool = False  # an act of a person: only who may act for people may send it
    act_fields: tuple[str, ...] = ()  # optional fields that only who may act for people may send


def event_type(
    name: str,
    key: str,
    data: type[Struct],
    read: Reader,
    meaning: str,
    *,
    export: Export | None = None,
    strict: Collection[str] = (),
    is_act: bool = False,
    act_fields: tuple[str, ...] = (),
) -> EventType:
    """Return the row of an event type whose data is a struct of this kind.

    `strict` are optional fields that decide so much that the event is refused if they make no sense.
    """
    form = Form(msgspec.json.Decoder(data), frozenset(strict))
    return EventType(name, key, meaning, form, read, export, is_act, act_fields)


def from_one_entry(write: Callable[[Record, Entry], dict[str, Any]]) -> Writer:
    """Return the writer of an event that brings exactly one entry."""

    def write_one(record: Record, entries: Sequence[Entry]) -> dict[str, Any]:
        (entry,) = entries
        return write(record, entry)

    return write_one


def is_set(_record: Record, entry: Entry) -> bool:
    """Whether an entry has a value: yes, a date, or an approval."""
    return bool(entry.value)


def is_unset(_record: Record, entry: Entry) -> bool:
    """Whether an entry has no value: no, or None."""
    return not entry.value
