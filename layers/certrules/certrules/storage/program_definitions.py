"""The definitions of programs, the course runs that they list, and up to where their learners are decided again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from certrules.core.programs.definitions import DefinitionTimeline
from certrules.formats.stored_programs import decode_definitions, encode_definitions
from certrules.storage.records_table import OTHERS, PROGRAM, RecordsItem, set_due, shard_of, write_together
from certrules.storage.tables import CONFIGURATION, course_run_key, optional, put_item

_CURSOR = "CURSOR"


@dataclass(slots=True)
class StoredDefinitions:
    """The stored definitions of a program."""

    item: RecordsItem
    timeline: DefinitionTimeline = ()


def load_definitions(uuids: Iterable[str]) -> dict[str, StoredDefinitions]:
    """Read the definitions of programs, consistently: one request for 100. A program that is unknown has none."""
    keys = [(f"{PROGRAM}{uuid}", CONFIGURATION) for uuid in sorted(uuids)]
    found = {p: StoredDefinitions(RecordsItem(p, s)) for p, s in keys}
    for item in RecordsItem.batch_get(keys, consistent_read=True):
        found[item.p] = StoredDefinitions(item, decode_definitions(item.p.removeprefix(PROGRAM), item.e))
    return {p.removeprefix(PROGRAM): stored for p, stored in found.items()}


def programs_of(course_run: str) -> frozenset[str]:
    """Return the uuids of the programs that ever listed a course run, consistently: one request."""
    found = RecordsItem.query(course_run_key(course_run), RecordsItem.s.startswith(PROGRAM), consistent_read=True)
    return frozenset(item.s.removeprefix(PROGRAM) for item in found)


def save_listing(uuid: str, course_runs: Iterable[str]) -> None:
    """Save that a program lists course runs: a request for 25. It comes before the definition that lists them."""
    with RecordsItem.batch_write() as batch:
        for course_run in sorted(course_runs):
            batch.save(RecordsItem(course_run_key(course_run), f"{PROGRAM}{uuid}"))


class StoredCursor(NamedTuple):
    """Up to where the learners of a program are decided again."""

    item: RecordsItem
    left: str | None  # JSON: what is left; None: nothing


def load_cursor(uuid: str) -> StoredCursor:
    """Read the cursor of a program, consistently."""
    key = f"{PROGRAM}{uuid}", _CURSOR
    item = next(iter(RecordsItem.batch_get([key], consistent_read=True)), None) or RecordsItem(*key)
    return StoredCursor(item, optional(item.e))


def save_definitions(
    stored: StoredDefinitions, timeline: DefinitionTimeline, cursor: StoredCursor, at: datetime
) -> None:
    """Save a program's definitions and, in the same transaction, the cursor, due at an instant (UTC).

    Raises LostRaceError.
    """
    stored.item.e = encode_definitions(timeline)
    write_together([(stored.item, False), (_cursor_out(cursor, at), False)])


def save_cursor(cursor: StoredCursor, at: datetime) -> None:
    """Save the cursor of a program, due at an instant (UTC) if anything is left. Raises LostRaceError."""
    put_item(_cursor_out(cursor, at))


def _cursor_out(cursor: StoredCursor, at: datetime) -> RecordsItem:
    item = cursor.item
    item.e = cursor.left
    shard = shard_of(item.p.removeprefix(PROGRAM))
    set_due(item, OTHERS, shard, None if cursor.left is None else at)
    return item


def all_programs() -> Iterator[str]:
    """Return the uuids of all programs, in no order: a scan of the table, for people."""
    for item in RecordsItem.scan(RecordsItem.s == CONFIGURATION, attributes_to_get=["p", "s"]):
        if item.p.startswith(PROGRAM):
            yield item.p.removeprefix(PROGRAM)
