"""Certificates live through the whole event path, from bus to bus, against the replay of all that was ever said.

A rule-based state machine puts events on the bus: in any order, late, twice, several at once; lets time pass, and
sweeps. After each step everything is delivered, and what is kept, what history tells and what consumers were told
is compared with a model that knows nothing but the list of the events.
"""

import json
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from certrules import store
from certrules.core.facts import Approval, Enrollment, Record
from certrules.core.guard import Published
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import Certificate, Outcome, replay
from certrules.core.terms import PERSON, REVOKING, Cause, Fact, Status
from certrules.core.timeline import Entry, merge
from certrules.wire.inbound import decode
from certs.sources import events
from certs.sources.events import Detail
from tests.core.histories import FIRST, INSTANTS, STEP, WORDS, Word
from tests.functions.scene import OWN_EVENTS, Learner, Scene

QUALIFYING: tuple[tuple[datetime, Word], ...] = (
    (FIRST, (Fact.COURSE_RUN, "", True, "")),
    (FIRST, (Fact.ENROLLMENT, "", Enrollment("verified", active=True), "")),
    (FIRST, (Fact.ID_VERIFICATION, "1", Approval(INSTANTS[12]), "")),
    (INSTANTS[2], (Fact.PASSING, "", True, "")),
)

CLOCK_AHEAD = timedelta(minutes=2)
"""How far ahead of ours a producer's clock may be here."""


def told(word: Word, learner: Learner, at: Any, event_id: UUID) -> Detail:  # noqa: C901 - one branch a fact
    """Return the event that says this word."""
    fact, subject, value, by = word
    key: tuple[Any, Any, int, str] = (event_id, at, learner.learner_id, learner.course_run)
    match fact:
        case Fact.ENROLLMENT:
            name: Any = "course.enrollment.changed" if value.active else "course.unenrollment.completed"
            return events.enrollment(name, *key, mode=value.mode)
        case Fact.PASSING:
            return events.passing_status("course.passing.status.updated", *key, is_passing=value)
        case Fact.GRADE:
            name = "course.persistent_grade_summary.changed"
            return events.grade_summary(name, *key, percent=value.percent, letter=value.letter)
        case Fact.ID_VERIFICATION:
            name = "idv_attempt.approved" if value else "idv_attempt.denied"
            expires = value.expires_at if value else None
            return events.idv_attempt(name, *key[:3], attempt_id=int(subject), expires=expires)
        case Fact.COURSE_RUN:
            return events.configuration(
                "course_run.configured", *key[:2], learner.course_run, **_setting(subject, value)
            )
        case Fact.BETA_TESTER:
            name = f"user.course_access_role.{'added' if value else 'removed'}"
            return events.course_access_role(name, *key)
        case Fact.ALLOWLIST:
            name = f"allowlist.entry.{'added' if value else 'removed'}"
            return events.allowlist(name, *key, by=by, notes="a reason")
        case Fact.INVALIDATION if subject == PERSON:
            name = f"invalidation.{'created' if value else 'lifted'}"
            return events.invalidation(name, *key, by=by, notes="a reason")
        case Fact.INVALIDATION:
            name = f"exam.attempt.{'rejected' if value else 'verified'}"
            return events.exam_attempt(name, *key, usage_key=subject)
        case Fact.RECORDED:
            detail = events.recorded_certificate(
                "recorded",
                *key,
                status=value.status,
                mode=value.mode,
                grade=value.grade,
                certificate_id=event_id,
                created=FIRST,
                modified=FIRST,
            )
            dates = {
                name: date and date.isoformat()
                for name, date in (("created", value.created), ("modified", value.modified))
            }
            detail["certificate"] |= {"certificate_id": value.certificate_id, **dates}
            return detail
        case Fact.DATE_OVERRIDE:
            name = f"date_override.{'set' if value else 'removed'}"
            return events.date_override(name, *key, by=by, notes="a reason", date=value)
    raise AssertionError(f"no event says {fact}")


