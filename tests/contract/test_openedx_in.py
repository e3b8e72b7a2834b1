"""Events made by Open edX's own library are read here as they were meant."""

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.event_bus.avro.schema import schema_from_signal

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.terms import Status, is_nothing, mode_of
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from tests.scenes.openedx import PERSONAL, READ_AT, SIGNALS, TAKEN_IN, data_of, detail, instants
from tests.scenes.story_of_samples import delivered, name, story

type Stated = tuple[int, str | None, list[tuple[Fact, str, object]]]
"""About which learner in which course run, and what: fact, subject and value."""


def _enrolled(data: Any) -> Stated:
    value = Enrollment(mode_of(data.mode), data.is_active)
    return data.user.id, str(data.course.course_key), [(Fact.ENROLLMENT, "", value)]


def _passing(data: Any) -> Stated:
    return data.user.id, str(data.course.course_key), [(Fact.PASSING, "", data.is_passing)]


def _ccx_passing(data: Any) -> Stated:
    return data.user.id, str(data.course.ccx_course_key), [(Fact.PASSING, "", data.is_passing)]


def _graded(data: Any) -> Stated:
    letter = "" if is_nothing(data.letter_grade) else data.letter_grade.strip()
    value = Grade(data.percent_grade, letter, bool(letter) and data.passed_timestamp is not None)
    return data.user_id, str(data.course.course_key), [(Fact.GRADE, "", value)]


def _approved(data: Any) -> Stated:
    return data.user.id, None, [(Fact.ID_VERIFICATION, str(data.attempt_id), Approval(data.expiration_date))]


def _denied(data: Any) -> Stated:
    return data.user.id, None, [(Fact.ID_VERIFICATION, str(data.attempt_id), None)]


def _exam(data: Any, *, rejected: bool) -> Stated:
    entries: list[tuple[Fact, str, object]] = [(Fact.INVALIDATION, str(data.usage_key), rejected)]
    return data.student_user.id, str(data.course_key), entries


def _role(data: Any, *, added: bool) -> Stated:
    entries: list[tuple[Fact, str, object]] = [(Fact.BETA_TESTER, "", added)]
    return data.user.id, str(data.course_key), entries if data.role == "beta_testers" else []


def _certificate(data: Any) -> Stated:
    has_id = data.download_url.startswith("https://x.org/c/")
    certificate_id = data.download_url[-32:] if has_id else ""
    value = Recorded(Status(data.current_status), mode_of(data.mode), data.grade, certificate_id)
    return data.user.id, str(data.course.course_key), [(Fact.RECORDED, "", value)]


MEANT: Mapping[str, Callable[[Any], Stated]] = {
    "course.enrollment.created": _enrolled,
    "course.enrollment.changed": _enrolled,
    "course.unenrollment.completed": _enrolled,
    "course.passing.status.updated": _passing,
    "ccx.course.passing.status.updated": _ccx_passing,
    "course.persistent_grade_summary.changed": _graded,
    "idv_attempt.approved": _approved,
    "idv_attempt.denied": _denied,
    "exam.attempt.rejected": lambda data: _exam(data, rejected=True),
    "exam.attempt.verified": lambda data: _exam(data, rejected=False),
    "exam.attempt.reset": lambda data: _exam(data, rejected=False),
    "user.course_access_role.added": lambda data: _role(data, added=True),
    "user.course_access_role.removed": lambda data: _role(data, added=False),
    "certificate.created": _certificate,
    "certificate.changed": _certificate,
    "certificate.revoked": _certificate,
}


def test_what_each_type_means_is_known_here() -> None:
    assert [f"org.openedx.learning.{event}.v1" for event in MEANT] == TAKEN_IN


def test_the_data_key_is_the_librarys() -> None:
    assert {event_type: EVENT_TYPES[event_type].key for event_type in TAKEN_IN} == {
        event_type: next(iter(SIGNALS[event_type].init_data)) for event_type in TAKEN_IN
    }


@pytest.mark.parametrize("event_type", TAKEN_IN)
@given(given=st.data(), event_id=st.uuids(), at=instants)
def test_an_event_of_the_library_is_read_as_it_was_meant(
    event_type: str, given: st.DataObject, event_id: UUID, at: datetime
) -> None:
    data = given.draw(data_of(event_type))
    message = decode(detail(event_type, event_id, at, data), READ_AT)
    learner_id, course_run, entries = MEANT[event_type.split(".", 3)[3].removesuffix(".v1")](data)
    assert message is not None
    assert message[:5] == (str(event_id), event_type, at, learner_id, course_run)
    assert [(entry.fact, entry.subject, entry.value) for entry in message.entries] == entries
    assert {(entry.at, entry.event_id, entry.by) for entry in message.entries} <= {(at, str(event_id), "")}
    assert_nothing_personal(message)


def assert_nothing_personal(message: Message) -> None:
    assert message.name is None
    assert PERSONAL not in repr(message)


@pytest.mark.parametrize(
    "sample",
    [sample for sample in story() if sample["metadata"]["event_type"] in TAKEN_IN],
    ids=name,
)
def test_a_sample_has_all_that_the_library_demands_and_nothing_personal(sample: dict[str, Any]) -> None:
    signal = SIGNALS[sample["metadata"]["event_type"]]
    content = {key: value for key, value in delivered(sample)["detail"].items() if key != "metadata"}
    assert AvroSignalDeserializer(signal).from_dict(content)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema_from_signal(signal), content, strict=True)
    (stated,) = content.values()
    for user in (stated[key] for key in ("user", "student_user") if key in stated):
        assert user["pii"] == {"username": "", "email": "", "name": ""}
