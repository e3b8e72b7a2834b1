"""The stored text of a learner's standing: read as it was written, with a letter of its own for each rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.rules import RULES
from certrules.core.terms import Status
from certrules.formats.standings import LETTERS, STATUS_LETTERS, STEPS, Standing, read_standing

DOWNLOADABLE = Status.DOWNLOADABLE

standings = st.builds(
    Standing,
    st.none() | st.sampled_from(Status),
    st.booleans(),
    st.sampled_from(["", "audit", "verified", "no-id-professional"]),
    st.sets(st.sampled_from(sorted(LETTERS))).map(lambda codes: tuple(sorted(codes))),
    st.sampled_from(["", "2026-01-31"]),
)


def test_each_rule_and_status_has_a_letter_and_no_two_have_the_same() -> None:
    assert {rule.code for rule in RULES} == LETTERS.keys()
    assert STATUS_LETTERS.keys() == set(Status)
    assert all(len(set(letters.values())) == len(letters) for letters in (LETTERS, STATUS_LETTERS))


@given(standings)
def test_a_standing_is_read_as_it_was_written(standing: Standing) -> None:
    assert read_standing(standing.text) == standing


def test_a_letter_of_a_later_release_is_no_reason() -> None:
    assert read_standing("-|audit|mZ|").reasons == ("mode_not_eligible",)


@pytest.mark.parametrize(
    ("status", "reasons", "step"),
    [
        (None, ("no_grade", "not_enrolled"), "received"),
        (None, ("mode_not_eligible", "no_grade"), "enrolled"),
        (None, ("id_not_verified", "not_passed"), "eligible_mode"),
        (Status.UNVERIFIED, ("id_verification_expired",), "eligible_mode"),
        (Status.NOTPASSING, ("not_passed",), "verified"),
        (Status.UNAVAILABLE, ("invalidated",), "passed"),
        (None, (), "passed"),
        (DOWNLOADABLE, (), "downloadable"),
    ],
)
def test_how_far_a_learner_is(status: Status | None, reasons: tuple[str, ...], step: str) -> None:
    assert STEPS[Standing(status, False, "verified", reasons).step] == step


@pytest.mark.parametrize(
    ("status", "day", "change"),
    [(DOWNLOADABLE, "2026-01-31", "awarded"), (Status.UNAVAILABLE, "2026-01-31", "lost"), (None, "", "")],
)
def test_what_a_day_was(status: Status | None, day: str, change: str) -> None:
    assert Standing(status, False, "verified", (), day).change == change
