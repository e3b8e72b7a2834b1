"""Letter grades: which mean passed, by the policy in force at each instant, in whatever order they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Fact, Grade
from certrules.core.facts import CurrentFacts, Record
from certrules.core.letters import STUDIO_LETTERS, means_passed, names_no_pass
from certrules.core.policy import DEFAULT, Overrides, Policies, PolicyError, read_overrides, read_policies, undated
from certrules.core.replay import replay
from certrules.core.terms import Status
from certrules.core.timeline import Entry, Timeline, compact, merge
from tests.scenes.explanations import explained
from tests.scenes.histories import END, INSTANTS
from tests.scenes.phrases import COURSE_RUN, instant, qualifying

NOTHING = ["", " ", "\xa0", "None", "null", "NULL", "NaN", "nan", "N/A", "n/a", "#N/A", "-", "--", "\u2014", "\\N", "0"]
FAILING = ["F", "f", "F ", "FAIL", "Fail", "Failed", "Failing", "NP", "Not Passing", "Did Not Pass", "Incomplete"]
UNKNOWN = ["U", "W", "Reprobado", "Distinction", "P", "E", "S", "AA", "A1", "Honors", "\u901a\u8fc7"]
KNOWN = ["Pass", "pass", " PASS ", "A", "a", "A+", "B-", "B\u2212", "\uff21", "c", "D", "d-"]


@pytest.mark.parametrize("has_passed_timestamp", [True, False])
@pytest.mark.parametrize("letter", [*NOTHING, *FAILING])
def test_a_letter_that_names_no_pass_never_counts(letter: str, has_passed_timestamp: bool) -> None:
    assert not means_passed(letter, STUDIO_LETTERS, has_passed_timestamp=has_passed_timestamp)
    assert not means_passed(letter, [letter], has_passed_timestamp=has_passed_timestamp)


@pytest.mark.parametrize("letter", UNKNOWN)
def test_an_unknown_letter_counts_only_beside_the_date_of_passing(letter: str) -> None:
    assert not means_passed(letter, STUDIO_LETTERS, has_passed_timestamp=False)
    assert means_passed(letter, STUDIO_LETTERS, has_passed_timestamp=True)


@pytest.mark.parametrize("letter", KNOWN)
def test_the_letters_of_studio_mean_passed_in_any_case(letter: str) -> None:
    assert means_passed(letter, STUDIO_LETTERS, has_passed_timestamp=False)
    assert not names_no_pass(letter)


@given(st.sampled_from([*NOTHING, *FAILING, *UNKNOWN, *KNOWN]) | st.text(max_size=12))
def test_a_letter_is_the_same_whatever_its_case_and_blanks(letter: str) -> None:
    for spelled in (f" {letter}\t", letter.swapcase(), letter.upper()):
        if spelled.casefold().strip() == letter.casefold().strip():
            assert names_no_pass(spelled) == names_no_pass(letter)


def test_a_policy_names_its_letters_and_a_course_run_others() -> None:
    ((_, deployed),) = read_policies({"passing_letters": ["Distinction", "  Merit "]})
    assert deployed.passing_letters == ("distinction", "merit")
    assert read_overrides({"passing_letters": ["S"]}) == Overrides(passing_letters=("s",))
    assert read_overrides({"passing_letters": []}) == Overrides(passing_letters=())


@pytest.mark.parametrize("letters", ["A", {"A": 1}, [1], ["A", None], *([letter] for letter in (*NOTHING, *FAILING))])
def test_a_policy_with_letters_that_can_not_mean_passed_is_refused(letters: object) -> None:
    with pytest.raises(PolicyError, match=r"^policy\.passing_letters: "):
        read_policies({"passing_letters": letters})


def test_explain_names_a_letter_that_the_policy_does_not_know() -> None:
    explanation = explained(qualifying(("day 3", "graded 0.2 Distinction"), without=["grade"]))
    (warning,) = explanation.warnings
    assert warning.field == "letter_grade"
    assert warning.sentence == (
        f"Graded 20% (Distinction) on 3 January 2026 at 00:00 UTC (event {warning.event_id}). The policy edx-2021 does "
        "not know the letter Distinction: it is evidence neither of passing nor of failing. If it means passed, an "
        "operator adds it to the policy's passing_letters."
    )
    evidence = {finding.code: finding.evidence for finding in explanation.verdicts}["no_grade"]
    assert warning.sentence in [item.sentence for item in evidence]


@pytest.mark.parametrize(
    ("graded", "sentence"),
    [
        ("graded 0.9 A", "By the policy edx-2021 the letter A means passed."),
        ("graded 0.2 F", "The letter F never counts as passed; it is no evidence of failing either."),
        ("graded 0.9 S since passing", "The letter S counts as passed because the grade has a passed_timestamp."),
    ],
)
def test_explain_shows_what_a_letter_means(graded: str, sentence: str) -> None:
    explanation = explained(qualifying(("day 3", graded), without=["grade"]))
    assert explanation.warnings == ()
    evidence = {finding.code: finding.evidence for finding in explanation.verdicts}["no_grade"]
    assert any(item.sentence.endswith(sentence) for item in evidence)


# --- histories

_words = st.sampled_from(
    [
        *((Fact.PASSING, value) for value in (True, False)),
        *((Fact.GRADE, Grade(0.5, letter, dated)) for letter in ("", "A", "S", "F") for dated in (True, False)),
    ]
)
_policies = st.sampled_from(
    [
        undated(DEFAULT),
        read_policies({"passing_letters": ["S"]}),
        read_policies(
            [
                {"since": "2026-01-01T00:00:00Z", "passing_letters": ["S"]},
                {"since": INSTANTS[6].isoformat(), "passing_letters": ["A"]},
            ]
        ),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> Timeline:
    """Draw grades and passing statuses of one learner."""
    reported = draw(st.lists(st.tuples(st.sampled_from(INSTANTS), _words), min_size=5, max_size=30))
    entries = [Entry(at, f"event-{number:03}", fact, "", value) for number, (at, (fact, value)) in enumerate(reported)]
    return merge((), entries)


def passed_at_each_instant(timeline: Timeline, policies: Policies) -> list[bool | None]:
    record = Record(7, COURSE_RUN, timeline)
    return [replay(record, policies, instant).decision.facts.passed for instant in (*INSTANTS, END)]


@given(histories(), _policies)
def test_passed_is_the_last_evidence_by_the_policy_in_force_at_its_time(timeline: Timeline, policies: Policies) -> None:
    expected: bool | None = None
    letters: list[Grade] = []
    for at, passed in zip(INSTANTS, passed_at_each_instant(timeline, policies), strict=False):
        known = [policy for since, policy in policies if since <= at][-1].passing_letters
        for entry in timeline:
            if entry.at == at and entry.fact is Fact.PASSING:
                expected, letters = entry.value, []
            elif entry.at == at:
                letters.append(entry.value)
        if any(means_passed(grade.letter, known, has_passed_timestamp=grade[2]) for grade in letters):
            expected = True
        assert passed is expected


def test_a_policy_that_no_longer_knows_a_letter_takes_nothing_away() -> None:
    base = qualifying(("day 3", "failing"), without=["grade"])
    grade = Entry(instant("day 4"), "graded", Fact.GRADE, "", Grade(0.9, "S"))
    forgets = [{"since": "2025-01-01T00:00:00Z", "passing_letters": ["S"]}, {"since": "2026-01-06T00:00:00Z"}]
    outcome = replay(Record(7, COURSE_RUN, merge(base.timeline, [grade])), read_policies(forgets), instant("day 30"))
    assert (outcome.status, outcome.pending) == (Status.DOWNLOADABLE, None)


@given(histories(), _policies, st.integers(0, 20))
def test_compaction_changes_no_passing(timeline: Timeline, policies: Policies, capacity: int) -> None:
    compacted, _ = compact(timeline, capacity)
    assert passed_at_each_instant(compacted, policies) == passed_at_each_instant(timeline, policies)


@given(histories())
def test_a_copy_of_the_facts_is_apart(timeline: Timeline) -> None:
    current = CurrentFacts(Record(7, COURSE_RUN), DEFAULT)
    copied = current.copy()
    for entry in timeline:
        copied.apply(entry)
    assert current.at(END) == CurrentFacts(Record(7, COURSE_RUN), DEFAULT).at(END)


@pytest.mark.parametrize("letter", [*NOTHING, *FAILING, *UNKNOWN])
def test_no_such_letter_awards_at_twenty_percent(letter: str) -> None:
    base = qualifying(without=["grade"])
    grade = Entry(INSTANTS[5], "graded", Fact.GRADE, "", Grade(0.2, letter))
    record = Record(7, COURSE_RUN, merge(base.timeline, [grade]))
    assert replay(record, undated(DEFAULT), END).status is not Status.DOWNLOADABLE
