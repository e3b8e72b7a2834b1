"""A stack with LearnerNames off, as it is by default: names that come along are not stored, and cost nothing."""

import json
from collections.abc import Iterator

import pytest

from certrules import storage
from certrules.formats.learner_names import Name
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.named_learners import name_of, named, with_pii
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, day


@pytest.fixture(scope="module")
def stack(dynamodb_local: str) -> Iterator[Scene]:
    """A stack as it is by default, its tables in AWS's own engine."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS, dynamodb_endpoint=dynamodb_local) as cloud:
        yield Scene(cloud, dynamodb_local)


def requests(wire: Wire) -> list[tuple[str, str]]:
    """Return what was sent, in one order: keys are read as sets, and writes overlap. Messages have random ids."""
    sent = [
        (
            request.operation,
            str(len(request.body["Entries"]))
            if request.operation == "SendMessageBatch"
            else "".join(sorted(json.dumps(request.body))),
        )
        for request in wire.sent
    ]
    wire.sent.clear()
    return sorted(sent)


def test_names_that_come_along_are_not_stored_and_no_request_differs(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    events = [learner.enrolled(day(1)), learner.id_approved(day(1)), learner.passing(day(3))]
    scene.ingest(*events)
    without = requests(wire)
    scene.empty_tables()
    wire.sent.clear()
    scene.empty_queues()
    scene.ingest(*(with_pii(event) for event in events))
    assert requests(wire) == without
    assert "Lovelace" not in repr(scene.items("CertificatesTable"))


def test_an_event_that_is_sent_in_order_to_name_is_stored_and_finds_nobody(scene: Scene, learner: Learner) -> None:
    scene.ingest(named(learner, day(4), "ada", "Ada"))
    assert name_of(learner) == Name("ada", "Ada")
    assert storage.learners_named("ada") == {}
