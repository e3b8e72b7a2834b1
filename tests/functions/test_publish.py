"""Publish: new history in; events on the bus out, each change once."""

import json
from typing import Any

import pytest

from certs.sources.event_builders import Detail
from tests.scenes.scene import OWN_EVENTS, Learner, Scene, Wire, as_time, day, failed

CREATED, CHANGED, REVOKED = (
    f"org.openedx.learning.certificate.{what}.v1" for what in ("created", "changed", "revoked")
)
HELD = "certificates.revocation.held.v1"


def stream_of(scene: Scene, learner: Learner) -> list[dict[str, Any]]:
    """Return what the history table's stream has of a learner, in order."""
    mine = [item for item in scene.items("HistoryTable") if item["p"]["S"] == f"L#{learner.learner_id}"]
    return [
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": f"n{number}", "NewImage": item}}
        for number, item in enumerate(sorted(mine, key=lambda item: item["s"]["S"]))
    ]


def published(scene: Scene) -> list[tuple[str, Detail]]:
    """Return type and detail of the events that consumers got."""
    return [(event["detail-type"], event["detail"]) for event in scene.take(OWN_EVENTS)]


def revoked_and_earned_again(scene: Scene, learner: Learner) -> None:
    """Have a certificate issued, revoked and issued again."""
    scene.ingest(*learner.qualifying())
    scene.ingest(learner.graded(day(4), 0.4))
    scene.ingest(learner.failing(day(5)))
    scene.ingest(learner.passing(day(8)))


def test_an_award_is_reported_as_created_and_changed(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    certificate = scene.certificate(learner)
    assert certificate is not None

    answer = scene.publish(*stream_of(scene, learner))

    (created_type, created), (changed_type, changed) = published(scene)
    ids = [event["metadata"].pop("id") for event in (created, changed)]
    assert answer == failed()
    assert (created_type, changed_type) == (CREATED, CHANGED)
    assert len(set(ids)) == 2
    assert created["metadata"].pop("event_type") == CREATED
    assert changed["metadata"].pop("event_type") == CHANGED
    assert created == changed
    assert created == {
        "metadata": {
            "minorversion": 0,
            "time": day(3).isoformat(),
            "source": "course-certificates",
            "sourcehost": scene.cloud.physical("PublishFunction"),
            "sourcelib": [11, 2, 0],
        },
        "certificate": {
            "user": {
                "id": learner.learner_id,
                "is_active": True,
                "pii": {"username": "", "email": "", "name": ""},
            },
            "course": {"course_key": learner.course_run, "display_name": "", "start": None, "end": None},
            "mode": "verified",
            "grade": "",
            "download_url": f"/certificates/{certificate.certificate_id}",
            "name": "",
            "current_status": "downloadable",
            "previous_status": "",
        },
        "decision": {
            "cause": "earned",
            "reasons": [],
            "policy_version": "edx-2021",
            "by": "",
            "reason": "",
            "certificate_id": certificate.certificate_id,
            "issued_at": as_time(day(3)),
            "first_issued_at": as_time(day(3)),
            "number": 1,
        },
    }


def test_a_loss_is_reported_as_changed_and_revoked_and_each_event_has_an_id_of_its_own(
    scene: Scene, learner: Learner
) -> None:
    revoked_and_earned_again(scene, learner)

    assert scene.publish(*stream_of(scene, learner)) == failed()

    reported = published(scene)
    assert [event_type for event_type, _ in reported] == [CREATED, CHANGED, CHANGED, REVOKED, CREATED, CHANGED]
    assert [detail["metadata"]["time"] for _, detail in reported[2:4]] == [day(5, 1).isoformat()] * 2
    stated = {name: reported[3][1]["decision"][name] for name in ("cause", "reasons", "by", "reason")}
    assert stated == {"cause": "grade_fell", "reasons": ["not_passed"], "by": "", "reason": ""}
    assert [detail["decision"]["number"] for _, detail in reported] == [1, 1, 2, 2, 3, 3]
    assert len({detail["metadata"]["id"] for _, detail in reported}) == 6


def test_what_a_person_did_is_reported_with_who_and_why(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying(), learner.invalidated(day(6)))

    scene.publish(*stream_of(scene, learner)[1:])

    (_, detail), _ = published(scene)
    stated = {name: detail["decision"][name] for name in ("cause", "reasons", "by", "reason")}
    assert stated == {"cause": "invalidated", "reasons": ["invalidated"], "by": "ada", "reason": "ticket 12"}


def test_a_held_revocation_is_reported(scene: Scene, learner: Learner) -> None:
    reported = learner.qualifying()
    scene.ingest(*reported)
    scene.ingest(learner.invalidated(day(2)))  # came late: it was never earned
    certificate = scene.certificate(learner)
    assert certificate is not None

    scene.publish(*stream_of(scene, learner)[1:])

    ((event_type, detail),) = published(scene)
    assert event_type == HELD
    assert detail["revocation"] | {"since": ""} == {
        "learner_id": learner.learner_id,
        "course_key": learner.course_run,
        "certificate_id": certificate.certificate_id,
        "cause": "never_earned",
        "since": "",
    }
    assert detail["decision"]["reasons"] == ["invalidated"]


def test_what_is_removed_from_history_is_not_reported(scene: Scene) -> None:
    removed = {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "n1", "Keys": {}}}

    assert scene.publish(removed) == failed()

    assert published(scene) == []


