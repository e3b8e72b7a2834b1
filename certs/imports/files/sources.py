"""A file of an import, or a member of a zip archive: its contents, unpacked, and read to the end or refused."""

import bz2
import codecs
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol, override

CHUNK_BYTES = 16 << 10
HEAD_BYTES = 1 << 20
ENCODED_IN = 64
"""From so many bytes the encoding of a text is known."""


DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, UnicodeError)
"""What the modules of the standard library raise at a damaged packed file. NotImplementedError is zipfile's: the
damage may look like another version. UnicodeError is the text's, or that of a member's name."""


class UnreadableFileError(Exception):
    """A file can't be read as a table; the message names the file and the fix."""


class Source(NamedTuple):
    """A file, or a member of a zip archive."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def folder(self) -> str:
        """Where it lies."""
        return str(self._place.parent)

    @property
    def size(self) -> int:
        """About how many bytes of text it holds."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                return archive.getinfo(self.member).file_size
        return self.path.stat().st_size * (6 if packing_of(self.name) else 1)

    def beside(self, name: str) -> "Source | None":
        """Return the file of this name in the same folder; None if there is none."""
        if not self.member:
            other = self.path.with_name(name)
            return Source(other) if other.is_file() else None
        member = str(PurePosixPath(self.member).with_name(name))
        with zipfile.ZipFile(self.path) as archive:
            return Source(self.path, member) if member in archive.namelist() else None

    @property
    def _place(self) -> Path:
        return self.path / self.member

    @override
    def __str__(self) -> str:
        return str(self._place)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Packing(NamedTuple):
    begins_with: bytes
    decompressor: Callable[[], _Decompressor]


PACKINGS = {
    ".gz": _Packing(b"\x1f\x8b", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    ".bz2": _Packing(b"BZh", bz2.BZ2Decompressor),
    ".xz": _Packing(b"\xfd7zXZ\0", lzma.LZMADecompressor),
}


def packing_of(name: str) -> str:
    """Return the ending by which a file is packed, such as `.gz`; "" if it is not."""
    return next((ending for ending in PACKINGS if re.search(rf"{re.escape(ending)}(\.\d+)?$", name.lower())), "")


def ending_of(name: str) -> str:
    """Return the ending of a file's name in lower case: of `a.CSV.gz` and `a.csv.1`, ".csv"."""
    plain = re.sub(r"(\.\d+)+$", "", name.lower())
    return PurePosixPath(re.sub(r"(\.\d+)+$", "", plain.removesuffix(packing_of(plain)))).suffix


def contents(source: Source) -> Iterator[bytes]:
    """Yield what a file holds, unpacked, in chunks.

    Raises UnreadableFileError; of a file that is cut off, at the latest where its end should be.
    """
    try:
        yield from _unpacked(_packed(source), packing_of(source.name))
    except OSError as error:
        if error.strerror:
            raise UnreadableFileError(f"{source}: {error.strerror}") from error
        raise _damaged(source, error) from error
    except DAMAGED as error:
        raise _damaged(source, error) from error


def _damaged(source: Source, error: Exception) -> UnreadableFileError:
    return UnreadableFileError(f"{source}: it is cut off or damaged ({error}): copy or export it again")


def head(source: Source, size: int = HEAD_BYTES) -> bytes:
    """Return the first bytes of a file, unpacked. Raises UnreadableFileError."""
    found = bytearray()
    for chunk in contents(source):
        found += chunk
        if len(found) >= size:
            break
    return bytes(found[:size])


def lines_of(source: Source, newline: str) -> Iterator[str]:
    """Yield the lines of a text file in UTF-8, UTF-16 or UTF-32. Raises UnreadableFileError."""
    raw = io.BufferedReader(_Stream(contents(source)), CHUNK_BYTES)
    with io.TextIOWrapper(
        raw, encoding_of(head(source, ENCODED_IN)), errors="backslashreplace", newline=newline
    ) as text:
        yield from text


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text by its first bytes: a mark, or the zeros that UTF-16 has between letters."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) > 1 and not any(start[1::2]):
        return "utf-16-le"
    if len(start) > 1 and not any(start[::2]):
        return "utf-16-be"
    return "utf-8-sig"


def _packed(source: Source) -> Iterator[bytes]:
    if not source.member:
        with source.path.open("rb") as file:
            yield from _chunks(file)
        return
    with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as file:
        yield from _chunks(file)  # type: ignore[arg-type]


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _unpacked(chunks: Iterator[bytes], ending: str) -> Iterator[bytes]:
    first = next(chunks, b"")
    chunks = chain([first], chunks)
    if ending and not first.startswith(PACKINGS[ending].begins_with):
        raise EOFError(f"its name ends in {ending}, but it does not begin as such a file")
    packing = next((packing for packing in PACKINGS.values() if first.startswith(packing.begins_with)), None)
    yield from chunks if packing is None else _unpacked(_decompressed(chunks, packing.decompressor), "")


def _decompressed(chunks: Iterable[bytes], begin: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield the contents of all streams of a file, each read to its checksum."""
    stream = begin()
    for chunk in chunks:
        rest = chunk
        while rest:
            if stream.eof:
                rest = rest.lstrip(b"\0")  # padding
                if not rest:
                    break
                stream = begin()
            if found := stream.decompress(rest):
                yield found
            rest = stream.unused_data
    if not stream.eof:
        raise EOFError("the end is missing")


class _Stream(io.RawIOBase):
    """Chunks as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
