"""The stored text of a transition: read as it was written, with a letter of its own for each status and cause."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.terms import Cause, Status
from certrules.formats.transition_texts import (
    CAUSE_LETTERS,
    CODE_LENGTH,
    TransitionText,
    read_transition_text,
    transition_text,
)
from tests.scenes.scene import day

AT = "2026-05-01T00:00:00Z"


def test_each_cause_has_a_letter_and_no_two_have_the_same() -> None:
    assert CAUSE_LETTERS.keys() == set(Cause)
    assert len(set(CAUSE_LETTERS.values())) == len(Cause)


@given(st.none() | st.sampled_from(Status), st.sampled_from(Status), st.sampled_from(Cause), st.text(max_size=20))
def test_a_transition_is_read_as_it_was_written(previous: Status | None, status: Status, cause: Cause, by: str) -> None:
    body = {"kind": "transition", "at": AT, "previous": previous, "status": status, "cause": cause, "by": by}
    found = transition_text(json.dumps(body))
    assert found is not None
    assert found[0] == day(1).replace(month=5, day=1, hour=0)
    assert read_transition_text(found[1]) == TransitionText(previous, status, cause, False, by)
    assert read_transition_text(found[1][:CODE_LENGTH]) == TransitionText(previous, status, cause, False, "")


def test_a_held_revocation_changes_no_status() -> None:
    found = transition_text(json.dumps({"kind": "held", "at": AT, "cause": "grade_fell"}))
    assert found is not None
    held = Status.DOWNLOADABLE
    assert read_transition_text(found[1]) == TransitionText(held, held, Cause.GRADE_FELL, True, "")


def test_a_breaker_is_not_listed() -> None:
    assert transition_text(json.dumps({"kind": "tripped", "at": AT})) is None


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("-da|", "awarded"),
        ("nda|", "awarded"),
        ("dne|", "lost"),
        ("d!g|", "held"),
        ("-nd|", "other"),
        ("dda|", "other"),
    ],
)
def test_what_a_transition_is(text: str, change: str) -> None:
    assert read_transition_text(text).change == change


def test_letters_of_a_later_release_are_no_status_and_no_cause() -> None:
    assert read_transition_text("ZYX|ada") == TransitionText(None, None, None, False, "ada")
