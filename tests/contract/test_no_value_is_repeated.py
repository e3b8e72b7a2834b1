"""A refusal, or a warning about a field, names the field and describes its value; it never repeats the value."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certrules.core.fact_types import Fact
from certrules.formats.events_in import decode
from certrules.formats.refusals import RefusedError
from tests.scenes.people import SECRET
from tests.scenes.scene import TEMPLATE

SAMPLES = sorted((TEMPLATE.parent / "events").glob("*.json"))
NOW = datetime(2026, 8, 1, tzinfo=UTC)
ODD: tuple[Any, ...] = (
    SECRET,
    f"{SECRET}\n\u202e",
    SECRET * 100,
    [SECRET],
    {"name": SECRET},
    {SECRET: SECRET},
    json.dumps({"name": SECRET}),
)


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each part of an event."""
    for name, item in value.items() if isinstance(value, dict) else ():
        yield (*path, name)
        yield from paths(item, (*path, name))


def changed(event: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return an event with another value at a path."""
    copied = deepcopy(event)
    parent = copied
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = value
    return copied


def stated(body: str) -> list[str]:
    """Return what is stated about an event: its refusal, or its warnings."""
    try:
        message = decode(body, NOW)
    except RefusedError as refusal:
        return [str(refusal), *refusal.as_json().values()]
    entries = () if message is None else message.entries
    return [part for entry in entries if entry.fact is Fact.IGNORED_FIELD for part in (entry.value.why, entry.subject)]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_whatever_stands_in_a_field_is_not_repeated(sample: Path) -> None:
    event = json.loads(sample.read_text())
    something_was_stated = False
    for path in paths(event):
        for value in ODD:
            texts = stated(json.dumps(changed(event, path, value)))
            assert not [text for text in texts if "Lovelace" in text], (path, texts)
            something_was_stated |= texts != []
    assert something_was_stated


@pytest.mark.parametrize(
    "policy",
    [
        {"preset": SECRET},
        {SECRET: True},
        {"eligible_modes": SECRET},
        {"eligible_modes": [{"a": SECRET}]},
        {"id_verification_required": SECRET},
        {"hold_seconds": SECRET},
        {"breaker_limit": SECRET},
        {"version": [SECRET]},
        {"passing_letters": SECRET},
        {"passing_letters": ["A", f"None {SECRET}", "F"]},
        SECRET,
        [SECRET],
    ],
)
def test_a_policy_is_not_repeated(policy: Any) -> None:
    event = json.loads((TEMPLATE.parent / "events" / "course-run-configured.json").read_text())
    texts = stated(json.dumps(changed(event, ("detail", "course_run", "policy"), policy)))
    assert texts
    assert not [text for text in texts if "Lovelace" in text]


@pytest.mark.parametrize(
    "body",
    [
        {"Records": [{"eventSource": SECRET}]},
        {"specversion": "1.0", "datacontenttype": SECRET},
        {"specversion": "1.0", "data_base64": SECRET},
        {"event_source": "server", "name": SECRET},
        {"event_type": f"edx.{SECRET}"},
        {"name": "edx.ada lovelace Lovelace"},
        {"actor": SECRET, "verb": SECRET, "object": SECRET},
        {"requestContext": SECRET},
        [SECRET, SECRET],
        SECRET,
    ],
)
def test_another_form_is_not_repeated(body: Any) -> None:
    for text in (json.dumps(body), json.dumps(body)[:-2], json.dumps(json.dumps(body))):
        texts = stated(text)
        assert texts
        assert not [part for part in texts if "Lovelace" in part]
    assert not [part for part in stated(SECRET) if "Lovelace" in part]


def test_the_name_of_an_event_type_is_repeated_for_it_is_what_has_to_be_mended() -> None:
    event = json.loads((TEMPLATE.parent / "events" / "enrollment-created.json").read_text())
    for name in (
        "org.openedx.content_authoring.xblock.published.v1",
        "org.openedx.learning.course.enrollment.created.v7",
    ):
        other = changed(changed(event, ("detail-type",), name), ("detail", "metadata", "event_type"), name)
        assert any(name in text for text in stated(json.dumps(other)))
