"""Faults: what can go wrong with one request to AWS, and the requests of all running functions, one at a time.

Each request of a function gives way to whatever else is running. Then it is answered, or fails in one of the ways in
which requests to AWS fail.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ReadTimeoutError
from greenlet import getcurrent, greenlet

from tests.simulation.chances import Chances
from tests.simulation.dynamodb import AwsError
from tests.simulation.services import FakeAws

ENDPOINT = "https://aws.example"

FINE = "answered"
THROTTLED = "throttled"
CUT_OFF_BEFORE = "cut off before it is done"
CUT_OFF_AFTER = "cut off after it is done"
SENT_TWICE = "cut off after it is done, and sent again by botocore"
CRASH_BEFORE = "crash before it is done"
CRASH_AFTER = "crash after it is done"
PARTLY = "done in part"
CONFLICT = "in conflict with a transaction"

TIMED_OUT = "stopped by the function's timeout"

EVERYWHERE = (THROTTLED, CUT_OFF_BEFORE, CUT_OFF_AFTER, SENT_TWICE, CRASH_BEFORE, CRASH_AFTER)
IN_PART = {"PutEvents", "SendMessageBatch", "BatchGetItem", "BatchWriteItem"}
CONFLICTING = {"PutItem": "TransactionConflictException", "TransactWriteItems": "TransactionCanceledException"}

RATES = (0, 60, 20, 8)
"""In how many requests there is one fault (0: never): a history has one of these rates."""

TIMEOUT = timedelta(seconds=60)
"""After how long a function is stopped."""


class Killed(BaseException):
    """The function's process is gone: no `except Exception` sees it."""


@dataclass(slots=True)
class Invocation:
    """A function that runs, on a host with a clock of its own."""

    name: str
    work: Callable[[], Any]
    started: datetime
    skew: timedelta
    after: Callable[["Invocation"], None]
    requests: int = 0
    result: Any = None
    error: BaseException | None = None
    thread: greenlet = field(init=False)

    def __post_init__(self) -> None:
        self.thread = greenlet(self._run)

    def _run(self) -> None:
        try:
            self.result = self.work()
        except (Exception, Killed) as error:  # noqa: BLE001 - whoever invoked it sees that it failed
            self.error = error

    @property
    def is_over(self) -> bool:
        """Whether it returned, failed or crashed."""
        return bool(self.thread.dead)


