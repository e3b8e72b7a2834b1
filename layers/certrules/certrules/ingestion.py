"""Ingestion: messages become saved certificates. Every new fact comes through here, whoever brings it.

One request reads all that a batch of messages needs. The new entries of each learner in a course run are merged into
the stored record, which is decided once and saved once. A record that another writer saved meanwhile is read and
decided again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from certrules import settings, storage
from certrules.aws import each
from certrules.core.certificate import Certificate
from certrules.core.deciding import (
    KILL_SWITCH,
    DecidedRecord,
    decide_record,
    hold_of,
    in_order_of_sending,
    stopped_because,
)
from certrules.core.guard import Publication, automatic_revocation, first_part
from certrules.core.late_entries import place_late, stands_against
from certrules.core.limits import fit, limit_of
from certrules.core.policy import Policies, Policy
from certrules.core.terms import Rollout
from certrules.core.timeline import Entry, Timeline, TimelineFullError, compact, merge
from certrules.formats.messages import EVERYWHERE, Message
from certrules.formats.own_events import ERASED, NAMED, RENAMED
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.standings import standing_of
from certrules.formats.stored import held_history_of, history_of, tripped_history_of
from certrules.formats.table_rows import Observation, entries_from, standing
from certrules.storage.breaker import BreakerState
from certrules.storage.records import Loaded, RecordWrite, StoredRecord, StoredTimeline
from certrules.storage.tables import TRANSACTION_ITEMS, LostRaceError, Pair

if TYPE_CHECKING:
    from certrules.core.comparison import Kind

ATTEMPTS = 5
"""How often a record is read and decided again after a lost race; then the queue delivers its messages again."""

_TRANSITIONS_AT_ONCE = TRANSACTION_ITEMS - 4
"""How many transitions are saved at once: the record, the breaker, and history of a hold and of a trip come along."""

_HISTORY_AT_ONCE = 3_000_000
"""How many bytes of history are saved at once: a transaction takes 4 MB, the record included."""

_DECIDING_SETTINGS = {"web_certificates_enabled", "policy", "rollout"}
"""The settings of a course run that decide certificates; the others only decide what is shown."""

_SENT_FOR_NAMES = {NAMED, RENAMED, ERASED}
"""The events that are about a learner's names and nothing else."""


@dataclass(slots=True)
class BatchResult:
    """The result of a batch of messages. Positions are those in the batch."""

    failed: dict[int, Exception] = field(default_factory=dict)  # by position; a retry can help
    refused: dict[int, RefusedError] = field(default_factory=dict)  # by position; to be parked
    changed: list[tuple[Pair, Publication]] = field(default_factory=list)  # the records that were written
    course_runs: set[str] = field(default_factory=set)  # whose certificates have to be decided again
    shared: set[int | str] = field(default_factory=set)  # learners and course runs whose own facts were written
    decided: dict[Pair, Certificate | None] = field(default_factory=dict)  # all decided records, written or not
    lost_races: int = 0
    stopped: Counter[str] = field(default_factory=Counter)  # held automatic revocations, by what holds them
    tripped: int = 0  # breakers that tripped
    compared: "Counter[Kind]" = field(default_factory=Counter)  # records in shadow, by how the old logic agrees


def ingest_messages(messages: Sequence[Message], policies: Policies) -> BatchResult:
    """Merge the entries of the messages into the stored records, decide each record, and save it.

    Records are decided as of when their messages were sent. `policies` are the deployment's. One read request for the
    batch, one write request for each changed record, none for a duplicate.
    """
    result = BatchResult()
    pending = list(enumerate(messages))
    for _ in range(ATTEMPTS):
        pending = _Attempt(pending, policies, result).run()
        if not pending:
            break
        result.lost_races += len(pending)
    for position, _ in pending:
        result.failed[position] = LostRaceError(f"lost {ATTEMPTS} races for the record")
    return result


type _Numbered = list[tuple[int, Message]]


