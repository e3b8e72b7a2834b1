"""Delivering to the Credentials service: what is desired now, one request in flight for each item, until acknowledged.

The state of each delivery is stored, and every change of it is saved under a condition on its version. So workers may
run side by side, be called twice, and end at any line: a lease that nobody answers runs out, and the service is asked
what holds. While a learner is renamed in the service, nothing of that learner is in flight: a late request under the
former name would make a second row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple, Protocol

from certrules.core.deliveries.breaker import Permission, ServiceBreaker, counted, permission, probing
from certrules.core.deliveries.delivery import Delivery, answered, fact_arrived, leased, lost, postponed, released
from certrules.core.deliveries.desired import (
    ORDER,
    CourseCredential,
    Desired,
    Kind,
    Owner,
    ProgramCredential,
    Target,
    Username,
)
from certrules.core.deliveries.outcomes import Acknowledged, Outcome, Unacknowledged, Waiting, is_failure_of_service
from certrules.records.credentials import CredentialsClient, Unconfirmed
from certrules.storage.learner_records import StoredBreaker, StoredDelivery

_OURS = frozenset({Waiting.NO_USERNAME, Waiting.RENAMING, Waiting.COURSES_FIRST})
"""What stands against a delivery without the service being asked."""

_RACES = 20
"""So many times a change is tried again on the state that somebody else has saved meanwhile."""


class DeliveryStore(Protocol):
    """Where deliveries and the breaker are stored. All reads are consistent."""

    def of(self, owner: Owner) -> list[StoredDelivery]:
        """Return all deliveries of an owner."""
        ...

    def load(self, target: Target) -> StoredDelivery | None:
        """Return the delivery of a target."""
        ...

    def save(self, delivery: Delivery, version: int) -> StoredDelivery | None:
        """Store a delivery if the stored one has this version. Return it as it is stored; None if it has another."""
        ...

    def due(self, now: datetime, limit: int) -> Iterable[Owner]:
        """Return owners with a delivery whose `next_at` has come, the longest due first."""
        ...

    def load_breaker(self) -> StoredBreaker:
        """Return the breaker of the service."""
        ...

    def save_breaker(self, breaker: ServiceBreaker, version: int) -> StoredBreaker | None:
        """Store the breaker if the stored one has this version. Return it as it is stored; None if it has another."""
        ...


class Ending(Enum):
    """How a call of `deliver` ended."""

    DONE = auto()  # nothing is due any more
    PAUSED = auto()  # the breaker is open


@dataclass
class Delivered:
    """What a call of `deliver` came to."""

    ending: Ending = Ending.DONE
    acknowledged: list[Delivery] = field(default_factory=list)
    waiting: list[Delivery] = field(default_factory=list)


class Difference(NamedTuple):
    """A delivery that was acknowledged, and that the service doesn't show as it is desired."""

    target: Target
    desired: Desired
    refusal: Waiting | None  # why the question was refused; None: another state is shown, or none


@dataclass
class Compared:
    """What a comparison with the service came to."""

    ending: Ending = Ending.DONE
    same: int = 0
    not_shown: int = 0  # this account isn't shown whether the service holds it
    unanswered: int = 0  # the service failed
    different: list[Difference] = field(default_factory=list)


class LostRaceError(Exception):
    """A change could not be saved: others saved each time before. A retry helps."""


