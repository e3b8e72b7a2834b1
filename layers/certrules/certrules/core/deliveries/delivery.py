"""One delivery: what is desired, what is acknowledged, and the transitions between. Every function returns a new state.

A desired state has the number of the decision that it comes from, so an older one that comes late changes nothing. What
is sent is what is desired at that instant, under a lease: one request is in flight, and an answer counts only for its
own lease. After a request without a readable answer, the next one waits until the service is done with the first
(SETTLES), and asks before it sends: the last delivery wins there, so no older one may come after it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from certrules.core.deliveries.desired import CourseCredential, Desired, Target, Username
from certrules.core.deliveries.outcomes import REASONS, Acknowledged, Outcome, RecordWarning, Unacknowledged, Waiting

LEASE = timedelta(minutes=3)
"""For how long a request is taken to be in flight: longer than all time-outs of a delivery, and than SETTLES."""

SETTLES = timedelta(minutes=1)
"""So long after a request without an answer the service may still write it."""

FIRST_BACK_OFF = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(hours=1)
LONGEST_RETRY_AFTER = timedelta(days=1)


class Lease(NamedTuple):
    """The right to send, and what is sent under it."""

    holder: str  # never used twice
    until: datetime  # UTC
    desired: Desired


class Acknowledgement(NamedTuple):
    """What the Credentials service holds, as it answered."""

    desired: Desired
    at: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far the delivery of one target is."""

    target: Target
    desired: Desired
    number: int  # of the desired state: a higher one is later
    wanted_at: datetime  # UTC: since when the service doesn't hold what is desired; settled: since when it was desired
    acknowledged: Acknowledgement | None = None
    uuid: str | None = None  # of the credential's row in the service
    tries: int = 0  # in a row, without an acknowledgement
    waiting: Waiting | None = None
    detail: str = ""
    due: datetime | None = None  # UTC; None: settled, or it waits for a change or a person
    lease: Lease | None = None
    in_doubt: bool = False  # a request that wasn't acknowledged may have been written: what is held is uncertain
    overridden: bool = False  # a date override was desired once, so a row may have one
    warning: RecordWarning | None = None
    is_presumed: bool = False  # what is acknowledged is the former username of a learner of whom nothing was sent yet

    @property
    def is_settled(self) -> bool:
        """Whether the service holds what is desired, as far as is known."""
        return self.lease is None and not self.in_doubt and self._is_acknowledged

    @property
    def _is_acknowledged(self) -> bool:
        return self.acknowledged is not None and self.acknowledged.desired == self.desired

    @property
    def next_at(self) -> datetime | None:
        """When there is something to do next (UTC): a try, or the end of a lease. None: nothing is due."""
        return self.due if self.lease is None else self.lease.until


def first_wanted(
    target: Target, desired: Desired, number: int, now: datetime, former: Username | None = None
) -> Delivery:
    """Return the delivery of a target for which nothing was desired before.

    A first username needs no request, unless the learner had a `former` one: the service may know the learner by it,
    with rows that the platform sent. Renaming somebody whom it doesn't know changes nothing there.
    """
    new = Delivery(target=target, desired=desired, number=number, wanted_at=now, overridden=_has_override(desired))
    if not isinstance(desired, Username):
        return replace(new, due=now)
    if former is None:
        return replace(new, acknowledged=Acknowledgement(desired, now))
    return replace(new, acknowledged=Acknowledgement(former, now), is_presumed=True, due=now)


def wanted(delivery: Delivery, desired: Desired, number: int, now: datetime) -> Delivery:
    """Return the delivery with a new desired state; unchanged if its number isn't higher."""
    if number <= delivery.number:
        return delivery
    since = now if delivery.is_settled else delivery.wanted_at
    overridden = delivery.overridden or _has_override(desired)
    changed = replace(delivery, desired=desired, number=number, wanted_at=since, overridden=overridden)
    if changed.is_settled:
        return replace(changed, due=None, waiting=None, detail="", tries=0)
    return changed if desired == delivery.desired and not delivery.is_settled else _due(changed, now)


def leased(delivery: Delivery, holder: str, now: datetime) -> Delivery | None:
    """Return the delivery with a lease for what is desired now; None: nothing is due, or a request is in flight.

    A former lease that ran out without an answer leaves the delivery in doubt.
    """
    if delivery.next_at is None or delivery.next_at > now:
        return None
    lease = Lease(holder, now + LEASE, delivery.desired)
    return replace(delivery, lease=lease, in_doubt=delivery.in_doubt or delivery.lease is not None)


def released(delivery: Delivery, holder: str, due: datetime) -> Delivery:
    """Return the delivery without its lease, under which nothing was sent; unchanged if the lease is another's."""
    if delivery.lease is None or delivery.lease.holder != holder:
        return delivery
    return replace(delivery, lease=None, due=due)


