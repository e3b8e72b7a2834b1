"""Files of JSON lines, plain or compressed by gzip, as raw bytes; the event contract reads them."""

import errno
import gzip
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

_GZIP = b"\x1f\x8b"


def read_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number, from 1, without its line end; blank lines are counted, not yielded.

    `-` is standard input. A compressed file is recognised by its content, not its name; a byte-order mark before the
    first line is passed over. Raises OSError where there is no such file, EOFError and zlib.error where a compressed
    file is damaged; the lines until then have been yielded.
    """
    with nullcontext(_stdin()) if str(path) == "-" else Path(path).open("rb", buffering=0) as raw:
        file = BufferedReader(cast("RawIOBase", raw))
        compressed = file.peek(len(_GZIP)).startswith(_GZIP)
        with gzip.open(file) if compressed else file as lines:
            yield from _numbered(lines)


def _stdin() -> BinaryIO:
    if sys.stdin is None:  # whoever started this closed it
        raise OSError(errno.EBADF, "stdin is closed")
    return sys.stdin.buffer


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, start=1):
        content = line.rstrip(b"\r\n")
        if number == 1:
            content = content.removeprefix(BOM_UTF8)
        if content.strip(b" \t\r"):
            yield number, content
