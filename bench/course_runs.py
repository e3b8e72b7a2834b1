"""Whole course runs of any size, stored before they are first decided, written to a table in bulk."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched
from random import Random
from typing import Any

from certrules import storage
from certrules.core.fact_types import Approval, Enrollment, Fact, Grade
from certrules.core.guard import PublishedCertificate
from certrules.core.timeline import Entry, Timeline
from certrules.formats.stored import encode_published, encode_timeline

STARTS = datetime(2026, 1, 12, 9, tzinfo=UTC)
ENDS = STARTS + timedelta(days=150)
"""After every entry."""

BATCH = 25
"""How many items BatchWriteItem takes."""


def items(course_run: str, learners: int) -> Iterator[dict[str, Any]]:
    """Yield the items of a course run: its configuration, its learners' records, and ID verifications."""
    configured = (Entry(STARTS, f"{course_run}/configured", Fact.COURSE_RUN, "", value=True),)
    item = storage.Item(f"R#{course_run}", "-", e=encode_timeline(configured), v=1)
    yield _serialized(item)
    for learner_id in range(1, learners + 1):
        chance = Random(learner_id)
        pays = chance.random() < 0.25
        timeline = tuple(_entries(chance, learner_id, pays=pays))
        yield _serialized(
            storage.Item(
                f"L#{learner_id}",
                course_run,
                e=encode_timeline(timeline),
                c=encode_published(PublishedCertificate(), 0, 0, 0),
                r=f"{course_run}#{learner_id % storage.COURSE_RUN_SHARDS}",
                v=1,
            )
        )
        if pays:
            yield _serialized(
                storage.Item(f"L#{learner_id}", "ID", e=encode_timeline(_verified(chance, learner_id)), v=1)
            )


def _serialized(item: storage.Item) -> dict[str, Any]:
    found: dict[str, Any] = item.serialize()
    return found


def _entries(chance: Random, learner_id: int, *, pays: bool) -> Iterator[Entry]:
    """Yield the entries of one learner: an enrollment, an upgrade, regrades, the passing status."""
    number = 0

    def entries(days: float, fact: Fact, value: object) -> Entry:
        nonlocal number
        number += 1
        at = STARTS + timedelta(seconds=round(days * 86400))
        return Entry(at, f"00000000-0000-4000-8000-{learner_id * 16 + number:012x}", fact, "", value)

    yield entries(-chance.random() * 30, Fact.ENROLLMENT, Enrollment("audit", active=True))
    if pays:
        yield entries(chance.random() * 20, Fact.ENROLLMENT, Enrollment("verified", active=True))
    regrades = chance.randrange(5)
    for week in range(regrades):
        yield entries(25 + 20 * week + chance.random(), Fact.GRADE, Grade(chance.randrange(100) / 100, ""))
    if regrades > 2:
        yield entries(120 + chance.random(), Fact.PASSING, chance.random() < 0.8)


def _verified(chance: Random, learner_id: int) -> Timeline:
    at = STARTS + timedelta(days=chance.random() * 30)
    event_id = f"00000000-0000-4000-9000-{learner_id:012x}"
    return (Entry(at, event_id, Fact.ID_VERIFICATION, str(learner_id), Approval(at + timedelta(days=730))),)


def load(dynamodb: Any, table: str, content: Iterator[dict[str, Any]]) -> int:
    """Write items to a table, 25 a request; return how many."""
    count = 0
    for batch in batched(content, BATCH, strict=False):
        left = {table: [{"PutRequest": {"Item": item}} for item in batch]}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems")
        count += len(batch)
    return count