class Delivering:
    """Delivers. `draw` returns a random number from 0 to 1, `new_holder` a name that was never used."""

    def __init__(
        self,
        store: DeliveryStore,
        client: CredentialsClient,
        clock: Callable[[], datetime],
        draw: Callable[[], float],
        new_holder: Callable[[], str],
    ) -> None:
        """Deliver what is in this store through this client."""
        self._store, self._client = store, client
        self._clock, self._draw, self._new_holder = clock, draw, new_holder

    def deliver_due(self, limit: int) -> list[Delivered]:
        """Deliver for so many owners with something due, the longest due first. Raises what `deliver` raises."""
        results: list[Delivered] = []
        for owner in self._store.due(self._clock(), limit):
            results.append(self.deliver(owner))
            if results[-1].ending is Ending.PAUSED:
                break
        return results

    def deliver(self, owner: Owner) -> Delivered:
        """Send what is due of an owner: usernames first, then course credentials, grades, and programs at last.

        Raises LostRaceError, and the store's errors: what was sent then is in doubt until its lease ends.
        """
        result = Delivered()
        of_owner = {item.delivery.target: item for item in self._store.of(owner)}
        for target in sorted(of_owner, key=lambda target: (ORDER[target.kind], target.key)):
            if not self._is_ready(of_owner, target):
                continue
            breaker = self._permitted()
            if breaker is None:
                result.ending = Ending.PAUSED
                break
            done = self._delivered(of_owner, target, breaker)
            if done is not None:
                of_owner[target] = done
                (result.waiting if done.delivery.waiting else result.acknowledged).append(done.delivery)
                self._follow(of_owner, done.delivery)
        return result

    def compare(self, owner: Owner, *, heal: bool) -> Compared:
        """Compare what is acknowledged of an owner with what the service shows; `heal`: what differs is due again.

        Usernames are not compared, nor is what changes meanwhile.
        """
        result = Compared()
        of_owner = {item.delivery.target: item for item in self._store.of(owner)}
        name = _name(of_owner)
        for target, stored in of_owner.items():
            delivery = stored.delivery
            is_named = _stands_against(of_owner, delivery) not in {Waiting.NO_USERNAME, Waiting.RENAMING}
            if target.kind is Kind.USERNAME or not delivery.is_settled or not is_named:
                continue
            breaker = self._permitted()
            if breaker is None:
                result.ending = Ending.PAUSED
                break
            asked = self._ask(delivery, name)
            self._count(Acknowledged() if isinstance(asked, Unconfirmed) else asked, breaker)
            if asked is Unconfirmed.NOT_SHOWN:
                result.not_shown += 1
            elif isinstance(asked, Acknowledged):
                result.same += 1
            elif isinstance(asked, Unacknowledged) and is_failure_of_service(asked):
                result.unanswered += 1
            elif self._is_unchanged(stored, heal=heal):
                refusal = asked.reason if isinstance(asked, Unacknowledged) else None
                result.different.append(Difference(target, delivery.desired, refusal))
        return result

    def _is_unchanged(self, stored: StoredDelivery, *, heal: bool) -> bool:
        """Whether nobody changed a delivery since it was read: then it may be due again."""
        if heal:
            return self._store.save(lost(stored.delivery, self._clock()), stored.version) is not None
        latest = self._store.load(stored.delivery.target)
        return latest is not None and latest.version == stored.version

    def _is_ready(self, of_owner: dict[Target, StoredDelivery], target: Target) -> bool:
        """Whether a delivery is due and nothing of ours stands against it; else it is postponed, with the reason."""
        stored, now = of_owner[target], self._clock()
        against = _stands_against(of_owner, stored.delivery)
        if against is None:
            delivery = fact_arrived(stored.delivery, _OURS, now)
        elif _is_due(stored.delivery, now):
            delivery = postponed(stored.delivery, against, now)
        else:
            return False
        if delivery != stored.delivery:
            saved = self._store.save(delivery, stored.version)
            if saved is None:
                return False  # it is due with the next call
            of_owner[target] = saved
        return against is None and _is_due(delivery, now)

    def _delivered(
        self, of_owner: dict[Target, StoredDelivery], target: Target, breaker: StoredBreaker
    ) -> StoredDelivery | None:
        """Send what is desired of a target, and save the outcome. Return None if nothing was sent."""
        stored, holder = of_owner[target], self._new_holder()
        found = leased(stored.delivery, holder, self._clock())
        saved = None if found is None else self._store.save(found, stored.version)
        if saved is None:
            return None
        free_at = self._free_at(of_owner, target)
        if free_at is not None:
            of_owner[target] = self._changed(saved, lambda delivery: released(delivery, holder, free_at))
            return None
        outcome = self._outcome(saved.delivery, _name(of_owner))
        self._count(outcome, breaker)
        draw = self._draw()
        return self._changed(saved, lambda delivery: answered(delivery, holder, outcome, self._clock(), draw))

    def _free_at(self, of_owner: dict[Target, StoredDelivery], target: Target) -> datetime | None:
        """Return until when a delivery has to wait because the learner is renamed meanwhile; None: it needn't.

        This is read after the lease was saved: of a rename and another request, at least one sees the other.
        """
        if target.kind is Kind.AVAILABILITY:
            return None
        if target.kind is Kind.USERNAME:
            others = [item.delivery for item in self._store.of(target.owner) if item.delivery.target != target]
            busy = [item.next_at for item in others if item.lease is not None or item.waiting is Waiting.IN_DOUBT]
            return max((at for at in busy if at is not None), default=None)
        username = Target(Kind.USERNAME, target.owner)
        latest = self._store.load(username)
        if latest is None or latest.version == of_owner[username].version:
            return None
        return latest.delivery.next_at or self._clock()

    def _outcome(self, delivery: Delivery, name: str) -> Outcome:
        """Send what is desired; what is in doubt is asked for before."""
        if delivery.in_doubt:
            asked = self._ask(delivery, name)
            if not isinstance(asked, Unconfirmed):
                return asked
        sent = self._client.send(delivery.target, delivery.desired, name)
        if isinstance(sent, Acknowledged):
            return sent
        if sent.reason is Waiting.RENAME_REFUSED:
            asked = self._ask(delivery, name)  # somebody else may have renamed the user
            return sent if isinstance(asked, Unconfirmed) else asked
        if not sent.is_over:
            return sent
        asked = self._ask(delivery, name)
        if isinstance(asked, Unconfirmed):
            return Unacknowledged(Waiting.SERVER_ERROR, sent.detail)
        if isinstance(asked, Unacknowledged) and is_failure_of_service(asked):
            return Unacknowledged(Waiting.IN_DOUBT, asked.detail, asked.retry_after)  # what was sent may be written
        return asked

    def _ask(self, delivery: Delivery, name: str) -> Outcome | Unconfirmed:
        return self._client.ask(
            delivery.target, delivery.desired, name, overridden=delivery.overridden, uuid=delivery.uuid
        )

    def _follow(self, of_owner: dict[Target, StoredDelivery], delivery: Delivery) -> None:
        """Send everything again after a username that wasn't changed for all rows at once."""
        if not isinstance(delivery.desired, Username) or delivery.waiting or delivery.warning is None:
            return
        for target, stored in of_owner.items():
            if target.kind is not Kind.USERNAME:
                of_owner[target] = self._changed(stored, lambda found: lost(found, self._clock()))

    def _changed(self, stored: StoredDelivery, change: Callable[[Delivery], Delivery]) -> StoredDelivery:
        """Save a change, on what others have saved meanwhile if need be. Raises LostRaceError."""
        latest: StoredDelivery | None = stored
        for _ in range(_RACES):
            if latest is None:
                return stored  # it was removed: the learner was erased
            delivery = change(latest.delivery)
            saved = self._store.save(delivery, latest.version)
            if saved is not None:
                return saved
            latest = self._store.load(stored.delivery.target)
        raise LostRaceError(f"{stored.delivery.target.kind}: others changed it {_RACES} times")

    def _permitted(self) -> StoredBreaker | None:
        """Return the breaker if it lets a request through, perhaps as its probe, which is saved; else None."""
        now = self._clock()
        stored = self._store.load_breaker()
        match permission(stored.breaker, now):
            case Permission.YES:
                return stored
            case Permission.PROBE:
                return self._store.save_breaker(probing(stored.breaker, now), stored.version)
            case Permission.NO:
                return None

    def _count(self, outcome: Outcome, breaker: StoredBreaker) -> None:
        """Count an outcome. That is a request only where it changes the breaker as it was before the delivery."""
        for _ in range(_RACES):
            changed = counted(breaker.breaker, outcome, self._clock())
            if changed == breaker.breaker or self._store.save_breaker(changed, breaker.version):
                return
            breaker = self._store.load_breaker()


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.next_at is not None and delivery.next_at <= now