class _Attempt:
    """One attempt at a batch. Messages whose record lost a race are left for the next attempt."""

    def __init__(self, messages: _Numbered, policies: Policies, result: BatchResult) -> None:
        self._messages = messages
        self._policies = policies
        self._default_rollout = settings.default_rollout()
        self._result = result
        self._pairs: dict[Pair, _Numbered] = {}
        self._learners: dict[int, _Numbered] = {}
        self._course_runs: dict[str, _Numbered] = {}
        self._names: dict[int, _Numbered] = {}
        self._lost: _Numbered = []
        for numbered in messages:
            message = numbered[1]
            if message.event_type in _SENT_FOR_NAMES or message.name is not None:
                self._names.setdefault(_required(message.learner_id), []).append(numbered)
            if message.event_type in _SENT_FOR_NAMES:
                continue
            if message.learner_id is None:
                self._course_runs.setdefault(_required(message.course_run), []).append(numbered)
            elif message.course_run is None:
                self._learners.setdefault(message.learner_id, []).append(numbered)
            else:
                self._pairs.setdefault(Pair(message.learner_id, message.course_run), []).append(numbered)

    def run(self) -> _Numbered:
        """Return the messages whose record lost a race."""
        try:
            loaded = storage.load(self._pairs, self._learners, self._course_runs, self._names)
        except Exception as error:  # noqa: BLE001 - refused messages are parked all the same: only these are retried
            self._result.failed.update((position, error) for position, _ in self._messages)
            return []
        # ID verifications and configurations first: the records of the batch are decided with them.
        self._each(
            *((self._save_shared, loaded.verifications[key], group) for key, group in self._learners.items()),
            *((self._save_shared, loaded.course_runs[key], group) for key, group in self._course_runs.items()),
            *((self._save_name, loaded.names[key], group) for key, group in self._names.items()),
        )
        self._result.course_runs |= set(self._course_runs_to_decide(loaded))
        self._each(*((self._save_record, (pair, loaded), group) for pair, group in self._pairs.items()))
        return list(dict(self._lost).items())  # a message is lost once, though its name and its record are

    def _each(self, *tasks: tuple[Callable[[Any, _Numbered], None], Any, _Numbered]) -> None:
        """Run each task. Writes overlap where the function has the CPU for it."""
        each(lambda task: self._attempt(*task), tasks)

    def _attempt(self, save: Callable[[Any, _Numbered], None], subject: Any, group: _Numbered) -> None:
        try:
            save(subject, group)
        except LostRaceError:
            self._lost += group
        except TimelineFullError as error:
            refusal = RefusedError(Reason.TIMELINE_FULL, "", str(error))
            self._result.refused.update((position, refusal) for position, _ in group)
        except Exception as error:  # noqa: BLE001 - the failure of one record must not fail the others
            self._result.failed.update((position, error) for position, _ in group)

    def _what_fits(self, group: _Numbered, decide: Callable[[_Numbered], object]) -> _Numbered:
        """Return the messages that a full timeline can take together; the others are refused.

        If one that stands against a certificate is refused, all are: the others could give what it forbids.
        """
        taken: _Numbered = []
        for numbered in sorted(group, key=lambda item: not any(map(stands_against, item[1].entries))):
            try:
                decide([*taken, numbered])
            except TimelineFullError as error:
                self._result.refused[numbered[0]] = RefusedError(Reason.TIMELINE_FULL, "", str(error))
                if any(map(stands_against, numbered[1].entries)):
                    raise
            else:
                taken.append(numbered)
        return taken

    def _course_runs_to_decide(self, loaded: Loaded) -> Iterable[str]:
        """Yield the course runs whose saved configuration can change certificates."""
        unsaved = {position for position, _ in self._lost} | self._result.failed.keys() | self._result.refused.keys()
        for course_run, group in self._course_runs.items():
            saved = (message for position, message in group if position not in unsaved)
            if course_run != EVERYWHERE and any(_decides(message, loaded.course_runs[course_run]) for message in saved):
                yield course_run

    def _save_shared(self, stored: StoredTimeline, group: _Numbered) -> None:
        """Save a learner's ID verification or a course run's configuration."""
        try:
            timeline, compacted_until = _merged(stored, group)
        except TimelineFullError:
            group = self._what_fits(group, lambda some: _merged(stored, some))
            timeline, compacted_until = _merged(stored, group)
        if timeline == stored.timeline:
            return
        observed = entries_from(stored.timeline, _observations(group))
        is_deciding_observed = any(is_deciding(entry) for entry in observed)
        storage.save_timeline(stored, timeline, compacted_until)
        _, course_run = subjects = group[0][1].learner_id, group[0][1].course_run
        self._result.shared.update(subject for subject in subjects if subject is not None)
        if course_run is not None and is_deciding_observed:
            self._result.course_runs.add(course_run)

    def _save_name(self, item: storage.Item, group: _Numbered) -> None:
        """Save a learner's names if the messages change them."""
        name = storage.name_of(item)
        for _, message in sorted(group, key=lambda numbered: numbered[1].at):
            if message.event_type == ERASED:
                name = name.erased(message.at)
            elif message.name is not None:
                add = name.sent if message.event_type in _SENT_FOR_NAMES else name.seen
                name = add(message.name, message.at)
        storage.save_name(item, name, is_indexed=settings.stores_names())

    def _save_record(self, subject: tuple[Pair, Loaded], group: _Numbered) -> None:
        """Decide the record of a learner in a course run, and save it if it changed."""
        pair, loaded = subject
        stored = loaded.records[pair]
        based_on = stored.based_on
        try:
            decided, entries = self._decided(subject, group)
        except TimelineFullError:
            group = self._what_fits(group, lambda some: self._decided(subject, some))
            if not group:
                return
            decided, entries = self._decided(subject, group)
        known, sent_at = decided.known, _sent_at(group)
        revocations = _AutomaticRevocations(decided)
        while (hold := revocations.next_hold(decided)) is not None:
            entries = (*entries, hold)
            decided = decide_record(known, entries, sent_at)
        if not decided.timeline and decided.publication.published.certificate is None and not stored.version:
            return  # an event without facts about an unknown learner: there is nothing to store
        tripped = () if revocations.tripped is None else (revocations.tripped,)
        saved = save_decided(stored, decided, tripped, revocations.breaker)
        self._result.decided[pair] = saved.publication.published.certificate
        has_new_basis = decided.known.versions != based_on
        if decided.rollout.rollout is Rollout.SHADOW and (saved.is_written or has_new_basis):
            self._result.compared[decided.compared().kind] += 1
        if saved.is_written:
            self._result.changed.append((pair, saved.publication))
            self._result.stopped.update(revocations.stopped)
            self._result.tripped += revocations.tripped is not None
        if not saved.is_whole:
            raise LostRaceError("the next attempt saves the next part")

    def _decided(self, subject: tuple[Pair, Loaded], group: _Numbered) -> tuple[DecidedRecord, tuple[Entry, ...]]:
        """Decide a record with the messages' entries, and return them, too. Raises TimelineFullError."""
        pair, loaded = subject
        observations = _observations(group)
        known = loaded.known(pair, self._policies, self._default_rollout)
        if observations:
            known = known._replace(timeline=standing(known.timeline, observations))
        sent = [(message.sent_at, message.entries) for _, message in group]
        entries = (*in_order_of_sending(known, sent), *entries_from(known.timeline, observations))
        return decide_record(known, entries, _sent_at(group)), entries


