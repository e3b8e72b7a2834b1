"""A course run off, in shadow, live, and back: what is stored, what is published, and what history shows."""

import json
from datetime import datetime
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from certrules import storage
from certrules.core.comparison import Kind
from certrules.core.fact_types import Fact
from certrules.core.policy import DEFAULT, undated
from certrules.core.terms import Cause, Status
from certrules.formats.events_in import decode
from certrules.ingestion import ingest_messages
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from tests.scenes.scene import Learner, Queued, Scene, Wire, day


def old_id(learner: Learner) -> str:
    """Return the id that the old logic gave the learner's certificate."""
    return UUID(int=learner.learner_id).hex


def sent(detail: Detail, at: datetime) -> Detail:
    """Return a detail in the bus's envelope, sent at an instant."""
    return {**event_builders.envelope(detail), "time": at.isoformat()}


def recorded(learner: Learner, at: datetime, status: Status = Status.DOWNLOADABLE, **more: Any) -> Detail:
    """Report the old logic's certificate."""
    stated = {
        "mode": "verified",
        "grade": "0.8",
        "certificate_id": UUID(int=learner.learner_id),
        "created": at,
        "modified": at,
        **more,
    }
    return event_builders.recorded_certificate(
        "recorded", uuid4(), at, learner.learner_id, learner.course_run, status=status, **stated
    )


def roll(scene: Scene, learners: list[Learner], at: datetime, rollout: str) -> None:
    """Set a course run's rollout, and have its learners decided again, as `redecide` does."""
    scene.ingest(sent(learners[0].configured(at, rollout=rollout), at))
    for learner in learners:
        scene.ingest(sent(learner.requested(at), at))


def statuses(scene: Scene, learner: Learner) -> list[tuple[str | None, str, str]]:
    """Return what history shows: before, after, why; of what is held, the cause."""
    return [(item.get("previous"), item.get("status", item["kind"]), item["cause"]) for item in scene.history(learner)]


@pytest.mark.parametrize("rollout", ["off", "shadow"])
def test_where_the_old_logic_decides_facts_are_stored_and_nothing_is_published(
    scene: Scene, learner: Learner, wire: Wire, rollout: str
) -> None:
    scene.ingest(learner.configured(day(1), rollout=rollout))
    wire.sent.clear()

    scene.ingest(*learner.qualifying()[1:2], *learner.qualifying()[3:])

    assert wire.operations() == {"BatchGetItem": 1, "PutItem": 1}
    assert scene.certificate(learner) is None
    scene.ingest(learner.qualifying()[2])
    scene.ingest(learner.failing(day(5)), learner.requested(day(6)))
    assert scene.facts_stored(learner)[Fact.PASSING] == 2
    assert scene.history(learner) == []
    assert scene.stored_record(learner).published.pending is None
    assert scene.stored_record(learner).item.d is None


@pytest.mark.parametrize("rollout", ["off", "shadow"])
def test_what_learners_have_there_is_what_the_old_logic_stated_last(
    scene: Scene, learner: Learner, rollout: str
) -> None:
    scene.ingest(learner.configured(day(1), rollout=rollout), learner.enrolled(day(1)))
    scene.ingest(recorded(learner, day(6), Status.NOTPASSING))
    scene.ingest(recorded(learner, day(4)))

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.certificate_id, certificate.issued_at) == (
        "notpassing",
        old_id(learner),
        day(4),
    )
    assert scene.history(learner) == []
    assert storage.owners_of(old_id(learner)) == [learner.pair]


