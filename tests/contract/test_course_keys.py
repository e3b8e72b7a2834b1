"""Which keys name a course run: one pattern here, held against Open edX's own opaque keys."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from ccx_keys.locator import CCXLocator  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st
from opaque_keys import InvalidKeyError
from opaque_keys.edx.keys import CourseKey
from opaque_keys.edx.locator import CourseLocator

from certrules.formats.course_keys import COURSE_KEY, is_course_key
from certrules.formats.key_spellings import folded, meant_course_key, other_spellings
from certrules.formats.refusals import Reason, RefusedError, checked_course_key
from tests.scenes.openedx import course_keys

COURSE_KEYS_THAT_NAME_NO_COURSE_RUN = {
    "course-v1:A+B+C+branch@draft": "a branch of its content; learners enroll in the course run",
    "course-v1:A+B+C+version@519665f6223ebd6980884f2b": "one version of its content",
    "course-v1:version@519665f6223ebd6980884f2b": "a version of unnamed content",
    "ccx-v1:A+B+C+branch@draft+ccx@1": "a branch, of a CCX",
    "ccx-v1:A+B+C+CCX@1": "the library writes it with a small ccx@",
    "library-v1:A+B": "a library, in which nobody enrolls",
}


def parsed(key: str) -> Any:
    try:
        return CourseKey.from_string(key)
    except InvalidKeyError:
        return None


def names_course_run(key: str) -> bool:
    """Ask the library: a course or CCX with all three parts and nothing more, in the form that it writes."""
    found = parsed(key)
    return (
        type(found) in {CourseLocator, CCXLocator}
        and None not in {found.org, found.course, found.run}
        and found.branch is None
        and found.version_guid is None
        and str(found) == key
    )


_EDITS = "+/:@%~. #\n\x00\u00e9\u00bc\u0661aZ_"


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """Make a key and put, replace or delete a few characters of it."""
    key = draw(course_keys)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(key)))
        key = key[:start] + draw(st.sampled_from(["", *_EDITS])) + key[start + draw(st.integers(0, 1)) :]
    return key


@given(course_keys)
@example("course-v1:edX+DemoX+2026_T1")
@example("edX/DemoX/2012_Fall")
@example("course-v1:Universit\u00e9+\u8bfe\u7a0b+\u0416\u0661")
@example("ccx-v1:A+B+C+ccx@12")
def test_what_names_a_course_run_for_the_library_does_here(key: str) -> None:
    assert names_course_run(key)
    assert checked_course_key(key, "course_key") == key


@given(near_misses() | st.text(max_size=40) | st.text(max_size=20).map(lambda text: f"course-v1:{text}"))
@example("course-v1:A+B+C\n")
@example("course-v1:A+B+C+")
@example("course-v1:A+B")
@example("course-v1:A/B/C")
@example("course-v1:A%20B+C+D")
@example("A%20B/C/D")
@example("A:B/C/D")
@example("A/B/C/D")
@example("ccx-v1:A+B+C")
@example("ccx-v1:A+B+C+ccx@\u0661")
@example("course-v1:A+B+C+ccx@1")
def test_pattern_and_library_agree_on_near_misses(key: str) -> None:
    assert (COURSE_KEY.fullmatch(key) is not None) == names_course_run(key)


@pytest.mark.parametrize("key", COURSE_KEYS_THAT_NAME_NO_COURSE_RUN)
def test_a_course_key_that_names_no_course_run_is_refused(key: str) -> None:
    assert parsed(key) is not None
    with pytest.raises(RefusedError) as refusal:
        checked_course_key(key, "course_key")
    assert refusal.value.reason is Reason.BAD_COURSE_KEY


def test_a_key_longer_than_the_platform_stores_is_refused() -> None:
    stem = "course-v1:A+B+"
    assert checked_course_key(stem + "C" * (255 - len(stem)), "course_key")
    with pytest.raises(RefusedError):
        checked_course_key(stem + "C" * (256 - len(stem)), "course_key")


# --- what was pasted

KEY, OLD, CCX = "course-v1:DemoX+CS101+2026_T1", "DemoX/CS101/2026_T1", "ccx-v1:DemoX+CS101+2026_T1+ccx@7"

_plain = st.from_regex(r"[A-Za-z0-9_\-]{1,12}", fullmatch=True)
_keys = st.one_of(
    st.tuples(_plain, _plain, _plain).map(lambda pieces: f"course-v1:{'+'.join(pieces)}"),
    st.tuples(_plain, _plain, _plain, st.integers(1, 999)).map(
        lambda pieces: f"ccx-v1:{'+'.join(pieces[:3])}+ccx@{pieces[3]}"
    ),
    st.tuples(_plain, _plain, _plain).map("/".join),
)

ADDRESSES = (
    "https://lms.example.org/courses/{}/course/",
    "https://lms.example.org/courses/{}/about?utm_source=mail#top",
    "https://apps.example.org/learning/course/{}/home",
    "https://studio.example.org/course/{}",
    "lms.example.org/courses/{}/progress",
    "/courses/{}/info",
)
ENCODED: tuple[Callable[[str], str], ...] = (str, quote, lambda text: quote(quote(text, safe=""), safe=""))


@given(_keys, st.sampled_from(ADDRESSES), st.sampled_from(ENCODED))
def test_the_key_in_a_pasted_address_is_named(key: str, address: str, encode: Callable[[str], str]) -> None:
    pasted = address.format(encode(key))
    assert not is_course_key(pasted)
    assert meant_course_key(pasted) == key


@given(_keys, st.text(" \t\n\u00a0\u200b\ufeff", max_size=2), st.text(" \t\n\u00a0\u200b", min_size=1, max_size=2))
def test_blanks_around_a_key_are_named_without(key: str, before: str, after: str) -> None:
    for pasted in (before + key + after, f'"{key}"', f"<{key}>", f"({key}),"):
        assert not is_course_key(pasted)
        assert meant_course_key(pasted) == key


@given(_keys.filter(lambda key: "/" not in key))
def test_an_encoding_of_the_plus_is_undone(key: str) -> None:
    prefix, _, pieces = key.partition(":")
    for pasted in (
        quote(key),
        quote(quote(key)),
        key.replace("+", "%2B"),
        key.replace("+", " "),
        key.replace("+", " + "),
        key.replace("+", "\uff0b"),
        f"{prefix.upper()}:{pieces}",
    ):
        assert not is_course_key(pasted)
        assert meant_course_key(pasted) == key


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("DemoX+CS101+2026_T1", KEY),
        ("DemoX%2BCS101%2B2026_T1", KEY),
        ("course-v1:DemoX/CS101/2026_T1", KEY),
        ("courses/course-v1%3ADemoX%2BCS101%2B2026_T1/course", KEY),
        ("block-v1:DemoX+CS101+2026_T1+type@sequential+block@0123", KEY),
        ("course-v1:DemoX+CS101+2026_T1+branch@draft-branch", KEY),
        ("the course run course-v1:DemoX+CS101+2026_T1, please", KEY),
        ("https://lms/certificates?next=%2Fcourses%2Fcourse-v1%253ADemoX%252BCS101%252B2026_T1%2F", KEY),
        ("course-v1:DemoX+CS101+2026_T1+ccx@7", CCX),
        ("CCX-v1:DemoX+CS101+2026_T1+CCX@7", CCX),
        ("ccx-block-v1:DemoX+CS101+2026_T1+ccx@7+type@chapter+block@a", CCX),
        ("DemoX / CS101 / 2026_T1", OLD),
        ("/DemoX/CS101/2026_T1/", OLD),
        ("DemoX%2FCS101%2F2026_T1", OLD),
    ],
)
def test_other_pasted_forms_name_the_key_that_was_meant(pasted: str, meant: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        checked_course_key(pasted, "course_key")
    assert refusal.value.fix.endswith(f"; probably meant: {meant}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DemoX",
        "Ann Example Smith",
        "ann+smith@example.org",
        "ann+b+smith@example.org",
        "call +49 30 1234",
        "course-v1:A+B",
        "course-v1:A+B+C+D",
        "course-v1:A B+C+D",
        "library-v1:A+B",
        "https://lms.example.org/dashboard",
        "course-v1:" + "+".join(["A" * 100] * 3),
        "x" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_of_a_text_that_means_no_key_nothing_is_repeated(text: str) -> None:
    assert meant_course_key(text) == ""
    with pytest.raises(RefusedError) as refusal:
        checked_course_key(text, "course_key")
    assert refusal.value.fix == "this is no key of a course run, such as course-v1:edX+DemoX+2026_T1"


@given(st.text() | near_misses())
def test_what_is_named_is_a_key_and_another_text(text: str) -> None:
    meant = meant_course_key(text)
    assert meant == "" or (is_course_key(meant) and meant != text)


# --- spellings


@given(_keys)
def test_spellings_of_a_key_differ_in_case_or_are_of_the_old_style(key: str) -> None:
    assert {folded(key), folded(key.upper().replace("COURSE-V1:", "course-v1:").replace("CCX-V1:", "ccx-v1:"))} == {
        folded(key)
    }
    assert other_spellings(key, [key]) == ()


def test_other_spellings_are_those_that_are_known() -> None:
    known = [KEY, OLD, KEY.replace("DemoX", "demox"), KEY.replace("CS101", "CS102"), CCX]
    assert other_spellings(KEY, known) == (OLD, KEY.replace("DemoX", "demox"))
    assert other_spellings(OLD.lower(), known) == (OLD, KEY, KEY.replace("DemoX", "demox"))
    assert other_spellings(CCX, known) == ()
