"""An optional field that makes no sense is read or left out; it is named, and takes nothing else along."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact
from certrules.core.terms import Status
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import decode
from certrules.formats.messages import Message
from certrules.formats.refusals import RefusedError
from certs.reference import fields_of
from tests.scenes.openedx import READ_AT
from tests.scenes.story_of_samples import delivered, name, story

SAMPLES = {name(detail): delivered(detail) for detail in story()}
CONFIGURED = SAMPLES["course-run-configured"]
OPTIONAL = [
    (sample, field.path)
    for sample in SAMPLES.values()
    for event_type in [EVENT_TYPES[sample["detail-type"]]]
    for field in fields_of(event_type)
    if not field.required and field.path.rpartition(".")[2] not in event_type.form.strict
]
ODD = [
    "hidden",
    "0026-05-29T22:00:00Z",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "",
    " ",
    "NULL",
    "maybe",
    [],
    {},
    -1,
    1e308,
]

odd_values = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20), st.lists, max_leaves=3
)


def changed(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    event = deepcopy(event)
    key, _, field = path.partition(".")
    event["detail"][key][field] = value
    return event


def read(event: dict[str, Any]) -> Message:
    message = decode(json.dumps(event), READ_AT)
    assert message is not None
    return message


def settings(**content: object) -> dict[str, object]:
    """Return the settings of a course run that are read from an event, and the fields that were left out as None."""
    detail = {"metadata": CONFIGURED["detail"]["metadata"], "course_run": {"course_key": "course-v1:A+B+C"} | content}
    entries = read(CONFIGURED | {"detail": detail}).entries
    found = {entry.subject: entry.value for entry in entries if entry.fact is Fact.COURSE_RUN and entry.subject}
    return found | {entry.subject: "left out" for entry in entries if entry.fact is Fact.IGNORED_FIELD}


@given(st.sampled_from(OPTIONAL), odd_values)
def test_an_odd_optional_field_takes_nothing_else_along(where: tuple[dict[str, Any], str], value: object) -> None:
    event, path = where
    field = path.partition(".")[2]
    odd, whole = read(changed(event, path, value)), read(event)
    assert odd[:5] == whole[:5]
    assert (odd.name, odd.sent_at) == (whole.name, whole.sent_at)
    lines = {(entry.fact, entry.subject): entry.value for entry in odd.entries}
    for entry in whole.entries:
        if entry.subject != field:  # a setting of its own may be missing; all others are there
            assert (entry.fact, entry.subject) in lines
        if entry.fact is Fact.COURSE_RUN and entry.subject != field:
            assert lines[entry.fact, entry.subject] == entry.value


@given(st.sampled_from(OPTIONAL), odd_values)
def test_what_is_left_out_is_named(where: tuple[dict[str, Any], str], value: object) -> None:
    event, path = where
    without = changed(event, path, None)
    key, _, field = path.partition(".")
    del without["detail"][key][field]
    entries, named = read(changed(event, path, value)).entries, [Fact.IGNORED_FIELD]
    warnings = [entry for entry in entries if entry.fact in named]
    if warnings:
        assert [entry.subject for entry in warnings] == [path]
        assert [entry for entry in entries if entry.fact not in named] == list(read(without).entries) or "cut" in str(
            warnings
        )


@pytest.mark.parametrize("written", [True, 1, 1.0, "1", "1.0", "true", "True", "t", "yes", "on", " TRUE "])
def test_a_flag_is_read_in_any_spelling(written: object) -> None:
    assert settings(web_certificates_enabled=written) == {"web_certificates_enabled": True}
    event = changed(SAMPLES["passing-status-updated"], "course_passing_status.is_passing", written)
    assert [entry.value for entry in read(event).entries] == [True]


@pytest.mark.parametrize("written", [0, 0.0, "0", "0.0", "false", "F", "no", "off"])
def test_so_is_no(written: object) -> None:
    assert settings(self_paced=written) == {"self_paced": False}


@pytest.mark.parametrize("written", ["", "maybe", 2, "2", [], "NULL", "None", "-"])
def test_a_flag_that_is_neither_is_left_out_or_if_it_decides_refused(written: object) -> None:
    assert settings(self_paced=written) == {"course_run.self_paced": "left out"}
    with pytest.raises(RefusedError):
        read(changed(SAMPLES["passing-status-updated"], "course_passing_status.is_passing", written))


@pytest.mark.parametrize(
    ("written", "behavior"),
    [
        *(("End", "end"), (" end ", "end"), ('"early_no_info"', "early_no_info"), ("END_WITH_DATE", "end_with_date")),
        ("early_with_info", "early_no_info"),
        (None, None),
    ],
)
def test_a_display_behavior_is_read_in_any_spelling(written: object, behavior: str | None) -> None:
    assert settings(display_behavior=written, self_paced=True) == {"display_behavior": behavior, "self_paced": True}


@pytest.mark.parametrize("written", ["hidden", "", "early", 1, [], "None"])
def test_an_unknown_display_behavior_is_left_out(written: object) -> None:
    left_out = {"course_run.display_behavior": "left out", "self_paced": True}
    assert settings(display_behavior=written, self_paced=True) == left_out


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-05-29", datetime(2026, 5, 29, tzinfo=UTC)),
        ("2026-05-29T22:00:00", datetime(2026, 5, 29, 22, tzinfo=UTC)),
        ("2026-05-29 22:00:00", datetime(2026, 5, 29, 22, tzinfo=UTC)),
        ("2026-05-29T22:00:00Z", datetime(2026, 5, 29, 22, tzinfo=UTC)),
        (1780092000, datetime(2026, 5, 29, 22, tzinfo=UTC)),
        (1780092000000, datetime(2026, 5, 29, 22, tzinfo=UTC)),
        ("1780092000000", datetime(2026, 5, 29, 22, tzinfo=UTC)),
        (None, None),
    ],
)
def test_an_optional_time_is_read_in_utc(written: object, end: datetime | None) -> None:
    assert settings(end=written, display_behavior="end") == {"end": end, "display_behavior": "end"}


@pytest.mark.parametrize(
    "written",
    [
        "0026-05-29T22:00:00Z",
        "0026-05-29",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "1969-12-31T00:00:00Z",
        "",
        "soon",
        26,
        [],
    ],
)
def test_a_time_that_makes_no_sense_is_left_out(written: object) -> None:
    assert settings(end=written, display_behavior="end") == {"course_run.end": "left out", "display_behavior": "end"}


@pytest.mark.parametrize("written", ["0026-05-29T22:00:00Z", "", "0000-00-00", "soon", 1780092000000])
def test_an_approval_whose_end_can_not_be_read_is_refused_for_it_would_never_end(written: object) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(changed(SAMPLES["idv-attempt-approved"], "idv_attempt.expiration_date", written))
    assert refusal.value.field == "idv_attempt.expiration_date"


@pytest.mark.parametrize(
    ("written", "status"),
    [("Downloadable", Status.DOWNLOADABLE), (" NOTPASSING ", Status.NOTPASSING), ("regenerating", Status.GENERATING)],
)
def test_a_status_is_read_in_any_case(written: str, status: Status) -> None:
    event = changed(SAMPLES["recorded"], "certificate.status", written)
    assert [entry.value.status for entry in read(event).entries] == [status]


def test_a_long_note_is_cut_and_named() -> None:
    entry, warning = read(changed(SAMPLES["invalidation-created"], "invalidation.notes", "x" * 3_000)).entries
    assert (len(entry.notes), entry.value, warning.subject) == (2_000, True, "invalidation.notes")


@pytest.mark.parametrize("mode", ["Audit", "audit ", "\tAUDIT\n"])
def test_a_mode_is_trimmed_and_in_lower_case(mode: str) -> None:
    (entry,) = read(changed(SAMPLES["enrollment-created"], "enrollment.mode", mode)).entries
    assert entry.value.mode == "audit"


@pytest.mark.parametrize("mode", ["", " ", "None", "null", "N/A", "-", "NaN", "\xa0", "undefined"])
def test_a_mode_that_spells_nothing_is_refused(mode: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(changed(SAMPLES["enrollment-created"], "enrollment.mode", mode))
    assert refusal.value.field == "enrollment.mode"


@pytest.mark.parametrize("written", ["", "NULL", "0000-00-00", "yesterday", "0026-01-01T00:00:00Z"])
def test_a_date_of_passing_that_makes_no_sense_is_no_evidence(written: str) -> None:
    grade, *ignored = read(
        changed(SAMPLES["persistent-grade-summary-changed"], "grade.passed_timestamp", written)
    ).entries
    assert grade.value.has_passed_timestamp is False
    assert [entry.subject for entry in ignored] == ["grade.passed_timestamp"]
