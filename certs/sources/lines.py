"""Files of JSON lines, plain or .gz, as raw bytes: what a line says is for the event contract."""

import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def read_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number, from 1, without its line end; blank lines are counted, not yielded.

    `-` is standard input, a name that ends in .gz is a compressed file. Raises OSError where there is no such
    file or it isn't compressed, EOFError and zlib.error where the compressed file is damaged; what was read
    until then has been yielded.
    """
    if str(path) == "-":
        yield from _numbered(sys.stdin.buffer)
        return
    with gzip.open(path) if Path(path).suffix == ".gz" else Path(path).open("rb") as file:
        yield from _numbered(file)


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, start=1):
        content = line.rstrip(b"\r\n")
        if content.strip():
            yield number, content
