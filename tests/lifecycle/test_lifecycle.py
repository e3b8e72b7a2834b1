"""Whatever comes, in any order and as often as it likes: what is stored is what the facts show, and nothing is lost."""

from datetime import datetime
from itertools import count, product
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from certrules import storage
from certrules.core.certificate import Certificate
from certrules.core.fact_types import AFTER_PUBLICATION, Fact
from certrules.core.facts import Record, active_by_person
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.terms import REVOKING, Cause, Status
from certrules.core.timeline import Entry, Timeline, merge
from certrules.formats.events_out import CHANGED, events_of
from certrules.formats.messages import REQUESTED, Message
from certrules.ingestion import ingest_messages
from certrules.reconciliation.comparing_records import in_records
from certrules.reconciliation.finding_types import OLD_LOGIC_DIFFERS
from certrules.storage.tables import Pair
from tests.scenes.histories import INSTANTS, STEP, WORDING, Value

POLICIES = undated(DEFAULT)
QUALIFYING = {
    fact: next(phrase for phrase in WORDING if phrase[0] is fact)
    for fact in (Fact.COURSE_RUN, Fact.ENROLLMENT, Fact.ID_VERIFICATION, Fact.PASSING)
}

_REPORTED = st.tuples(st.sampled_from(INSTANTS), st.sampled_from(WORDING))
_numbers = count(500_001)


