"""Certificate events on their way to the platform's own bus: in its form, and only with a username.

The readers of that bus find a learner by username. The Credentials service writes every event with an empty one to a
single user named "". So an event without a username is refused, whatever else it has.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from certrules.formats import avro
from certrules.formats.avro import Schema
from certrules.formats.bus_schemas import shipped_schema
from certrules.formats.events_out import CHANGED, CREATED, REVOKED
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.refusals import Reason, RefusedError, Refusing, Sender, type_name

type Usernames = Callable[[int], str]
"""Returns the username of a learner; "" where none is known. Asked where the event names none."""

_LONGEST_USERNAME = 150
_CARRIED = {CREATED, CHANGED, REVOKED}
_NO_USERNAME = (
    "the learner's username is not known, and without one the platform's services would write this to a user named ''"
)


class RecordOut(NamedTuple):
    """An event for a topic or stream of the platform's bus."""

    event_type: str
    metadata: Mapping[str, str]  # by the names that Redis's fields have
    key: str  # the course run: its records are in one partition
    schema: Schema
    data: bytes  # Avro
    time: str  # ISO 8601: when the fact became true


def record_of(body: str, username_of: Usernames) -> RecordOut:
    """Return the record of an event that this service published, as the bus delivers it. Raises RefusedError."""
    with Refusing(""):
        envelope = msgspec.json.decode(body, type=dict[str, Any])
    try:
        detail = envelope["detail"]
        metadata, event_type = detail["metadata"], detail["metadata"]["event_type"]
        source, time = metadata["source"], metadata["time"]
    except (KeyError, TypeError) as error:
        fix = "it is no event of this service, as the bus delivers it: correct the rule that fills this queue"
        raise RefusedError(Reason.WRONG_FORM, "", fix) from error
    if event_type not in _CARRIED:
        fix = f"{type_name(str(event_type))} does not go to the platform's bus: correct the rule that fills this queue"
        raise RefusedError(Reason.UNKNOWN_TYPE, "metadata.event_type", fix)
    if (envelope.get("source"), source) != (OWN_SOURCE, OWN_SOURCE):
        sender = Sender(str(source), str(envelope.get("account", "")), is_of_bus=True)
        fix = "only what this service published goes to the platform's bus"
        raise RefusedError(Reason.SOURCE_NOT_TRUSTED, "source", fix, sender)
    schema = shipped_schema(None, event_type)
    assert schema is not None  # of the types above there is one
    certificate, key = _named(detail, username_of)
    try:
        data = avro.encode(schema, {"certificate": certificate})
    except avro.AvroError as error:
        raise RefusedError(Reason.BAD_VALUE, "certificate", str(error)) from error
    stated = {
        "type": event_type,
        "id": str(metadata["id"]),
        "source": source,
        "time": str(time),
        "minorversion": str(metadata.get("minorversion", 0)),
        "sourcehost": str(metadata.get("sourcehost", "")),
        "sourcelib": ".".join(map(str, metadata.get("sourcelib", ()))),
    }
    return RecordOut(event_type, stated, key, schema, data, str(time))


def _named(detail: Mapping[str, Any], username_of: Usernames) -> tuple[dict[str, Any], str]:
    """Return the certificate with the learner's username in it, and its course run. Raises RefusedError."""
    try:
        certificate = detail["certificate"]
        user, key = certificate["user"], certificate["course"]["course_key"]
        learner_id, pii = user["id"], user["pii"]
        known = pii["username"]
    except (KeyError, TypeError) as error:
        raise RefusedError(Reason.MISSING_FIELD, "certificate", "it is no certificate of the platform") from error
    username = known if _is_username(known) else username_of(learner_id)
    if not _is_username(username):
        raise RefusedError(Reason.NO_USERNAME, "certificate.user.pii.username", _NO_USERNAME)
    named = user | {"pii": {"username": username.strip(), "email": "", "name": ""}}
    return certificate | {"user": named}, key


def _is_username(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable() and len(text) <= _LONGEST_USERNAME
