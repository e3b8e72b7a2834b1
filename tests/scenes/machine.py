"""What a machine may have for tests: the scripts of local AWS, the shared data; and a free port."""

import os
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL_AWS = Path(os.environ.get("CERTS_LOCAL_AWS", ROOT.parent / "shared" / "local-aws"))
SHARED_DATA = Path(os.environ.get("CERTS_DATA", ROOT.parent / "shared" / "data"))


def free_port() -> int:
    """Find a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
