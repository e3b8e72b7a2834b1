"""Counts what functions ask of AWS, and how long Lambda would run them, while they run in the local cloud."""

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, override

from botocore.client import BaseClient

from localcloud.functions import LocalFunction
from localcloud.replacements import replaced

LATENCY = 0.005
"""Seconds that a request to AWS takes beside the CPU of the function, as from a function in the same region."""

FULL_CORE = 1769
"""MB of memory from which a function has a whole core."""

TRANSACTION = "TransactWriteItems"
OF_TABLE, OF_INDEX = 2, 4
"""How often DynamoDB Local counts a transaction's writes: AWS bills an item twice, and an index as for any write."""

WRITES = {"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"}


class Log(io.StringIO):
    """A function's log, of which only the length counts."""

    size = 0  # bytes

    @override
    def write(self, text: str) -> int:
        self.size += len(text.encode())
        return len(text)


@dataclass(slots=True)
class Count:
    """What was asked of AWS."""

    requests: Counter[str] = field(default_factory=Counter)  # by operation
    read_units: float = 0
    write_units: float = 0
    bytes_written: int = 0  # of items, as JSON
    events_put: int = 0
    invocations: Counter[str] = field(default_factory=Counter)  # by function
    gb_seconds: float = 0
    log: Log = field(default_factory=Log)
    _depth: int = 0

    def sent(self, operation: str, parameters: dict[str, Any], answer: dict[str, Any]) -> None:
        """Count a request and what it consumed."""
        self.requests[operation] += 1
        self.events_put += len(parameters["Entries"]) if operation == "PutEvents" else 0
        consumed = answer.get("ConsumedCapacity", [])
        for table in consumed if isinstance(consumed, list) else [consumed]:
            if operation not in WRITES:
                self.read_units += table["CapacityUnits"]
                continue
            indexes = sum(index["CapacityUnits"] for index in table.get("GlobalSecondaryIndexes", {}).values())
            times = (OF_TABLE, OF_INDEX) if operation == TRANSACTION else (1, 1)
            self.write_units += (table["CapacityUnits"] - indexes) / times[0] + indexes / times[1]
        if operation in WRITES:
            self.bytes_written += sum(len(json.dumps(item)) for item in _items(parameters))

    @contextmanager
    def running(self, function: str, memory: int) -> Iterator[None]:
        """Count an invocation of a function of so many MB. What it invokes itself is a part of it."""
        self._depth += 1
        before, start = self.requests.total(), time.process_time()
        try:
            yield
        finally:
            self._depth -= 1
            cpu = (time.process_time() - start) * max(1, FULL_CORE / memory)
            waited = LATENCY * (self.requests.total() - before)
            if not self._depth:
                self.invocations[function] += 1
                self.gb_seconds += (cpu + waited) * memory / 1024

    @property
    def is_running(self) -> bool:
        """Whether a function runs: what is asked for outside is the bench's own."""
        return self._depth > 0


@contextmanager
def counting(count: Count) -> Iterator[None]:
    """Count what all functions of the local cloud do meanwhile."""
    call: Callable[..., Any] = vars(BaseClient)["_make_api_call"]  # where every request passes
    invoke = LocalFunction.invoke

    def counted(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if not count.is_running:
            return call(client, operation, parameters)
        if client.meta.service_model.service_name == "dynamodb":
            parameters = {**parameters, "ReturnConsumedCapacity": "INDEXES"}
        answer = call(client, operation, parameters)
        count.sent(operation, parameters, answer)
        return answer

    def invoked(function: LocalFunction, event: object) -> Any:
        with count.running(function.name, function.memory):
            return invoke(function, event)

    with ExitStack() as undo:
        undo.enter_context(replaced(BaseClient, "_make_api_call", counted))
        undo.enter_context(replaced(LocalFunction, "invoke", invoked))
        yield


def _items(fragment: Any) -> Iterator[Any]:
    """Yield the items in the parameters of a write, wherever they are."""
    if isinstance(fragment, dict):
        for name, part in fragment.items():
            if name == "Item":
                yield part
            else:
                yield from _items(part)
    elif isinstance(fragment, list):
        for part in fragment:
            yield from _items(part)
