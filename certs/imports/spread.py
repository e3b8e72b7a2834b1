"""Lines that are spread over files as they come, so that memory is flat however many there are."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

_SPILL_BYTES = 32 << 20


class Spread:
    """Files of lines, by number; appended to when enough is waiting, so that few are ever open."""

    def __init__(self, folder: Path) -> None:
        """Spread over files in a folder, which is made."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._size = 0

    def add(self, number: int, line: bytes) -> None:
        """Add a line, without its end, to the file of this number."""
        self._waiting[number] += line + b"\n"
        self._size += len(line)
        if self._size > _SPILL_BYTES:
            self._flush()

    def _flush(self) -> None:
        for number, lines in self._waiting.items():
            with (self._folder / f"{number:05d}").open("ab") as file:
                file.write(lines)
        self._waiting.clear()
        self._size = 0

    def __iter__(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield each file's lines, in the order of the numbers; nothing is left of them."""
        self._flush()
        for path in sorted(self._folder.iterdir()):
            yield int(path.name), path.read_bytes().splitlines()
            path.unlink()
        self._folder.rmdir()
