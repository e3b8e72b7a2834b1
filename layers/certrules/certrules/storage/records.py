"""What is kept in DynamoDB: the models, loading and saving. Nothing else talks to DynamoDB.

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
- history: `p` = `L#<learner>`, `s` = `<course run>#<number>`: append-only. The number counts what was told of the
  record, so a restored table in which the same events are taken in again numbers, and so names, them as before.
- support: receipts of what was published have the key of their history; an act that was asked for is `K#<hash of who
  asked and the key they gave>`; bulk revocations, a few a day, are `V`, then their id; bulk runs `B`, same.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Self, override
from zlib import crc32

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from certrules.core.facts import CertificateInvalidation, Record, invalidations
from certrules.core.guard import Published
from certrules.core.terms import Fact
from certrules.core.timeline import BEGINNING, Timeline
from certrules.formats.events_in import EVERYWHERE, Name
from certrules.formats.stored import (
    decode_published,
    decode_timeline,
    encode_published,
    encode_timeline,
    instant_of,
    micros,
)
from certrules.session import lean

COURSE_RUN_SHARDS = 16
"""Over how many a course run's learners spread."""

CATALOGUE_SHARDS = 4
"""Over how many the course runs themselves spread."""

DUE_SHARDS = 4
PENDING_SHARDS = 16
_ID = "ID"
_NAME = "NAME"
_ONLY = "-"
_BREAKER = "B"
WITHOUT_TIMELINE = {_NAME, _BREAKER}
"""Sort keys of items that hold something else."""
_RACES = {"ConditionalCheckFailed", "TransactionConflict"}  # another writer was, or is being, faster


class LostRaceError(Exception):
    """Another writer saved the record since it was read. Read it again and retry."""


