"""A lean session's clients send what any client sends, to the same address, and read the same in its answer.

Only their user agent is shorter.
"""

from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from certrules.aws import lean

KEY = {"p": {"S": "L#1"}, "s": {"S": "ID"}}


class _Body(BytesIO):
    def stream(self) -> list[bytes]:
        return [self.read()]


def exchanged(
    session: botocore.session.Session, region: str, address: str | None, body: bytes = b"{}", status: int = 200
) -> tuple[AWSPreparedRequest, Any]:
    """Return the request that a client of the session sends, and what it makes of an answer: a result, or an error."""
    session.set_credentials("key", "secret")
    client: Any = session.create_client("dynamodb", region_name=region, endpoint_url=address)
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, status, {}, _Body(body))  # type: ignore[arg-type] # all that is read of it

    client.meta.events.register_first("before-send.dynamodb.*", answer)
    try:
        result = client.get_item(TableName="certificates", Key=KEY)
    except ClientError as error:
        result = error.response
    return sent[0], result


@pytest.mark.parametrize("address", [None, "http://localhost:8000"])
@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
def test_a_lean_client_sends_what_any_client_sends(
    region: str, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    usual, _ = exchanged(botocore.session.get_session(), region, address)
    ours, _ = exchanged(lean(botocore.session.get_session()), region, address)

    assert (ours.method, ours.url, ours.body) == (usual.method, usual.url, usual.body)
    assert str(ours.headers["X-Amz-Target"]) == str(usual.headers["X-Amz-Target"])
    for sent in (ours, usual):
        assert f"/{region}/dynamodb/aws4_request" in str(sent.headers["Authorization"])
    assert "course-certificates" in str(ours.headers["User-Agent"])


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
def test_a_lean_client_reads_in_an_answer_what_any_client_reads(
    body: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    _, usual = exchanged(botocore.session.get_session(), "eu-west-1", None, body, status)
    _, ours = exchanged(lean(botocore.session.get_session()), "eu-west-1", None, body, status)

    assert ours == usual
    assert ("Item" in ours) == (b"Item" in body)
