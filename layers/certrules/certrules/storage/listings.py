"""Lists of records, course runs and history, a page at a time."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from certrules import aws
from certrules.core.facts import CertificateInvalidation, invalidations
from certrules.core.instants import instant_of, micros
from certrules.formats.learner_names import NOTHING, LearnerName, Name
from certrules.storage.records import StoredRecord, based_on_verification, name_of, stored_record
from certrules.storage.tables import (
    CATALOGUE_SHARDS,
    CONFIGURATION,
    COURSE_RUN_SHARDS,
    ID_VERIFICATION,
    LEARNER_NAME,
    PENDING_SHARDS,
    HistoryItem,
    Item,
    Pair,
    catalogue_key,
    course_run_key,
    history_key,
    learner_key,
    learner_of,
    record_key,
    timeline_of,
    username_key,
)

_MOST_OWNERS = 100
"""How many certificates with one id are listed."""

_MOST_NAMESAKES = 20
"""How many learners with one username, apart from case, are listed."""


class Place(NamedTuple):
    """The start of a page in an index that spreads over shards."""

    shard: Annotated[int, msgspec.Meta(ge=0)]
    after: Pair | None = None  # None: at the shard's beginning


def course_runs_of(learner_id: int) -> list[str]:
    """Return the course runs in which the learner has a record, consistently."""
    items = Item.query(learner_key(learner_id), consistent_read=True, attributes_to_get=["p", "s"])
    return [item.s for item in items if item.s not in {ID_VERIFICATION, LEARNER_NAME}]


def outdated_course_runs_of(learner_id: int) -> list[str]:
    """Return the course runs whose record was decided with another version of the learner's ID verification.

    One request, consistent.
    """
    items = {item.s: item for item in Item.query(learner_key(learner_id), consistent_read=True)}
    verification = items.pop(ID_VERIFICATION, None)
    version = verification.v if verification else 0
    items.pop(LEARNER_NAME, None)
    return [course_run for course_run, item in items.items() if based_on_verification(item) != version]


def course_runs_in_shard(shard: int, after: dict[str, Any] | None, limit: int) -> tuple[list[str], Any]:
    """Return a page of the course runs in one of the CATALOGUE_SHARDS, by key, and the start of the next page."""
    key = catalogue_key(shard)
    page = Item.by_course_run.query(key, last_evaluated_key=after, limit=limit, page_size=limit)
    return [item.p.removeprefix(course_run_key("")) for item in page], page.last_evaluated_key


def course_runs_page(start: Place | None, limit: int) -> tuple[list[str], Place | None]:
    """Return a page of all course runs whose configuration was received, and the start of the next page."""
    place = start or Place(0)
    found: list[str] = []
    while place.shard < CATALOGUE_SHARDS and len(found) < limit:
        after = None
        if place.after is not None:
            key = {"p": course_run_key(place.after.course_run), "s": CONFIGURATION, "r": catalogue_key(place.shard)}
            after = {name: {"S": value} for name, value in key.items()}
        page, after = course_runs_in_shard(place.shard, after, limit - len(found))
        found += page
        place = Place(place.shard + 1) if after is None else Place(place.shard, Pair(0, found[-1]))
    return found, place if place.shard < CATALOGUE_SHARDS else None


def course_runs() -> Iterator[str]:
    """Return all course runs whose configuration was received: a request for each shard, or megabyte of keys."""
    for shard in range(CATALOGUE_SHARDS):
        after = None
        while True:
            page, after = course_runs_in_shard(shard, after, 10_000)
            yield from page
            if after is None:
                break


def invalidated_in(course_run: str) -> Iterator[tuple[int, tuple[CertificateInvalidation, ...]]]:
    """Return the learners of a course run who were ever invalidated, with their invalidations, in no order."""
    for shard in range(COURSE_RUN_SHARDS):
        keys = [(item.p, item.s) for item in Item.by_invalidated.query(f"{course_run}#{shard}")]
        found = {item.p: item for item in Item.batch_get(keys)} if keys else {}
        for p, _ in keys:
            yield learner_of(p), invalidations(timeline_of(found[p]))


def due_by(instant: datetime, shard: int, limit: int) -> list[tuple[datetime, Pair]]:
    """Return the records of one of the DUE_SHARDS that are due by an instant, with their due times, in order."""
    items = Item.by_due.query(str(shard), Item.t <= micros(instant), limit=limit)
    return [(instant_of(int(item.t)), Pair(learner_of(item.p), item.s)) for item in items]


def history_items_of(pair: Pair) -> Iterable[HistoryItem]:
    """Return the history of a certificate, oldest first."""
    p = learner_key(pair.learner_id)
    return HistoryItem.query(p, HistoryItem.s.startswith(f"{pair.course_run}#"), consistent_read=True)


def history_of(pair: Pair) -> Iterator[tuple[str, str]]:
    """Return the history of a certificate, oldest first: the key of each item, and its JSON."""
    return ((item.s, item.b) for item in history_items_of(pair))


def send_history_again(pair: Pair, number: int, at: str) -> None:
    """Have the stream deliver a history item again, whose events then go on the bus under the same ids: one request.

    `at` (ISO 8601, UTC) is the only thing that changes in it. Raises PynamoDB's errors.
    """
    table = HistoryItem._get_connection()  # noqa: SLF001 - PynamoDB's update of a model would return the whole item
    p, s = history_key(pair, number)
    table.update_item(p, s, actions=[HistoryItem.n.set(at)], condition=HistoryItem.p.exists())


def history_items(keys: Iterable[tuple[str, str]]) -> Iterable[HistoryItem]:
    """Return the history items that exist under these keys, in no order, consistently."""
    return HistoryItem.batch_get(keys, consistent_read=True)


def scan_records(segment: int, of: int, after: dict[str, Any] | None, limit: int) -> tuple[list[Pair], Any]:
    """Return the records of a page of a table segment, and the start of the next page. Not consistent."""
    keys = ["p", "s"]
    page = Item.scan(
        segment=segment,
        total_segments=of,
        last_evaluated_key=after,
        limit=limit,
        page_size=limit,
        attributes_to_get=keys,
    )
    found = [(item.p, item.s) for item in page]
    return [
        Pair(learner_of(p), s) for p, s in found if p.startswith("L#") and s not in {ID_VERIFICATION, LEARNER_NAME}
    ], page.last_evaluated_key


def scan_history(segment: int, of: int, after: dict[str, Any] | None, limit: int) -> tuple[list[HistoryItem], Any]:
    """Return a page of a segment of history, each certificate's in order, and the start of the next page."""
    page = HistoryItem.scan(segment=segment, total_segments=of, last_evaluated_key=after, limit=limit, page_size=limit)
    return list(page), page.last_evaluated_key


