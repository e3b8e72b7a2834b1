"""A lean session's clients send what any client sends, to the same address, and read the same in its answer.

Their user agent is shorter, and the JSON of a request on items has no spaces.
"""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore.auth import AUTH_TYPE_MAPS, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError
from botocore.session import Session

from certrules import session as sessions
from certrules.session import lean

KEY = {"p": {"S": "L#1"}, "s": {"S": "ID"}}


class _Body(BytesIO):
    def stream(self) -> list[bytes]:
        return [self.read()]


type Exchange = tuple[list[AWSPreparedRequest], Any]
type Headers = dict[str, str]


def exchanged(
    session: Session,
    region: str = "eu-west-1",
    address: str | None = None,
    answers: Sequence[tuple[int, bytes]] = ((200, b"{}"),),
    operation: str = "get_item",
) -> Exchange:
    """Return the requests that a client of the session sends, and the result, or the error, of the answers."""
    session.set_credentials("key", "secret", "token")
    client, sent = client_of(session, region, address, answers)
    try:
        result = getattr(client, operation)(TableName="certificates", Key=KEY)
    except ClientError as error:
        result = error.response
    return sent, result


def json_of(request: AWSPreparedRequest) -> Any:
    body: Any = request.body
    return json.loads(body)


def client_of(
    session: Session, region: str, address: str | None, answers: Sequence[tuple[int, bytes]] = ((200, b"{}"),)
) -> tuple[Any, list[AWSPreparedRequest]]:
    """Return a client that gets these answers, the last one again and again, and the list of what it sends."""
    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(retries=retries, parameter_validation=False)
    client: Any = session.create_client("dynamodb", region_name=region, endpoint_url=address, config=config)
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        status, body = answers[min(len(sent), len(answers)) - 1]
        return AWSResponse(request.url, status, {}, _Body(body))  # type: ignore[arg-type] # all that is read of it

    client.meta.events.register_first("before-send.dynamodb.*", answer)
    return client, sent


def headers_of(request: AWSPreparedRequest) -> Headers:
    """Return the headers of a request as text, by their names in lower case."""
    named: dict[str, Any] = dict(request.headers.items())
    return {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in named.items()}


OF_THE_CALL = {"amz-sdk-invocation-id", "user-agent"}
"""Headers whose values differ from call to call, or from client to client."""


AT = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


class Signer(SigV4Auth):
    """botocore's own, which no short cut of the tests takes the place of."""


@pytest.fixture(autouse=True)
def _usual_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUTH_TYPE_MAPS, "v4", Signer)
    monkeypatch.setattr(sessions, "SigV4Auth", Signer)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: AT)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)


