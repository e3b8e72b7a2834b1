"""Events of program certificates are Open edX's: its data classes and Avro schemas take them and give them back."""

import io
import json
from typing import Any

import fastavro
from hypothesis import given
from hypothesis import strategies as st
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer, deserialize_bytes_to_event_data
from openedx_events.event_bus.avro.schema import schema_from_signal
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer, serialize_event_data_to_bytes

from certrules.core.programs.outcome import ProgramTransition
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import Actor
from certrules.formats.events_in import decode
from certrules.formats.events_out import PROGRAM_AWARDED, PROGRAM_REVOKED
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.program_events_out import ProgramChange, program_event
from tests.scenes.openedx import READ_AT, SIGNALS, instants
from tests.scenes.programs import definition

phrases = st.text(max_size=40)
changes = st.builds(
    ProgramChange,
    st.integers(1, 2**63 - 1),
    st.integers(1, 999),
    st.builds(
        ProgramTransition,
        instants,
        st.sampled_from(ProgramCertificateStatus),
        st.sampled_from(ProgramCause),
        st.builds(Actor, phrases, phrases),
        instants,
        instants,
    ),
    st.builds(lambda title, kind: definition()._replace(title=title, type=kind), phrases, phrases),
    st.just("") | st.uuids().map(str),
)


def content(change: ProgramChange) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the type of a change's event, what Open edX's readers look at, and all of it."""
    outgoing = program_event(change, "records")
    stated = json.loads(outgoing.detail)
    return outgoing.event_type, {"program_certificate": stated["program_certificate"]}, stated


@given(changes)
def test_what_is_sent_is_the_librarys_data_there_and_back(change: ProgramChange) -> None:
    event_type, data, _ = content(change)
    assert event_type == (
        PROGRAM_AWARDED if change.transition.status is ProgramCertificateStatus.AWARDED else PROGRAM_REVOKED
    )
    signal = SIGNALS[event_type]
    stated = AvroSignalDeserializer(signal).from_dict(data)
    assert AvroSignalSerializer(signal).to_dict(stated) == data
    assert deserialize_bytes_to_event_data(serialize_event_data_to_bytes(stated, signal), signal) == stated
    schema = fastavro.parse_schema(schema_from_signal(signal))
    wire = io.BytesIO()
    fastavro.schemaless_writer(wire, schema, data, strict=True)
    wire.seek(0)
    assert fastavro.schemaless_reader(wire, schema, None) == data


@given(changes)
def test_it_names_the_learner_and_the_program_and_nobody_by_name(change: ProgramChange) -> None:
    event_type, data, stated = content(change)
    certificate = AvroSignalDeserializer(SIGNALS[event_type]).from_dict(data)["program_certificate"]
    assert certificate.user.id == change.learner_id
    pii = certificate.user.pii
    assert {pii.username, pii.email, pii.name} == {""}
    program = certificate.program
    assert (program.uuid, program.title, program.program_type) == change.definition[:3]
    assert (certificate.status, certificate.uuid) == (change.transition.status, change.uuid)
    read = EventsMetadata.from_json(json.dumps(stated["metadata"]))
    assert (read.time, read.event_type, read.source) == (change.transition.at, event_type, OWN_SOURCE)
    assert stated["decision"]["number"] == change.number


@given(changes, changes)
def test_an_event_that_is_sent_twice_has_one_id_whatever_was_learnt_meanwhile(
    change: ProgramChange, other: ProgramChange
) -> None:
    def event_id(of: ProgramChange) -> str:
        return str(content(of)[2]["metadata"]["id"])

    assert event_id(change) == event_id(change._replace(uuid=other.uuid))
    assert event_id(change) != event_id(change._replace(number=change.number + 1))


@given(changes)
def test_it_is_never_taken_in_again(change: ProgramChange) -> None:
    outgoing = program_event(change, "records")
    on_the_bus = {"source": OWN_SOURCE, "detail-type": outgoing.event_type, "detail": outgoing.detail}
    assert decode(json.dumps(on_the_bus), READ_AT) is None
