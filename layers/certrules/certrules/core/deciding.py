"""Deciding one record: a pure function of the known state, of new entries and of an instant.

Ingestion, support, bulk runs, import and reconciliation all decide here. Nothing is read or written.
"""

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from certrules.core.certificate import Outcome, Transition
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import (
    Publication,
    PublishedCertificate,
    automatic_revocation,
    automatic_revocations,
    hold_entry,
    is_stopped,
    next_publication,
    place_records,
    published_before,
    published_with,
)
from certrules.core.instants import BEGINNING
from certrules.core.late_entries import place_late
from certrules.core.limits import TIMELINE_BYTES, Fixed, fit, is_within, limit_of
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState, rollout_state
from certrules.core.rules import RULEBOOK, Rulebook
from certrules.core.terms import Rollout
from certrules.core.thinning import thin
from certrules.core.timeline import Entry, Timeline, compact, merge

if TYPE_CHECKING:
    from certrules.core.comparison import Comparison

_FEW_TRANSITIONS = 50
"""If no more are new, they are published at once, and the published ones are those that the shorter timeline gives."""

_ORDER = itemgetter(slice(4))
"""Entries are in the order of their instants, event ids, facts and subjects."""

KILL_SWITCH = "kill-switch"
"""Signs, as software, the entries that hold what the kill switch stops."""


class Known(NamedTuple):
    """Everything that a decision about one learner in one course run rests on."""

    learner_id: int
    course_run: str
    timeline: Timeline  # of the learner in the course run
    compacted_until: datetime  # UTC; BEGINNING: that timeline was never compacted
    id_verification: Timeline  # of the learner
    configuration: Timeline  # of the course run
    shared_compacted_until: datetime  # UTC; of the ID verification and the configuration, the later one
    published: PublishedCertificate
    versions: tuple[int, int]  # of the ID verification and of the configuration
    default_rollout: Rollout  # where the configuration names none
    policies: Policies  # of the deployment
    rulebook: Rulebook = RULEBOOK

    def record(self, timeline: Timeline | None = None) -> Record:
        """Return all timelines as one record; `timeline` takes the place of the learner's own."""
        own = self.timeline if timeline is None else timeline
        entries = sorted((*self.configuration, *self.id_verification, *own), key=_ORDER)
        return Record(self.learner_id, self.course_run, tuple(entries))

    @property
    def rollout(self) -> RolloutState:
        """Who decides in the course run."""
        return rollout_state(self.configuration, self.default_rollout)


class DecidedRecord(NamedTuple):
    """The result of deciding one record: the state to store and the certificate to publish."""

    known: Known
    timeline: Timeline  # of the learner in the course run, with the new entries
    compacted_until: datetime  # UTC; of that timeline
    record: Record  # all timelines as one
    as_of: datetime  # UTC
    outcome: Outcome  # by the facts, whoever decides in the course run
    publication: Publication
    rollout: RolloutState
    before: PublishedCertificate  # what learners had before this decision

    @property
    def next_change_at(self) -> datetime | None:
        """When (UTC) the certificate changes without a new entry; None: never, or the old logic decides."""
        return self.outcome.next_change_at if self.rollout.is_live else None

    def compared(self) -> "Comparison":
        """Compare the outcome with the certificate of the old logic."""
        from certrules.core.comparison import compare  # noqa: PLC0415 - only shadow needs it: 1.4 ms of a cold start

        return compare(
            self.record,
            self.known.policies,
            self.as_of,
            published=self.before,
            rollout=self.rollout,
            compacted_until=max(self.compacted_until, self.known.shared_compacted_until),
            rulebook=self.known.rulebook,
        )


