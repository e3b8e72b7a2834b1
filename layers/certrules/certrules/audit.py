"""The audit log: who did, approved, declined or was refused what, when, why, and on what."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from certrules import settings, storage
from certrules.requests import identity


class Kind(StrEnum):
    """What a person did."""

    ACT = "act"
    APPROVAL = "approval"
    DECLINE = "decline"
    REFUSAL = "refusal"  # of a person who may not do it: by scope, by count, or since it takes a second person


class Subject(NamedTuple):
    """What an act is, on what, and why. It has ids and keys only: no name of a learner."""

    act: str  # such as invalidate, stop, ask to release, start a bulk run
    reason: str = ""
    learner_id: int | None = None
    course_runs: tuple[str, ...] = ()  # none: everywhere, or of a bulk run over all
    run: str = ""  # the id of a bulk run
    revocation: str = ""  # the id of a bulk revocation
    program: str = ""


class Entry(NamedTuple):
    """An entry of the audit log; it is stored as a list, so new fields come last."""

    at: datetime  # UTC
    by: str
    kind: Kind
    subject: Subject
    how_many: int = 1  # on how many certificates, course runs or deliveries
    event_id: str = ""  # of the event that is the act; "" if it is none, or several
    refused: str = ""  # why, of a refusal
    key: str = ""  # under which it is stored; sorts by time


class Filter(NamedTuple):
    """Which entries are looked for; what is None is not looked at."""

    by: str | None = None
    kind: Kind | None = None
    act: str | None = None
    course_run: str | None = None
    learner_id: int | None = None

    def takes(self, entry: Entry) -> bool:
        """Return whether an entry is looked for."""
        subject = entry.subject
        return (
            (self.by is None or identity(self.by) == identity(entry.by))
            and self.kind in {None, entry.kind}
            and self.act in {None, subject.act}
            and (self.course_run is None or self.course_run in subject.course_runs)
            and self.learner_id in {None, subject.learner_id}
        )


MOST_READ = 1_000
"""How many entries are read for one page of a list at most; the next page goes on after them."""

_READ_AT_ONCE = 250


def note(
    name: str,
    by: str,
    at: datetime,
    kind: Kind,
    subject: Subject,
    *,
    count: int = 1,
    event_id: str = "",
    refused: str = "",
) -> str:
    """Write an entry: one request. Returns its key. `name` is the same if it is written again, and then nothing is.

    `at` (UTC) is of the first time, too. Raises PynamoDB's errors.
    """
    key = storage.entry_key(at, name)
    entry = Entry(at, by, kind, subject, count, event_id, refused)
    storage.add_entry(key, msgspec.json.encode(entry).decode(), _about(subject), at + settings.audit_time())
    return key


def _about(subject: Subject) -> str | None:
    if subject.run:
        return f"N#{subject.run}"
    if len(subject.course_runs) != 1:
        return None
    (course_run,) = subject.course_runs
    return f"R#{course_run}" if subject.learner_id is None else f"L#{subject.learner_id}#{course_run}"


def found(key: str) -> Entry | None:
    """Return an entry by its key; None if there is none."""
    body = storage.find_entry(key)
    return None if body is None else _entry(key, body)


def about_case(learner_id: int, course_run: str, limit: int = 50) -> list[Entry]:
    """Return the newest entries about a learner in a course run: one request."""
    return _about_entries(f"L#{learner_id}#{course_run}", limit)


def about_course_run(course_run: str, limit: int = 50) -> list[Entry]:
    """Return the newest entries about a course run as a whole: one request."""
    return _about_entries(f"R#{course_run}", limit)


def about_bulk_run(run_id: str, limit: int = 50) -> list[Entry]:
    """Return the newest entries about a bulk run: one request."""
    return _about_entries(f"N#{run_id}", limit)


def _about_entries(about: str, limit: int) -> list[Entry]:
    return [_entry(key, body) for key, body in storage.entries_about(about, limit)]


def listed(
    since: datetime, until: datetime, which: Filter, before: str | None, limit: int
) -> tuple[list[Entry], str | None]:
    """Return a page of entries from `since` on and before `until` (UTC), newest first, and where the next one starts.

    The page may have fewer than `limit`, or none, and others follow: MOST_READ are read at most.
    """
    chosen: list[Entry] = []
    for _ in range(MOST_READ // _READ_AT_ONCE):
        page, before = storage.entries(since, until, before, _READ_AT_ONCE)
        for entry in _taken(page, which):
            chosen.append(entry)
            if len(chosen) == limit:
                return chosen, entry.key
        if before is None:
            break
    return chosen, before


def _taken(page: list[tuple[str, str]], which: Filter) -> Iterator[Entry]:
    return (entry for entry in (_entry(key, body) for key, body in page) if which.takes(entry))


def _entry(key: str, body: str) -> Entry:
    return msgspec.json.decode(body, type=Entry)._replace(key=key)