ADDRESSES = [None, "http://localhost:8000", "https://proxy.example.org:443/a path/dynamodb"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
def test_a_lean_client_sends_and_signs_what_any_client_does(region: str, address: str | None) -> None:
    """The operation is one whose body is the same to the byte, so that the signature is."""
    (usual,), _ = exchanged(botocore.session.get_session(), region, address, operation="delete_item")
    (ours,), _ = exchanged(lean(botocore.session.get_session()), region, address, operation="delete_item")

    assert (ours.method, ours.url, ours.body) == (usual.method, usual.url, usual.body)
    headers, usual_headers = headers_of(ours), headers_of(usual)
    assert headers.keys() == usual_headers.keys()
    assert headers.items() - usual_headers.items() <= {(name, headers[name]) for name in OF_THE_CALL}
    assert "course-certificates" in headers["user-agent"]


WRITTEN: dict[str, Any] = {
    "p": {"S": "Zoë\u2028\x00"},
    "s": {"N": "-1.50"},
    "b": {"B": b"\x00\xff"},
    "e": {"B": b""},
    "a": {"B": bytearray(b"a")},
    "t": {"BOOL": True},
    "n": {"NULL": True},
    "l": {"L": [{"M": {"k": {"B": b"\x01"}}}, {"S": ""}]},
    "ss": {"SS": ["a", "b"]},
    "bs": {"BS": [b"\x00", b"\x01"]},
}
TABLE = {"TableName": "certificates"}
REQUESTS: dict[str, dict[str, Any]] = {
    "batch_get_item": {"RequestItems": {"certificates": {"Keys": [KEY] * 2, "ConsistentRead": True}}},
    "delete_item": {**TABLE, "Key": KEY},
    "get_item": {**TABLE, "Key": KEY, "ProjectionExpression": "#p", "ExpressionAttributeNames": {"#p": "p"}},
    "put_item": {**TABLE, "Item": WRITTEN, "ExpressionAttributeValues": {":0": {"B": b"0"}}},
    "query": {**TABLE, "ExclusiveStartKey": KEY, "Limit": 10, "ScanIndexForward": False},
    "scan": {**TABLE, "Segment": 0, "TotalSegments": 4},
    "transact_write_items": {"TransactItems": [{"Put": {**TABLE, "Item": WRITTEN}}], "ClientRequestToken": "token"},
    "update_item": {
        **TABLE,
        "Key": KEY,
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": WRITTEN["a"]},
    },
    "restore_table_to_point_in_time": {
        "SourceTableName": "certificates",
        "TargetTableName": "again",
        "RestoreDateTime": datetime(2026, 5, 1, tzinfo=UTC),
    },
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_lean_client_writes_parameters_as_any_client_does(name: str) -> None:
    bodies = []
    for session in (botocore.session.get_session(), lean(botocore.session.get_session())):
        session.set_credentials("key", "secret", "token")
        client, sent = client_of(session, "eu-west-1", None)
        getattr(client, name)(**REQUESTS[name])
        bodies.append(json_of(sent[0]))

    assert bodies[0] == bodies[1]
    assert bodies[0].keys() == REQUESTS[name].keys()


def test_a_lean_client_that_validates_parameters_still_does() -> None:
    session = lean(botocore.session.get_session())
    client: Any = session.create_client("dynamodb", region_name="eu-west-1")
    with pytest.raises(ParamValidationError, match="Unknown parameter"):
        client.get_item(TableName="certificates", Keys=KEY)


def test_a_lean_client_signs_with_the_credentials_and_the_time_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    clients: list[Any] = []
    for session in (botocore.session.get_session(), lean(botocore.session.get_session())):
        session.set_credentials("key", "secret")
        clients.append((*client_of(session, "eu-west-1", None), session.get_credentials()))
    signed = []
    for at, token in itertools.product((AT, AT + timedelta(seconds=1)), (None, "first", "second")):
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda at=at: at)
        for client, sent, credentials in clients:
            credentials.access_key, credentials.secret_key, credentials.token = f"key {token}", f"secret {token}", token
            client.delete_item(TableName="certificates", Key=KEY)
            headers = headers_of(sent[-1])
            signed.append((headers["authorization"], headers["x-amz-date"], headers.get("x-amz-security-token")))

    assert signed[::2] == signed[1::2]
    assert len(set(signed)) == len(signed) / 2
    assert [token for *_, token in signed[::2]] == [None, "first", "second"] * 2


def test_a_lean_client_signs_a_trace_no_more_than_botocore_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ingest")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    (usual,), _ = exchanged(botocore.session.get_session(), operation="delete_item")
    (ours,), _ = exchanged(lean(botocore.session.get_session()), operation="delete_item")

    for name in ("x-amzn-trace-id", "authorization"):
        assert headers_of(ours)[name] == headers_of(usual)[name]


def test_a_lean_client_without_credentials_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = lean(botocore.session.get_session())
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    client, sent = client_of(session, "eu-west-1", None)
    with pytest.raises(NoCredentialsError):
        client.get_item(TableName="certificates", Key=KEY)

    assert sent == []


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_lean_client_tries_again_as_any_client_does(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    answers = [(500, b"{}")] * failures + [(200, b'{"Item": %b}' % ITEM)]
    usual, usual_result = exchanged(botocore.session.get_session(), answers=answers)
    ours, result = exchanged(lean(botocore.session.get_session()), answers=answers)

    assert result == usual_result
    attempts = [headers_of(request)["amz-sdk-request"] for request in ours]
    assert attempts == [headers_of(request)["amz-sdk-request"] for request in usual]
    assert len(attempts) == min(failures + 1, 3)
    for same in ("amz-sdk-invocation-id", "authorization"):
        assert len({headers_of(request)[same] for request in ours}) == 1


ITEM = b"""{"p": {"S": "L#1"}, "v": {"N": "3"}, "z": {"B": "eJwrSS0uAQAEXQHB"}, "n": {"NULL": true},
    "b": {"BOOL": false}, "l": {"L": [{"S": "a"}, {"B": "AAE="}]}, "m": {"M": {"k": {"N": "1"}, "o": {"B": "AA=="}}},
    "ss": {"SS": ["a"]}, "bs": {"BS": ["AA==", "AQ=="]}, "empty": {"S": ""}, "new": {"X": "not known yet"}}"""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"Item": %b, "ConsumedCapacity": {"Table": {"ReadCapacityUnits": 1.5}}}' % ITEM, 200),
        (b"{}", 200),
        (b'{"__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no", "Item": %b}' % ITEM, 400),
    ],
)
def test_a_lean_client_reads_in_an_answer_what_any_client_reads(body: bytes, status: int) -> None:
    _, usual = exchanged(botocore.session.get_session(), answers=[(status, body)])
    _, ours = exchanged(lean(botocore.session.get_session()), answers=[(status, body)])

    assert ours == usual
    assert ("Item" in ours) == (b"Item" in body)