def test_another_change_in_the_same_place_after_a_restore_has_another_event_id(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    (record,) = stream_of(scene, learner)
    other = json.loads(json.dumps(record).replace("2026-01-03T", "2026-01-04T"))

    assert scene.publish(record, {**other, "eventName": "MODIFY"}) == failed()

    assert len({detail["metadata"]["id"] for _, detail in published(scene)}) == 4


@pytest.mark.parametrize(("taken", "first_untold"), [(0, "n0"), (1, "n0"), (2, "n1"), (3, "n1"), (5, "n2")])
def test_what_the_bus_does_not_take_is_sent_again_under_the_same_ids(
    scene: Scene, learner: Learner, wire: Wire, taken: int, first_untold: str
) -> None:
    revoked_and_earned_again(scene, learner)
    records = stream_of(scene, learner)
    wire.around = lambda request, answer: (
        answer() if request.operation != "PutEvents" else partly_taken(request.body, taken) or answer()
    )

    answer = scene.publish(*records)

    assert answer == failed(first_untold)
    put = [request for request in wire.sent if request.operation == "PutEvents"]
    first = [json.loads(entry["Detail"])["metadata"]["id"] for entry in put[-1].body["Entries"]]
    wire.around = lambda _, answer: answer()
    assert scene.publish(*records[int(first_untold[1:]) :]) == failed()
    again = [detail["metadata"]["id"] for _, detail in published(scene)]
    assert again == first[len(first) - len(again) :]
    assert len(first) - len(again) <= taken


def partly_taken(body: Any, taken: int) -> Any:
    """Return the bus's answer that it took only so many of the events."""
    entries: list[dict[str, str]] = [{"EventId": "e"}] * taken
    entries += [{"ErrorCode": "InternalFailure", "ErrorMessage": "later"}] * (len(body["Entries"]) - taken)
    return 200, {}, json.dumps({"FailedEntryCount": len(entries) - taken, "Entries": entries})


def test_many_records_are_reported_in_order(scene: Scene, learner: Learner, wire: Wire) -> None:
    scene.ingest(learner.configured(day(1), policy={"hold_seconds": 0}), *learner.qualifying()[1:])
    for number in range(10):
        scene.ingest(learner.failing(day(5 + number)), learner.passing(day(5 + number, 12)))
    scene.take(OWN_EVENTS)
    wire.sent.clear()

    assert scene.publish(*stream_of(scene, learner)) == failed()

    times = [detail["metadata"]["time"] for _, detail in published(scene)]
    assert times == sorted(times)
    assert len(times) == 2 * 21
    assert wire.operations()["PutEvents"] == 5


def test_the_stream_carries_history_to_the_bus_and_no_event_comes_back(scene: Scene, learner: Learner) -> None:
    scene.send(*learner.qualifying(), at=day(3))

    deliveries = scene.cloud.deliver()

    assert [event_type for event_type, _ in published(scene)][-2:] == [CREATED, CHANGED]
    assert deliveries.errors == []
    assert scene.queued("ParkedQueue") == scene.queued("PublishDeadLetters") == []
    assert as_time(day(3)) == scene.history(learner)[0]["at"]
