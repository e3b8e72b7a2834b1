"""Names in the store, on AWS's own DynamoDB engine: what they cost, who is found by them, and that they go."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules import storage
from certrules.formats.learner_names import Name
from certs.bridge.outgoing import stored_username
from localcloud import LocalCloud
from tests.scenes.named_learners import EMAIL, WITH_NAMES, erased, name_of, named, renamed, with_pii
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, day, failed, refusal

numbers = count(1)
TABLES = ("CertificatesTable", "HistoryTable", "SupportTable")


@pytest.fixture(scope="module")
def stack(dynamodb_local: str) -> Iterator[Scene]:
    """A stack with LearnerNames on, its tables in AWS's own engine."""
    with LocalCloud(TEMPLATE, WITH_NAMES, dynamodb_endpoint=dynamodb_local) as cloud:
        yield Scene(cloud, dynamodb_local)


def found(username: str) -> dict[int, Name]:
    return storage.learners_named(username)


def everything(scene: Scene) -> str:
    """Return all that is stored, queued and on files."""
    client, bucket = scene.client("s3"), scene.cloud.physical("BulkBucket")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    files = [client.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    queues = [scene.queued(name) for name in ("IngestQueue", "ParkedQueue", "RedecideQueue", "IngestDeadLetters")]
    return repr([[scene.items(table) for table in TABLES], queues, files])


def test_an_event_brings_the_name_and_the_email_is_stored_nowhere(scene: Scene, learner: Learner) -> None:
    assert scene.ingest(*(with_pii(event) for event in learner.qualifying()[1:])) == failed()
    assert name_of(learner) == Name("ada", "Ada Lovelace")
    assert found("ADA")[learner.learner_id] == Name("ada", "Ada Lovelace")
    assert scene.stored_record(learner).version
    assert EMAIL not in everything(scene)


def test_an_event_that_brings_a_known_name_writes_nothing_and_reads_no_more_often(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    scene.ingest(with_pii(learner.enrolled(day(1))))
    passing = learner.passing(day(3))
    wire.sent.clear()
    scene.ingest(with_pii(passing))
    first = wire.operations()
    wire.sent.clear()
    scene.ingest(with_pii(passing))
    assert first == {"BatchGetItem": 1, "PutItem": 1}  # the record's own
    assert wire.operations() == {"BatchGetItem": 1}


def test_a_learner_with_a_new_username_is_found_by_it_and_no_more_by_the_old_one(
    scene: Scene, learner: Learner
) -> None:
    old, new, newest = (f"{text}{learner.learner_id}" for text in ("Old", "New", "Newest"))
    scene.ingest(with_pii(learner.enrolled(day(1)), old), with_pii(learner.passing(day(3)), new))
    assert (list(found(old)), list(found(new.upper()))) == ([], [learner.learner_id])
    scene.ingest(renamed(learner, day(5), newest), with_pii(learner.passing(day(4)), old))
    assert name_of(learner) == Name(newest, "Ada Lovelace")
    assert [list(found(name)) for name in (old, new, newest)] == [[], [], [learner.learner_id]]


def test_a_bridge_to_the_platforms_bus_names_learners_as_stored(scene: Scene, learner: Learner) -> None:
    assert stored_username(learner.learner_id) == ""
    scene.ingest(with_pii(learner.enrolled(day(1)), "ada"))
    assert stored_username(learner.learner_id) == "ada"
    scene.ingest(erased(learner, day(2)))
    assert stored_username(learner.learner_id) == ""


def test_an_erasure_leaves_the_name_nowhere_and_no_later_event_brings_it_back(scene: Scene, learner: Learner) -> None:
    username = f"erin{learner.learner_id}"
    scene.ingest(with_pii(learner.enrolled(day(1)), username, "Erin Erased"), "malformed")
    scene.ingest(named(learner, day(2), username, "Erin Erased"))
    assert "Erin Erased" in everything(scene)

    scene.ingest(erased(learner, day(5)))
    scene.ingest(with_pii(learner.passing(day(7)), username, "Erin Erased"))
    scene.ingest(with_pii(learner.id_approved(day(8)), username, "Erin Erased"))
    scene.ingest(json.dumps(with_pii(learner.failing(day(9)), username, "Erin Erased"))[:-2])  # it is parked

    assert name_of(learner) == Name("", "")
    assert found(username) == {}
    assert "Erin" not in everything(scene)
    assert username not in everything(scene)
    assert scene.facts_stored(learner)


def test_learners_with_one_username_but_for_case_are_all_found(scene: Scene, learner: Learner) -> None:
    others = [Learner(learner.learner_id * 10 + number, learner.course_run) for number in range(3)]
    for number, other in enumerate(others):
        scene.ingest(with_pii(other.enrolled(day(1)), f"{'Tw'[:number]}in{learner.learner_id}"))
    assert list(found(f"in{learner.learner_id}")) == [others[0].learner_id]
    scene.ingest(with_pii(others[1].passing(day(3)), f"IN{learner.learner_id}"))
    assert list(found(f"in{learner.learner_id}")) == [one.learner_id for one in others[:2]]


def test_a_lost_race_for_the_name_saves_name_and_record(scene: Scene, learner: Learner, wire: Wire) -> None:
    lost: list[str] = []

    def around(request: Any, answer: Any) -> Any:
        if request.operation == "PutItem" and request.names('"NAME"') and not lost:
            lost.append("NAME")
            return refusal("ConditionalCheckFailedException")
        return answer()

    wire.around = around
    assert scene.ingest(with_pii(learner.enrolled(day(1)))) == failed()
    assert lost
    assert name_of(learner).username == "ada"
    assert scene.facts_stored(learner).total() == 1


def test_a_name_that_can_not_be_saved_is_delivered_again(scene: Scene, learner: Learner, wire: Wire) -> None:
    wire.refuse("PutItem", '"NAME"')
    assert scene.ingest(with_pii(learner.enrolled(day(1)))) == failed("m0")
    assert scene.facts_stored(learner).total() == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), twice=st.permutations(range(5)), sizes=st.integers(1, 5))
def test_in_whatever_order_events_arrive_the_newest_name_is_stored(
    scene: Scene, order: list[int], twice: list[int], sizes: int
) -> None:
    number = next(numbers)
    one = Learner(900_000 + number, f"course-v1:NameX+N{number}+2026")
    events = [
        with_pii(one.enrolled(day(1)), "first", "First"),
        with_pii(one.id_approved(day(2)), "first", "First"),
        renamed(one, day(3), "second"),
        with_pii(one.passing(day(4)), "second", "Second"),
        with_pii(one.failing(day(5)), f"third{number}", ""),
    ]
    arriving = [events[place] for place in (*order, *twice)]
    for start in range(0, len(arriving), sizes):
        assert scene.ingest(*arriving[start : start + sizes]) == failed()
    assert name_of(one) == Name(f"third{number}", "Second")
    assert list(found(f"third{number}")) == [one.learner_id]
