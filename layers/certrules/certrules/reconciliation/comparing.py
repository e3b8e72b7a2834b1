"""History compared with receipts and records; records compared with history and the facts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

import msgspec

from certrules import settings, storage
from certrules.core.deciding import decide_record
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies
from certrules.formats.events_out import events_of
from certrules.reconciliation.finding_types import (
    CONTRADICTED,
    HISTORY_MISSING,
    OTHERWISE,
    RECORD_MISSING,
    UNDECIDED,
    UNPUBLISHED,
    UNREADABLE,
    Finding,
    FindingType,
)
from certrules.storage.records import Loaded, StoredRecord
from certrules.storage.tables import BATCH_GET_KEYS, Pair

_UNREADABLE_ERRORS = (msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError)
"""The errors of reading damaged content."""


def in_history(
    items: Iterable[storage.HistoryItem], before: tuple[Pair, int] | None = None, *, consistent: bool = False
) -> Iterator[Finding]:
    """Compare history, in the order in which it is stored, with receipts and records.

    `before` is the item before the first one, if the scan had one.
    """
    for some in batched(items, BATCH_GET_KEYS, strict=False):
        keys = [storage.place_of(item) for item in some]
        receipts = storage.receipts((item.p, item.s) for item in some)
        last = dict(keys)  # the last of each
        records = _records(list(last), consistent=consistent)
        for item, (pair, number) in zip(some, keys, strict=True):
            if number != (before[1] + 1 if before and before[0] == pair else 1):
                yield Finding(HISTORY_MISSING.code, *pair)
            if read_body(item) is None:
                yield Finding(UNREADABLE.code, *pair, number)
            elif (item.p, item.s) not in receipts:
                yield Finding(UNPUBLISHED.code, *pair, number)
            before = pair, number
        for pair, number in last.items():
            record = records.get(pair)
            if record is not None and record.history_count < number:
                yield Finding(RECORD_MISSING.code, *pair)


def _records(pairs: Sequence[Pair], *, consistent: bool) -> dict[Pair, StoredRecord]:
    """Return the readable records; the others are findings of in_records."""
    return _loaded(pairs, consistent=consistent)[0].records


def in_records(
    pairs: Iterable[Pair],
    policies: Policies,
    now: datetime,
    old: Counter[str] | None = None,
    *,
    consistent: bool = False,
) -> Iterator[Finding]:
    """Compare records with the end of their history, and with the decision as of now (UTC).

    Recorded certificates are counted in `old`, by how they agree with the facts.
    """
    old = Counter() if old is None else old
    for some in batched(pairs, BATCH_GET_KEYS, strict=False):
        loaded, unreadable = _loaded(some, consistent=consistent)
        yield from (Finding(UNREADABLE.code, *pair) for pair in unreadable)
        last = _last_published(loaded.records)
        for pair, stored in loaded.records.items():
            if stored.version:
                try:
                    difference = _difference(pair, loaded, last, policies, now, old)
                except _UNREADABLE_ERRORS:
                    difference = UNREADABLE
                if difference is not None:
                    yield Finding(difference.code, *pair)


def _loaded(pairs: Sequence[Pair], *, consistent: bool) -> tuple[Loaded, list[Pair]]:
    """Read records, and return those that can't be read: they are searched one by one, which is rare."""
    try:
        return storage.load(pairs, consistent=consistent), []
    except _UNREADABLE_ERRORS:
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


def _last_published(records: Mapping[Pair, StoredRecord]) -> dict[Pair, dict[str, Any] | None]:
    """Return the last history item with a certificate of each record, None where it can't be read."""
    last_keys = {
        storage.history_key(pair, stored.history_count): pair
        for pair, stored in records.items()
        if stored.history_count
    }
    found = {last_keys[item.p, item.s]: read_body(item) for item in storage.history_items(last_keys)}
    for pair, body in found.items():
        if body is not None and body["kind"] == "tripped":  # the breaker's item follows that of the certificate
            before = list(storage.history_items([storage.history_key(pair, records[pair].history_count - 1)]))
            found[pair] = read_body(before[0]) if before else None
    return found


def _difference(
    pair: Pair, loaded: Loaded, last: Mapping[Pair, Any], policies: Policies, now: datetime, old: Counter[str]
) -> FindingType | None:
    stored = loaded.records[pair]
    if stored.history_count and pair not in last:
        return HISTORY_MISSING
    if not _was_published(stored, last.get(pair)):
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


def _was_published(stored: StoredRecord, last: dict[str, Any] | None) -> bool:
    """Whether the certificate is the last published one: by history, or recorded by the old logic."""
    certificate = stored.published.certificate
    if certificate is None or (stored.history_count and last is None):  # an unreadable item is a finding of in_history
        return last is None
    if last is not None:
        published = last["certificate"]
        if (published["status"], published["id"]) == (certificate.status, certificate.certificate_id):
            return True
    return any(entry.fact is Fact.RECORDED and entry.value.status is certificate.status for entry in stored.timeline)


def read_body(item: storage.HistoryItem) -> dict[str, Any] | None:
    """Return the content of a history item, None if it can't be read."""
    try:
        body: dict[str, Any] = msgspec.json.decode(item.b)
        list(events_of("", item.b, "", ""))
    except _UNREADABLE_ERRORS:
        return None
    return body


def confirmed(findings: Iterable[Finding], policies: Policies, now: datetime) -> list[Finding]:
    """Compare again, consistently, and return the findings that are still there."""
    again: set[Finding] = set()
    first = list(findings)
    for some in batched(first, BATCH_GET_KEYS, strict=False):
        pairs = sorted({finding.pair for finding in some})
        again.update(in_records(pairs, policies, now, consistent=True))
        again.update(in_history((item for pair in pairs for item in storage.history_items_of(pair)), consistent=True))
    return [finding for finding in first if finding in again]
