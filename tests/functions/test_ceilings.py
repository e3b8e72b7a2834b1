"""What a batch of messages may cost at most: requests, capacity units and bytes, by DynamoDB's own count."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import batched
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from certs.run import LOCAL_PARAMETERS
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, day, failed

WRITES = {"PutItem", "TransactWriteItems", "UpdateItem", "BatchWriteItem", "DeleteItem"}
ONE_KB = 1024

CHANGED_CERTIFICATE = 4
"""Write units of the tables for a record and its history in one transaction."""

FACT_ONLY = 1
"""Write units for a fact that changes no certificate."""

CHANGED_STANDING = 1
"""Write units of the index of learners, of which the standing is no key. One that stays costs none."""

LISTED_TRANSITION = 1
"""Write units of the index of transitions for each history item."""

COUNTED_TWICE = {"TransactWriteItems": 2}
"""DynamoDB Local counts 4 units a KB where a transaction costs 2, as AWS documents it and bills it."""


@pytest.fixture(scope="module")
def stack(dynamodb_local: str) -> Iterator[Scene]:
    """The stack, its tables in DynamoDB's own engine."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS, dynamodb_endpoint=dynamodb_local) as cloud:
        yield Scene(cloud, dynamodb_local)


class Meter:
    """Counts the capacity that `ingest` consumes: by table and, apart from it, by its indexes."""

    def __init__(self, scene: Scene) -> None:
        self.written: dict[str, float] = defaultdict(float)
        self.of_indexes: dict[str, float] = defaultdict(float)
        self.read = 0.0
        self._names = {scene.cloud.physical(name): name for name in ("CertificatesTable", "HistoryTable")}
        with scene.cloud.functions["IngestFunction"].running():
            from certrules.storage.tables import Item

            client = Item._get_connection().connection.client
        client.meta.events.register("before-parameter-build.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._count)

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"

    def _count(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        for table in consumed if isinstance(consumed, list) else [consumed]:
            if model.name not in WRITES:
                self.read += table["CapacityUnits"]
                continue
            self.written[self._names[table["TableName"]]] += table["Table"]["CapacityUnits"] / COUNTED_TWICE.get(
                model.name, 1
            )
            for index, units in table.get("GlobalSecondaryIndexes", {}).items():
                self.of_indexes[index] += units["CapacityUnits"] / COUNTED_TWICE.get(model.name, 1)


@pytest.fixture
def meter(scene: Scene) -> Meter:
    """A meter at zero."""
    scene.ingest("")  # the function is loaded
    scene.empty_queues()
    return Meter(scene)


def writes(wire: Wire) -> int:
    """Return how many write requests were sent."""
    return sum(count for operation, count in wire.operations().items() if operation in WRITES)


def ten_of_everything(learner: Learner) -> list[Detail]:
    """Return ten messages about as many different things as there are, without an ID verification."""
    others = [Learner(learner.learner_id + 10_000 * number, learner.course_run) for number in range(1, 4)]
    elsewhere = learner.elsewhere(f"{learner.course_run}-other")
    about: Any = learner.configured(day(1))["metadata"]["id"]
    return [
        learner.configured(day(1)),
        elsewhere.configured(day(1)),
        learner.enrolled(day(1)),
        elsewhere.enrolled(day(1)),
        *(other.enrolled(day(1)) for other in others),
        event_builders.learner("learner.named", about, day(1), learner.learner_id, username="ann", name="Ann"),
        others[0].passing(day(2)),
        learner.requested(day(2)),
    ]


def test_a_batch_is_read_for_at_once_whatever_it_is_about(scene: Scene, learner: Learner, wire: Wire) -> None:
    batch = ten_of_everything(learner)
    assert len(batch) == 10

    assert scene.ingest(*batch) == failed()

    assert wire.operations()["BatchGetItem"] == 1
    assert wire.operations()["Query"] == 0
    assert writes(wire) == 8  # two course runs, five records, a name: one each, though one record has two messages


def test_an_id_verification_adds_one_query(scene: Scene, learner: Learner, wire: Wire) -> None:
    assert scene.ingest(*ten_of_everything(learner)[:9], learner.id_approved(day(1))) == failed()

    assert wire.operations()["BatchGetItem"] == 1
    assert wire.operations()["Query"] == 1
    assert writes(wire) == 9


def test_a_duplicate_costs_no_write(scene: Scene, learner: Learner, wire: Wire, meter: Meter) -> None:
    reported = learner.qualifying()
    scene.ingest(*reported)
    scene.ingest(*reported)  # rests on the ID verification and the course run as they are now
    wire.sent.clear()
    meter.written.clear()

    scene.ingest(*reported)

    assert (writes(wire), meter.written) == (0, {})


def test_a_fact_that_changes_no_certificate_writes_one_item(
    scene: Scene, learner: Learner, wire: Wire, meter: Meter
) -> None:
    scene.ingest(*learner.qualifying())
    wire.sent.clear()
    meter.written.clear()
    meter.of_indexes.clear()

    scene.ingest(learner.graded(day(4), 0.9, "A"))

    assert wire.operations() == {"BatchGetItem": 1, "PutItem": 1}
    assert (meter.written, meter.of_indexes) == ({"CertificatesTable": FACT_ONLY}, {})


def test_a_changed_certificate_is_one_request_and_four_write_units(
    scene: Scene, learner: Learner, wire: Wire, meter: Meter
) -> None:
    scene.ingest(*learner.qualifying()[:3])
    wire.sent.clear()
    meter.written.clear()
    meter.of_indexes.clear()

    scene.ingest(learner.passing(day(3)))

    assert wire.operations() == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert meter.written == {"CertificatesTable": 2, "HistoryTable": 2}
    assert sum(meter.written.values()) <= CHANGED_CERTIFICATE
    assert meter.of_indexes.keys() == {"certificate", "learners", "transition"}  # from then on it is found by its id
    assert meter.of_indexes["learners"] == 2 * CHANGED_STANDING  # as the engine counts it in a transaction
    assert meter.of_indexes["transition"] == 2 * LISTED_TRANSITION  # same


def test_a_later_change_of_a_certificate_does_not_write_the_index_of_ids(
    scene: Scene, learner: Learner, meter: Meter
) -> None:
    scene.ingest(*learner.qualifying())
    meter.of_indexes.clear()

    scene.ingest(learner.invalidated(day(6)))

    assert meter.of_indexes.keys() == {"learners", "transition", "invalidated"}


def test_a_fact_that_changes_the_standing_but_no_certificate_writes_the_index_of_learners_too(
    scene: Scene, learner: Learner, wire: Wire, meter: Meter
) -> None:
    scene.ingest(learner.configured(day(1)), learner.enrolled(day(1)))
    wire.sent.clear()
    meter.written.clear()
    meter.of_indexes.clear()

    scene.ingest(learner.failing(day(3)))

    assert wire.operations() == {"BatchGetItem": 1, "PutItem": 1}
    assert (meter.written, meter.of_indexes) == ({"CertificatesTable": FACT_ONLY}, {"learners": CHANGED_STANDING})


def test_a_new_record_is_found_by_its_course_run_with_its_standing_for_one_write_unit(
    scene: Scene, learner: Learner, meter: Meter
) -> None:
    scene.ingest(learner.enrolled(day(1)))

    assert (meter.written, meter.of_indexes) == ({"CertificatesTable": FACT_ONLY}, {"learners": 1})


def test_a_batch_about_one_learner_reads_two_units(scene: Scene, learner: Learner, meter: Meter) -> None:
    scene.ingest(*learner.qualifying())
    meter.read = 0

    scene.ingest(learner.graded(day(4), 0.9), learner.passing(day(5)))

    assert meter.read <= 4  # record, ID verification, course run, settings: strongly consistent, up to 4 KB each


def test_the_record_and_the_history_of_a_typical_paid_learner_stay_under_a_kilobyte(
    scene: Scene, learner: Learner, meter: Meter
) -> None:
    course_run = "course-v1:MITx+6.00.1x_8+3T2026"
    paid = Learner(48_213_907 + learner.learner_id, course_run)
    settings = {"display_behavior": "end_with_date", "available_date": day(100), "end": day(99)}
    reported = [
        paid.configured(day(1), web_certificates_enabled=True, self_paced=False, **settings),
        paid.enrolled(day(1), "audit"),
        paid.enrolled(day(9), "verified"),
        paid.id_approved(day(10), day(740)),
        *(paid.graded(day(10 + number, 0.2501), number / 13) for number in range(1, 7)),
        paid.graded(day(30, 1.0201), 0.8166666666666667, "B"),
        paid.passing(day(30, 1.0203)),
    ]
    for detail in reported:
        scene.ingest(detail)

    assert len(scene.stored_record(paid).timeline) >= 6
    (record,) = (item for item in scene.items("CertificatesTable") if item["s"]["S"] == course_run)
    (history,) = (item for item in scene.items("HistoryTable") if item["p"]["S"] == record["p"]["S"])
    assert size(record) < ONE_KB
    assert size(history) < ONE_KB
    assert meter.written["HistoryTable"] == 2


# --- a learner with more events than most


def thousands(learner: Learner) -> list[Detail]:
    """Return 1,000 percents, 300 events on passing and 50 others of half a year, oldest first."""
    chance = Random(7)
    reported: list[Detail] = []
    passed = False
    for number, kind in enumerate(chance.sample([*"g" * 1_000, *"p" * 300, *"o" * 50], 1_350)):
        at = day(3, number * 3.2)
        if kind == "g":
            reported.append(learner.graded(at, chance.randrange(101) / 100, "Pass" if passed else ""))
        elif kind == "p":
            passed = passed is not (chance.random() < 0.04)
            reported.append(learner.passing(at) if passed else learner.failing(at))
        elif chance.random() < 0.5:
            reported.append(learner.enrolled(at, chance.choice(["verified", "audit"])))
        else:
            about: Any = (uuid4(), at, *learner.pair)
            notes = f"ticket {number}"
            reported.append(
                event_builders.date_override("date_override.set", *about, date=at, by="ada", notes=notes)
                if chance.random() < 0.5
                else event_builders.date_override("date_override.removed", *about, by="ada", notes=notes)
            )
    return reported


def test_thousands_of_events_of_a_learner_stay_in_one_small_item(scene: Scene, learner: Learner, meter: Meter) -> None:
    scene.ingest(learner.configured(day(1)), learner.id_approved(day(1)), learner.enrolled(day(1)))
    most = 0.0
    for batch in batched(thousands(learner), 10, strict=False):
        meter.written.clear()
        transactions = len(history_of(scene, learner))
        assert scene.ingest(*batch) == failed()
        if len(history_of(scene, learner)) == transactions:  # a transaction counts each KB twice
            most = max(most, meter.written["CertificatesTable"])

    (record,) = (item for item in scene.items("CertificatesTable") if item["s"]["S"] == learner.course_run)
    assert size(record) <= 3 * ONE_KB
    assert most <= 3


def history_of(scene: Scene, learner: Learner) -> list[Any]:
    """Return the history items of a learner."""
    return [item for item in scene.items("HistoryTable") if item["p"]["S"] == f"L#{learner.learner_id}"]


@pytest.mark.parametrize("hours", [0.02, 1, 5])
def test_a_percent_costs_one_write_unit_however_many_there_were(
    scene: Scene, learner: Learner, meter: Meter, hours: float
) -> None:
    scene.ingest(*learner.qualifying())
    graded = [learner.graded(day(4, number * hours), number / 1_000, "Pass") for number in range(1_000)]
    for batch in batched(graded[:980], 10, strict=False):
        scene.ingest(*batch)
    for detail in graded[980:]:
        meter.written.clear()
        scene.ingest(detail)
        assert meter.written == {"CertificatesTable": FACT_ONLY}


def size(item: dict[str, Any]) -> int:
    """Return how many bytes DynamoDB counts for an item of strings and numbers, at most: its names and values."""
    values = {name: next(iter(value.values())) for name, value in item.items()}
    return sum(len(name) + len(value if isinstance(value, bytes) else value.encode()) for name, value in values.items())
