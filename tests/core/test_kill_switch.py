"""The kill switch in a replay: what is due while automatic revocations are stopped is held, whatever the order."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.certificate import Outcome
from certrules.core.deciding import with_kill_switch
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import automatic_revocations, is_stopped
from certrules.core.policy import DEFAULT, Policies, undated
from certrules.core.replay import replay
from certrules.core.terms import AUTOMATIC, Cause, RevocationAction, Status
from certrules.core.timeline import Entry, Timeline, merge
from tests.scenes.histories import END, INSTANTS, instants, policies, records
from tests.scenes.phrases import instant, qualifying

EDX = undated(DEFAULT)


def switch(at: datetime, *, on: bool) -> Entry:
    return Entry(at, f"switch-{at:%d%H%M}-{on}", Fact.AUTOMATIC_REVOCATIONS, "", on, "ada", "a broken grading job")


def switches() -> st.SearchStrategy[Timeline]:
    """Draw a timeline of the kill switch."""
    drawn = st.builds(lambda at, on: switch(at, on=on), st.sampled_from(INSTANTS), st.booleans())
    return st.lists(drawn, max_size=4).map(lambda entries: merge((), entries))


def replayed(record: Record, everywhere: Timeline = (), policies: Policies = EDX) -> Outcome:
    return replay(with_kill_switch(record, policies, END, everywhere), policies, END)


def without(record: Record, *facts: Fact) -> Record:
    return record._replace(timeline=tuple(entry for entry in record.timeline if entry.fact not in facts))


@given(records(), policies(), switches())
def test_no_automatic_revocation_takes_effect_while_stopped(
    record: Record, policies: Policies, everywhere: Timeline
) -> None:
    record = without(record, Fact.REVOCATION)
    for revocation in automatic_revocations(replayed(record, everywhere, policies).transitions):
        assert not is_stopped(everywhere, revocation.at)
        assert not is_stopped(record.timeline, revocation.at)


@given(records(), policies(), switches())
def test_holding_again_changes_nothing(record: Record, policies: Policies, everywhere: Timeline) -> None:
    once = with_kill_switch(record, policies, END, everywhere)
    assert with_kill_switch(once, policies, END, everywhere) == once


@given(records(), policies(), instants(), switches())
def test_a_switch_turned_later_does_not_matter_yet(
    record: Record, policies: Policies, until: datetime, everywhere: Timeline
) -> None:
    past = tuple(entry for entry in everywhere if entry.at <= until)
    assert with_kill_switch(record, policies, until, everywhere) == with_kill_switch(record, policies, until, past)


@given(records(), policies())
def test_without_a_switch_nothing_is_held(record: Record, policies: Policies) -> None:
    record = without(record, Fact.AUTOMATIC_REVOCATIONS)
    assert with_kill_switch(record, policies, END) == record


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "in the course run"])
def test_a_grade_that_falls_while_stopped_is_held_also_after_it_is_resumed(everywhere: bool) -> None:
    turned = (switch(instant("day 5"), on=False), switch(instant("day 11"), on=True))
    record = qualifying(("day 10", "failing"), ("day 12", "passing"), ("day 13", "failing"))
    if not everywhere:
        record = record._replace(timeline=merge(record.timeline, turned))
    until_day_11 = instant("day 11 12:00")
    stopped = with_kill_switch(record, EDX, until_day_11, turned if everywhere else ())
    held = replay(stopped, EDX, until_day_11)
    assert (held.status, held.pending and (held.pending.cause, held.pending.due)) == (
        Status.DOWNLOADABLE,
        (Cause.GRADE_FELL, None),
    )
    (hold,) = (entry for entry in stopped.timeline if entry.fact is Fact.REVOCATION)
    where = "everywhere" if everywhere else "in this course run"
    assert (hold.value, hold.by, hold.notes) == (
        RevocationAction.HELD,
        "system:kill-switch",
        f"automatic revocations are stopped {where}",
    )
    later = replay(
        with_kill_switch(record, EDX, instant("day 14"), turned if everywhere else ()), EDX, instant("day 14")
    )
    assert (later.status, later.transitions[-1].at) == (Status.NOTPASSING, instant("day 13 01:00"))


def test_what_a_person_does_takes_effect_though_automatic_revocations_are_stopped() -> None:
    turned = (switch(instant("day 2"), on=False),)
    record = qualifying(("day 10", "invalidated by ada"))
    invalidated = replay(with_kill_switch(record, EDX, instant("day 12"), turned), EDX, instant("day 12"))
    assert invalidated.status is Status.UNAVAILABLE
    assert Cause.INVALIDATED not in AUTOMATIC


def test_a_hold_that_another_action_of_its_instant_overrules_ends_the_search() -> None:
    due = instant("day 10 01:00")
    overruling = Entry(due, "zzz", Fact.REVOCATION, Cause.GRADE_FELL, RevocationAction.RELEASED, "system:cleanup")
    record = qualifying(("day 10", "failing"))
    record = record._replace(timeline=merge(record.timeline, (overruling,)))
    found = with_kill_switch(record, EDX, instant("day 12"), (switch(instant("day 2"), on=False),))
    assert len(found.timeline) == len(record.timeline) + 1
