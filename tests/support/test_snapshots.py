"""The support function under SnapStart: what each copy of its snapshot has of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple, override

import pytest

from tests.scenes.machine import ROOT
from tests.scenes.scene import Scene

COPIES = 2
SOON = timedelta(minutes=5)
"""So long before they expire, botocore has to have asked for other credentials: as after months in a snapshot."""


class Call(NamedTuple):
    """A call to a table or a queue."""

    connection: int  # the port that it came from
    key: str  # the access key that it was signed with


class StandIn:
    """What a function in Lambda finds on its way out: credentials, tables without items, queues without messages."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.keys = 0

    def credentials(self) -> dict[str, str]:
        """Return the next ones. The first, of the snapshot, expire soon."""
        self.keys += 1
        expiration = datetime.now(UTC) + (SOON if self.keys == 1 else timedelta(hours=6))
        key = {"AccessKeyId": f"KEY{self.keys}", "SecretAccessKey": "secret", "Token": "token"}
        return {**key, "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ")}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it, and yield its address."""
        scene = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections stay open

            def do_GET(self) -> None:
                self._answer(scene.credentials())

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
                scene.calls.append(Call(self.client_address[1], key))
                nothing: dict[str, Any] = {"Items": [], "Count": 0, "ScannedCount": 0, "UnprocessedKeys": {}}
                nothing["Attributes"] = {"ApproximateNumberOfMessages": "0"}
                self._answer(nothing | {"Responses": {table: [] for table in asked.get("RequestItems", ())}})

            def _answer(self, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
            Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()


@pytest.fixture(scope="module")
def environment(stack: Scene) -> dict[str, str]:
    """The function's environment in Lambda, with SnapStart: its credentials are not in it, but at an address."""
    variables = {**os.environ, **stack.cloud.environment("SupportFunction"), "AWS_DEFAULT_REGION": "eu-west-1"}
    without = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"}
    named = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token"}
    path = f"{ROOT}{os.pathsep}{ROOT / 'layers' / 'certrules'}"
    kept = {name: value for name, value in variables.items() if name not in without and "ENDPOINT" not in name}
    return {**kept, **named, "PYTHONPATH": path}


class Restored(NamedTuple):
    """The copies of a snapshot, and what they found on their way out."""

    answers: list[dict[str, Any]]
    stand_in: StandIn


@pytest.fixture(scope="module")
def restored(environment: dict[str, str]) -> Restored:
    """The copies, after each answered a request."""
    stand_in = StandIn()
    command = [sys.executable, "-m", "tests.scenes.snapshot_copies", str(COPIES)]
    with stand_in.served() as address:
        places = {"AWS_ENDPOINT_URL": address, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{address}/credentials"}
        ran = subprocess.run(
            command, env={**environment, **places}, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
        )
    lines = [line.removeprefix("copy ") for line in ran.stdout.splitlines() if line.startswith("copy ")]
    return Restored([json.loads(line) for line in lines], stand_in)


def test_copies_of_a_snapshot_answer_and_share_nothing_that_has_to_differ(restored: Restored) -> None:
    assert [answer["status"] for answer in restored.answers] == [200] * COPIES
    for name in ("chance", "id"):
        assert len({answer[name] for answer in restored.answers}) == COPIES, name
    connections = {call.connection for call in restored.stand_in.calls}
    assert len(connections) == 2 * (1 + COPIES)  # to tables and to queues; the first two are of the process before


def test_a_copy_signs_with_credentials_of_its_time_not_with_those_of_the_snapshot(restored: Restored) -> None:
    assert restored.stand_in.calls[-1].key not in {"", "KEY1"}
