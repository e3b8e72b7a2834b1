"""`make storm`: a large storm of changes over the real records. It ends with 1 if a record differs at its end."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.records.scene import staged
from tests.records.service import hosting
from tests.records.storm import Storm
from tests.records.tables import all_tables
from tests.records.weather import Weather
from tests.scenes.machine import LOCAL_AWS, free_port


def main() -> int:
    """Run a storm; return 1 if something is wrong after it."""
    parser = argparse.ArgumentParser(prog="make storm", description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000, help="how many changes (default: 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the storm is drawn from")
    options = parser.parse_args()
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    os.environ.update({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", **dict.fromkeys(keys, "testing")})
    with _engine() as endpoint, all_tables(endpoint), hosting() as host, staged(host) as scene:
        result = Weather(scene, Storm(options.seed, options.changes)).passes()
    print(result.report())
    return 1 if result.wrong else 0


@contextmanager
def _engine() -> Iterator[str]:
    """Run DynamoDB Local for a while, unless CERTS_DYNAMODB_LOCAL names the endpoint of one that runs."""
    if running := os.environ.get("CERTS_DYNAMODB_LOCAL"):
        yield running
        return
    starter, port = LOCAL_AWS / "start-dynamodb-local", str(free_port())
    yield subprocess.run([starter, port], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([starter, "--stop", port], check=True)


if __name__ == "__main__":
    sys.exit(main())
