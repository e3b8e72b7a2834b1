"""Support's own items: receipts of publications, and notes of what people asked for."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from certrules.storage.tables import Pair, SupportItem, learner_key, put_item


def save_receipts(receipts: Mapping[str, str]) -> None:
    """Save the receipts (JSON) of published history items, by their keys "<p>#<s>". Raises PynamoDB's errors."""
    with SupportItem.batch_write() as batch:
        for key, body in receipts.items():
            learner, number, rest = key.split("#", 2)
            batch.save(SupportItem(f"{learner}#{number}", rest, b=body))


def receipts_of(pair: Pair) -> dict[str, str]:
    """Return the receipts of a certificate's history, by the sort key of each item."""
    items = SupportItem.query(learner_key(pair.learner_id), SupportItem.s.startswith(f"{pair.course_run}#"))
    return {item.s: item.b for item in items}


def receipts(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the keys among these that have a receipt, consistently."""
    return {
        (item.p, item.s) for item in SupportItem.batch_get(keys, consistent_read=True, attributes_to_get=["p", "s"])
    }


def find_note(kind: str, name: str) -> SupportItem:
    """Return the note of this kind and name, consistently; a new one if there is none."""
    try:
        return SupportItem.get(kind, name, consistent_read=True)
    except SupportItem.DoesNotExist:
        return SupportItem(kind, name)


def save_note(item: SupportItem, body: object, expires_at: datetime | None = None) -> None:
    """Save a note with this body, as JSON. Raises LostRaceError if it was saved by another writer since."""
    item.b = msgspec.json.encode(body).decode()
    item.ttl = None if expires_at is None else int(expires_at.timestamp())
    put_item(item)


def notes_of(kind: str) -> list[SupportItem]:
    """Return the notes of a kind, by their names."""
    return list(SupportItem.query(kind, consistent_read=True))