def _setting(subject: str, value: Any) -> dict[str, Any]:
    if subject == "":
        return {}
    if subject != "policy" or value is None:
        return {subject: value}
    policy = {name: field for name, field in value._asdict().items() if field is not None}
    if "hold" in policy:
        policy["hold_seconds"] = policy.pop("hold").total_seconds()
    return {"policy": policy}


class Lifecycle(RuleBasedStateMachine):
    """Two learners, each in two course runs."""

    scene: Scene  # one for all examples, emptied for each

    def __init__(self) -> None:
        super().__init__()
        self.now = INSTANTS[4]
        self.told = 0  # how many events there were
        self.details: list[Detail] = []  # all that was ever sent
        runs = ("course-v1:CertX+CS101+A", "course-v1:CertX+CS101+B")
        self.learners = [Learner(number, run) for number in (1, 2) for run in runs]
        self.entries: dict[str, set[Entry]] = defaultdict(set)  # by "learner/", "/run" or "learner/run"
        self.events: dict[Learner, list[Detail]] = defaultdict(list)  # status changes, as consumers were told
        self.ids: dict[Learner, str] = {}
        self.seen: dict[Learner, Published] = {}
        self.scene.empty_tables()
        self.scene.empty_queues()

    # --- what happens

    @initialize(qualifying=st.lists(st.booleans(), min_size=4, max_size=4))
    def begin(self, qualifying: list[bool]) -> None:
        """Most begin with a certificate."""
        self._send(
            [self._told(word, who, at) for who, earns in enumerate(qualifying) if earns for at, word in QUALIFYING]
        )

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from(WORDS), st.integers(0, 3), st.integers(0, len(INSTANTS) - 1)),
            min_size=1,
            max_size=6,
        )
    )
    def hear(self, batch: list[tuple[Word, int, int]]) -> None:
        """Something is told: of the past, or of right now."""
        self._send([self._told(word, who, min(INSTANTS[when], self.now)) for word, who, when in batch])

    @rule(word=st.sampled_from(WORDS), who=st.integers(0, 3))
    def hear_from_a_fast_clock(self, word: Word, who: int) -> None:
        """Something is told by a producer whose clock is ahead."""
        self._send([self._told(word, who, self.now + CLOCK_AHEAD)])

    @rule(which=st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
    def hear_again(self, which: list[int]) -> None:
        """Something is delivered again, much later, in any order."""
        if self.details:
            self._send([self.details[number % len(self.details)] for number in which])

    @rule(who=st.integers(0, 3))
    def request(self, who: int) -> None:
        """A person wants a certificate decided again."""
        self._send([self.learners[who].requested(self.now)])

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        """Time passes, and the schedule fires."""
        self.now += steps * STEP
        self.scene.cloud.run_schedules(self.now)
        self._deliver()
        assert not [pair for shard in range(store.DUE_SHARDS) for pair in store.due_by(self.now, shard, 1)]

    # --- what holds then

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        """After each step, once everything is delivered."""
        self._what_is_kept_is_what_the_facts_amount_to()
        self._history_is_a_chain_and_consumers_were_told_each_link()
        self._ids_survive()

    def _what_is_kept_is_what_the_facts_amount_to(self) -> None:
        records = store.load([learner.pair for learner in self.learners]).records
        for learner in self.learners:
            published = records[learner.pair].published
            self._compare(learner, published, self._outcome(learner))
            self.seen[learner] = published

    def _history_is_a_chain_and_consumers_were_told_each_link(self) -> None:
        items = sorted(self.scene.items("HistoryTable"), key=lambda item: str(item["s"]["S"]))
        transitions = [body for item in items if (body := json.loads(item["b"]["S"]))["kind"] == "transition"]
        for learner in self.learners:
            links = [body for body in transitions if (body["learner_id"], body["course_run"]) == learner.pair]
            before = [None, *(link["status"] for link in links)]
            certificate = self.seen[learner].certificate
            assert [link["previous"] for link in links] == before[:-1]
            assert before[-1] == (certificate.status if certificate else None)
            assert all(link["cause"] in REVOKING for link in links if link["previous"] == Status.DOWNLOADABLE)
            assert [_told_as(detail) for detail in self.events[learner]] == [
                (link["at"], link["previous"] or "", link["status"], link["cause"]) for link in links
            ]

    def _ids_survive(self) -> None:
        for learner, published in self.seen.items():
            if published.certificate is not None:
                certificate_id = published.certificate.certificate_id
                assert certificate_id
                assert self.ids.setdefault(learner, certificate_id) == certificate_id

    # --- how

    def _compare(self, learner: Learner, published: Published, outcome: Outcome) -> None:
        kept, due = published.certificate, outcome.certificate
        if kept is None or kept.status is (due.status if due else None):
            assert _without_id(kept) == _without_id(due)
            assert published.pending == outcome.pending
        elif kept.status is Status.DOWNLOADABLE:  # never taken away by what came late
            assert published.pending is not None
            assert (published.pending.cause, published.pending.due) == (Cause.NEVER_EARNED, None)
            assert kept == self.seen[learner].certificate
        elif due is not None:  # a person invalidated what was held
            assert (kept.status, published.marks[-1].cause) == (Status.UNAVAILABLE, Cause.INVALIDATED)
            assert due.status is not Status.DOWNLOADABLE

    def _outcome(self, learner: Learner) -> Outcome:
        scopes = ("/" + learner.course_run, f"{learner.learner_id}/", f"{learner.learner_id}/{learner.course_run}")
        timeline = merge((), [entry for scope in scopes for entry in self.entries[scope]])
        until = max([self.now, *(entry.at for entry in timeline[-1:])])
        return replay(Record(learner.learner_id, learner.course_run, timeline), undated(DEFAULT), until)

    def _told(self, word: Word, who: int, at: datetime) -> Detail:
        self.told += 1
        event_id = UUID(int=self.told * 7_919 % 9_973)  # in no order
        return told(word, self.learners[who], at, event_id)

    def _send(self, details: list[Detail]) -> None:
        for detail in details:
            message = decode(json.dumps(detail), self.now + CLOCK_AHEAD)
            assert message is not None
            self.entries[f"{message.learner_id or ''}/{message.course_run or ''}"] |= set(message.entries)
            self.details.append(detail)
        self.scene.send(*details, at=self.now)
        self._deliver()

    def _deliver(self) -> None:
        while any(self.scene.queued(queue) for queue in ("IngestQueue", "RedecideQueue")):
            assert self.scene.cloud.deliver(delayed=True).errors == []
        assert self.scene.queued("ParkedQueue") == self.scene.queued("IngestDeadLetters") == []
        by_pair = {learner.pair: learner for learner in self.learners}
        for event in self.scene.take(OWN_EVENTS):
            if event["detail-type"] == "org.openedx.learning.certificate.changed.v1":
                told_of = event["detail"]["certificate"]
                pair = store.Pair(told_of["user"]["id"], told_of["course"]["course_key"])
                self.events[by_pair[pair]].append(event["detail"])


def _without_id(certificate: Certificate | None) -> Certificate | None:
    return None if certificate is None else certificate._replace(certificate_id="")


def _told_as(detail: Detail) -> tuple[str, str, str, str]:
    told_of = detail["certificate"]
    at = detail["metadata"]["time"].replace("+00:00", "Z")
    return at, told_of["previous_status"], told_of["current_status"], detail["decision"]["cause"]


def test_certificates_live_through_the_event_path_as_the_facts_have_it(stack: Scene) -> None:
    Lifecycle.scene = stack
    run_state_machine_as_test(Lifecycle, settings=settings(max_examples=25, stateful_step_count=20))
