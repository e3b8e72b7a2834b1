"""Working off what may have changed: the messages of the records queue, and each minute what is due."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from typing import Any, NamedTuple

import msgspec
from aws_lambda_powertools import Logger

from certrules import aws
from certrules.core.deliveries.breaker import Permission, permission
from certrules.core.deliveries.desired import Owner
from certrules.core.policy import Policies
from certrules.core.programs.outcome import ActionOnProgram
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.formats.refusals import RefusedError
from certrules.formats.senders import TrustedSenders
from certrules.parking import Refused, park
from certrules.records.announcing import announce
from certrules.records.availability import want_availability
from certrules.records.catalog import Catalog
from certrules.records.comparing import CompareRequest, compare_due, compare_page, counts_of
from certrules.records.definitions import request_page, save_definition
from certrules.records.delivering import Delivered, Delivering, Ending
from certrules.records.hints import Hint, later, read_hint
from certrules.records.programs import decide_learner
from certrules.records.stored import DynamoDeliveries
from certrules.storage.learner_records import due_others, unsettled_since

DUE_AT_ONCE = 3_000
"""How many learners and programs the schedule works off at most; those after them, a minute later."""

_OWNERS_AT_ONCE = 10


class Deployment(NamedTuple):
    """What a deployment decides by, and where it sends."""

    policies: Policies
    senders: TrustedSenders
    queue: str  # the records queue, for hints
    parked: str
    bus: str
    host: str
    announces: bool  # whether this service, not Credentials, puts the events of programs on the bus


class WorkedOff(NamedTuple):
    """The result of a batch."""

    retried: set[str]  # ids of the messages that SQS delivers again
    counts: Counter[str]  # metrics


class FailedError(Exception):
    """Something that is due could not be done; each failure is in the log. The next run tries again."""


@dataclass
class _Hints:
    """The hints of a batch, each with the ids of its messages."""

    learners: dict[int, list[str]] = field(default_factory=dict)
    actions: dict[int, list[ActionOnProgram]] = field(default_factory=dict)  # by learner
    course_runs: dict[str, list[str]] = field(default_factory=dict)
    programs: list[tuple[Hint, str]] = field(default_factory=list)
    early: list[tuple[Hint, str]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Records:
    """Works off hints and what is due, with one catalog and one way to the Credentials service."""

    def __init__(
        self, deployment: Deployment, delivering: Delivering, clock: Callable[[], datetime], logger: Logger
    ) -> None:
        """Work for this deployment."""
        self._deployment, self._delivering = deployment, delivering
        self._clock, self._logger = clock, logger
        self._catalog = Catalog(clock)
        self._slowest: timedelta | None = None

    # --- messages

    def work_off(self, messages: Sequence[dict[str, Any]], may_go_on: Callable[[], bool]) -> WorkedOff:
        """Do what a batch of messages asks for. Failures are logged, and their messages are to be retried.

        When it may not go on, because the service is slow, it still decides: the schedule delivers.
        """
        self._catalog.refresh()
        hints = self._read(messages)
        counts: Counter[str] = Counter({"RecordHints": len(messages)})
        retried: set[str] = set()

        def attempt(ids: Sequence[str], act: Callable[[], object]) -> None:
            try:
                act()
            except Exception:  # whatever it is, the other messages of the batch go on, and these come again
                self._logger.exception("Messages are retried.", message_ids=ids)
                retried.update(ids)

        if hints.refused:
            ids = [record["messageId"] for record, _ in hints.refused]
            attempt(ids, lambda: park(self._deployment.parked, hints.refused))
        counts.update(f"parked_{refusal.reason}" for _, refusal in hints.refused)
        for hint, message_id in hints.early:
            attempt([message_id], partial(aws.send, self._deployment.queue, [later(hint)]))
        for hint, message_id in hints.programs:
            attempt([message_id], partial(self._define, hint, counts))
        for learner_id, ids in hints.learners.items():
            attempt(ids, partial(self._decide, learner_id, counts, may_go_on, hints.actions.get(learner_id, ())))
        for course_run, ids in hints.course_runs.items():
            attempt(ids, partial(self._want_availability, course_run, counts))
        return WorkedOff(retried, counts)

    def _read(self, messages: Sequence[dict[str, Any]]) -> _Hints:
        hints, now = _Hints(), self._clock()
        for record in messages:
            message_id = record["messageId"]
            try:
                hint = read_hint(record["body"], now, self._deployment.senders)
            except RefusedError as refusal:
                hints.refused.append((record, refusal))
                continue
            if hint.is_early:
                hints.early.append((hint, message_id))
            elif hint.program is not None:
                hints.programs.append((hint, message_id))
            elif hint.learner_id is not None:
                hints.learners.setdefault(hint.learner_id, []).append(message_id)
                if hint.action is not None:
                    hints.actions.setdefault(hint.learner_id, []).append(hint.action)
            elif hint.course_run is not None:
                hints.course_runs.setdefault(hint.course_run, []).append(message_id)
        return hints

    def _define(self, hint: Hint, counts: Counter[str]) -> None:
        assert hint.program is not None
        counts["ProgramsDefined"] += save_definition(hint.program, self._clock())

    # --- a learner, a course run

    def _decide(
        self,
        learner_id: int,
        counts: Counter[str],
        may_go_on: Callable[[], bool],
        actions: Sequence[ActionOnProgram] = (),
    ) -> None:
        """Decide a learner, with new actions of people, put the events on the bus, and deliver what is due."""
        self._catalog.refresh()
        deployment = self._deployment
        decided = decide_learner(
            learner_id, self._catalog, deployment.policies, self._clock(), actions, announces=deployment.announces
        )
        counts["RecordsDecided"] += 1
        for transition in decided.new_transitions:
            awarded = transition.status is ProgramCertificateStatus.AWARDED
            counts["ProgramsAwarded" if awarded else "ProgramsRevoked"] += 1
        counts["ProgramEvents"] += announce(deployment.bus, learner_id, decided.unannounced, deployment.host)
        owners = (*decided.course_runs, *((learner_id,) if decided.is_due else ()))
        for owner in owners:
            if may_go_on():
                self._deliver(owner, counts)

    def _want_availability(self, course_run: str, counts: Counter[str]) -> None:
        if want_availability(course_run, None, self._catalog, self._clock()):
            self._deliver(course_run, counts)

    def _deliver(self, owner: Owner, counts: Counter[str]) -> Delivered:
        delivered = self._delivering.deliver(owner)
        counts["DeliveriesAcknowledged"] += len(delivered.acknowledged)
        taken = [found.at - item.wanted_at for item in delivered.acknowledged if (found := item.acknowledged)]
        if taken:
            self._slowest = max(*taken, self._slowest or timedelta())
        counts["DeliveriesRefused"] += len(delivered.waiting)
        counts.update(f"waiting_{delivery.waiting}" for delivery in delivered.waiting)
        return delivered

    # --- each minute

    def work_due(self, may_go_on: Callable[[], bool]) -> Counter[str]:
        """Do what is due: decisions, events and definitions, then deliveries, unless the service is down; then compare.

        Failures are logged and counted: what failed stays due.
        """
        now = self._clock()
        counts: Counter[str] = Counter({"RecordsFailed": 0})
        due = due_others(now, DUE_AT_ONCE)
        counts["RecordsDue"] = len(due)
        for learner_id in (item.learner_id for item in due if item.learner_id is not None):
            if may_go_on():
                self._attempt(partial(self._decide, learner_id, counts, may_go_on), counts)
        programs = [item.program for item in due if item.program is not None]
        while programs and may_go_on():
            programs = [uuid for uuid in programs if self._attempt(partial(self._page, uuid), counts)]
        if self._deliver_due(now, may_go_on, counts):
            self._compare_due(now, may_go_on, counts)
        return counts

    def _page(self, uuid: str) -> bool:
        return request_page(uuid, self._deployment.queue, self._clock())

    def _deliver_due(self, now: datetime, may_go_on: Callable[[], bool], counts: Counter[str]) -> bool:
        """Return whether the service works, and time is left."""
        store = DynamoDeliveries()
        if permission(store.load_breaker().breaker, now) is Permission.NO:
            return False

        def deliver(owner: Owner) -> tuple[bool, Counter[str]]:
            counted: Counter[str] = Counter()  # of its own: threads deliver
            is_paused = self._attempt(lambda: self._deliver(owner, counted).ending is Ending.PAUSED, counted)
            return is_paused, counted

        for owners in batched(store.due(now, DUE_AT_ONCE), _OWNERS_AT_ONCE, strict=False):
            if not may_go_on():
                return False
            results = aws.each(deliver, owners)
            for _, counted in results:
                counts.update(counted)
            if any(is_paused for is_paused, _ in results):
                return False
        return True

    def _compare_due(self, now: datetime, may_go_on: Callable[[], bool], counts: Counter[str]) -> None:
        """Decide the next page of learners once more, for a hint may be lost, and compare all that was delivered."""
        results: list[Counter[str]] = []

        def decide(owner: Owner) -> None:
            if isinstance(owner, int):
                self._attempt(partial(self._decide, owner, counts, may_go_on), counts)

        def compare(owner: Owner) -> bool:
            counted: Counter[str] = Counter()  # of its own: threads compare
            results.append(counted)

            def once() -> bool:
                compared = self._delivering.compare(owner, heal=True)
                counted.update(counts_of([compared]))
                return compared.ending is Ending.PAUSED

            return self._attempt(once, counted)

        self._attempt(partial(compare_due, now, may_go_on, decide, compare), counts)
        for counted in results:
            counts.update(counted)
        if counts["RecordsDiffering"]:  # nothing else, for the alarm of a missed reconciliation counts the samples
            counts["ReconciliationFindings"] += counts["RecordsDiffering"]

    def compare(self, request: object) -> dict[str, Any]:
        """Compare what a person asks for. Raises msgspec.ValidationError."""
        return compare_page(msgspec.convert(request, CompareRequest), self._delivering)

    def _attempt(self, act: Callable[[], bool | None], counts: Counter[str]) -> bool:
        """Act, and return the answer; False if it failed, which is logged and counted."""
        try:
            return bool(act())
        except Exception:  # one learner or program must not hold up the others; it stays due
            self._logger.exception("What is due failed; it is tried again.")
            counts["RecordsFailed"] += 1
            return False

    def take_slowest(self) -> timedelta | None:
        """Return how long the slowest delivery since the last call took, from its change on; None: there was none."""
        slowest, self._slowest = self._slowest, None
        return slowest

    def oldest_delivery(self) -> timedelta:
        """Return how long the oldest delivery waits."""
        since = unsettled_since()
        return timedelta() if since is None else max(timedelta(), self._clock() - since)

    def is_breaker_open(self) -> bool:
        """Whether the Credentials service is taken to be down."""
        return DynamoDeliveries().load_breaker().breaker.open_until is not None