class _ByCourseRun(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "course-run"
        projection = KeysOnlyProjection()

    r = UnicodeAttribute(hash_key=True)
    p = UnicodeAttribute(range_key=True)


class _ByCertificate(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "certificate"
        projection = KeysOnlyProjection()

    i = UnicodeAttribute(hash_key=True)


class _ByDue(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    d = UnicodeAttribute(hash_key=True)
    t = NumberAttribute(range_key=True)


class _ByInvalidated(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "invalidated"
        projection = KeysOnlyProjection()

    x = UnicodeAttribute(hash_key=True)
    p = UnicodeAttribute(range_key=True)


class _ByPending(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "pending"
        projection = KeysOnlyProjection()

    h = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)


class _Limits:
    """How long to wait for DynamoDB, which answers in milliseconds, before trying again."""

    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    retry_configuration = "UNSET"  # AWS_RETRY_MODE counts


class _Plain(Model):
    """A model of strings and whole numbers, which is read and written without asking each attribute how."""

    @classmethod
    @override
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Return an item as it was read."""
        item = cls()
        item.attribute_values = {name: int(told["N"]) if "N" in told else told["S"] for name, told in data.items()}
        return item

    @override
    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Return the item as it is to be written; what is None is left out."""
        known = ((name, value) for name, value in self.attribute_values.items() if value is not None)
        return {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in known}


class Item(_Plain):
    """One item of the certificates table; names are short since every byte is paid for on every write."""

    class Meta(_Limits):
        """Bound by `connect`."""

        table_name = ""

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    v = VersionAttribute()
    e = UnicodeAttribute(null=True)  # the timeline; of NAME, its content
    c = UnicodeAttribute(null=True)  # what was published, and the versions that it rests on
    r = UnicodeAttribute(null=True)
    i = UnicodeAttribute(null=True)
    d = UnicodeAttribute(null=True)
    t = NumberAttribute(null=True)
    x = UnicodeAttribute(null=True)
    h = UnicodeAttribute(null=True)
    k = NumberAttribute(null=True)  # up to when the timeline was compacted; of NAME, since when it holds

    by_course_run = _ByCourseRun()
    by_certificate = _ByCertificate()
    by_due = _ByDue()
    by_invalidated = _ByInvalidated()
    by_pending = _ByPending()


class HistoryItem(_Plain):
    """One transition of a certificate, or one revocation that was held; never changed."""

    class Meta(_Limits):
        """Bound by `connect`."""

        table_name = ""

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    b = UnicodeAttribute()  # JSON, see wire.stored


class SupportItem(_Plain):
    """What support needs beside certificates: receipts, acts, bulk revocations."""

    class Meta(_Limits):
        """Bound by `connect`."""

        table_name = ""

    p = UnicodeAttribute(hash_key=True)
    s = UnicodeAttribute(range_key=True)
    v = VersionAttribute()
    b = UnicodeAttribute()  # JSON
    ttl = NumberAttribute(null=True)  # seconds since 1970; when it may be forgotten


def connect(certificates_table: str, history_table: str, support_table: str = "", region: str | None = None) -> None:
    """Bind the models to their tables, over one client for all, which is made when it is first needed."""
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    shared: Connection | None = None
    for model, table in ((Item, certificates_table), (HistoryItem, history_table), (SupportItem, support_table)):
        meta: Any = model.Meta
        meta.table_name = table
        meta.region = region
        model._connection = None  # noqa: SLF001 - else a model keeps its first table
        if not table:
            continue
        bound = model._get_connection()  # noqa: SLF001 - PynamoDB's only way to share a client, or to make it lean
        if shared is None:
            shared = bound.connection
            lean(shared.session)
        else:
            shared.add_meta_table(bound.connection.get_meta_table(table))
            bound.connection = shared


class Pair(NamedTuple):
    """A learner in a course run."""

    learner_id: int
    course_run: str


class Place(NamedTuple):
    """Where a page of an index that is spread over shards starts."""

    shard: Annotated[int, msgspec.Meta(ge=0)]
    after: Pair | None = None  # None: at the shard's beginning


@dataclass(slots=True)
class Kept:
    """A timeline as it is kept, of whatever it belongs to."""

    item: Item
    timeline: Timeline = ()
    settled: datetime = BEGINNING  # up to here it was compacted

    @property
    def version(self) -> int:
        """How often it was saved; 0 if it is new."""
        return self.item.v or 0


_UNPUBLISHED = Published()


@dataclass(slots=True)
class KeptRecord(Kept):
    """What is kept of a learner in a course run."""

    published: Published = _UNPUBLISHED
    rests_on: tuple[int, int] = (0, 0)  # the versions of the ID verification and of the course run looked at
    told: int = 0  # how many items its history has

    @property
    def wakes_at(self) -> datetime | None:
        """When it changes by itself (UTC)."""
        due = _optional(self.item.t)
        return None if due is None else instant_of(int(due))


@dataclass(slots=True)
class Loaded:
    """All that a batch of messages needs, read at once."""

    records: dict[Pair, KeptRecord]
    verifications: dict[int, Kept]
    course_runs: dict[str, Kept]
    names: dict[int, Item]


def load(
    pairs: Iterable[Pair] = (),
    learners: Iterable[int] = (),
    course_runs: Iterable[str] = (),
    names: Iterable[int] = (),
    *,
    known: Mapping[str, Kept] = MappingProxyType({}),
    consistent: bool = True,
) -> Loaded:
    """Read what is kept of these, with the learners' ID verification and the course runs of the pairs: one request.

    Reads are strongly consistent unless that is not wanted: an evaluation sees the fact for which it was sent. What
    isn't there is new. Course runs that are `known` are not read again.
    """
    pairs = set(pairs)
    learners = {*learners, *(pair.learner_id for pair in pairs)}
    course_runs = {*course_runs, *(pair.course_run for pair in pairs)} - known.keys()
    names = set(names)
    keys = [_pair_key(pair) for pair in pairs]
    keys += [(_learner_key(learner_id), _ID) for learner_id in learners]
    keys += [(_course_run_key(course_run), _ONLY) for course_run in course_runs]
    keys += [(_learner_key(learner_id), _NAME) for learner_id in names]
    found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=consistent)}

    def item(key: tuple[str, str]) -> Item:
        return found.get(key) or Item(*key)

    return Loaded(
        {pair: _kept_record(item(_pair_key(pair))) for pair in pairs},
        {learner_id: _kept(item((_learner_key(learner_id), _ID))) for learner_id in learners},
        {**known, **{course_run: _kept(item((_course_run_key(course_run), _ONLY))) for course_run in course_runs}},
        {learner_id: item((_learner_key(learner_id), _NAME)) for learner_id in names},
    )


def save_timeline(kept: Kept, timeline: Timeline, settled: datetime) -> None:
    """Save a learner's ID verification or a course run's configuration: one request. Raises LostRaceError."""
    kept.item.e = encode_timeline(timeline, kept.item.e, kept.timeline)
    kept.item.k = _settled_out(settled)
    course_run = kept.item.p.removeprefix(_course_run_key(""))
    if course_run not in {kept.item.p, EVERYWHERE}:
        kept.item.r = _catalogue_shard(crc32(course_run.encode()) % CATALOGUE_SHARDS)
    _put(kept.item)
    kept.timeline, kept.settled = timeline, settled


def save_record(
    pair: Pair,
    kept: KeptRecord,
    timeline: Timeline,
    settled: datetime,
    published: Published,
    *,
    wakes_at: datetime | None,
    rests_on: tuple[int, int],
    history: Sequence[str],
    brakes: "Brakes | None" = None,
) -> bool:
    """Save a record, with its history in the same transaction: one request, or none if nothing changed.

    `rests_on` are the versions of the ID verification and of the course run that were looked at; `brakes`, if an
    automatic revocation was let through or stopped, are saved with it. Returns whether anything was written.
    Raises LostRaceError.
    """
    item = kept.item
    entries = encode_timeline(timeline, item.e, kept.timeline)
    told = kept.told + len(history)
    state = encode_published(published, *rests_on, told)
    due = None if wakes_at is None else micros(wakes_at)
    if item.e == entries and item.c == state and _optional(item.t) == due:
        return False
    shard = _shard(pair.course_run, pair.learner_id)
    item.e, item.c, item.t, item.k = entries, state, due, _settled_out(settled)
    item.d = None if due is None else str(pair.learner_id % DUE_SHARDS)
    item.r = shard
    item.i = (published.certificate.certificate_id or None) if published.certificate else None
    item.h = None if published.pending is None else str(pair.learner_id % PENDING_SHARDS)
    item.x = shard if any(entry.fact is Fact.INVALIDATION for entry in timeline) else None
    if not history:
        _put(item)
    else:
        try:
            with TransactWrite(connection=_connection()) as transaction:
                transaction.save(item)
                for number, body in enumerate(history, kept.told + 1):
                    transaction.save(HistoryItem(*history_key(pair, number), b=body))
                if brakes is not None and brakes.changed:
                    transaction.save(brakes.item)
        except TransactWriteError as error:
            if _RACES & {reason.code for reason in error.cancellation_reasons if reason is not None}:
                raise LostRaceError from error
            raise
    kept.timeline, kept.settled, kept.published, kept.told = timeline, settled, published, told
    return True


@dataclass(slots=True)
class Brakes:
    """What may stop an automatic revocation in a course run."""

    item: Item
    everywhere: Timeline  # the deployment's own switch
    revoked: list[datetime]  # UTC: the last automatic revocations that were let through, in no order
    tripped_at: datetime | None  # UTC: when the breaker last began to hold them
    changed: bool = False

    def count(self, at: datetime, since: datetime) -> None:
        """Note that a revocation at an instant is let through, and forget those before another."""
        self._keep([*(instant for instant in self.revoked if instant > since), at], self.tripped_at)

    def trip(self, at: datetime) -> None:
        """Note that the breaker began to hold revocations at this instant."""
        self._keep(self.revoked, at)

    def _keep(self, revoked: list[datetime], tripped_at: datetime | None) -> None:
        self.revoked, self.tripped_at, self.changed = revoked, tripped_at, True
        tripped = None if tripped_at is None else micros(tripped_at)
        self.item.e = msgspec.json.encode([tripped, *(micros(instant) for instant in revoked)]).decode()


def load_brakes(course_run: str) -> Brakes:
    """Read what may stop an automatic revocation in a course run, consistently: one request."""
    keys = [(_course_run_key(course_run), _BREAKER), (_course_run_key(EVERYWHERE), _ONLY)]
    found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=True)}
    item = found.get(keys[0]) or Item(*keys[0])
    everywhere = _timeline(found[keys[1]]) if keys[1] in found else ()
    tripped, *revoked = msgspec.json.decode(item.e) if _optional(item.e) else (None,)
    tripped_at = None if tripped is None else instant_of(tripped)
    return Brakes(item, everywhere, [instant_of(instant) for instant in revoked], tripped_at)


