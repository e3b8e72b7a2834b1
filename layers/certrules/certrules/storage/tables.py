"""The tables: models, keys and shards, and the client that all models share.

The keys, and how they spread over partitions:
- `p` = `L#<learner>`: all of one learner, so load spreads over learners. `s` is the course run, or ID or NAME.
- `p` = `R#<course run>`, `s` = `-`: a course run's configuration. Written seldom; read once a batch of messages, one
  unit each (strongly consistent), so its partition serves 3,000 batches, or 30,000 messages, a second of one run.
- index `learners`: `r` = `<course run>#<learner modulo 16>`: a run with a million learners has 16 partitions. With
  `y` = the learner's standing (formats.standings): who has what in a course run. Its key never changes: one write for
  a new record, and one when the standing changes. Course runs' configurations are in it as
  `R#<CRC-32 of their key modulo 4>`: 100,000 course runs, listed in 4 threads.
- index `certificate`: `i` = the certificate's id, random.
- index `due`: `d` = `<learner modulo 4>`, `t` = when a certificate changes without a new entry. Sparse.
- index `invalidated`: `x`, like `r`, for records that were ever invalidated. Sparse.
- index `pending`: `h` = `<learner modulo 16>`, then the course run: revocations that are pending or held. Sparse.
- index `username`: `u` = a learner's username in lower case. Sparse: only of NAME, and only if LearnerNames is on.
- `p` = `R#<course run>`, `s` = `B`: the latest automatic revocations that a course run's breaker counted.
  Only read and written when there is one.
- history: `p` = `L#<learner>`, `s` = `<course run>#<number>`: append-only. The number counts the transitions of the
  record, so a restored table that ingests the same events again gives the same numbers, and the same event ids.
- index `transition` of history: `d` = `<learner modulo 16>`, `t` = since when it is true, and a hash that orders
  those of one instant, with `w` = from what, to what, why and by whom (formats.transition_texts). One write unit a
  transition; it spreads over learners, so a bulk run may write 16,000 a second. Not of items of earlier releases.
- support: a receipt has the key of its history item; an act is `K#<hash of the actor and of their idempotency
  key>`; bulk revocations, a few a day, are `V`, then their id; bulk runs `B`, same; the audit log has its keys
  in storage.audit_log.
"""

import os
from datetime import datetime
from typing import Any, NamedTuple
from zlib import crc32

from pynamodb.connection import Connection
from pynamodb.exceptions import PutError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

from certrules.core.instants import micros
from certrules.core.timeline import Timeline
from certrules.formats.stored import decode_timeline, uncompressed
from certrules.session import lean
from certrules.storage.plain import Bytes, PlainItem, Text, VersionedItem, Whole

TRANSACTION_ITEMS = 100
"""How many items DynamoDB writes in one transaction."""

COURSE_RUN_SHARDS = 16
"""Over how many partitions the learners of a course run spread."""

CATALOGUE_SHARDS = 4
"""Over how many partitions the course runs spread."""

LEARNERS = "learners"
"""The index of the learners of each course run."""

DUE_SHARDS = 4
PENDING_SHARDS = 16
TRANSITION_SHARDS = 16

ID_VERIFICATION = "ID"
LEARNER_NAME = "NAME"
CONFIGURATION = "-"
BREAKER = "B"
WITHOUT_TIMELINE = {LEARNER_NAME, BREAKER}
"""Sort keys of items without a timeline."""

LOST_RACE_CODES = {"ConditionalCheckFailed", "TransactionConflict"}  # another writer was faster


class LostRaceError(Exception):
    """Another writer saved the record since it was read. Read it again and retry."""


class KeysOnly:
    """What the indexes share that have nothing but keys."""

    projection = KeysOnlyProjection()


