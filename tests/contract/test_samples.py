"""The samples in events/: one for each type of event, and one for each reason to refuse one."""

import json
from itertools import chain
from pathlib import Path

import pytest

from certrules.core.facts import Record
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.terms import Cause, Status
from certrules.core.timeline import merge
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.learner_names import Name
from certrules.formats.messages import Message
from certrules.formats.refusals import BY_BRIDGES, Reason, RefusedError
from tests.scenes.story_of_samples import CERTIFICATE_ID, COURSE_RUN, EVENTS, LEARNER, PARKED, REPORTED_BY, files

SAMPLES = sorted(EVENTS.glob("*.json"))

REFUSED_FIELDS = {
    Reason.TOO_LARGE: "",
    Reason.NOT_JSON: "",
    Reason.MISSING_FIELD: "enrollment.user.id",
    Reason.WRONG_TYPE: "enrollment.user.id",
    Reason.BAD_VALUE: "enrollment.mode",
    Reason.WRONG_FORM: "",
    Reason.UNKNOWN_TYPE: "metadata.event_type",
    Reason.UNKNOWN_VERSION: "metadata.event_type",
    Reason.TYPE_MISMATCH: "metadata.event_type",
    Reason.NAIVE_TIME: "metadata.time",
    Reason.FUTURE_TIME: "metadata.time",
    Reason.SOURCE_NOT_TRUSTED: "metadata.source",
    Reason.BAD_COURSE_KEY: "enrollment.course.course_key",
}


def reported() -> list[Message]:
    messages = [decode(sample.read_bytes(), REPORTED_BY) for sample in SAMPLES]
    return [message for message in messages if message is not None]


def test_the_files_are_what_the_story_makes() -> None:
    standing = {path: path.read_text() for path in [*SAMPLES, *PARKED.iterdir()]}
    assert standing == files(), "python -m tests.scenes.story_of_samples writes them"


def test_every_type_of_event_has_one_sample() -> None:
    assert sorted(message.event_type for message in reported()) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_is_what_eventbridge_delivers(sample: Path) -> None:
    delivered = json.loads(sample.read_text())
    keys = "version id detail-type source account time region resources detail"
    assert set(delivered) == set(keys.split())
    assert delivered["detail-type"] == delivered["detail"]["metadata"]["event_type"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_the_detail_alone_decodes_to_the_same(sample: Path) -> None:
    alone = decode(json.dumps(json.loads(sample.read_text())["detail"]), REPORTED_BY)
    delivered = decode(sample.read_bytes(), REPORTED_BY)
    assert alone is not None
    assert delivered is not None
    assert alone._replace(sent_at=delivered.sent_at) == delivered


def test_the_samples_are_of_one_learner_and_never_at_the_same_time() -> None:
    messages = reported()
    assert {message.learner_id for message in messages} == {LEARNER, None}
    assert len({message.at for message in messages}) == len({message.event_id for message in messages})


def test_the_samples_end_with_a_certificate() -> None:
    about = [message for message in reported() if message.course_run in {COURSE_RUN, None}]
    timeline = merge((), chain.from_iterable(message.entries for message in about))
    outcome = replay(Record(LEARNER, COURSE_RUN, timeline), undated(DEFAULT), REPORTED_BY)
    assert [(transition.status, transition.cause) for transition in outcome.transitions] == [
        (Status.DOWNLOADABLE, Cause.EARNED),
        (Status.UNAVAILABLE, Cause.EXAM_REJECTED),
        (Status.DOWNLOADABLE, Cause.REINSTATED),
        (Status.UNAVAILABLE, Cause.INVALIDATED),
        (Status.DOWNLOADABLE, Cause.REINSTATED),
    ]
    assert outcome.certificate is not None
    assert outcome.certificate.certificate_id == CERTIFICATE_ID.hex
    assert outcome.pending is None


def test_a_name_is_only_in_events_that_carry_it() -> None:
    assert {message.event_type: message.name for message in reported() if message.name} == {
        "certificates.learner.named.v1": Name("learner42", "Learner Forty-Two"),
        "certificates.learner.renamed.v1": Name("learner-42", ""),
    }


def test_every_reason_that_one_event_can_give_has_a_sample() -> None:
    assert set(REFUSED_FIELDS) == set(Reason) - {Reason.TIMELINE_FULL} - BY_BRIDGES
    assert {path.stem for path in PARKED.iterdir()} == {reason.replace("_", "-") for reason in REFUSED_FIELDS}


@pytest.mark.parametrize("reason", REFUSED_FIELDS)
def test_a_malformed_sample_is_refused_with_reason_field_and_fix(reason: Reason) -> None:
    body = (PARKED / f"{reason.replace('_', '-')}.json").read_bytes()
    with pytest.raises(RefusedError) as refusal:
        decode(body, REPORTED_BY)
    stated = refusal.value.as_json()
    assert (stated["reason"], stated["field"]) == (reason, REFUSED_FIELDS[reason])
    assert stated["fix"]
