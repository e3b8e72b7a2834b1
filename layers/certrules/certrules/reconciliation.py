"""Reconciliation: what is stored, against what was told of it and what the facts say now.

Both tables are read in parallel segments, a page at a time. What looks wrong may only be on its way, so it is looked at
again, consistently, when everything that was on its way has arrived. What was lost on its way is then sent again; all
else is reported, never changed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

import msgspec

from certrules import aws, publishing, settings, storage
from certrules.core.deciding import decide_record
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies
from certrules.formats.events_out import events_of
from certrules.storage.records import Loaded, StoredRecord
from certrules.storage.tables import Pair


class FindingType(NamedTuple):
    """A kind of difference."""

    code: str  # never renamed: in reports, events and the runbook
    sentence: str
    remedy: str
    is_healed: bool  # its cause is a lost delivery, so it is delivered again


UNPUBLISHED = FindingType(
    "unpublished",
    "A change was saved, but its events never reached the bus.",
    "They are put on the bus under the ids that they were to have; what followed them is told once more, in order.",
    is_healed=True,
)
UNDECIDED = FindingType(
    "undecided",
    "A newer ID verification or course run, or a time that came, was never decided with.",
    "The certificate is decided again, as if the lost request had come.",
    is_healed=True,
)
OTHERWISE = FindingType(
    "otherwise",
    "The facts, nothing of which is new, would now be decided otherwise.",
    "If the policy was changed without a date, regenerate the course runs; else explain the case and redecide it.",
    is_healed=False,
)
CONTRADICTED = FindingType(
    "contradicted",
    "The certificate is not what its history, or the old logic, told last.",
    "The record was changed by other hands. Explain the case, then redecide it: that writes what the facts say.",
    is_healed=False,
)
HISTORY_MISSING = FindingType(
    "history_missing",
    "History lacks an item that the record counts.",
    "Copy the item back from a restored backup of the history table.",
    is_healed=False,
)
RECORD_MISSING = FindingType(
    "record_missing",
    "History tells of a change that the record knows nothing of, or there is no record.",
    "The certificates table is older than history: replay the archive from the time of its backup on.",
    is_healed=False,
)
UNREADABLE = FindingType(
    "unreadable",
    "An item can't be read.",
    "Copy the item back from a restored backup of its table.",
    is_healed=False,
)

FINDING_TYPES: Mapping[str, FindingType] = {
    difference.code: difference
    for difference in (
        UNPUBLISHED,
        UNDECIDED,
        OTHERWISE,
        CONTRADICTED,
        HISTORY_MISSING,
        RECORD_MISSING,
        UNREADABLE,
    )
}


class Finding(NamedTuple):
    """Something that differs."""

    code: str
    learner_id: int
    course_run: str
    number: int = 0  # of the history item that it is about; 0: about the record

    @property
    def pair(self) -> Pair:
        """Whose record it is about."""
        return Pair(self.learner_id, self.course_run)


_AT_ONCE = 100
"""How many items BatchGetItem takes."""

_STRANGE = (msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError)
"""What strange content makes of reading."""


# --- history: was it told, is it whole, does the record know of it?


def in_history(
    items: Iterable[storage.HistoryItem], before: tuple[Pair, int] | None = None, *, consistent: bool = False
) -> Iterator[Finding]:
    """Compare history, in the order in which it is stored, with receipts and records.

    `before` is the item before the first, if it was of the same scan.
    """
    for some in batched(items, _AT_ONCE, strict=False):
        keys = [storage.place_of(item) for item in some]
        receipts = storage.receipts((item.p, item.s) for item in some)
        last = dict(keys)  # the last of each
        records = _records(list(last), consistent=consistent)
        for item, (pair, number) in zip(some, keys, strict=True):
            if number != (before[1] + 1 if before and before[0] == pair else 1):
                yield Finding(HISTORY_MISSING.code, *pair)
            if _read(item) is None:
                yield Finding(UNREADABLE.code, *pair, number)
            elif (item.p, item.s) not in receipts:
                yield Finding(UNPUBLISHED.code, *pair, number)
            before = pair, number
        for pair, number in last.items():
            record = records.get(pair)
            if record is not None and record.history_count < number:
                yield Finding(RECORD_MISSING.code, *pair)


def _records(pairs: Sequence[Pair], *, consistent: bool) -> dict[Pair, StoredRecord]:
    """Return the records that can be read; those that can't are found where records are looked at."""
    return _loaded(pairs, consistent=consistent)[0].records


# --- records: are they what history says, and what the facts say?


def in_records(
    pairs: Iterable[Pair],
    policies: Policies,
    now: datetime,
    old: Counter[str] | None = None,
    *,
    consistent: bool = False,
) -> Iterator[Finding]:
    """Compare records with the last that was told of them, and with what would be decided now (UTC).

    Those of which the old logic has a word are counted in `old`, by how it agrees with the facts.
    """
    old = Counter() if old is None else old
    for some in batched(pairs, _AT_ONCE, strict=False):
        loaded, unreadable = _loaded(some, consistent=consistent)
        yield from (Finding(UNREADABLE.code, *pair) for pair in unreadable)
        told = _told_last(loaded.records)
        for pair, stored in loaded.records.items():
            if stored.version:
                try:
                    difference = _difference(pair, loaded, told, policies, now, old)
                except _STRANGE:
                    difference = UNREADABLE
                if difference is not None:
                    yield Finding(difference.code, *pair)


