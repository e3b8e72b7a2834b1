"""Deliveries and the service's breaker in DynamoDB, as records.delivering wants its store."""

from collections.abc import Iterable
from datetime import datetime

from certrules.core.deliveries.breaker import ServiceBreaker
from certrules.core.deliveries.delivery import Delivery
from certrules.core.deliveries.desired import Owner, Target
from certrules.storage import LostRaceError
from certrules.storage.learner_records import (
    StoredBreaker,
    StoredDelivery,
    deliveries_of,
    due_deliveries,
    load_delivery,
    load_service_breaker,
    save_delivery,
    save_service_breaker,
)


class DynamoDeliveries:
    """The store of deliveries (records.delivering.DeliveryStore) in the records table."""

    def of(self, owner: Owner) -> list[StoredDelivery]:
        """Return all deliveries of an owner."""
        return deliveries_of(owner)

    def load(self, target: Target) -> StoredDelivery | None:
        """Return the delivery of a target."""
        return load_delivery(target)

    def save(self, delivery: Delivery, version: int) -> StoredDelivery | None:
        """Store a delivery if the stored one has this version. Return it as it is stored; None if it has another."""
        try:
            return save_delivery(delivery, version)
        except LostRaceError:
            return None

    def due(self, now: datetime, limit: int) -> Iterable[Owner]:
        """Return owners with a delivery whose `next_at` has come, the longest due first."""
        for due in due_deliveries(now, limit):
            if due.learner_id is not None:
                yield due.learner_id
            elif due.course_run is not None:
                yield due.course_run

    def load_breaker(self) -> StoredBreaker:
        """Return the breaker of the service."""
        return load_service_breaker()

    def save_breaker(self, breaker: ServiceBreaker, version: int) -> StoredBreaker | None:
        """Store the breaker if the stored one has this version. Return it as it is stored; None if it has another."""
        try:
            return save_service_breaker(breaker, version)
        except LostRaceError:
            return None
