"""The platform's schema registry, as a server answers it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar, override

import pytest

from certrules.bridging import carry
from certrules.formats.bus_records import of_kafka
from certrules.formats.bus_schemas import shipped_schema
from certrules.schema_registry import Registry, from_environment
from tests.scenes import buses
from tests.scenes.bridges import OurSide, ours
from tests.scenes.story_of_samples import story

__all__ = ["ours"]

CREATED = "org.openedx.learning.certificate.created.v1"


class Answers(BaseHTTPRequestHandler):
    """Answers like a registry that has the schemas 1 and 2; 3 is garbage."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    bodies: ClassVar[dict[str, bytes]] = {
        "/schemas/ids/1": json.dumps({"schema": json.dumps(shipped_schema(None, CREATED))}).encode(),
        "/schemas/ids/3": b"<html>",
    }
    status = 404

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        body = self.bodies.get(self.path, b"{}")
        self.send_response(200 if self.path in self.bodies else type(self).status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Register a schema: 5 under the subject `known`, garbage under any other."""
        self.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        body = b'{"id": 5}' if self.path == "/subjects/known/versions" else b"[]"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a registry."""
    Answers.asked.clear()
    Answers.status = 404
    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_each_schema_is_fetched_once_and_an_unknown_one_again_after_a_minute(url: str) -> None:
    now = [0.0]
    registry = Registry(url, ("user", "password"), lambda: now[0])
    assert [registry(1, CREATED) for _ in range(3)] == [shipped_schema(None, CREATED)] * 3
    assert [registry(2, CREATED) for _ in range(3)] == [None] * 3
    assert [path for path, _ in Answers.asked] == ["/schemas/ids/1", "/schemas/ids/2"]
    assert Answers.asked[0][1] == "Basic dXNlcjpwYXNzd29yZA=="
    now[0] = 61
    assert registry(2, CREATED) is None
    assert len(Answers.asked) == 3


@pytest.mark.parametrize("status", [401, 500])
def test_a_registry_that_refuses_or_fails_is_an_outage_and_parks_nothing(url: str, status: int) -> None:
    Answers.status = status
    with pytest.raises(OSError, match=str(status)):
        Registry(url, None)(2, CREATED)


def test_a_record_whose_schema_the_registry_does_not_have_is_parked_alone(url: str, ours: OurSide) -> None:
    created = next(detail for detail in story() if detail["metadata"]["event_type"] == CREATED)
    values = (buses.wire(created, 2), buses.wire(created, 1))
    records = [
        of_kafka("t", (0, offset), buses.headers_of(created), value, None) for offset, value in enumerate(values)
    ]
    counts = carry(records, ours.destination._replace(schemas=Registry(url, None)))

    assert counts == {"Bridged": 1, "Parked": 1, "parked_unknown_schema": 1}
    ours.look()
    assert ours.parked == [("unknown_schema", "kafka/t/0/0")]
    assert ours.taken == [created["metadata"]["id"]]


def test_an_answer_that_is_no_schema_is_an_outage(url: str) -> None:
    with pytest.raises(OSError, match="does not answer as one"):
        Registry(url, None)(3, CREATED)


def test_a_registry_that_can_not_be_reached_is_an_outage() -> None:
    with pytest.raises(OSError, match="refused"):
        Registry("http://127.0.0.1:9", None)(1, CREATED)


def test_without_an_id_the_shipped_schema_counts(url: str) -> None:
    assert Registry(url, None)(None, CREATED) == shipped_schema(None, CREATED)
    assert Answers.asked == []


def test_without_a_registry_the_shipped_schemas_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    assert from_environment() is shipped_schema
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:9")
    assert isinstance(from_environment(), Registry)


def test_a_schema_is_registered_once_under_its_subject(url: str) -> None:
    registry = Registry(url, None)
    assert [registry.registered("known", '"string"') for _ in range(2)] == [5, 5]
    assert Answers.asked == [("/subjects/known/versions", '{"schema": "\\"string\\""}')]
    with pytest.raises(OSError, match="does not answer as one"):
        registry.registered("other", '"string"')
