"""A learner's program certificates and deliveries, and the service's breaker: loading and saving them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from operator import itemgetter
from typing import Any, NamedTuple

from certrules.core.deliveries.breaker import CLOSED, ServiceBreaker
from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import Kind, Owner, Target
from certrules.core.instants import instant_of, micros
from certrules.formats.stored_deliveries import read_breaker, read_delivery, write_breaker, write_delivery
from certrules.formats.stored_programs import NO_STATE, ProgramState, decode_program, encode_program
from certrules.storage.records_table import (
    DELIVERIES,
    DELIVERY,
    OTHERS,
    PROGRAM,
    SHARDS,
    RecordsItem,
    at_version,
    delivery_key,
    owner_key,
    owner_of,
    set_due,
    shard_of,
    write_together,
)
from certrules.storage.tables import (
    CONFIGURATION,
    TRANSACTION_ITEMS,
    learner_key,
    learner_of,
    optional,
    put_item,
)

_BREAKER = "BREAKER"

# --- a learner


@dataclass(slots=True)
class StoredProgram:
    """A learner's program certificate as it is stored."""

    item: RecordsItem
    state: ProgramState = NO_STATE
    next_change_at: datetime | None = None  # UTC: when there is something to do without a new fact


class StoredDelivery(NamedTuple):
    """A delivery as it is stored."""

    delivery: Delivery
    version: int  # raised by each save; 0: not stored


class StoredLearner(NamedTuple):
    """All that is stored of a learner."""

    programs: dict[str, StoredProgram]  # by uuid
    deliveries: dict[Target, StoredDelivery]


def load_learner(learner_id: int) -> StoredLearner:
    """Read the program certificates and deliveries of a learner, consistently: one request."""
    programs: dict[str, StoredProgram] = {}
    deliveries: dict[Target, StoredDelivery] = {}
    for item in RecordsItem.query(learner_key(learner_id), consistent_read=True):
        if item.s.startswith(PROGRAM):
            due = optional(item.t)
            programs[item.s.removeprefix(PROGRAM)] = StoredProgram(
                item, decode_program(item.e), None if due is None else instant_of(int(due))
            )
        else:
            stored = _delivery_in(learner_id, item)
            deliveries[stored.delivery.target] = stored
    return StoredLearner(programs, deliveries)


def new_program(learner_id: int, uuid: str) -> StoredProgram:
    """Return the program certificate of a learner of whom none is stored."""
    return StoredProgram(RecordsItem(learner_key(learner_id), f"{PROGRAM}{uuid}"))


class ProgramWrite(NamedTuple):
    """The new state of a learner's program certificate, to be saved."""

    stored: StoredProgram  # as it was loaded
    state: ProgramState
    next_change_at: datetime | None  # UTC


def save_learner(
    programs: Iterable[ProgramWrite], deliveries: Iterable[StoredDelivery], removed: Iterable[StoredDelivery] = ()
) -> None:
    """Save what changed of a learner, each under the condition that nobody saved it since it was read.

    `deliveries` are new states with the versions that were loaded; `removed` are deleted. One request, or one for each
    TRANSACTION_ITEMS. Raises LostRaceError: then a part may be saved, and all is decided again.
    """
    writes = [(_delivery_out(*stored), True) for stored in removed]
    writes += [(_delivery_out(*stored), False) for stored in deliveries]
    writes += [(_program_out(write), False) for write in programs]  # at last: until then they are decided again
    if len(writes) == 1 and not writes[0][1]:
        put_item(writes[0][0])
        return
    for some in batched(writes, TRANSACTION_ITEMS, strict=False):
        write_together(some)


def save_program(write: ProgramWrite) -> None:
    """Save a learner's program certificate: one request. Raises LostRaceError."""
    put_item(_program_out(write))


def _program_out(write: ProgramWrite) -> RecordsItem:
    item = write.stored.item
    item.e = encode_program(write.state)
    set_due(item, OTHERS, shard_of(learner_of(item.p)), write.next_change_at)
    return item


# --- deliveries


def deliveries_of(owner: Owner) -> list[StoredDelivery]:
    """Read all deliveries of an owner, consistently: one request."""
    found = RecordsItem.query(owner_key(owner), RecordsItem.s.startswith(DELIVERY), consistent_read=True)
    return [_delivery_in(owner, item) for item in found]


