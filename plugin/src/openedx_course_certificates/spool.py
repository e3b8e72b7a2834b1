"""Waiting events on disk, so that they outlive a process that is killed; a process that lives adopts them.

Each process has a file of its own, and holds a lock on it while it lives. A file whose lock is free belongs to a
process that has ended.
"""

import fcntl
import json
import logging
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from openedx_course_certificates.events import Entry

logger = logging.getLogger(__name__)

LARGEST = 16 * 1024 * 1024
"""From this many bytes on a file is written again with what still waits."""


class Spool:
    """The file of this process. Not safe between threads: who uses it has a lock.

    Where the folder can't be used, or the disk is full, events wait in memory only, which is logged once.
    """

    def __init__(self, folder: str, bus: str) -> None:
        self._folder = Path(folder) if folder else None
        self._prefix = sha256(bus.encode()).hexdigest()[:8]
        self._path: Path | None = None
        self._descriptor = -1
        self._size = 0

    @property
    def is_on_disk(self) -> bool:
        """Whether what waits outlives the process."""
        return self._folder is not None

    def append(self, entry: Entry) -> None:
        """Store an entry."""
        if self._folder is None:
            return
        try:
            if self._descriptor < 0:
                self._open(self._folder)
            line = json.dumps(entry).encode() + b"\n"
            os.write(self._descriptor, line)
            self._size += len(line)
        except OSError as error:
            logger.error(  # noqa: TRY400 - the trace is no help: the folder is
                "Events wait in memory only, and are lost with their process: %s: %s", self._folder, error
            )
            self.abandon()
            self._folder = None

    def settle(self, waiting: Iterable[Entry]) -> None:
        """Drop what no longer waits: at once if nothing does, else when the file has grown."""
        entries = list(waiting) if self._size > LARGEST else None
        if self._descriptor < 0 or not self._size or (entries is None and next(iter(waiting), None) is not None):
            return
        try:
            lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries or ())
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, lines)
            self._size = len(lines)
        except OSError as error:
            logger.error("%s could not be shortened: %s", self._path, error)  # noqa: TRY400

    def adopt(self, room: int) -> list[Entry]:
        """Return what processes left behind that have ended, as much as there is room for; it is stored here now."""
        if self._folder is None or not self._folder.is_dir():
            return []
        adopted: list[Entry] = []
        for path in sorted(self._folder.glob(f"{self._prefix}-*.events")):
            if path == self._path:
                continue
            with suppress(OSError):  # it was adopted by another process meanwhile
                adopted += self._adopt(path, room - len(adopted))
        return adopted

    def abandon(self) -> None:
        """Close the file and leave it where it is, for a child of a fork and at an error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._path, self._descriptor, self._size = None, -1, 0

    def close(self) -> None:
        """End: a file in which nothing waits is removed."""
        if self._path is not None and not self._size:
            self._path.unlink(missing_ok=True)
        self.abandon()

    def _open(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError("it is to be a folder that only this user may use (mode 700)")
        while True:
            path = folder / f"{self._prefix}-{os.getpid()}-{uuid4().hex[:8]}.events"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else it was adopted before it was locked
                break
            os.close(descriptor)
        self._path, self._descriptor, self._size = path, descriptor, 0

    def _adopt(self, path: Path, room: int) -> Sequence[Entry]:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ()  # its process lives
            lines = file.read().splitlines(keepends=True)
            if len(lines) > max(room, 0):
                return ()
            entries = [entry for line in lines if (entry := _read(line)) is not None]
            for entry in entries:
                self.append(entry)
            if self._folder is None:
                return ()  # they could not be stored here: left for another process
            path.unlink()
        if entries:
            logger.warning("%d events are sent that a process left behind that has ended.", len(entries))
        return entries


def _read(line: bytes) -> Entry | None:
    """Return the entry of a line; None if its process ended while it wrote the line."""
    try:
        event_id, event_type, source, time, detail = json.loads(line)
        return Entry(str(event_id), str(event_type), str(source), float(time), str(detail))
    except (ValueError, TypeError):
        logger.error("A waiting event can't be read: %r", line[:200])  # noqa: TRY400
        return None
