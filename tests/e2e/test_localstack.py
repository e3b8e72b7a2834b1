"""What `make e2e` starts ends with it."""

import os
import subprocess
import sys

from tests.e2e.localstack import kill_left
from tests.scenes.machine import free_port

HANGS = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"


def process_at(port: int) -> "subprocess.Popen[bytes]":
    """Start a process that ignores a request to end, as LocalStack does that hangs while it shuts down."""
    given = os.environ | {"GATEWAY_LISTEN": f"0.0.0.0:{port}"}
    process = subprocess.Popen([sys.executable, "-c", HANGS], env=given, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_localstack_that_does_not_end_is_killed_and_one_at_another_port_stays() -> None:
    port, another = free_port(), free_port()
    with process_at(port) as ours, process_at(another) as other:
        try:
            ours.terminate()
            assert kill_left(port) == [ours.pid]
            assert ours.wait(timeout=60) < 0
            assert other.poll() is None
            assert kill_left(port) == []
        finally:
            ours.kill()
            other.kill()
