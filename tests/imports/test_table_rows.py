"""Rows entered into timelines: twice is once, in any order, and what was received live is not contradicted."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, Recorded
from certrules.core.terms import Status
from certrules.core.timeline import Entry, Timeline, at_instant, ignored_fields, merge
from certrules.formats.table_rows import Observation, TableRow, decode_row, encode_row, entries_from, ignored
from tests.scenes.phrases import instant


def seen(value: object, since: int, by: int, source: str = "table/1") -> Observation:
    return Observation(instant(f"day {since}"), instant(f"day {by}"), Fact.BETA_TESTER, value, source)


def arrived(value: object, day: int) -> Entry:
    return Entry(instant(f"day {day}"), f"live-{day}", Fact.BETA_TESTER, "", value)


def after(known: Timeline, *stated: Observation) -> list[tuple[int, object]]:
    """Return what a timeline has by then: the day, and the value."""
    timeline = merge(known, entries_from(known, stated))
    return [((entry.at - instant("day 0")).days, entry.value) for entry in timeline]


def test_of_a_fact_that_was_never_received_the_row_counts_from_its_earliest_date() -> None:
    assert after((), seen("a", 2, 9)) == [(2, "a")]


def test_the_same_value_is_known_already() -> None:
    assert after((arrived("a", 1),), seen("a", 2, 9)) == [(1, "a")]


def test_a_fact_that_was_first_received_later_counts_from_the_rows_date() -> None:
    assert after((arrived("a", 5),), seen("a", 2, 9)) == [(2, "a"), (5, "a")]


def test_another_value_counts_from_when_it_was_seen_for_the_event_got_lost() -> None:
    assert after((arrived("a", 1),), seen("b", 1, 9)) == [(1, "a"), (9, "b")]


def test_an_event_after_the_export_has_the_last_value() -> None:
    assert after((arrived("a", 1), arrived("c", 12)), seen("b", 1, 9)) == [(1, "a"), (9, "b"), (12, "c")]


def test_a_row_from_before_everything_that_was_received_comes_before_it() -> None:
    assert after((arrived("c", 12),), seen("b", 1, 9)) == [(1, "b"), (12, "c")]


def test_history_and_the_row_itself_agree_in_any_order() -> None:
    rows = [seen("a", 1, 1, "h/1"), seen("b", 1, 4, "h/2"), seen("b", 1, 9)]
    assert after((), *rows) == after((), *reversed(rows)) == [(1, "a"), (4, "b")]


def test_a_value_that_can_be_read_again_counts_from_then_on_though_it_is_the_one_before() -> None:
    known = (arrived("a", 1),)
    odd = seen("a", 4, 4)
    warned = merge(known, entries_from(known, [ignored(odd, "table.column", "'?' is no value")]))
    assert [entry.subject for entry in ignored_fields(warned, instant("day 9"))] == ["table.column"]
    mended = merge(warned, entries_from(warned, [seen("a", 5, 5)]))
    assert [(entry.at, entry.value) for entry in mended if entry.fact is Fact.BETA_TESTER] == [
        (instant("day 1"), "a"),
        (instant("day 5"), "a"),
    ]
    assert ignored_fields(mended, instant("day 9")) == ()
    assert tuple(entries_from(mended, [seen("a", 5, 5), ignored(odd, "table.column", "'?' is no value")])) == ()


DAYS = st.integers(1, 12)
VALUES = st.sampled_from("ab")
ROWS = st.lists(
    st.builds(
        lambda value, one, two, row: seen(value, min(one, two), max(one, two), f"t/{row}"), VALUES, DAYS, DAYS, DAYS
    )
)


@given(
    rows=ROWS.map(lambda rows: list({(row.since, row.observed_at): row for row in rows}.values())),
    live=st.dictionaries(DAYS, VALUES),
)
def test_sending_it_again_changes_nothing(rows: list[Observation], live: dict[int, str]) -> None:
    known = merge((), [arrived(value, day) for day, value in live.items()])
    once = merge(known, entries_from(known, rows))
    twice = merge(once, entries_from(once, rows))
    assert merge(twice, entries_from(twice, rows)) == twice


@given(row=st.builds(seen, VALUES, DAYS, st.just(12)), live=st.dictionaries(DAYS, VALUES))
def test_when_a_row_was_read_the_timeline_agrees_with_it(row: Observation, live: dict[int, str]) -> None:
    known = merge((), [arrived(value, day) for day, value in live.items() if day < 12])
    timeline = merge(known, entries_from(known, [row]))
    assert at_instant(timeline, row.observed_at)[Fact.BETA_TESTER, ""].value == row.value


@given(row=st.builds(seen, VALUES, DAYS, st.just(12)), live=st.dictionaries(DAYS, VALUES, min_size=1))
def test_nothing_that_was_received_is_ever_gone(row: Observation, live: dict[int, str]) -> None:
    known = merge((), [arrived(value, day) for day, value in live.items()])
    assert set(known) <= set(merge(known, entries_from(known, [row])))


@pytest.mark.parametrize(
    ("fact", "subject", "value"),
    [
        (Fact.ENROLLMENT, "", Enrollment("verified", active=False)),
        (Fact.GRADE, "", Grade(0.5, "")),
        (Fact.PASSING, "", False),
        (Fact.RECORDED, "", Recorded(Status.DELETED, "honor", "", "", instant("day 1"), instant("day 2"))),
        (Fact.ID_VERIFICATION, "photo:5", Approval(None)),
        (Fact.ID_VERIFICATION, "photo:5", None),
        (Fact.DATE_OVERRIDE, "", instant("day 3")),
        (Fact.DATE_OVERRIDE, "", None),
        (Fact.COURSE_RUN, "end", instant("day 3")),
        (Fact.COURSE_RUN, "display_behavior", None),
        (Fact.INVALIDATION, "", True),
    ],
)
def test_a_part_file_has_every_fact_as_it_was(fact: Fact, subject: str, value: Any) -> None:
    since = instant("day 1") + timedelta(microseconds=1)
    row = TableRow(7, "a/b/c", (Observation(since, instant("day 9"), fact, value, "t/1", subject, "user:9", "why"),))
    assert decode_row(encode_row(row)) == row
