"""Deliveries in memory, as a table stores them: conditional saves, and consistent reads."""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Lock

from certrules.core.deliveries.breaker import CLOSED, ServiceBreaker
from certrules.core.deliveries.delivery import Delivery, first_wanted, wanted
from certrules.core.deliveries.desired import Desired, Owner, Target
from certrules.formats.stored_deliveries import read_delivery, write_delivery
from certrules.storage.learner_records import StoredBreaker, StoredDelivery


class MemoryStore:
    """The store of deliveries (records.delivering.DeliveryStore) for tests. It counts reads and writes."""

    def __init__(self) -> None:
        self.stored: dict[Owner, dict[Target, StoredDelivery]] = {}
        self.breaker = StoredBreaker(CLOSED, 0)
        self.reads = 0
        self.writes = 0
        self.before_save: Callable[[Delivery], None] = lambda _delivery: None
        self._lock = Lock()

    def of(self, owner: Owner) -> list[StoredDelivery]:
        with self._lock:
            self.reads += 1
            return list(self.stored.get(owner, {}).values())

    def load(self, target: Target) -> StoredDelivery | None:
        with self._lock:
            self.reads += 1
            return self.stored.get(target.owner, {}).get(target)

    def save(self, delivery: Delivery, version: int) -> StoredDelivery | None:
        self.before_save(delivery)
        delivery = read_delivery(delivery.target, write_delivery(delivery))  # as it is at rest
        with self._lock:
            self.writes += 1
            found = self.stored.get(delivery.target.owner, {}).get(delivery.target)
            if (0 if found is None else found.version) != version:
                return None
            saved = StoredDelivery(delivery, version + 1)
            self.stored.setdefault(delivery.target.owner, {})[delivery.target] = saved
            return saved

    def due(self, now: datetime, limit: int) -> Iterable[Owner]:
        with self._lock:
            self.reads += 1
            found = [
                (min(times), str(owner), owner)
                for owner, items in self.stored.items()
                if (times := [at for item in items.values() if (at := item.delivery.next_at) is not None and at <= now])
            ]
        return [owner for _, _, owner in heapq.nsmallest(limit, found)]

    def load_breaker(self) -> StoredBreaker:
        self.reads += 1
        return self.breaker

    def save_breaker(self, breaker: ServiceBreaker, version: int) -> StoredBreaker | None:
        with self._lock:
            self.writes += 1
            if self.breaker.version != version:
                return None
            self.breaker = StoredBreaker(breaker, version + 1)
            return self.breaker

    def want(self, target: Target, desired: Desired, number: int, now: datetime) -> None:
        """Store a new desired state, as whoever decides it does."""
        while True:
            found = self.load(target)
            if found is None:
                saved = self.save(first_wanted(target, desired, number, now), 0)
            else:
                saved = self.save(wanted(found.delivery, desired, number, now), found.version)
            if saved is not None:
                return

    def deliveries(self) -> list[Delivery]:
        """Return all deliveries."""
        with self._lock:
            return [item.delivery for items in self.stored.values() for item in items.values()]

    def first_due(self) -> datetime | None:
        """Return when something is due next."""
        return min((at for delivery in self.deliveries() if (at := delivery.next_at) is not None), default=None)
