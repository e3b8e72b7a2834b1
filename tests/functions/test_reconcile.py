"""Reconcile: what was lost on its way is sent again, what other hands changed is reported, and then all is well."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from certrules.core.terms import Status
from certs import stacks
from certs.cli import main
from certs.sources import event_builders
from tests.scenes.comparisons import recorded
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, Wire, as_time, day

NOW = day(100)
TABLES = ("CertificatesTable", "HistoryTable", "SupportTable")


@pytest.fixture(autouse=True)
def _empty(scene: Scene) -> None:
    scene.empty_tables(*TABLES)


def reconcile(scene: Scene, at: datetime = NOW, segments: int = 2) -> dict[str, Any]:
    """Run the state machine to its end, whatever it sends delivered, and return its outcome."""
    scene.client("stepfunctions").start_execution(
        stateMachineArn=scene.cloud.physical("ReconcileMachine"),
        input=json.dumps({"time": as_time(at), "segments": segments}),
    )
    scene.cloud.deliver(delayed=True)
    execution = [run for run in scene.cloud.executions() if run.machine == "ReconcileMachine"][-1]
    assert execution.status == "SUCCEEDED", execution.cause
    outcome: dict[str, Any] = execution.output
    return outcome


def findings(outcome: dict[str, Any]) -> dict[str, int]:
    """Return how much was found of each kind."""
    return {code: count for code, count in (outcome["healed"] | outcome["reported"]).items() if count}


def happen(scene: Scene, *details: Any, at: datetime) -> None:
    """Put events on the bus and see them through."""
    scene.send(*details, at=at)
    while scene.queued("IngestQueue") or scene.queued("RedecideQueue"):
        assert scene.cloud.deliver(delayed=True).errors == []
    scene.cloud.deliver()


def happened(scene: Scene, learner: Learner) -> None:
    """See through an award, a loss after its hold, a second award, and an invalidation."""
    happen(scene, *learner.qualifying(), at=day(3))
    happen(scene, learner.failing(day(5)), at=day(5))
    scene.sweep(day(6))
    happen(scene, learner.passing(day(8)), at=day(8))
    happen(scene, learner.invalidated(day(20)), at=day(20))


def arrived(scene: Scene) -> list[tuple[str, str]]:
    """Return id and type of the changes that consumers received, as often as they did."""
    reported = [event["detail"]["metadata"] for event in scene.take(OWN_EVENTS)]
    return [(item["id"], item["event_type"]) for item in reported if ".certificate." in item["event_type"]]


def item_of(scene: Scene, table: str, *of: Any) -> dict[str, Any]:
    """Return the only item whose key starts like this."""
    p, s = f"L#{of[0]}", str(of[1])
    (found,) = [item for item in scene.items(table) if item["p"]["S"] == p and item["s"]["S"].startswith(s)]
    return found


def delete(scene: Scene, table: str, keep: Callable[[dict[str, Any]], bool] = lambda _: False) -> None:
    """Delete all items of a table but some."""
    for item in scene.items(table):
        if not keep(item):
            key = {name: item[name] for name in ("p", "s")}
            scene.client("dynamodb").delete_item(TableName=scene.cloud.physical(table), Key=key)


def change(scene: Scene, table: str, item: dict[str, Any], **attributes: str) -> None:
    """Change an item by other hands."""
    changed = {**item, **{name: {"S": value} for name, value in attributes.items()}}
    scene.client("dynamodb").put_item(TableName=scene.cloud.physical(table), Item=changed)


def settled(scene: Scene) -> None:
    """See that all is well now."""
    assert findings(reconcile(scene)) == {}


def test_where_nothing_was_lost_nothing_is_found(scene: Scene, learner: Learner) -> None:
    happened(scene, learner)
    scene.take(OWN_EVENTS)

    outcome = reconcile(scene)

    assert findings(outcome) == {}
    assert outcome["failed"] == []
    assert outcome["seen"] == {"history": 4, "records": 1}
    assert arrived(scene) == []


def test_the_outcome_is_stored_as_a_report_and_reported_to_the_bus(scene: Scene, learner: Learner) -> None:
    happened(scene, learner)
    delete(scene, "SupportTable")
    scene.take(OWN_EVENTS)

    outcome = reconcile(scene)

    (event,) = [event for event in scene.take(OWN_EVENTS) if "reconciliation" in event["detail-type"]]
    bucket, _, key = outcome["report"].removeprefix("s3://").partition("/")
    report = json.load(scene.client("s3").get_object(Bucket=bucket, Key=key)["Body"])
    latest = json.load(scene.client("s3").get_object(Bucket=bucket, Key="reconciliations/latest/report.json")["Body"])
    assert event["detail-type"] == "certificates.reconciliation.finished.v1"
    assert event["detail"]["reconciliation"] == outcome
    assert report == latest
    assert report.pop("findings")["unpublished"] == [
        {"code": "unpublished", "learner_id": learner.learner_id, "course_run": learner.course_run, "number": number}
        for number in range(1, 5)
    ]
    assert report == outcome


# --- lost on the way


def test_what_was_never_published_is_published_and_noted(scene: Scene, learner: Learner, wire: Wire) -> None:
    wire.refuse("PutEvents", "certificate.created", "AccessDeniedException")
    scene.ingest(*learner.qualifying())
    scene.cloud.deliver()
    wire.around = lambda _, answer: answer()
    assert len(scene.take("PublishDeadLetters")) == 1
    assert arrived(scene) == []

    outcome = reconcile(scene)

    assert findings(outcome) == {"unpublished": 1}
    assert [event_type for _, event_type in arrived(scene)] == [
        "org.openedx.learning.certificate.created.v1",
        "org.openedx.learning.certificate.changed.v1",
    ]
    settled(scene)
    assert arrived(scene) == []


@pytest.mark.parametrize(("lost", "again"), [(1, 8), (2, 6), (4, 2)])
def test_changes_after_a_lost_one_are_published_again_so_that_the_last_is_the_last(
    scene: Scene, learner: Learner, lost: int, again: int
) -> None:
    happened(scene, learner)
    first = arrived(scene)
    delete(scene, "SupportTable", lambda item: not item["s"]["S"].endswith(f"#{lost:08d}"))

    assert findings(reconcile(scene)) == {"unpublished": 1}

    assert arrived(scene) == first[-again:]
    settled(scene)


def test_a_lost_receipt_is_noted_again_and_consumers_can_recognize_it(scene: Scene, learner: Learner) -> None:
    happened(scene, learner)
    first = scene.take(OWN_EVENTS)
    delete(scene, "SupportTable")

    assert findings(reconcile(scene)) == {"unpublished": 4}

    reported = [event["detail"] for event in scene.take(OWN_EVENTS) if ".certificate." in event["detail-type"]]
    assert reported == [event["detail"] for event in first]
    settled(scene)


def test_a_lost_request_after_an_id_verification_is_made_up_for(scene: Scene, learner: Learner) -> None:
    configured, enrolled, approved, passing = learner.qualifying()
    happen(scene, configured, enrolled, passing, at=day(3))
    scene.ingest(approved)
    scene.empty_queues()
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.UNVERIFIED

    assert findings(reconcile(scene)) == {"undecided": 1}

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, day(3))
    settled(scene)


def test_a_lost_request_after_a_course_run_changed_is_made_up_for(scene: Scene, learner: Learner) -> None:
    configured, *rest = learner.qualifying()
    happen(scene, *rest, at=day(3))
    scene.ingest(configured)
    scene.empty_queues()

    assert findings(reconcile(scene)) == {"undecided": 1}

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    settled(scene)


def test_a_course_run_that_changed_only_what_is_shown_leaves_nothing_to_decide(scene: Scene, learner: Learner) -> None:
    happened(scene, learner)
    scene.ingest(learner.configured(day(30), end=day(60)))
    scene.empty_queues()

    settled(scene)


def test_a_hold_that_ran_out_unnoticed_is_decided(scene: Scene, learner: Learner) -> None:
    happen(scene, *learner.qualifying(), at=day(3))
    happen(scene, learner.failing(day(5)), at=day(5))

    assert findings(reconcile(scene, at=day(5, 0.5))) == {}
    assert findings(reconcile(scene, at=day(6))) == {"undecided": 1}

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.NOTPASSING
    settled(scene)


def test_a_hold_that_is_in_no_index_is_put_there(scene: Scene, learner: Learner) -> None:
    happen(scene, *learner.qualifying(), at=day(3))
    happen(scene, learner.failing(day(5)), at=day(5))
    item = item_of(scene, "CertificatesTable", *learner.pair)
    for name in ("d", "t"):
        del item[name]
    change(scene, "CertificatesTable", item)

    assert findings(reconcile(scene, at=day(5, 0.5))) == {"undecided": 1}

    assert scene.sweep(day(6)) == {"due": 1}


def test_what_is_on_its_way_is_not_lost(scene: Scene, learner: Learner) -> None:
    configured, enrolled, approved, passing = learner.qualifying()
    happen(scene, configured, enrolled, passing, at=day(3))
    scene.ingest(approved)  # its requests are in the queue, and what comes of them is not in the stream yet

    assert findings(reconcile(scene)) == {}

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


# --- changed by other hands: reported, and nothing is changed


@pytest.fixture
def whole(scene: Scene, learner: Learner) -> Iterator[Learner]:
    """A learner whose certificate was reported on, and is as it was."""
    happened(scene, learner)
    yield learner
    assert len(set(arrived(scene))) == 8


def unchanged(scene: Scene) -> list[Any]:
    """Return all that is stored."""
    return [scene.items(table) for table in TABLES]


@pytest.mark.parametrize("more", [{"grade": "0.1"}, {"mode": "honor"}, {"status": Status.NOTPASSING}])
def test_what_the_old_logic_records_after_the_publication_changes_nothing_and_is_reported(
    scene: Scene, learner: Learner, more: dict[str, Any]
) -> None:
    happen(scene, *learner.qualifying(), at=day(3))
    before = scene.certificate(learner)
    assert before is not None
    same: dict[str, Any] = {
        "certificate_id": None,
        "grade": before.grade,
        "created": before.issued_at,
        "modified": before.issued_at,
    }

    happen(scene, recorded(learner, day(8), **same), at=day(8))
    assert findings(reconcile(scene)) == {}
    happen(scene, recorded(learner, day(9), **{**same, **more}), at=day(9))

    assert findings(reconcile(scene)) == {"old_logic_differs": 1}
    assert scene.certificate(learner) == before


def test_a_certificate_whose_publication_is_missing_is_reported(scene: Scene, whole: Learner) -> None:
    item = item_of(scene, "CertificatesTable", *whole.pair)
    change(scene, "CertificatesTable", item, c=item["c"]["S"].replace('["unavailable"', '["downloadable"', 1))
    before = unchanged(scene)

    assert findings(reconcile(scene)) == {"contradicted": 1}

    assert unchanged(scene) == before
    happen(scene, whole.requested(NOW), at=NOW)
    settled(scene)


def test_a_certificate_that_the_facts_do_not_carry_is_reported(scene: Scene, whole: Learner) -> None:
    item = item_of(scene, "CertificatesTable", *whole.pair)
    change(scene, "CertificatesTable", item, c=item["c"]["S"].replace('"verified"', '"honor"', 1))
    before = unchanged(scene)

    assert findings(reconcile(scene)) == {"otherwise": 1}

    assert unchanged(scene) == before
    happen(scene, whole.requested(NOW), at=NOW)
    settled(scene)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_missing_part_of_history_is_reported(scene: Scene, whole: Learner, number: int) -> None:
    lost = item_of(scene, "HistoryTable", whole.learner_id, f"{whole.course_run}#{number:08d}")
    delete(scene, "HistoryTable", lambda item: item != lost)
    before = unchanged(scene)

    assert findings(reconcile(scene)) == {"history_missing": 1}

    assert unchanged(scene) == before
    change(scene, "HistoryTable", lost)
    settled(scene)


def test_history_without_its_record_is_reported(scene: Scene, whole: Learner) -> None:
    lost = item_of(scene, "CertificatesTable", *whole.pair)
    delete(scene, "CertificatesTable", lambda item: item != lost)
    before = unchanged(scene)

    assert findings(reconcile(scene)) == {"record_missing": 1}

    assert unchanged(scene) == before
    change(scene, "CertificatesTable", lost)
    settled(scene)


@pytest.mark.parametrize(
    ("table", "key", "attribute", "content"),
    [
        ("CertificatesTable", "course-v1", "c", "not JSON"),
        ("CertificatesTable", "course-v1", "c", '[["issued","","","",1,1],[],null,1,1,1]'),
        ("CertificatesTable", "course-v1", "c", '[null,[[1e20,"downloadable","earned"]],null,1,1,1]'),
        ("CertificatesTable", "course-v1", "c", '[["downloadable","verified","","x",1],[],null,1,1,"one"]'),
        ("CertificatesTable", "course-v1", "e", '[[1,"x"]]'),
        ("CertificatesTable", "course-v1", "e", '[[1e20,"x","p","",true]]'),
        ("CertificatesTable", "course-v1", "e", "[" * 100_000),
        ("CertificatesTable", "ID", "e", '[[99999999999999999999,"x","p","",true]]'),
        ("CertificatesTable", "ID", "e", '[[1,"x"]]'),
        ("HistoryTable", "course-v1", "b", "not JSON"),
        ("HistoryTable", "course-v1", "b", '{"kind":"transition"}'),
        ("HistoryTable", "course-v1", "b", "[" * 100_000),
    ],
)
def test_what_cannot_be_read_is_reported_and_hides_nothing_else(
    scene: Scene, learner: Learner, table: str, key: str, attribute: str, content: str
) -> None:
    other = Learner(learner.learner_id + 100_000, learner.course_run)
    happen(scene, *learner.qualifying(), at=day(3))
    happen(scene, *other.qualifying(), at=day(3))
    delete(scene, "SupportTable", lambda item: item["p"]["S"] != f"L#{other.learner_id}")
    item = item_of(scene, table, learner.learner_id, key)
    change(scene, table, item, **{attribute: content})

    assert findings(reconcile(scene)) == {"unreadable": 1, "unpublished": 1}

    change(scene, table, item)
    settled(scene)


# --- it is a machine like any other: it may fail


def test_a_part_that_cannot_be_read_is_named_and_the_others_are_compared(
    scene: Scene, learner: Learner, wire: Wire
) -> None:
    happened(scene, learner)
    delete(scene, "SupportTable")
    wire.refuse("Scan", "CertificatesTable")

    outcome = reconcile(scene)

    wire.around = lambda _, answer: answer()
    assert findings(outcome) == {"unpublished": 4}
    assert outcome["failed"] == ["records, segment 0 of 2: ScanError", "records, segment 1 of 2: ScanError"]


@pytest.mark.parametrize("segments", [1, 3])
def test_parts_are_read_in_pages_and_nothing_is_lost_between_them(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch, segments: int
) -> None:
    happened(scene, learner)
    for number in range(12):
        happen(scene, *Learner(learner.learner_id + 200_000 + number, learner.course_run).qualifying(), at=day(3))
    first = set(arrived(scene))
    steps = scene.app("ReconcileFunction").steps
    monkeypatch.setattr(steps, "PAGE", 3)
    monkeypatch.setattr(steps, "MOST", 3)
    delete(scene, "SupportTable")

    outcome = reconcile(scene, segments=segments)

    assert findings(outcome).keys() == {"unpublished"}
    assert set(arrived(scene)) == first
    assert outcome["seen"] == {"history": 16, "records": 13}
    settled(scene)


def test_the_old_logics_value_is_counted_by_how_it_agrees_with_the_facts(scene: Scene, learner: Learner) -> None:
    recorded = event_builders.recorded_certificate(
        "recorded",
        uuid4(),
        day(3),
        learner.learner_id,
        learner.course_run,
        status="downloadable",
        mode="verified",
        grade="",
        certificate_id=uuid4(),
        created=day(3),
        modified=day(3),
    )
    happen(scene, *learner.qualifying(), recorded, at=day(3))

    outcome = reconcile(scene)

    assert findings(outcome) == {}
    assert sum(outcome["old_logic"].values()) == 1


def test_the_command_runs_one_and_shows_its_report(
    scene: Scene, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(scene, learner)
    delete(scene, "SupportTable")
    monkeypatch.setattr(stacks, "aws", lambda _: stacks.Aws("local", {}, scene.cloud.outputs))
    monkeypatch.setattr("certs.stacks.time.sleep", lambda _: scene.cloud.deliver(delayed=True))

    none = CliRunner().invoke(main, ["reconcile", "--now", "--settle", "0"])
    again = CliRunner().invoke(main, ["reconcile", "--now", "--json"])
    last = CliRunner().invoke(main, ["reconcile"])

    assert (none.exit_code, again.exit_code, last.exit_code) == (9, 0, 0)
    assert "Compared 1 records and 4 items of history" in none.output
    assert "4 unpublished (healed)" in none.output
    assert json.loads(again.output)["healed"] == {"unpublished": 0, "undecided": 0}
    assert "Nothing differs." in last.output
