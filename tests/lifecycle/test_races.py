"""Many writers of one record, on AWS's own engine: the record ends as if one had written it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from certrules import aws, storage
from certrules.core.fact_types import Fact
from certrules.core.policy import DEFAULT, undated
from certrules.core.terms import Status
from certrules.formats.messages import Message
from certrules.ingestion import BatchResult
from certrules.requests import RefusedActError
from certrules.storage.tables import LostRaceError
from certrules.support import revocations
from tests.scenes.grading_jobs import class_of, earn, held, sent, statuses
from tests.scenes.lifecycle_story import read, state, story, transitions
from tests.scenes.races import stack, taken_in_wholly
from tests.scenes.scene import Answer, Learner, Request, Scene, Wire, as_time, day

__all__ = ["stack"]

WRITERS = 16


def shares(messages: list[Message], chance: Random) -> list[list[list[Message]]]:
    """Deal the messages to the writers in batches: every message to at least one of them, many twice or more."""
    hands: list[list[Message]] = [[] for _ in range(WRITERS)]
    for message in messages:
        for hand in chance.sample(hands, k=5):
            hand.append(message)
    for hand in hands:
        hand.extend(chance.choices(messages, k=2))
        chance.shuffle(hand)
    return [[hand[:2], hand[2:3], hand[3:]] for hand in hands]


@pytest.mark.parametrize("seed", range(4))
def test_sixteen_writers_of_one_record_leave_what_one_would(scene: Scene, learner: Learner, seed: int) -> None:
    reported = story(learner)
    chance = Random(seed)
    taken_in_wholly([[read(detail)] for detail in reported])
    alone = state(scene, learner)
    scene.empty_tables()
    start = Barrier(WRITERS)

    def write(batches: list[list[Message]]) -> list[BatchResult]:
        start.wait()
        return taken_in_wholly(batches)

    with ThreadPoolExecutor(WRITERS) as pool:
        found = list(pool.map(write, shares([read(detail) for detail in reported], chance)))
    raced = transitions(scene, learner)
    scene.ingest(reported[0])  # fanned out by whoever takes them in last
    scene.ingest(reported[2])
    drain(scene)

    taken = [each for writer in found for each in writer]
    news = [
        transition for each in taken for _, publication in each.changed for transition in publication.new_transitions
    ]
    assert state(scene, learner) == alone
    assert sum(each.lost_races for each in taken) > 0
    assert all(not each.refused for each in taken)
    history = transitions(scene, learner)
    assert sorted(item["at"] for item in raced) == sorted(as_time(transition.at) for transition in news)
    assert history[-1]["status"] == Status.UNAVAILABLE
    assert len({item["certificate"]["id"] for item in history}) == 1


def test_an_id_verification_and_a_record_made_at_the_same_time_find_each_other(scene: Scene, learner: Learner) -> None:
    for number in range(10):
        other = Learner(learner.learner_id * 1000 + number, learner.course_run)
        configured, enrolled, approved, passing = other.qualifying()
        start = Barrier(2)

        def write(messages: list[Message], start: Barrier = start) -> None:
            start.wait()
            taken_in_wholly([messages])

        with ThreadPoolExecutor(2) as pool:
            for future in [
                pool.submit(write, [read(approved)]),
                pool.submit(write, [read(configured), read(enrolled), read(passing)]),
            ]:
                future.result()
        scene.ingest(approved, Echo="1")
        drain(scene)

        certificate = scene.certificate(other)
        assert certificate is not None
        assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))


@pytest.mark.parametrize("verified_first", [True, False])
@pytest.mark.parametrize("step", range(6))
def test_an_id_verification_between_any_two_steps_is_decided_with_in_the_end(
    scene: Scene, learner: Learner, wire: Wire, step: int, verified_first: bool
) -> None:
    configured, enrolled, approved, passing = learner.qualifying()
    record = [configured, enrolled, passing]
    first, second = ([approved], record) if verified_first else (record, [approved])
    wire.around = before_request(step, lambda: scene.ingest(*second))

    scene.ingest(*first)
    wire.around = lambda _, answer: answer()
    if step >= len(wire.sent):
        scene.ingest(*second)
    drain(scene)

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))


def before_request(step: int, act: Callable[[], object]) -> Callable[[Request, Callable[[], Answer]], Answer]:
    """Return what acts once, before this request, counted from 0."""
    seen = iter(range(10_000))

    def around(_: Request, answer: Callable[[], Answer]) -> Answer:
        if next(seen) == step:
            act()
        return answer()

    return around


def drain(scene: Scene) -> None:
    """Deliver all that is queued, delayed or not."""
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []


def test_a_breaker_lets_no_more_through_however_many_revoke_at_once(scene: Scene, learner: Learner) -> None:
    learners = class_of(WRITERS, learner)
    scene.ingest(learner.configured(day(1), policy={"breaker_limit": 3}))
    earn(scene, learners)
    for each in learners:
        scene.ingest(sent(each.failing(day(10)), day(10)))
    start = Barrier(WRITERS)

    def revoke(each: Learner) -> list[BatchResult]:
        start.wait()
        return taken_in_wholly([[read(sent(each.requested(day(11)), day(11)))]])

    with ThreadPoolExecutor(WRITERS) as pool:
        found = [taken for writer in pool.map(revoke, learners) for taken in writer]

    assert statuses(scene, learners).count(Status.NOTPASSING) == 3
    assert len(held(scene, learners)) == WRITERS - 3
    assert sum(taken.tripped for taken in found) == 1
    assert sum(taken.stopped.total() for taken in found) == WRITERS - 3


def test_of_two_who_decide_a_bulk_revocation_at_the_same_time_one_does(
    scene: Scene, learner: Learner, dynamodb_local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_local)
    monkeypatch.setenv("AUDIT_DAYS", "731")  # what is asked here in this process is stored in the audit log too
    storage.connect(*(scene.cloud.physical(f"{name}Table") for name in ("Certificates", "History", "Support")))
    for number in range(6):
        learners = class_of(2, Learner(learner.learner_id + 10 * number, learner.course_run))
        earn(scene, learners)
        asked = revocations.request_revocation(
            "invalidate",
            learner.course_run,
            [each.learner_id for each in learners],
            "ada",
            "void",
            now=aws.now(),
            key=f"key-{number}",
            policies=undated(DEFAULT),
        )
        together = Barrier(4)

        def decide(by: str, name: str = asked["id"], together: Barrier = together) -> str:
            together.wait()
            try:
                approve = by in {"bob", "cem"}
                body = revocations.decide_revocation(scene.cloud.physical("Bus"), name, by, aws.now(), approve=approve)
            except (LostRaceError, RefusedActError) as error:
                return type(error).__name__
            return f"{body['state']} by {body['decided_by']}"

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(decide, ("bob", "cem", "dan", "eve")))
        decided = {answer for answer in answers if " by " in answer}
        assert len(decided) == 1, answers
        scene.cloud.deliver()
        lost = "done" in decided.pop()
        assert statuses(scene, learners) == [Status.UNAVAILABLE if lost else Status.DOWNLOADABLE] * 2
        phrases = [
            entry
            for each in learners
            for entry in scene.stored_record(each).timeline
            if entry.fact is Fact.INVALIDATION
        ]
        assert len(phrases) == 2 * lost
