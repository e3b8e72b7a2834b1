"""What is published of a program certificate: one transition once, and nothing is taken away in error."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.deciding import decide_program
from certrules.core.programs.outcome import ProgramAction, ProgramOutcome, ProgramTransition
from certrules.core.programs.publication import (
    MOST_ACTIONS,
    MOST_TRANSITIONS,
    ProgramPublication,
    PublishedProgram,
    merge_actions,
    next_program_publication,
)
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import RevocationAction
from tests.scenes.phrases import instant
from tests.scenes.programs import action, certificates_of, timeline_of

AWARDED, REVOKED = ProgramCertificateStatus.AWARDED, ProgramCertificateStatus.REVOKED
POLICIES = undated(DEFAULT)
BOTH = {"a1": ["day 3 downloadable"], "b1": ["day 5 downloadable"]}
LOST = {"a1": ["day 3 downloadable"], "b1": ["day 5 downloadable", "day 8 unavailable"]}


def outcome_of(certificates: Any, until: str = "day 30", **case: Any) -> ProgramOutcome:
    case["certificates"] = certificates
    return decide_program(timeline_of(case), certificates_of(case), instant(until), POLICIES)


def published_after(*outcomes: ProgramOutcome, until: str = "day 30") -> PublishedProgram:
    published = PublishedProgram()
    for outcome in outcomes:
        published = next_program_publication(published, outcome, instant(until)).published
    return published


def next_of(before: PublishedProgram, outcome: ProgramOutcome, *actions: str, at: str = "day 31") -> ProgramPublication:
    return next_program_publication(before, outcome, instant(at), [action(text) for text in actions])


def test_an_award_is_published_once() -> None:
    first = next_of(PublishedProgram(), outcome_of(BOTH))
    assert [item.cause for item in first.new_transitions] == [ProgramCause.EARNED]
    assert (first.published.status, first.published.awarded_at) == (AWARDED, instant("day 5"))
    again = next_of(first.published, outcome_of(BOTH))
    assert again == ProgramPublication(first.published, (), retained=False)


def test_nothing_is_published_where_nothing_is_awarded() -> None:
    assert next_of(PublishedProgram(), outcome_of({})) == ProgramPublication(PublishedProgram(), (), retained=False)


def test_a_pending_revocation_is_published_without_a_transition() -> None:
    publication = next_of(published_after(outcome_of(BOTH)), outcome_of(LOST, "day 8 00:10"))
    assert publication.published.pending is not None
    assert publication.published.pending.cause is ProgramCause.COURSE_LOST
    assert publication.new_transitions == ()


def test_a_loss_is_published_and_a_reinstatement_brings_the_dates_of_before() -> None:
    lost = next_of(published_after(outcome_of(BOTH)), outcome_of(LOST))
    assert [item.status for item in lost.new_transitions] == [REVOKED]
    back = {**LOST, "b1": [*LOST["b1"], "day 12 downloadable since day 5"]}
    reinstated = next_of(lost.published, outcome_of(back))
    assert [item.cause for item in reinstated.new_transitions] == [ProgramCause.REINSTATED]
    assert reinstated.published.awarded_at == instant("day 5")
    assert len(reinstated.published.transitions) == 3


def test_what_is_earned_again_has_its_new_date() -> None:
    again = {**LOST, "b1": ["day 5 downloadable", "day 8 notpassing", "day 12 downloadable"]}
    publication = next_of(published_after(outcome_of(LOST)), outcome_of(again))
    assert publication.published.awarded_at == instant("day 12")
    assert publication.published.first_awarded_at == instant("day 5")


def test_several_changes_at_once_are_published_one_by_one() -> None:
    publication = next_of(PublishedProgram(), outcome_of(LOST))
    assert [item.status for item in publication.new_transitions] == [AWARDED, REVOKED]


def test_a_late_fact_changes_no_published_date() -> None:
    earlier = {"a1": ["day 3 downloadable"], "b1": ["day 4 downloadable"]}
    publication = next_of(published_after(outcome_of(BOTH)), outcome_of(earlier))
    assert publication.published.awarded_at == instant("day 5")
    assert publication.new_transitions == ()


NEVER = {"a1": ["day 3 downloadable"]}


def test_what_was_never_earned_by_late_facts_is_retained_and_held() -> None:
    publication = next_of(published_after(outcome_of(BOTH)), outcome_of(NEVER))
    assert publication.retained
    assert publication.published.status is AWARDED
    pending = publication.published.pending
    assert pending is not None
    assert pending == (ProgramCause.NEVER_EARNED, instant("day 31"), None)
    assert next_of(publication.published, outcome_of(NEVER), at="day 35").published.pending == pending


def test_a_loss_from_before_the_award_is_none() -> None:
    lost_before = {"a1": ["day 1 downloadable"], "b1": ["day 2 downloadable", "day 4 unavailable"]}
    assert next_of(published_after(outcome_of(BOTH)), outcome_of(lost_before)).retained


@pytest.mark.parametrize(
    ("actions", "status", "is_pending"),
    [
        (["day 32 never_earned released by ada"], REVOKED, False),
        (["day 32 never_earned discarded by ada"], AWARDED, False),
        (["day 32 never_earned held by ada"], AWARDED, True),
        (["day 32 never_earned released by system:cleanup"], AWARDED, True),
        (["day 32 course_lost released by ada"], AWARDED, True),
        (["day 2 never_earned released by ada"], AWARDED, True),
    ],
)
def test_a_person_decides_about_what_is_held(
    actions: list[str], status: ProgramCertificateStatus, is_pending: bool
) -> None:
    held = next_of(published_after(outcome_of(BOTH)), outcome_of(NEVER)).published
    publication = next_of(held, outcome_of(NEVER), *actions, at="day 33")
    assert publication.published.status is status
    assert (publication.published.pending is not None) is is_pending
    assert publication.retained is (status is AWARDED)


def test_what_a_person_revoked_stays_revoked_until_it_is_earned() -> None:
    held = next_of(published_after(outcome_of(BOTH)), outcome_of(NEVER)).published
    revoked = next_of(held, outcome_of(NEVER), "day 32 never_earned released by ada").published
    assert next_of(revoked, outcome_of(NEVER)) == ProgramPublication(revoked, (), retained=False)
    earned = next_of(revoked, outcome_of({**NEVER, "b1": ["day 35 downloadable"]}, "day 40"))
    assert [item.cause for item in earned.new_transitions] == [ProgramCause.EARNED]
    assert earned.published.awarded_at == instant("day 35")


def test_the_newest_transitions_are_stored() -> None:
    restless = [f"day {n} {'downloadable' if n % 2 else 'notpassing'}" for n in range(5, 205)]
    published = published_after(outcome_of({"a1": ["day 3 downloadable"], "b1": restless}, "day 300"))
    assert len(published.transitions) == MOST_TRANSITIONS
    assert published.transitions[-1].status is REVOKED


texts = st.lists(st.sampled_from(["downloadable", "unavailable", "notpassing"]), max_size=4)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_whatever_facts_come_and_go_nothing_is_revoked_without_a_listed_cause_and_all_is_announced(
    histories: list[tuple[list[str], list[str]]],
) -> None:
    published = PublishedProgram()
    announced: list[ProgramTransition] = []
    for a1, b1 in histories:
        held = {
            run: [f"day {2 * n} {status}" for n, status in enumerate(statuses, start)]
            for run, statuses, start in (("a1", a1, 1), ("b1", b1, 2))
        }
        publication = next_of(published, outcome_of(held))
        published = publication.published
        announced += publication.new_transitions
        assert all(item.cause is ProgramCause.COURSE_LOST for item in announced if item.status is REVOKED)
    assert tuple(announced) == published.transitions
    assert published.status == (announced[-1].status if announced else None)


def test_actions_are_merged_in_any_order_each_once_and_the_newest_are_stored() -> None:
    actions = [
        ProgramAction(
            instant("day 1") + timedelta(minutes=number),
            f"{number:03}",
            RevocationAction.HELD,
            ProgramCause.COURSE_LOST,
        )
        for number in range(MOST_ACTIONS + 5)
    ]
    in_order = merge_actions((), actions)
    assert in_order == tuple(actions[5:])
    assert merge_actions(merge_actions((), actions[8:]), [*reversed(actions[:8]), *actions[9:]]) == in_order


def test_of_two_actions_with_one_event_id_the_earlier_counts_whichever_came_first() -> None:
    earlier = ProgramAction(instant("day 1"), "1", RevocationAction.HELD, ProgramCause.COURSE_LOST)
    later = earlier._replace(at=instant("day 2"))
    assert merge_actions([earlier], [later]) == merge_actions([later], [earlier]) == (earlier,)
