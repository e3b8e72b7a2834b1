"""Events sent from here are Open edX's: its data classes and Avro schemas take them and give them back."""

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import openedx_events
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer, deserialize_bytes_to_event_data
from openedx_events.event_bus.avro.schema import schema_from_signal
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer, serialize_event_data_to_bytes

from certrules.core.certificate import Certificate, Pending, Transition
from certrules.core.decision import decide
from certrules.core.facts import Facts, Record
from certrules.core.policy import DEFAULT
from certrules.core.terms import REVOKING, Actor, Cause, Status
from certrules.formats import events_out
from certrules.formats.events_in import decode
from certrules.formats.events_out import CHANGED, CREATED, EVENTS_OUT, HELD, REVOKED, SOURCELIB, Outgoing, events_of
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.stored import as_time, held_history_of, history_of
from tests.scenes.openedx import READ_AT, SIGNALS, course_keys, instants

ADDRESS = "https://certificates.example.org/certificates/"
HISTORY_ID = "L#42#course-v1:A+B+C#00000001"

learner_ids = st.integers(1, 2**63 - 1)
phrases = st.text(max_size=40)
certificates = st.builds(
    Certificate,
    st.sampled_from(Status),
    phrases,
    phrases,
    st.uuids().map(lambda uuid: uuid.hex),
    instants,
    instants,
)


@st.composite
def transitions(draw: st.DrawFn) -> tuple[Transition, Record]:
    """Generate a transition of anyone's certificate anywhere."""
    at = draw(instants)
    decision = decide(Facts(at, draw(st.none() | st.floats(0, 1)), DEFAULT, passed=draw(st.none() | st.booleans())))
    previous = draw(st.none() | st.sampled_from(Status))
    actor = Actor(draw(phrases), draw(phrases))
    certificate = draw(certificates.filter(lambda certificate: certificate.status is not previous))
    transition = Transition(at, previous, certificate, draw(st.sampled_from(Cause)), actor, decision)
    return transition, Record(draw(learner_ids), draw(course_keys))


def sent(body: str) -> list[Outgoing]:
    return list(events_of(HISTORY_ID, body, ADDRESS, "publish"))


def content(outgoing: Outgoing) -> dict[str, Any]:
    """Return what Open edX's readers look at."""
    return {"certificate": json.loads(outgoing.detail)["certificate"]}


@given(transitions())
def test_what_is_sent_is_the_librarys_data_there_and_back(reported: tuple[Transition, Record]) -> None:
    transition, record = reported
    for outgoing in sent(history_of(transition, record)):
        signal = SIGNALS[outgoing.event_type]
        stated = AvroSignalDeserializer(signal).from_dict(content(outgoing))
        assert AvroSignalSerializer(signal).to_dict(stated) == content(outgoing)
        over_the_wire = serialize_event_data_to_bytes(stated, signal)
        assert deserialize_bytes_to_event_data(over_the_wire, signal) == stated


@given(transitions())
def test_a_sent_event_names_what_happened(reported: tuple[Transition, Record]) -> None:
    transition, record = reported
    for outgoing in sent(history_of(transition, record)):
        stated = AvroSignalDeserializer(SIGNALS[outgoing.event_type]).from_dict(content(outgoing))["certificate"]
        assert (stated.user.id, str(stated.course.course_key)) == (record.learner_id, record.course_run)
        assert (stated.mode, stated.grade) == (transition.certificate.mode, transition.certificate.grade)
        assert stated.download_url == ADDRESS + transition.certificate.certificate_id
        assert (stated.current_status, stated.previous_status) == (transition.status, transition.previous or "")
        assert {stated.user.pii.username, stated.user.pii.email, stated.user.pii.name, stated.name} == {""}
        assert json.loads(outgoing.detail)["decision"] == {
            "cause": transition.cause,
            "reasons": sorted(transition.decision.unmet),
            "policy_version": DEFAULT.version,
            "by": transition.actor.by,
            "reason": transition.actor.reason,
            "certificate_id": transition.certificate.certificate_id,
            "issued_at": as_time(transition.certificate.issued_at),
            "first_issued_at": as_time(transition.certificate.first_issued_at),
            "number": 1,
        }


