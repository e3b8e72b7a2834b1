"""`python -m plugin.tests.stack PARAMETERS`: the service's stack on the local cloud, for a platform in another process.

It runs on the service's Python, which may be another one than the platform's. Each line of stdin is a request in JSON,
and is answered by a line of JSON on stdout; it ends with its stdin.
"""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud, server

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
SHOWN = ("Bus", "IngestQueue", "ParkedQueue")
"""The resources that a platform's tests look at."""


def main() -> None:
    """Create the stack, and answer requests: first with the endpoint, and the physical names of resources."""
    logging.getLogger("moto").setLevel(logging.ERROR)  # it has no policies of queues, needs none, and warns of it
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS | json.loads(sys.argv[1])) as cloud:
        _write({"endpoint": cloud.serve(0, host="127.0.0.1"), "names": {name: cloud.physical(name) for name in SHOWN}})
        stops: dict[int, Callable[[], None]] = {}
        for line in sys.stdin:
            _write(_answer(cloud, stops, *json.loads(line)))


def _answer(cloud: LocalCloud, stops: dict[int, Callable[[], None]], what: str, port: int) -> Any:
    """Deliver all that waits, and return how many records functions got; or serve on a port more, or no longer."""
    if what == "deliver":
        return sum(counts.records for counts in cloud.deliver().functions.values())
    if what == "serve":
        _, stops[port] = server.serve("127.0.0.1", port)
    else:
        stops.pop(port)()
    return None


def _write(answer: Any) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
