"""Late entries: an entry that belongs among entries that compaction dropped can't be placed exactly any more.

Compaction keeps the first and the last of a run of equal values. If an entry with another value arrives late and
belongs into the run, the entry that ended its effect may have been dropped. So it must not have an effect of its own.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING, MICROSECOND
from certrules.core.terms import Cause, RevocationAction
from certrules.core.timeline import Entry, Timeline

COMPACTION = "system:compaction"
"""The actor of the entries that are made here."""

AGAINST: dict[Fact, bool] = {
    Fact.PASSING: False,
    Fact.ALLOWLIST: False,
    Fact.INVALIDATION: True,
    Fact.BETA_TESTER: True,
}
"""The facts that can stand against a certificate, and the value with which they do."""

_SHARED = {Fact.ID_VERIFICATION, Fact.COURSE_RUN}
"""The facts of a learner or a course run. They revoke nothing, and their timelines hold no revocations."""

_AT = attrgetter("at")

_PLACED = {*AGAINST, *_SHARED, Fact.ENROLLMENT}
"""The facts whose entries decide certificates; the others only inform, or are never dropped."""


def place_late(timeline: Timeline, entries: Iterable[Entry], compacted_until: datetime, as_of: datetime) -> list[Entry]:
    """Return new entries as they are to be merged into a timeline that was compacted up to an instant (UTC).

    For an entry that belongs into a run of another value, a revocation is held for a person as of `as_of` (UTC). If
    the entry stands against a certificate, nothing else comes of it: nobody loses a certificate, or its date, by an
    entry that may have been answered long ago. Else it is merged, and the run goes on right after it: it counts at its
    own instant only, and awards nothing that it would not award with the whole timeline.
    """
    placed: list[Entry] = []
    letters = letters_until(timeline)
    for entry in entries:
        run = _run_around(timeline, _deciding(entry), compacted_until, letters)
        if run is None:
            placed.append(entry)
            continue
        if not stands_against(entry):
            placed += [entry, _end(entry, run)]
        if entry.fact not in _SHARED:
            placed.append(_held(entry, as_of))
    return placed


def stands_against(entry: Entry) -> bool:
    """Whether an entry can stand against a certificate."""
    return entry.fact in AGAINST and entry.value is AGAINST[entry.fact]


def letters_until(timeline: Timeline) -> datetime:
    """Return up to when (UTC) grades were dropped whose letter may mean passed; BEGINNING if none was."""
    older = next((entry.value for entry in timeline if entry.fact is Fact.OLDER_GRADES), None)
    return BEGINNING if older is None or older.letters_until is None else older.letters_until


def _deciding(entry: Entry) -> Entry:
    """Return an entry as the one that decides: a letter grade may mean passed, and then ends a run of failing."""
    if entry.fact is Fact.GRADE and entry.value.may_mean_passed:
        return entry._replace(fact=Fact.PASSING, subject="", value=True)
    return entry


def _run_around(timeline: Timeline, entry: Entry, compacted_until: datetime, letters: datetime) -> Entry | None:
    """Return the entry before a new one with another value, if what ended the new one's effect may be unknown.

    Compaction may have dropped it from a run, up to an instant (UTC). Failing may have been answered by a letter that
    was dropped, whatever follows (`letters`: up to when, UTC), or by a grade of the same instant whose id, and with it
    the order of the two, is no longer stored.
    """
    fails = entry.fact is Fact.PASSING and not entry.value
    if entry.fact not in _PLACED or not (fails or entry.at <= compacted_until):
        return None
    if entry.at > max(compacted_until, letters):  # then only what is of the very same instant can answer it
        timeline = timeline[bisect_left(timeline, entry.at, key=_AT) : bisect_right(timeline, entry.at, key=_AT)]
    before: Entry | None = None
    after: Entry | None = None
    for known in timeline:
        if known.event_id == entry.event_id:
            return None
        evidence = _deciding(known)
        if evidence.fact is not entry.fact or evidence.subject != entry.subject:
            continue
        if evidence[:2] > entry[:2]:
            after = evidence
            break
        before = evidence
    if before is None or before.value == entry.value:
        return None
    in_run = after is not None and entry.at <= compacted_until and before.value == after.value
    answered = fails and (entry.at <= letters or (before.at == entry.at and not before.event_id))
    return before if in_run or answered else None


def _held(entry: Entry, as_of: datetime) -> Entry:
    """Return the entry that holds a revocation for a person, because a late entry was set aside."""
    _, _, event, detail = entry.wording(as_of)
    notes = f"{event} on {entry.at:%Y-%m-%d %H:%M} UTC{detail}: it arrived after the entries around it were compacted"
    return Entry(
        as_of, entry.event_id, Fact.REVOCATION, Cause.LATE_ENTRY, RevocationAction.HELD, COMPACTION, notes[:2_000]
    )


def _end(entry: Entry, run: Entry) -> Entry:
    """Return the entry that gives the fact the value of the run again, right after a late entry."""
    event_id = f"{entry.event_id}#{COMPACTION}"
    return Entry(entry.at + MICROSECOND, event_id, run.fact, run.subject, run.value, COMPACTION)
