"""How far the delivery of a learner's record is, for the people who answer learners' questions. Instants are in UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Desired,
    Grade,
    Kind,
    ProgramCredential,
    Username,
    four_decimals,
)
from certrules.core.deliveries.outcomes import REASONS, RecordWarning, Waiting
from certrules.core.wording import when

_WARNINGS: Mapping[RecordWarning, str] = {
    RecordWarning.SECOND_ROW: "The service has it under another id than before: the former row may still be there.",
    RecordWarning.OTHER_MODE: "The service shows another mode: the first request of the course run had that one.",
    RecordWarning.TWO_USERNAMES: "The service has rows under the former username and under the new one.",
}


class DeliveryState(NamedTuple):
    """How far the delivery of one item is."""

    kind: Kind
    key: str  # the course run, or the program's uuid; empty for the username and the availability
    is_delivered: bool  # the service holds what is desired, as far as is known
    sentence: str  # whether it is in the learner's record and since when, or what it waits for
    wanted_at: datetime  # UTC: since when it is to be delivered
    acknowledged_at: (
        datetime | None
    )  # UTC: when the service answered that it holds it, or an earlier state; None: never
    reason: Waiting | None  # why it isn't delivered yet; None: it is, or it was not tried so far
    remedy: str  # what to do; empty: nothing
    detail: str  # fields and statuses of the service's answer, never a value
    next_try_at: datetime | None  # UTC; None: it is delivered, or waits for a change or a person's retry
    tries: int  # in a row, without an acknowledgement
    uuid: str | None  # of the credential in the service
    warning: str  # what is delivered and still wants a person's eye; empty: nothing


def delivery_state(delivery: Delivery) -> DeliveryState:
    """Explain how far a delivery is."""
    acknowledged = delivery.acknowledged
    waiting = None if delivery.is_settled else delivery.waiting
    return DeliveryState(
        kind=delivery.target.kind,
        key=delivery.target.key,
        is_delivered=delivery.is_settled,
        sentence=_delivered(delivery) if delivery.is_settled else _waits(delivery),
        wanted_at=delivery.wanted_at,
        acknowledged_at=None if acknowledged is None else acknowledged.at,
        reason=waiting,
        remedy="" if waiting is None else REASONS[waiting].remedy,
        detail=delivery.detail,
        next_try_at=delivery.next_at,
        tries=delivery.tries,
        uuid=delivery.uuid,
        warning="" if delivery.warning is None else _WARNINGS[delivery.warning],
    )


def _delivered(delivery: Delivery) -> str:
    assert delivery.acknowledged is not None
    since, acknowledged = when(delivery.wanted_at), when(delivery.acknowledged.at)
    if isinstance(delivery.desired, Username):
        return f"The learner's record is that of {delivery.desired.name}, as of {acknowledged}."
    return f"In the learner's record: {_text(delivery.desired)}. Wanted since {since}, acknowledged on {acknowledged}."


def _waits(delivery: Delivery) -> str:
    """Return what a delivery waits for, and what the service holds meanwhile."""
    sentence = f"Not in the learner's record yet: {_text(delivery.desired)}, wanted since {when(delivery.wanted_at)}."
    acknowledged = delivery.acknowledged
    if acknowledged is not None and acknowledged.desired != delivery.desired:
        sentence += f" The record has: {_text(acknowledged.desired)}, acknowledged on {when(acknowledged.at)}."
    if delivery.lease is not None:
        sentence += " It is being sent."
    if delivery.waiting is not None:
        sentence += f" Waiting because: {REASONS[delivery.waiting].meaning}"
    elif delivery.lease is None:
        sentence += " It is sent within a minute or two."
    if delivery.lease is None and delivery.due is None:
        sentence += " It is tried again after a change, or when a person retries it."
    elif delivery.lease is None and delivery.waiting is not None and delivery.due is not None:
        sentence += f" Next try: {when(delivery.due)}."
    return sentence


def _text(desired: Desired) -> str:
    match desired:
        case CourseCredential():
            date = "" if desired.date_override is None else f", dated {when(desired.date_override)}"
            return f"{_award(is_awarded=desired.is_awarded)} as {desired.mode}{date}"
        case ProgramCredential():
            return _award(is_awarded=desired.is_awarded)
        case Grade():
            letter = f" ({desired.letter})" if desired.letter else ""
            return f"a grade of {four_decimals(desired.percent):.2%}{letter}"
        case Availability():
            return "shown at once" if desired.date is None else f"shown from {when(desired.date)} on"
        case _:
            return f"the username {desired.name}"


def _award(*, is_awarded: bool) -> str:
    return "awarded" if is_awarded else "revoked"
