"""Everybody with deliveries or certificates, page by page, and how far the comparison with the service has come."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from certrules.core.deliveries.desired import Kind, Owner, Target
from certrules.core.guard import PublishedCertificate
from certrules.formats.stored import decode_published
from certrules.storage.records_table import DELIVERY, RecordsItem, delivery_key, owner_of
from certrules.storage.tables import CONFIGURATION, Item, Pair, learner_of, optional, put_item

_COMPARISON = "COMPARISON", CONFIGURATION
_LEARNER = "L#"


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


class CertifiedRecord(NamedTuple):
    """A record with a published certificate."""

    pair: Pair
    published: PublishedCertificate
    place: OwnerPlace  # behind it, in the certificates table


def certified_page(start: OwnerPlace | None, limit: int) -> tuple[list[CertifiedRecord], OwnerPlace | None]:
    """Return a page of the records with a certificate, and the start of the next page (None: none).

    `limit` counts items of the certificates table, so a page may be empty. A Scan for each megabyte; not consistent.
    """
    after = None if start is None else {"p": {"S": start.p}, "s": {"S": start.s}}
    page = Item.scan(limit=limit, page_size=limit, last_evaluated_key=after, attributes_to_get=["p", "s", "c"])
    found = [
        CertifiedRecord(Pair(learner_of(item.p), item.s), decode_published(item.c)[0], OwnerPlace(item.p, item.s))
        for item in page
        if item.p.startswith(_LEARNER) and optional(item.c) is not None
    ]
    end = page.last_evaluated_key
    return found, None if end is None else OwnerPlace(end["p"]["S"], end["s"]["S"])


def delivered_of(pairs: Iterable[Pair]) -> set[Pair]:
    """Return those of whose course credential a delivery is stored: a request for 100. Not consistent."""
    by_key = {delivery_key(Target(Kind.COURSE, *pair)): pair for pair in pairs}
    return {by_key[item.p, item.s] for item in RecordsItem.batch_get(list(by_key), attributes_to_get=["p", "s"])}


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
