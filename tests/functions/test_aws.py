"""A lean session's clients send what any client sends, to the same address; only their user agent is shorter."""

from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from certrules.aws import lean

KEY = {"p": {"S": "L#1"}, "s": {"S": "ID"}}


class _Body(BytesIO):
    def stream(self) -> list[bytes]:
        return [self.read()]


def sent_by(session: botocore.session.Session, region: str, address: str | None) -> AWSPreparedRequest:
    """Return the request that a client of the session sends."""
    session.set_credentials("key", "secret")
    client: Any = session.create_client("dynamodb", region_name=region, endpoint_url=address)
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, _Body(b"{}"))  # type: ignore[arg-type] # all that is read of it

    client.meta.events.register_first("before-send.dynamodb.*", answer)
    client.get_item(TableName="certificates", Key=KEY)
    return sent[0]


@pytest.mark.parametrize("address", [None, "http://localhost:8000"])
@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
def test_a_lean_client_sends_what_any_client_sends(
    region: str, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    usual = sent_by(botocore.session.get_session(), region, address)
    ours = sent_by(lean(botocore.session.get_session()), region, address)

    assert (ours.method, ours.url, ours.body) == (usual.method, usual.url, usual.body)
    assert str(ours.headers["X-Amz-Target"]) == str(usual.headers["X-Amz-Target"])
    for sent in (ours, usual):
        assert f"/{region}/dynamodb/aws4_request" in str(sent.headers["Authorization"])
    assert "course-certificates" in str(ours.headers["User-Agent"])
