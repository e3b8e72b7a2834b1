"""At the byte edge, through the store: no item reaches 400 KB, and there is always a way on."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from certrules import storage
from certrules.core.fact_types import Fact
from certrules.core.limits import RESERVED_BYTES, TIMELINE_BYTES, stored_bytes
from certrules.core.terms import Status
from certrules.core.timeline import Entry, merge
from certrules.storage.tables import Item, record_key
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from tests.scenes.scene import Learner, Scene, day, failed

ALL_TAKEN = failed()
ITEM_BYTES = 400 * 1024
"""What DynamoDB takes, names and values together."""


def bytes_of(key: tuple[str, str]) -> int:
    """Return the size of an item as DynamoDB counts it."""
    values = {name: next(iter(value.values())) for name, value in Item.get(*key).serialize().items()}
    return sum(
        len(name.encode()) + len(value if isinstance(value, bytes) else value.encode())
        for name, value in values.items()
    )


def listed(learner: Learner, hours: float, notes: str, *, on: bool = True) -> Detail:
    event: Any = "allowlist.entry.added" if on else "allowlist.entry.removed"
    about = learner.learner_id, learner.course_run
    return event_builders.allowlist(event, uuid4(), day(4, hours), *about, by="ada", notes=notes)


def save(scene: Scene, learner: Learner, *more: Entry) -> None:
    """Save a learner's record with more entries, as an earlier decision left it."""
    stored = scene.stored_record(learner)
    timeline = merge(stored.timeline, more)
    assert stored_bytes(timeline) <= TIMELINE_BYTES
    storage.save_record(
        storage.RecordWrite(
            learner.pair,
            stored,
            timeline,
            stored.compacted_until,
            stored.published,
            None,
            stored.based_on,
            [],
        )
    )


def flip(number: int) -> Entry:
    return Entry(day(4, number / 100), str(UUID(int=number)), Fact.PASSING, "", number % 2 == 1)


def rejected(number: int) -> Entry:
    return Entry(day(2), str(UUID(int=number)), Fact.INVALIDATION, f"{number:07}{'é' * 200}", value=True)


