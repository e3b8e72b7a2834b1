"""Everybody with deliveries, page by page, and how far the comparison with the service has come."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from certrules.core.deliveries.desired import Owner
from certrules.storage.records_table import DELIVERY, RecordsItem, owner_of
from certrules.storage.tables import CONFIGURATION, optional, put_item

_COMPARISON = "COMPARISON", CONFIGURATION


class OwnerPlace(NamedTuple):
    """Where a page of owners starts: behind this item of the table."""

    p: str
    s: str


def owners_page(start: OwnerPlace | None, limit: int) -> tuple[list[tuple[Owner, OwnerPlace]], OwnerPlace | None]:
    """Return owners of deliveries, each with the place behind, and the start of the next page (None: none).

    Each owner is in one page. `limit` counts items of the table, so a page may be empty. One request, a Scan.
    """
    after = None if start is None else {"p": {"S": start.p}, "s": {"S": start.s}}
    found = RecordsItem.scan(limit=limit, page_size=limit, last_evaluated_key=after, attributes_to_get=["p", "s"])
    owners = list(_owners(found, start))
    end = found.last_evaluated_key
    return owners, None if end is None else OwnerPlace(end["p"]["S"], end["s"]["S"])


def _owners(items: Iterator[RecordsItem], start: OwnerPlace | None) -> Iterator[tuple[Owner, OwnerPlace]]:
    """Yield the owners of items but the one with whom the page before has ended: the items of each are adjacent."""
    for p, of_one in groupby(items, lambda item: item.p):
        names = [item.s for item in of_one]
        if names[0].startswith(DELIVERY) and (start is None or start.p != p):
            yield owner_of(p), OwnerPlace(p, names[-1])


class StoredComparison(NamedTuple):
    """How far the comparison of all owners has come."""

    item: RecordsItem
    text: str | None  # JSON; None: none was ever begun


def load_comparison() -> StoredComparison:
    """Read how far the comparison has come, consistently."""
    found = RecordsItem.batch_get([_COMPARISON], consistent_read=True)
    item = next(iter(found), None) or RecordsItem(*_COMPARISON)
    return StoredComparison(item, optional(item.e))


def save_comparison(stored: StoredComparison, text: str) -> None:
    """Save how far the comparison has come: one request. Raises LostRaceError."""
    stored.item.e = text
    put_item(stored.item)
