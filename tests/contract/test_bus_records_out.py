"""Certificate events go out as the platform's own library reads them, and never without a username."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data

from certrules.formats.bus_records_out import RecordOut, record_of
from certrules.formats.events_out import CHANGED, CREATED, REVOKED
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.refusals import Reason, RefusedError
from certs.sources.event_builders import Detail
from tests.scenes.openedx import SIGNALS
from tests.scenes.story_of_samples import delivered, story

CERTIFICATE = next(detail for detail in story() if detail["metadata"]["event_type"] == CREATED)


def published(event_type: str = CREATED, username: Any = "", **changes: Any) -> Detail:
    """Return an event of this service as the bus delivers it."""
    event = json.loads(json.dumps(delivered(CERTIFICATE)))
    event |= {"source": OWN_SOURCE, "detail-type": event_type} | changes
    event["detail"]["metadata"] |= {"source": OWN_SOURCE, "event_type": event_type}
    event["detail"]["certificate"]["user"]["pii"] = {"username": username, "email": "a@b.c", "name": "Ann"}
    event["detail"]["decision"] = {"cause": "earned"}
    return dict(event)


def out(event: Any, username: str = "") -> RecordOut:
    return record_of(event if isinstance(event, str) else json.dumps(event), lambda _: username)


def refused(event: Any, username: str = "") -> Reason:
    with pytest.raises(RefusedError) as refusal:
        out(event, username)
    return refusal.value.reason


@pytest.mark.parametrize("event_type", [CREATED, CHANGED, REVOKED])
@pytest.mark.parametrize(("in_event", "known"), [("ann", ""), ("", "ann"), (" ann ", "bob")])
def test_the_platforms_library_reads_what_goes_out_with_the_username_and_no_other_name(
    event_type: str, in_event: str, known: str
) -> None:
    record = out(published(event_type, in_event), known)
    (data,) = deserialize_bytes_to_event_data(record.data, SIGNALS[event_type]).values()
    assert (data.user.pii.username, data.user.pii.email, data.user.pii.name) == ("ann", "", "")
    assert data.user.id == CERTIFICATE["certificate"]["user"]["id"]
    assert (data.current_status, data.mode) == ("downloadable", "verified")
    assert record.key == str(data.course.course_key)
    assert record.metadata["type"] == event_type
    assert record.metadata["sourcelib"] == "11.2.0"


@given(
    st.text(st.sampled_from(" \t\n\u200b\u3000\xa0"), max_size=4) | st.none() | st.integers() | st.text(min_size=151)
)
def test_an_event_without_a_username_is_refused_by_name(nothing: Any) -> None:
    assert refused(published(username=nothing)) is Reason.NO_USERNAME
    if isinstance(nothing, str):
        assert refused(published(), nothing) is Reason.NO_USERNAME


def test_what_is_no_certificate_event_of_this_service_is_refused() -> None:
    assert refused(published("certificates.breaker.tripped.v1", "ann")) is Reason.UNKNOWN_TYPE
    assert refused(published(username="ann", source="openedx/lms/web")) is Reason.SOURCE_NOT_TRUSTED
    assert refused("{") is Reason.NOT_JSON
    assert refused("[]") is Reason.WRONG_TYPE
    assert refused("{}") is Reason.WRONG_FORM
    assert refused(published(username="ann") | {"detail": []}) is Reason.WRONG_FORM
    without = published(username="ann")
    del without["detail"]["certificate"]["user"]
    assert refused(without) is Reason.MISSING_FIELD
    odd = published(username="ann")
    odd["detail"]["certificate"]["mode"] = None
    assert refused(odd) is Reason.BAD_VALUE
