"""Bridging: records of the platform's own event bus (Kafka, Redis) go on our bus, in order; refused ones are parked."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from certrules import aws
from certrules.formats.bus_records import BusEvent, BusRecord, RefusedRecordError, event_of
from certrules.formats.bus_schemas import Schemas
from certrules.formats.senders import TrustedSenders
from certrules.parking import park


class Destination(NamedTuple):
    """Where records are carried to, and by what they are read and trusted."""

    bus: str  # its name
    parked_queue: str  # its URL
    schemas: Schemas
    trusted: TrustedSenders


def carry(records: Iterable[BusRecord], destination: Destination) -> Counter[str]:
    """Put the events of records on the bus and park what is refused; return how many of each, as metrics.

    When it returns, all of them are on the bus, parked, or events that this service published itself. Raises SendError,
    botocore's errors, and OSError where the registry can't be reached: then all records are to be carried again, in the
    same order. Events that come twice have one id, and change nothing.
    """
    events: list[BusEvent] = []
    refused: list[tuple[BusRecord, RefusedRecordError]] = []
    counts = Counter({"Bridged": 0, "Parked": 0})
    for record in records:
        try:
            event = event_of(record, destination.schemas, destination.trusted)
        except RefusedRecordError as refusal:
            refused.append((record, refusal))
        else:
            if event is None:
                counts["PublishedHere"] += 1
            else:
                events.append(event)
    accepted = aws.put_entries(destination.bus, map(_entry, events))
    if accepted < len(events):
        raise aws.SendError(f"the bus took {accepted} of {len(events)} events; all are sent again")
    park(destination.parked_queue, [(_message(record, refusal), refusal) for record, refusal in refused])
    counts.update(Bridged=len(events), Parked=len(refused))
    counts.update(f"parked_{refusal.reason}" for _, refusal in refused)
    return counts


def _entry(event: BusEvent) -> dict[str, Any]:
    return {
        "Source": event.source,
        "DetailType": event.event_type,
        "Detail": event.detail,
        "Time": _whole_second(event.at),
    }


def _whole_second(at: datetime) -> datetime:
    """Return the second in or after which an event was sent: the bus has no fractions, and none may be lost."""
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)


def _message(record: BusRecord, refusal: RefusedRecordError) -> dict[str, Any]:
    """Return a refused record as `park` takes it: its place in the platform's bus is its id."""
    place = record.place
    return {"messageId": place if place.isprintable() else ascii(place), "body": refusal.body}
