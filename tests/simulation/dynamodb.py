"""A small DynamoDB in memory: the operations, conditions and key expressions that the storage code sends, no others.

It remembers when each item was written, so that reads that are not consistent can lag behind. A contract test holds
its answers against moto and against AWS's own engine.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zlib import crc32

type Value = dict[str, str]
"""A value as it is written: {"S": "text"} or {"N": "12"}."""

type Row = dict[str, Value]
type Key = tuple[str, str]

INDEXES: Mapping[str, tuple[str, str | None]] = {
    "learners": ("r", "p"),
    "certificate": ("i", None),
    "due": ("d", "t"),
    "invalidated": ("x", "p"),
    "pending": ("h", "s"),
}
"""The key attributes of the certificates table's indexes."""

PROJECTED = {"learners": ("y",)}
"""What indexes have beside keys."""

_LONGEST_LAG = timedelta(minutes=2)
_CLAUSE = re.compile(
    r"(?P<call>\w+) \((?P<of>[^(),]+)(?:, (?P<by>[^()]+))?\)|(?P<left>\S+) (?P<is>=|<=) (?P<right>\S+)"
)


class AwsError(Exception):
    """An error as AWS answers it; the caller sees it as botocore's ClientError."""

    def __init__(self, code: str, **more: Any) -> None:
        """Answer with this code, and more beside it."""
        super().__init__(code)
        self.code, self.more = code, more


class _Version(NamedTuple):
    at: datetime
    row: Row | None  # None: it did not exist


