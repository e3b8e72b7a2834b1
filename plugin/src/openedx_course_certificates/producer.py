"""The producer of the platform's event bus: events go to EventBridge, after the commit, from a background thread."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import transaction
from openedx_events.data import EventsMetadata
from openedx_events.event_bus import EventBusProducer
from openedx_events.tooling import OpenEdxPublicSignal

from openedx_course_certificates.events import Entry, TooLargeError, entry_of, key_of
from openedx_course_certificates.options import options
from openedx_course_certificates.sender import sender

logger = logging.getLogger(__name__)

_silent: ContextVar[bool] = ContextVar("openedx_course_certificates_silent", default=False)


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Send no events from inside: what the service decided must not come back to it as the platform's."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def is_silent() -> bool:
    """Whether no events are sent from here."""
    return _silent.get()


class EventBridgeProducer(EventBusProducer):
    """Sends events to EventBridge. Never raises, and never waits for AWS: a request doesn't suffer from it."""

    def send(
        self,
        *,
        signal: OpenEdxPublicSignal,
        topic: str,
        event_key_field: str,
        event_data: dict[str, Any],
        event_metadata: EventsMetadata,
    ) -> None:
        """Send an event once the transaction commits; of one that rolls back, nothing is sent."""
        del signal  # the metadata names its type
        send(event_metadata, event_data, {"topic": topic, "key": None}, event_key_field)


def create_producer() -> EventBridgeProducer:
    """Return the producer, for the setting `EVENT_BUS_PRODUCER`."""
    return EventBridgeProducer()


def send(
    metadata: EventsMetadata, data: Mapping[str, Any], transport: dict[str, Any], key_path: str = "", using: str = ""
) -> None:
    """Have an event sent once the transaction of this database commits. Never raises.

    What can't be sent is logged with its id, and counted.
    """
    if _silent.get():
        return
    try:
        found = options()
        if not found.bus:
            return
        if key_path:
            transport["key"] = key_of(data, key_path)
        entry = entry_of(metadata, data, transport, names=found.send_personal_data)
        _after_commit(entry, using)
    except TooLargeError as error:
        sender().drop(str(metadata.id), metadata.event_type, str(error), "too_large")
    except Exception as error:
        logger.exception("Event %s (%s) is not sent.", metadata.id, metadata.event_type)
        sender().drop(str(metadata.id), metadata.event_type, str(error), "failed")


def _after_commit(entry: Entry, using: str) -> None:
    act = partial(sender().put, entry)
    try:
        transaction.on_commit(act, using=using or None, robust=True)
    except transaction.TransactionManagementError:  # the caller commits by hand: there is no commit to wait for
        act()