def test_going_live_publishes_nothing_that_the_old_logic_issued(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(*learner.qualifying(), recorded(learner, day(4)))

    roll(scene, [learner], day(9), "live")

    certificate = scene.certificate(learner)
    assert certificate is not None
    assert (certificate.status, certificate.certificate_id, certificate.issued_at) == (
        "downloadable",
        old_id(learner),
        day(4),
    )
    assert scene.history(learner) == []
    scene.ingest(sent(learner.invalidated(day(10)), day(10)))
    assert statuses(scene, learner) == [("downloadable", "unavailable", Cause.INVALIDATED)]


def test_going_live_issues_what_the_old_logic_did_not(scene: Scene, learner: Learner) -> None:
    other = Learner(learner.learner_id + 500_000, learner.course_run)
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(*learner.qualifying(), recorded(learner, day(4), Status.NOTPASSING))
    scene.ingest(*other.qualifying(), recorded(other, day(4), Status.UNVERIFIED, certificate_id=None))

    roll(scene, [learner, other], day(9), "live")

    assert statuses(scene, learner) == [("notpassing", "downloadable", Cause.EARNED)]
    assert scene.history(learner)[0]["certificate"]["id"] == old_id(learner)
    assert statuses(scene, other) == [("unverified", "downloadable", Cause.EARNED)]
    assert scene.history(other)[0]["certificate"]["id"]


def test_a_grade_that_fell_while_the_old_logic_decided_revokes_nothing_but_with_a_person(
    scene: Scene, learner: Learner
) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(*learner.qualifying(), recorded(learner, day(4)), learner.failing(day(5)))
    assert scene.certificate(learner) is not None

    roll(scene, [learner], day(9), "live")

    assert statuses(scene, learner) == [(None, "held", Cause.GRADE_FELL)]
    stored_record = scene.stored_record(learner)
    assert stored_record.published.certificate is not None
    assert stored_record.published.certificate.status is Status.DOWNLOADABLE
    assert stored_record.published.pending is not None
    assert stored_record.published.pending.due is None
    assert [(entry.by, entry.notes) for entry in stored_record.timeline if entry.fact is Fact.REVOCATION] == [
        ("system:rollout", "the old logic decided then, and let the certificate stand")
    ]
    scene.ingest(sent(learner.passing(day(10)), day(10)))
    assert scene.stored_record(learner).published.pending is None
    assert scene.stored_record(learner).published.certificate == stored_record.published.certificate


def test_an_exam_that_was_rejected_while_the_old_logic_decided_revokes_nothing_but_with_a_person(
    scene: Scene, learner: Learner
) -> None:
    rejected = event_builders.exam_attempt(
        "exam.attempt.rejected", uuid4(), day(5), learner.learner_id, learner.course_run, usage_key="block-v1:final"
    )
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(*learner.qualifying(), recorded(learner, day(4)), rejected)

    roll(scene, [learner], day(9), "live")

    assert statuses(scene, learner) == [(None, "held", Cause.NEVER_EARNED)]
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


def test_going_back_leaves_what_was_published_and_going_live_again_continues(scene: Scene, learner: Learner) -> None:
    scene.ingest(sent(learner.configured(day(1), rollout="live"), day(1)))
    scene.ingest(*(sent(detail, day(3)) for detail in learner.qualifying()))
    issued = scene.certificate(learner)
    reported = scene.history(learner)

    roll(scene, [learner], day(9), "shadow")
    scene.ingest(sent(learner.invalidated(day(10)), day(10)))
    assert scene.certificate(learner) == issued
    assert scene.history(learner) == reported

    scene.ingest(sent(recorded(learner, day(11), Status.UNAVAILABLE, certificate_id=None), day(11)))
    unavailable = scene.certificate(learner)
    assert issued is not None
    assert unavailable is not None
    assert (unavailable.status, unavailable.certificate_id) == ("unavailable", issued.certificate_id)

    roll(scene, [learner], day(12), "live")
    assert scene.history(learner) == reported
    lifted = event_builders.invalidation(
        "invalidation.lifted", uuid4(), day(13), learner.learner_id, learner.course_run, by="ada", notes="ticket 13"
    )
    scene.ingest(sent(lifted, day(13)))
    assert statuses(scene, learner)[len(reported) :] == [("unavailable", "downloadable", Cause.REINSTATED)]
    reinstated = scene.certificate(learner)
    assert reinstated is not None
    assert (reinstated.certificate_id, reinstated.issued_at) == (issued.certificate_id, issued.issued_at)


def test_a_change_of_rollout_has_the_course_run_decided_again_and_so_has_its_redelivery(
    scene: Scene, learner: Learner
) -> None:
    scene.ingest(learner.configured(day(1)))
    scene.empty_queues()
    changed = sent(learner.configured(day(9), rollout="shadow"), day(9))

    for _ in range(2):
        scene.ingest(changed)
        expected = Queued({"course_run": learner.course_run, "at": "2026-01-09T00:00:00Z"})
        assert scene.queued("RedecideQueue") == [expected]
        scene.empty_queues()


def test_the_last_value_on_the_rollout_counts_by_its_time_whatever_comes_when(scene: Scene, learner: Learner) -> None:
    for number, order in enumerate(permutations(("off", "live", "shadow"))):
        someone = Learner(learner.learner_id, f"{learner.course_run}_{number}")
        stated = {
            name: someone.configured(day(at), rollout=name) for name, at in (("off", 1), ("live", 2), ("shadow", 4))
        }
        scene.ingest(*(stated[name] for name in order))
        scene.ingest(*someone.qualifying(), recorded(someone, day(5)))
        scene.ingest(stated["live"], stated["off"])
        assert scene.history(someone) == []
        certificate = scene.certificate(someone)
        assert certificate is not None
        assert certificate.certificate_id == old_id(someone)


def test_what_the_old_logic_issued_just_before_going_live_is_not_issued_once_more(
    scene: Scene, learner: Learner
) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    scene.ingest(sent(learner.configured(day(9), rollout="live"), day(9)))

    scene.ingest(*(sent(detail, day(9)) for detail in (*learner.qualifying(), recorded(learner, day(4)))))

    assert scene.history(learner) == []
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.certificate_id == old_id(learner)


def test_in_shadow_each_decision_is_compared_with_the_old_logics_value_and_counted(
    scene: Scene, learner: Learner
) -> None:
    def compared(*details: Detail) -> dict[Kind, int]:
        messages = [decode(json.dumps(detail), day(60)) for detail in details]
        return ingest_messages([message for message in messages if message], undated(DEFAULT)).compared

    scene.ingest(learner.configured(day(1), rollout="shadow"))
    assert compared(*learner.qualifying()) == {Kind.WOULD_ISSUE: 1}
    assert compared(recorded(learner, day(3))) == {Kind.AGREE: 1}
    scene.ingest(learner.configured(day(9), rollout="off"))
    assert compared(learner.failing(day(12))) == {}
