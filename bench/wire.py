"""What stands where the network would be: it answers botocore's requests at next to no cost, or lets them through."""

import json
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.handlers import BUILTIN_HANDLERS

type Answer = Callable[[str, bytes], bytes]
"""Takes the operation and the body of a request, and returns that of the response."""

type Request = tuple[str, dict[str, Any]]
"""An operation and its parameters."""


class _Body(BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """Answers the requests of all sessions that are made from now on."""

    def __init__(self) -> None:
        self.answer: Answer | None = None  # None: the request goes where it was to go
        BUILTIN_HANDLERS.append(("before-send", self._respond))

    def _respond(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        if self.answer is None:
            return None
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        body = _Body(self.answer(operation, cast("bytes", request.body)))
        return AWSResponse(request.url, 200, cast("Any", {}), body)


class Tables:
    """Tables that know keys and nothing else: enough to learn what a function asks for, and what it saves."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, ...], dict[str, Any]] = {}
        self.sent: list[Request] = []
        self.saving = True

    def answer(self, operation: str, body: bytes) -> bytes:
        """Answer a request, and note it."""
        request = json.loads(body)
        self.sent.append((operation, request))
        if operation == "BatchGetItem":
            found = {name: list(self.found(name, request["Keys"])) for name, request in request["RequestItems"].items()}
            return json.dumps({"Responses": found, "UnprocessedKeys": {}}).encode()
        if operation == "Query":
            return b'{"Items": [], "Count": 0, "ScannedCount": 0}'
        if self.saving:
            for put in puts(operation, request):
                self._items[_key(put["TableName"], put["Item"])] = put["Item"]
        return b"{}"

    def found(self, table: str, keys: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the items that are there."""
        for key in keys:
            item = self._items.get(_key(table, key))
            if item is not None:
                yield item


def puts(operation: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the contents that a request puts into tables."""
    if operation == "TransactWriteItems":
        return [item["Put"] for item in request["TransactItems"]]
    return [request] if operation == "PutItem" else []


def _key(table: str, item: dict[str, Any]) -> tuple[str, ...]:
    return table, item["p"]["S"], item["s"]["S"]
