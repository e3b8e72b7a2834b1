"""Records, ID verifications, configurations and names: loading and saving them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from pynamodb.exceptions import TransactWriteError

from certrules.core.deciding import Known
from certrules.core.fact_types import Fact
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING, instant_of, micros
from certrules.core.policy import Policies
from certrules.core.terms import Rollout
from certrules.core.timeline import Timeline
from certrules.formats.learner_names import LearnerName, decode_name, encode_name
from certrules.formats.messages import EVERYWHERE
from certrules.formats.stored import compressed, decode_published, encode_published, encode_timeline
from certrules.storage.tables import (
    CATALOGUE_SHARDS,
    CONFIGURATION,
    DUE_SHARDS,
    ID_VERIFICATION,
    LEARNER_NAME,
    LOST_RACE_CODES,
    PENDING_SHARDS,
    TRANSACTION_ITEMS,
    TRANSITION_SHARDS,
    HistoryItem,
    Item,
    LostRaceError,
    Pair,
    catalogue_key,
    course_run_key,
    history_key,
    learner_key,
    optional,
    put_item,
    record_key,
    shard_key,
    shared_connection,
    text_of,
    timeline_of,
    transition_time,
    username_key,
)

if TYPE_CHECKING:  # few records are saved with it
    from certrules.storage.breaker import BreakerState


@dataclass(slots=True, eq=False)
class StoredTimeline:
    """A stored timeline: of a learner in a course run, of a learner, or of a course run."""

    item: Item
    timeline: Timeline = ()
    compacted_until: datetime = BEGINNING  # UTC; BEGINNING: never

    @property
    def version(self) -> int:
        """How often it was saved; 0 if it is new."""
        return self.item.attribute_values.get("v") or 0


_PLAIN = 700
"""A timeline and a certificate of so many bytes fit into 1 KB, the least that is paid for, keys included."""

_TRANSACTION_BYTES = 1_000_000
"""A transaction takes 4 MB, its 100 items have other attributes, and a character may be several bytes."""

_UNPUBLISHED = PublishedCertificate()


@dataclass(slots=True, eq=False)
class StoredRecord(StoredTimeline):
    """The stored record of a learner in a course run."""

    published: PublishedCertificate = _UNPUBLISHED
    based_on: tuple[int, int] = (0, 0)  # versions of the ID verification, and of the configuration when it was written
    history_count: int = 0  # how many items its history has

    @property
    def next_change_at(self) -> datetime | None:
        """When (UTC) the certificate changes without a new entry; None: never."""
        due = optional(self.item.t)
        return None if due is None else instant_of(int(due))


class Loaded(NamedTuple):
    """Everything that a batch of messages needs, read in one request."""

    records: dict[Pair, StoredRecord]
    verifications: dict[int, StoredTimeline]
    course_runs: dict[str, StoredTimeline]
    names: dict[int, Item]

    def known(self, pair: Pair, policies: Policies, default_rollout: Rollout) -> Known:
        """Return everything that a decision about a learner in a course run rests on."""
        record = self.records[pair]
        verification, configuration = self.verifications[pair.learner_id], self.course_runs[pair.course_run]
        return Known(
            pair.learner_id,
            pair.course_run,
            record.timeline,
            record.compacted_until,
            verification.timeline,
            configuration.timeline,
            max(verification.compacted_until, configuration.compacted_until),
            record.published,
            (verification.version, configuration.version),
            default_rollout,
            policies,
        )


def load(
    pairs: Iterable[Pair] = (),
    learners: Iterable[int] = (),
    course_runs: Iterable[str] = (),
    names: Iterable[int] = (),
    *,
    known: Mapping[str, StoredTimeline] = MappingProxyType({}),
    consistent: bool = True,
) -> Loaded:
    """Read these items, with the ID verifications and configurations that the pairs need: one request.

    Reads are strongly consistent by default, so that a decision sees the fact that it was requested for. Items that
    don't exist are new ones. Course runs in `known` are not read again.
    """
    records = {pair: record_key(pair) for pair in pairs}
    learners = {*learners, *(pair.learner_id for pair in records)}
    verifications = {learner_id: (learner_key(learner_id), ID_VERIFICATION) for learner_id in learners}
    course_runs = {*course_runs, *(pair.course_run for pair in records)} - known.keys()
    configurations = {course_run: (course_run_key(course_run), CONFIGURATION) for course_run in course_runs}
    owners = {learner_id: (learner_key(learner_id), LEARNER_NAME) for learner_id in names}
    keys = [*records.values(), *verifications.values(), *configurations.values(), *owners.values()]
    found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=consistent)}

    def item(key: tuple[str, str]) -> Item:
        return found.get(key) or Item.new(*key)

    return Loaded(
        {pair: stored_record(item(key)) for pair, key in records.items()},
        {learner_id: _stored_timeline(item(key)) for learner_id, key in verifications.items()},
        {**known, **{course_run: _stored_timeline(item(key)) for course_run, key in configurations.items()}},
        {learner_id: item(key) for learner_id, key in owners.items()},
    )


def save_timeline(stored: StoredTimeline, timeline: Timeline, compacted_until: datetime) -> None:
    """Save a learner's ID verification or a course run's configuration: one request. Raises LostRaceError."""
    stored.item.e = encode_timeline(timeline, stored.item.e, stored.timeline)
    stored.item.k = _compaction_out(compacted_until)
    course_run = stored.item.p.removeprefix(course_run_key(""))
    if course_run not in {stored.item.p, EVERYWHERE}:
        stored.item.r = catalogue_key(crc32(course_run.encode()) % CATALOGUE_SHARDS)
    put_item(stored.item)
    stored.timeline, stored.compacted_until = timeline, compacted_until


class RecordWrite(NamedTuple):
    """The new state of a record, to be saved."""

    pair: Pair
    stored: StoredRecord  # as it was loaded
    timeline: Timeline
    compacted_until: datetime  # UTC
    published: PublishedCertificate
    next_change_at: datetime | None  # UTC
    based_on: tuple[int, int]  # versions of the ID verification and of the configuration
    history: Sequence[str] = ()  # the new history items, as JSON
    breaker: "BreakerState | None" = None  # if it counted or held an automatic revocation
    standing: str | None = None  # see formats.standings; None: as it was


def save_record(write: RecordWrite) -> bool:
    """Save a record, its history and the breaker in one transaction: one request, or none if nothing changed.

    Returns whether anything was written. Raises LostRaceError.
    """
    if not change_record(write):
        return False
    save_changed(write)
    return True


def save_changed(write: RecordWrite) -> None:
    """Save a record whose item has its new state already, with its history and the breaker: one request.

    Raises LostRaceError.
    """
    if write.history:
        try:
            _save_with_history([write])
        except TransactWriteError as error:
            if _lost([write], error):
                raise LostRaceError from error
            raise
    else:
        put_item(write.stored.item)
    _note_saved(write)


def save_records(writes: Sequence[RecordWrite]) -> list[Exception | None]:
    """Save records of which each has history, many in one transaction, for a tenth of the time of one request each.

    Returns the error of each record, None if it was saved: LostRaceError if another writer was faster. Then the others
    are saved without it, so no record's failure is another's.
    """
    errors: dict[int, Exception] = {}
    changed = [number for number, write in enumerate(writes) if change_record(write)]
    for numbers in _transactions(writes, changed):
        _save_all({number: writes[number] for number in numbers}, errors)
    return [errors.get(number) for number in range(len(writes))]


def _save_all(writes: dict[int, RecordWrite], errors: dict[int, Exception]) -> None:
    """Save records in one transaction; if it is cancelled, again without those that lost a race, or one by one."""
    while writes:
        try:
            _save_with_history([*writes.values()])
        except TransactWriteError as error:
            places = _lost([*writes.values()], error)
            lost = {number for place, number in enumerate(writes) if place in places}
            errors.update((number, LostRaceError()) for number in lost)
            if not lost:
                if len(writes) == 1:
                    errors.update(dict.fromkeys(writes, error))
                else:
                    for number, write in writes.items():
                        _save_all({number: write}, errors)
                return
            writes = {number: write for number, write in writes.items() if number not in lost}
        else:
            for write in writes.values():
                _note_saved(write)
            return


def _transactions(writes: Sequence[RecordWrite], numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield which records fit into a transaction together."""
    some: list[int] = []
    items = size = 0
    for number in numbers:
        write = writes[number]
        item = write.stored.item
        own_items = len(_models_of(write))
        own_size = sum(len(text or "") for text in (item.e, item.z, item.c, *write.history))
        if some and (items + own_items > TRANSACTION_ITEMS or size + own_size > _TRANSACTION_BYTES):
            yield some
            some, items, size = [], 0, 0
        some.append(number)
        items, size = items + own_items, size + own_size
    if some:
        yield some