@given(transitions())
def test_created_once_an_award_revoked_once_a_loss_changed_always(reported: tuple[Transition, Record]) -> None:
    transition, record = reported
    expected = [CREATED] if transition.status is Status.DOWNLOADABLE else []
    expected += [CHANGED]
    expected += [REVOKED] if transition.previous is Status.DOWNLOADABLE else []
    assert [outgoing.event_type for outgoing in sent(history_of(transition, record))] == expected


@given(transitions())
def test_the_metadata_is_the_librarys(reported: tuple[Transition, Record]) -> None:
    transition, record = reported
    for outgoing in sent(history_of(transition, record)):
        stated = json.loads(outgoing.detail)["metadata"]
        read = EventsMetadata.from_json(json.dumps(stated))
        assert json.loads(read.to_json()) == stated
        assert read.time == transition.at
        assert (read.event_type, read.source) == (outgoing.event_type, OWN_SOURCE)


@given(transitions())
def test_an_event_sent_twice_is_recognized_and_two_events_are_distinct(reported: tuple[Transition, Record]) -> None:
    body = history_of(*reported)
    ids = [json.loads(outgoing.detail)["metadata"]["id"] for outgoing in sent(body) + sent(body)]
    half = len(ids) // 2
    assert ids[:half] == ids[half:]
    assert len(set(ids)) == half


@pytest.mark.parametrize("event_type", [CREATED, CHANGED, REVOKED])
@given(reported=transitions(), cause=st.sampled_from(sorted(REVOKING)))
def test_it_fits_the_published_schema(
    event_type: str, shared_data: Path, reported: tuple[Transition, Record], cause: Cause
) -> None:
    """Each schema as Open edX publishes it as a file, written and read with nothing but that."""
    name = f"{event_type.replace('.', '+')}_schema.avsc"
    published = json.loads((shared_data / "openedx-events" / "avro" / name).read_text())
    assert published == schema_from_signal(SIGNALS[event_type])
    schema = fastavro.parse_schema(published)
    transition, record = reported
    for outgoing in sent(history_of(transition._replace(cause=cause), record)):
        if outgoing.event_type == event_type:
            wire = io.BytesIO()
            fastavro.schemaless_writer(wire, schema, content(outgoing), strict=True)
            wire.seek(0)
            assert fastavro.schemaless_reader(wire, schema, None) == content(outgoing)


@given(certificates, instants, learner_ids, course_keys)
def test_a_held_revocation_is_sent_as_ours(
    certificate: Certificate, since: datetime, learner_id: int, course_run: str
) -> None:
    pending = Pending(Cause.NEVER_EARNED, since, None)
    decision = decide(Facts(since, None, DEFAULT))
    (outgoing,) = sent(held_history_of(pending, certificate, Record(learner_id, course_run), decision))
    stated = json.loads(outgoing.detail)
    assert outgoing.event_type == stated["metadata"]["event_type"] == HELD
    assert stated["revocation"] == {
        "learner_id": learner_id,
        "course_key": course_run,
        "certificate_id": certificate.certificate_id,
        "cause": "never_earned",
        "since": since.isoformat().replace("+00:00", "Z"),
    }


@given(transitions())
def test_what_is_sent_is_never_taken_in_again(reported: tuple[Transition, Record]) -> None:
    for outgoing in sent(history_of(*reported)):
        assert decode(outgoing.detail, READ_AT) is None
        on_the_bus = {"source": OWN_SOURCE, "detail-type": outgoing.event_type, "detail": outgoing.detail}
        assert decode(json.dumps(on_the_bus), READ_AT) is None


def test_every_type_that_is_sent_is_documented() -> None:
    assert set(EVENTS_OUT) == {value for value in vars(events_out).values() if str(value).endswith(".v1")}


def test_the_library_is_of_the_version_that_events_name() -> None:
    assert ".".join(map(str, SOURCELIB)) == openedx_events.__version__
