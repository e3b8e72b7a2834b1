"""Which keys name a course run: one pattern here, held against Open edX's own opaque keys."""

from typing import Any

import pytest
from ccx_keys.locator import CCXLocator  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st
from opaque_keys import InvalidKeyError
from opaque_keys.edx.keys import CourseKey
from opaque_keys.edx.locator import CourseLocator

from certrules.formats.refusals import COURSE_KEY, Reason, RefusedError, checked_course_key
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
