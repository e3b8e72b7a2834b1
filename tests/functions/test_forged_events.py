"""Forged events, through the real function: parked with their sender, and nothing else comes of them."""

import json
from copy import deepcopy
from typing import Any

import pytest

from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_out import EVENTS_OUT
from certrules.formats.personal_data import without_personal_data
from tests.scenes.scene import Learner, Scene, day, failed
from tests.scenes.story_of_samples import delivered, story

STORY = {detail["metadata"]["event_type"]: detail for detail in story()}
ACTS = [event_type for event_type, row in EVENT_TYPES.items() if row.is_act]

FORGERIES: dict[str, dict[str, str]] = {
    "a source that nobody named": {"source": "marketing"},
    "another account": {"account": "999999999999"},
    "the name of this service in metadata alone": {"claimed": "course-certificates"},
    "the name of this service": {"source": "course-certificates", "claimed": "course-certificates"},
    "the name of a function": {"source": "course-certificates/sweep", "claimed": "course-certificates/sweep"},
    "the name of support, from another account": {
        "source": "course-certificates/support",
        "claimed": "course-certificates/support",
        "account": "999999999999",
    },
}


def forged(detail: dict[str, Any], claimed: str = "openedx/lms/web", **envelope: str) -> dict[str, Any]:
    """Return an event as the bus brings it, with somebody's envelope and `claimed` as the source in its metadata."""
    event = delivered(detail) | envelope
    event["detail"]["metadata"]["source"] = claimed
    return event


def about(learner: Learner, event_type: str) -> dict[str, Any]:
    """Return the sample of a type, about a learner."""
    text = json.dumps(STORY[event_type]).replace("course-v1:DemoX+CS101+2026_T1", learner.course_run)
    for key in ("learner_id", "user_id", "id"):
        text = text.replace(f'"{key}": 42', f'"{key}": {learner.learner_id}')
    return dict(json.loads(text))


@pytest.mark.parametrize(
    ("event_type", "forgery"),
    [
        (event_type, forgery)
        for event_type in EVENT_TYPES
        for forgery in FORGERIES
        if forgery != "the name of this service" or event_type not in EVENTS_OUT  # these it publishes itself
    ],
)
def test_a_forged_event_is_parked_with_its_sender(
    scene: Scene, learner: Learner, event_type: str, forgery: str
) -> None:
    event = forged(about(learner, event_type), **FORGERIES[forgery])
    before = scene.items("CertificatesTable")

    assert scene.ingest(event) == failed()

    (parked,) = scene.queued("ParkedQueue")
    assert parked.body == json.loads(without_personal_data(json.dumps(event)))
    assert parked.attributes["reason"] == "source_not_trusted"
    assert (parked.attributes["source"], parked.attributes["account"]) == (event["source"], event["account"])
    assert scene.queued("IngestQueue") == scene.queued("RedecideQueue") == []
    assert scene.items("CertificatesTable") == before


@pytest.mark.parametrize("event_type", ACTS)
def test_an_act_by_a_source_that_may_not_act_changes_no_certificate(
    scene: Scene, learner: Learner, event_type: str
) -> None:
    scene.ingest(*learner.qualifying())
    scene.empty_queues()
    before = scene.items("CertificatesTable")

    event = forged(about(learner, event_type), source="openedx/cms/web", claimed="openedx/cms/web")
    assert scene.ingest(event) == failed()

    (parked,) = scene.queued("ParkedQueue")
    assert (parked.attributes["reason"], parked.attributes["source"]) == ("source_not_trusted", "openedx/cms/web")
    assert scene.items("CertificatesTable") == before


def test_forged_events_stop_none_of_the_others(scene: Scene, learner: Learner) -> None:
    act = forged(learner.invalidated(day(5)), source="marketing")

    assert scene.ingest(act, *learner.qualifying(), deepcopy(act)) == failed()

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status == "downloadable"
    assert len(scene.queued("ParkedQueue")) == 2


def test_a_forged_event_that_comes_over_the_bus_reaches_no_certificate(scene: Scene, learner: Learner) -> None:
    act = learner.invalidated(day(5))
    act["metadata"]["source"] = "marketing"
    scene.send(*learner.qualifying(), act, at=day(6))

    scene.cloud.deliver()

    (parked,) = scene.queued("ParkedQueue")
    assert (parked.attributes["source"], parked.attributes["account"]) == ("marketing", "123456789012")
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status == "downloadable"
