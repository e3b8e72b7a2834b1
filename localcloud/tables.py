"""DynamoDB: moto's, but atomic under threads, and no slower with many items than with few."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, cast, override

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    DynamodbException,
    InvalidAttributeTypeError,
    ItemSizeTooLarge,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
    UpdateHashRangeKeyException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize

from localcloud.streams import LocalStreamShard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moto.dynamodb.models.table import SecondaryIndex

ItemKey = tuple[DynamoType, DynamoType | None]
Json = dict[str, Any]

LARGEST_TRANSACTION = 100
LARGEST_ITEM = 405_000  # bytes, as moto has measured it


class Attributes(LimitedSizeDict):
    """An item's attributes. Moto's would weigh all of them again for each one that is set."""

    _size: int | None = None  # unknown until first asked

    @override
    def __setitem__(self, name: str, value: Any) -> None:
        """Set an attribute. Raises ItemSizeTooLarge."""
        if self._size is None:
            self._size = sum(bytesize(n) + _weight(v) for n, v in self.items())
        before = bytesize(name) + _weight(self[name]) if name in self else 0
        size = self._size - before + bytesize(name) + _weight(value)
        if size > LARGEST_ITEM:
            raise ItemSizeTooLarge
        self._size = size
        dict.__setitem__(self, name, value)

    @override
    def __delitem__(self, name: str) -> None:
        """Remove an attribute."""
        self._size = None
        super().__delitem__(name)

    @override
    def pop(self, *args: Any) -> Any:
        """Remove an attribute and return it."""
        self._size = None
        return super().pop(*args)


def _weight(value: Any) -> int:
    return value.size() if isinstance(value, DynamoType) else bytesize(str(value))


class LocalTable(Table):
    """A table that finds an item, a partition or an index's partition without looking at the others.

    An item that is in the table is never changed in place: a write puts another in its stead. So what
    was read once stays as it was, and the stream may hold it.
    """

    in_transaction = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._partitions: dict[str, dict[tuple[DynamoType, ...], dict[ItemKey, Item]]] = {}
        self._candidates: list[Item] | None = None
        super().__init__(*args, **kwargs)

    @override
    def set_stream_specification(self, streams: dict[str, Any] | None) -> None:
        """Start or stop the stream. There is a shard in any case: it gets every write."""
        super().set_stream_specification(streams)
        self.stream_shard = LocalStreamShard(self.account_id, self)

    @override
    def put_item(self, item_attrs: Json, *args: Any, **kwargs: Any) -> Item:
        """Put an item. Raises for a key of the wrong type, also of an index, which moto doesn't look at."""
        types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in self.attr}
        for name in types.keys() & item_attrs.keys():
            if types[name] not in item_attrs[name]:
                raise InvalidAttributeTypeError(name, types[name], next(iter(item_attrs[name])))
        return super().put_item(item_attrs, *args, **kwargs)

    @property
    def changes(self) -> LocalStreamShard:
        """The stream's shard."""
        return cast("LocalStreamShard", self.stream_shard)

    def key_of(self, item: Item) -> Json:
        """Return the item's key attributes as DynamoDB JSON."""
        return {name: item.attrs[name].to_json() for name in self.table_key_attrs}

    def find(self, key: ItemKey) -> Item | None:
        """Return the item with this key, unless there is none."""
        return self.get_item(*key)

    def replace(self, key: ItemKey, item: Item | None) -> None:
        """Put the item (None: nothing) in place of the one with this key, without a stream record."""
        hash_key, range_key = key
        if item is None:
            if range_key is None:
                self.items.pop(hash_key, None)
            else:
                self.items[hash_key].pop(range_key, None)
        elif range_key is None:
            self.items[hash_key] = item  # type: ignore[assignment]
        else:
            self.items[hash_key][range_key] = item

    def publish(self, before: Item | None, after: Item | None) -> None:
        """Apply a change to the indexes and the stream. One that changes nothing is left out."""
        if before is None and after is None:
            return
        if before is not None and after is not None and before.attrs == after.attrs:
            return
        for index in self.all_indexes():
            if index.name in self._partitions:
                self._move(index, before, after)
        if self.stream_specification and self.stream_specification["StreamEnabled"]:
            self.changes.append(before, after)

    @contextmanager
    def narrowed(self, hash_key: Json | None, index_name: str | None, conditions: Json) -> Iterator[None]:
        """Make all_items return one partition's items for a while, for a query.

        `conditions` are the values of an index's partition key by attribute name.
        """
        if index_name is None:
            found: Any = self.items.get(DynamoType(hash_key), {}) if hash_key else {}
            self._candidates = list(found.values()) if self.has_range_key else [found] if found else []
        elif index := next((index for index in self.all_indexes() if index.name == index_name), None):
            partition = tuple(DynamoType(conditions[n]) for n in _hash_names(index) if n in conditions)
            self._candidates = list(self._index_partitions(index).get(partition, {}).values())
        try:
            yield
        finally:
            self._candidates = None

    @override
    def all_items(self) -> list[Item]:
        """Return all items in the order of their keys; during a query only those that may fit."""
        return super().all_items() if self._candidates is None else self._candidates

    def _index_partitions(self, index: SecondaryIndex) -> dict[tuple[DynamoType, ...], dict[ItemKey, Item]]:
        """Return the index by partition; it is built on first use."""
        if index.name not in self._partitions:
            self._partitions[index.name] = {}
            for item in super().all_items():
                self._move(index, None, item)
        return self._partitions[index.name]

    def _move(self, index: SecondaryIndex, before: Item | None, after: Item | None) -> None:
        partitions = self._partitions[index.name]
        if before is not None and (partition := _partition(index, before)):
            del partitions[partition][before.hash_key, before.range_key]
        if after is not None and (partition := _partition(index, after)):
            partitions.setdefault(partition, {})[after.hash_key, after.range_key] = after


