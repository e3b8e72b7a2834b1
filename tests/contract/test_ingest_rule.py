"""The rule on the bus: everything goes to the queue but what this service sends. The archive has what is read."""

import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.messages import NAMED, OWN_SOURCE, RENAMED
from certrules.formats.program_events import PROGRAM_EVENTS
from localcloud.template import read_yaml
from tests.scenes.story_of_samples import delivered, story

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


@pytest.fixture(scope="module")
def rule() -> Any:
    resources = read_yaml(TEMPLATE.read_text())["Resources"]
    return EventPattern.load(json.dumps(resources["IngestRule"]["Properties"]["EventPattern"]))


def test_every_sample_goes_to_the_queue_but_those_on_programs(rule: Any) -> None:
    queued = [delivered(detail)["detail-type"] for detail in story() if rule.matches_event(delivered(detail))]
    assert sorted(queued) == sorted(set(EVENT_TYPES) - {row.name for row in PROGRAM_EVENTS})


def test_events_of_other_names_go_to_the_queue_however_like_those_on_programs(rule: Any) -> None:
    for event_type in (
        "certificates.programs.configured.v1",
        "certificates.program.configured.v2",
        "org.openedx.learning.program.certificate.awarded.v1",
    ):
        assert rule.matches_event({"source": "openedx/lms/web", "detail-type": event_type, "detail": {}})


@pytest.mark.parametrize(
    "source",
    ["openedx/lms/web", "aws.s3", "course-certificates-2", "Course-Certificates", "old/course-certificates"],
)
def test_an_event_of_whatever_type_and_source_goes_to_the_queue(rule: Any, source: str) -> None:
    assert rule.matches_event({"source": source, "detail-type": "unheard of", "detail": {}})


def test_what_this_service_sends_does_not(rule: Any) -> None:
    for detail in story():
        assert not rule.matches_event(delivered(detail) | {"source": OWN_SOURCE})


# --- the archive


@pytest.fixture(scope="module")
def archive() -> Any:
    return read_yaml(TEMPLATE.read_text())["Resources"]["Archive"]["Properties"]["EventPattern"]


def test_the_archive_has_every_event_that_is_read_but_names(archive: Any) -> None:
    assert archive["detail-type"] == [name for name in EVENT_TYPES if name not in {NAMED, RENAMED}]
    assert len(json.dumps(archive)) < 4096 - 200  # EventBridge's limit, less what it adds for replays


def test_the_archive_has_nothing_else(archive: Any) -> None:
    pattern: Any = EventPattern.load(json.dumps(archive))
    other: Any = {"source": "openedx/lms/web", "detail-type": "org.openedx.learning.student.registration.completed.v1"}
    assert not pattern.matches_event({**other, "detail": {"user": {"pii": {"name": "Ada"}}}})
    for detail in story():
        assert not pattern.matches_event(delivered(detail) | {"source": OWN_SOURCE})
        assert pattern.matches_event(delivered(detail)) == (detail["metadata"]["event_type"] not in {NAMED, RENAMED})
