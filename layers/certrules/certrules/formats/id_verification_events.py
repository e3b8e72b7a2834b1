"""Our events on ID verifications that the platform has no public event for: by a person, by single sign-on, by photo.

Each kind of attempt has its own numbers. So an attempt is named by its kind and its name within it, as the platform's
tables are imported; the attempts of the platform's own events are named by their number alone.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from certrules.core.fact_types import Approval, Fact
from certrules.core.facts import Record
from certrules.core.timeline import Entry
from certrules.formats.event_form import (
    AttemptId,
    EntryBuilder,
    EventContent,
    EventType,
    Export,
    Instant,
    LearnerId,
    ShortText,
    Text,
    event_type,
    from_one_entry,
)
from certrules.formats.stored import as_time

Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class _Verification(Struct):
    learner_id: LearnerId
    kind: Kind
    attempt: ShortText | AttemptId = ""
    by: Text = ""
    notes: Text = ""


class _Approved(_Verification):
    expiration_date: Instant | None = None


def _attempt(body: _Verification) -> str:
    attempt = str(body.attempt).strip()
    return f"{body.kind}:{attempt}" if attempt else body.kind


def _approved(body: _Approved, builder: EntryBuilder) -> EventContent:
    value = Approval(builder.utc(body.expiration_date, "expiration_date") if body.expiration_date else None)
    entry = builder.entry(Fact.ID_VERIFICATION, value, _attempt(body), body.by, body.notes)
    return EventContent(body.learner_id, None, (entry,))


def _denied(body: _Verification, builder: EntryBuilder) -> EventContent:
    entry = builder.entry(Fact.ID_VERIFICATION, None, _attempt(body), body.by, body.notes)
    return EventContent(body.learner_id, None, (entry,))


def _data(record: Record, entry: Entry) -> dict[str, Any]:
    kind, _, attempt = entry.subject.partition(":")
    return {
        "learner_id": record.learner_id,
        "kind": kind,
        "attempt": attempt,
        "by": entry.by,
        "notes": entry.notes,
    }


@from_one_entry
def _approved_data(record: Record, entry: Entry) -> dict[str, Any]:
    return {**_data(record, entry), "expiration_date": as_time(entry.value.expires_at)}


def is_of_a_kind(entry: Entry) -> bool:
    """Whether an attempt is named by its kind; if not, it is one of the platform's own events."""
    return not entry.subject.isdecimal()


# fmt: off
VERIFICATION_APPROVED = event_type(
    "certificates.id_verification.approved.v1", "id_verification", _Approved, _approved,
    "ID-verified by this attempt of this kind, from now to the expiration date (null: no end).",
    export=Export(
        Fact.ID_VERIFICATION, _approved_data, lambda _record, entry: is_of_a_kind(entry) and bool(entry.value)
    ),
    strict=("attempt", "expiration_date"),
)
VERIFICATION_DENIED = event_type(
    "certificates.id_verification.denied.v1", "id_verification", _Verification, _denied,
    "This attempt of this kind counts no more.",
    export=Export(
        Fact.ID_VERIFICATION, from_one_entry(_data), lambda _record, entry: is_of_a_kind(entry) and not entry.value
    ),
    strict=("attempt",),
)
# fmt: on

ID_VERIFICATION_EVENTS: tuple[EventType, ...] = (VERIFICATION_APPROVED, VERIFICATION_DENIED)
