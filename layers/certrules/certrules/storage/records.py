"""What is stored in DynamoDB: the models, loading and saving. Nothing else talks to DynamoDB.

Keys, and what they spread over:
- `p` = `L#<learner>`: all of one learner, so load spreads over learners. `s` is the course run, or ID or NAME.
- `p` = `R#<course run>`, `s` = `-`: a course run's configuration. Written seldom; read once a batch of messages, one
  unit each (strongly consistent), so its partition serves 3,000 batches, or 30,000 messages, a second of one run.
- index `course-run`: `r` = `<course run>#<learner modulo 16>`: a run with a million learners has 16 partitions.
  Course runs' configurations are in it as `R#<CRC-32 of their key modulo 4>`: 100,000 course runs, listed in 4 threads.
- index `certificate`: `i` = the certificate's id, random.
- index `due`: `d` = `<learner modulo 4>`, `t` = when a record changes by itself. Sparse.
- index `invalidated`: `x`, like `r`, for records that were ever invalidated. Sparse.
- index `pending`: `h` = `<learner modulo 16>`, then the course run: revocations that are pending or held. Sparse.
- `p` = `R#<course run>`, `s` = `B`: the automatic revocations that a course run's breaker let through of late.
  Only read and written when there is one.
- history: `p` = `L#<learner>`, `s` = `<course run>#<number>`: append-only. The number counts the transitions of the
  record, so a restored table in which the same events are taken in again numbers, and so names, them as before.
- support: receipts of what was published have the key of their history; an act that was asked for is `K#<hash of who
  asked and the key they gave>`; bulk revocations, a few a day, are `V`, then their id; bulk runs `B`, same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zlib import crc32

import msgspec
from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from certrules.core.deciding import Known
from certrules.core.fact_types import Fact
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING, instant_of, micros
from certrules.core.policy import Policies
from certrules.core.terms import Rollout
from certrules.core.timeline import Timeline
from certrules.formats.messages import EVERYWHERE, Name
from certrules.formats.stored import decode_published, encode_published, encode_timeline
from certrules.storage.breaker import BreakerState
from certrules.storage.tables import (
    CATALOGUE_SHARDS,
    CONFIGURATION,
    DUE_SHARDS,
    ID_VERIFICATION,
    LEARNER_NAME,
    LOST_RACE_CODES,
    PENDING_SHARDS,
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
    timeline_of,
)


@dataclass(slots=True)
class StoredTimeline:
    """A timeline as it is stored, of whatever it belongs to."""

    item: Item
    timeline: Timeline = ()
    compacted_until: datetime = BEGINNING  # up to here it was compacted

    @property
    def version(self) -> int:
        """How often it was saved; 0 if it is new."""
        return self.item.v or 0


_UNPUBLISHED = PublishedCertificate()


@dataclass(slots=True)
class StoredRecord(StoredTimeline):
    """What is stored of a learner in a course run."""

    published: PublishedCertificate = _UNPUBLISHED
    based_on: tuple[int, int] = (0, 0)  # the versions of the ID verification and of the course run looked at
    history_count: int = 0  # how many items its history has

    @property
    def next_change_at(self) -> datetime | None:
        """When it changes by itself (UTC)."""
        due = optional(self.item.t)
        return None if due is None else instant_of(int(due))


@dataclass(slots=True)
class Loaded:
    """All that a batch of messages needs, read at once."""

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
    """Read what is stored of these, with the learners' ID verification and the course runs of the pairs: one request.

    Reads are strongly consistent unless that is not wanted: an evaluation sees the fact for which it was sent. What
    isn't there is new. Course runs that are `known` are not read again.
    """
    pairs = set(pairs)
    learners = {*learners, *(pair.learner_id for pair in pairs)}
    course_runs = {*course_runs, *(pair.course_run for pair in pairs)} - known.keys()
    names = set(names)
    keys = [record_key(pair) for pair in pairs]
    keys += [(learner_key(learner_id), ID_VERIFICATION) for learner_id in learners]
    keys += [(course_run_key(course_run), CONFIGURATION) for course_run in course_runs]
    keys += [(learner_key(learner_id), LEARNER_NAME) for learner_id in names]
    found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=consistent)}

    def item(key: tuple[str, str]) -> Item:
        return found.get(key) or Item(*key)

    return Loaded(
        {pair: stored_record(item(record_key(pair))) for pair in pairs},
        {learner_id: _kept(item((learner_key(learner_id), ID_VERIFICATION))) for learner_id in learners},
        {
            **known,
            **{course_run: _kept(item((course_run_key(course_run), CONFIGURATION))) for course_run in course_runs},
        },
        {learner_id: item((learner_key(learner_id), LEARNER_NAME)) for learner_id in names},
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


def save_record(
    pair: Pair,
    stored: StoredRecord,
    timeline: Timeline,
    compacted_until: datetime,
    published: PublishedCertificate,
    *,
    next_change_at: datetime | None,
    based_on: tuple[int, int],
    history: Sequence[str],
    breaker: BreakerState | None = None,
) -> bool:
    """Save a record, with its history in the same transaction: one request, or none if nothing changed.

    `based_on` are the versions of the ID verification and of the course run that were looked at; `breaker`, if an
    automatic revocation was let through or stopped, are saved with it. Returns whether anything was written.
    Raises LostRaceError.
    """
    item = stored.item
    entries = encode_timeline(timeline, item.e, stored.timeline)
    history_count = stored.history_count + len(history)
    state = encode_published(published, *based_on, history_count)
    due = None if next_change_at is None else micros(next_change_at)
    if item.e == entries and item.c == state and optional(item.t) == due:
        return False
    shard = shard_key(pair.course_run, pair.learner_id)
    item.e, item.c, item.t, item.k = entries, state, due, _compaction_out(compacted_until)
    item.d = None if due is None else str(pair.learner_id % DUE_SHARDS)
    item.r = shard
    item.i = (published.certificate.certificate_id or None) if published.certificate else None
    item.h = None if published.pending is None else str(pair.learner_id % PENDING_SHARDS)
    item.x = shard if any(entry.fact is Fact.INVALIDATION for entry in timeline) else None
    if not history:
        put_item(item)
    else:
        try:
            with TransactWrite(connection=shared_connection()) as transaction:
                transaction.save(item)
                for number, body in enumerate(history, stored.history_count + 1):
                    transaction.save(HistoryItem(*history_key(pair, number), b=body))
                if breaker is not None and breaker.changed:
                    transaction.save(breaker.item)
        except TransactWriteError as error:
            if LOST_RACE_CODES & {reason.code for reason in error.cancellation_reasons if reason is not None}:
                raise LostRaceError from error
            raise
    stored.timeline, stored.compacted_until, stored.published, stored.history_count = (
        timeline,
        compacted_until,
        published,
        history_count,
    )
    return True


def save_name(item: Item, name: Name | None, at: datetime) -> bool:
    """Save a learner's name, or erase it (None): one request, or none if a later word is known already.

    Raises LostRaceError.
    """
    known_since = optional(item.k)
    if known_since is not None and known_since >= micros(at):
        return False
    item.k = micros(at)
    item.e = None if name is None else msgspec.json.encode(name).decode()
    put_item(item)
    return True


# --- whole tables, in segments that can be read at the same time


# --- what support keeps


# --- keys and items


def _compaction_out(compacted_until: datetime) -> int | None:
    return None if compacted_until is BEGINNING else micros(compacted_until)


def _compaction_in(item: Item) -> datetime:
    compacted_until = optional(item.k)
    return BEGINNING if compacted_until is None else instant_of(int(compacted_until))


def _kept(item: Item) -> StoredTimeline:
    return StoredTimeline(item, timeline_of(item), _compaction_in(item))


def stored_record(item: Item) -> StoredRecord:
    """Return the record that an item holds."""
    state = optional(item.c)
    if state is None:
        return StoredRecord(item)
    published, (verification, course_run, history_count) = decode_published(state)
    return StoredRecord(
        item, timeline_of(item), _compaction_in(item), published, (verification, course_run), history_count
    )
