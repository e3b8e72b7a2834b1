"""Comparing deliveries with what the Credentials service shows: of those whom a person names, and of all once a day.

The schedule compares a page a minute, after all that is due. How far it is, is stored. A pass begins a day after the
one before began, or when that has ended; so a service with very many records is asked no faster, and each pass takes
longer. After the deliveries it goes through the certificates: whoever has one without a delivery is decided, for the
hint of it was lost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from certrules import aws, storage
from certrules.core.deliveries.desired import Kind, Owner
from certrules.records.delivering import Compared, Delivering, Difference, Ending
from certrules.records.desired import is_credential
from certrules.storage import LostRaceError, Place
from certrules.storage.record_owners import (
    OwnerPlace,
    certified_page,
    delivered_of,
    load_comparison,
    owners_page,
    save_comparison,
)

PAGE = 500
"""How many items of the table, most of them deliveries, the schedule compares a minute at most."""

CERTIFICATES = 5_000
"""How many items of the certificates table are looked at a minute at most."""

EACH = timedelta(days=1)
"""How long after the beginning of a pass the next one begins."""

_OWNERS_AT_ONCE = 10
_LEARNERS, _ITEMS = 20, 100
"""How many learners, or items of the table, one request of a person compares: AWS's clients wait for a minute."""


class _Pass(Struct, omit_defaults=True):
    began_at: datetime
    place: OwnerPlace | None = None  # None: at the beginning
    is_compared: bool = False  # all deliveries are: `place` is in the certificates table
    is_over: bool = False


def compare_due(
    now: datetime,
    may_go_on: Callable[[], bool],
    decide: Callable[[Owner], object],
    compare: Callable[[Owner], bool],
) -> None:
    """Decide and compare the next page of all owners, if a pass is on or due.

    `decide` is called for one at a time; `compare`, which returns whether the service is down, in threads. Three
    requests of its own, or one if nothing is due, and of certificates a request for 100. It ends early when time is
    over or the service is down; what it has not come to follows.
    """
    stored = load_comparison()
    last = None if stored.text is None else msgspec.json.decode(stored.text, type=_Pass)
    if last is None or (last.is_over and last.began_at + EACH <= now):
        last = _Pass(now)
    elif last.is_over:
        return
    if not last.is_compared:
        _compare_page(last, may_go_on, decide, compare)
    if last.is_compared:
        _find_page(last, may_go_on, decide)
    try:
        save_comparison(stored, msgspec.json.encode(last).decode())
    except LostRaceError:
        return  # another run has compared the same page


def _compare_page(
    last: _Pass, may_go_on: Callable[[], bool], decide: Callable[[Owner], object], compare: Callable[[Owner], bool]
) -> None:
    """Decide and compare the next page of those with deliveries."""
    owners, after = owners_page(last.place, PAGE)
    for some in batched(owners, _OWNERS_AT_ONCE, strict=False):
        if not may_go_on():
            break
        for owner, _ in some:
            decide(owner)
        if any(aws.each(compare, [owner for owner, _ in some])):
            break
        last.place = some[-1][1]
    else:
        last.place, last.is_compared = after, after is None


def _find_page(last: _Pass, may_go_on: Callable[[], bool], decide: Callable[[Owner], object]) -> None:
    """Decide the learners on the next page of certificates of whose credential no delivery is stored."""
    records, after = certified_page(last.place, CERTIFICATES)
    credentials = [record for record in records if is_credential(record.published)]
    delivered = delivered_of(record.pair for record in credentials)
    decided: set[int] = set()
    for pair, _, place in credentials:
        if pair in delivered or pair.learner_id in decided:
            continue
        if not may_go_on():
            return
        decide(pair.learner_id)
        decided.add(pair.learner_id)
        last.place = place
    last.place, last.is_over = after, after is None


# --- for people


class CompareRequest(Struct, forbid_unknown_fields=True):
    """Whose deliveries are to be compared: of a learner, of a course run and its learners, or (neither) of all."""

    learner_id: int | None = None
    course_run: str | None = None
    heal: bool = False
    place: Any = None  # `next` of the answer before


class _Page(NamedTuple):
    owners: Sequence[Owner]
    following: Any  # None: there is no other


def compare_page(request: CompareRequest, delivering: Delivering) -> dict[str, Any]:
    """Compare a page of what a person asks for. Return what differs, the counts, and where the next page starts."""
    page = _page(request)
    results = aws.each(lambda owner: delivering.compare(owner, heal=request.heal), page.owners)
    counts = counts_of(results)
    paused = any(result.ending is Ending.PAUSED for result in results)
    return {
        "compared": counts["RecordsCompared"],
        "not_shown": counts["RecordsNotShown"],
        "unanswered": counts["RecordsUnanswered"],
        "paused": paused,
        "different": [_as_json(difference) for result in results for difference in result.different],
        "next": page.following,
    }


def counts_of(results: Iterable[Compared]) -> Counter[str]:
    """Return the metrics of comparisons."""
    counts: Counter[str] = Counter()
    for result in results:
        counts["RecordsCompared"] += result.same + len(result.different)
        counts["RecordsDiffering"] += len(result.different)
        counts["RecordsNotShown"] += result.not_shown
        counts["RecordsUnanswered"] += result.unanswered
    return counts


def _page(request: CompareRequest) -> _Page:
    if request.learner_id is not None:
        return _Page([request.learner_id], None)
    if request.course_run is None:
        start = None if request.place is None else msgspec.convert(request.place, OwnerPlace)
        found, following = owners_page(start, _ITEMS)
        return _Page([owner for owner, _ in found], following)
    place = None if request.place is None else msgspec.convert(request.place, Place)
    pairs, next_place = storage.learners_page(request.course_run, place, _LEARNERS)
    of_run: list[Owner] = [] if request.place else [request.course_run]
    return _Page([*of_run, *(pair.learner_id for pair in pairs)], next_place)


def _as_json(difference: Difference) -> dict[str, Any]:
    target = difference.target
    of_learner = isinstance(target.owner, int)
    names = {"program": target.key} if target.kind is Kind.PROGRAM else {"course_run": target.key or target.owner}
    return {
        "kind": target.kind,
        **({"learner_id": target.owner} if of_learner else {}),
        **names,
        "desired": msgspec.to_builtins(difference.desired),
        "refusal": difference.refusal,
    }
