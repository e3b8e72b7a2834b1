"""What we build is what the platform's own library reads, and what the service takes in."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import openedx_events
import pytest
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.learning import signals
from openedx_events.tooling import OpenEdxPublicSignal

from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certs.sources import event_builders
from certs.sources.event_builders import Detail, envelope
from certs.sources.program_builder import program, program_revocation

ID = UUID("6a1b3cfe-5e0d-4b3c-9a55-0c5b2e9d7f10")
AT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
LEARNER = 17
RUN = "course-v1:DemoX+CS101+2026_T1"
CCX = "ccx-v1:DemoX+CS101+2026_T1+ccx@1"
EXAM = "block-v1:DemoX+CS101+2026_T1+type@sequential+block@final_exam"

WHO = (ID, AT, LEARNER, RUN)
BY = "support-4"
WHY = "Asked for."

SAMPLES: list[Detail] = [
    event_builders.enrollment("course.enrollment.created", *WHO, mode="audit"),
    event_builders.enrollment("course.enrollment.changed", *WHO, mode="verified", created=AT - timedelta(days=3)),
    event_builders.enrollment("course.unenrollment.completed", *WHO, mode="verified"),
    event_builders.passing_status("course.passing.status.updated", *WHO, is_passing=True),
    event_builders.passing_status("ccx.course.passing.status.updated", ID, AT, LEARNER, CCX, is_passing=False),
    event_builders.grade_summary("course.persistent_grade_summary.changed", *WHO, percent=0.71, letter="B"),
    event_builders.idv_attempt("idv_attempt.approved", ID, AT, LEARNER, attempt_id=5, expires=AT + timedelta(days=730)),
    event_builders.idv_attempt("idv_attempt.denied", ID, AT, LEARNER, attempt_id=5),
    event_builders.exam_attempt("exam.attempt.rejected", *WHO, usage_key=EXAM),
    event_builders.exam_attempt("exam.attempt.verified", *WHO, usage_key=EXAM),
    event_builders.exam_attempt("exam.attempt.reset", *WHO, usage_key=EXAM),
    event_builders.course_access_role("user.course_access_role.added", *WHO),
    event_builders.course_access_role("user.course_access_role.removed", *WHO),
    event_builders.certificate(
        "certificate.created", *WHO, mode="verified", grade="0.71", status="downloadable", certificate_id=ID
    ),
    event_builders.certificate("certificate.changed", *WHO, mode="audit", grade="", status="audit_passing"),
    event_builders.certificate("certificate.revoked", *WHO, mode="verified", grade="0.5", status="notpassing"),
    event_builders.id_verification(
        "id_verification.approved", *WHO[:3], kind="sso", attempt="5", expires=AT, by=BY, notes=WHY
    ),
    event_builders.id_verification("id_verification.denied", *WHO[:3], kind="sso", attempt="5", by=BY, notes=WHY),
    event_builders.allowlist("allowlist.entry.added", *WHO, by=BY, notes=WHY),
    event_builders.allowlist("allowlist.entry.removed", *WHO, by=BY, notes=WHY),
    event_builders.invalidation("invalidation.created", *WHO, by=BY, notes=WHY),
    event_builders.invalidation("invalidation.lifted", *WHO, by=BY, notes=WHY),
    event_builders.revocation("revocation.held", *WHO, cause="grade_fell", by=BY, notes=WHY),
    event_builders.revocation("revocation.released", *WHO, cause="grade_fell", by=BY, notes=WHY),
    event_builders.revocation("revocation.discarded", *WHO, cause="grade_fell", by=BY, notes=WHY),
    event_builders.automatic_revocations("automatic_revocations.stopped", *WHO[:2], None, by=BY, notes=WHY),
    event_builders.automatic_revocations("automatic_revocations.resumed", *WHO[:2], WHO[3], by=BY, notes=WHY),
    event_builders.date_override("date_override.set", *WHO, by=BY, notes=WHY, date=AT),
    event_builders.date_override("date_override.removed", *WHO, by=BY, notes=WHY),
    event_builders.generation_request("generation.requested", *WHO, by=BY, notes=WHY),
    event_builders.configuration("course_run.configured", ID, AT, RUN, end=AT, available_date=None, self_paced=True),
    event_builders.recorded_certificate(
        "recorded",
        *WHO,
        status="downloadable",
        mode="verified",
        grade="0.71",
        certificate_id=ID,
        created=AT,
        modified=AT,
    ),
    event_builders.learner("learner.named", ID, AT, LEARNER, username="learner17", name="Learner 17"),
    event_builders.learner("learner.renamed", ID, AT, LEARNER, username="learner17b"),
    event_builders.learner("learner.erased", ID, AT, LEARNER),
    program("program.configured", ID, AT, str(ID), {"DemoX+CS101": [RUN]}, title="Computer Science"),
    program_revocation("program.revocation.held", *WHO[:3], str(ID), cause="course_lost", by=BY, notes=WHY),
    program_revocation("program.revocation.released", *WHO[:3], str(ID), cause="never_earned", by=BY, notes=WHY),
    program_revocation("program.revocation.discarded", *WHO[:3], str(ID), cause="definition_gap", by=BY, notes=WHY),
]
PUBLIC = [sample for sample in SAMPLES if sample["metadata"]["event_type"].startswith("org.openedx.")]


def event_type(detail: Detail) -> str:
    return str(detail["metadata"]["event_type"])


def signal_of(detail: Detail) -> OpenEdxPublicSignal:
    by_type = {value.event_type: value for value in vars(signals).values() if isinstance(value, OpenEdxPublicSignal)}
    return by_type[event_type(detail)]


def data_of(detail: Detail) -> Detail:
    return {key: value for key, value in detail.items() if key != "metadata"}


def test_there_is_a_builder_for_every_type_that_is_taken_in() -> None:
    assert {event_type(sample) for sample in SAMPLES} == set(EVENT_TYPES)


@pytest.mark.parametrize("detail", PUBLIC, ids=event_type)
def test_the_platforms_library_reads_it_and_would_write_the_same(detail: Detail) -> None:
    signal = signal_of(detail)
    read = AvroSignalDeserializer(signal).from_dict(data_of(detail))
    assert AvroSignalSerializer(signal).to_dict(read) == data_of(detail)


@pytest.mark.parametrize("detail", SAMPLES, ids=event_type)
def test_the_metadata_is_what_the_platforms_library_would_write(detail: Detail) -> None:
    metadata = detail["metadata"]
    assert json.loads(EventsMetadata.from_json(json.dumps(metadata)).to_json()) == metadata
    assert metadata["sourcelib"] == [int(part) for part in openedx_events.__version__.split(".")]


@pytest.mark.parametrize("detail", SAMPLES, ids=event_type)
def test_the_service_takes_it_in_bare_and_in_its_envelope(detail: Detail) -> None:
    message = decode(json.dumps(detail), received_at=AT)
    assert message is not None
    assert (message.event_id, message.event_type, message.at) == (str(ID), event_type(detail), AT)
    assert decode(json.dumps(envelope(detail)), received_at=AT) == message


def test_an_envelope_is_an_entry_for_eventbridge() -> None:
    detail = SAMPLES[0]
    assert envelope(detail) == {
        "source": "openedx/lms/web",
        "detail-type": "org.openedx.learning.course.enrollment.created.v1",
        "time": "2026-03-14T15:09:26+00:00",
        "detail": detail,
    }


@pytest.mark.parametrize("detail", PUBLIC, ids=event_type)
def test_personal_data_is_left_out(detail: Detail) -> None:
    assert "learner17" not in json.dumps(detail)
    for pii in found(detail, "pii"):
        assert pii == {"username": "", "email": "", "name": ""}


def found(value: object, key: str) -> list[object]:
    """Everything that stands under this key, however deep."""
    if not isinstance(value, dict):
        return []
    here = [value[key]] if key in value else []
    return here + [hit for inner in value.values() for hit in found(inner, key)]
