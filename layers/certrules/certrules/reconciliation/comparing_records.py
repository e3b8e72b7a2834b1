"""Records, compared with the end of their history and with the facts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import batched
from typing import Any

from certrules import settings, storage
from certrules.core.certificate import as_recorded
from certrules.core.comparison import is_same_grade
from certrules.core.deciding import decide_record
from certrules.core.fact_types import AFTER_PUBLICATION, Fact
from certrules.core.policy import Policies
from certrules.reconciliation.finding_types import (
    CONTRADICTED,
    HISTORY_MISSING,
    OLD_LOGIC_DIFFERS,
    OTHERWISE,
    UNDECIDED,
    UNREADABLE,
    FindingType,
    RecordFinding,
)
from certrules.reconciliation.reading import UNREADABLE_ERRORS, load_readable, read_body
from certrules.storage import BATCH_GET_KEYS, Loaded, Pair, StoredRecord


def in_records(
    pairs: Iterable[Pair],
    policies: Policies,
    now: datetime,
    old: Counter[str] | None = None,
    *,
    consistent: bool = False,
) -> Iterator[RecordFinding]:
    """Compare records with the end of their history, and with the decision as of now (UTC).

    Recorded certificates are counted in `old`, by how they agree with the facts.
    """
    old = Counter() if old is None else old
    for some in batched(pairs, BATCH_GET_KEYS, strict=False):
        loaded, unreadable = load_readable(some, consistent=consistent)
        yield from (RecordFinding(UNREADABLE.code, *pair) for pair in unreadable)
        last = _last_published(loaded.records)
        for pair, stored in loaded.records.items():
            if stored.version:
                try:
                    difference = _difference(pair, loaded, last, policies, now, old)
                except UNREADABLE_ERRORS:
                    difference = UNREADABLE
                if difference is not None:
                    yield RecordFinding(difference.code, *pair)


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
        return OLD_LOGIC_DIFFERS if decided.rollout.is_live and _is_contested(stored) else None
    versions = loaded.verifications[pair.learner_id].version, loaded.course_runs[pair.course_run].version
    return UNDECIDED if overdue or versions != stored.based_on else OTHERWISE


def _is_contested(stored: StoredRecord) -> bool:
    """Whether the old logic's last certificate came after the published one, and is another for learners."""
    recorded = [entry for entry in stored.timeline if entry.fact is Fact.RECORDED]
    published = stored.published.certificate
    if not recorded or recorded[-1].subject != AFTER_PUBLICATION or published is None:
        return False
    theirs = as_recorded(recorded[-1], published)
    same_grade = not theirs.grade or is_same_grade(theirs.grade, published.grade)
    return not (theirs._replace(grade="") == published._replace(grade="") and same_grade)


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
