"""Thinning of grades: nothing is decided otherwise without those that are dropped, in any order within a day."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules.core.certificate import Outcome
from certrules.core.fact_types import Enrollment, Fact, Grade
from certrules.core.facts import Record
from certrules.core.instants import BEGINNING, MICROSECOND
from certrules.core.late_entries import letters_until
from certrules.core.replay import replay
from certrules.core.terms import PERSON, Cause, Status
from certrules.core.thinning import MOST_OF_A_DAY, WINDOW, thin
from certrules.core.timeline import Entry, Timeline, merge
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

LETTERS = ("", "", "F", "Pass", "Pass", "B", "an unknown one")

AUDIT = ENROLLED._replace(at=FIRST + 0.75 * DAY, event_id="audit", value=Enrollment("audit", active=True))


def graded(day: float, percent: float = 0.5, letter: str = "") -> Entry:
    return Entry(FIRST + day * DAY, f"g{day}", Fact.GRADE, "", Grade(percent, letter))


def passing(day: float, *, passed: bool = True) -> Entry:
    return Entry(FIRST + day * DAY, f"p{day}-{passed}", Fact.PASSING, "", passed)


def received(*entries: Entry) -> RecordBetweenDecisions:
    """Return a record that received entries one by one, each when it happened."""
    record = RecordBetweenDecisions()
    for entry in entries:
        record.receive([entry], entry.at)
    return record


def of(fact: Fact, timeline: Timeline) -> list[Entry]:
    return [entry for entry in timeline if entry.fact is fact]


# --- what stays


def test_a_thousand_grades_are_few_and_the_timeline_shows_how_many_there_were() -> None:
    record = received(ENROLLED, *(graded(1 + number / 4, number / 1_000) for number in range(1_000)))
    grades, (older,) = of(Fact.GRADE, record.timeline), of(Fact.OLDER_GRADES, record.timeline)
    assert [entry.at for entry in grades] == [FIRST + (1 + number / 4) * DAY for number in (0, *range(995, 1_000))]
    assert older.value.number + len(grades) == 1_000
    assert older.wording(END).event == (
        "The last of at least 994 grades since 2 January 2026 at 06:00 UTC that are no longer stored one by one "
        "(99.4%) was given"
    )
    assert older.wording(END).value == "at least 994"


def test_of_all_but_the_newest_grades_only_instant_and_value_are_stored() -> None:
    record = received(ENROLLED, *(graded(1 + number / 100, number / 10) for number in range(6)))
    assert [(entry.event_id, entry.value.percent) for entry in of(Fact.GRADE, record.timeline)] == [
        *(("", number / 10) for number in range(4)),
        ("g1.04", 0.4),
        ("g1.05", 0.5),
    ]


def test_of_a_busy_day_the_newest_stay() -> None:
    record = received(ENROLLED, *(graded(1 + number / 1_000, number / 1_000) for number in range(500)))
    grades, (older,) = of(Fact.GRADE, record.timeline), of(Fact.OLDER_GRADES, record.timeline)
    assert MOST_OF_A_DAY <= len(grades) <= MOST_OF_A_DAY + 3
    assert older.value.number + len(grades) == 500


def test_the_percent_of_a_dropped_grade_may_be_unknown() -> None:
    unknown = [graded(day)._replace(value=Grade(None, "F")) for day in (1, 2, 3)]
    record = received(ENROLLED, *unknown, graded(5, 0.8), graded(6, 0.9))
    (older,) = of(Fact.OLDER_GRADES, record.timeline)
    assert older.wording(END).event == (
        "The last of at least 2 grades since 3 January 2026 at 00:00 UTC that are no longer stored one by one was given"
    )


def test_the_first_of_equal_grades_stays_so_that_its_date_does() -> None:
    record = received(ENROLLED, graded(1, 0.4), *(graded(day, 0.9) for day in range(2, 40)))
    assert [entry.at for entry in of(Fact.GRADE, record.timeline)] == [FIRST + day * DAY for day in (1, 2, 38, 39)]


def test_the_first_entry_of_all_stays_whole_since_the_certificates_id_follows_from_it() -> None:
    grades = [graded(day / 10, day / 10) for day in range(30)]
    assert received(*grades).timeline[0] == grades[0]


def test_grades_that_share_an_instant_keep_their_order() -> None:
    same = [graded(1, 0.1)._replace(event_id=event_id) for event_id in ("a", "b")]
    record = received(ENROLLED, *same, *(graded(1 + number / 100) for number in range(1, 6)))
    assert [entry.event_id for entry in of(Fact.GRADE, record.timeline)][:3] == ["a", "b", ""]


def test_the_grade_of_each_certificate_stays_and_old_records_shrink_when_they_are_written() -> None:
    entries = [ENROLLED, *(graded(1 + number / 8, round(number / 400, 3)) for number in range(400))]
    entries += [passing(10.01), passing(20, passed=False), passing(30.01)]
    old = RecordBetweenDecisions()
    old.timeline = merge((), entries)  # as a release before this one stored it

    again = old.receive([])
    assert again.timeline == merge((), entries)
    assert again.publication.published.certificate is not None
    assert again.publication.published.certificate.grade == "0.58"

    shorter = old.receive([graded(60, 0.99)])
    assert len(shorter.timeline) < 12
    assert shorter.publication.published.certificate == again.publication.published.certificate
    assert old.receive([]).outcome == replay(shorter.known.record(shorter.timeline), POLICIES, END)


def test_a_grade_from_a_change_of_mode_stays() -> None:
    audit = ENROLLED._replace(value=Enrollment("audit", active=True))
    recorded_mode = Entry(FIRST + 5 * DAY, "listed", Fact.ENROLLMENT, "", Enrollment("verified", active=True))
    grades = [graded(1 + number / 8, round(number / 400, 3)) for number in range(400)]
    record = received(audit, *sorted([passing(1), recorded_mode, *grades]))
    assert record.published.certificate is not None
    assert record.published.certificate.grade == "0.08"


# --- what is delivered again, or late


@st.composite
def histories(draw: st.DrawFn, most_a_day: int = 40) -> list[tuple[timedelta, Entry]]:
    """Draw entries with how late each one is: less than a day."""
    chance = Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(5, 150))
    days = max(2.0, count / most_a_day * chance.uniform(2, 10))
    passed, found = chance.random() < 0.5, []
    for _ in range(count):
        at = FIRST + timedelta(minutes=1 + chance.randrange(int(days * 1440)))
        kind = chance.random()
        if kind < 0.75:
            value: tuple[Fact, str, object] = (Fact.GRADE, "", Grade(chance.randrange(9) / 10, chance.choice(LETTERS)))
        elif kind < 0.92:
            passed = passed if chance.random() < 0.6 else not passed
            value = (Fact.PASSING, "", passed)
        else:
            value = chance.choice(
                [
                    (Fact.ENROLLMENT, "", Enrollment(chance.choice(("verified", "audit")), active=True)),
                    (Fact.INVALIDATION, PERSON, chance.random() < 0.3),
                    (Fact.BETA_TESTER, "", chance.random() < 0.3),
                    (Fact.ALLOWLIST, "", chance.random() < 0.3),
                ]
            )
        late = timedelta(minutes=chance.choice((0, 0, 1, 30, 300, 1430)) * chance.random())
        event_id = str(UUID(int=chance.getrandbits(128)))
        found += [(late, Entry(at, event_id, *value))] * chance.choice((1, 1, 1, 2))
    chance.shuffle(found)
    return found


def amounts_to(outcome: Outcome) -> object:
    changes = [(item.at, item.status, item.cause, item.certificate) for item in outcome.transitions]
    return outcome.certificate, changes, outcome.pending, outcome.decision, outcome.next_change_at


def whole(entries: Iterable[Entry], until: datetime) -> Outcome:
    return replay(Record(7, RUN, merge((), [*VERIFIED, *CONFIGURED, *entries])), POLICIES, until)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories())
def test_events_that_are_less_than_a_day_late_give_what_all_of_them_give(
    arriving: list[tuple[timedelta, Entry]],
) -> None:
    record, seen = RecordBetweenDecisions(), [ENROLLED]
    record.receive([ENROLLED], FIRST)
    for late, entry in sorted(arriving, key=lambda item: item[1].at + item[0]):
        seen.append(entry)
        decided = record.receive([entry], entry.at + late)
        assert amounts_to(decided.outcome) == amounts_to(whole(seen, decided.as_of))
        stored = replay(decided.known.record(decided.timeline), POLICIES, decided.as_of)
        assert amounts_to(stored) == amounts_to(decided.outcome)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(most_a_day=400), st.data())
def test_thinning_what_was_thinned_changes_nothing_whatever_is_delivered_again(
    arriving: list[tuple[timedelta, Entry]], data: st.DataObject
) -> None:
    timeline = merge((), [ENROLLED, *(entry for _, entry in arriving)])
    needed = data.draw(st.lists(st.sampled_from([entry.at for entry in timeline]), max_size=3))
    thinned = thin(timeline, needed)
    again = [entry for _, entry in arriving[: data.draw(st.integers(0, len(arriving)))]]
    assert thin(thinned, needed) == thinned
    assert thin(merge(thinned, again), needed) == thinned
    assert [entry for entry in timeline if entry.fact is not Fact.GRADE] == [
        entry for entry in thinned if entry.fact not in {Fact.GRADE, Fact.OLDER_GRADES}
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(most_a_day=400))
def test_in_any_order_and_however_late_nobody_loses_what_all_events_give(
    arriving: list[tuple[timedelta, Entry]],
) -> None:
    record = RecordBetweenDecisions()
    record.receive([ENROLLED])
    for start in range(0, len(arriving), 5):
        record.receive([entry for _, entry in arriving[start : start + 5]])
    if whole([ENROLLED, *(entry for _, entry in arriving)], END).status is Status.DOWNLOADABLE:
        assert record.published.certificate is not None
        is_held = record.published.pending is not None
        assert is_held or record.published.certificate.status is Status.DOWNLOADABLE


@pytest.mark.parametrize("first", [passing(1), graded(1, 0.9, "Pass")])
def test_a_failing_entry_that_comes_late_among_dropped_letters_is_held(first: Entry) -> None:
    record = received(ENROLLED, first, *(graded(2 + number / 2, 0.9, "Pass") for number in range(40)))
    before = record.published
    assert letters_until(record.timeline) > FIRST + 19 * DAY
    after = record.receive([passing(8.1, passed=False)]).publication
    assert (after.new_transitions, after.published.certificate) == ((), before.certificate)
    assert after.published.pending is not None
    assert after.published.pending.cause is Cause.LATE_ENTRY


def test_it_is_held_though_the_next_known_entry_fails_too_since_a_dropped_letter_may_lie_between() -> None:
    record = RecordBetweenDecisions()
    record.receive([ENROLLED, AUDIT])
    record.receive([graded(0.3, 0.7, "Pass"), graded(0.6, 0, "Pass"), graded(0.8, 0, "Pass"), graded(2)])
    record.receive([passing(0.76, passed=False), passing(0.56)])
    assert letters_until(record.timeline) == FIRST + 0.6 * DAY
    assert is_held_as_late(record, passing(0.58, passed=False))


def test_it_is_held_though_no_known_entry_follows_since_a_dropped_letter_may() -> None:
    record = RecordBetweenDecisions()
    record.receive([ENROLLED, passing(0.1), graded(0.2), graded(0.6, 0.7, "Pass"), graded(3), graded(4)])
    assert letters_until(record.timeline) == FIRST + 0.6 * DAY
    assert is_held_as_late(record, passing(0.58, passed=False))


@pytest.mark.parametrize("letter", ["Pass", "F"])
def test_one_at_the_instant_of_a_grade_whose_id_is_dropped_is_held_since_either_may_be_the_last(letter: str) -> None:
    record = RecordBetweenDecisions()
    record.receive([ENROLLED, AUDIT])
    record.receive([graded(0.5, 0.1, "Pass"), graded(1.5, 0.2, "Pass"), graded(1.6, 0.5, letter), graded(1.7)])
    assert of(Fact.GRADE, record.timeline)[1].event_id == ""
    assert is_held_as_late(record, passing(1.5, passed=False))


def is_held_as_late(record: RecordBetweenDecisions, late: Entry) -> bool:
    """Whether a late entry changes nothing that is published, but is held for a person."""
    before, after = record.published, record.receive([late]).publication
    assert before.certificate is not None
    assert before.certificate.status is Status.DOWNLOADABLE
    assert (after.new_transitions, after.published.certificate) == ((), before.certificate)
    return after.published.pending is not None and after.published.pending.cause is Cause.LATE_ENTRY


def test_one_that_comes_late_where_only_percents_were_dropped_counts() -> None:
    entries = [ENROLLED, *(graded(2 + number / 2) for number in range(40)), passing(30), passing(40)]
    record = received(*entries)
    assert letters_until(record.timeline) is BEGINNING
    late = passing(35, passed=False)
    decided = record.receive([late], FIRST + 40 * DAY)
    assert amounts_to(decided.outcome) == amounts_to(whole([*entries, late], FIRST + 40 * DAY))


def test_the_last_evidence_before_a_failing_entry_stays() -> None:
    letters = [graded(2 + number / 2, 0.9, "Pass") for number in range(40)]
    record = received(ENROLLED, passing(1), *letters, passing(30, passed=False))
    assert letters[-1] in record.timeline
    assert len(of(Fact.GRADE, record.timeline)) < 6


def test_a_window_is_as_long_as_the_events_that_it_waits_for() -> None:
    grades = [graded(1), graded(2), Entry(FIRST + 2 * DAY + MICROSECOND, "n", Fact.GRADE, "", Grade(0.7, ""))]
    assert len(thin(merge((), [ENROLLED, *grades]), ())) == 4
    assert timedelta(days=1) == WINDOW