class Table:
    """The items of a table, with what they were a while ago."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._versions: dict[Key, list[_Version]] = {}
        self.rows: dict[Key, Row] = {}

    def put(self, row: Row) -> None:
        """Write an item."""
        key, now = key_of(row), self._now()
        versions = self._versions.setdefault(key, [_Version(datetime.min.replace(tzinfo=UTC), None)])
        versions.append(_Version(now, row))
        while len(versions) > 1 and versions[1].at < now - _LONGEST_LAG:
            versions.pop(0)
        self.rows[key] = row

    def seen(self, lag: timedelta) -> dict[Key, Row]:
        """Return the items as they were so long ago."""
        if not lag:
            return self.rows
        until = self._now() - lag
        found = {}
        for key, versions in self._versions.items():
            row = next((version.row for version in reversed(versions) if version.at <= until), None)
            if row is not None:
                found[key] = row
        return found


def key_of(row: Mapping[str, Value]) -> Key:
    """Return the key of an item."""
    return row["p"]["S"], row["s"]["S"]


class DynamoDb:
    """The tables. `written` is called for each item that is written, with its table's name: a stream."""

    def __init__(
        self,
        now: Callable[[], datetime],
        written: Callable[[str, Row], None],
        lag: Callable[[], timedelta],
        defect: str = "",
    ) -> None:
        """Start without items. `defect`: what it does not hold, to test whoever relies on it."""
        self._now = now
        self._written = written
        self._lag = lag
        self._tables: dict[str, Table] = {}
        self._tokens: set[str] = set()
        self._defect = defect

    def table(self, name: str) -> Table:
        """Return a table."""
        return self._tables.setdefault(name, Table(self._now))

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request. Raises AwsError."""
        match operation:
            case "GetItem":
                return self._get(params)
            case "BatchGetItem":
                return self._batch_get(params["RequestItems"])
            case "PutItem":
                return self._put_if_it_holds(params)
            case "TransactWriteItems":
                return self._transact(
                    [item["Put"] for item in params["TransactItems"]], params.get("ClientRequestToken")
                )
            case "BatchWriteItem":
                return self._batch_write(params["RequestItems"])
            case "Query":
                return self._query(params)
            case "Scan":
                return self._scan(params)
            case _:
                raise NotImplementedError(operation)

    def _get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        row = self.table(params["TableName"]).rows.get(key_of(params["Key"]))
        return {} if row is None else {"Item": dict(row)}

    def _put(self, put: Mapping[str, Any]) -> None:
        self.table(put["TableName"]).put(put["Item"])
        self._written(put["TableName"], put["Item"])

    def _put_if_it_holds(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if not self._holds(params):
            raise AwsError("ConditionalCheckFailedException")
        self._put(params)
        return {}

    def _holds(self, put: Mapping[str, Any]) -> bool:
        condition = put.get("ConditionExpression")
        row = self.table(put["TableName"]).rows.get(key_of(put["Item"]), {})
        return condition is None or self._defect == "conditions" or _test(condition, put)(row)

    def _transact(self, puts: list[Mapping[str, Any]], token: str | None) -> dict[str, Any]:
        if token is not None and token in self._tokens:
            return {}
        held = [self._holds(put) for put in puts]
        if not all(held):
            reasons = [{"Code": "None" if each else "ConditionalCheckFailed"} for each in held]
            raise AwsError("TransactionCanceledException", CancellationReasons=reasons)
        if token is not None:
            self._tokens.add(token)
        for put in puts[:1] if self._defect == "transactions" else puts:
            self._put(put)
        return {}

    def _batch_write(self, requests: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, Any]:
        for name, puts in requests.items():
            for put in puts:
                self._put({"TableName": name, "Item": put["PutRequest"]["Item"]})
        return {"UnprocessedItems": {}}

    def _batch_get(self, requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        answers = {}
        for name, request in requests.items():
            keys = [key_of(key) for key in request["Keys"]]
            if len(set(keys)) < len(keys) or len(keys) > 100:
                raise AwsError("ValidationException")
            table = self.table(name)
            rows = table.rows if request.get("ConsistentRead") else table.seen(self._lag())
            answers[name] = [_projected(rows[key], request) for key in keys if key in rows]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _query(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self.table(params["TableName"])
        rows = table.rows if params.get("ConsistentRead") else table.seen(self._lag())
        test = _test(params["KeyConditionExpression"], params)
        index = params.get("IndexName")
        if index is None:
            names: tuple[str, ...] = ("p", "s")
            found = [row for row in rows.values() if test(row)]
        else:
            hashed, ranged = INDEXES[index]
            names = tuple(dict.fromkeys(name for name in ("p", "s", hashed, ranged) if name))
            found = [
                {name: row[name] for name in (*names, *PROJECTED.get(index, ())) if name in row}
                for row in rows.values()
                if hashed in row and (ranged is None or ranged in row) and test(row)
            ]
        order = _order_of(None if index is None else INDEXES[index][1])
        return _page(sorted(found, key=order), names, order, params)

    def _scan(self, params: Mapping[str, Any]) -> dict[str, Any]:
        rows = self.table(params["TableName"]).seen(self._lag())
        segment, of = params.get("Segment", 0), params.get("TotalSegments", 1)
        found = [row for row in rows.values() if crc32(row["p"]["S"].encode()) % of == segment]

        def order(row: Row) -> Any:
            return crc32(row["p"]["S"].encode()), *key_of(row)

        return _page(sorted(found, key=order), ("p", "s"), order, params)


def _order_of(ranged: str | None) -> Callable[[Row], Any]:
    if ranged is None:
        return key_of
    if ranged == "t":
        return lambda row: (int(row["t"]["N"]), *key_of(row))
    return lambda row: (row[ranged]["S"], *key_of(row))


def _page(
    found: list[Row], names: tuple[str, ...], order: Callable[[Row], Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    start = params.get("ExclusiveStartKey")
    if start:
        found = [row for row in found if order(row) > order(start)]
    limit = params.get("Limit", len(found) + 1)
    page = found[:limit]
    answer: dict[str, Any] = {
        "Items": [_projected(row, params) for row in page],
        "Count": len(page),
        "ScannedCount": len(page),
    }
    if len(page) == limit:
        answer["LastEvaluatedKey"] = {name: page[-1][name] for name in names}
    return answer


def _projected(row: Row, params: Mapping[str, Any]) -> Row:
    projection = params.get("ProjectionExpression")
    if projection is None:
        return dict(row)
    wanted = [_name(name.strip(), params) for name in projection.split(",")]
    return {name: row[name] for name in wanted if name in row}


def _name(text: str, params: Mapping[str, Any]) -> str:
    name: str = params.get("ExpressionAttributeNames", {}).get(text, text)
    return name


def _test(expression: str, params: Mapping[str, Any]) -> Callable[[Mapping[str, Value]], bool]:
    """Return the test of a condition or of a key: clauses that all have to hold."""
    clauses = [_clause(clause.strip(), params) for clause in _clauses(expression)]
    return lambda row: all(clause(row) for clause in clauses)


def _clauses(expression: str) -> Iterable[str]:
    text = expression.strip()
    if text.startswith("(") and " AND " in text:
        text = text[1:-1]
    return text.split(" AND ")


def _clause(text: str, params: Mapping[str, Any]) -> Callable[[Mapping[str, Value]], bool]:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise NotImplementedError(text)
    values: Mapping[str, Value] = params.get("ExpressionAttributeValues", {})
    name = _name(found["of"] or found["left"], params)
    if found["call"] == "attribute_not_exists":
        return lambda row: name not in row
    value = values[found["by"] or found["right"]]
    if found["call"] == "begins_with":
        return lambda row: name in row and row[name]["S"].startswith(value["S"])
    if found["is"] == "=":
        return lambda row: row.get(name) == value
    return lambda row: name in row and int(row[name]["N"]) <= int(value["N"])
