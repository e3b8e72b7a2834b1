"""The learners of a course run, and by their standing: counted and listed from the index, without reading a record.

A page is taken as DynamoDB answers it: making objects of a million entries takes longer than reading them.
"""

from collections import Counter
from typing import Any, NamedTuple

from certrules.storage.tables import LEARNERS, Item, Pair, learner_of, record_key, shared_connection

MOST_AT_ONCE = 10_000
"""How many entries are asked for in one request at most; DynamoDB returns a megabyte of them, about as many."""


class Listed(NamedTuple):
    """A learner as the index has them."""

    learner_id: int
    standing: str


def learners_in(course_run: str, shard: int, after: dict[str, Any] | None, limit: int) -> tuple[list[int], Any]:
    """Return a page of a course run's learners in one of its COURSE_RUN_SHARDS, and the start of the next page.

    One request.
    """
    page, following = _page(course_run, shard, "p", after, limit)
    return [learner_of(item["p"]["S"]) for item in page], following


def standings_of(course_run: str, shard: int) -> Counter[str]:
    """Return how many learners of a shard have each standing, and under "" how many have none stored.

    A request for each megabyte of entries.
    """
    found = Counter[str]()
    after: dict[str, Any] | None = None
    while True:
        page, after = _page(course_run, shard, "y", after, MOST_AT_ONCE)
        found.update(item["y"]["S"] if item else "" for item in page)
        if after is None:
            return found


def standing_page(course_run: str, shard: int, after: int | None, most: int) -> tuple[list[Listed], int | None]:
    """Return the learners of a shard behind one (None: from the first on), and behind whom the next page starts.

    One request, which looks at so many entries at most. Learners without a standing are left out.
    """
    place: dict[str, Any] | None = None
    if after is not None:
        p, s = record_key(Pair(after, course_run))
        place = {"p": {"S": p}, "s": {"S": s}, "r": {"S": _key(course_run, shard)}}
    page, following = _page(course_run, shard, "p, y", place, min(most, MOST_AT_ONCE))
    found = [Listed(learner_of(item["p"]["S"]), item["y"]["S"]) for item in page if "y" in item]
    return found, None if following is None else learner_of(following["p"]["S"])


def _page(
    course_run: str, shard: int, attributes: str, after: dict[str, Any] | None, most: int
) -> tuple[list[dict[str, dict[str, str]]], dict[str, Any] | None]:
    asked: dict[str, Any] = {
        "TableName": Item.Meta.table_name,
        "IndexName": LEARNERS,
        "KeyConditionExpression": "r = :r",
        "ExpressionAttributeValues": {":r": {"S": _key(course_run, shard)}},
        "ProjectionExpression": attributes,
        "Limit": most,
    }
    if after is not None:
        asked["ExclusiveStartKey"] = after
    answer = shared_connection().dispatch("Query", asked)
    return answer["Items"], answer.get("LastEvaluatedKey")


def _key(course_run: str, shard: int) -> str:
    return f"{course_run}#{shard}"
