"""`python -m bench`: measure everything, print the tables and, with --write, put them into a page."""

import argparse
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from bench.parts import PARTS, measured
from bench.tables import markdown, put


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the markers of this page")
    page: Path | None = parser.parse_args().write
    machine = (
        f"`python -m bench` on {os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )
    parts = {"machine": machine}
    print(machine)
    for name in PARTS:
        # a process each: the parts load the same function with other environments, and warm each other's memos
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            tables = fresh.submit(measured, name).result()
        parts[name] = "\n\n".join(markdown(table) for table in tables)
        print(f"\n{parts[name]}", flush=True)
    if page is not None:
        text = page.read_text()
        for name, content in parts.items():
            text = put(text, name, content)
        page.write_text(text)


if __name__ == "__main__":
    main()
