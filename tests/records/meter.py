"""What DynamoDB is asked for, by its own count: requests by operation, units read and written."""

from collections import Counter
from threading import Lock
from typing import Any

from certrules.storage.tables import shared_connection

WRITES = {"PutItem", "TransactWriteItems", "BatchWriteItem", "DeleteItem"}
COUNTED_TWICE = {"TransactWriteItems": 2}
"""DynamoDB Local counts 4 units a KB where a transaction costs 2, as AWS documents it and bills it."""


class Meter:
    """Counts the requests of the tables' client, which has to be connected before; `enabled` switches it off."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self.read = self.written = 0.0
        self.enabled = True
        self._lock = Lock()
        events = shared_connection().client.meta.events
        events.register("before-parameter-build.dynamodb", self._ask)
        events.register("after-call.dynamodb", self._count)

    def reset(self) -> None:
        """Begin at zero."""
        self.operations.clear()
        self.read = self.written = 0.0

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if not model.name.endswith("Table"):
            params["ReturnConsumedCapacity"] = "TOTAL"

    def _count(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if not self.enabled or model.name.endswith("Table"):
            return
        consumed = parsed.get("ConsumedCapacity", [])
        units = sum(one["CapacityUnits"] for one in (consumed if isinstance(consumed, list) else [consumed]))
        with self._lock:
            self.operations[model.name] += 1
            if model.name in WRITES:
                self.written += units / COUNTED_TWICE.get(model.name, 1)
            else:
                self.read += units