def _loaded(pairs: Sequence[Pair], *, consistent: bool) -> tuple[Loaded, list[Pair]]:
    """Read records, and name those that can't be read: they are sought one by one, which is rare."""
    try:
        return storage.load(pairs, consistent=consistent), []
    except _STRANGE:
        if len(pairs) == 1:
            return Loaded({}, {}, {}, {}), [*pairs]
    found, unreadable = Loaded({}, {}, {}, {}), []
    for pair in pairs:
        loaded, failed = _loaded([pair], consistent=consistent)
        found.records |= loaded.records
        found.verifications |= loaded.verifications
        found.course_runs |= loaded.course_runs
        unreadable += failed
    return found, unreadable


def _told_last(records: Mapping[Pair, StoredRecord]) -> dict[Pair, dict[str, Any] | None]:
    """Return the last of their history that tells a certificate, None where it can't be read."""
    wanted = {
        storage.history_key(pair, stored.history_count): pair
        for pair, stored in records.items()
        if stored.history_count
    }
    found = {wanted[item.p, item.s]: _read(item) for item in storage.history_items(wanted)}
    for pair, body in found.items():
        if body is not None and body["kind"] == "tripped":  # a breaker's, which follows on the certificate's
            before = list(storage.history_items([storage.history_key(pair, records[pair].history_count - 1)]))
            found[pair] = _read(before[0]) if before else None
    return found


def _difference(
    pair: Pair, loaded: Loaded, told: Mapping[Pair, Any], policies: Policies, now: datetime, old: Counter[str]
) -> FindingType | None:
    stored = loaded.records[pair]
    if stored.history_count and pair not in told:
        return HISTORY_MISSING
    if not _was_told(stored, told.get(pair)):
        return CONTRADICTED
    decided = decide_record(loaded.known(pair, policies, settings.default_rollout()), (), now)
    if any(entry.fact is Fact.RECORDED for entry in stored.timeline):
        old[decided.compared().kind] += 1
    due = stored.next_change_at
    pending = stored.published.pending
    overdue = (due is not None and due <= now) or (
        pending is not None and pending.due is not None and (due is None or due > pending.due)
    )
    if decided.publication.published == stored.published and not decided.publication.new_transitions and not overdue:
        return None
    versions = loaded.verifications[pair.learner_id].version, loaded.course_runs[pair.course_run].version
    return UNDECIDED if overdue or versions != stored.based_on else OTHERWISE


def _was_told(stored: StoredRecord, told: dict[str, Any] | None) -> bool:
    """Whether the certificate is the one that was told last: by history, or in its time by the old logic."""
    certificate = stored.published.certificate
    if certificate is None or (
        stored.history_count and told is None
    ):  # the latter can't be read, which history's own page tells
        return told is None
    if told is not None:
        said = told["certificate"]
        if (said["status"], said["id"]) == (certificate.status, certificate.certificate_id):
            return True
    return any(entry.fact is Fact.RECORDED and entry.value.status is certificate.status for entry in stored.timeline)


def _read(item: storage.HistoryItem) -> dict[str, Any] | None:
    """Return what an item of history says, None if it can't be read."""
    try:
        body: dict[str, Any] = msgspec.json.decode(item.b)
        list(events_of("", item.b, "", ""))
    except _STRANGE:
        return None
    return body


# --- again, and then


def confirmed(findings: Iterable[Finding], policies: Policies, now: datetime) -> list[Finding]:
    """Look again, consistently, and return what still differs in the same way."""
    again: set[Finding] = set()
    first = list(findings)
    for some in batched(first, _AT_ONCE, strict=False):
        pairs = sorted({finding.pair for finding in some})
        again.update(in_records(pairs, policies, now, consistent=True))
        again.update(in_history((item for pair in pairs for item in storage.history_items_of(pair)), consistent=True))
    return [finding for finding in first if finding in again]


class Means(NamedTuple):
    """By which what was lost is sent again."""

    bus: str
    ingest_queue: str
    certificate_url: str
    host: str  # the `sourcehost` of what is published


def heal(findings: Iterable[Finding], means: Means, at: datetime, now: datetime) -> None:
    """Send again what was lost: decide again as of `at` (UTC); it is `now`. Raises SendError: once more is no harm."""
    lost: dict[Pair, int] = {}
    undecided = []
    for finding in findings:
        if finding.code == UNPUBLISHED.code:
            lost[finding.pair] = min(finding.number, lost.get(finding.pair, finding.number))
        elif finding.code == UNDECIDED.code:
            undecided.append(finding)
    requests = (aws.request_for(*finding.pair, "reconcile", at) for finding in undecided)
    aws.send(means.ingest_queue, ({"MessageBody": request} for request in requests))
    for some in batched(lost.items(), _AT_ONCE, strict=False):
        history = [
            (f"{item.p}#{item.s}", item.b)
            for pair, first in some
            for item in storage.history_items_of(pair)
            if storage.place_of(item)[1] >= first and _read(item) is not None
        ]
        told = publishing.publish(means.bus, history, means.certificate_url, means.host)
        publishing.save_receipts(told, now)
        if len(told) < len(history):
            raise aws.SendError(f"the bus did not take {len(history) - len(told)} of {len(history)} changes")
