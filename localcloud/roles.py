"""The rights of a caller: each call is refused here that AWS would refuse, by the caller's role or by the bus's policy.

The session token names the caller, as in Lambda: each function's clients have a token of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from localcloud.policies import checked, holds, is_about, is_of, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from localcloud.policies import Context

Json = dict[str, Any]

TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket"}
EVENT_KEYS = {"Source": "events:source", "DetailType": "events:detail-type"}

_make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined] # noqa: SLF001 - where all clients call AWS


class Need(NamedTuple):
    """One thing that a call needs to be allowed."""

    action: str
    resource: str  # the last part of its ARN: table/NAME, NAME of a queue, BUCKET/KEY; "" where the call names none
    context: tuple[tuple[str, str], ...] = ()  # condition keys of AWS, with their values


class Roles:
    """The roles of a stack's functions, by the session tokens of these, and the policies of its buses.

    A caller of which nothing is known may do all. One whose token is the ARN of a principal may do what no bus denies
    it; a principal of another account puts events only where a bus allows it.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._allowed: dict[str, list[Json]] = {}
        self._arns: dict[str, str] = {}
        self._bus_policies: list[Json] = []
        self.allows = lru_cache(maxsize=10_000)(self._allows)  # the same calls are made again and again

    def read(
        self, functions: Iterable[str], resources: Json, policies: Iterable[Json], value: Callable[[Any], Any]
    ) -> None:
        """Give functions their roles in a template's resources, and enforce its buses' policies; `value` resolves."""
        for name in functions:
            role = resources[name]["Properties"]["Role"]
            if isinstance(role, dict) and "Fn::GetAtt" in role:  # one of the stack's own
                self.give(name, value(resources[role["Fn::GetAtt"][0]]["Properties"]), value(role))
        for policy in policies:
            self.guard_bus(value(policy["Properties"]))

    def give(self, token: str, role: Json, arn: str) -> None:
        """Let a function have a role (resolved properties); what AWS's own managed policies allow isn't known here."""
        self._arns[token] = arn
        if not role.get("ManagedPolicyArns"):
            documents = [policy["PolicyDocument"] for policy in role.get("Policies", ())]
            statements = (item for document in documents for item in listed(document["Statement"]))
            self._allowed[token] = checked(filter(None, statements), arn)  # a condition's AWS::NoValue is none

    def guard_bus(self, policy: Json) -> None:
        """Enforce a statement of a bus's policy (resolved properties)."""
        self._bus_policies += checked([policy["Statement"]], policy["StatementId"])

    def function(self) -> Callable[[Any, str, Json], Any]:
        """Return the replacement of botocore's method."""

        def call(client: Any, operation: str, request: Json) -> Any:
            return self._call(client, operation, request)

        return call

    def _call(self, client: Any, operation: str, request: Json) -> Any:
        """Make a client's call if it is allowed. Raises AWS's AccessDenied."""
        credentials = client._request_signer._credentials  # noqa: SLF001 - the credentials that sign the call
        token = credentials.token if credentials else None
        if token is None or not (token in self._arns or token.startswith("arn:")):
            return _make_api_call(client, operation, request)
        for need in needs(client.meta.service_model.service_name, operation, request):
            self._demand(token, need, operation)
        try:
            return _make_api_call(client, operation, request)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:  # only a caller who may list gets this answer
                listing = Need("s3:ListBucket", request["Bucket"], (("s3:prefix", request["Key"]),))
                self._demand(token, listing, operation)
            raise

    def _demand(self, token: str, need: Need, operation: str) -> None:
        if not self.allows(token, need):
            code = "AccessDenied" if need.action.startswith("s3:") else "AccessDeniedException"
            message = f"{token} is not authorized to perform: {need.action} on resource: {need.resource}"
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)

    def _allows(self, token: str, need: Need) -> bool:
        arn = self._arns.get(token, token)
        account = arn.split(":")[4]
        context: Context = {key: (value,) for key, value in need.context}
        context |= {"aws:principalarn": (arn,), "aws:principalaccount": (account,), "aws:securetransport": ("true",)}
        by_role = _effects(self._allowed[token], need, context) if token in self._allowed else {"Allow"}
        about = [statement for statement in self._bus_policies if is_of(statement, arn)]
        by_bus = _effects(about, need, context)
        is_foreign = need.action.startswith("events:") and account != self._account
        return by_role == {"Allow"} and "Deny" not in by_bus and (not is_foreign or by_bus == {"Allow"})


def _effects(statements: list[Json], need: Need, context: Context) -> set[str]:
    """Return the effects of the statements that are about a request."""
    return {
        statement["Effect"]
        for statement in statements
        if is_about(statement, need.action, need.resource) and holds(statement, context)
    }


def needs(service: str, operation: str, request: Json) -> Iterator[Need]:
    """Yield the rights that a call needs."""
    if service == "dynamodb":
        yield from _of_tables(operation, request)
    elif service == "s3":
        action = f"s3:{S3_ACTIONS.get(operation, operation)}"
        prefix = (("s3:prefix", request["Prefix"]),) if "Prefix" in request else ()
        yield Need(action, "/".join(request[part] for part in ("Bucket", "Key") if part in request), prefix)
    elif service == "sqs":
        yield Need(f"sqs:{operation.removesuffix('Batch')}", request["QueueUrl"].rpartition("/")[2])
    elif service == "events":
        yield from sorted({_of_bus(operation, entry) for entry in request.get("Entries", [request])})
    elif service == "secretsmanager":
        yield Need(f"secretsmanager:{operation}", f"secret:{request['SecretId'].rpartition(':')[2]}")
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


def _of_bus(operation: str, entry: Json) -> Need:
    bus = entry.get("EventBusName", "default")
    context = tuple((key, entry[name]) for name, key in EVENT_KEYS.items() if name in entry)
    if "Rule" in entry:
        return Need(f"events:{operation}", f"rule/{bus}/{entry['Rule']}", context)
    return Need(f"events:{operation}", bus if ":" in bus else f"event-bus/{bus}", context)
