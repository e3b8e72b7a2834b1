"""Who has what in a course run: counted from the index of learners, remembered for a while, and listed from it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from certrules import aws, storage
from certrules.formats.standings import EARLIER, STEPS, Standing, read_standing
from certrules.formats.stored import as_time
from certrules.storage import COURSE_RUN_SHARDS, Listed, LostRaceError

_VALID_FOR = timedelta(minutes=1)
_VALID_TIMES = 200
"""Numbers are valid for a minute, or so many times as long as counting them took."""

_DAYS = 60
"""How many days with awards or losses are shown, the newest first."""

type Counts = dict[str, list[int]]


class Summary(NamedTuple):
    """The numbers of a course run, as of an instant."""

    at: datetime  # UTC
    since: str  # YYYY-MM-DD (UTC): older days are counted as one, EARLIER; "": there are none
    counts: Counts  # of each standing, in each shard; under "", of those without one

    @property
    def stored(self) -> int:
        """How many learners are stored."""
        return sum(map(sum, self.counts.values()))

    @property
    def uncounted(self) -> int:
        """How many of them have no standing: an earlier release stored them."""
        return sum(self.counts.get("", ()))

    def standings(self) -> Iterator[tuple[Standing, int]]:
        """Yield each standing that somebody has, and how many have it."""
        for text, by_shard in self.counts.items():
            if text:
                yield read_standing(text), sum(by_shard)

    def shares(self, which: "Filter") -> list[float]:
        """Return which share of the learners of each shard a filter takes."""
        if which.day and which.day < self.since:
            which = which._replace(day=EARLIER)
        taken = [by_shard for text, by_shard in self.counts.items() if text and which.takes(read_standing(text))]
        return [
            sum(by_shard[shard] for by_shard in taken)
            / (sum(by_shard[shard] for by_shard in self.counts.values()) or 1)
            for shard in range(COURSE_RUN_SHARDS)
        ]


def summary_of(course_run: str, now: datetime, *, is_fresh: bool = False) -> Summary:
    """Return the numbers of a course run as of now (UTC), or of a while ago unless they are to be `is_fresh`.

    One request if they are remembered; else one for each of the shards, for each megabyte of its entries, and one to
    remember them.
    """
    note = storage.find_note(_NOTE, course_run)
    if note.v and not is_fresh:
        stored = msgspec.json.decode(note.b)
        if datetime.fromisoformat(stored["valid_until"]) > now:
            return Summary(datetime.fromisoformat(stored["at"]), stored["since"], stored["counts"])
    begun = monotonic()
    found = _counted(course_run, now)
    if not found.stored:
        return found
    valid_for = max(_VALID_FOR, timedelta(seconds=_VALID_TIMES * (monotonic() - begun)))
    body = {**found._asdict(), "at": as_time(now), "valid_until": as_time(now + valid_for)}
    with suppress(LostRaceError):  # somebody else counted meanwhile
        storage.save_note(note, body, now + valid_for)
    return found


_NOTE = "course-run-counts"


def _counted(course_run: str, now: datetime) -> Summary:
    by_shard = aws.each(lambda shard: storage.standings_of(course_run, shard), range(COURSE_RUN_SHARDS))
    standings = {text: read_standing(text) for found in by_shard for text in found if text}
    days = sorted({standing.day for standing in standings.values() if standing.day}, reverse=True)
    since = days[_DAYS - 1] if len(days) > _DAYS else ""
    counts: Counts = {}
    for shard, found in enumerate(by_shard):
        for text, count in found.items():
            standing = standings.get(text)
            is_old = standing is not None and "" < standing.day < since
            name = standing._replace(day=EARLIER).text if standing is not None and is_old else text
            counts.setdefault(name, [0] * COURSE_RUN_SHARDS)[shard] += count
    return Summary(now, since, counts)


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
        if standing.day:
            days.setdefault(standing.day, Counter())[standing.change] += count
    return {
        "course_run": course_run,
        "at": as_time(summary.at),
        "learners": summary.stored - summary.uncounted,
        "uncounted": summary.uncounted,
        "by_status": _rows(statuses),
        "by_mode": _rows(modes),
        "by_reason": _rows(reasons),
        "funnel": [{"value": step, "count": steps[number]} for number, step in enumerate(STEPS)],
        "days": [
            {"day": day, "awarded": found["awarded"], "lost": found["lost"]}
            for day, found in sorted(days.items(), reverse=True)[:_DAYS]
        ],
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
    """Where a page of a list starts: in a shard, behind a learner (None: with its first)."""

    shard: int
    after: int | None = None


def learners_by(
    course_run: str, summary: Summary, which: Filter, start: ListPlace | None, limit: int
) -> tuple[list[dict[str, Any]], ListPlace | None]:
    """Return a page of the learners whom a filter takes, and the start of the next page; no record is read.

    By shard, and in it by the index's key. Shards that had nobody of these when the summary was counted are left out,
    and in others as much is read as should fill the page: MOST_REQUESTS at most, so the page may have fewer than
    `limit`, or none, and others follow.
    """
    shares = summary.shares(which)
    taken: dict[str, bool] = {}
    found: list[Listed] = []
    place = _place_in(shares, start or ListPlace(0))
    for number in range(MOST_REQUESTS):
        if place is None or len(found) >= limit:
            break
        left = limit - len(found)
        most = ceil(_MARGIN * left / shares[place.shard]) << number  # those of a group may be far apart
        page, after = storage.standing_page(course_run, place.shard, place.after, most)
        taken |= {text: which.takes(read_standing(text)) for text in {one.standing for one in page} - taken.keys()}
        chosen = [one for one in page if taken[one.standing]]
        if len(chosen) > left:
            chosen, after = chosen[:left], chosen[left - 1].learner_id
        found += chosen
        place = _place_in(shares, ListPlace(place.shard + 1) if after is None else ListPlace(place.shard, after))
    return _listed(found), place


MOST_REQUESTS = 32
"""How many requests a page takes at most, each of up to a megabyte of the index."""

_MARGIN = 1.2
"""How much more is read than should be enough if learners of a group were spread evenly."""


def _place_in(shares: Sequence[float], place: ListPlace) -> ListPlace | None:
    """Return the place, or the beginning of the first shard behind it where there is anybody; None: there is none."""
    for shard in range(place.shard, COURSE_RUN_SHARDS):
        if shares[shard]:
            return place if shard == place.shard else ListPlace(shard)
    return None


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


_FILE_PAGE = 5_000
"""How many learners of a file are found at a time: a megabyte of the index has twice as many."""


def all_learners_by(
    page_of: Callable[[ListPlace | None, int], tuple[list[dict[str, Any]], ListPlace | None]], most: int
) -> Iterator[dict[str, Any]]:
    """Yield up to so many learners of a list, a page of _FILE_PAGE at a time."""
    place: ListPlace | None = None
    left = most
    while left > 0:
        rows, place = page_of(place, min(left, _FILE_PAGE))
        yield from rows
        left -= len(rows)
        if place is None:
            return