def _hash_names(index: SecondaryIndex) -> list[str]:
    return [key["AttributeName"] for key in index.schema if key["KeyType"] == "HASH"]


def _partition(index: SecondaryIndex, item: Item) -> tuple[DynamoType, ...] | None:
    """Return the item's partition in the index; None for an item that isn't in it."""
    if all(key["AttributeName"] in item.attrs for key in index.schema):
        return tuple(item.attrs[name] for name in _hash_names(index))
    return None


class LocalDynamoDB(DynamoDBBackend):
    """The DynamoDB backend: every operation is alone under one lock, and whole or not at all."""

    __module__ = DynamoDBBackend.__module__  # beside it, moto looks for the service's addresses

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._alone = RLock()

    def table(self, name: str) -> LocalTable:
        """Return this table. Raises moto's ResourceNotFoundException."""
        return cast("LocalTable", self.get_table(name))

    @override
    def get_item(self, *args: Any, **kwargs: Any) -> Item | None:
        """Read one item."""
        with self._alone:
            return super().get_item(*args, **kwargs)

    @override
    def query(self, table_name: str, hash_key_dict: Json | None, *args: Any, **kwargs: Any) -> Any:
        """Read items of one partition of a table or index."""
        conditions = dict(kwargs.get("hash_key_conditions") or [])
        table = self.table(table_name)
        with self._alone, table.narrowed(hash_key_dict, kwargs.get("index_name"), conditions):
            return super().query(table_name, hash_key_dict, *args, **kwargs)

    @override
    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """Read all items."""
        with self._alone:
            return super().scan(*args, **kwargs)

    @override
    def put_item(self, *args: Any, **kwargs: Any) -> Item:
        """Write one item; moto looks at the condition first."""
        with self._alone:
            return super().put_item(*args, **kwargs)

    @override
    def delete_item(self, *args: Any, **kwargs: Any) -> Item | None:
        """Delete one item; moto looks at the condition first."""
        with self._alone:
            return super().delete_item(*args, **kwargs)

    @override
    def update_item(self, table_name: str, key: Json, *args: Any, **kwargs: Any) -> Item:
        """Change one item, or leave it quite as it was if that fails."""
        with self._alone:
            table = self.table(table_name)
            with self._all_or_nothing([(table, self.get_keys_value(table, key))]):
                return super().update_item(table_name, key, *args, **kwargs)

    @override
    def transact_write_items(self, transact_items: list[Json]) -> None:
        """Make all these changes, or none and raise TransactionCanceledException with all reasons.

        Moto would copy every table for it, to be able to go back.
        """
        if len(transact_items) > LARGEST_TRANSACTION:
            raise TooManyTransactionsException
        if any(len(entry) > 1 for entry in transact_items):
            raise TransactWriteSingleOpException
        with self._alone:
            operations = [_Operation.of(self, *next(iter(entry.items()))) for entry in transact_items]
            targets = [(operation.table, operation.key) for operation in operations]
            if len({(table.name, key) for table, key in targets}) < len(targets):
                raise MultipleTransactionsException
            with self._all_or_nothing(targets):
                reasons = [operation.attempt(self) for operation in operations]
                if any(code for code, _, _ in reasons):
                    raise TransactionCanceledException(reasons)

    @contextmanager
    def _all_or_nothing(self, targets: Iterable[tuple[LocalTable, ItemKey]]) -> Iterator[None]:
        """Undo all changes to these items if the block fails; else publish each item's change, once."""
        before = [(table, key, table.find(key)) for table, key in targets]
        for table, key, item in before:
            table.in_transaction = True
            if item is not None:
                # Moto updates in place, so it gets a copy.
                table.replace(key, deepcopy(item))
        try:
            yield
        except BaseException:
            for table, key, item in before:
                table.replace(key, item)
            raise
        else:
            for table, key, item in before:
                after = table.find(key)
                if item is not None and after is not None and after.attrs == item.attrs:
                    table.replace(key, item)
                else:
                    table.publish(item, after)
        finally:
            for table, _, _ in before:
                table.in_transaction = False


