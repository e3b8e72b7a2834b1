"""No text that names a person leaves the platform: of every type that docs/open-edx.md has it send."""

import re
from datetime import UTC, datetime
from typing import Any

import attr
import pytest
from opaque_keys.edx.keys import CourseKey, UsageKey
from openedx_events.data import EventsMetadata
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

from openedx_course_certificates.events import entry_of
from plugin.tests.test_settings import BLOCKS, pasted

SENT = {
    *("course_version", "current_status", "display_name", "download_url", "end", "exam_type", "grade"),
    *("grading_policy_hash", "letter_grade", "mode", "org_key", "previous_status", "role", "start", "status"),
}
"""The fields with a text that is sent. A type that has another one must be looked at: does it name a person?"""

KEY = CourseKey.from_string("course-v1:A+B+C")
VALUES: dict[str, Any] = {
    "int": 7,
    "bool": True,
    "float": 0.5,
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "CourseKey": KEY,
    "CCXLocator": CourseKey.from_string("ccx-v1:A+B+C+ccx@1"),
    "UsageKey": UsageKey.from_string("block-v1:A+B+C+type@sequential+block@exam"),
}


def filled(kind: Any, name: str) -> Any:
    """Return a value of a type, where each text is the name of its field."""
    if attr.has(kind):
        return kind(**{item.name: filled(item.type, item.name) for item in attr.fields(kind)})
    stated = getattr(kind, "__name__", str(kind))
    return f"<{name}>" if stated == "str" else VALUES[stated]


@pytest.mark.usefixtures("database")
def test_only_texts_that_name_no_person_are_sent() -> None:
    load_all_signals()
    types = [name for block in BLOCKS for name in pasted(block)["EVENT_BUS_PRODUCER_CONFIG"]]
    types += [f"org.openedx.learning.certificate.{name}.v1" for name in ("created", "changed", "revoked")]
    assert len(types) == 16
    texts: set[str] = set()
    for event_type in types:
        signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
        data = {key: filled(kind, key) for key, kind in signal.init_data.items()}
        entry = entry_of(EventsMetadata(event_type), data, {}, names=False)
        texts |= set(re.findall(r"<(\w+)>", entry.detail))

    assert texts == SENT