class SavedRecord(NamedTuple):
    """The saved part of a decided record."""

    publication: Publication
    is_written: bool  # False: nothing had changed
    is_whole: bool  # False: there were more transitions than one transaction takes; decide and save again


def save_decided(
    stored: StoredRecord,
    decided: DecidedRecord,
    more_history: Iterable[str] = (),
    breaker: BreakerState | None = None,
) -> SavedRecord:
    """Save a decided record with its history and the breaker in one transaction. Raises LostRaceError."""
    write, publication = write_of(stored, decided, more_history, breaker)
    return SavedRecord(publication, storage.save_record(write), publication is decided.publication)


def write_of(
    stored: StoredRecord,
    decided: DecidedRecord,
    more_history: Iterable[str] = (),
    breaker: BreakerState | None = None,
) -> tuple[RecordWrite, Publication]:
    """Return what is to be saved of a decided record, and as much of its publication as one transaction takes."""
    publication, history = _first_transaction(decided)
    record, pending = decided.record, publication.published.pending
    certificate = publication.published.certificate
    if certificate and pending is not None and pending.due is None and pending != decided.before.pending:
        history.append(held_history_of(pending, certificate, record, decided.outcome.decision))
    write = RecordWrite(
        Pair(record.learner_id, record.course_run),
        stored,
        decided.timeline,
        decided.compacted_until,
        publication.published,
        decided.next_change_at,
        decided.known.versions,
        [*history, *more_history],
        breaker,
        standing_of(decided, publication.published).text,
    )
    return write, publication