class Requests:
    """Answers the requests of the invocations, with the faults of a history."""

    def __init__(self, aws: FakeAws, chances: Chances, trace: Callable[[str], None]) -> None:
        self._aws = aws
        self._chances = chances
        self._trace = trace
        self._one_in = chances.among("how many faults", RATES)
        kinds = [kind for kind in (*EVERYWHERE, PARTLY, CONFLICT) if not chances.happens(f"never {kind}", 4)]
        self._kinds = tuple(kinds)
        self.are_disturbed = True  # False: the faults are over
        self.running: dict[greenlet, Invocation] = {}
        self._tokens = 0
        self.count = 0  # the requests of all invocations
        self.faults: Counter[str] = Counter()
        self.calls: list[Any] | None = None  # if a list: DynamoDB's are noted there, for the contract test

    def current(self) -> Invocation | None:
        """Return the invocation that runs now."""
        return self.running.get(getcurrent())

    def request(self, client: Any, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request of a function, in place of botocore's client."""
        service = client.meta.service_model.service_name
        invocation = self.current()
        if invocation is None:  # of the simulation itself
            return self._answer(client, service, operation, params)
        invocation.requests += 1
        self.count += 1
        self.give_way()
        if self._aws.now() - invocation.started > TIMEOUT:
            self._trace(f"{invocation.name}: stopped by its timeout before {operation}")
            self.faults[TIMED_OUT] += 1
            raise Killed
        kind = self._fault(f"{invocation.name}, request {invocation.requests} {operation}", operation)
        if kind is not FINE or operation in {"PutItem", "TransactWriteItems", "PutEvents"}:
            self._trace(f"{invocation.name}: {operation} {kind}")
        return self._with_fault(kind, client, service, operation, params)

    @staticmethod
    def give_way() -> None:
        """Let all other invocations run."""
        getcurrent().parent.switch()

    def _fault(self, name: str, operation: str) -> str:
        if not self.are_disturbed or not self._chances.happens(name, self._one_in):
            return FINE
        possible = [
            kind
            for kind in self._kinds
            if (kind is not PARTLY or operation in IN_PART) and (kind is not CONFLICT or operation in CONFLICTING)
        ]
        if not possible:
            return FINE
        kind = self._chances.among(f"{name}: kind", possible)
        self.faults[kind] += 1
        return kind

    def _with_fault(
        self, kind: str, client: Any, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        _fail_before(kind, client, service, operation, params)

        def answer(params: Mapping[str, Any]) -> dict[str, Any]:
            return self._answer(client, service, operation, params)

        if kind is PARTLY:
            return _in_part(operation, params, answer)
        if kind is SENT_TWICE:
            again = dict(params)
            if operation == "TransactWriteItems":  # botocore gives both the same token
                self._tokens += 1
                again["ClientRequestToken"] = f"token-{self._tokens}"
            answer(again)
            return answer(again)
        given = answer(params)
        if kind is CUT_OFF_AFTER:
            raise ReadTimeoutError(endpoint_url=ENDPOINT)
        if kind is CRASH_AFTER:
            raise Killed
        return given

    def _answer(self, client: Any, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            given = self._aws.answer(service, operation, params)
        except AwsError as error:
            self._note(service, operation, params, error.code)
            raise _error(client, operation, error) from None
        self._note(service, operation, params, given)
        return given

    def _note(self, service: str, operation: str, params: Mapping[str, Any], answer: Any) -> None:
        if self.calls is not None and service == "dynamodb":
            self.calls.append(deepcopy((operation, params, answer)))


def _fail_before(kind: str, client: Any, service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Raise what the caller sees if a request fails before it is done; return if it does not."""
    if kind is CRASH_BEFORE:
        raise Killed
    if kind is CUT_OFF_BEFORE:
        raise ReadTimeoutError(endpoint_url=ENDPOINT)
    if kind is THROTTLED:
        code = {"dynamodb": "ProvisionedThroughputExceededException", "s3": "SlowDown"}.get(service)
        raise _error(client, operation, AwsError(code or "ThrottlingException"))
    if kind is CONFLICT:
        reasons = [{"Code": "TransactionConflict"} for _ in params.get("TransactItems", ())]
        raise _error(client, operation, AwsError(CONFLICTING[operation], CancellationReasons=reasons))


def _in_part(
    operation: str, params: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Do all of a request but its middle, and answer so."""
    if operation == "BatchGetItem":
        ((name, request),) = params["RequestItems"].items()
        keys = request["Keys"]
        some = len(keys) // 2
        given = answer({"RequestItems": {name: {**request, "Keys": keys[some:]}}})
        return {**given, "UnprocessedKeys": {name: {**request, "Keys": keys[:some]}} if some else {}}
    if operation == "BatchWriteItem":
        ((name, requests),) = params["RequestItems"].items()
        some = len(requests) // 2
        answer({"RequestItems": {name: requests[some:]}})
        return {"UnprocessedItems": {name: requests[:some]} if some else {}}
    entries = params["Entries"]
    left = len(entries) // 2
    given = answer({**params, "Entries": [*entries[:left], *entries[left + 1 :]]})
    if operation == "PutEvents":
        given["Entries"].insert(left, {"ErrorCode": "InternalFailure", "ErrorMessage": "later"})
        return {**given, "FailedEntryCount": 1}
    return {**given, "Failed": [{"Id": entries[left]["Id"], "SenderFault": False, "Code": "InternalError"}]}


def _error(client: Any, operation: str, error: AwsError) -> Exception:
    """Return an error as botocore raises it."""
    response = {
        "Error": {"Code": error.code, "Message": "as the history has it"},
        "ResponseMetadata": {"HTTPHeaders": {}, "RequestId": "simulated"},
        **error.more,
    }
    raised: Exception = client.exceptions.from_code(error.code)(response, operation)
    return raised
