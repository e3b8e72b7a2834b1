"""A real redis-server for a test."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.scenes import buses
from tests.scenes.bridges import eventually

STREAM = "dev-learning"


class Server:
    """A redis-server that can be stopped and started again with what it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis.from_url(self.url, protocol=2)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--dir", str(self.folder), "--appendonly", "yes"]
        more = ["--appendfsync", "always", "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """Stop it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def add(self, *details: Any) -> None:
        """Add events to the stream."""
        for detail in details:
            self.client.xadd(STREAM, buses.redis_fields(detail))

    def pending(self) -> int:
        """Return how many entries were read and not acknowledged."""
        return int(self.client.xpending(STREAM, "course-certificates")["pending"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A redis-server of the test's own."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server (on Debian: apt install redis-server)")
    server = Server(tmp_path)
    yield server
    server.client.close()
    server.stop()