class Lifecycles(RuleBasedStateMachine):
    """Two learners in two course runs, of whom nothing is known; what is sent waits until it is delivered."""

    def __init__(self) -> None:
        super().__init__()
        number = next(_numbers)
        self.learners = (2 * number, 2 * number + 1)
        self.course_runs = (f"course-v1:CertX+A{number}+2026", f"course-v1:CertX+B{number}+2026")
        self.pairs = [Pair(*pair) for pair in product(self.learners, self.course_runs)]
        self.now = INSTANTS[-1]
        self.waiting: list[Message] = []
        self.delivered: list[Message] = []
        self.arrived: dict[tuple[int | None, str | None], Timeline] = {}
        self.sent = 0
        self.before: dict[Pair, Certificate | None] = dict.fromkeys(self.pairs)
        self.history_count: dict[Pair, int] = dict.fromkeys(self.pairs, 0)

    # --- what may happen

    @rule(
        pair=st.integers(0, 3),
        phrases=st.lists(st.tuples(st.sampled_from(INSTANTS), st.sampled_from(WORDING)), max_size=8),
    )
    def show(self, pair: int, phrases: list[tuple[datetime, Value]]) -> None:
        for at, phrase in phrases:
            self._send(self.pairs[pair], at, phrase)

    @rule(pair=st.integers(0, 3))
    def qualify(self, pair: int) -> None:
        for phrase in QUALIFYING.values():
            self._send(self.pairs[pair], INSTANTS[0], phrase)

    @precondition(lambda self: self.waiting)
    @rule(chance=st.randoms(use_true_random=False), size=st.integers(1, 10))
    def deliver(self, chance: Any, size: int) -> None:
        chance.shuffle(self.waiting)
        self._deliver(size, chance.choices(self.delivered, k=2) if self.delivered else [])

    @rule(steps=st.integers(1, 4))
    def time_passes_and_it_is_swept(self, steps: int) -> None:
        self.now += steps * STEP
        self._sweep()

    @rule()
    def all_is_delivered(self) -> None:
        self._deliver_all()
        while self._sweep():
            self._deliver_all()
        for pair in self.pairs:
            self._compare(pair)
        found = in_records(self.pairs, POLICIES, self.now, consistent=True)
        assert {finding.code for finding in found} <= {OLD_LOGIC_DIFFERS.code}  # which nothing here can mend

    # --- what is always so

    @invariant()
    def what_was_reported_follows_on_what_was_reported_before(self) -> None:
        stored_record = storage.load(self.pairs).records
        for pair in self.pairs:
            bodies = [body for _, body in storage.history_of(pair)]
            history = [msgspec.json.decode(body) for body in bodies]
            assert stored_record[pair].history_count == len(history)
            for body, item in zip(bodies, history, strict=True):
                reported = [event.event_type for event in events_of("id", body, "/", "host")]
                assert reported.count(CHANGED) == (item["kind"] == "transition")
            changes = [item for item in history if item["kind"] == "transition"]
            statuses = [item["status"] for item in changes]
            certificate = stored_record[pair].published.certificate
            assert [item["previous"] for item in changes] == [None, *statuses][: len(statuses)]
            assert statuses[-1:] == ([certificate.status] if certificate else [])
            assert len({item["certificate"]["id"] for item in changes}) <= 1
            assert all(item["cause"] in REVOKING for item in changes if item["previous"] == "downloadable")
            self._survives(self.before[pair], certificate)
            assert len(history) >= self.history_count[pair]
            self.before[pair], self.history_count[pair] = certificate, len(history)

    @staticmethod
    def _survives(before: Certificate | None, certificate: Certificate | None) -> None:
        if before is not None:
            assert certificate is not None
            assert certificate.certificate_id == before.certificate_id
            if before.status is Status.DOWNLOADABLE:
                assert certificate.first_issued_at is not None

    # --- how it happens

    def _send(self, pair: Pair, at: datetime, phrase: Value) -> None:
        self.sent += 1
        entry = Entry(at, f"event-{self.sent:04}", *phrase)
        learner_id = None if entry.fact is Fact.COURSE_RUN else pair.learner_id
        course_run = None if entry.fact is Fact.ID_VERIFICATION else pair.course_run
        self.waiting.append(Message(entry.event_id, "told", at, learner_id, course_run, (entry,), sent_at=self.now))

    def _request(self, pair: Pair) -> None:
        self.waiting.append(Message("", REQUESTED, self.now, *pair, sent_at=self.now))

    def _deliver(self, size: int, again: list[Message]) -> None:
        batch = [*self.waiting[:size], *again]
        del self.waiting[:size]
        taken = ingest_messages(batch, POLICIES)
        assert not taken.failed
        assert not taken.refused
        for message in batch:
            key = (message.learner_id, message.course_run)
            self.arrived[key] = merge(self.arrived.get(key, ()), message.entries)
            for pair in self.pairs:
                if (message.course_run is None and message.learner_id == pair.learner_id) or (
                    message.learner_id is None and message.course_run == pair.course_run
                ):
                    self._request(pair)
        self.delivered += [message for message in batch[:size] if message.entries]

    def _deliver_all(self) -> None:
        while self.waiting:
            self._deliver(10, [])

    def _sweep(self) -> bool:
        """Have decided again what is due of these learners; return whether anything was."""
        found = [pair for shard in range(storage.DUE_SHARDS) for _, pair in storage.due_by(self.now, shard, 2_500)]
        mine = [pair for pair in found if pair in self.pairs]
        for pair in mine:
            self._request(pair)
        return bool(mine)

    def _compare(self, pair: Pair) -> None:
        """What is stored is the replay of all that was received, or a certificate stays and is held for a person."""
        keys = ((*pair,), (pair.learner_id, None), (None, pair.course_run))
        timeline: Timeline = ()
        for key in keys:
            timeline = merge(timeline, self.arrived.get(key, ()))
        stored = storage.load([pair]).records[pair]
        # Only the store knows which certificates of the old logic came after it had published one.
        late = {entry.event_id for entry in stored.timeline if entry.subject == AFTER_PUBLICATION}
        counted = tuple(entry for entry in timeline if entry.fact is not Fact.RECORDED or entry.event_id not in late)
        outcome = replay(Record(*pair, counted), POLICIES, self.now)
        published = stored.published
        if (pair.learner_id, pair.course_run) not in self.arrived:
            assert published.certificate is None
            return
        expected = outcome.certificate
        if published.certificate is None or expected is None:
            if published.certificate is not None and published.certificate.status is Status.DOWNLOADABLE:
                assert published.pending is not None
                assert published.pending.cause is Cause.NEVER_EARNED
            else:
                assert expected is None
        elif published.pending is not None and published.pending.cause is Cause.NEVER_EARNED:
            assert published.certificate.status is Status.DOWNLOADABLE
            assert expected.status is not Status.DOWNLOADABLE
        elif not (published.certificate.status is Status.UNAVAILABLE and active_by_person(timeline)):
            ours = published.certificate._replace(certificate_id="")
            if expected.first_issued_at is None:  # a date of issue survives facts that no longer give one
                assert ours.status is not Status.DOWNLOADABLE
                ours = ours._replace(issued_at=None, first_issued_at=None)
            assert ours == expected._replace(certificate_id="")


@pytest.mark.usefixtures("scene")
def test_what_is_stored_is_what_the_facts_show_whatever_comes() -> None:
    limits = settings(max_examples=20, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Lifecycles, settings=limits)
