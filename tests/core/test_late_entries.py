"""Late entries among compacted ones: the same as the whole replay, or held; never a loss, never another date."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules.core.fact_types import AFTER_PUBLICATION, Enrollment, Fact, Grade, Recorded
from certrules.core.facts import Record
from certrules.core.instants import MICROSECOND
from certrules.core.late_entries import place_late
from certrules.core.replay import replay
from certrules.core.terms import PERSON, Cause, RevocationAction, Status
from certrules.core.timeline import CAPACITY, Entry, merge
from tests.scenes.records_between_decisions import (
    CONFIGURED,
    DAY,
    END,
    ENROLLED,
    FIRST,
    POLICIES,
    RUN,
    VERIFIED,
    RecordBetweenDecisions,
)


def passing(day: float, *, passed: bool = True) -> Entry:
    return Entry(FIRST + day * DAY, f"p{day}-{passed}", Fact.PASSING, "", passed)


def compacted(fact: Fact, value: object, *more: Entry) -> RecordBetweenDecisions:
    """Return a record whose entries of one value were compacted."""
    stored = RecordBetweenDecisions()
    stored.receive([ENROLLED, *more])
    stored.receive([Entry(FIRST + day * DAY, f"e{day}", fact, "", value) for day in range(1, CAPACITY + 7)])
    assert stored.compacted_until > FIRST
    assert len(stored.timeline) <= CAPACITY
    return stored


def test_a_late_failing_entry_among_dropped_passing_ones_is_held_for_a_person() -> None:
    stored = compacted(Fact.PASSING, True)
    before = stored.published
    late = passing(5.5, passed=False)

    held = stored.receive([late]).publication

    assert held.new_transitions == ()
    assert held.published.certificate == before.certificate
    assert held.published.pending is not None
    assert (held.published.pending.cause, held.published.pending.due) == (Cause.LATE_ENTRY, None)
    assert "Graded as failing on 2026-01-06 12:00 UTC" in stored.timeline[-1].notes
    again = stored.receive([late], END + DAY)
    assert again.publication.published == held.published
    assert [entry.fact for entry in again.timeline].count(Fact.REVOCATION) == 1


def test_a_person_discards_it_and_the_certificate_stays() -> None:
    stored = compacted(Fact.PASSING, True)
    stored.receive([passing(5.5, passed=False)])
    discarded = Entry(END + DAY, "d", Fact.REVOCATION, Cause.LATE_ENTRY, RevocationAction.DISCARDED, "ada", "a mistake")
    published = stored.receive([discarded], END + DAY).publication.published
    assert published.pending is None
    assert published.certificate is not None
    assert published.certificate.status is Status.DOWNLOADABLE


def test_a_grade_that_falls_while_it_is_held_revokes_as_ever() -> None:
    stored = compacted(Fact.PASSING, True)
    stored.receive([passing(5.5, passed=False)])
    fallen = stored.receive([passing(500, passed=False)], FIRST + 502 * DAY)
    assert [item.cause for item in fallen.publication.new_transitions] == [Cause.GRADE_FELL]
    earned = stored.receive([passing(510)], FIRST + 511 * DAY).publication.published
    assert earned.certificate is not None
    assert earned.certificate.issued_at == FIRST + 510 * DAY
    assert earned.certificate.first_issued_at == FIRST + DAY


@pytest.mark.parametrize(
    ("fact", "value", "late"),
    [(Fact.ALLOWLIST, True, False), (Fact.INVALIDATION, False, True), (Fact.BETA_TESTER, False, True)],
)
def test_whatever_stands_against_a_certificate_is_held(fact: Fact, value: object, late: object) -> None:
    stored = compacted(fact, value, passing(0.5))
    before = stored.published.certificate
    after = stored.receive([Entry(FIRST + 5.5 * DAY, "late", fact, PERSON, late, "ada")]).publication
    assert after.new_transitions == ()
    assert (after.published.certificate, after.published.pending and after.published.pending.cause) == (
        before,
        Cause.LATE_ENTRY,
    )


def test_a_late_lift_among_dropped_invalidations_awards_nothing_after_its_own_instant() -> None:
    stored = compacted(Fact.INVALIDATION, True)
    after = stored.receive([Entry(FIRST + 5.5 * DAY, "late", Fact.INVALIDATION, PERSON, False, "ada"), passing(50)])
    assert after.publication.published.certificate is None or (
        after.publication.published.certificate.status is not Status.DOWNLOADABLE
    )
    assert after.publication.new_transitions == ()


@pytest.mark.parametrize("late", [Entry(FIRST + 5.5 * DAY, "late", Fact.GRADE, "", Grade(0.9, "A")), passing(5.5)])
def test_who_passes_among_dropped_failing_entries_has_passed_at_that_instant_only(late: Entry) -> None:
    stored = compacted(Fact.PASSING, False)
    in_the_window = Entry(FIRST + 50 * DAY, "later", Fact.ENROLLMENT, "", Enrollment("professional", active=True))
    after = stored.receive([late, in_the_window]).publication
    assert [(item.at, item.cause) for item in after.new_transitions] == [
        (late.at, Cause.EARNED),
        (late.at + MICROSECOND + POLICIES[0][1].hold, Cause.GRADE_FELL),
    ]


def test_a_late_entry_that_repeats_its_neighbours_is_no_news() -> None:
    stored = compacted(Fact.PASSING, True)
    before = stored.published
    assert stored.receive([passing(5.5)]).publication == stored.receive([]).publication
    assert stored.published == before


@st.composite
def long_histories(draw: st.DrawFn) -> list[Entry]:
    """Draw the entries of a learner far past every limit: mostly passing, in any order of arrival."""
    chance = Random(draw(st.integers(0, 2**32)))
    values: list[tuple[Fact, str, object]] = [
        *[(Fact.PASSING, "", True)] * 40,
        (Fact.PASSING, "", False),
        (Fact.ALLOWLIST, "", True),
        (Fact.ALLOWLIST, "", False),
        (Fact.BETA_TESTER, "", False),
        (Fact.INVALIDATION, PERSON, False),
        (Fact.ENROLLMENT, "", Enrollment("verified", active=True)),
        (Fact.GRADE, "", Grade(0.9, "")),
    ]
    drawn = [
        Entry(FIRST + timedelta(minutes=chance.randrange(60 * 24 * 300)), f"e{number}", *chance.choice(values))
        for number in range(draw(st.integers(CAPACITY + 20, 2 * CAPACITY)))
    ]
    chance.shuffle(drawn)
    return [ENROLLED, *drawn]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(long_histories(), st.integers(1, 60))
def test_in_any_order_past_every_limit_nothing_is_lost_that_the_whole_replay_keeps(
    arriving: list[Entry], at_once: int
) -> None:
    whole = replay(Record(7, RUN, merge((), [*VERIFIED, *CONFIGURED, *arriving])), POLICIES, END)
    stored = RecordBetweenDecisions()
    for start in range(0, len(arriving), at_once):
        stored.receive(arriving[start : start + at_once])

    published = stored.published
    assert published.certificate is not None
    assert whole.certificate is not None
    if whole.status is Status.DOWNLOADABLE:
        assert published.certificate.status is Status.DOWNLOADABLE
    is_held = published.pending is not None and published.pending.due is None
    if not is_held and published.certificate.status is Status.DOWNLOADABLE:
        assert published.certificate.first_issued_at == whole.certificate.first_issued_at
        assert published.certificate.issued_at == whole.certificate.issued_at


@pytest.mark.parametrize(
    ("late", "placed"),
    [
        (Entry(FIRST + 5.5 * DAY, "late", Fact.COURSE_RUN, "web_certificates_enabled", False), 2),  # held by nobody
        (Entry(FIRST + 2 * DAY, "e2", Fact.COURSE_RUN, "web_certificates_enabled", False), 1),  # of a known event
        (Entry(FIRST + 99 * DAY, "late", Fact.COURSE_RUN, "web_certificates_enabled", False), 1),  # after the last
        (Entry(FIRST + 5.5 * DAY, "late", Fact.COURSE_RUN, "end", FIRST), 1),  # another setting
    ],
)
def test_a_setting_among_dropped_ones_counts_at_its_own_instant_only(late: Entry, placed: int) -> None:
    known = tuple(
        Entry(FIRST + day * DAY, f"e{day}", Fact.COURSE_RUN, "web_certificates_enabled", True) for day in (1, 2, 9)
    )
    found = place_late(known, [late], FIRST + 200 * DAY, END)
    assert found[0] == late
    assert len(found) == placed
    assert all((entry.value, entry.at) == (True, late.at + MICROSECOND) for entry in found[1:])


def test_an_entry_of_the_old_logic_shows_whether_it_counts() -> None:
    recorded = Recorded(Status.DOWNLOADABLE, "verified", "", "")
    counts, set_apart = (
        Entry(FIRST, "e", Fact.RECORDED, subject, recorded).wording(END) for subject in ("", AFTER_PUBLICATION)
    )
    assert "does not count" not in counts.event
    assert "does not count" in set_apart.event