def fill_with_rejections(scene: Scene, learner: Learner) -> None:
    """Fill a learner's record with rejected exams: none can give way."""
    left = TIMELINE_BYTES - stored_bytes(scene.stored_record(learner).timeline)
    save(scene, learner, *map(rejected, range(left // (stored_bytes([rejected(0)]) - 2))))


@pytest.mark.parametrize("character", ["n", "é", "\N{GRINNING FACE}", "\x01", '"'])
def test_a_hundred_long_notes_of_any_characters_leave_room_for_a_grade(
    scene: Scene, learner: Learner, character: str
) -> None:
    scene.ingest(*learner.qualifying())
    for number in range(100):
        notes = f"{number} {character * 1_990}"
        assert scene.ingest(listed(learner, number, notes, on=number % 2 == 0)) == ALL_TAKEN
    assert scene.ingest(learner.failing(day(30)), learner.passing(day(31))) == ALL_TAKEN

    assert scene.queued("ParkedQueue") == []
    assert scene.facts_stored(learner)[Fact.ALLOWLIST] == 100
    assert bytes_of(record_key(learner.pair)) < ITEM_BYTES
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


def test_many_configurations_with_long_texts_leave_room_for_the_next(scene: Scene, learner: Learner) -> None:
    settings: dict[str, Any] = {
        "web_certificates_enabled": True,
        "display_behavior": "end",
        "available_date": None,
        "end": None,
        "self_paced": False,
        "policy": {"passing_letters": [f"{'L' * 45}{number}" for number in range(50)]},
    }
    for number in range(60):
        texts = {"by": f"{number} {'é' * 1_990}", "notes": f"{number} {'\N{GRINNING FACE}' * 1_990}"}
        policy = settings["policy"] if number % 10 == 0 else {"breaker_limit": number}
        assert scene.ingest(learner.configured(day(1, number), **{**settings, "policy": policy}, **texts)) == ALL_TAKEN

    assert scene.queued("ParkedQueue") == []
    assert bytes_of((f"R#{learner.course_run}", "-")) < ITEM_BYTES
    scene.ingest(*learner.qualifying()[1:])
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE


def test_a_policy_that_a_few_of_would_fill_a_course_run_is_refused_by_name(scene: Scene, learner: Learner) -> None:
    too_many = learner.configured(day(1), policy={"eligible_modes": [f"mode-{number}" for number in range(51)]})
    too_long = learner.configured(day(1), policy={"passing_letters": ["A" * 51]})
    at_most = learner.configured(
        day(1), policy={"eligible_modes": ["m" * 50, *(f"mode-{n}" for n in range(49))], "passing_letters": ["A" * 50]}
    )
    assert scene.ingest(too_many, too_long, at_most) == ALL_TAKEN
    parked = [
        tuple(item.attributes[name] for name in ("reason", "field", "fix")) for item in scene.queued("ParkedQueue")
    ]
    fix = "at most 50 names of at most 50 characters; shorten the list"
    assert parked == [
        ("bad_value", "course_run.policy.eligible_modes", fix),
        ("bad_value", "course_run.policy.passing_letters", fix),
    ]


def test_a_passing_entry_on_a_full_timeline_is_taken_and_decides(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying())
    issued = scene.certificate(learner)
    assert issued is not None
    save(scene, learner, *map(flip, range(5_100)))
    assert stored_bytes(scene.stored_record(learner).timeline) > TIMELINE_BYTES * 0.75

    assert scene.ingest(learner.failing(day(90)), learner.failing(day(91))) == ALL_TAKEN
    assert scene.ingest(learner.passing(day(92))) == ALL_TAKEN

    assert scene.queued("ParkedQueue") == []
    assert bytes_of(record_key(learner.pair)) < ITEM_BYTES
    certificate = scene.certificate(learner)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    assert certificate.certificate_id == issued.certificate_id
    assert certificate.first_issued_at == issued.first_issued_at


def test_what_does_not_fit_is_refused_by_name_and_takes_nothing_else_along(scene: Scene, learner: Learner) -> None:
    fill_with_rejections(scene, learner)
    other = learner.elsewhere(f"{learner.course_run}-other")
    flips = [event(day(60, number)) for number in range(20) for event in (learner.failing, learner.passing)]

    answer = scene.ingest(*flips[:20], listed(learner, 99, "the way on"), other.passing(day(60)))

    assert answer == ALL_TAKEN
    assert scene.facts_stored(other) == {Fact.PASSING: 1}
    assert scene.facts_stored(learner)[Fact.ALLOWLIST] == 1
    assert scene.queued("ParkedQueue") == []  # the reserve takes them along

    assert scene.ingest(*flips[20:]) == ALL_TAKEN
    parked = scene.queued("ParkedQueue")
    assert parked
    assert {item.attributes["reason"] for item in parked} == {"timeline_full"}
    assert all("what a person does is still taken" in item.attributes["fix"] for item in parked)
    assert scene.facts_stored(learner)[Fact.ALLOWLIST] == 1


def test_if_a_rejection_does_not_fit_neither_does_the_passing_entry_beside_it(scene: Scene, learner: Learner) -> None:
    scene.ingest(*learner.qualifying()[:3])
    fill_with_rejections(scene, learner)
    left = TIMELINE_BYTES - stored_bytes(scene.stored_record(learner).timeline)
    save(scene, learner, rejected(9_000)._replace(subject="x" * (left - 80)))
    by_an_exam = event_builders.exam_attempt(
        "exam.attempt.rejected", uuid4(), day(50), learner.learner_id, learner.course_run, usage_key="final" * 20
    )

    assert scene.ingest(learner.passing(day(60)), by_an_exam) == ALL_TAKEN

    assert [item.attributes["reason"] for item in scene.queued("ParkedQueue")] == ["timeline_full"] * 2
    assert Fact.PASSING not in scene.facts_stored(learner)


def test_a_person_can_act_on_a_full_timeline_hundreds_of_times(scene: Scene, learner: Learner) -> None:
    fill_with_rejections(scene, learner)
    for number in range(100):
        assert scene.ingest(listed(learner, number, f"{number} {'n' * 1_990}", on=number % 2 == 0)) == ALL_TAKEN
    assert scene.queued("ParkedQueue") == []
    assert scene.facts_stored(learner)[Fact.ALLOWLIST] == 100
    assert stored_bytes(scene.stored_record(learner).timeline) <= TIMELINE_BYTES + RESERVED_BYTES
    assert bytes_of(record_key(learner.pair)) < ITEM_BYTES
