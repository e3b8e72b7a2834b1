"""Timelines by example: who wins a tie, what a reused event id means, and what compaction keeps."""

from certrules.core import timeline as timelines
from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING, MICROSECOND
from certrules.core.timeline import CAPACITY, SETTLED_CAPACITY, Entry, at_instant, compact, merge
from tests.scenes.phrases import instant


def passing(day: int, value: bool, event_id: str = "", by: str = "") -> Entry:
    return Entry(instant(f"day {day}"), event_id or f"event-{day:05}", Fact.PASSING, "", value, by)


def value_on(day: int, entries: timelines.Timeline) -> object:
    return at_instant(entries, instant(f"day {day}"))[Fact.PASSING, ""].value


def test_at_the_same_instant_the_greater_event_id_holds_whichever_came_first() -> None:
    one, two = passing(1, value=True, event_id="a"), passing(1, value=False, event_id="b")
    assert value_on(1, merge(merge((), [one]), [two])) is False
    assert value_on(1, merge(merge((), [two]), [one])) is False


def test_merging_what_is_known_gives_the_very_same_timeline() -> None:
    known = merge((), [passing(1, value=True)])
    assert merge(known, [passing(1, value=True)]) is known
    assert merge(known, []) is known


def test_an_event_id_reused_for_another_time_means_the_earlier_one() -> None:
    early, late = passing(1, value=True, event_id="a"), passing(2, value=False, event_id="a")
    assert merge(merge((), [early]), [late]) == merge(merge((), [late]), [early]) == (early,)


def test_one_event_may_bring_several_entries() -> None:
    at = instant("day 1")
    stated = [Entry(at, "a", Fact.COURSE_RUN, subject, value=True) for subject in ("", "self_paced")]
    assert len(merge((), stated)) == 2


def test_the_source_of_a_value_is_the_first_entry_with_it() -> None:
    entries = merge((), [passing(1, value=True), passing(2, value=True), passing(3, value=False)])
    assert at_instant(entries, instant("day 2"))[Fact.PASSING, ""].at == instant("day 1")
    assert at_instant(entries, instant("day 0")) == {}


def test_a_short_timeline_is_left_alone() -> None:
    entries = merge((), [passing(day, value=True) for day in range(1, SETTLED_CAPACITY + 1)])
    assert compact(entries) == (entries, BEGINNING)


def test_of_the_last_day_more_is_stored() -> None:
    at = instant("day 1")
    entries = merge(
        (), [passing(1, value=True, event_id=f"{n:03}")._replace(at=at + n * MICROSECOND) for n in range(CAPACITY)]
    )
    assert compact(entries) == (entries, BEGINNING)
    one_more = merge(entries, [passing(2, value=True)])
    assert len(compact(one_more)[0]) < CAPACITY


def test_of_equal_values_in_a_row_the_first_and_the_last_are_stored() -> None:
    entries = merge((), [passing(day, value=day < 6) for day in range(1, 11)])
    stored_record, settled = compact(entries, capacity=0)
    assert [entry.at for entry in stored_record] == [instant(f"day {day}") for day in (1, 5, 6, 10)]
    assert settled == instant("day 9")


def test_compaction_drops_twice_the_excess_oldest_first_so_that_it_is_rare() -> None:
    entries = merge((), [passing(day, value=True) for day in range(1, 11)])
    stored_record, settled = compact(entries, capacity=8)
    assert [entry.at for entry in stored_record] == [instant(f"day {day}") for day in (1, 6, 7, 8, 9, 10)]
    assert settled == instant("day 5")


def test_what_was_dropped_is_dropped_again_on_sight() -> None:
    entries = merge((), [passing(day, value=True) for day in range(1, 11)])
    stored_record, settled = compact(entries, capacity=8)
    assert compact(merge(stored_record, [passing(3, value=True)]), 8, settled) == (stored_record, settled)


def test_a_late_contrary_value_follows_the_last_stored_value() -> None:
    entries = merge((), [passing(day, value=True) for day in range(1, 11)])
    stored_record, _ = compact(entries, capacity=0)
    assert value_on(9, merge(stored_record, [passing(6, value=False)])) is False
    assert value_on(10, merge(stored_record, [passing(6, value=False)])) is True


def test_what_differs_is_never_dropped() -> None:
    entries = merge((), [passing(day, value=bool(day % 2)) for day in range(1, 11)])
    assert compact(entries, capacity=0) == (entries, BEGINNING)


def test_subjects_run_side_by_side() -> None:
    exams = [
        Entry(instant(f"day {day}"), f"{day}{exam}", Fact.INVALIDATION, exam, value=exam == "final")
        for day in range(1, 4)
        for exam in ("final", "midterm")
    ]
    stored_record, _ = compact(merge((), exams), capacity=0)
    assert [entry.event_id for entry in stored_record] == ["1final", "1midterm", "3final", "3midterm"]
