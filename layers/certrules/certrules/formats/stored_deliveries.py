"""Deliveries and the service's breaker as text at rest: one item each."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from certrules.core.deliveries.breaker import ServiceBreaker
from certrules.core.deliveries.delivery import Acknowledgement, Delivery, Lease
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Desired,
    Grade,
    Kind,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import RecordWarning, Waiting

_DESIRED: dict[Kind, type[Desired]] = {
    Kind.USERNAME: Username,
    Kind.AVAILABILITY: Availability,
    Kind.COURSE: CourseCredential,
    Kind.GRADE: Grade,
    Kind.PROGRAM: ProgramCredential,
}


class _Held(NamedTuple):
    desired: msgspec.Raw
    at: datetime


class _Leased(NamedTuple):
    holder: str
    until: datetime
    desired: msgspec.Raw


class _Delivery(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A delivery; the names are short, since each of them is in every item."""

    desired: msgspec.Raw = msgspec.field(name="d")
    number: int = msgspec.field(name="n")
    wanted_at: datetime = msgspec.field(name="w")
    acknowledged: _Held | None = msgspec.field(name="a", default=None)
    uuid: str | None = msgspec.field(name="u", default=None)
    tries: int = msgspec.field(name="t", default=0)
    waiting: Waiting | None = msgspec.field(name="r", default=None)
    detail: str = msgspec.field(name="x", default="")
    due: datetime | None = msgspec.field(name="e", default=None)
    lease: _Leased | None = msgspec.field(name="l", default=None)
    in_doubt: bool = msgspec.field(name="b", default=False)
    overridden: bool = msgspec.field(name="o", default=False)
    warning: RecordWarning | None = msgspec.field(name="v", default=None)
    is_presumed: bool = msgspec.field(name="p", default=False)


def write_delivery(delivery: Delivery) -> str:
    """Return the text of a delivery, without its target: that is the item's key."""
    held, lease = delivery.acknowledged, delivery.lease
    stored = _Delivery(
        desired=_raw(delivery.desired),
        number=delivery.number,
        wanted_at=delivery.wanted_at,
        acknowledged=None if held is None else _Held(_raw(held.desired), held.at),
        uuid=delivery.uuid,
        tries=delivery.tries,
        waiting=delivery.waiting,
        detail=delivery.detail,
        due=delivery.due,
        lease=None if lease is None else _Leased(lease.holder, lease.until, _raw(lease.desired)),
        in_doubt=delivery.in_doubt,
        overridden=delivery.overridden,
        warning=delivery.warning,
        is_presumed=delivery.is_presumed,
    )
    return msgspec.json.encode(stored).decode()


def read_delivery(target: Target, text: str) -> Delivery:
    """Return the delivery of a target from its text. Raises msgspec.DecodeError."""
    stored = msgspec.json.decode(text, type=_Delivery)
    held, lease, kind = stored.acknowledged, stored.lease, target.kind
    return Delivery(
        target=target,
        desired=_desired(kind, stored.desired),
        number=stored.number,
        wanted_at=stored.wanted_at,
        acknowledged=None if held is None else Acknowledgement(_desired(kind, held.desired), held.at),
        uuid=stored.uuid,
        tries=stored.tries,
        waiting=stored.waiting,
        detail=stored.detail,
        due=stored.due,
        lease=None if lease is None else Lease(lease.holder, lease.until, _desired(kind, lease.desired)),
        in_doubt=stored.in_doubt,
        overridden=stored.overridden,
        warning=stored.warning,
        is_presumed=stored.is_presumed,
    )


def write_breaker(breaker: ServiceBreaker) -> str:
    """Return the text of the service's breaker."""
    return msgspec.json.encode(breaker).decode()


def read_breaker(text: str) -> ServiceBreaker:
    """Return the service's breaker from its text. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=ServiceBreaker)


def _raw(desired: Desired) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(desired))


def _desired(kind: Kind, raw: msgspec.Raw) -> Desired:
    return msgspec.json.decode(raw, type=_DESIRED[kind])
