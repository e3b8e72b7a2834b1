"""Events in: the bytes of an event become a message, or are refused with a reason that a program can read.

The contract is Open edX's public events, and our own in the same form: `detail` holds `metadata` and, under a key
of the type, the data. Fields that decide nothing are not read.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from certrules.formats.event_form import EntryBuilder, EventType, Instant, Metadata
from certrules.formats.id_verification_events import ID_VERIFICATION_EVENTS
from certrules.formats.learner_names import name_in
from certrules.formats.lenient import Form, read_object
from certrules.formats.messages import REQUESTED, Message
from certrules.formats.platform_events import PLATFORM_EVENTS
from certrules.formats.refusals import EARLIEST, Reason, RefusedError, Refusing, Sender, in_utc, type_name
from certrules.formats.senders import TrustedSenders, is_of_service, is_published_here, read_without_acts
from certrules.formats.wrappings import object_of, unwrapped

MAX_BYTES = 64 * 1024
"""A larger body is refused: the largest event that is read has some 2 KB."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the clock of a producer may be."""


_FREQUENT: Mapping[str, EventType] = {row.name: row for row in (*PLATFORM_EVENTS, *ID_VERIFICATION_EVENTS)}
"""The event types that a start waits for; all others are loaded with the first event of one of them."""


class _Envelope(Struct):
    detail_type: str = msgspec.field(name="detail-type")
    source: str
    detail: msgspec.Raw
    time: Instant | None = None
    account: str = ""


_ENVELOPE = Form(msgspec.json.Decoder(_Envelope), frozenset({"time", "account"}))
_METADATA = Form(msgspec.json.Decoder(Metadata))


def decode(
    body: bytes | str, received_at: datetime, trusted: TrustedSenders | None = None, *, with_names: bool = False
) -> Message | None:
    """Read one event: an EventBridge envelope, or only its `detail`; unwrapped if something else holds it.

    Returns None for an event that this service published. Raises RefusedError for an event that can't be read, or that
    none of the `trusted` senders sent: it is parked. `trusted` is None where whoever names the events answers for them,
    as for those of a file. `received_at` (UTC) is the clock for times in the future. `with_names` reads the names that
    the platform sends along, too.

    A message is decided as of its send time, however long it waited in a queue: so a hold does not end while the
    passing entry that cancels it waits behind the failing one. The send time is the envelope's time; for a bare request
    to decide again, the request's own time; for any other bare detail, `received_at`.
    """
    with Refusing(""):
        text = body if isinstance(body, str) else body.decode()
        raw = text.encode()  # refuses what is no UTF-8
    if len(raw) > MAX_BYTES:
        raise RefusedError(Reason.TOO_LARGE, "", f"{len(raw)} bytes; an event has at most {MAX_BYTES}")
    parts = unwrapped(raw)
    if "metadata" in parts:
        return _read(parts, None, received_at, trusted, with_names=with_names)
    with Refusing(""):
        envelope, _ = read_object(msgspec.json.encode(parts), _ENVELOPE, "")
    return _read(object_of(envelope.detail, "detail"), envelope, received_at, trusted, with_names=with_names)


def _read(
    detail: Mapping[str, msgspec.Raw],
    envelope: _Envelope | None,
    received_at: datetime,
    trusted: TrustedSenders | None,
    *,
    with_names: bool,
) -> Message | None:
    if "metadata" not in detail:
        raise RefusedError(Reason.MISSING_FIELD, "metadata", "an event has `metadata` beside its data")
    with Refusing("metadata"):
        metadata, _ = read_object(_json(detail["metadata"]), _METADATA, "metadata")
    at = in_utc(metadata.time, "metadata.time")
    sender = _sender_of(metadata, envelope)
    if is_published_here(metadata, sender):
        return None
    event_type = _event_type_of(metadata, envelope)
    may_act = trusted is None or trusted.refuse_untrusted(event_type, sender)
    _refuse_impossible_time(at, received_at)
    if event_type.key not in detail:
        raise RefusedError(Reason.MISSING_FIELD, event_type.key, f"the data of {event_type.name} stands under this key")
    with Refusing(event_type.key):
        raw = _json(detail[event_type.key])
        data, left_out = read_object(raw, event_type.form, event_type.key)
        if not may_act:
            left_out += read_without_acts(event_type, data, sender)
        builder = EntryBuilder(metadata, event_type.key)
        content = event_type.read(data, builder)
        content = content._replace(entries=(*content.entries, *builder.ignored(content.entries, left_out)))
        if with_names and content.name is None:
            content = content._replace(name=name_in(event_type.name, raw))
    if envelope is not None and envelope.time is not None:
        sent_at = in_utc(envelope.time, "time")
    else:
        sent_at = at if event_type.name == REQUESTED else received_at
    return Message(
        metadata.id,
        event_type.name,
        at,
        *content,
        sent_at=min(sent_at, received_at),
        is_of_service=is_of_service(sender.source),
    )


def _sender_of(metadata: Metadata, envelope: _Envelope | None) -> Sender:
    if envelope is None:
        return Sender(metadata.source, "", is_of_bus=False)
    return Sender(envelope.source, envelope.account, is_of_bus=True)


def _json(raw: msgspec.Raw) -> bytes:
    """Return an object that may be written as text."""
    found = bytes(raw)
    return msgspec.json.encode(object_of(found)) if found.startswith(b'"') else found


def _event_type_of(metadata: Metadata, envelope: _Envelope | None) -> EventType:
    name = metadata.event_type
    if envelope is not None and envelope.detail_type != name:
        shown = type_name(envelope.detail_type)
        fix = f"{type_name(name)}, but the envelope's detail-type is {shown}: they must be the same"
        raise RefusedError(Reason.TYPE_MISMATCH, "metadata.event_type", fix)
    event_type = _FREQUENT.get(name)
    if event_type is not None:
        return event_type
    from certrules.formats.event_types import EVENT_TYPES, KNOWN_STEMS  # noqa: PLC0415 - see _FREQUENT

    event_type = EVENT_TYPES.get(name)
    if event_type is not None:
        return event_type
    if name.rpartition(".v")[0] in KNOWN_STEMS:
        fix = f"{type_name(name)}: this version is not known; v1 is"
        raise RefusedError(Reason.UNKNOWN_VERSION, "metadata.event_type", fix)
    raise RefusedError(
        Reason.UNKNOWN_TYPE, "metadata.event_type", f"{type_name(name)} is not taken in, see docs/events.md"
    )


def _refuse_impossible_time(at: datetime, received_at: datetime) -> None:
    if at > received_at + CLOCK_SKEW:
        ahead = int((at - received_at).total_seconds())
        fix = f"it is {ahead} seconds in the future; it was {received_at.isoformat()} when the event was read"
        raise RefusedError(Reason.FUTURE_TIME, "metadata.time", fix)
    if at < EARLIEST:
        fix = f"it is before {EARLIEST:%Y}; send when the fact became true"
        raise RefusedError(Reason.BAD_VALUE, "metadata.time", fix)
