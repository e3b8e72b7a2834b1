"""The breaker of a course run: the automatic revocations that it let through, and when it tripped."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from certrules.core.instants import instant_of, micros
from certrules.core.timeline import Timeline
from certrules.formats.messages import EVERYWHERE
from certrules.storage.tables import BREAKER, CONFIGURATION, Item, course_run_key, optional, timeline_of


@dataclass(slots=True)
class BreakerState:
    """The breaker of a course run, and the deployment's kill switch."""

    item: Item
    everywhere: Timeline  # the deployment's timeline, with the kill switch
    revoked: list[datetime]  # UTC: the latest automatic revocations that took effect, in no order
    tripped_at: datetime | None  # UTC: when the breaker last tripped
    changed: bool = False

    def count(self, at: datetime, since: datetime) -> None:
        """Count a revocation that takes effect at an instant, and drop those before `since`."""
        self._set([*(instant for instant in self.revoked if instant > since), at], self.tripped_at)

    def trip(self, at: datetime) -> None:
        """Record that the breaker tripped at this instant: it holds further revocations."""
        self._set(self.revoked, at)

    def _set(self, revoked: list[datetime], tripped_at: datetime | None) -> None:
        self.revoked, self.tripped_at, self.changed = revoked, tripped_at, True
        tripped = None if tripped_at is None else micros(tripped_at)
        self.item.e = msgspec.json.encode([tripped, *(micros(instant) for instant in revoked)]).decode()


def tripped_at(course_runs: Iterable[str]) -> dict[str, datetime]:
    """Return when (UTC) the breaker of each of these course runs last tripped, of those that ever did."""
    found = Item.batch_get([(course_run_key(course_run), BREAKER) for course_run in course_runs])
    tripped = {item.p.removeprefix(course_run_key("")): msgspec.json.decode(item.e)[0] for item in found}
    return {course_run: instant_of(instant) for course_run, instant in tripped.items() if instant is not None}


def load_breaker(course_run: str) -> BreakerState:
    """Read the breaker of a course run and the kill switch, consistently: one request."""
    keys = [(course_run_key(course_run), BREAKER), (course_run_key(EVERYWHERE), CONFIGURATION)]
    found = {(item.p, item.s): item for item in Item.batch_get(keys, consistent_read=True)}
    item = found.get(keys[0]) or Item(*keys[0])
    everywhere = timeline_of(found[keys[1]]) if keys[1] in found else ()
    tripped, *revoked = msgspec.json.decode(item.e) if optional(item.e) else (None,)
    tripped_at = None if tripped is None else instant_of(tripped)
    return BreakerState(item, everywhere, [instant_of(instant) for instant in revoked], tripped_at)
