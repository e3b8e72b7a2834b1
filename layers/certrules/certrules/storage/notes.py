"""Support's own items: receipts of publications, and notes of what people asked for."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from certrules.storage.tables import Pair, SupportItem, learner_key, put_item


def save_receipts(receipts: Mapping[str, str]) -> None:
    """Note of history items ("<p>#<s>") that they were published, and how: JSON. Raises PynamoDB's errors."""
    with SupportItem.batch_write() as batch:
        for key, body in receipts.items():
            learner, number, rest = key.split("#", 2)
            batch.save(SupportItem(f"{learner}#{number}", rest, b=body))


def receipts_of(pair: Pair) -> dict[str, str]:
    """Return what was noted of the publication of a certificate's history, by the key of each item."""
    items = SupportItem.query(learner_key(pair.learner_id), SupportItem.s.startswith(f"{pair.course_run}#"))
    return {item.s: item.b for item in items}


def receipts(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return of which of these items of history (by their keys) it was noted that they were published."""
    return {
        (item.p, item.s) for item in SupportItem.batch_get(keys, consistent_read=True, attributes_to_get=["p", "s"])
    }


def find_note(kind: str, name: str) -> SupportItem:
    """Return support's note of this name, a new one if there is none; consistently."""
    try:
        return SupportItem.get(kind, name, consistent_read=True)
    except SupportItem.DoesNotExist:
        return SupportItem(kind, name)


def save_note(item: SupportItem, body: object, expires_at: datetime | None = None) -> None:
    """Save support's note, as JSON. Raises LostRaceError if somebody else did meanwhile."""
    item.b = msgspec.json.encode(body).decode()
    item.ttl = None if expires_at is None else int(expires_at.timestamp())
    put_item(item)


def notes_of(kind: str) -> list[SupportItem]:
    """Return support's notes of a kind, by their names."""
    return list(SupportItem.query(kind, consistent_read=True))
