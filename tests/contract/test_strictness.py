"""Whatever arrives, `decode` reads it as it was meant, or refuses it and names the field and the reason."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact, Grade
from certrules.core.terms import Status
from certrules.formats.event_types import EVENT_TYPES
from certrules.formats.events_in import CLOCK_SKEW, MAX_BYTES, decode
from certrules.formats.messages import Message
from certrules.formats.refusals import Reason, RefusedError
from certs.reference import Field, fields_of, metadata_fields
from tests.scenes.openedx import READ_AT
from tests.scenes.story_of_samples import delivered, name, story

SAMPLES: Mapping[str, dict[str, Any]] = {name(detail): delivered(detail) for detail in story()}
FIELDS: Mapping[str, tuple[Field, ...]] = {
    short: (*metadata_fields(), *fields_of(EVENT_TYPES[sample["detail-type"]])) for short, sample in SAMPLES.items()
}
READ = list({field: (short, field) for short, fields in FIELDS.items() for field in fields}.values())
"""Each field that is read, with a sample that has it."""
PATHS = {field.path for _, field in READ} | {"", "account", "detail", "detail-type", "source", "time"}
KNOWN_PATHS = PATHS | {part for path in PATHS for part in accumulate(path.split("."), "{}.{}".format)}

KINDS: Mapping[str, object] = {
    "null": None,
    "true or false": True,
    "integer": 7,
    "number": 7.5,
    "string": "x",
    "array": [],
    "object": {},
}
POLICY_KINDS = {"null", "string", "object"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def kinds(field: Field) -> set[str]:
    """Return the JSON types that a field may have, as `KINDS` calls them."""
    found: set[str] = set()
    for kind in field.type.split(" or "):
        if kind in {"time", "status", "cause"} or "`" in kind:
            found.add("string")
        elif kind.startswith("list"):
            found.add("array")
        elif kind.startswith("number"):
            found |= {"number", "integer"}
        elif kind == "policy":
            found |= POLICY_KINDS
        else:
            found.add(kind)
    return found | {"true or false"} if field.type == "true or false" else found


def changed(short: str, path: str, value: object) -> dict[str, Any]:
    """Return a sample with another value at a path of its detail."""
    event = deepcopy(SAMPLES[short])
    *parents, last = path.split(".")
    inner = event["detail"]
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return event


def without(short: str, path: str) -> dict[str, Any]:
    """Return a sample without what stands at a path of its detail."""
    event = deepcopy(SAMPLES[short])
    *parents, last = path.split(".")
    inner = event["detail"]
    for key in parents:
        inner = inner[key]
    inner.pop(last, None)
    return event


def may_be_left_out(short: str, field: Field) -> bool:
    """Whether a field that makes no sense is left out, and the rest of the event is read."""
    if field.required:
        return False
    event_type = EVENT_TYPES[SAMPLES[short]["detail-type"]]
    return field.path.removeprefix(f"{event_type.key}.") not in event_type.form.strict


def but_for_warnings(message: Message | None) -> Message | None:
    """Return a message without the entries that name fields that were left out."""
    if message is None:
        return None
    return message._replace(entries=tuple(item for item in message.entries if item.fact is not Fact.IGNORED_FIELD))


def read(event: object) -> Message | None:
    return decode(json.dumps(event), READ_AT)


def refusal_of(body: str | bytes) -> RefusedError:
    """Return the refusal of a body, which names a field of the table and can be put on a queue."""
    with pytest.raises(RefusedError) as raised:
        decode(body, READ_AT)
    assert_sayable(raised.value)
    return raised.value


def taken(body: str | bytes) -> Message | RefusedError | None:
    """Return the message, or the refusal, of which the same holds."""
    try:
        return decode(body, READ_AT)
    except RefusedError as refusal:
        assert_sayable(refusal)
        return refusal


def assert_sayable(refusal: RefusedError) -> None:
    stated = refusal.as_json()
    assert json.loads(json.dumps(stated)) == stated
    assert stated["fix"]
    assert all(value.isprintable() for value in stated.values())
    assert refusal.field in KNOWN_PATHS or refusal.field.startswith(("course_run.policy.", "program.courses."))


# --- what is missing


@pytest.mark.parametrize(("short", "path"), [(short, field.path) for short, field in READ if field.required], ids=str)
def test_a_field_that_decides_can_not_be_left_out(short: str, path: str) -> None:
    for part in accumulate(path.split("."), "{}.{}".format):
        refusal = refusal_of(json.dumps(without(short, part)))
        assert refusal.reason is Reason.MISSING_FIELD
        # `user` itself can be missing, or, in an empty `user`, its `id`: the message names what is.
        assert refusal.field == part


@pytest.mark.parametrize(
    ("short", "path"), [(short, field.path) for short, field in READ if not field.required], ids=str
)
def test_a_field_that_may_be_left_out_may(short: str, path: str) -> None:
    if path == "course_access_role_data.course_key":  # for the roles that are not in a course run
        assert refusal_of(json.dumps(without(short, path))).reason is Reason.BAD_COURSE_KEY
    else:
        assert read(without(short, path)) is not None


@pytest.mark.parametrize("part", ["source", "detail-type", "detail"])
def test_an_envelope_is_whole(part: str) -> None:
    event = {key: value for key, value in SAMPLES["enrollment-created"].items() if key != part}
    refusal = refusal_of(json.dumps(event))
    assert (refusal.reason, refusal.field) == (Reason.MISSING_FIELD, part)


# --- what has another type or value


@pytest.mark.parametrize(("short", "field"), READ, ids=str)
def test_a_field_of_another_json_type_is_refused_or_left_out(short: str, field: Field) -> None:
    for kind in KINDS.keys() - kinds(field):
        if may_be_left_out(short, field):
            message = read(changed(short, field.path, KINDS[kind]))
            spelled = read(changed(short, field.path, str(KINDS[kind])))
            assert but_for_warnings(message) in (but_for_warnings(read(without(short, field.path))), spelled), kind
            continue
        refusal = refusal_of(json.dumps(changed(short, field.path, KINDS[kind])))
        assert refusal.reason is (Reason.BAD_VALUE if "policy" in field.type else Reason.WRONG_TYPE), kind
        assert refusal.field.startswith(field.path)


@given(st.sampled_from(READ), json_values)
def test_a_field_is_taken_as_it_is_or_refused(read_field: tuple[str, Field], value: object) -> None:
    short, field = read_field
    outcome = taken(json.dumps(changed(short, field.path, value)))
    if isinstance(outcome, RefusedError):
        assert outcome.field.startswith(field.path)
    else:
        assert fits(field, value) or may_be_left_out(short, field)
        if outcome is not None and field.path.endswith(("learner_id", "user.id", "user_id")):
            assert outcome.learner_id == value


FLAGS = {"1", "1.0", "0", "0.0", "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"}


def fits(field: Field, value: object) -> bool:
    """Return whether a value is one of those that the table of fields promises."""
    kind = next(kind for kind, of_kind in KINDS.items() if type(of_kind) is type(value))
    if field.type == "true or false" and str(value).strip().casefold() in FLAGS:
        return True
    if kind not in kinds(field):
        return False
    if isinstance(value, str):
        if field.type == "status":
            return value.strip().casefold() in {*Status, "regenerating"}
        return f"`{value}`" in field.type if "`" in field.type else not field.type.startswith("time")
    return value is None or not field.type.startswith("number from 0") or value >= 0  # type: ignore[operator]


@given(st.sampled_from(sorted(SAMPLES)), st.text(min_size=1, max_size=10), json_values, st.data())
def test_what_is_not_read_changes_nothing(short: str, key: str, value: object, where: st.DataObject) -> None:
    event = SAMPLES[short]
    read_here = {field.path for field in FIELDS[short]}
    parents = sorted({path.rpartition(".")[0] for path in read_here})
    path = f"{where.draw(st.sampled_from(parents))}.{key.replace('.', '')}"
    if any(known == path or known.startswith(f"{path}.") for known in read_here):
        return
    before, after = read(event), read(changed(short, path, value))
    assert before == after


IDS_OF_NOBODY = [0, -1, 2**63, 10**30, 10**5000]


@pytest.mark.parametrize("learner_id", IDS_OF_NOBODY, ids=["0", "-1", "2^63", "10^30", "10^5000"])
def test_an_id_that_no_learner_can_have_is_refused(learner_id: int) -> None:
    digits = f"1{'0' * 5000}" if learner_id > 10**4000 else str(learner_id)
    body = json.dumps(SAMPLES["enrollment-created"]).replace('"id": 42', f'"id": {digits}')
    refusal = refusal_of(body)
    assert (refusal.reason, refusal.field) == (Reason.BAD_VALUE, "enrollment.user.id")


def graded(number: str) -> tuple[Grade, list[str]]:
    """Return the grade of an event with this percent, written as JSON, and the fields that were left out."""
    body = json.dumps(SAMPLES["persistent-grade-summary-changed"])
    message = decode(body.replace('"percent_grade": 0.84', f'"percent_grade": {number}'), READ_AT)
    assert message is not None
    grade, *ignored = message.entries
    return grade.value, [entry.subject for entry in ignored]


@pytest.mark.parametrize("number", ["-0.1", "1e999", "1" + "0" * 400, "NaN", "-Infinity", '"x"', "[]", '""'])
def test_a_percent_that_is_no_finite_number_from_0_is_left_out_and_the_letter_counts(number: str) -> None:
    assert graded(number) == (Grade(None, "Pass", has_passed_timestamp=True), ["grade.percent_grade"])


@given(st.floats(0, 10**6) | st.integers(0, 10**6))
@example(1.0333)
@example(1.0000000000000002)
@example(84)
def test_any_finite_number_from_0_is_a_percent(number: float) -> None:
    assert graded(json.dumps(number)) == (Grade(number, "Pass", has_passed_timestamp=True), [])
    assert graded(json.dumps(str(number))) == (Grade(number, "Pass", has_passed_timestamp=True), [])


@pytest.mark.parametrize(
    ("short", "path"),
    [(short, field.path) for short, field in READ if "string" in field.type or "status" in field.type],
    ids=str,
)
def test_a_text_has_bounds(short: str, path: str) -> None:
    outcome = taken(json.dumps(changed(short, path, "9" * 60_000)))
    if isinstance(outcome, RefusedError):
        assert outcome.field == path
    else:  # a text of which nothing is stored
        assert "9" * 3_000 not in repr(outcome)


# --- times

TIMES = [(short, field) for short, field in READ if field.type.startswith("time")]


@pytest.mark.parametrize(("short", "field"), TIMES, ids=str)
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-05-11T12:00:00", Reason.NAIVE_TIME),
        ("2026-05-11", Reason.BAD_VALUE),
        ("2026-05-11T12:00Z", Reason.BAD_VALUE),
        ("2026-02-30T12:00:00Z", Reason.BAD_VALUE),
        ("2026-05-11T24:00:00Z", Reason.BAD_VALUE),
        ("2026-05-11T12:00:60Z", Reason.BAD_VALUE),
        ("2026-05-11T12:00:00+99:00", Reason.BAD_VALUE),
        ("0000-05-11T12:00:00Z", Reason.BAD_VALUE),
        ("0001-01-01T00:00:00+05:00", Reason.BAD_VALUE),
        ("9999-12-31T23:59:59-05:00", Reason.BAD_VALUE),
        ("10000-01-01T00:00:00Z", Reason.BAD_VALUE),
        ("1778500800", Reason.BAD_VALUE),
        ("yesterday", Reason.BAD_VALUE),
        ("", Reason.BAD_VALUE),
    ],
)
def test_a_time_that_decides_is_an_instant(short: str, field: Field, time: str, reason: Reason) -> None:
    if may_be_left_out(short, field):
        message = read(changed(short, field.path, time))
        assert message is not None
        assert all(item.at.tzinfo is UTC for item in message.entries)
        return
    refusal = refusal_of(json.dumps(changed(short, field.path, time)))
    assert (refusal.reason, refusal.field) == (reason, field.path)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_an_event_from_before_there_were_any_is_refused(time: str) -> None:
    refusal = refusal_of(json.dumps(changed("enrollment-created", "metadata.time", time)))
    assert (refusal.reason, refusal.field) == (Reason.BAD_VALUE, "metadata.time")


def test_a_clock_may_be_a_little_ahead_and_no_more() -> None:
    ahead = READ_AT + CLOCK_SKEW
    assert read(changed("enrollment-created", "metadata.time", ahead.isoformat())) is not None
    further = ahead + timedelta(microseconds=1)
    refusal = refusal_of(json.dumps(changed("enrollment-created", "metadata.time", further.isoformat())))
    assert (refusal.reason, refusal.field) == (Reason.FUTURE_TIME, "metadata.time")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "2026-05-11T12:00:00", "yesterday"])
def test_the_envelopes_time_is_an_instant_too(time: str) -> None:
    assert refusal_of(json.dumps(SAMPLES["enrollment-created"] | {"time": time})).field == "time"


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2026, 7, 1)),  # noqa: DTZ001 - the offset comes beside it
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_every_offset_names_the_same_instant(local: datetime, offset: int) -> None:
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    time = f"{local.isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"
    message = read(changed("enrollment-created", "metadata.time", time))
    assert message is not None
    assert message.at == local.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert message.at.tzinfo is UTC


# --- what is hardly JSON

ENROLLED = json.dumps(SAMPLES["enrollment-created"])
DEEP = 10_000


@pytest.mark.parametrize(
    ("body", "reason"),
    {
        "nothing": ("", Reason.NOT_JSON),
        "no bytes": (b"", Reason.NOT_JSON),
        "blank": (" \n", Reason.NOT_JSON),
        "null": ("null", Reason.WRONG_TYPE),
        "a list": ("[]", Reason.WRONG_TYPE),
        "a number": ("1", Reason.WRONG_TYPE),
        "a string": ('"x"', Reason.WRONG_TYPE),
        "no fields": ("{}", Reason.MISSING_FIELD),
        "more after it": (ENROLLED + "x", Reason.NOT_JSON),
        "cut": (ENROLLED[:-1], Reason.NOT_JSON),
        "UTF-16": (ENROLLED.encode("utf-16"), Reason.NOT_JSON),
        "Latin-1 where it is read": (ENROLLED.replace("audit", "\xe9").encode("latin-1"), Reason.NOT_JSON),
        "Latin-1 where it isn't": (ENROLLED.replace("101", "\xe9").encode("latin-1"), Reason.NOT_JSON),
        "a lone surrogate": (ENROLLED.replace("audit", "\ud800"), Reason.NOT_JSON),
        "an escaped lone surrogate": (ENROLLED.replace("audit", "\\udc00"), Reason.NOT_JSON),
        "NUL": (ENROLLED.replace("audit", "\x00"), Reason.NOT_JSON),
        "NaN": (ENROLLED.replace("42", "NaN"), Reason.WRONG_TYPE),
        "Infinity": (ENROLLED.replace("42", "-Infinity"), Reason.WRONG_TYPE),
        "deep lists": ("[" * DEEP + "]" * DEEP, Reason.NOT_JSON),
        "deep lists inside": (
            ENROLLED.replace('"audit"', "[" * DEEP + "]" * DEEP),
            Reason.NOT_JSON,
        ),
        "deep objects inside": (
            ENROLLED.replace("null", '{"a":' * DEEP + "1" + "}" * DEEP, 1),
            Reason.NOT_JSON,
        ),
        "too large": (ENROLLED + " " * MAX_BYTES, Reason.TOO_LARGE),
    }.values(),
    ids=lambda value: "" if isinstance(value, str | bytes) and not isinstance(value, Reason) else None,
)
def test_what_is_no_event_is_refused(body: str | bytes, reason: Reason) -> None:
    assert refusal_of(body).reason is reason


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_do_any_harm(body: bytes | str) -> None:
    refusal_of(body)


@given(st.integers(0, len(ENROLLED) - 1), st.binary(max_size=3), st.integers(0, 5))
@example(ENROLLED.index("42"), b"\xff", 2)
@example(ENROLLED.index("audit"), b"\xed\xa0\x80", 1)
def test_damage_is_noticed_or_harmless(start: int, put: bytes, left_out: int) -> None:
    whole = ENROLLED.encode()
    damaged = whole[:start] + put + whole[start + left_out :]
    if not isinstance(taken(damaged), RefusedError):
        json.loads(damaged)


@pytest.mark.parametrize("last", ["verified", 5])
def test_of_a_key_that_stands_twice_the_last_counts(last: object) -> None:
    twice = ENROLLED.replace('"mode": "audit"', f'"mode": "audit", "mode": {json.dumps(last)}')
    once = json.loads(twice)
    if last == "verified":
        assert decode(twice, READ_AT) == read(once)
    else:
        assert refusal_of(twice).as_json() == refusal_of(json.dumps(once)).as_json()


@given(st.dictionaries(st.text(max_size=10) | st.just("hold_seconds"), json_values, min_size=1, max_size=3))
@example({"x: y\x00": 1})
@example({"preset": "\x00"})
@example({"hold_seconds": 10**400})
@example({"eligible_modes": {"all_but": [""]}})
def test_a_policy_is_taken_whole_or_refused(policy: dict[str, object]) -> None:
    outcome = taken(json.dumps(changed("course-run-configured", "course_run.policy", policy)))
    if isinstance(outcome, RefusedError):
        assert outcome.field.startswith("course_run.policy")
    else:
        fields = ("eligible_modes", "id_verification_required", "modes_without_id_verification")
        assert policy.keys() <= {"preset", "hold_seconds", *fields}