class _ByCourseRun(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = LEARNERS
        projection = IncludeProjection(["y"])

    r = Text(hash_key=True)
    p = Text(range_key=True)


class _ByCertificate(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta(KeysOnly):
        index_name = "certificate"

    i = Text(hash_key=True)


class ByDue[ItemT: Model](GlobalSecondaryIndex[ItemT]):  # type: ignore[no-untyped-call]
    """The index of what is to be done at an instant, of certificates and of records."""

    class Meta(KeysOnly):
        """In both tables."""

        index_name = "due"

    d = Text(hash_key=True)
    t = Whole(range_key=True)


class _ByInvalidated(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta(KeysOnly):
        index_name = "invalidated"

    x = Text(hash_key=True)
    p = Text(range_key=True)


class _ByPending(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta(KeysOnly):
        index_name = "pending"

    h = Text(hash_key=True)
    s = Text(range_key=True)


class _ByUsername(GlobalSecondaryIndex["Item"]):  # type: ignore[no-untyped-call]
    class Meta(KeysOnly):
        index_name = "username"

    u = Text(hash_key=True)


class Timeouts:
    """How long to wait for DynamoDB before a retry. It answers in milliseconds."""

    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    retry_configuration = "UNSET"  # AWS_RETRY_MODE counts


class Item(VersionedItem):
    """One item of the certificates table; names are short since every byte is paid for on every write."""

    class Meta(Timeouts):
        """Bound by `connect`."""

        table_name = ""

    e = Text(null=True)  # the timeline; of NAME, the names
    z = Bytes(null=True, legacy_encoding=False)  # of a record, the timeline compressed, in place of `e`
    c = Text(null=True)  # the published certificate, and the versions that it is based on
    r = Text(null=True)
    i = Text(null=True)
    d = Text(null=True)
    t = Whole(null=True)
    x = Text(null=True)
    h = Text(null=True)
    k = Whole(null=True)  # up to when the timeline was compacted; of NAME, when it was erased
    u = Text(null=True)
    y = Text(null=True)

    by_course_run = _ByCourseRun()
    by_certificate = _ByCertificate()
    by_due = ByDue["Item"]()
    by_invalidated = _ByInvalidated()
    by_pending = _ByPending()
    by_username = _ByUsername()


class _ByTransition(GlobalSecondaryIndex["HistoryItem"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "transition"
        projection = IncludeProjection(["w"])

    d = Text(hash_key=True)
    t = Text(range_key=True)


class HistoryItem(PlainItem):
    """One transition of a certificate, or one revocation that was held; never changed, but for `n`."""

    class Meta(Timeouts):
        """Bound by `connect`."""

        table_name = ""

    b = Text()  # JSON, see formats.stored
    n = Text(null=True)  # when (ISO 8601, UTC) it was last sent again; then the stream delivers it again
    d = Text(null=True)
    t = Text(null=True)
    w = Text(null=True)

    by_transition = _ByTransition()


class _ByAbout(GlobalSecondaryIndex["SupportItem"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "about"
        projection = AllProjection()

    a = Text(hash_key=True)
    s = Text(range_key=True)


class SupportItem(VersionedItem):
    """Support's own items: receipts, acts, bulk revocations, bulk runs, the audit log."""

    class Meta(Timeouts):
        """Bound by `connect`."""

        table_name = ""

    b = Text()  # JSON
    ttl = Whole(null=True)  # seconds since 1970; when DynamoDB may delete it
    a = Text(null=True)  # of an entry of the audit log: what it is about

    by_about = _ByAbout()


def connect(certificates_table: str, history_table: str, support_table: str = "", region: str | None = None) -> None:
    """Bind the models to their tables. All share one client, which is created on first use."""
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    shared: Connection | None = None
    for model, table in ((Item, certificates_table), (HistoryItem, history_table), (SupportItem, support_table)):
        shared = bind(model, table, region, shared)


def bind(model: type[Model], table: str, region: str | None, shared: Connection | None) -> Connection | None:
    """Bind a model to its table by a connection that is shared, or makes one; nothing for a table without a name."""
    meta: Any = model.Meta
    meta.table_name = table
    meta.region = region
    model._connection = None  # noqa: SLF001 - or the model stays with its first table
    if not table:
        return shared
    bound = model._get_connection()  # noqa: SLF001 - PynamoDB's only way to share a client
    if shared is None:
        lean(bound.connection.session)
        return bound.connection
    shared.add_meta_table(bound.connection.get_meta_table(table))
    bound.connection = shared
    return shared


class Pair(NamedTuple):
    """A learner in a course run."""

    learner_id: int
    course_run: str


def shard_of(learner_id: int) -> int:
    """Return in which of a course run's COURSE_RUN_SHARDS a learner is."""
    return learner_id % COURSE_RUN_SHARDS


def place_of(item: HistoryItem) -> tuple[Pair, int]:
    """Return the learner and course run of a history item, and its number, counted from 1."""
    course_run, _, number = item.s.rpartition("#")
    return Pair(learner_of(item.p), course_run), int(number)


def learner_key(learner_id: int) -> str:
    """Return the partition key of everything of one learner."""
    return f"L#{learner_id}"


def learner_of(p: str) -> int:
    """Return the learner of a partition key."""
    return int(p.removeprefix("L#"))


def username_key(username: str) -> str:
    """Return under which key the index `username` lists a learner: as platforms compare usernames, without case."""
    return username.lower()


def record_key(pair: Pair) -> tuple[str, str]:
    """Return the key of a record."""
    return learner_key(pair.learner_id), pair.course_run


def history_key(pair: Pair, number: int) -> tuple[str, str]:
    """Return the key of a history item, counted from 1."""
    return learner_key(pair.learner_id), f"{pair.course_run}#{number:08d}"


def transition_time(at: datetime, p: str = "", s: str = "") -> str:
    """Return where the index `transition` has an instant (UTC), or the history item of this key at that instant.

    What is dated before 1970 is at its beginning.
    """
    place = f"{crc32(f'{p}#{s}'.encode()):08x}" if p else ""
    return f"{max(0, micros(at)):016d}{place}"


def course_run_key(course_run: str) -> str:
    """Return the partition key of a course run's own items."""
    return f"R#{course_run}"


def catalogue_key(shard: int) -> str:
    """Return under which key the index `learners` lists a shard of all course runs."""
    return course_run_key(str(shard))


def shard_key(course_run: str, learner_id: int) -> str:
    """Return under which key the index `learners` lists a learner of a course run."""
    return f"{course_run}#{shard_of(learner_id)}"


def optional[T](value: T) -> T | None:
    """Widen what PynamoDB types as present, though the attribute may be null."""
    return value


def put_item(item: Model) -> None:
    """Write an item if nobody wrote it since it was read. Raises LostRaceError."""
    try:
        item.save()
    except PutError as error:
        if (error.cause_response_code or "").removesuffix("Exception") in LOST_RACE_CODES:
            raise LostRaceError from error
        raise


def shared_connection() -> Connection:
    """Return the connection that the models use: one client for all."""
    return Item._get_connection().connection  # noqa: SLF001 - PynamoDB's only way to share it


def timeline_of(item: Item) -> Timeline:
    """Return the timeline that an item holds; empty if it holds none."""
    text = text_of(item)
    return decode_timeline(text) if text else ()


def text_of(item: Item) -> str:
    """Return the stored form of the timeline that an item holds; "" if it holds none."""
    packed = item.attribute_values.get("z")
    return item.attribute_values.get("e") or "" if packed is None else uncompressed(packed)
