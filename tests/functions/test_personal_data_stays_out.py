"""What the platform sends along about people leaves the ingest function nowhere: no request, no log, no file has it."""

import io
import json
from typing import Any

import pytest

from certs.sources.event_builders import Detail
from tests.scenes.bulk_runs import Run
from tests.scenes.people import PII, with_people
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, day

SAMPLES = sorted((TEMPLATE.parent / "events").glob("*.json"))


@pytest.fixture
def logged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What all functions log, metrics included."""
    log = io.StringIO()
    for function in scene.cloud.functions.values():
        monkeypatch.setattr(function, "log", log)
    return log


def damaged(event: Detail) -> list[Any]:
    """Return an event that can't be taken in for one reason or another, personal data and all."""
    key = next(name for name in event if name != "metadata")
    metadata: Any = event["metadata"]
    return [
        {**event, "metadata": {**metadata, "time": "soon"}},
        {**event, "metadata": {**metadata, "event_type": "org.openedx.learning.unheard_of.v1"}},
        {**event, key: {**event[key], "user": {"pii": PII}, "learner_id": "x"}},
        json.dumps(event)[:-3],
        json.dumps({"Records": [{"body": json.dumps(event)}, {"body": json.dumps(event)}]}),
    ]


def files(scene: Scene) -> str:
    """Return all that stands in the bucket."""
    client, bucket = scene.client("s3"), scene.cloud.physical("BulkBucket")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return "".join(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace") for key in keys)


def test_no_personal_data_is_stored_sent_parked_or_logged(
    scene: Scene, learner: Learner, wire: Wire, logged: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    samples = [json.loads(sample.read_text())["detail"] for sample in SAMPLES if "named" not in sample.stem]
    events = [with_people(event) for event in (*learner.qualifying(), *samples)]
    for event in events:
        scene.ingest(event, *damaged(event))
    scene.publish()
    run = Run(scene, [learner.course_run], more={"purpose": "compare"})
    run.plan(*run.begin())
    run.seal()
    scene.sweep(day(60))

    parked = scene.queued("ParkedQueue")
    assert len(parked) >= len(events)
    assert scene.certificate(learner) is not None
    assert learner.course_run in files(scene)
    assert logged.getvalue()
    places = {
        "requests": json.dumps([request.body for request in wire.sent], ensure_ascii=False),
        "parked messages": repr(parked),
        "the bucket": files(scene),
        "logs and metrics": logged.getvalue() + repr([vars(record) for record in caplog.records]),
        "tables": repr([scene.items(table) for table in ("CertificatesTable", "HistoryTable", "SupportTable")]),
    }
    assert [place for place, text in places.items() if "Lovelace" in text] == []