def save_name(item: Item, name: Name | None, at: datetime) -> bool:
    """Save a learner's name, or erase it (None): one request, or none if a later word is known already.

    Raises LostRaceError.
    """
    known_since = _optional(item.k)
    if known_since is not None and known_since >= micros(at):
        return False
    item.k = micros(at)
    item.e = None if name is None else msgspec.json.encode(name).decode()
    _put(item)
    return True


def course_runs_of(learner_id: int) -> list[str]:
    """Return the course runs in which anything is known of the learner, consistently."""
    items = Item.query(_learner_key(learner_id), consistent_read=True, attributes_to_get=["p", "s"])
    return [item.s for item in items if item.s not in {_ID, _NAME}]


def learners_in(course_run: str, shard: int, after: dict[str, Any] | None, limit: int) -> tuple[list[int], Any]:
    """Return a page of a course run's learners in one of its COURSE_RUN_SHARDS, and where the next one starts."""
    page = Item.by_course_run.query(f"{course_run}#{shard}", last_evaluated_key=after, limit=limit, page_size=limit)
    learners = [_learner_of(item.p) for item in page]
    return learners, page.last_evaluated_key


def course_runs_in_shard(shard: int, after: dict[str, Any] | None, limit: int) -> tuple[list[str], Any]:
    """Return a page of the course runs in one of the CATALOGUE_SHARDS, by their keys, and where the next one starts."""
    key = _catalogue_shard(shard)
    page = Item.by_course_run.query(key, last_evaluated_key=after, limit=limit, page_size=limit)
    return [item.p.removeprefix(_course_run_key("")) for item in page], page.last_evaluated_key


