"""A field that makes no sense is left out, and named until a later value of it comes."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.explain.rendering import as_text
from certrules.core.fact_types import Fact, IgnoredField
from certrules.core.facts import Record
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.timeline import Entry, merge
from tests.scenes.explanations import explained
from tests.scenes.histories import END, INSTANTS, policies, records
from tests.scenes.phrases import instant, qualifying

IGNORED = ("day 4", "ignored display behavior")
FIELD = "course_run.display_behavior"
UNGRADED = ("day 4", "ignored percent")


def test_explain_names_the_field_the_value_and_the_event() -> None:
    explanation = explained(qualifying(IGNORED))
    (warning,) = explanation.warnings
    assert (warning.field, warning.at) == ("course_run.display_behavior", instant("day 4"))
    assert warning.sentence == (
        "Field course_run.display_behavior ignored on 4 January 2026 at 00:00 UTC "
        f"(event {warning.event_id}): a text of 6 characters is none of early_no_info, end, end_with_date."
    )
    assert f"What was ignored:\n  - {warning.sentence}\n" in as_text(explanation)
    assert [moment.sentence for moment in explanation.timeline].count(warning.sentence) == 1


@pytest.mark.parametrize(
    ("phrases", "fields"),
    [
        ([IGNORED], [FIELD]),
        ([IGNORED, ("day 5", "self-paced")], [FIELD]),
        ([IGNORED, ("day 3", "display behavior end")], [FIELD]),
        ([IGNORED, ("day 4", "display behavior end")], []),
        ([IGNORED, ("day 5", "display behavior end")], []),
        ([IGNORED, ("day 5", "display behavior end"), ("day 6", "ignored display behavior")], [FIELD]),
        ([IGNORED, ("day 5", "ignored display behavior")], [FIELD]),
        ([UNGRADED, ("day 4", "graded 0.8")], ["grade.percent_grade"]),
        ([UNGRADED, ("day 5", "graded 0.8")], []),
        ([IGNORED, UNGRADED], [FIELD, "grade.percent_grade"]),
        ([("day 10", "ignored display behavior")], []),
    ],
)
def test_a_field_is_named_until_a_later_value_supersedes_it(phrases: list[tuple[str, str]], fields: list[str]) -> None:
    named = [warning.field for warning in explained(qualifying(*phrases)).warnings]
    assert named == fields


@given(records(), policies(), st.lists(st.sampled_from(INSTANTS), min_size=1, max_size=5))
def test_an_ignored_field_decides_nothing(record: Record, deployed: Policies, instants: list[datetime]) -> None:
    ignored = [
        Entry(at, f"ignored-{number}", Fact.IGNORED_FIELD, FIELD, IgnoredField(Fact.COURSE_RUN, "end", "odd"))
        for number, at in enumerate(instants)
    ]
    with_ignored = Record(record.learner_id, record.course_run, merge(record.timeline, ignored))
    assert replay(with_ignored, deployed, END) == replay(record, deployed, END)