def change_record(write: RecordWrite) -> bool:
    """Put the new state into the stored item. Returns whether it differs from what is stored; then it is to be saved.

    That it was decided with another configuration of the course run is no change.
    """
    stored, published, pair = write.stored, write.published, write.pair
    item = stored.item
    history_count = stored.history_count + len(write.history)
    state = encode_published(published, *write.based_on, history_count)
    before = state
    if write.based_on[1] != stored.based_on[1]:
        before = encode_published(published, write.based_on[0], stored.based_on[1], history_count)
    due = None if write.next_change_at is None else micros(write.next_change_at)
    is_known = write.timeline == stored.timeline and bool(stored.version)
    listed = optional(item.y)  # None: not what an earlier release stored
    has_standing = write.standing in {None, listed} or (listed is not None and write.based_on == stored.based_on)
    if is_known and item.c == before and optional(item.t) == due and has_standing:
        return False
    if not is_known:
        text = encode_timeline(write.timeline, text_of(item), stored.timeline)
        item.e, item.z = (None, compressed(text)) if len(text) + len(state) > _PLAIN else (text, None)
    shard = shard_key(pair.course_run, pair.learner_id)
    item.c, item.t, item.k = state, due, _compaction_out(write.compacted_until)
    item.d = None if due is None else str(pair.learner_id % DUE_SHARDS)
    item.r = shard
    item.i = (published.certificate.certificate_id or None) if published.certificate else None
    item.y = write.standing or item.y
    item.h = None if published.pending is None else str(pair.learner_id % PENDING_SHARDS)
    item.x = shard if any(entry.fact is Fact.INVALIDATION for entry in write.timeline) else None
    return True