def records_of(learner_id: int) -> dict[str, StoredRecord]:
    """Return the stored records of a learner, by course run."""
    items = Item.query(learner_key(learner_id), consistent_read=True)
    return {item.s: stored_record(item) for item in items if item.s not in {ID_VERIFICATION, LEARNER_NAME}}


def records_and_name_of(learner_id: int) -> tuple[dict[str, StoredRecord], LearnerName]:
    """Return the stored records of a learner, by course run, and the stored names: one request, consistent."""
    records: dict[str, StoredRecord] = {}
    name = NOTHING
    for item in Item.query(learner_key(learner_id), consistent_read=True):
        if item.s == LEARNER_NAME:
            name = name_of(item)
        elif item.s != ID_VERIFICATION:
            records[item.s] = stored_record(item)
    return records, name


def owners_of(certificate_id: str) -> list[Pair]:
    """Return whose certificate has this id, and in which course run; more than one only if an id was given twice."""
    found = Item.by_certificate.query(certificate_id, limit=_MOST_OWNERS)
    return [Pair(learner_of(item.p), item.s) for item in found]


def learners_page(course_run: str, start: Place | None, limit: int) -> tuple[list[Pair], Place | None]:
    """Return a page of a course run's learners, from all shards, and the start of the next page (None: none)."""

    def query(shard: int, after: Pair | None, limit: int) -> Any:
        key = None if after is None else {**_key_of(after), "r": {"S": f"{course_run}#{shard}"}}
        return Item.by_course_run.query(f"{course_run}#{shard}", last_evaluated_key=key, limit=limit, page_size=limit)

    return _page(COURSE_RUN_SHARDS, start, limit, query)


def pending_page(course_run: str, start: Place | None, limit: int) -> tuple[list[Pair], Place | None]:
    """Return a page of revocations that are pending in a course run ("": in all), and the start of the next page."""
    condition = Item.s == course_run if course_run else None

    def query(shard: int, after: Pair | None, limit: int) -> Any:
        key = None if after is None else {**_key_of(after), "h": {"S": str(shard)}}
        return Item.by_pending.query(str(shard), condition, last_evaluated_key=key, limit=limit, page_size=limit)

    return _page(PENDING_SHARDS, start, limit, query)


def pending_everywhere(most_a_shard: int) -> tuple[list[Pair], bool]:
    """Return revocations that are pending, up to so many of each of PENDING_SHARDS, and whether there are more.

    A request for each shard; they overlap where the CPU allows it.
    """

    def query(shard: int) -> tuple[list[Pair], bool]:
        page = Item.by_pending.query(str(shard), limit=most_a_shard, page_size=most_a_shard)
        return [Pair(learner_of(item.p), item.s) for item in page], page.last_evaluated_key is not None

    pages = aws.each(query, range(PENDING_SHARDS))
    return [pair for pairs, _ in pages for pair in pairs], any(more for _, more in pages)


def _page(
    shards: int, start: Place | None, limit: int, query: Callable[[int, Pair | None, int], Any]
) -> tuple[list[Pair], Place | None]:
    place = start or Place(0)
    found: list[Pair] = []
    while place.shard < shards and len(found) < limit:
        page = query(place.shard, place.after, limit - len(found))
        found += [Pair(learner_of(item.p), item.s) for item in page]
        place = Place(place.shard, found[-1]) if page.last_evaluated_key else Place(place.shard + 1)
    return found, place if place.shard < shards else None


def _key_of(pair: Pair) -> dict[str, Any]:
    p, s = record_key(pair)
    return {"p": {"S": p}, "s": {"S": s}}


def learners_named(username: str) -> dict[int, Name]:
    """Return the learners who have this username, in whatever case, with their stored names; by id.

    An index may be some seconds behind, so the names are read consistently, and only those that fit are returned.
    """
    key = username_key(username)
    keys = [(item.p, item.s) for item in Item.by_username.query(key, limit=_MOST_NAMESAKES)]
    items = Item.batch_get(keys, consistent_read=True) if keys else ()
    found = {learner_of(item.p): name_of(item).current for item in items}
    return {learner: name for learner, name in sorted(found.items()) if username_key(name.username) == key}
