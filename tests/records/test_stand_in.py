"""The stand-in answers as the real Credentials service did: every recorded exchange, sent over HTTP."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.records import recorded
from tests.records.recorded import PATHS, Exchange, recorded_until
from tests.records.service import Host, hosting

COMPARED = ("content-type", "allow", "www-authenticate", "retry-after", "cache-control", "pragma")
FORM = "application/x-www-form-urlencoded"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not PATHS, reason="needs the recorded exchanges of the data folder (CERTS_DATA)"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


def sent(host: Host, exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
    request, service = exchange.request, host.service
    headers = {
        name: value.replace("<token>", recorded.token(service, exchange)) for name, value in request["headers"].items()
    }
    body = request["body"]
    if headers.get("Content-Type") == FORM:
        secret = service.platform.client_secret if exchange.case != "token-wrong-secret" else "wrong"
        content = urlencode({**body, **({"client_secret": secret} if "client_secret" in body else {})})
    else:
        content = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    connection = HTTPConnection(urlsplit(host.url).netloc, timeout=30)
    connection.request(request["method"], request["path"], content.encode(), headers)
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def shown(body: Any) -> Any:
    """Return a body in a form that can be compared: attributes have no order, a token is any."""
    if isinstance(body, dict):
        found = {name: shown(value) for name, value in body.items()}
        if "attributes" in found and isinstance(found["attributes"], list):
            found["attributes"] = sorted(found["attributes"], key=str)
        return {**found, "access_token": "<token>"} if "access_token" in found else found
    return [shown(item) for item in body] if isinstance(body, list) else body


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_stand_in_answers_as_the_real_service_did(host: Host, path: Path) -> None:
    exchange = recorded.exchange(path)
    host.service = recorded_until(exchange.number)
    status, headers, content = sent(host, exchange)
    assert status == exchange.status
    assert {name: headers[name] for name in COMPARED if name in headers} == exchange.headers
    if isinstance(exchange.body, dict) and exchange.body.get("not_json"):
        text = content.decode()
        assert text.startswith(exchange.body["starts_with"])
        assert len(text) == exchange.body["length"]
    else:
        assert shown(json.loads(content) if content else None) == shown(exchange.body)


def test_every_recorded_exchange_is_there() -> None:
    assert len(PATHS) == 185
