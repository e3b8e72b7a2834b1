"""The stored form of deliveries and of the service's breaker: JSON with short names, without what has its default.

What is desired is a list, whose form follows from the kind of the target, which is in the key. Instants are
microseconds since 1970 (UTC).
"""

from typing import Any

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
from certrules.core.instants import instant_of, micros, optional_instant, optional_micros

MOST_DETAIL = 500
"""How many characters of a refusal's detail are stored."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_delivery(delivery: Delivery) -> str:
    """Return a delivery in its stored form, without its target."""
    acknowledged, lease = delivery.acknowledged, delivery.lease
    body = {
        "k": _desired_out(delivery.desired),
        "n": delivery.number,
        "s": micros(delivery.wanted_at),
        "a": acknowledged and [_desired_out(acknowledged.desired), micros(acknowledged.at)],
        "u": delivery.uuid,
        "c": delivery.tries,
        "w": delivery.waiting,
        "x": delivery.detail[:MOST_DETAIL],
        "d": optional_micros(delivery.due),
        "l": lease and [lease.holder, micros(lease.until), _desired_out(lease.desired)],
        "i": delivery.in_doubt,
        "o": delivery.overridden,
        "g": delivery.warning,
    }
    return _encode({name: value for name, value in body.items() if value or name == "n"}).decode()


def decode_delivery(target: Target, text: str) -> Delivery:
    """Return the delivery of a target from its stored form."""
    body = _decode(text)
    acknowledged, lease = body.get("a"), body.get("l")
    return Delivery(
        target=target,
        desired=_desired_in(target.kind, body["k"]),
        number=body["n"],
        wanted_at=instant_of(body["s"]),
        acknowledged=acknowledged
        and Acknowledgement(_desired_in(target.kind, acknowledged[0]), instant_of(acknowledged[1])),
        uuid=body.get("u"),
        tries=body.get("c", 0),
        waiting=Waiting(body["w"]) if "w" in body else None,
        detail=body.get("x", ""),
        due=optional_instant(body.get("d")),
        lease=lease and Lease(lease[0], instant_of(lease[1]), _desired_in(target.kind, lease[2])),
        in_doubt=body.get("i", False),
        overridden=body.get("o", False),
        warning=RecordWarning(body["g"]) if "g" in body else None,
    )


def encode_breaker(breaker: ServiceBreaker) -> str:
    """Return the breaker in its stored form."""
    times = optional_micros(breaker.open_until), optional_micros(breaker.opened_at)
    return _encode([breaker.failures, breaker.pauses, *times, breaker.is_probed]).decode()


def decode_breaker(text: str) -> ServiceBreaker:
    """Return the breaker from its stored form."""
    failures, pauses, open_until, opened_at, is_probed = _decode(text)
    return ServiceBreaker(
        failures=failures,
        pauses=pauses,
        open_until=optional_instant(open_until),
        opened_at=optional_instant(opened_at),
        is_probed=is_probed,
    )


def _desired_out(desired: Desired) -> list[Any]:
    match desired:
        case CourseCredential():
            return [desired.is_awarded, desired.mode, optional_micros(desired.date_override)]
        case ProgramCredential():
            return [desired.is_awarded, *desired.course_runs]
        case Grade():
            return [desired.percent, desired.letter, optional_micros(desired.updated_at)]
        case Availability():
            return [desired.mode, optional_micros(desired.date)]
        case Username():
            return [desired.name]


def _desired_in(kind: Kind, item: list[Any]) -> Desired:
    match kind:
        case Kind.COURSE:
            return CourseCredential(is_awarded=item[0], mode=item[1], date_override=optional_instant(item[2]))
        case Kind.PROGRAM:
            return ProgramCredential(is_awarded=item[0], course_runs=tuple(item[1:]))
        case Kind.GRADE:
            return Grade(percent=item[0], letter=item[1], updated_at=optional_instant(item[2]))
        case Kind.AVAILABILITY:
            return Availability(mode=item[0], date=optional_instant(item[1]))
        case Kind.USERNAME:
            return Username(name=item[0])
