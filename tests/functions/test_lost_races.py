"""What DynamoDB refuses: a lost race is run again at once, and then by the queue; anything else is not."""

from collections.abc import Callable, Iterator

import pytest

from certrules.core.fact_types import Fact
from certrules.core.terms import Status
from certrules.ingestion import ATTEMPTS
from certs.run import LOCAL_PARAMETERS
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.scenes.scene import (
    TEMPLATE,
    Answer,
    Learner,
    Request,
    Scene,
    Wire,
    day,
    failed,
    refusal,
)

type Refusing = Callable[[Request, Callable[[], Answer]], Answer]


@pytest.fixture(scope="module", params=["512", "2048"], ids=["serial", "overlapping"])
def stack(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The stack, with as little and as much memory as has writes overlap."""
    parameters = {**LOCAL_PARAMETERS, "IngestMemory": request.param}
    with LocalCloud(TEMPLATE, parameters) as cloud:
        yield Scene(cloud)


def canceled(*codes: str) -> Answer:
    """Return the answer to a transaction that was canceled, with a reason for each of its items."""
    reasons = [{"Code": code, "Message": None if code == "None" else "the test says so"} for code in codes]
    stated = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    return refusal("TransactionCanceledException", CancellationReasons=reasons, message=stated)


def refusing(answers: dict[str, list[Answer]]) -> Refusing:
    """Return what gives these answers first, by operation, and then AWS's own."""
    return lambda request, answer: answers[request.operation].pop(0) if answers.get(request.operation) else answer()


def unverified(learner: Learner) -> list[Detail]:
    """Report what is one transition: passed, but not ID-verified."""
    return [learner.enrolled(day(1)), learner.passing(day(3))]


@pytest.mark.parametrize(
    "codes",
    [
        ("ConditionalCheckFailed", "None"),
        ("TransactionConflict", "None"),
        ("None", "TransactionConflict"),
        ("TransactionConflict", "ThrottlingError"),
    ],
)
def test_a_transaction_that_lost_a_race_is_decided_again_on_what_is_stored_by_then(
    scene: Scene, learner: Learner, wire: Wire, codes: tuple[str, str]
) -> None:
    scene.ingest(learner.configured(day(1)))
    wire.sent.clear()
    wire.around = refusing({"TransactWriteItems": [canceled(*codes)]})

    assert scene.ingest(*unverified(learner)) == failed()

    assert wire.operations() == {"BatchGetItem": 2, "TransactWriteItems": 2}
    assert [item["status"] for item in scene.history(learner)] == [Status.UNVERIFIED]


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "TransactionConflictException"])
def test_a_put_that_lost_a_race_is_decided_again(scene: Scene, learner: Learner, wire: Wire, code: str) -> None:
    wire.around = refusing({"PutItem": [refusal(code)]})

    assert scene.ingest(learner.enrolled(day(1))) == failed()

    assert wire.operations() == {"BatchGetItem": 2, "PutItem": 2}
    assert scene.facts_stored(learner) == {Fact.ENROLLMENT: 1}


def test_only_what_lost_the_race_is_done_again(scene: Scene, learner: Learner, wire: Wire) -> None:
    others = [Learner(learner.learner_id + 600_000 + number, learner.course_run) for number in range(4)]
    lost = [refusal("ConditionalCheckFailedException")]

    def around(request: Request, answer: Callable[[], Answer]) -> Answer:
        if request.operation == "PutItem" and request.names(f"L#{learner.learner_id}") and lost:
            return lost.pop()
        return answer()

    wire.around = around

    assert scene.ingest(*(each.enrolled(day(1)) for each in (learner, *others))) == failed()

    assert wire.operations() == {"BatchGetItem": 2, "PutItem": 6}
    again = [request for request in wire.sent if request.operation == "BatchGetItem"][1]
    assert not again.names(str(others[0].learner_id))


def test_what_loses_race_after_race_is_left_to_the_queue(scene: Scene, learner: Learner, wire: Wire) -> None:
    other = Learner(learner.learner_id + 600_000, learner.course_run)
    wire.refuse("PutItem", f"L#{learner.learner_id}", "ConditionalCheckFailedException")

    answer = scene.ingest(learner.enrolled(day(1)), other.enrolled(day(1)), learner.passing(day(2)))

    assert answer == failed("m0", "m2")
    assert wire.operations() == {"BatchGetItem": ATTEMPTS, "PutItem": ATTEMPTS + 1}
    assert scene.facts_stored(other) == {Fact.ENROLLMENT: 1}


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ValidationException"),
        refusal("AccessDeniedException"),
        canceled("None", "ValidationError"),
        canceled("ThrottlingError", "None"),
    ],
    ids=["invalid", "denied", "invalid item", "throttled"],
)
def test_what_no_fresh_read_can_mend_is_left_to_the_queue_at_once(
    scene: Scene, learner: Learner, wire: Wire, answer: Answer
) -> None:
    scene.ingest(learner.configured(day(1)))
    wire.sent.clear()
    wire.around = refusing({"TransactWriteItems": [answer]})

    assert scene.ingest(*unverified(learner)) == failed("m0", "m1")

    assert wire.operations() == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert scene.stored_record(learner).version == 0


def test_a_write_whose_answer_was_lost_is_not_done_twice(scene: Scene, learner: Learner, wire: Wire) -> None:
    """The first answer never arrived: the repeat finds that the version has changed."""
    scene.ingest(learner.configured(day(1)))
    wire.sent.clear()

    def around(request: Request, answer: Callable[[], Answer]) -> Answer:
        given = answer()
        return canceled("ConditionalCheckFailed", "None") if request.operation == "TransactWriteItems" else given

    wire.around = around

    assert scene.ingest(*unverified(learner)) == failed()

    assert wire.operations() == {"BatchGetItem": 2, "TransactWriteItems": 1}
    assert len(scene.history(learner)) == 1


def test_the_loss_of_a_race_for_an_id_verification_is_made_good(scene: Scene, learner: Learner, wire: Wire) -> None:
    approved = learner.id_approved(day(1))
    wire.around = refusing({"PutItem": [refusal("ConditionalCheckFailedException")]})

    assert scene.ingest(learner.configured(day(1)), approved, *unverified(learner)) == failed()
    wire.around = lambda _, answer: answer()
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
