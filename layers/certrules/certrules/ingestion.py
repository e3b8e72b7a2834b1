"""Ingestion: messages become saved certificates. Every new fact comes through here, whoever brings it.

One request reads all that a batch of messages needs. The new entries of each learner in a course run are merged into
the stored record, which is decided once and saved once. A record that another writer saved meanwhile is read and
decided again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from certrules import settings, storage
from certrules.aws import each
from certrules.core.certificate import Certificate
from certrules.core.deciding import (
    DecidedRecord,
    decide_record,
    in_order_of_sending,
)
from certrules.core.guard import Publication, automatic_revocation, first_part
from certrules.core.late_entries import place_late, stands_against
from certrules.core.limits import fit, limit_of
from certrules.core.policy import Policies
from certrules.core.terms import Rollout
from certrules.core.timeline import Entry, Timeline, TimelineFullError, compact, merge
from certrules.formats.messages import ERASED, EVERYWHERE, NAMED, RENAMED, Message
from certrules.formats.refusals import Reason, RefusedError
from certrules.formats.standings import standing_of
from certrules.formats.stored import held_history_of, history_of
from certrules.storage.records import Loaded, RecordWrite, StoredRecord, StoredTimeline
from certrules.storage.tables import TRANSACTION_ITEMS, LostRaceError, Pair

if TYPE_CHECKING:
    from certrules.core.comparison import Kind
    from certrules.formats.table_rows import Observation
    from certrules.revoking import HeldBack

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


class BatchResult:
    """The result of a batch of messages. Positions are those in the batch."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.failed: dict[int, Exception] = {}  # by position; a retry can help
        self.refused: dict[int, RefusedError] = {}  # by position; to be parked
        self.changed: list[tuple[Pair, Publication]] = []  # the records that were written
        self.course_runs: set[str] = set()  # whose certificates have to be decided again
        self.shared: set[int | str] = set()  # learners and course runs whose own facts were written
        self.decided: dict[Pair, Certificate | None] = {}  # all decided records, written or not
        self.lost_races = 0
        self.stopped: Counter[str] = Counter()  # held automatic revocations, by what holds them
        self.tripped = 0  # breakers that tripped
        self.compared: Counter[Kind] = Counter()  # records in shadow, by how the old logic agrees


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