def decide_record(
    known: Known, entries: Iterable[Entry], sent_at: datetime, *, as_if: Rollout | None = None
) -> DecidedRecord:
    """Decide what is known together with new entries, as of the instant (UTC) at which they were sent.

    A decision never goes back in time: if a later entry or publication is known, it is as of that one. Where the old
    logic decides, its last certificate is published. `as_if` decides as if the course run had this rollout from now on.
    An automatic revocation from before the course run went live is held for a person. Raises TimelineFullError.
    """
    entries = tuple(entries)
    rollout = known.rollout
    as_of = _as_of(known, entries, sent_at)
    placed: list[Entry] = []
    timeline, compacted_until = known.timeline, known.compacted_until
    if entries:
        placed = place_late(timeline, entries, compacted_until, as_of)
        placed = place_records(timeline, placed, known.published, rollout)
        timeline = merge(timeline, placed)
    if timeline is not known.timeline:  # what has no new entry is not written for being shorter
        timeline, compacted_until = compact(timeline, compacted_until=compacted_until)
    record = known.record(timeline)
    outcome = replay(record, known.policies, as_of, known.rulebook)
    before = published_before(known.published, timeline, rollout)
    if as_if is not None and as_if is not rollout.rollout:
        rollout = RolloutState(as_if, as_of)
    publication = Publication(before, (), retained=False)
    if rollout.is_live:
        publication = next_publication(
            before,
            outcome,
            _new_id(record, timeline) if timeline and _needs_id(before, outcome) else "",
            max(compacted_until, known.shared_compacted_until),
            timeline,
            rollout.live_since,
        )
        revocation = automatic_revocation(before, publication.new_transitions)
        if revocation is not None and revocation.at < rollout.live_since:
            why = "the old logic decided then, and let the certificate stand"
            hold = hold_of(record, revocation, "rollout", why, timeline)
            return decide_record(known, (*entries, hold), sent_at, as_if=as_if)
    if timeline is not known.timeline:
        timeline = thin(timeline, _graded_at(outcome))
    decided = DecidedRecord(known, timeline, compacted_until, record, as_of, outcome, publication, rollout, before)
    if is_within(timeline, TIMELINE_BYTES):
        return decided
    return _fitted(decided, limit_of(known.timeline, placed))


def _graded_at(outcome: Outcome) -> set[datetime]:
    """Return from when certificates have their grades: at their transitions, or at a later change of mode."""
    instants = {transition.at for transition in outcome.transitions}
    return instants if outcome.graded_at is None else instants | {outcome.graded_at}


def _fitted(decided: DecidedRecord, limit: int) -> DecidedRecord:
    """Return a decided record whose timeline has no more bytes than a limit, and decides the same.

    Raises TimelineFullError.
    """
    known, outcome = decided.known, decided.outcome

    def replayed(timeline: Timeline) -> Outcome:
        return replay(known.record(timeline), known.policies, decided.as_of, known.rulebook)

    def decides_same(timeline: Timeline) -> bool:
        theirs = published_before(known.published, timeline, known.rollout)
        ours = published_before(known.published, decided.timeline, known.rollout)
        return theirs.certificate == ours.certificate and _result(replayed(timeline)) == _result(outcome)

    certificate = outcome.certificate
    issued = () if certificate is None else (certificate.issued_at, certificate.first_issued_at)
    fixed = Fixed(
        decides_same,
        {transition.at for transition in outcome.transitions},
        {date for date in issued if date is not None},
        certificate.mode if certificate else outcome.decision.facts.mode or "",
    )
    timeline, compacted_until = fit(decided.timeline, decided.compacted_until, limit, fixed)
    publication = decided.publication
    if decided.rollout.is_live and not publication.retained and not publication.new_transitions[_FEW_TRANSITIONS:]:
        publication = publication._replace(
            published=published_with(publication.published, replayed(timeline).transitions)
        )
    return decided._replace(timeline=timeline, compacted_until=compacted_until, publication=publication)


def _result(outcome: Outcome) -> object:
    """Return what a shorter timeline may not change: all but the words of people, and transitions of long ago."""
    pending = outcome.pending and outcome.pending[:3]
    return outcome.certificate, pending, outcome.decision.unmet, outcome.next_change_at


def with_kill_switch(record: Record, policies: Policies, until: datetime, everywhere: Timeline = ()) -> Record:
    """Return the record with an entry that holds each automatic revocation up to `until` (UTC) that was stopped.

    Whether it was stopped is read at the instant of the revocation: in the record's own timeline, which has the
    switch of the course run, and in `everywhere`, the deployment's. So the order of delivery makes no difference.
    """
    while (hold := _next_stop(record, policies, until, everywhere)) is not None:
        record = record._replace(timeline=merge(record.timeline, (hold,)))
    return record