@dataclass(frozen=True, slots=True)
class _Operation:
    """One part of a transaction."""

    kind: str
    table: LocalTable
    key: ItemKey
    request: Json

    @classmethod
    def of(cls, backend: LocalDynamoDB, kind: str, request: Json) -> _Operation:
        """Read the request. Raises for a table or a key that isn't there."""
        table = backend.table(request["TableName"])
        attributes = request["Item" if kind == "Put" else "Key"]
        missing = [name for name in table.table_key_attrs if name not in attributes]
        if missing:
            raise MockValidationException(
                f"One or more parameter values were invalid: Missing the key {missing[0]} in the item"
                if kind == "Put"
                else "The provided key element does not match the schema"
            )
        return cls(kind, table, backend.get_keys_value(table, attributes), request)

    def attempt(self, backend: LocalDynamoDB) -> tuple[str | None, str | None, Json | None]:
        """Make this change; the answer is the reason for cancelling the transaction, if any."""
        name, request = self.table.name, self.request
        names = request.get("ExpressionAttributeNames")
        values = request.get("ExpressionAttributeValues")
        current = self.table.find(self.key)
        condition = get_filter_expression(request.get("ConditionExpression"), names, values)
        if not condition.expr(current):
            shown = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and current is not None
            item = current.to_json()["Attributes"] if shown and current is not None else None
            return "ConditionalCheckFailed", "The conditional request failed", item
        try:
            if self.kind == "Put":
                backend.put_item(name, request["Item"])
            elif self.kind == "Delete":
                backend.delete_item(name, request["Key"])
            elif self.kind == "Update":
                DynamoDBBackend.update_item(
                    backend, name, request["Key"], request["UpdateExpression"], names or {}, values or {}
                )
        except (InvalidAttributeTypeError, UpdateHashRangeKeyException) as error:
            return "ValidationError", error.message, None
        except MockValidationException:
            raise
        except DynamodbException as error:
            return type(error).__name__, error.message, None
        return None, None, None
