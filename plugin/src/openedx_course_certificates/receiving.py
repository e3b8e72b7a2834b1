"""Events from a queue are given to their receivers: Django signals, and what the plugin itself applies.

The service's certificates become rows of the LMS (see rows); the rollout of course runs is stored (see rollout).
"""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from uuid import UUID

from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.tooling import OpenEdxPublicSignal

from openedx_course_certificates import rollout, rows

SERVICE = "course-certificates"
"""The source of what the service publishes. The bus lets nobody else use the name."""

SUPPORT = "course-certificates/support"
"""The source of what people do with the service, such as setting the rollout of a course run."""

CREATED = "org.openedx.learning.certificate.created.v1"
CHANGED = "org.openedx.learning.certificate.changed.v1"
REVOKED = "org.openedx.learning.certificate.revoked.v1"
CONFIGURED = "certificates.course_run.configured.v1"


class ReceivingError(Exception):
    """An event can't be received: it can't be read, nobody knows its type, or a receiver failed."""


def receive(body: str) -> None:
    """Give the event of a message to all its receivers. Raises ReceivingError, or what the database raises."""
    detail = _detail_of(body)
    metadata = _metadata_of(detail)
    if metadata.event_type == CONFIGURED:
        if metadata.source == SUPPORT:
            rollout.save(detail, metadata.time)
        return
    is_ours = metadata.event_type in {CREATED, CHANGED, REVOKED} and metadata.source == SERVICE
    if is_ours and rows.are_written():
        _write_row(detail, metadata)
        if metadata.event_type != REVOKED:
            return  # saving the row has sent the signals of the other two
    _send_signal(detail, metadata, needs_name=is_ours)


def _detail_of(body: str) -> dict[str, Any]:
    """Return the detail of an EventBridge event, or of a message that is the detail alone."""
    try:
        event = json.loads(body)
        detail = event.get("detail", event)
    except (ValueError, AttributeError, RecursionError) as error:
        raise ReceivingError(f"the message is no event: {error}") from error
    if not isinstance(detail, dict) or not isinstance(detail.get("metadata"), dict):
        raise ReceivingError("the message is no event: it has no metadata")
    return detail


def _metadata_of(detail: Mapping[str, Any]) -> EventsMetadata:
    given = detail["metadata"]
    try:
        time = datetime.fromisoformat(given["time"]).astimezone(timezone.utc)  # noqa: UP017 - the library compares it
        return EventsMetadata(
            event_type=given["event_type"],
            id=UUID(given["id"]),
            minorversion=given.get("minorversion", 0),
            source=given.get("source", ""),
            sourcehost=given.get("sourcehost", ""),
            time=time,
            sourcelib=tuple(given.get("sourcelib") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReceivingError(f"the event's metadata can't be read: {_short(error)}") from error


def _write_row(detail: Mapping[str, Any], metadata: EventsMetadata) -> None:
    try:
        rows.apply(detail, metadata.time)
    except rows.RowError as error:
        raise ReceivingError(f"event {metadata.id}: {error}") from error


def _send_signal(detail: dict[str, Any], metadata: EventsMetadata, *, needs_name: bool) -> None:
    """Send the Django signal of an event."""
    try:
        signal = OpenEdxPublicSignal.get_signal_by_type(metadata.event_type)
    except KeyError:
        raise ReceivingError(f"event {metadata.id}: nobody knows the type {metadata.event_type!r}") from None
    if needs_name:
        detail = rows.with_name(detail)
        if not detail["certificate"]["user"]["pii"]["username"]:
            raise ReceivingError(
                f"event {metadata.id}: it names no username, and its receivers would take all learners for one"
            )
    try:
        data = _deserializer(metadata.event_type).from_dict(detail)
    except Exception as error:
        raise ReceivingError(f"event {metadata.id}: its data can't be read: {_short(error)}") from error
    responses = signal.send_event_with_custom_metadata(metadata, **data)
    failed = [f"{_name(receiver)}: {answer!r}" for receiver, answer in responses if isinstance(answer, Exception)]
    if failed:
        raise ReceivingError(f"event {metadata.id}: {'; '.join(failed)}")


def _short(error: Exception) -> str:
    """Return an error in a few words; those of the library's validators quote whole classes."""
    first = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {str(first)[:200]}"


@lru_cache(maxsize=128)
def _deserializer(event_type: str) -> AvroSignalDeserializer:
    return AvroSignalDeserializer(OpenEdxPublicSignal.get_signal_by_type(event_type))


def _name(receiver: Any) -> str:
    return str(getattr(receiver, "__qualname__", receiver))
