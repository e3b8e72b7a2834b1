"""Comparisons by example: what the old logic has of a learner, what the facts show, and what their comparison finds."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from certrules.core.comparison import KINDS, Comparison, Effect, Kind, compare, is_same_grade
from certrules.core.fact_types import Fact
from certrules.core.facts import Record, active_by_person
from certrules.core.guard import PublishedCertificate, next_publication, published_before
from certrules.core.instants import BEGINNING
from certrules.core.old_statuses import OLD_STATUSES, Withheld
from certrules.core.policy import DEFAULT, Policies, undated
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.terms import Rollout, Status
from certrules.core.timeline import Timeline
from tests.scenes.cases import facts_of, policies_of
from tests.scenes.histories import END, policies, records
from tests.scenes.phrases import instant, qualifying, record_of

CASES = [
    pytest.param(case, id=case["name"])
    for case in yaml.safe_load((Path(__file__).parent / "comparisons.yaml").read_text())
]
SHADOW = RolloutState(Rollout.SHADOW, BEGINNING)


@pytest.mark.parametrize("case", CASES)
def test_comparison(case: dict[str, Any]) -> None:
    assert case.keys() <= {"name", "unlike", "policy", "then", "until", "expect"}
    expected = {"effect": "none", **case["expect"]}

    found = compare(
        record_of(*facts_of(case)), policies_of(case.get("policy", "edx-2021")), instant(case.get("until", "day 30"))
    )

    stated = {
        "class": str(found.kind),
        "effect": str(found.effect),
        "reasons": list(found.reasons),
        "differs": [f"{item.field}: {item.theirs} / {item.ours}" for item in found.differences],
        "says": found.sentence,
    }
    assert {name: stated[name] for name in expected} == expected
    if found.kind is Kind.AGREE:
        assert (found.reasons, found.differences) == ((), ())


def test_there_is_a_case_of_every_class_and_effect() -> None:
    expected: list[dict[str, Any]] = [case.values[0]["expect"] for case in CASES]  # type: ignore[index]
    assert {case["class"] for case in expected} == set(Kind) - {Kind.ID}
    assert {case.get("effect", "none") for case in expected} == set(Effect)
    assert list(KINDS) == list(Kind)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("0.85", "0.85"),
        ("0.85", "0.8499999999"),  # rounded to whole percents
        ("0.85", "0.8451"),
        ("0.849", "0.8499999999"),  # cut to what the platform keeps
        ("0.9", "0.9"),
        ("0.90", "0.9"),
        ("1.0", "1.0"),
        ("1", "1.0"),
        ("0.333", "0.3333333333"),
        (" 0.85 ", "0.85"),
        ("A", "A"),
    ],
)
def test_a_grade_is_the_same_however_the_platform_wrote_it(theirs: str, ours: str) -> None:
    assert is_same_grade(theirs, ours)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("0.85", "0.86"),
        ("0.9", "0.93"),
        ("1.0", "0.96"),
        ("0.85", "0.859"),
        ("85", "0.85"),
        ("A", "0.85"),
        ("nan", "0.85"),
    ],
)
def test_another_grade_is_another_grade(theirs: str, ours: str) -> None:
    assert not is_same_grade(theirs, ours)


def test_the_id_that_was_published_here_is_compared_with_the_old_logics() -> None:
    record = qualifying()
    live = next_publication(
        PublishedCertificate(), replay(record, undated(DEFAULT), instant("day 4")), "ours"
    ).published
    later = qualifying(("day 4 00:10", "recorded downloadable with id theirs created day 3 modified day 3"))
    found = compare(later, undated(DEFAULT), instant("day 30"), published=live, rollout=SHADOW)
    assert (found.kind, found.reasons) == (Kind.ID, ("id",))
    assert found.sentence == (
        "The old logic has a certificate that is downloadable, and so do the facts, but the id theirs there and ours "
        "here; going live changes nothing."
    )


def test_where_this_service_decides_the_old_logic_is_compared_and_going_live_does_nothing() -> None:
    record = qualifying()
    live = RolloutState(Rollout.LIVE, BEGINNING)
    published = next_publication(
        PublishedCertificate(), replay(record, undated(DEFAULT), instant("day 4")), "ours"
    ).published
    found = compare(record, undated(DEFAULT), instant("day 30"), published=published, rollout=live)
    assert (found.kind, found.effect) == (Kind.WOULD_ISSUE, Effect.NONE)
    back = compare(record, undated(DEFAULT), instant("day 30"), published=published, rollout=SHADOW)
    assert back.kind is Kind.AGREE


@pytest.mark.parametrize("status", list(Status))
def test_each_status_of_the_platform_is_accepted_by_a_person_or_left_to_the_facts(status: Status) -> None:
    withheld = OLD_STATUSES[status].withheld
    expected = set() if withheld is Withheld.NO else {Kind.WITHHELD}
    earned = compare(qualifying(("day 4", f"recorded {status}")), undated(DEFAULT), instant("day 30"))
    assert {earned.kind} & {Kind.WITHHELD} == expected
    assert status is Status.DOWNLOADABLE or earned.effect is Effect.ISSUE
    failing = compare(
        qualifying(("day 3", "failing"), ("day 4", f"recorded {status}")), undated(DEFAULT), instant("day 30")
    )
    assert (failing.kind is Kind.WITHHELD) == (withheld is Withheld.ALWAYS)


def test_facts_that_came_later_are_not_compared() -> None:
    record = qualifying(("day 20", "recorded notpassing"))
    assert compare(record, undated(DEFAULT), instant("day 2")).kind is Kind.AGREE


@given(records(), policies())
def test_a_comparison_shows_what_going_live_does(record: Record, policies: Policies) -> None:
    found = compare(record, policies, END)
    reported = published_before(PublishedCertificate(), record.timeline, SHADOW)
    after = next_publication(reported, replay(record, policies, END), "new", BEGINNING, record.timeline, END)
    had, has = (
        state.certificate is not None and state.certificate.status is Status.DOWNLOADABLE
        for state in (reported, after.published)
    )
    assert (found.effect is Effect.ISSUE) == (has and not had)
    assert (found.effect in {Effect.HOLD, Effect.PENDING}) == (had and (not has or after.published.pending is not None))
    if reported.certificate is not None and found.effect is Effect.ISSUE:
        withheld = OLD_STATUSES[reported.certificate.status].withheld is not Withheld.NO
        invalidated = active_by_person(record.timeline) is not None
        assert found.kind is Kind.WITHHELD or not (withheld or invalidated)
    if found.effect is Effect.NONE:
        assert after.new_transitions == ()
    assert found.sentence.endswith(".")
    assert (found.kind is Kind.AGREE) == (not found.reasons)


@given(records(), policies())
def test_what_the_old_logic_shows_makes_no_difference_to_what_the_facts_show(
    record: Record, policies: Policies
) -> None:
    timeline: Timeline = tuple(entry for entry in record.timeline if entry.fact is not Fact.RECORDED)
    alone = Record(record.learner_id, record.course_run, timeline)
    ours = replay(alone, policies, END)
    found: Comparison = compare(record, policies, END)
    if found.kind is Kind.WOULD_ISSUE:
        assert ours.status is Status.DOWNLOADABLE
    if found.kind in {Kind.WOULD_REVOKE, Kind.LABEL, Kind.NO_OPINION}:
        assert ours.status is not Status.DOWNLOADABLE
