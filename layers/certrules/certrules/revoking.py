"""Automatic revocations of one record: the breaker of the course run counts each; it or the kill switch may hold it.

Loaded when there is one: other events don't wait for it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from certrules import storage
from certrules.core.deciding import KILL_SWITCH, DecidedRecord, decide_record, hold_of, stopped_because
from certrules.core.guard import automatic_revocation
from certrules.core.policy import Policy
from certrules.core.timeline import Entry
from certrules.formats.stored import tripped_history_of
from certrules.storage.breaker import BreakerState


@dataclass(slots=True)
class HeldBack:
    """A decided record whose automatic revocations were all looked at, and what that changes beside it."""

    decided: DecidedRecord
    breaker: BreakerState
    stopped: Counter[str] = field(default_factory=Counter)  # held automatic revocations, by what holds them
    tripped: str | None = None  # the history item, if the breaker tripped


def hold_back(decided: DecidedRecord, entries: Sequence[Entry], sent_at: datetime) -> HeldBack:
    """Have the breaker and the kill switch look at the automatic revocations of a decided record: one read request.

    What they hold is decided again, with the same `entries`, as of the same instant (UTC).
    """
    held = HeldBack(decided, storage.load_breaker(decided.known.course_run))
    before, counted = decided.before, 0  # so many of the new transitions were looked at and may take effect
    while revocation := automatic_revocation(before, held.decided.publication.new_transitions[counted:]):
        policy = revocation.decision.facts.policy
        window_start = held.decided.as_of - policy.breaker_window
        stop = _stop(held, policy, window_start, revocation.at)
        if stop is None:
            held.breaker.count(held.decided.as_of, window_start)
            counted = held.decided.publication.new_transitions.index(revocation) + 1
            continue
        by, why = stop
        if by == "breaker" and (held.breaker.tripped_at is None or held.breaker.tripped_at <= window_start):
            held.breaker.trip(held.decided.as_of)
            limits = (policy.breaker_limit, policy.breaker_window)
            held.tripped = tripped_history_of(held.decided.record, held.decided.as_of, *limits)
        held.stopped[by] += 1
        entries = (*entries, hold_of(held.decided.record, revocation, by, why, held.decided.timeline))
        held.decided = decide_record(decided.known, entries, sent_at)
    return held


def _stop(held: HeldBack, policy: Policy, window_start: datetime, at: datetime) -> tuple[str, str] | None:
    """Return what stops an automatic revocation at an instant (UTC), and why; None if nothing does.

    The kill switch stops what is due while it is off, and whatever is decided while it is off.
    """
    for instant in (at, None):
        if why := stopped_because(held.breaker.everywhere, held.decided.known.configuration, instant):
            return KILL_SWITCH, why
    if sum(instant > window_start for instant in held.breaker.revoked) >= policy.breaker_limit:
        span = f"{policy.breaker_window.total_seconds():g} seconds"
        return "breaker", f"more than {policy.breaker_limit} automatic revocations in this course run within {span}"
    return None