type _Save = Callable[[], None]
"""Saves what was decided, which waits for AWS. Raises LostRaceError."""


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
            *((self._decide_shared, loaded.verifications[key], group) for key, group in self._learners.items()),
            *((self._decide_shared, loaded.course_runs[key], group) for key, group in self._course_runs.items()),
            *((self._decide_name, loaded.names[key], group) for key, group in self._names.items()),
        )
        self._result.course_runs |= set(self._course_runs_to_decide(loaded))
        self._each(*((self._decide_record, (pair, loaded), group) for pair, group in self._pairs.items()))
        return list(dict(self._lost).items())  # a message is lost once, though its name and its record are

    def _each(self, *tasks: tuple[Callable[[Any, _Numbered], _Save | None], Any, _Numbered]) -> None:
        """Decide one after the other, then save what changed. Writes overlap where the function has the CPU for it."""
        decided = [(self._attempt(group, decide, subject, group), group) for decide, subject, group in tasks]
        each(lambda task: self._attempt(*task), [(group, save) for save, group in decided if save is not None])

    def _attempt[*Ts, R](self, group: _Numbered, act: Callable[[*Ts], R], *about: *Ts) -> R | None:
        """Return the result of what is done for these messages; None if they fail, are refused or lost a race."""
        try:
            return act(*about)
        except LostRaceError:
            self._lost += group
        except TimelineFullError as error:
            refusal = RefusedError(Reason.TIMELINE_FULL, "", str(error))
            self._result.refused.update((position, refusal) for position, _ in group)
        except Exception as error:  # noqa: BLE001 - the failure of one record must not fail the others
            self._result.failed.update((position, error) for position, _ in group)
        return None

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

    def _decide_shared(self, stored: StoredTimeline, group: _Numbered) -> _Save | None:
        """Return what saves a learner's ID verification or a course run's configuration; None if it is the same."""
        try:
            timeline, compacted_until = _merged(stored, group)
        except TimelineFullError:
            group = self._what_fits(group, lambda some: _merged(stored, some))
            timeline, compacted_until = _merged(stored, group)
        if timeline == stored.timeline:
            return None
        observed = _observed(stored.timeline, _observations(group))
        decides = any(is_deciding(entry) for entry in observed)
        message = group[0][1]

        def save() -> None:
            storage.save_timeline(stored, timeline, compacted_until)
            subjects = message.learner_id, message.course_run
            self._result.shared.update(subject for subject in subjects if subject is not None)
            if message.course_run is not None and decides:
                self._result.course_runs.add(message.course_run)

        return save

    def _decide_name(self, item: storage.Item, group: _Numbered) -> _Save | None:
        """Return what saves a learner's names; None if the messages don't change them."""
        name = storage.name_of(item)
        for _, message in sorted(group, key=lambda numbered: numbered[1].at):
            if message.event_type == ERASED:
                name = name.erased(message.at)
            elif message.name is not None:
                add = name.sent if message.event_type in _SENT_FOR_NAMES else name.seen
                name = add(message.name, message.at)
        changed = storage.change_name(item, name, is_indexed=settings.stores_names())
        return partial(storage.put_item, item) if changed else None

    def _decide_record(self, subject: tuple[Pair, Loaded], group: _Numbered) -> _Save | None:
        """Decide the record of a learner in a course run. Returns what saves it; None if nothing changed."""
        pair, loaded = subject
        try:
            decided, entries = self._decided(subject, group)
        except TimelineFullError:
            group = self._what_fits(group, lambda some: self._decided(subject, some))
            if not group:
                return None
            decided, entries = self._decided(subject, group)
        stored = loaded.records[pair]
        if automatic_revocation(decided.before, decided.publication.new_transitions) is None:
            return self._change(stored, decided)
        return partial(self._revoke, stored, decided, entries, _sent_at(group))

    def _revoke(
        self, stored: StoredRecord, decided: DecidedRecord, entries: Sequence[Entry], sent_at: datetime
    ) -> None:
        """Save a record with automatic revocations, or with what holds them."""
        from certrules.revoking import hold_back  # noqa: PLC0415 - other events don't wait for it

        held = hold_back(decided, entries, sent_at)
        save = self._change(stored, held.decided, held)
        if save is not None:
            save()

    def _change(self, stored: StoredRecord, decided: DecidedRecord, held: "HeldBack | None" = None) -> _Save | None:
        """Put the new state into the stored item. Returns what saves it; None if nothing changed."""
        certificate = decided.publication.published.certificate
        if not decided.timeline and certificate is None and not stored.version:
            return None  # an event without facts about an unknown learner: there is nothing to store
        write, publication = write_of(stored, decided, held)
        is_changed = storage.change_record(write)
        is_in_shadow = decided.rollout.rollout is Rollout.SHADOW

        def note() -> None:
            self._result.decided[write.pair] = publication.published.certificate
            if is_in_shadow and (is_changed or write.based_on != stored.based_on):
                self._result.compared[decided.compared().kind] += 1

        def save() -> None:
            storage.save_changed(write)
            note()
            self._result.changed.append((write.pair, publication))
            if held is not None:
                self._result.stopped.update(held.stopped)
                self._result.tripped += held.tripped is not None
            if publication is not decided.publication:
                raise LostRaceError("the next attempt saves the next part")

        if is_changed:
            return save
        note()
        return None

    def _decided(self, subject: tuple[Pair, Loaded], group: _Numbered) -> tuple[DecidedRecord, tuple[Entry, ...]]:
        """Decide a record with the messages' entries, and return them, too. Raises TimelineFullError."""
        pair, loaded = subject
        observations = _observations(group)
        known = loaded.known(pair, self._policies, self._default_rollout)
        if observations:
            from certrules.formats.table_rows import standing  # noqa: PLC0415 - events don't wait for it

            known = known._replace(timeline=standing(known.timeline, observations))
        sent = [(message.sent_at, message.entries) for _, message in group]
        entries = (*in_order_of_sending(known, sent), *_observed(known.timeline, observations))
        return decide_record(known, entries, _sent_at(group)), entries


def write_of(
    stored: StoredRecord, decided: DecidedRecord, held: "HeldBack | None" = None
) -> tuple[RecordWrite, Publication]:
    """Return what is to be saved of a decided record, and as much of its publication as one transaction takes."""
    publication, history = _first_transaction(decided)
    record, pending = decided.record, publication.published.pending
    certificate = publication.published.certificate
    if certificate and pending is not None and pending.due is None and pending != decided.before.pending:
        history.append(held_history_of(pending, certificate, record, decided.outcome.decision))
    if held is not None and held.tripped is not None:
        history.append(held.tripped)
    write = RecordWrite(
        Pair(record.learner_id, record.course_run),
        stored,
        decided.timeline,
        decided.compacted_until,
        publication.published,
        decided.next_change_at,
        decided.known.versions,
        history,
        None if held is None else held.breaker,
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
    observed = _observed(stored.timeline, _observations(group))
    sent_at = max(message.sent_at for _, message in group)
    entries = place_late(stored.timeline, (*_entries(group), *observed), stored.compacted_until, sent_at)
    timeline, compacted_until = compact(merge(stored.timeline, entries), compacted_until=stored.compacted_until)
    return fit(timeline, compacted_until, limit_of(stored.timeline, entries))


def _sent_at(group: _Numbered) -> datetime:
    return max(instant for _, message in group for instant in (message.at, message.sent_at))


def _entries(group: _Numbered) -> Iterable[Entry]:
    return chain.from_iterable(message.entries for _, message in group)


def _observations(group: _Numbered) -> "list[Observation]":
    return list(chain.from_iterable(message.observations for _, message in group))


def _observed(timeline: Timeline, observations: "list[Observation]") -> Iterable[Entry]:
    """Return the entries that observations add to a timeline."""
    if not observations:
        return ()
    from certrules.formats.table_rows import entries_from  # noqa: PLC0415 - events don't wait for it

    return entries_from(timeline, observations)


def _required[T](value: T | None) -> T:
    if value is None:
        message = "a message is about a learner, a course run, or both"
        raise ValueError(message)
    return value
