"""Who has what in a course run: counted from the index of standings, remembered for a while, and listed from it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from certrules import aws, storage
from certrules.formats.standings import STEPS, Standing, read_standing
from certrules.formats.stored import as_time
from certrules.storage import COURSE_RUN_SHARDS, Listed, LostRaceError, StandingPlace

SHARD_LIMIT = 5_000
"""How many learners of a shard are counted one by one, by day; a shard with more is counted by group, without days."""

_VALID_FOR = timedelta(minutes=1)
_VALID_TIMES = 200
"""Numbers are valid for a minute, or so many times as long as counting them took."""

_DAYS = 60
"""How many days with awards or losses are shown, the newest first."""

type Counts = dict[str, list[int]]


class Summary(NamedTuple):
    """The numbers of a course run, as of an instant."""

    at: datetime  # UTC
    by_day: bool  # whether `counts` are by whole standing; False: by group
    counts: Counts  # of each standing or group, in each shard
    stored: int  # how many learners are stored

    @property
    def counted(self) -> int:
        """How many learners the index has."""
        return sum(map(sum, self.counts.values()))

    def standings(self) -> Iterator[tuple[Standing, int]]:
        """Yield each standing that somebody has, and how many have it."""
        for text, by_shard in self.counts.items():
            yield read_standing(text), sum(by_shard)


def summary_of(course_run: str, now: datetime, *, is_fresh: bool = False) -> Summary:
    """Return the numbers of a course run as of now (UTC), or of a while ago unless they are to be `is_fresh`.

    One request if they are remembered; else one for each of the shards and one more, twice that for large ones and some
    for each group, and one to remember them.
    """
    note = storage.find_note(_NOTE, course_run)
    if note.v and not is_fresh:
        stored = msgspec.json.decode(note.b)
        if datetime.fromisoformat(stored["valid_until"]) > now:
            return Summary(datetime.fromisoformat(stored["at"]), stored["by_day"], stored["counts"], stored["stored"])
    begun = monotonic()
    found = _counted(course_run, now)
    if not found.stored:
        return found
    valid_for = max(_VALID_FOR, timedelta(seconds=_VALID_TIMES * (monotonic() - begun)))
    body = {**found._asdict(), "at": as_time(now), "valid_until": as_time(now + valid_for)}
    with suppress(LostRaceError):  # somebody else counted meanwhile
        storage.save_note(note, body, now + valid_for)
    return found


_NOTE = "standings"


def _counted(course_run: str, now: datetime) -> Summary:
    shards = range(COURSE_RUN_SHARDS)
    by_shard = aws.each(lambda shard: storage.standings_of(course_run, shard, SHARD_LIMIT), shards)
    by_day = None not in by_shard
    if not by_day:
        by_shard = aws.each(lambda shard: storage.groups_of(course_run, shard), shards)
    stored = aws.each(lambda shard: storage.learner_count(course_run, shard), shards)
    counts: Counts = {}
    for shard, found in enumerate(by_shard):
        for text, count in (found or Counter()).items():
            counts.setdefault(text, [0] * COURSE_RUN_SHARDS)[shard] = count
    return Summary(now, by_day, counts, sum(stored))


def summary_as_json(course_run: str, summary: Summary) -> dict[str, Any]:
    """Return the numbers of a course run for people: by status, mode and reason, the funnel, and by day."""
    statuses, modes, reasons, steps = Counter[str](), Counter[str](), Counter[str](), Counter[int]()
    days: dict[str, Counter[str]] = {}
    for standing, count in summary.standings():
        statuses[standing.status or NOBODY] += count
        modes[standing.mode or UNKNOWN] += count
        reasons.update(dict.fromkeys(standing.reasons, count))
        steps.update(dict.fromkeys(range(standing.step + 1), count))
        if standing.is_pending:
            statuses[PENDING] += count
        if summary.by_day and standing.day:
            days.setdefault(standing.day, Counter())[standing.change] += count
    return {
        "course_run": course_run,
        "at": as_time(summary.at),
        "learners": summary.counted,
        "uncounted": max(0, summary.stored - summary.counted),
        "by_status": _rows(statuses),
        "by_mode": _rows(modes),
        "by_reason": _rows(reasons),
        "funnel": [{"value": step, "count": steps[number]} for number, step in enumerate(STEPS)],
        "days": [
            {"day": day, "awarded": found["awarded"], "lost": found["lost"]}
            for day, found in sorted(days.items(), reverse=True)[:_DAYS]
        ],
        "by_day": summary.by_day,
    }


NOBODY, ANYBODY, PENDING, UNKNOWN = "none", "any", "pending", "unknown"
"""How a filter names: no certificate; one of any status; one whose revocation is pending; no enrollment received."""


def _rows(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    ranked = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [{"value": value, "count": count} for value, count in ranked]


class Filter(NamedTuple):
    """Which learners of a course run are listed; "" for any."""

    status: str = ""  # or none, any, or pending
    mode: str = ""  # or unknown
    reason: str = ""
    step: str = ""  # at least so far
    stuck: str = ""  # exactly so far
    change: str = ""  # awarded, or lost
    day: str = ""  # YYYY-MM-DD (UTC), of the change

    def takes(self, standing: Standing) -> bool:
        """Whether learners of a standing are listed."""
        status = {standing.status or NOBODY, *([PENDING] if standing.is_pending else [])}
        status |= {ANYBODY} if standing.status else set()
        return (
            self.status in {"", *status}
            and self.mode in {"", standing.mode or UNKNOWN}
            and (not self.reason or self.reason in standing.reasons)
            and (not self.step or standing.step >= STEPS.index(self.step))
            and self.stuck in {"", STEPS[standing.step]}
            and self.change in {"", standing.change}
            and self.day in {"", standing.day}
        )


class ListPlace(NamedTuple):
    """Where a page of a list starts."""

    start: str  # of the standings that are listed there
    shard: int
    after: StandingPlace | None = None


def learners_by(
    course_run: str, summary: Summary, which: Filter, start: ListPlace | None, limit: int
) -> tuple[list[dict[str, Any]], ListPlace | None]:
    """Return a page of the learners whom a filter takes, and the start of the next page; no record is read.

    A request for each pair of standing and shard that had anybody when the summary was counted.
    """
    found: list[Listed] = []
    places = list(_places(summary, which, start))
    for number, place in enumerate(places):
        page, following = storage.standing_page(course_run, place.shard, place.start, place.after, limit - len(found))
        found += page
        if following is not None:
            return _listed(found), place._replace(after=following)
        if len(found) >= limit:
            return _listed(found), next(iter(places[number + 1 :]), None)
    return _listed(found), None


def _places(summary: Summary, which: Filter, start: ListPlace | None) -> Iterator[ListPlace]:
    """Yield where the learners of a filter are in the index, from a place on."""
    shards: dict[str, list[int]] = {}
    for text, by_shard in sorted(summary.counts.items()):
        standing = read_standing(text)
        if which.takes(standing):
            begins = text if which.day or which.change else f"{standing.group}|"
            known = shards.setdefault(begins, [0] * COURSE_RUN_SHARDS)
            shards[begins] = [one + more for one, more in zip(known, by_shard, strict=True)]
    for begins, by_shard in sorted(shards.items()):
        for shard, count in enumerate(by_shard):
            is_behind = start is None or (begins, shard) > start[:2]
            if start is not None and (begins, shard) == start[:2]:
                yield start
            elif count and is_behind:
                yield ListPlace(begins, shard)


def _listed(found: Iterable[Listed]) -> list[dict[str, Any]]:
    return [{"learner_id": one.learner_id, **_as_json(read_standing(one.standing))} for one in found]


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "status": standing.status,
        "pending": standing.is_pending,
        "mode": standing.mode or None,
        "reasons": list(standing.reasons),
        "change": standing.change or None,
        "day": standing.day or None,
    }


def all_learners_by(
    page_of: Callable[[ListPlace | None, int], tuple[list[dict[str, Any]], ListPlace | None]], most: int
) -> Iterator[dict[str, Any]]:
    """Yield up to so many learners of a list, a page of 1,000 at a time."""
    place: ListPlace | None = None
    left = most
    while left > 0:
        rows, place = page_of(place, min(left, 1_000))
        yield from rows
        left -= len(rows)
        if place is None:
            return