def _note_saved(write: RecordWrite) -> None:
    stored = write.stored
    stored.timeline, stored.compacted_until = write.timeline, write.compacted_until
    stored.published, stored.history_count = write.published, stored.history_count + len(write.history)


def _models_of(write: RecordWrite) -> list[Item | HistoryItem]:
    """Return the items of a record's transaction."""
    first = write.stored.history_count + 1
    models: list[Item | HistoryItem] = [write.stored.item]
    models += [_history_item(write.pair, number, body) for number, body in enumerate(write.history, first)]
    if write.breaker is not None and write.breaker.changed:
        models.append(write.breaker.item)
    return models


def _history_item(pair: Pair, number: int, body: str) -> HistoryItem:
    from certrules.formats.transition_texts import transition_text  # noqa: PLC0415 - most events change no certificate

    p, s = history_key(pair, number)
    item = HistoryItem(p, s, b=body)
    if listed := transition_text(body):
        at, item.w = listed
        item.d, item.t = str(pair.learner_id % TRANSITION_SHARDS), transition_time(at, p, s)
    return item


def _save_with_history(writes: Sequence[RecordWrite]) -> None:
    from pynamodb.transactions import TransactWrite  # noqa: PLC0415 - most events change no certificate

    with TransactWrite(connection=shared_connection()) as transaction:
        for write in writes:
            for model in _models_of(write):
                transaction.save(model)


def _lost(writes: Sequence[RecordWrite], error: TransactWriteError) -> set[int]:
    """Return the places of the records for which another writer was faster, by why a transaction was cancelled."""
    places = [place for place, write in enumerate(writes) for _ in _models_of(write)]
    return {
        place
        for place, reason in zip(places, error.cancellation_reasons, strict=False)
        if reason is not None and reason.code in LOST_RACE_CODES
    }


def name_of(item: Item) -> LearnerName:
    """Return the names of a learner that an item holds."""
    return decode_name(optional(item.e), optional(item.k))


def change_name(item: Item, name: LearnerName, *, is_indexed: bool) -> bool:
    """Put a learner's names into their item. `is_indexed`: the username finds the learner.

    Returns whether they differ from what is stored; then the item is to be saved.
    """
    username = username_key(name.current.username) or None if is_indexed else None
    new = encode_name(name), name.erased_at, username
    if new == (optional(item.e), optional(item.k), optional(item.u)):
        return False
    item.e, item.k, item.u = new
    return True


def _compaction_out(compacted_until: datetime) -> int | None:
    return None if compacted_until is BEGINNING else micros(compacted_until)


def _compaction_in(item: Item) -> datetime:
    compacted_until = item.attribute_values.get("k")
    return BEGINNING if compacted_until is None else instant_of(compacted_until)


def _stored_timeline(item: Item) -> StoredTimeline:
    return StoredTimeline(item, timeline_of(item), _compaction_in(item))


def based_on_verification(item: Item) -> int:
    """Return the version of the ID verification that the record of an item was decided with; 0: with none."""
    state = optional(item.c)
    return 0 if state is None else decode_published(state)[1][0]


def stored_record(item: Item) -> StoredRecord:
    """Return the record that an item holds."""
    state = item.attribute_values.get("c")
    if state is None:
        return StoredRecord(item)
    published, (verification, course_run, history_count) = decode_published(state)
    return StoredRecord(
        item, timeline_of(item), _compaction_in(item), published, (verification, course_run), history_count
    )
