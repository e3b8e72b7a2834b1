"""Sweeping: certificates that are due are requested from the ingest queue, each once while its request is on its way.

The requests go through the queue, so that they come after the events that were waiting before them: a passing grade
among those ends a hold. A request that waits there for an hour must not be sent again each minute.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from certrules import decide_again, storage
from certrules.formats.stored import as_time
from certrules.storage import DUE_SHARDS, Pair

AT_ONCE = 2_500
"""How many records of a shard are on their way at most. Those after them are requested as these are decided."""

ON_ITS_WAY = timedelta(hours=1)
"""After how long a request is sent again. One that fails ends in the dead letters earlier, which an alarm watches."""

_SENT = "S"
_RETENTION = timedelta(days=1)

type _Due = tuple[datetime, Pair]


def sweep(ingest_queue: str, now: datetime, *, again: bool = False) -> tuple[int, int]:
    """Request what is due by the schedule's time. Returns how many records are due, and how many were requested.

    `again` requests what was requested already, too: nothing may be on its way then, as when an archive is replayed.

    Raises SendError and LostRaceError; the next run goes on. A run that dies sends again what it has not noted.
    """
    due = requested = 0
    for shard in range(DUE_SHARDS):
        found = storage.due_by(now, shard, AT_ONCE)
        due += len(found)
        requested += _sweep_shard(ingest_queue, shard, found, now, again=again) if found else 0
    return due, requested


def _sweep_shard(ingest_queue: str, shard: int, due: list[_Due], now: datetime, *, again: bool) -> int:
    note = storage.find_note(_SENT, str(shard))
    sent: dict[str, Any] = msgspec.json.decode(note.b) if note.v and not again else {}
    by_name = {_name_of(item): item for item in due}
    waiting = {at: by_name.keys() & names for at, names in sent.items() if _is_on_its_way(at, now)}
    new = by_name.keys() - set().union(*waiting.values())
    if new:
        decide_again.request_due(ingest_queue, (item for name, item in by_name.items() if name in new))
        waiting[str(as_time(now))] = waiting.get(str(as_time(now)), set()) | new
        body = {at: sorted(names) for at, names in waiting.items() if names}
        storage.save_note(note, body, now + _RETENTION)
    return len(new)


def _is_on_its_way(sent_at: str, now: datetime) -> bool:
    """Whether a request of this time still counts; one from the future is of a time that is lived through again."""
    return timedelta() <= now - datetime.fromisoformat(sent_at) < ON_ITS_WAY


def _name_of(due: _Due) -> str:
    """Return a short name of a record at its due time: a shard's names have to fit into one item."""
    at, pair = due
    return sha256(f"{pair.learner_id}#{pair.course_run}#{at.isoformat()}".encode()).hexdigest()[:16]
