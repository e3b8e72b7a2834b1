"""Events inside something else: unwrapped where that is safe, else refused by the name of the wrapping, with the fix.

Safe is a wrapping that holds exactly one event, with its id, its type and the time at which it became true.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Raw

from certrules.formats.lenient import json_of
from certrules.formats.refusals import Reason, RefusedError, Refusing, type_name

MOST_LAYERS = 6
"""How many wrappings inside each other are undone."""

type Parts = Mapping[str, Raw]

_decode = msgspec.json.Decoder().decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_SERVICE = re.compile(r"aws:[a-z0-9]{1,20}")
_NOTHING = Raw(b'""')
_TRACKING_LOG = (
    "a line of the platform's tracking log, which is no event of the event bus: send the platform's public events"
)


class _Wrapping(NamedTuple):
    """Something that holds an event: how it is recognized, and what is inside."""

    name: str
    keys: frozenset[str]  # that it has
    inner: Callable[[Parts], bytes | Raw | Parts]


def unwrapped(raw: bytes) -> Parts:
    """Return the parts of an event, which has `metadata`, or of its envelope, which has `detail`.

    Raises RefusedError.
    """
    inner: bytes | Raw | Parts = raw
    for _ in range(MOST_LAYERS):
        parts = inner if isinstance(inner, dict) else object_of(bytes(inner))  # type: ignore[arg-type]
        if "metadata" in parts or "detail" in parts:
            return parts
        wrapping = next((wrapping for wrapping in _WRAPPINGS if wrapping.keys <= parts.keys()), None)
        if wrapping is None:
            _refuse_other_forms(parts)
            return parts
        inner = wrapping.inner(parts)
    raise RefusedError(
        Reason.WRONG_FORM, "", f"more than {MOST_LAYERS} wrappings inside each other: send the event alone"
    )


def object_of(raw: bytes | Raw, field: str = "") -> Parts:
    """Decode an object, also one that is written as text or stands alone in a list. Raises RefusedError."""
    raw = bytes(raw).removeprefix(b"\xef\xbb\xbf").strip()
    for _ in range(MOST_LAYERS):
        if raw[:1] == b'"':
            with Refusing(field):
                text = _decode_text(raw).lstrip("\ufeff").strip()
            if text[:1] not in {"{", "[", '"'}:
                break
            raw = text.encode()
        elif raw[:1] == b"[" and (items := _listed(raw, field)):
            raw = bytes(_only(items, "a list of events"))
        else:
            break
    if raw[:1] != b"{" and b"[tracking]" in raw:
        raise RefusedError(Reason.WRONG_FORM, field, _TRACKING_LOG)
    with Refusing(field):
        try:
            return _decode_object(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"NaN" not in raw and b"Infinity" not in raw:  # Python writes them, though JSON has no such numbers
                raise
            return _decode_object(_encode(_python_json(raw)))


def _python_json(raw: bytes) -> object:
    try:
        return json_of(raw)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error


def _listed(raw: bytes, field: str) -> list[Raw]:
    with Refusing(field):
        return _decode_list(raw)


def _only[T](items: list[T], what: str) -> T:
    if len(items) == 1:
        return items[0]
    raise RefusedError(Reason.WRONG_FORM, "", f"{what}: it holds {len(items)}; send each event in a message of its own")


# --- what is unwrapped


def _records(parts: Parts) -> bytes | Raw:
    """Return what the only record of an event of Lambda holds: of SQS, SNS or Kinesis."""
    record = object_of(_only(_listed(bytes(parts["Records"]), "Records"), "an event of a Lambda function"), "Records")
    if "body" in record:
        return record["body"]
    if "Sns" in record:
        return _text_in(object_of(record["Sns"], "Records"), "Message")
    if "kinesis" in record:
        return _base64_in(object_of(record["kinesis"], "Records"), "data")
    source = _printed(record.get("eventSource", _NOTHING))
    shown = source if _SERVICE.fullmatch(source) else "an unknown source"
    fix = f"records of {shown} in an event of a Lambda function: put Open edX's events on the bus or the queue"
    raise RefusedError(Reason.WRONG_FORM, "", fix)


def _text_in(parts: Parts, key: str) -> Raw:
    if key not in parts:
        raise RefusedError(Reason.WRONG_FORM, "", f"a wrapping without its {key!r}: send the event alone")
    return parts[key]


def _base64_in(parts: Parts, key: str) -> bytes:
    try:
        return b64decode(_decode_text(_text_in(parts, key)), validate=True)
    except (ValueError, msgspec.MsgspecError) as error:
        raise RefusedError(Reason.WRONG_FORM, "", f"{key!r} is not base64: send the event as JSON") from error


def _cloud_event(parts: Parts) -> Parts:
    """Return the event in a CloudEvent: by the platform's contract its attributes are the event's metadata."""
    kind = _printed(parts.get("datacontenttype", Raw(b'"application/json"')))
    if "json" not in kind:
        raise RefusedError(
            Reason.WRONG_FORM, "", "a CloudEvent whose data is no JSON, by its datacontenttype: send the data as JSON"
        )
    data = object_of(_base64_in(parts, "data_base64") if "data_base64" in parts else _text_in(parts, "data"), "")
    if "metadata" in data or "detail" in data:
        return data
    missing = [name for name in ("id", "type", "time", "source") if name not in parts]
    if missing:
        fix = f"a CloudEvent without its attribute {missing[0]!r}: send id, type, time and source"
        raise RefusedError(Reason.MISSING_FIELD, "metadata", fix)
    metadata = {
        "id": parts["id"],
        "event_type": parts["type"],
        "time": parts["time"],
        "source": _printed(parts["source"]).lstrip("/"),
    }
    return {**data, "metadata": Raw(_encode(metadata))}


def _put_request(parts: Parts) -> Parts:
    """Return the envelope of an entry of PutEvents, as the command line of AWS has it."""
    names = {"Source": "source", "DetailType": "detail-type", "Detail": "detail"}
    return {names[name]: raw for name, raw in parts.items() if name in names}


_WRAPPINGS = (
    _Wrapping("an event of a Lambda function", frozenset({"Records"}), _records),
    _Wrapping("a notification of SNS", frozenset({"Type", "TopicArn", "Message"}), lambda parts: parts["Message"]),
    _Wrapping("a CloudEvent", frozenset({"specversion"}), _cloud_event),
    _Wrapping("an entry of PutEvents", frozenset({"DetailType", "Detail"}), _put_request),
    _Wrapping("a record of SQS", frozenset({"messageId", "body"}), lambda parts: parts["body"]),
    _Wrapping("a message of SQS", frozenset({"MessageId", "Body"}), lambda parts: parts["Body"]),
)


# --- what is not


def _refuse_other_forms(parts: Parts) -> None:
    """Raise RefusedError, which names the form, for what holds no event that can be read here."""
    from certrules.formats.event_types import DATA_KEYS  # noqa: PLC0415 - events don't wait for it

    name = _printed(parts.get("event_type", _NOTHING)) or _printed(parts.get("name", _NOTHING))
    is_kafka = "bootstrapServers" in parts or _printed(parts.get("eventSource", _NOTHING)) == "aws:kafka"
    if "event_source" in parts or name.startswith("edx."):
        fix = f"{_TRACKING_LOG} ({type_name(name)})" if name else _TRACKING_LOG
    elif "records" in parts and is_kafka:
        fix = "a batch of Kafka in an event of a Lambda function: send each value with its headers as `metadata`"
    elif {"actor", "verb", "object"} <= parts.keys():
        fix = "an xAPI statement, which is no event of the event bus: send the platform's public events"
    elif "requestContext" in parts:
        fix = "a request of API Gateway: send its body to the bus or the queue"
    elif "event_data" in parts:
        fix = "an entry of the platform's bus on Redis, whose event_data is Avro: send it as JSON with `metadata`"
    elif keys := sorted(DATA_KEYS & parts.keys()):
        fix = (
            f"{keys[0]!r} stands alone, as in the value of a Kafka message without its headers: send beside it "
            "`metadata` with id, event_type, time and source: the headers ce_id, ce_type, ce_time and ce_source"
        )
        raise RefusedError(Reason.MISSING_FIELD, "metadata", fix)
    else:
        return
    raise RefusedError(Reason.WRONG_FORM, "", fix)


def _printed(raw: Raw) -> str:
    found = _decode(raw)
    return found if isinstance(found, str) else ""
