"""The names of a learner, as entries add to them: the newest counts in any order, and what was erased stays erased."""

from datetime import UTC, datetime
from functools import reduce
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.instants import micros
from certrules.formats.learner_names import (
    NOTHING,
    LearnerName,
    Name,
    decode_name,
    encode_name,
    name_in,
    usable,
)
from tests.scenes.scene import day

NOBODY = Name("", "")


class Entry(NamedTuple):
    """Something that is stated of a learner's names."""

    kind: str  # sent, seen or erased
    day: int
    name: Name = NOBODY


def add(names: LearnerName, entry: Entry) -> LearnerName:
    if entry.kind == "erased":
        return names.erased(day(entry.day))
    return (names.sent if entry.kind == "sent" else names.seen)(entry.name, day(entry.day))


def after(*entries: Entry) -> LearnerName:
    return reduce(add, entries, NOTHING)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """A learner whose names change now and then, and who takes none of the earlier ones again; erased or not."""
    entries = []
    username, name = 0, 0
    for number in range(1, draw(st.integers(1, 12))):
        username += draw(st.booleans())
        name += draw(st.booleans())
        kind = draw(st.sampled_from(("sent", "seen", "seen", "seen", "erased")))
        texts = Name(f"user{username}", draw(st.sampled_from((f"Name {name}", ""))))
        entries.append(Entry(kind, number, NOBODY if kind == "erased" else texts))
    return entries


def expected(history: list[Entry]) -> tuple[Name, str]:
    """Return the newest names, and the username before the newest, by the rule in its plainest form."""
    erased = max((entry.day for entry in history if entry.kind == "erased"), default=0)
    left = [entry for entry in history if entry.kind == "sent" and entry.day > erased]
    if not erased:
        left += [entry for entry in history if entry.kind == "seen"]
    left.sort(key=lambda entry: entry.day)
    newest = [[entry.name[field] for entry in left if entry.name[field]] for field in (0, 1)]
    former = [text for text in newest[0] if text != newest[0][-1]]
    return Name(*(texts[-1] if texts else "" for texts in newest)), former[-1] if former else ""


@given(histories(), st.randoms(use_true_random=False))
def test_the_newest_name_counts_in_any_order_and_duplicated(history: list[Entry], random: Random) -> None:
    shuffled = [*history, *random.choices(history, k=len(history))] if history else []
    random.shuffle(shuffled)
    names = after(*shuffled)
    assert (names.current, names.former_username.text if names.former_username else "") == expected(history)


@given(histories())
def test_what_is_stored_is_read_again_as_it_was(history: list[Entry]) -> None:
    names = after(*history)
    again = decode_name(encode_name(names), names.erased_at)
    assert (again.current, again.erased_at) == (names.current, names.erased_at)
    assert again.former_username == names.former_username


@given(histories())
def test_what_was_erased_is_nowhere_in_what_is_stored(history: list[Entry]) -> None:
    stored = encode_name(after(*history, Entry("erased", 50))) or ""
    assert "user" not in stored
    assert "Name" not in stored


def test_a_name_that_is_known_changes_nothing_though_it_comes_later() -> None:
    names = after(Entry("seen", 1, Name("ada", "Ada")))
    assert add(names, Entry("seen", 9, Name("ada", "Ada"))) == names
    assert add(names, Entry("seen", 9, Name("", ""))) == names


def test_whoever_takes_an_earlier_name_again_has_it_in_the_order_of_time_and_after_the_next_event_in_any() -> None:
    back = [Entry("seen", at, Name(text, "")) for at, text in ((1, "ada"), (3, "countess"), (5, "ada"))]
    assert after(*back).current.username == "ada"
    late = after(back[0], back[2], back[1])
    assert late.current.username == "countess"  # that is what it costs to write nothing for a name that is known
    assert add(late, Entry("seen", 7, Name("ada", ""))).current.username == "ada"


def test_an_erasure_ends_all_that_the_platform_brings_and_an_event_sent_later_names_again() -> None:
    gone = after(Entry("seen", 1, Name("ada", "Ada")), Entry("erased", 3))
    assert gone.current == NOBODY
    assert add(gone, Entry("seen", 9, Name("ada", "Ada"))) == gone
    assert add(gone, Entry("sent", 2, Name("ada", "Ada"))) == gone
    assert add(gone, Entry("sent", 5, Name("ada", "Ada"))).current == Name("ada", "Ada")


@pytest.mark.parametrize("kind", ["sent", "seen"])
def test_the_username_of_a_deleted_account_erases(kind: str) -> None:
    entry = Entry(kind, 5, Name("retired__user_4f1d", "Ada"))
    assert after(Entry("seen", 1, Name("ada", "Ada")), entry) == after(Entry("erased", 5))


def test_names_that_an_earlier_release_stored_are_read() -> None:
    at = micros(day(3))
    named = decode_name('["ann","Anna"]', at)
    assert named.current == Name("ann", "Anna")
    assert add(named, Entry("sent", 2, Name("old", "Old"))).current == Name("ann", "Anna")
    assert add(named, Entry("sent", 4, Name("new", ""))).current == Name("new", "Anna")
    assert decode_name(None, at) == LearnerName(erased_at=at)
    assert decode_name(None, None) == NOTHING


TYPE = "org.openedx.learning.course.enrollment.created.v1"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ('{"user": {"pii": {"username": "ada", "email": "a@b.c", "name": "Ada"}}}', Name("ada", "Ada")),
        ('{"student_user": {"pii": {"username": " ada "}}, "requesting_user": {"pii": {}}}', Name("ada", "")),
        ('{"requesting_user": {"pii": {"username": "staff"}}}', None),
        ('{"user": {"pii": {"username": "", "email": "a@b.c", "name": ""}}}', None),
        ('{"user": {"pii": {"username": 7, "name": ["Ada"]}}}', None),
        ('{"user": {"pii": {"username": "a\\u0000da", "name": "Ada"}}}', Name("", "Ada")),
        ('{"user": {"pii": "ada"}}', None),
        ('{"user": "pii"}', None),
        ('{"user": {"pii": NaN}}', None),
        ('{"user": {"id": 7}}', None),
    ],
)
def test_the_name_is_that_of_whom_the_event_is_about_and_the_email_is_not_read(data: str, found: Name | None) -> None:
    assert name_in(TYPE, data.encode()) == found
    assert name_in("certificates.recorded.v1", data.encode()) is None


def test_a_name_that_is_too_long_is_not_stored() -> None:
    assert usable(Name("u" * 256, "Ada")) == Name("", "Ada")
    assert usable(Name("u" * 255, "")) == Name("u" * 255, "")


def test_of_two_names_of_one_time_the_same_counts_in_any_order() -> None:
    one, other = Entry("seen", 1, Name("ada", "")), Entry("seen", 1, Name("bea", ""))
    assert after(one, other).current == after(other, one).current == Name("bea", "")


def test_times_are_compared_to_the_microsecond() -> None:
    at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    names = NOTHING.seen(Name("ada", ""), datetime(2026, 1, 1, tzinfo=UTC)).seen(Name("bea", ""), at)
    assert names.current.username == "bea"