def course_runs_page(start: Place | None, limit: int) -> tuple[list[str], Place | None]:
    """Return a page of all course runs whose configuration was ever told, and where the next one starts."""
    place = start or Place(0)
    found: list[str] = []
    while place.shard < CATALOGUE_SHARDS and len(found) < limit:
        after = None
        if place.after is not None:
            key = {"p": _course_run_key(place.after.course_run), "s": _ONLY, "r": _catalogue_shard(place.shard)}
            after = {name: {"S": value} for name, value in key.items()}
        page, after = course_runs_in_shard(place.shard, after, limit - len(found))
        found += page
        place = Place(place.shard + 1) if after is None else Place(place.shard, Pair(0, found[-1]))
    return found, place if place.shard < CATALOGUE_SHARDS else None


def course_runs() -> Iterator[str]:
    """Return all course runs whose configuration was ever told: a request for each thousand."""
    for shard in range(CATALOGUE_SHARDS):
        after = None
        while True:
            page, after = course_runs_in_shard(shard, after, 1_000)
            yield from page
            if after is None:
                break


def shard_of(learner_id: int) -> int:
    """Return in which of a course run's COURSE_RUN_SHARDS a learner is."""
    return learner_id % COURSE_RUN_SHARDS


def invalidated_in(course_run: str) -> Iterator[tuple[int, tuple[CertificateInvalidation, ...]]]:
    """Return the learners of a course run who were ever invalidated, with when and by whom; in no order."""
    for shard in range(COURSE_RUN_SHARDS):
        keys = [(item.p, item.s) for item in Item.by_invalidated.query(f"{course_run}#{shard}")]
        found = {item.p: item for item in Item.batch_get(keys)} if keys else {}
        for p, _ in keys:
            yield _learner_of(p), invalidations(_timeline(found[p]))


def due_by(instant: datetime, shard: int, limit: int) -> list[tuple[datetime, Pair]]:
    """Return records of one of the DUE_SHARDS that change by themselves by this instant, with when, earliest first."""
    items = Item.by_due.query(str(shard), Item.t <= micros(instant), limit=limit)
    return [(instant_of(int(item.t)), Pair(_learner_of(item.p), item.s)) for item in items]


def history_items_of(pair: Pair) -> Iterable[HistoryItem]:
    """Return the history of a certificate, oldest first."""
    p = _learner_key(pair.learner_id)
    return HistoryItem.query(p, HistoryItem.s.startswith(f"{pair.course_run}#"), consistent_read=True)


