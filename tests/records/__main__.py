"""`make storm`: a large storm of deliveries. It ends with 1 if a record differs from what is desired."""

import argparse
import sys

from tests.records.scene import staged
from tests.records.service import hosting
from tests.records.storm import Storm, weather


def main() -> int:
    """Run a storm; return 1 if something is wrong after it."""
    parser = argparse.ArgumentParser(prog="make storm", description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000, help="how many changes (default: 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the storm is drawn from")
    options = parser.parse_args()
    with hosting() as host, staged(host) as scene:
        result = weather(scene, Storm(options.seed, options.changes))
    print(result.report())
    print(f"reads of the store: {scene.store.reads}, writes: {scene.store.writes}")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
