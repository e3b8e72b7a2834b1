"""`make fuzz` has every operation of the API in its time."""

from itertools import count

from tests.fuzz.__main__ import shared


def test_each_turn_has_an_equal_share_of_the_time() -> None:
    seconds = count()
    taken = list(shared("abc", until=300, clock=lambda: next(seconds)))
    assert list(dict.fromkeys(taken)) == ["a", "b", "c"]
    assert max(taken.count(turn) for turn in "abc") - min(taken.count(turn) for turn in "abc") <= 2
    assert next(seconds) <= 303  # each turn may end a little late


def test_where_the_time_is_too_short_each_has_one_turn() -> None:
    hours = count(step=3600)
    assert list(shared("abc", until=30, clock=lambda: next(hours))) == ["a", "b", "c"]
