"""What a fact's values are at rest: plain JSON, of which the same values come back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from certrules.core.fact_types import FACTS, Fact, Grade, IgnoredField
from certrules.core.older_grades import OlderGrades
from certrules.core.policy import MOST_NAMES, Overrides, PolicyError, read_overrides
from certrules.core.terms import Status
from certrules.core.timeline import Entry
from tests.scenes.histories import entries
from tests.scenes.phrases import instant

DATED = OlderGrades(7, instant("day 1"), 0.5, instant("day 2"))


def again(fact: Fact, subject: str, value: Any) -> Any:
    """Return a value after it was at rest."""
    row = FACTS[fact]
    return row.from_stored(subject, json.loads(json.dumps(row.to_stored(value))))


@given(entries())
def test_every_value_of_a_history_comes_back_as_it_was(history: list[Entry]) -> None:
    for entry in history:
        if entry.value is not None:
            assert again(entry.fact, entry.subject, entry.value) == entry.value


@pytest.mark.parametrize(
    ("fact", "subject", "value"),
    [
        (Fact.GRADE, "", Grade(0.5, "B", has_passed_timestamp=True)),
        (Fact.COURSE_RUN, "available_date", instant("day 3 10:00:01")),
        (Fact.COURSE_RUN, "end", instant("day 3")),
        (Fact.COURSE_RUN, "display_behavior", "end"),
        (
            Fact.COURSE_RUN,
            "policy",
            read_overrides(
                {
                    "preset": "open-edx",
                    "eligible_modes": {"all_but": ["audit"]},
                    "modes_without_id_verification": ["honor"],
                    "hold_seconds": 90,
                    "breaker_limit": 7,
                    "breaker_window_seconds": 60,
                    "passing_letters": ["A", "B"],
                }
            ),
        ),
        (Fact.IGNORED_FIELD, "grade.percent_grade", IgnoredField(Fact.GRADE, "", "-1 is no number from 0")),
        (Fact.OLDER_GRADES, "", DATED),
        (Fact.OLDER_GRADES, "", DATED._replace(percent=None, letters_until=None)),
    ],
    ids=str,
)
def test_a_value_comes_back_as_it_was(fact: Fact, subject: str, value: Any) -> None:
    assert again(fact, subject, value) == value


def test_a_policy_of_a_release_that_knew_no_passing_letters_has_none() -> None:
    row = FACTS[Fact.COURSE_RUN]
    stored = row.to_stored(Overrides(hold=timedelta(0)))
    assert row.from_stored("policy", stored[:-1]) == Overrides(hold=timedelta(0))


def test_an_ignored_field_is_worded_with_the_reason() -> None:
    row = FACTS[Fact.IGNORED_FIELD]
    worded = row.wording("grade.percent_grade", IgnoredField(Fact.GRADE, "", "-1 is no number"), instant("day 2"))
    assert (worded.event, worded.detail) == ("Field grade.percent_grade ignored", ": -1 is no number")


def test_older_grades_are_worded_with_what_is_known_of_the_last() -> None:
    wording = FACTS[Fact.OLDER_GRADES].wording
    event = "The last of at least 7 grades since 1 January 2026 at 00:00 UTC that are no longer stored one by one"
    assert wording("", DATED, instant("day 3")).event == f"{event} (50%) was given"
    assert wording("", DATED._replace(percent=None), instant("day 3")).event == f"{event} was given"


@pytest.mark.parametrize(
    ("name", "status"),
    [("Downloadable", Status.DOWNLOADABLE), (" NOTPASSING ", Status.NOTPASSING), ("regenerating", Status.GENERATING)],
)
def test_a_status_is_read_in_another_case_and_by_its_older_name(name: str, status: Status) -> None:
    assert Status(name) is status


def test_no_status_is_made_of_what_is_none() -> None:
    with pytest.raises(ValueError, match="is not a valid Status"):
        Status(7)  # type: ignore[arg-type] # as an event may have it


@pytest.mark.parametrize("names", [["m"] * (MOST_NAMES + 1), ["m" * 51]])
def test_a_list_that_would_fill_a_course_runs_item_is_refused(names: list[str]) -> None:
    with pytest.raises(PolicyError, match=r"policy\.eligible_modes: at most 50 names of at most 50 characters"):
        read_overrides({"eligible_modes": names})
