"""The definition of a program, read from its event, or refused with the field and the fix."""

import json
from copy import deepcopy
from typing import Any

import pytest

from certrules.core.limits import MOST_COURSE_RUNS, MOST_COURSES
from certrules.core.programs.definitions import PAID_MODES, DatedDefinition, ProgramCourse, ProgramStatus
from certrules.formats.events_in import MAX_BYTES, decode
from certrules.formats.refusals import Reason, RefusedError
from tests.scenes.story_of_samples import REPORTED_BY, story

(SAMPLE,) = (detail for detail in story() if detail["metadata"]["event_type"] == "certificates.program.configured.v1")


def changed(**fields: Any) -> dict[str, Any]:
    detail = deepcopy(SAMPLE)
    detail["program"] |= fields
    return detail


def read(detail: dict[str, Any]) -> DatedDefinition:
    message = decode(json.dumps(detail), REPORTED_BY)
    assert message is not None
    assert message.program is not None
    assert (message.learner_id, message.course_run, message.entries) == (None, None, ())
    return message.program


def refusal(detail: dict[str, Any]) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        decode(json.dumps(detail), REPORTED_BY)
    return raised.value


def test_the_sample_is_read_whole() -> None:
    dated = read(changed(by="ada", notes="As in the catalog."))
    assert (dated.at.isoformat(), dated.event_id) == (SAMPLE["metadata"]["time"], SAMPLE["metadata"]["id"])
    assert (dated.by, dated.notes) == ("ada", "As in the catalog.")
    definition = dated.definition
    assert (definition.title, definition.type) == ("Computer Science", "MicroMasters")
    assert definition.status is ProgramStatus.ACTIVE
    assert definition.accepted_modes == ("professional", "verified")
    assert definition.courses == (
        ProgramCourse("DemoX+CS101", ("course-v1:DemoX+CS101+2026_T1", "course-v1:DemoX+CS101+2026_T3")),
        ProgramCourse("DemoX+CS102", ("course-v1:DemoX+CS102+2026_T3",)),
    )


def test_without_accepted_modes_every_paid_mode_is_accepted() -> None:
    detail = changed(accepted_modes=None)
    assert read(detail).definition.accepted == PAID_MODES
    del detail["program"]["accepted_modes"]
    assert read(detail).definition.accepted_modes is None


def test_modes_and_the_status_are_read_in_any_case() -> None:
    definition = read(changed(accepted_modes=[" Verified", "verified", "MASTERS"], status="Retired")).definition
    assert definition.accepted_modes == ("masters", "verified")
    assert definition.status is ProgramStatus.RETIRED


def test_a_uuid_without_dashes_or_in_capitals_names_the_same_program() -> None:
    uuid = SAMPLE["program"]["uuid"]
    assert {read(changed(uuid=form)).definition.uuid for form in (uuid, uuid.upper(), uuid.replace("-", ""))} == {uuid}


def test_a_gap_is_read_since_it_takes_nothing_away() -> None:
    assert read(changed(courses=[])).definition.courses == ()
    assert read(changed(courses=[{"key": "A", "course_runs": []}])).definition.courses == (ProgramCourse("A", ()),)


def test_a_course_that_is_listed_twice_has_the_course_runs_of_both() -> None:
    courses = [{"key": "A", "course_runs": [f"course-v1:A+B+{run}"]} for run in ("2", "1", "2")]
    expected = (ProgramCourse("A", ("course-v1:A+B+1", "course-v1:A+B+2")),)
    assert read(changed(courses=courses)).definition.courses == expected


def test_a_program_without_a_type_is_read() -> None:
    assert read(changed(type=None)).definition.type == ""


@pytest.mark.parametrize(
    ("fields", "reason", "field", "fix"),
    [
        ({"uuid": "MicroMasters"}, Reason.BAD_VALUE, "program.uuid", "it is no uuid"),
        ({"title": ""}, Reason.BAD_VALUE, "program.title", "length >= 1"),
        ({"status": "hidden"}, Reason.BAD_VALUE, "program.status", "none of the values"),
        ({"accepted_modes": []}, Reason.BAD_VALUE, "program.accepted_modes", "null for every paid mode"),
        ({"accepted_modes": "verified"}, Reason.WRONG_TYPE, "program.accepted_modes", "Expected `array"),
        (
            {"accepted_modes": ["verified", "None"]},
            Reason.BAD_VALUE,
            "program.accepted_modes[1]",
            "no enrollment mode",
        ),
        ({"accepted_modes": ["x"] * 51}, Reason.TOO_LARGE, "program.accepted_modes", "at most 50"),
        ({"courses": None}, Reason.WRONG_TYPE, "program.courses", "Expected `array`"),
        (
            {"courses": [{"key": "A", "course_runs": []}, {"key": "B", "course_runs": ["CS101"]}]},
            Reason.BAD_COURSE_KEY,
            "program.courses[1].course_runs[0]",
            "no key of a course run",
        ),
        ({"courses": [{"key": "", "course_runs": []}]}, Reason.BAD_VALUE, "program.courses", "length >= 1"),
        (
            {"courses": [{"key": f"C{n}", "course_runs": []} for n in range(MOST_COURSES + 1)]},
            Reason.TOO_LARGE,
            "program.courses",
            "at most 300",
        ),
        (
            {"courses": [{"key": "A", "course_runs": ["a/b/c"] * (MOST_COURSE_RUNS + 1)}]},
            Reason.TOO_LARGE,
            "program.courses.course_runs",
            "at most 1000",
        ),
    ],
)
def test_what_makes_no_program_is_refused_by_name_with_the_fix(
    fields: dict[str, Any], reason: Reason, field: str, fix: str
) -> None:
    refused = refusal(changed(**fields))
    assert (refused.reason, refused.field) == (reason, field)
    assert fix in refused.fix


@pytest.mark.parametrize("field", ["uuid", "title", "status", "courses"])
def test_what_a_program_needs_can_not_be_left_out(field: str) -> None:
    detail = changed()
    del detail["program"][field]
    assert (refusal(detail).reason, refusal(detail).field) == (Reason.MISSING_FIELD, f"program.{field}")


def test_the_largest_program_fits_into_an_event() -> None:
    runs = [f"course-v1:UniversityX+CS{n:04}x+2026_T1" for n in range(MOST_COURSE_RUNS)]
    courses = [{"key": f"UniversityX+CS{n:04}x", "course_runs": runs[n::MOST_COURSES]} for n in range(MOST_COURSES)]
    detail = changed(courses=courses)
    assert len(json.dumps(detail)) < MAX_BYTES
    assert sum(len(course.course_runs) for course in read(detail).definition.courses) == MOST_COURSE_RUNS