def _next_stop(record: Record, policies: Policies, until: datetime, everywhere: Timeline) -> Entry | None:
    """Return the entry that holds the first automatic revocation that was stopped; None if there is none."""
    if not any(entry.fact is Fact.AUTOMATIC_REVOCATIONS for entry in (*everywhere, *record.timeline)):
        return None  # nearly always, and without a replay
    for revocation in automatic_revocations(replay(record, policies, until).transitions):
        why = stopped_because(everywhere, record.timeline, revocation.at)
        hold = _hold_of(record, revocation, KILL_SWITCH, why)
        if why and hold not in record.timeline:
            return hold
    return None


def stopped_because(everywhere: Timeline, configuration: Timeline, instant: datetime | None = None) -> str:
    """Return why the kill switch stops automatic revocations at an instant (UTC), or by its last entry (None).

    "" if it does not.
    """
    for timeline, where in ((everywhere, "everywhere"), (configuration, "in this course run")):
        if is_stopped(timeline, instant):
            return f"automatic revocations are stopped {where}"
    return ""


def in_order_of_sending(known: Known, sent: Iterable[tuple[datetime, tuple[Entry, ...]]]) -> tuple[Entry, ...]:
    """Return the entries of several messages, each sent at an instant (UTC), as if they were decided one by one.

    It makes a difference only to certificates of the old logic: whether one was sent before this service published
    must not depend on which messages are delivered together, such as in a replay of the archive.
    """
    entries: tuple[Entry, ...] = ()
    last_sent_at, before = BEGINNING, known.published
    for sent_at, group in sorted(sent, key=lambda message: message[0]):
        placed: Iterable[Entry] = group
        if entries and any(entry.fact is Fact.RECORDED for entry in group):
            if sent_at > last_sent_at:
                before = decide_record(known, entries, last_sent_at).publication.published
            placed = place_records((*known.timeline, *entries), group, before, known.rollout)
        entries, last_sent_at = (*entries, *placed), sent_at
    return entries


def _as_of(known: Known, entries: Iterable[Entry], sent_at: datetime) -> datetime:
    """Return the latest instant that is known: when the entries were sent, or that of an entry or a publication."""
    timelines = known.timeline, known.id_verification, known.configuration
    latest = [sent_at, *[timeline[-1].at for timeline in timelines if timeline]]
    latest += [transition.at for transition in known.published.transitions[-1:]]
    return max([*latest, *[entry.at for entry in entries]])


def hold_of(record: Record, revocation: Transition, by: str, why: str, timeline: Timeline) -> Entry:
    """Return the entry that holds an automatic revocation for a person.

    Its event id follows from the revocation, so the same one is held once. Raises RuntimeError if the timeline has
    this hold already and the revocation takes effect all the same: deciding would never end.
    """
    entry = _hold_of(record, revocation, by, why)
    if entry in timeline:
        name = f"{record.learner_id}:{record.course_run}:{revocation.cause}"
        raise RuntimeError(f"the revocation of {name} was held, and yet takes effect")
    return entry


def _hold_of(record: Record, revocation: Transition, by: str, why: str) -> Entry:
    name = f"{record.learner_id}:{record.course_run}:{revocation.cause}:{revocation.at.isoformat()}"
    return hold_entry(revocation, str(uuid5(NAMESPACE_OID, name)), by, why)


def _needs_id(before: PublishedCertificate, outcome: Outcome) -> bool:
    """Whether there is a certificate, published or by the facts, and none was published with an id."""
    if before.certificate is None:
        return outcome.certificate is not None
    return not before.certificate.certificate_id


def _new_id(record: Record, timeline: Timeline) -> str:
    """Return the id for a certificate without one. It follows from the first event, so it is the same at each replay.

    Nobody can guess it, since event ids are never published.
    """
    return uuid5(NAMESPACE_OID, f"{record.learner_id}:{record.course_run}:{timeline[0].event_id}").hex
