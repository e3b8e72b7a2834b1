"""Models of strings, whole numbers and bytes only, read and written at once.

PynamoDB asks each attribute of an item how it is read and written, and whether it is part of another one.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self, override

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.attributes import Attribute, BinaryAttribute, NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.exceptions import PutError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

BATCH_GET_KEYS = 100
"""How many items DynamoDB reads in one request."""

_OWN_CONDITION = "an item is written under the condition of its version, and no other"


def _plain[KindT: Attribute[Any]](kind: type[KindT]) -> type[KindT]:
    """Return this kind of attribute for models whose attributes have the names that they are stored under."""

    def get(attribute: KindT, item: Any, _owner: object) -> Any:
        return attribute if item is None else item.attribute_values.get(attribute.attr_path[0])

    return type(kind.__name__, (kind,), {"__get__": get})


Text = _plain(UnicodeAttribute)
Whole = _plain(NumberAttribute)
Bytes = _plain(BinaryAttribute)
_Version = _plain(VersionAttribute)


class PlainItem(Model):
    """An item of such attributes."""

    p = Text(hash_key=True)
    s = Text(range_key=True)

    @classmethod
    @override
    def batch_get(
        cls,
        items: Iterable[Any],
        consistent_read: bool | None = None,
        attributes_to_get: Iterable[str] | None = None,
    ) -> Iterator[Self]:
        """Yield the items of these keys that are stored: one request for 100."""
        table, connection = cls.Meta.table_name, cls._get_connection().connection
        how: dict[str, Any] = {"ConsistentRead": bool(consistent_read)}
        if attributes_to_get is not None:
            how["ProjectionExpression"] = ", ".join(attributes_to_get)
        left = [{"p": {"S": p}, "s": {"S": s}} for p, s in dict.fromkeys(items)]
        while left:
            asked = {table: {**how, "Keys": left[:BATCH_GET_KEYS]}}
            answer = connection.dispatch("BatchGetItem", {"RequestItems": asked})
            yield from map(cls.from_raw_data, answer["Responses"][table])
            left = [*answer["UnprocessedKeys"].get(table, {}).get("Keys", ()), *left[BATCH_GET_KEYS:]]

    @classmethod
    @override
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Return an item as it was read."""
        item = cls.__new__(cls)  # there are no defaults to set
        item.attribute_values = {
            name: int(value["N"]) if "N" in value else value["S"] if "S" in value else value["B"]
            for name, value in data.items()
        }
        return item

    @classmethod
    def new(cls, p: str, s: str) -> Self:
        """Return an item that is not stored yet."""
        item = cls.__new__(cls)
        item.attribute_values = {"p": p, "s": s}
        return item

    @override
    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Return the item in its written form, without attributes that are None."""
        known = ((name, value) for name, value in self.attribute_values.items() if value is not None)
        return {
            name: {"S": value} if isinstance(value, str) else {"B" if isinstance(value, bytes) else "N": _raw(value)}
            for name, value in known
        }

    @override
    def get_save_kwargs_from_instance(
        self, condition: Condition | None = None, return_values_on_condition_failure: str | None = None
    ) -> dict[str, Any]:
        """Return the parameters of a request that writes the item. Raises TypeError for a condition."""
        if condition is not None:
            raise TypeError(_OWN_CONDITION)
        return {"TableName": self.Meta.table_name, "Item": self.serialize()}

    @override
    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> dict[str, Any]:
        """Write the item: one request. Raises PutError; TypeError for a condition, or without its own."""
        if not add_version_condition:
            raise TypeError(_OWN_CONDITION)
        parameters = self.get_save_kwargs_from_instance(condition)
        try:
            answer = self._get_connection().connection.dispatch("PutItem", parameters)
        except (BotoCoreError, ClientError) as error:
            raise PutError(f"Failed to put item: {error}", error) from error
        self.update_local_version_attribute()  # type: ignore[no-untyped-call]
        return answer


def _raw(value: int | bytes) -> str | bytes:
    return value if isinstance(value, bytes) else str(value)


class VersionedItem(PlainItem):
    """An item that is saved only if nobody has saved it since it was read."""

    v = _Version()

    @override
    def get_save_kwargs_from_instance(
        self, condition: Condition | None = None, return_values_on_condition_failure: str | None = None
    ) -> dict[str, Any]:
        """Return the parameters of a request that writes the item, with its next version, if it is unchanged."""
        parameters = super().get_save_kwargs_from_instance(condition)
        version = self.attribute_values.get("v")
        parameters["Item"]["v"] = {"N": str((version or 0) + 1)}
        parameters["ExpressionAttributeNames"] = {"#0": "v"}
        if version is None:
            return {**parameters, "ConditionExpression": "attribute_not_exists (#0)"}
        known = {":0": {"N": str(version)}}
        return {**parameters, "ConditionExpression": "#0 = :0", "ExpressionAttributeValues": known}
