"""Publishes history items as events. Called by `publish` for new items and by `reconcile` for missed ones."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from certrules import aws, storage
from certrules.formats.events_out import Outgoing, events_of
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.stored import as_time

type PublishedItems = Sequence[tuple[str, Sequence[str]]]
"""The history items whose events the bus accepted all: the key of each, and the types of its events."""


def publish(bus: str, history: Iterable[tuple[str, str]], certificate_url: str, host: str) -> PublishedItems:
    """Put the events of history items ("<p>#<s>", and their JSON) on the bus, in order, up to the first failure."""
    outgoing: list[Outgoing] = []
    ends: list[tuple[str, int]] = []  # how many events there are up to and including each item
    for key, body in history:
        outgoing += events_of(key, body, certificate_url, host)
        ends.append((key, len(outgoing)))
    accepted = aws.put_events(bus, OWN_SOURCE, outgoing)
    types = [event.event_type for event in outgoing]
    starts = [0, *(end for _, end in ends)]
    return [(key, types[start:end]) for start, (key, end) in zip(starts, ends, strict=False) if end <= accepted]


def save_receipts(published: PublishedItems, at: datetime) -> None:
    """Save a receipt for each item: when (UTC) the bus accepted which events. Raises PynamoDB's errors."""
    bodies = {key: {"at": as_time(at), "events": types} for key, types in published}
    storage.save_receipts({key: msgspec.json.encode(body).decode() for key, body in bodies.items()})