def answered(delivery: Delivery, holder: str, outcome: Outcome, now: datetime, draw: float) -> Delivery:
    """Return the delivery after the outcome of what was sent under a lease; unchanged if the lease is another's.

    `draw` is a random number from 0 to 1.
    """
    lease = delivery.lease
    if lease is None or lease.holder != holder:
        return delivery
    free = replace(delivery, lease=None, is_presumed=False)
    if isinstance(outcome, Acknowledged):
        return _acknowledged(free, lease.desired, outcome, now)
    if delivery.is_presumed and outcome.reason is Waiting.RENAME_REFUSED:  # so the first delivery has the new name
        return _acknowledged(free, delivery.desired, Acknowledged(), now)
    return _unacknowledged(free, lease.desired, outcome, now, draw)


def _acknowledged(delivery: Delivery, sent: Desired, outcome: Acknowledged, now: datetime) -> Delivery:
    has_second_row = None not in {outcome.uuid, delivery.uuid} and outcome.uuid != delivery.uuid
    return replace(
        delivery,
        acknowledged=Acknowledgement(sent, now),
        uuid=outcome.uuid or delivery.uuid,
        tries=0,
        waiting=None,
        detail="",
        due=None if sent == delivery.desired else now,
        in_doubt=False,
        warning=RecordWarning.SECOND_ROW if has_second_row else outcome.warning or _lasting(delivery.warning),
    )


def _lasting(warning: RecordWarning | None) -> RecordWarning | None:
    """Return the warning if a later acknowledgement doesn't end it: a second row stays until somebody removes it."""
    return None if warning is RecordWarning.OTHER_MODE else warning


def _unacknowledged(delivery: Delivery, sent: Desired, outcome: Unacknowledged, now: datetime, draw: float) -> Delivery:
    reason = REASONS[outcome.reason]
    # Only an acknowledgement ends a doubt: what was sent before may be what the service holds. An account that may not
    # rename has renamed nobody.
    was_sent = outcome.reason in {Waiting.IN_DOUBT, Waiting.SERVER_ERROR}
    in_doubt = was_sent or (delivery.in_doubt and outcome.reason is not Waiting.RENAME_REFUSED)
    refused = replace(
        delivery, tries=delivery.tries + 1, waiting=outcome.reason, detail=outcome.detail, in_doubt=in_doubt
    )
    if sent != delivery.desired and not reason.is_of_service:
        return _due(refused, now)  # the refusal is of what is desired no more
    delay = _delay(outcome, delivery.tries, draw)
    return replace(refused, due=None if delay is None else now + delay)


def _delay(outcome: Unacknowledged, tries: int, draw: float) -> timedelta | None:
    """Return how long to wait; None: until a change or a person's retry."""
    reason = REASONS[outcome.reason]
    if not reason.backs_off:
        return None if reason.retried is None else reason.retried * (1 + draw) / 2
    delay = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * (1 << min(tries, 20))) * draw
    if outcome.retry_after is not None:
        delay += min(timedelta(seconds=min(outcome.retry_after, 1e6)), LONGEST_RETRY_AFTER)
    return delay + SETTLES if outcome.reason is Waiting.IN_DOUBT else delay


def postponed(delivery: Delivery, reason: Waiting, now: datetime) -> Delivery:
    """Return the delivery that isn't sent now, for a reason that is known without asking the service."""
    retried = REASONS[reason].retried
    assert retried is not None
    return replace(delivery, waiting=reason, detail="", due=now + retried)


def fact_arrived(delivery: Delivery, reasons: frozenset[Waiting], now: datetime) -> Delivery:
    """Return the delivery, due again if it waits for one of these reasons, none of which is of the service."""
    return _due(delivery, now) if delivery.waiting in reasons else delivery


def retried(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery that a person wants to be tried now; one in doubt waits until the service is done with it."""
    if delivery.is_settled or delivery.lease is not None:
        return delivery
    soonest = now + SETTLES if delivery.in_doubt else now
    return replace(delivery, due=soonest if delivery.due is None else min(delivery.due, soonest))


def lost(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery of what the service was found not to hold any more: it is sent again."""
    since = now if delivery.is_settled else delivery.wanted_at
    return _due(replace(delivery, acknowledged=None, wanted_at=since), now)


def _due(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery, due now; where the service as a whole is waited for, when that is over."""
    if delivery.due is not None and delivery.waiting is not None and REASONS[delivery.waiting].is_of_service:
        return delivery
    return replace(delivery, due=now, waiting=None, detail="", tries=0)


def _has_override(desired: Desired) -> bool:
    return isinstance(desired, CourseCredential) and desired.date_override is not None
