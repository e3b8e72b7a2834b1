"""Open edX's own library as the other side of the contract: its signals, data classes and JSON."""

import json
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attr
from ccx_keys.locator import CCXLocator  # type: ignore[import-untyped]
from hypothesis import strategies as st
from opaque_keys.edx.keys import CourseKey, UsageKey
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.learning import signals
from openedx_events.learning.data import UserPersonalData
from openedx_events.tooling import OpenEdxPublicSignal

from certrules.core.terms import Status, mode_of
from certrules.formats.event_types import EVENT_TYPES

SIGNALS: Mapping[str, Any] = {
    signal.event_type: signal for signal in vars(signals).values() if isinstance(signal, OpenEdxPublicSignal)
}
TAKEN_IN = [name for name in EVENT_TYPES if name.startswith("org.openedx.")]
READ_AT = datetime(2026, 8, 1, tzinfo=UTC)
PERSONAL = "~personal~"
"""In every string of the generated events that identifies a person."""

_piece = st.from_regex(r"[\w\-~.:]{1,20}", fullmatch=True)
_old_piece = st.from_regex(r"[\w\-.%]{1,20}", fullmatch=True)
ccx_keys = st.builds("ccx-v1:{}+{}+{}+ccx@{}".format, _piece, _piece, _piece, st.integers(0, 10**9))
course_keys = (
    st.builds("course-v1:{}+{}+{}".format, _piece, _piece, _piece)
    | st.builds("{}/{}/{}".format, _old_piece, _old_piece, _old_piece)
    | ccx_keys
)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2026, 7, 31), timezones=st.just(UTC))  # noqa: DTZ001
_certificate_addresses = st.text(max_size=20) | st.uuids().map(lambda uuid: f"https://x.org/c/{uuid.hex}")
_block = st.text(string.ascii_lowercase, min_size=1, max_size=20)
_personal = st.text(max_size=10).map(lambda text: PERSONAL + text)

_BY_TYPE: Mapping[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    float: st.floats(0, 1),
    int: st.integers(1, 2**63 - 1),
    str: st.text(max_size=40),
    CourseKey: course_keys.map(CourseKey.from_string),
    CCXLocator: ccx_keys.map(CCXLocator.from_string),
    UsageKey: _block.map(lambda block: UsageKey.from_string(f"block-v1:A+B+C+type@problem+block@{block}")),
}
_BY_NAME: Mapping[str, st.SearchStrategy[Any]] = {
    "coach_email": _personal,
    "current_status": st.sampled_from(Status).map(str),
    "download_url": _certificate_addresses,
    "mode": st.text(min_size=1, max_size=40).filter(mode_of),
    "passed_timestamp": instants,
    "expiration_date": instants,
    "name": _personal,
    "role": st.sampled_from(["beta_testers", "staff", "instructor"]),
}


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Generate instances of a data class, or of what one holds."""
    if not attr.has(kind):
        return _BY_TYPE[kind]
    fields = {field.name: _values(kind, field) for field in attr.fields(kind)}
    return st.builds(kind, **fields)


def _values(kind: Any, field: Any) -> st.SearchStrategy[Any]:
    if kind is UserPersonalData:
        return _personal
    values = _BY_NAME[field.name] if field.name in _BY_NAME else instances(field.type)
    return st.none() | values if field.default is None else values


def data_of(event_type: str) -> st.SearchStrategy[Any]:
    """Generate the data of an event of the type."""
    (kind,) = SIGNALS[event_type].init_data.values()
    return instances(kind)


def detail(event_type: str, event_id: UUID, at: datetime, data: Any) -> str:
    """Return an event as JSON, in the forms that the library itself gives to metadata and data."""
    signal = SIGNALS[event_type]
    (key,) = signal.init_data
    metadata = EventsMetadata(
        event_type=event_type, id=event_id, time=at, source="openedx/lms/web", sourcehost="lms.example.org"
    )
    return json.dumps({"metadata": metadata.to_json_data(), **AvroSignalSerializer(signal).to_dict({key: data})})