def history_of(pair: Pair) -> Iterator[tuple[str, str]]:
    """Return the history of a certificate, oldest first: the key of each item, and its JSON."""
    return ((item.s, item.b) for item in history_items_of(pair))


def history_items(keys: Iterable[tuple[str, str]]) -> Iterable[HistoryItem]:
    """Return those of these items of history that are there, in no order, consistently."""
    return HistoryItem.batch_get(keys, consistent_read=True)


def place_of(item: HistoryItem) -> tuple[Pair, int]:
    """Return whose history an item is of, and which it is, counted from 1."""
    course_run, _, number = item.s.rpartition("#")
    return Pair(_learner_of(item.p), course_run), int(number)


# --- whole tables, in segments that can be read at the same time


def scan_records(segment: int, of: int, after: dict[str, Any] | None, limit: int) -> tuple[list[Pair], Any]:
    """Return whose records are on a page of a segment of the table, and where the next one starts; not consistently."""
    keys = ["p", "s"]
    page = Item.scan(
        segment=segment,
        total_segments=of,
        last_evaluated_key=after,
        limit=limit,
        page_size=limit,
        attributes_to_get=keys,
    )
    found = [(item.p, item.s) for item in page]
    return [
        Pair(_learner_of(p), s) for p, s in found if p.startswith("L#") and s not in {_ID, _NAME}
    ], page.last_evaluated_key


def scan_history(segment: int, of: int, after: dict[str, Any] | None, limit: int) -> tuple[list[HistoryItem], Any]:
    """Return a page of a segment of history, each certificate's in order, and where the next one starts."""
    page = HistoryItem.scan(segment=segment, total_segments=of, last_evaluated_key=after, limit=limit, page_size=limit)
    return list(page), page.last_evaluated_key


def records_of(learner_id: int) -> dict[str, KeptRecord]:
    """Return what is kept of a learner, by course run."""
    items = Item.query(_learner_key(learner_id), consistent_read=True)
    return {item.s: _kept_record(item) for item in items if item.s not in {_ID, _NAME}}


def owner_of(certificate_id: str) -> Pair | None:
    """Return whose certificate, in which course run, has this id; None if none has."""
    found = next(iter(Item.by_certificate.query(certificate_id, limit=1)), None)
    return None if found is None else Pair(_learner_of(found.p), found.s)


def learners_page(course_run: str, start: Place | None, limit: int) -> tuple[list[Pair], Place | None]:
    """Return a page of a course run's learners, from all shards, and where the next one starts (None: nowhere)."""

    def query(shard: int, after: Pair | None, limit: int) -> Any:
        key = None if after is None else {**_key_of(after), "r": {"S": f"{course_run}#{shard}"}}
        return Item.by_course_run.query(f"{course_run}#{shard}", last_evaluated_key=key, limit=limit, page_size=limit)

    return _page(COURSE_RUN_SHARDS, start, limit, query)


def pending_page(course_run: str, start: Place | None, limit: int) -> tuple[list[Pair], Place | None]:
    """Return a page of revocations that are pending in a course run ("": in all), and where the next one starts."""
    condition = Item.s == course_run if course_run else None

    def query(shard: int, after: Pair | None, limit: int) -> Any:
        key = None if after is None else {**_key_of(after), "h": {"S": str(shard)}}
        return Item.by_pending.query(str(shard), condition, last_evaluated_key=key, limit=limit, page_size=limit)

    return _page(PENDING_SHARDS, start, limit, query)


def _page(
    shards: int, start: Place | None, limit: int, query: Callable[[int, Pair | None, int], Any]
) -> tuple[list[Pair], Place | None]:
    place = start or Place(0)
    found: list[Pair] = []
    while place.shard < shards and len(found) < limit:
        page = query(place.shard, place.after, limit - len(found))
        found += [Pair(_learner_of(item.p), item.s) for item in page]
        place = Place(place.shard, found[-1]) if page.last_evaluated_key else Place(place.shard + 1)
    return found, place if place.shard < shards else None


def _key_of(pair: Pair) -> dict[str, Any]:
    p, s = _pair_key(pair)
    return {"p": {"S": p}, "s": {"S": s}}


