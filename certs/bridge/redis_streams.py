"""Redis streams as a bridge reads them: as one consumer of a group, which remembers what was not acknowledged."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click
import redis

from certrules.formats.bus_records import BusRecord, of_redis

READ_AT_ONCE = 100
BLOCK_MILLISECONDS = 1_000
IDLE_SECONDS = 60.0
"""After this time what another consumer has read, and not acknowledged, is claimed."""


class RedisPlace(NamedTuple):
    """Which streams of which server are read, and as whom."""

    url: str
    streams: Sequence[str]
    group: str
    consumer: str


class RedisStreams:
    """The entries of streams, each until it is acknowledged."""

    errors: tuple[type[Exception], ...] = (redis.RedisError,)

    def __init__(
        self, place: RedisPlace, idle_seconds: float = IDLE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read as a consumer of a group, which is made if there is none: it begins with the first entry."""
        self._place, self._idle, self._clock = place, idle_seconds, clock
        self._redis: Any = redis.Redis.from_url(
            place.url, protocol=2, socket_connect_timeout=5, socket_timeout=10 + BLOCK_MILLISECONDS / 1000
        )
        self._read: list[tuple[str, bytes]] = []  # stream and id of what was read last
        self._joined = False
        self._has_pending = True  # of a run before this one
        self._claimed_at = -float("inf")

    def read(self) -> Sequence[BusRecord]:
        """Return what is pending of this consumer, else what others left, else what is new. Raises RedisError."""
        self._read = []
        if not self._joined:
            self._join()
        if self._clock() - self._claimed_at > self._idle:
            self._claim()
        if self._has_pending and (records := self._entries("0")):
            return records
        self._has_pending = False
        return self._entries(">")

    def _join(self) -> None:
        for stream in self._place.streams:
            try:
                self._redis.xgroup_create(stream, self._place.group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            self._report_lost(stream)
        self._joined = self._has_pending = True

    def _report_lost(self, stream: str) -> None:
        """Report entries that the stream dropped, for it has a greatest length, before this group had read them."""
        info = self._redis.xinfo_stream(stream)
        group = next(found for found in self._redis.xinfo_groups(stream) if found["name"].decode() == self._place.group)
        read, added = group.get("entries-read"), info.get("entries-added")
        first = info.get("first-entry")
        if read is None or added is None or first is None:
            return
        if _order(first[0]) > _order(group["last-delivered-id"]) and (lost := added - info["length"] - read) > 0:
            click.echo(f"{stream}: it dropped {lost} entries that were not read; import or reconcile", err=True)

    def _claim(self) -> None:
        for stream in self._place.streams:
            cursor: Any = None
            while cursor != b"0-0":
                cursor, claimed, *dropped = self._redis.xautoclaim(
                    stream, self._place.group, self._place.consumer, int(self._idle * 1000), cursor or "0-0"
                )
                self._has_pending |= bool(claimed)
                for entry_id in dropped[0] if dropped else ():
                    _report_dropped(stream, entry_id)
        self._claimed_at = self._clock()

    def _entries(self, since: str) -> list[BusRecord]:
        """Return entries after an id: "0" for pending ones, ">" for new ones; note them as read."""
        block = BLOCK_MILLISECONDS if since == ">" else None
        found = self._redis.xreadgroup(
            self._place.group,
            self._place.consumer,
            dict.fromkeys(self._place.streams, since),
            count=READ_AT_ONCE,
            block=block,
        )
        records = []
        for name, entries in found or ():
            stream = name.decode()
            for entry_id, fields in entries:
                self._read.append((stream, entry_id))
                if fields:
                    records.append(_record(stream, entry_id, fields))
                else:
                    _report_dropped(stream, entry_id)
        if self._read and not records:  # all of them are gone
            self.acknowledge()
        return records

    def acknowledge(self) -> None:
        """Acknowledge what was read last. Raises RedisError; then it comes again."""
        by_stream: dict[str, list[bytes]] = {}
        for stream, entry_id in self._read:
            by_stream.setdefault(stream, []).append(entry_id)
        for stream, ids in by_stream.items():
            self._redis.xack(stream, self._place.group, *ids)
        self._read = []

    def again(self) -> None:
        """Have what is pending come again, from a server that may be another one by now."""
        self._joined = False
        self._has_pending = True

    def close(self) -> None:
        """Leave the server."""
        self._redis.close()


def _record(stream: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> BusRecord:
    return of_redis(stream, entry_id.decode(), fields)


def _report_dropped(stream: str, entry_id: bytes) -> None:
    click.echo(f"{stream} {entry_id.decode()}: dropped by the stream before it was carried", err=True)


def _order(entry_id: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.decode().split("-"))
