"""Messages in, certificates saved: the one way by which facts reach a certificate, whoever brings them.

A batch of messages is read for at once, its facts merged by learner and course run, each record replayed, guarded
and saved once. What another writer changed meanwhile is read and decided again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from certrules import settings, storage
from certrules.aws import each
from certrules.core.comparison import Comparison, Kind, compare
from certrules.core.facts import Record
from certrules.core.guard import (
    Publication,
    PublishedCertificate,
    automatic_revocation,
    hold_entry,
    next_publication,
    published_before,
)
from certrules.core.policy import Policies, Policy
from certrules.core.replay import Certificate, Outcome, Transition, replay
from certrules.core.rollout import RolloutState, rollout_state
from certrules.core.terms import Fact, Rollout
from certrules.core.timeline import Entry, Timeline, TimelineFullError, compact, merge
from certrules.formats.event_types import ERASED, NAMED, Message
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.stored import held_history_of, history_of, tripped_history_of
from certrules.formats.table_rows import entries_from
from certrules.storage.breaker import BreakerState
from certrules.storage.records import Loaded, StoredTimeline
from certrules.storage.tables import LostRaceError, Pair

ATTEMPTS = 5
"""How often a lost race is run again before the queue takes over."""

_MOST_NEWS = 96
"""How many transitions are saved at once: a transaction has 100 items, and the record and the breaker may be in it."""

_DECIDING = {"web_certificates_enabled", "policy", "rollout"}
"""The settings of a course run that decide certificates; the others only say what is shown."""


@dataclass(slots=True)
class BatchResult:
    """What became of a batch of messages."""

    failed: dict[int, Exception] = field(default_factory=dict)  # to be retried, by position in the batch
    refused: dict[int, RefusedError] = field(default_factory=dict)  # to be parked, by position
    changed: list[tuple[Pair, Publication]] = field(
        default_factory=list
    )  # records whose certificate was decided and saved
    course_runs: set[str] = field(default_factory=set)  # whose certificates have to be decided again
    shared: set[int | str] = field(default_factory=set)  # learners and course runs whose own facts were saved
    decided: dict[Pair, Certificate | None] = field(default_factory=dict)  # every record, whether or not it changed
    lost_races: int = 0
    stopped: Counter[str] = field(default_factory=Counter)  # automatic revocations that were held, by what stopped them
    tripped: int = 0  # breakers that began to hold them
    compared: Counter[Kind] = field(default_factory=Counter)  # decisions in shadow, by how the old logic's word differs


def ingest_messages(messages: Sequence[Message], policies: Policies) -> BatchResult:
    """Merge what the messages say into what is stored, decide as of when they were sent, and save each record at once.

    `policies` are the deployment's. One read request for the batch, one write
    request a changed record, none for what is known.
    """
    taken = BatchResult()
    pending = list(enumerate(messages))
    for _ in range(ATTEMPTS):
        pending = _Attempt(pending, policies, taken).run()
        if not pending:
            break
        taken.lost_races += len(pending)
    for position, _ in pending:
        taken.failed[position] = LostRaceError(f"lost {ATTEMPTS} races for the record")
    return taken


type _Numbered = list[tuple[int, Message]]


class _Attempt:
    """One attempt at a batch; what lost a race is left for the next."""

    def __init__(self, messages: _Numbered, policies: Policies, taken: BatchResult) -> None:
        self._messages = messages
        self._policies = policies
        self._taken = taken
        self._pairs: dict[Pair, _Numbered] = {}
        self._learners: dict[int, _Numbered] = {}
        self._course_runs: dict[str, _Numbered] = {}
        self._names: dict[int, _Numbered] = {}
        self._lost: _Numbered = []
        for numbered in messages:
            message = numbered[1]
            if message.event_type in {NAMED, ERASED}:
                self._names.setdefault(_required(message.learner_id), []).append(numbered)
            elif message.learner_id is None:
                self._course_runs.setdefault(_required(message.course_run), []).append(numbered)
            elif message.course_run is None:
                self._learners.setdefault(message.learner_id, []).append(numbered)
            else:
                self._pairs.setdefault(Pair(message.learner_id, message.course_run), []).append(numbered)

    def run(self) -> _Numbered:
        """Return the messages that lost a race."""
        try:
            loaded = storage.load(self._pairs, self._learners, self._course_runs, self._names)
        except Exception as error:  # noqa: BLE001 - what is to be parked still is: only these messages are retried
            self._taken.failed.update((position, error) for position, _ in self._messages)
            return []
        # A learner's and a course run's own facts first: the records of the batch are decided with them.
        self._each(
            *((self._save_shared, loaded.verifications[key], group) for key, group in self._learners.items()),
            *((self._save_shared, loaded.course_runs[key], group) for key, group in self._course_runs.items()),
            *((self._save_name, loaded.names[key], group) for key, group in self._names.items()),
        )
        done = {position for position, _ in self._lost} | self._taken.failed.keys() | self._taken.refused.keys()
        self._taken.course_runs |= {
            course_run
            for course_run, group in self._course_runs.items()
            if any(
                position not in done and _decides(message, loaded.course_runs[course_run])
                for position, message in group
            )
        }
        self._each(*((self._save_record, (pair, loaded), group) for pair, group in self._pairs.items()))
        return self._lost

    def _each(self, *tasks: tuple[Callable[[Any, _Numbered], None], Any, _Numbered]) -> None:
        """Do each task; those that write overlap where the function has the CPU for it."""
        each(lambda task: self._attempt(*task), tasks)

    def _attempt(self, save: Callable[[Any, _Numbered], None], subject: Any, group: _Numbered) -> None:
        try:
            save(subject, group)
        except LostRaceError:
            self._lost += group
        except TimelineFullError as error:
            refusal = RefusedError(Reason.TIMELINE_FULL, "", str(error))
            self._taken.refused.update((position, refusal) for position, _ in group)
        except Exception as error:  # noqa: BLE001 - one record's failure is no other's: its messages are retried
            self._taken.failed.update((position, error) for position, _ in group)

    def _save_shared(self, stored: StoredTimeline, group: _Numbered) -> None:
        seen = tuple(_seen(stored, group))
        timeline, publication = compact(
            merge(stored.timeline, (*_entries(group), *seen)), compacted_until=stored.compacted_until
        )
        if timeline == stored.timeline:
            return
        storage.save_timeline(stored, timeline, publication)
        _, course_run = whose = group[0][1].learner_id, group[0][1].course_run
        self._taken.shared.update(name for name in whose if name is not None)
        if course_run is not None and any(not entry.subject or entry.subject in _DECIDING for entry in seen):
            self._taken.course_runs.add(course_run)

    def _save_name(self, item: storage.Item, group: _Numbered) -> None:
        latest = max((message for _, message in group), key=lambda message: (message.at, message.event_id))
        storage.save_name(item, latest.name, latest.at)

    def _save_record(self, subject: tuple[Pair, Loaded], group: _Numbered) -> None:
        pair, loaded = subject
        stored = loaded.records[pair]
        sent_at = max(instant for _, message in group for instant in (message.at, message.sent_at))
        entries = (*_entries(group), *_seen(stored, group))
        decided = decide_record(pair, loaded, entries, self._policies, sent_at)
        braking = _AutomaticRevocations(pair, decided.before, loaded.course_runs[pair.course_run].timeline)
        while (stopped := braking.stop(decided)) is not None:
            entries = (*entries, stopped)
            decided = decide_record(pair, loaded, entries, self._policies, sent_at)
        result = first_part(decided.publication)
        if not decided.timeline and result.published.certificate is None and not stored.version:
            return  # nothing is known of them here, so there is nothing to keep
        tripped = () if braking.tripped is None else (braking.tripped,)
        saved = save(pair, loaded, decided, result, tripped, braking.breaker)
        self._taken.decided[pair] = result.published.certificate
        if saved:
            self._taken.changed.append((pair, result))
            if decided.terms.rollout is Rollout.SHADOW:
                self._taken.compared[decided.compared(self._policies).kind] += 1
            self._taken.stopped.update(braking.stopped)
            self._taken.tripped += braking.tripped is not None
        if result is not decided.publication:
            raise LostRaceError("the next round saves the next part")


class DecidedRecord(NamedTuple):
    """What is to be stored and published of a learner in a course run."""

    timeline: Timeline
    compacted: datetime  # UTC: up to when the timeline is publication
    record: Record
    as_of: datetime  # UTC
    outcome: Outcome  # what the facts amount to, whoever decides
    publication: Publication
    terms: RolloutState  # who decides
    before: PublishedCertificate  # what learners had
    past: datetime  # UTC: up to when something was compacted that it rests on

    @property
    def next_change_at(self) -> datetime | None:
        """When (UTC) the certificate changes by itself; never, where the old logic decides."""
        return self.outcome.next_change_at if self.terms.is_live else None

    def compared(self, policies: Policies) -> Comparison:
        """Compare it with what the old logic has."""
        return compare(self.record, policies, self.as_of, published=self.before, terms=self.terms, compacted=self.past)


def decide_record(
    pair: Pair,
    loaded: Loaded,
    entries: Iterable[Entry],
    policies: Policies,
    sent_at: datetime,
    as_if: Rollout | None = None,
) -> DecidedRecord:
    """Decide what is known of a learner in a course run together with new entries, as of when they were sent (UTC).

    Or as of what is known already, if that is later: what was decided once stays decided when a message comes late.
    Where the old logic decides, what is published is what it last said. `as_if` tells what came of another setting of
    the course run from now on. What was lost by itself before it went live is held, as the breaker would. Saves
    nothing. Raises TimelineFullError.
    """
    stored = loaded.records[pair]
    entries = tuple(entries)
    timeline, compacted = compact(merge(stored.timeline, entries), compacted_until=stored.compacted_until)
    record = storage.record_of(pair, loaded, timeline)
    decided_at = (mark.at for mark in stored.published.transitions[-1:])
    as_of = max((sent_at, *decided_at, *(entry.at for entry in record.timeline[-1:])))
    outcome = replay(record, policies, as_of)
    past = max(
        compacted,
        loaded.verifications[pair.learner_id].compacted_until,
        loaded.course_runs[pair.course_run].compacted_until,
    )
    terms = rollout_state(loaded.course_runs[pair.course_run].timeline, settings.default_rollout())
    before = published_before(stored.published, timeline, terms)
    if as_if is not None and as_if is not terms.rollout:
        terms = RolloutState(as_if, as_of)
    if terms.is_live:
        has_id = before.certificate is not None and before.certificate.certificate_id
        new_id = "" if outcome.certificate is None or has_id else _new_id(pair, timeline)
        publication = next_publication(before, outcome, new_id, past, timeline, terms.live_since)
        lost = automatic_revocation(before, publication.new_transitions)
        if lost is not None and lost.at < terms.live_since:
            held = _held(pair, lost, "rollout", "the old logic decided then, and let the certificate stand", timeline)
            return decide_record(pair, loaded, (*entries, held), policies, sent_at, as_if)
    else:
        publication = Publication(before, (), retained=False)
    return DecidedRecord(timeline, compacted, record, as_of, outcome, publication, terms, before, past)


def _new_id(pair: Pair, timeline: Timeline) -> str:
    """Return an id for a certificate that has none: the same one when the same events are taken in again.

    Nobody can guess it: an event's id never leaves the house.
    """
    return uuid5(NAMESPACE_OID, f"{pair.learner_id}:{pair.course_run}:{timeline[0].event_id}").hex


def save(
    pair: Pair,
    loaded: Loaded,
    decided: DecidedRecord,
    result: Publication,
    more_history: Iterable[str] = (),
    breaker: BreakerState | None = None,
) -> bool:
    """Save what was decided of a record and `result` of what is to be published, with their history: one request.

    Returns whether anything was written. Raises LostRaceError.
    """
    stored = loaded.records[pair]
    history = [history_of(transition, decided.record) for transition in result.new_transitions]
    certificate, _, pending = result.published
    if pending is not None and pending.due is None and pending != decided.before.pending and certificate:
        history.append(held_history_of(pending, certificate, decided.record, decided.outcome.decision))
    return storage.save_record(
        pair,
        stored,
        decided.timeline,
        decided.compacted,
        result.published,
        next_change_at=decided.next_change_at,
        based_on=(loaded.verifications[pair.learner_id].version, loaded.course_runs[pair.course_run].version),
        history=[*history, *more_history],
        breaker=breaker,
    )


def _held(pair: Pair, revocation: Transition, by: str, why: str, timeline: Timeline) -> Entry:
    """Return the entry that holds an automatic revocation. Raises RuntimeError if it was held, and yet takes effect."""
    name = f"{pair.learner_id}:{pair.course_run}:{revocation.cause}:{revocation.at.isoformat()}"
    held = hold_entry(revocation, str(uuid5(NAMESPACE_OID, name)), by, why)
    if held in timeline:  # rather retried, and looked at, than decided without end
        raise RuntimeError(f"the revocation of {name} was held, and yet takes effect")
    return held


class _AutomaticRevocations:
    """The automatic revocations of one record: each is counted, or held for a person."""

    def __init__(self, pair: Pair, before: PublishedCertificate, course_run: Timeline) -> None:
        self._pair = pair
        self._before = before
        self._course_run = course_run
        self._let_through = 0
        self.breaker: BreakerState | None = None  # read when there is something to stop
        self.stopped: Counter[str] = Counter()
        self.tripped: str | None = None

    def stop(self, decided: DecidedRecord) -> Entry | None:
        """Return the entry that holds the next automatic revocation, None if there is none to be held."""
        while revocation := automatic_revocation(
            self._before, decided.publication.new_transitions[self._let_through :]
        ):
            self.breaker = self.breaker or storage.load_breaker(self._pair.course_run)
            policy = revocation.decision.facts.policy
            window = decided.as_of - policy.breaker_window
            stopped = self._stopped(self.breaker, policy, window)
            if stopped is not None:
                by, why = stopped
                if by == "breaker" and (self.breaker.tripped_at is None or self.breaker.tripped_at <= window):
                    self.breaker.trip(decided.as_of)
                    limits = (policy.breaker_limit, policy.breaker_window)
                    self.tripped = tripped_history_of(decided.record, decided.as_of, *limits)
                self.stopped[by] += 1
                return _held(self._pair, revocation, by, why, decided.timeline)
            self.breaker.count(decided.as_of, window)
            self._let_through = decided.publication.new_transitions.index(revocation) + 1
        return None

    def _stopped(self, breaker: BreakerState, policy: Policy, window: datetime) -> tuple[str, str] | None:
        """Return who stops automatic revocations, and why; None if nobody does."""
        for timeline, where in ((breaker.everywhere, "everywhere"), (self._course_run, "in this course run")):
            switched = [entry for entry in timeline if entry.fact is Fact.AUTOMATIC_REVOCATIONS]
            if switched and not switched[-1].value:
                return "kill-switch", f"automatic revocations are stopped {where}"
        if sum(instant > window for instant in breaker.revoked) >= policy.breaker_limit:
            span = f"{policy.breaker_window.total_seconds():g} seconds"
            return "breaker", f"more than {policy.breaker_limit} automatic revocations in this course run within {span}"
        return None


def first_part(result: Publication) -> Publication:
    """Return as much of what is to be published as fits into one transaction."""
    left = len(result.new_transitions) - _MOST_NEWS
    if left <= 0:
        return result
    news = result.new_transitions[:_MOST_NEWS]
    return Publication(
        PublishedCertificate(news[-1].certificate, result.published.transitions[:-left]), news, retained=False
    )


def _decides(message: Message, course_run: StoredTimeline) -> bool:
    """Whether what a message says of a course run can change a certificate: not if it only says what is shown."""
    made_known = bool(course_run.timeline) and course_run.timeline[0].event_id == message.event_id
    return made_known or any(entry.subject in _DECIDING for entry in message.entries)


def _entries(group: _Numbered) -> Iterable[Entry]:
    return chain.from_iterable(message.entries for _, message in group)


def _seen(stored: StoredTimeline, group: _Numbered) -> Iterable[Entry]:
    """Return what the messages' rows add to what is stored."""
    return entries_from(stored.timeline, chain.from_iterable(message.seen for _, message in group))


def _required[T](value: T | None) -> T:
    if value is None:
        message = "a message is about a learner, a course run, or both"
        raise ValueError(message)
    return value
