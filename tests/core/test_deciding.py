"""Deciding one record is a pure function of what is known, new entries and an instant."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.certificate import Transition
from certrules.core.comparison import Kind
from certrules.core.deciding import DecidedRecord, Known, decide_record, hold_of
from certrules.core.fact_types import FACTS, Fact, Owner
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, Policies, undated
from certrules.core.replay import replay
from certrules.core.terms import Cause, Rollout, Status
from certrules.core.timeline import Entry, Timeline, merge
from tests.scenes.histories import instants, policies, records
from tests.scenes.phrases import instant, qualifying

EDX = undated(DEFAULT)


def known_of(record: Record, policies: Policies = EDX, rollout: Rollout = Rollout.LIVE) -> Known:
    """Return what is known of a record that was never published."""
    by_owner: dict[Owner, Timeline] = {
        owner: tuple(entry for entry in record.timeline if FACTS[entry.fact].owner is owner) for owner in Owner
    }
    return Known(
        record.learner_id,
        record.course_run,
        by_owner[Owner.LEARNER_IN_COURSE_RUN],
        BEGINNING,
        by_owner[Owner.LEARNER],
        by_owner[Owner.COURSE_RUN],
        BEGINNING,
        PublishedCertificate(),
        (0, 0),
        rollout,
        policies,
    )


def published(decided: DecidedRecord) -> Known:
    """Return what is known after a decision was saved."""
    return decided.known._replace(timeline=decided.timeline, published=decided.publication.published)


def test_entries_that_qualify_a_learner_give_a_certificate_with_an_id() -> None:
    decided = decide_record(known_of(qualifying()), (), instant("day 9"))
    certificate = decided.publication.published.certificate
    assert certificate is not None
    assert (certificate.status, len(certificate.certificate_id)) == (Status.DOWNLOADABLE, 32)
    assert [transition.cause for transition in decided.publication.new_transitions] == [Cause.EARNED]


def test_the_same_again_publishes_nothing_and_changes_nothing() -> None:
    first = decide_record(known_of(qualifying()), (), instant("day 9"))
    again = decide_record(published(first), (), instant("day 9"))
    assert again.publication.new_transitions == ()
    assert again.publication.published == first.publication.published


def test_a_decision_never_goes_back_in_time() -> None:
    assert decide_record(known_of(qualifying()), (), instant("day 1")).as_of == qualifying().timeline[-1].at


def test_where_the_old_logic_decides_nothing_is_published_and_nothing_is_due() -> None:
    decided = decide_record(known_of(qualifying(), rollout=Rollout.SHADOW), (), instant("day 9"))
    assert decided.outcome.status is Status.DOWNLOADABLE
    assert decided.publication.published.certificate is None
    assert decided.next_change_at is None
    assert decided.compared().kind is Kind.WOULD_ISSUE


def test_as_if_the_course_run_were_live_the_certificate_is_published() -> None:
    known = known_of(qualifying(), rollout=Rollout.SHADOW)
    decided = decide_record(known, (), instant("day 9"), as_if=Rollout.LIVE)
    assert [transition.status for transition in decided.publication.new_transitions] == [Status.DOWNLOADABLE]


def test_a_hold_that_has_no_effect_is_an_error_and_not_an_endless_loop() -> None:
    failing = qualifying(("day 5", "failing"))
    (_, revocation) = replay(failing, undated(DEFAULT), instant("day 9")).transitions
    assert isinstance(revocation, Transition)
    hold = hold_of(failing, revocation, "breaker", "too many", failing.timeline)
    with pytest.raises(RuntimeError, match="was held, and yet takes effect"):
        hold_of(failing, revocation, "breaker", "too many", merge(failing.timeline, [hold]))


@given(records(), policies(), instants(), st.randoms(use_true_random=False))
def test_entries_in_any_order_twice_and_in_parts_give_the_same_decision(
    record: Record, policies: Policies, sent_at: datetime, random: object
) -> None:
    known = known_of(record, policies)
    empty = known._replace(timeline=())
    entries: list[Entry] = [*known.timeline, *known.timeline]
    random.shuffle(entries)  # type: ignore[attr-defined]
    at_once = decide_record(empty, known.timeline, sent_at)
    shuffled = decide_record(empty, entries, sent_at)
    assert shuffled == at_once
    again = decide_record(known, (), sent_at)  # what has no new entry is not thinned
    assert again.timeline == known.timeline
    assert (again.as_of, again.outcome, again.publication) == (at_once.as_of, at_once.outcome, at_once.publication)


def test_a_loss_from_before_the_course_run_went_live_is_held_for_a_person() -> None:
    record = qualifying(("day 4", "recorded downloadable with id old"), ("day 5", "failing"))
    shadow = published(decide_record(known_of(record, rollout=Rollout.SHADOW), (), instant("day 8")))
    live = Entry(instant("day 9"), "live", Fact.COURSE_RUN, "rollout", Rollout.LIVE.value)
    known = shadow._replace(configuration=merge(shadow.configuration, (live,)))
    decided = decide_record(known, (), instant("day 9"))
    assert [(entry.subject, entry.by) for entry in decided.timeline if entry.fact is Fact.REVOCATION] == [
        (Cause.GRADE_FELL, "system:rollout")
    ]
    has = decided.publication.published
    assert has.certificate is not None
    assert has.certificate.status is Status.DOWNLOADABLE
    assert has.pending is not None
    assert has.pending.due is None
