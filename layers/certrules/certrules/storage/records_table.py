"""What the Credentials service is to know, at rest: programs, a learner's program certificates, and deliveries.

A table of its own, which exists only where there is a Credentials service; nothing that ingests events imports this.
The keys, and how they spread over partitions:
- `p` = `L#<learner>`: all of one learner, read in one request. `s` is `P#<program>`, the program certificate, or
  `D#<kind>#<course run or program>`, a delivery.
- `p` = `R#<course run>`: `s` = `D#availability#`, the delivery of its date; `P#<program>`, a program that any of its
  definitions lists it in. An item each, because a course run may be in many programs.
- `p` = `P#<program>`: `s` = `-`, the definitions; `CURSOR`, up to where its learners are decided again.
- `p` = `BREAKER`, `s` = `-`: the service's breaker. It is read before each request, and written when it changes.
- `p` = `COMPARISON`, `s` = `-`: how far the comparison of all deliveries with the service has come.
- index `due`: `d` = `<P or D><learner modulo 4>`, `t` = when there is something to do: D for deliveries, P for all
  else, so that a service that is down holds up no decision. Sparse.
- index `unsettled`: `u` = `<learner modulo 4>`, `o` = since when the service doesn't hold what is desired, with `w`,
  what it waits for. Sparse: what the service holds is not in it.
A program or a course run is in the shard of the CRC-32 of its key.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from pynamodb.exceptions import TransactWriteError
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.transactions import TransactWrite

from certrules.core.deliveries.desired import Owner, Target
from certrules.core.instants import micros
from certrules.storage.plain import Text, VersionedItem, Whole
from certrules.storage.tables import (
    LOST_RACE_CODES,
    ByDue,
    LostRaceError,
    Timeouts,
    bind,
    course_run_key,
    learner_key,
    learner_of,
    shared_connection,
)

SHARDS = 4
"""Over how many partitions each index spreads."""

PROGRAM, DELIVERY = "P#", "D#"
DELIVERIES, OTHERS = "D", "P"
"""Before the shard in the index `due`."""


class _ByUnsettled(GlobalSecondaryIndex["RecordsItem"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "unsettled"
        projection = IncludeProjection(["w"])

    u = Text(hash_key=True)
    o = Whole(range_key=True)


class RecordsItem(VersionedItem):
    """One item of the records table; names are short since every byte is paid for on every write."""

    class Meta(Timeouts):
        """Bound by `connect_records`."""

        table_name = ""

    e = Text(null=True)  # JSON, see formats.stored_programs and formats.stored_deliveries
    d = Text(null=True)
    t = Whole(null=True)
    u = Text(null=True)
    o = Whole(null=True)
    w = Text(null=True)

    by_due = ByDue["RecordsItem"]()
    by_unsettled = _ByUnsettled()


def connect_records(records_table: str, region: str | None = None) -> None:
    """Bind the model to its table; it shares the client of the others, which are connected before."""
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    bind(RecordsItem, records_table, region, shared_connection())


def shard_of(owner: Owner) -> str:
    """Return the shard of a learner, a course run or a program in the indexes."""
    return str((owner if isinstance(owner, int) else crc32(owner.encode())) % SHARDS)


def owner_key(owner: Owner) -> str:
    """Return the partition key of all deliveries of an owner."""
    return learner_key(owner) if isinstance(owner, int) else course_run_key(owner)


def delivery_key(target: Target) -> tuple[str, str]:
    """Return the key of a delivery."""
    return owner_key(target.owner), f"{DELIVERY}{target.kind}#{target.key}"


def owner_of(p: str) -> Owner:
    """Return whose deliveries a partition has."""
    run = course_run_key("")
    return p.removeprefix(run) if p.startswith(run) else learner_of(p)


def at_version(key: tuple[str, str], version: int) -> RecordsItem:
    """Return an item to save if the stored one has this version; 0: if there is none."""
    item = RecordsItem(*key)
    if version:
        item.v = version
    return item


def set_due(item: RecordsItem, kind: str, shard: str, at: datetime | None) -> None:
    """Set when (UTC) there is something to do; None: nothing. `kind` is DELIVERIES or OTHERS."""
    item.d = None if at is None else f"{kind}{shard}"
    item.t = None if at is None else micros(at)


def write_together(writes: Sequence[tuple[RecordsItem, bool]]) -> None:
    """Save items, and delete those with True, in one transaction, if nobody saved them since. Raises LostRaceError."""
    try:
        with TransactWrite(connection=shared_connection()) as transaction:
            for item, is_removed in writes:
                if is_removed:
                    transaction.delete(item)
                else:
                    transaction.save(item)
    except TransactWriteError as error:
        if LOST_RACE_CODES & {reason.code for reason in error.cancellation_reasons if reason is not None}:
            raise LostRaceError from error
        raise