def _name(of_owner: dict[Target, StoredDelivery]) -> str:
    """Return the name by which the service has all that it has of a learner; empty for the owner of availability."""
    for stored in of_owner.values():
        delivery = stored.delivery
        if isinstance(delivery.desired, Username):
            known = delivery.desired if delivery.acknowledged is None else delivery.acknowledged.desired
            assert isinstance(known, Username)
            return known.name
    return ""


def _stands_against(of_owner: dict[Target, StoredDelivery], delivery: Delivery) -> Waiting | None:
    """Return why a delivery can't be sent now, as far as that is known without asking the service."""
    desired, owner = delivery.desired, delivery.target.owner
    if delivery.target.kind not in {Kind.USERNAME, Kind.AVAILABILITY}:
        username = of_owner.get(Target(Kind.USERNAME, owner))
        if username is None:
            return Waiting.NO_USERNAME
        if username.delivery.in_doubt or username.delivery.lease is not None:
            return Waiting.RENAMING
    if isinstance(desired, ProgramCredential) and desired.is_awarded:
        needed = [of_owner.get(Target(Kind.COURSE, owner, run)) for run in desired.course_runs]
        if not all(stored is not None and _is_awarded_there(stored.delivery) for stored in needed):
            return Waiting.COURSES_FIRST
    return None


def _is_awarded_there(delivery: Delivery) -> bool:
    """Whether the service holds the award of a course credential, and none of another state is on its way."""
    desired = delivery.desired
    return delivery.is_settled and isinstance(desired, CourseCredential) and desired.is_awarded