# --- what support keeps


def save_receipts(receipts: Mapping[str, str]) -> None:
    """Note of history items ("<p>#<s>") that they were published, and how: JSON. Raises PynamoDB's errors."""
    with SupportItem.batch_write() as batch:
        for key, body in receipts.items():
            learner, number, rest = key.split("#", 2)
            batch.save(SupportItem(f"{learner}#{number}", rest, b=body))


def receipts_of(pair: Pair) -> dict[str, str]:
    """Return what was noted of the publication of a certificate's history, by the key of each item."""
    items = SupportItem.query(_learner_key(pair.learner_id), SupportItem.s.startswith(f"{pair.course_run}#"))
    return {item.s: item.b for item in items}


def receipts(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return of which of these items of history (by their keys) it was noted that they were published."""
    return {
        (item.p, item.s) for item in SupportItem.batch_get(keys, consistent_read=True, attributes_to_get=["p", "s"])
    }


def find_note(kind: str, name: str) -> SupportItem:
    """Return support's note of this name, a new one if there is none; consistently."""
    try:
        return SupportItem.get(kind, name, consistent_read=True)
    except SupportItem.DoesNotExist:
        return SupportItem(kind, name)


def save_note(item: SupportItem, body: object, expires_at: datetime | None = None) -> None:
    """Save support's note, as JSON. Raises LostRaceError if somebody else did meanwhile."""
    item.b = msgspec.json.encode(body).decode()
    item.ttl = None if expires_at is None else int(expires_at.timestamp())
    _put(item)


def notes_of(kind: str) -> list[SupportItem]:
    """Return support's notes of a kind, by their names."""
    return list(SupportItem.query(kind, consistent_read=True))


def record_of(pair: Pair, loaded: Loaded, timeline: Timeline) -> Record:
    """Return all that is known of a learner in a course run: theirs, their ID verification, the run's configuration."""
    verification = loaded.verifications[pair.learner_id].timeline
    configuration = loaded.course_runs[pair.course_run].timeline
    entries = sorted((*configuration, *verification, *timeline), key=lambda entry: entry[:4])
    return Record(pair.learner_id, pair.course_run, tuple(entries))


# --- keys and items


def _learner_key(learner_id: int) -> str:
    return f"L#{learner_id}"


def _learner_of(p: str) -> int:
    return int(p.removeprefix("L#"))


def _pair_key(pair: Pair) -> tuple[str, str]:
    return _learner_key(pair.learner_id), pair.course_run


def history_key(pair: Pair, number: int) -> tuple[str, str]:
    """Return the key of what was told of a record, counted from 1."""
    return _learner_key(pair.learner_id), f"{pair.course_run}#{number:08d}"


def _course_run_key(course_run: str) -> str:
    return f"R#{course_run}"


def _catalogue_shard(shard: int) -> str:
    return _course_run_key(str(shard))


def _shard(course_run: str, learner_id: int) -> str:
    return f"{course_run}#{shard_of(learner_id)}"


def _optional[T](value: T) -> T | None:
    """Widen what PynamoDB types as present, though the attribute may be null."""
    return value


def _settled_out(settled: datetime) -> int | None:
    return None if settled is BEGINNING else micros(settled)


def _settled_in(item: Item) -> datetime:
    settled = _optional(item.k)
    return BEGINNING if settled is None else instant_of(int(settled))


def _kept(item: Item) -> Kept:
    return Kept(item, _timeline(item), _settled_in(item))


def _kept_record(item: Item) -> KeptRecord:
    state = _optional(item.c)
    if state is None:
        return KeptRecord(item)
    published, (verification, course_run, told) = decode_published(state)
    return KeptRecord(item, _timeline(item), _settled_in(item), published, (verification, course_run), told)


def _timeline(item: Item) -> Timeline:
    return decode_timeline(item.e) if _optional(item.e) else ()


def _put(item: Item | SupportItem) -> None:
    try:
        item.save()
    except PutError as error:
        if (error.cause_response_code or "").removesuffix("Exception") in _RACES:
            raise LostRaceError from error
        raise


def _connection() -> Connection:
    """Return the connection that the models use: one client for all."""
    return Item._get_connection().connection  # noqa: SLF001 - PynamoDB's only way to share it
