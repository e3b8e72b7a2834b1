"""The rights of a function's role: each call is refused here that AWS would refuse.

The session token names the caller, as in Lambda: each function's clients have a token of their own.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.client import BaseClient
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Json = dict[str, Any]

TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket"}

_make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined] # noqa: SLF001 - where all clients call AWS


class Need(NamedTuple):
    """One thing that a call needs to be allowed."""

    action: str
    resource: str  # the last part of its ARN: table/NAME, NAME of a queue, BUCKET/KEY; "" where the call names none
    prefix: str = ""  # of keys, in a bucket


class Roles:
    """The roles of a stack's functions, by the session tokens of these. One of which nothing is known may do all."""

    def __init__(self) -> None:
        self._allowed: dict[str, list[Json]] = {}
        self.allows = lru_cache(maxsize=10_000)(self._allows)  # the same calls are made again and again

    def give(self, token: str, role: Json) -> None:
        """Let a function have a role (resolved properties); what AWS's own managed policies allow isn't known here."""
        if not role.get("ManagedPolicyArns"):
            documents = [policy["PolicyDocument"] for policy in role.get("Policies", ())]
            self._allowed[token] = [item for document in documents for item in _list(document["Statement"])]

    def function(self) -> Callable[[Any, str, Json], Any]:
        """Return the replacement of botocore's method."""

        def call(client: Any, operation: str, request: Json) -> Any:
            return self._call(client, operation, request)

        return call

    def _call(self, client: Any, operation: str, request: Json) -> Any:
        """Make a client's call if its role allows it. Raises AWS's AccessDenied."""
        credentials = client._request_signer._credentials  # noqa: SLF001 - the credentials that sign the call
        token = credentials.token if credentials else None
        if token not in self._allowed:
            return _make_api_call(client, operation, request)
        for need in needs(client.meta.service_model.service_name, operation, request):
            self._demand(token, need, operation)
        try:
            return _make_api_call(client, operation, request)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:  # only a caller who may list gets this answer
                self._demand(token, Need("s3:ListBucket", request["Bucket"], request["Key"]), operation)
            raise

    def _demand(self, token: str, need: Need, operation: str) -> None:
        if not self.allows(token, need):
            code = "AccessDenied" if need.action.startswith("s3:") else "AccessDeniedException"
            message = f"{token} is not authorized to perform: {need.action} on resource: {need.resource}"
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)

    def _allows(self, token: str, need: Need) -> bool:
        return any(_covers(statement, need) for statement in self._allowed[token])


def _covers(statement: Json, need: Need) -> bool:
    return (
        statement["Effect"] == "Allow"
        and any(fnmatchcase(need.action.lower(), action.lower()) for action in _list(statement["Action"]))
        and any(_names(resource, need.resource) for resource in _list(statement["Resource"]))
        and all(
            operator == "StringLike"
            and key == "s3:prefix"
            and any(fnmatchcase(need.prefix, one) for one in _list(like))
            for operator, condition in statement.get("Condition", {}).items()
            for key, like in condition.items()
        )
    )


def _names(arn: str, resource: str) -> bool:
    request = resource.split(":", 5)[-1] if resource.startswith("arn:") else resource
    return not request or fnmatchcase(request, arn.split(":", 5)[-1])


def needs(service: str, operation: str, request: Json) -> Iterator[Need]:
    """Yield the rights that a call needs."""
    if service == "dynamodb":
        yield from _of_tables(operation, request)
    elif service == "s3":
        action = f"s3:{S3_ACTIONS.get(operation, operation)}"
        yield Need(
            action, "/".join(request[part] for part in ("Bucket", "Key") if part in request), request.get("Prefix", "")
        )
    elif service == "sqs":
        yield Need(f"sqs:{operation.removesuffix('Batch')}", request["QueueUrl"].rpartition("/")[2])
    elif service == "events":
        buses = {entry.get("EventBusName", "default") for entry in request.get("Entries", [request])}
        yield from (Need(f"events:{operation}", bus if ":" in bus else f"event-bus/{bus}") for bus in sorted(buses))
    else:
        arn = request.get("stateMachineArn") or request.get("executionArn") or ""  # a task's token names no machine
        yield Need(f"{'states' if service == 'stepfunctions' else service}:{operation}", arn)


def _of_tables(operation: str, request: Json) -> Iterator[Need]:
    if operation.startswith("Batch"):
        yield from (_of_table(operation, table) for table in request["RequestItems"])
    elif operation.startswith("Transact"):
        items = {(kind, item["TableName"]) for items in request["TransactItems"] for kind, item in items.items()}
        yield from (_of_table(TRANSACTED.get(kind, "GetItem"), table) for kind, table in sorted(items))
    else:
        index = f"/index/{request['IndexName']}" if request.get("IndexName") else ""
        yield _of_table(operation, f"{request['TableName']}{index}")


def _of_table(operation: str, table: str) -> Need:
    return Need(f"dynamodb:{operation}", f"table/{table}")


def _list(one_or_more: Any) -> Iterable[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]
