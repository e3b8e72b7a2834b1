"""One learner's story, and what becomes of it."""

import json
from typing import Any

from certrules.core.fact_types import Fact
from certrules.core.timeline import Timeline
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certs.sources.event_builders import Detail, envelope
from tests.scenes.scene import Learner, Scene, day

NOW = day(60)

type State = tuple[Timeline, Any, tuple[Any, ...]]


def story(learner: Learner) -> list[Detail]:
    """Report an award, a loss after its hold, a second award, and an invalidation; as the bus would."""
    reported = [
        *learner.qualifying(),
        learner.graded(day(3), 0.8),
        learner.failing(day(5)),
        learner.graded(day(5), 0.4),
        learner.passing(day(8)),
        learner.graded(day(9), 0.9),
        learner.invalidated(day(20)),
    ]
    return [envelope(detail) for detail in reported]


def read(detail: Detail) -> Message:
    """Return an event as `ingest` reads it."""
    message = decode(json.dumps(detail), NOW)
    assert message is not None
    return message


def state(scene: Scene, learner: Learner) -> State:
    """Return the timeline, the certificate but its id, and the transitions that were published.

    Which grades have their event ids depends on the order of delivery where grades share an instant.
    """
    stored_record = scene.stored_record(learner)
    certificate = stored_record.published.certificate
    return (
        tuple(entry._replace(event_id="") if entry.fact is Fact.GRADE else entry for entry in stored_record.timeline),
        certificate and certificate._replace(certificate_id=""),
        stored_record.published.transitions,
    )


def transitions(scene: Scene, learner: Learner) -> list[dict[str, Any]]:
    """Return the transitions in history, oldest first: each follows on the one before it."""
    reported = [item for item in scene.history(learner) if item["kind"] == "transition"]
    assert [item["previous"] for item in reported] == [None, *(item["status"] for item in reported)][: len(reported)]
    return reported
