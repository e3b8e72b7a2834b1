"""A course run too large to be stored in a test: its index is answered as DynamoDB does, a page at a time."""

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any, NamedTuple

from certrules.storage import COURSE_RUN_SHARDS
from tests.scenes.scene import Answer, Request

FIRST = 16_000_000
"""The first learner; all have as many digits, so that the index's order is that of numbers."""

FIRST_DAY = date(2026, 1, 1)


class LargeCourseRun(NamedTuple):
    """A course run of learners who wait for a grade, but some."""

    course_run: str
    in_a_shard: int  # learners
    on_a_page: int  # entries in a megabyte
    awarded: int = 10  # one of so many has a certificate
    days: int = 70  # on so many days one after another
    lost: int = 0  # the last one of so many shards lost theirs on the day before
    bare: int = 0  # so many learners of the first shard have no standing

    def standing(self, number: int, shard: int) -> str | None:
        """Return the standing of a learner, by their place in their shard."""
        if number == self.in_a_shard - 1 and shard < self.lost:
            return f"u|verified|i|{FIRST_DAY - timedelta(days=1):%Y%m%d}"
        if shard == 0 and number < self.bare:
            return None
        if number % self.awarded:
            return "n|verified|p|"
        return f"d|verified||{FIRST_DAY + timedelta(days=number // self.awarded % self.days):%Y%m%d}"

    def answer(self, request: Request, answer: Callable[[], Answer]) -> Answer:
        """Answer queries of its index; the others are answered as they were."""
        if request.operation == "Query" and request.names(f"{self.course_run}#"):
            return 200, {}, json.dumps(self._page(request.body))
        return answer()

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        (key,) = (value["S"] for value in asked["ExpressionAttributeValues"].values())
        shard = int(key.rpartition("#")[2])
        start = asked.get("ExclusiveStartKey")
        begin = 0 if start is None else (int(start["p"]["S"][2:]) - FIRST) // COURSE_RUN_SHARDS + 1
        wanted: Sequence[str] = asked["ProjectionExpression"].split(", ")
        items = []
        for number in islice(range(begin, self.in_a_shard), min(asked["Limit"], self.on_a_page)):
            known = {"p": f"L#{FIRST + number * COURSE_RUN_SHARDS + shard}", "y": self.standing(number, shard)}
            items.append({name: {"S": known[name]} for name in wanted if known[name] is not None})
        end = begin + len(items)
        if end >= self.in_a_shard:
            return {"Items": items, "Count": len(items), "ScannedCount": len(items)}
        p = f"L#{FIRST + (end - 1) * COURSE_RUN_SHARDS + shard}"
        last = {"p": {"S": p}, "s": {"S": self.course_run}, "r": {"S": key}}
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), "LastEvaluatedKey": last}