def _first_transaction(decided: DecidedRecord) -> tuple[Publication, list[str]]:
    """Return as much of a publication as one transaction takes, nearly always all of it, with its history items."""
    history: list[str] = []
    size = 0
    for transition in decided.publication.new_transitions[:_TRANSITIONS_AT_ONCE]:
        body = history_of(transition, decided.record)
        size += len(body.encode())
        if history and size > _HISTORY_AT_ONCE:
            break
        history.append(body)
    if len(history) == len(decided.publication.new_transitions):
        return decided.publication, history
    return first_part(decided.publication, len(history)), history


class _AutomaticRevocations:
    """The automatic revocations of one record. The breaker counts each one; it or the kill switch may hold it."""

    def __init__(self, decided: DecidedRecord) -> None:
        self._before = decided.before
        self._course_run = decided.known.course_run
        self._configuration = decided.known.configuration
        self._counted = 0  # so many of the new transitions were looked at and may take effect
        self.breaker: BreakerState | None = None  # read when there is an automatic revocation
        self.stopped: Counter[str] = Counter()
        self.tripped: str | None = None  # the history item, if the breaker tripped

    def next_hold(self, decided: DecidedRecord) -> Entry | None:
        """Return the entry that holds the next automatic revocation; None if all others may take effect."""
        while revocation := automatic_revocation(self._before, decided.publication.new_transitions[self._counted :]):
            self.breaker = self.breaker or storage.load_breaker(self._course_run)
            policy = revocation.decision.facts.policy
            window_start = decided.as_of - policy.breaker_window
            stop = self._stop(self.breaker, policy, window_start, revocation.at)
            if stop is not None:
                by, why = stop
                if by == "breaker" and (self.breaker.tripped_at is None or self.breaker.tripped_at <= window_start):
                    self.breaker.trip(decided.as_of)
                    limits = (policy.breaker_limit, policy.breaker_window)
                    self.tripped = tripped_history_of(decided.record, decided.as_of, *limits)
                self.stopped[by] += 1
                return hold_of(decided.record, revocation, by, why, decided.timeline)
            self.breaker.count(decided.as_of, window_start)
            self._counted = decided.publication.new_transitions.index(revocation) + 1
        return None

    def _stop(
        self, breaker: BreakerState, policy: Policy, window_start: datetime, at: datetime
    ) -> tuple[str, str] | None:
        """Return what stops an automatic revocation at an instant (UTC), and why; None if nothing does.

        The kill switch stops what is due while it is off, and whatever is decided while it is off.
        """
        for instant in (at, None):
            if why := stopped_because(breaker.everywhere, self._configuration, instant):
                return KILL_SWITCH, why
        if sum(instant > window_start for instant in breaker.revoked) >= policy.breaker_limit:
            span = f"{policy.breaker_window.total_seconds():g} seconds"
            return "breaker", f"more than {policy.breaker_limit} automatic revocations in this course run within {span}"
        return None


def is_deciding(setting: Entry) -> bool:
    """Whether an entry of a course run's configuration can change certificates, not only what is shown."""
    return not setting.subject or setting.subject in _DECIDING_SETTINGS


def _decides(message: Message, configuration: StoredTimeline) -> bool:
    """Whether a message about a course run can change certificates: not if it only changes what is shown."""
    first = next((entry for entry in configuration.timeline if not entry.subject), None)
    is_first = first is not None and first.event_id == message.event_id  # the course run was not known before
    return is_first or any(entry.subject and is_deciding(entry) for entry in message.entries)


def _merged(stored: StoredTimeline, group: _Numbered) -> tuple[Timeline, datetime]:
    """Return a shared timeline with the messages' entries, and up to when it is compacted. Raises TimelineFullError."""
    if not group:
        return stored.timeline, stored.compacted_until
    observed = entries_from(stored.timeline, _observations(group))
    sent_at = max(message.sent_at for _, message in group)
    entries = place_late(stored.timeline, (*_entries(group), *observed), stored.compacted_until, sent_at)
    timeline, compacted_until = compact(merge(stored.timeline, entries), compacted_until=stored.compacted_until)
    return fit(timeline, compacted_until, limit_of(stored.timeline, entries))


def _sent_at(group: _Numbered) -> datetime:
    return max(instant for _, message in group for instant in (message.at, message.sent_at))


def _entries(group: _Numbered) -> Iterable[Entry]:
    return chain.from_iterable(message.entries for _, message in group)


def _observations(group: _Numbered) -> list[Observation]:
    return list(chain.from_iterable(message.observations for _, message in group))


def _required[T](value: T | None) -> T:
    if value is None:
        message = "a message is about a learner, a course run, or both"
        raise ValueError(message)
    return value
