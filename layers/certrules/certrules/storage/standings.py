"""The learners of a course run by their standing: counted and listed from the index, without reading a record."""

from collections import Counter
from typing import Any, NamedTuple

from certrules.storage.tables import Item, Pair, learner_of, record_key

_AFTER_DAYS = "~"
"""Greater than any day, so a text that ends in it is behind a whole group."""


class StandingPlace(NamedTuple):
    """A place in a shard of the index: behind this learner."""

    learner_id: int
    standing: str


class Listed(NamedTuple):
    """A learner as the index has them."""

    learner_id: int
    standing: str


def _key(course_run: str, shard: int) -> str:
    return f"{course_run}#{shard}"


def standings_of(course_run: str, shard: int, limit: int) -> Counter[str] | None:
    """Return how many learners of a shard have each standing: one request. None: there are more than the limit."""
    page = Item.by_standing.query(_key(course_run, shard), limit=limit, page_size=limit)
    found = Counter(str(item.y) for item in page)
    return None if page.last_evaluated_key else found


def groups_of(course_run: str, shard: int) -> Counter[str]:
    """Return how many learners of a shard are in each group of standings: two requests each, one more per megabyte."""
    key, after, found = _key(course_run, shard), " ", Counter[str]()
    while item := next(iter(Item.by_standing.query(key, Item.y > after, limit=1, page_size=1)), None):
        group = str(item.y).rpartition("|")[0]
        found[group] = Item.by_standing.count(key, Item.y.startswith(f"{group}|"))
        after = f"{group}|{_AFTER_DAYS}"
    return found


def learner_count(course_run: str, shard: int) -> int:
    """Return how many learners are stored in a shard of a course run, in the index of standings or not."""
    return Item.by_course_run.count(_key(course_run, shard))


def standing_page(
    course_run: str, shard: int, start: str, after: StandingPlace | None, limit: int
) -> tuple[list[Listed], StandingPlace | None]:
    """Return a page of a shard's learners whose standing begins like this, and the start of the next page."""
    key = _key(course_run, shard)
    place: dict[str, Any] | None = None
    if after is not None:
        p, s = record_key(Pair(after.learner_id, course_run))
        place = {"p": {"S": p}, "s": {"S": s}, "r": {"S": key}, "y": {"S": after.standing}}
    condition = Item.y.startswith(start)
    page = Item.by_standing.query(key, condition, last_evaluated_key=place, limit=limit, page_size=limit)
    found = [Listed(learner_of(item.p), str(item.y)) for item in page]
    return found, StandingPlace(*found[-1]) if page.last_evaluated_key else None