def load_delivery(target: Target) -> StoredDelivery | None:
    """Read a delivery, consistently; None: there is none."""
    found = RecordsItem.batch_get([delivery_key(target)], consistent_read=True)
    return next((_delivery_in(target.owner, item) for item in found), None)


def save_delivery(delivery: Delivery, version: int) -> StoredDelivery:
    """Save a delivery if the stored one has this version: one request. Raises LostRaceError."""
    put_item(_delivery_out(delivery, version))
    return StoredDelivery(delivery, version + 1)


def _delivery_in(owner: Owner, item: RecordsItem) -> StoredDelivery:
    _, kind, key = item.s.split("#", 2)
    return StoredDelivery(read_delivery(Target(Kind(kind), owner, key), item.e), item.v or 0)


def _delivery_out(delivery: Delivery, version: int) -> RecordsItem:
    item = at_version(delivery_key(delivery.target), version)
    item.e = write_delivery(delivery)
    shard = shard_of(delivery.target.owner)
    set_due(item, DELIVERIES, shard, delivery.next_at)
    if not delivery.is_settled:
        item.u, item.o, item.w = shard, micros(delivery.wanted_at), delivery.waiting or ""
    return item


# --- what is due, and what waits


class Due(NamedTuple):
    """Something that is to be done. Instants in UTC."""

    at: datetime
    learner_id: int | None = None
    course_run: str | None = None
    program: str | None = None


def due_deliveries(now: datetime, limit: int) -> list[Due]:
    """Return whose deliveries are due by an instant (UTC), the longest due first: a request for each of the SHARDS."""
    return _due(DELIVERIES, now, limit)


def due_others(now: datetime, limit: int) -> list[Due]:
    """Return what else is due by an instant (UTC): learners' programs, and programs whose learners are decided."""
    return _due(OTHERS, now, limit)


def _due(kind: str, now: datetime, limit: int) -> list[Due]:
    found: dict[str, int] = {}
    for shard in range(SHARDS):
        for item in RecordsItem.by_due.query(f"{kind}{shard}", RecordsItem.t <= micros(now), limit=limit):
            found[item.p] = min(found.get(item.p, int(item.t)), int(item.t))
    return [_due_in(p, instant_of(t)) for p, t in sorted(found.items(), key=itemgetter(1))[:limit]]


def _due_in(p: str, at: datetime) -> Due:
    if p.startswith(PROGRAM):
        return Due(at, program=p.removeprefix(PROGRAM))
    owner = owner_of(p)
    return Due(at, learner_id=owner) if isinstance(owner, int) else Due(at, course_run=owner)


def unsettled_since() -> datetime | None:
    """Return since when (UTC) the oldest delivery waits; None: none does. A request for each of the SHARDS."""
    pages = (RecordsItem.by_unsettled.query(str(shard), limit=1) for shard in range(SHARDS))
    return min((instant_of(int(item.o)) for page in pages for item in page), default=None)


def unsettled_in(shard: int, after: dict[str, Any] | None, limit: int) -> tuple[list[tuple[Target, str]], Any]:
    """Return a page of the deliveries of a shard that wait, with the code of the reason, and the next page's start.

    The longest waiting come first. An empty reason: it has not been refused so far.
    """
    page = RecordsItem.by_unsettled.query(str(shard), last_evaluated_key=after, limit=limit, page_size=limit)
    return [(_target_in(item), item.w) for item in page], page.last_evaluated_key


def _target_in(item: RecordsItem) -> Target:
    _, kind, key = item.s.split("#", 2)
    return Target(Kind(kind), owner_of(item.p), key)


# --- the service's breaker


class StoredBreaker(NamedTuple):
    """The breaker of the Credentials service as it is stored."""

    breaker: ServiceBreaker
    version: int  # raised by each save; 0: not stored


def load_service_breaker() -> StoredBreaker:
    """Read the breaker of the service, consistently."""
    for item in RecordsItem.batch_get([(_BREAKER, CONFIGURATION)], consistent_read=True):
        return StoredBreaker(read_breaker(item.e), item.v or 0)
    return StoredBreaker(CLOSED, 0)


def save_service_breaker(breaker: ServiceBreaker, version: int) -> StoredBreaker:
    """Save the breaker of the service if the stored one has this version. Raises LostRaceError."""
    item = at_version((_BREAKER, CONFIGURATION), version)
    item.e = write_breaker(breaker)
    put_item(item)
    return StoredBreaker(breaker, version + 1)
