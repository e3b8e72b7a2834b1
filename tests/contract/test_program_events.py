"""Events on programs, a definition or an act, are read, or refused with the field and the fix."""

import json
from copy import deepcopy
from typing import Any

import pytest

from certrules.core.limits import MOST_COURSE_RUNS, MOST_COURSES
from certrules.core.programs.definitions import PAID_MODES, DatedDefinition, ProgramCourse, ProgramStatus
from certrules.core.programs.outcome import ActionOnProgram, ProgramAction
from certrules.core.programs.reasons import HELD, ProgramCause
from certrules.core.terms import RevocationAction
from certrules.formats.events_in import MAX_BYTES, decode
from certrules.formats.refusals import Reason, RefusedError
from tests.scenes.story_of_samples import LEARNER, PROGRAM, REPORTED_BY, story

STORY = {detail["metadata"]["event_type"]: detail for detail in story()}
SAMPLE = STORY["certificates.program.configured.v1"]
ACTIONS = {f"certificates.program.revocation.{action}.v1": action for action in RevocationAction}


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


def acted(event_type: str, **fields: Any) -> dict[str, Any]:
    detail = deepcopy(STORY[event_type])
    detail["revocation"] |= fields
    return detail


def read_act(detail: dict[str, Any]) -> ActionOnProgram:
    message = decode(json.dumps(detail), REPORTED_BY)
    assert message is not None
    assert message.program_action is not None
    assert (message.learner_id, message.course_run, message.entries, message.program) == (LEARNER, None, (), None)
    return message.program_action


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


# --- acts on a pending revocation


@pytest.mark.parametrize(("event_type", "action"), ACTIONS.items())
def test_an_act_is_read_with_who_did_it_and_why(event_type: str, action: RevocationAction) -> None:
    detail = acted(event_type, by="ada", notes="Agreed.", cause="never_earned")
    program, read_action = read_act(detail)
    at, event_id = read_action.at, detail["metadata"]["id"]
    assert (program, at.isoformat()) == (PROGRAM, detail["metadata"]["time"])
    assert read_action == ProgramAction(at, event_id, action, ProgramCause.NEVER_EARNED, "ada", "Agreed.")


@pytest.mark.parametrize("event_type", ACTIONS)
def test_an_act_names_any_cause_of_a_pending_revocation_and_no_other(event_type: str) -> None:
    for cause in ProgramCause:
        detail = acted(event_type, cause=cause)
        if cause in HELD | {ProgramCause.COURSE_LOST}:
            assert read_act(detail).action.cause is cause
        else:
            assert (refusal(detail).reason, refusal(detail).field) == (Reason.BAD_VALUE, "revocation.cause")


@pytest.mark.parametrize("event_type", ACTIONS)
def test_an_act_names_the_program_in_any_form_of_its_uuid(event_type: str) -> None:
    forms = (PROGRAM, PROGRAM.upper(), PROGRAM.replace("-", ""))
    assert {read_act(acted(event_type, program=form)).program for form in forms} == {PROGRAM}


@pytest.mark.parametrize("event_type", ACTIONS)
@pytest.mark.parametrize(
    ("fields", "reason", "field", "fix"),
    [
        ({"program": "MicroMasters"}, Reason.BAD_VALUE, "revocation.program", "it is no uuid"),
        ({"program": ""}, Reason.BAD_VALUE, "revocation.program", "length >= 1"),
        ({"program": 7}, Reason.WRONG_TYPE, "revocation.program", "Expected `str`"),
        ({"cause": "grade_fell"}, Reason.BAD_VALUE, "revocation.cause", "none of the values"),
        ({"cause": None}, Reason.WRONG_TYPE, "revocation.cause", "Expected `str`"),
        ({"learner_id": 0}, Reason.BAD_VALUE, "revocation.learner_id", ">= 1"),
        ({"learner_id": "42"}, Reason.WRONG_TYPE, "revocation.learner_id", "Expected `int`"),
    ],
)
def test_what_makes_no_act_is_refused_by_name_with_the_fix(
    event_type: str, fields: dict[str, Any], reason: Reason, field: str, fix: str
) -> None:
    refused = refusal(acted(event_type, **fields))
    assert (refused.reason, refused.field) == (reason, field)
    assert fix in refused.fix


@pytest.mark.parametrize("event_type", ACTIONS)
@pytest.mark.parametrize("field", ["learner_id", "program", "cause"])
def test_what_an_act_needs_can_not_be_left_out(event_type: str, field: str) -> None:
    detail = acted(event_type)
    del detail["revocation"][field]
    assert (refusal(detail).reason, refusal(detail).field) == (Reason.MISSING_FIELD, f"revocation.{field}")
