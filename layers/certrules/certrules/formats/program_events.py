"""Our events on programs: a definition, whole and dated, and acts on a pending revocation of a program certificate.

No certificate in a course run is decided by them, so `ingest` refuses them.
"""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

from msgspec import Struct

from certrules.core.limits import MOST_COURSE_RUNS, MOST_COURSES
from certrules.core.policy import MOST_NAMES
from certrules.core.programs.definitions import DatedDefinition, ProgramCourse, ProgramDefinition, ProgramStatus
from certrules.core.programs.outcome import ActionOnProgram, ProgramAction
from certrules.core.programs.reasons import ProgramCause
from certrules.core.terms import RevocationAction
from certrules.formats.event_form import (
    EntryBuilder,
    EventContent,
    EventType,
    LearnerId,
    Required,
    ShortText,
    Text,
    event_type,
)
from certrules.formats.refusals import Reason, RefusedError


class _Course(Struct):
    key: Required
    course_runs: list[str]


class _Program(Struct):
    uuid: Required
    title: Required
    status: Literal["unpublished", "active", "retired", "deleted"]
    courses: list[_Course]
    type: ShortText | None = ""
    accepted_modes: list[ShortText] | None = None
    by: Text = ""
    notes: Text = ""


class _Revocation(Struct):
    learner_id: LearnerId
    program: Required
    cause: Literal["course_lost", "definition_changed", "definition_gap", "program_withdrawn", "never_earned"]
    by: Text = ""
    notes: Text = ""


def _configured(body: _Program, builder: EntryBuilder) -> EventContent:
    definition = ProgramDefinition(
        _uuid(body.uuid, "program.uuid"),
        body.title,
        body.type or "",
        ProgramStatus(body.status),
        _accepted_modes(body.accepted_modes, builder),
        _courses(body.courses, builder),
    )
    dated = DatedDefinition(builder.at, builder.event_id, definition, body.by, body.notes)
    return EventContent(None, None, program=dated)


def _revocation(action: RevocationAction) -> Callable[[_Revocation, EntryBuilder], EventContent]:
    def read(body: _Revocation, builder: EntryBuilder) -> EventContent:
        cause = ProgramCause(body.cause)
        acted = ProgramAction(builder.at, builder.event_id, action, cause, body.by, body.notes)
        program = _uuid(body.program, "revocation.program")
        return EventContent(body.learner_id, None, program_action=ActionOnProgram(program, acted))

    return read


def _uuid(text: str, field: str) -> str:
    """Return a program's uuid in lower case, with dashes. Raises RefusedError."""
    try:
        return str(UUID(text))
    except ValueError as error:
        fix = "it is no uuid; send the program's, as the catalog has it, such as 8a1b2c3d-0000-4000-8000-000000000001"
        raise RefusedError(Reason.BAD_VALUE, field, fix) from error


def _accepted_modes(modes: list[str] | None, builder: EntryBuilder) -> tuple[str, ...] | None:
    """Return the modes of certificates that count; None: every paid mode. Raises RefusedError."""
    if modes is None:
        return None
    if not modes:
        fix = "it is empty, so nobody could complete the program: name modes, or send null for every paid mode"
        raise RefusedError(Reason.BAD_VALUE, "program.accepted_modes", fix)
    _refuse_too_many("accepted_modes", len(modes), MOST_NAMES)
    return tuple(sorted({builder.mode(mode, f"accepted_modes[{n}]") for n, mode in enumerate(modes)}))


def _courses(courses: list[_Course], builder: EntryBuilder) -> tuple[ProgramCourse, ...]:
    """Return the courses; one that is listed twice has the course runs of both. Raises RefusedError."""
    _refuse_too_many("courses", len(courses), MOST_COURSES)
    _refuse_too_many("courses.course_runs", sum(len(course.course_runs) for course in courses), MOST_COURSE_RUNS)
    found: dict[str, set[str]] = {}
    for position, course in enumerate(courses):
        runs = found.setdefault(course.key, set())
        for number, run in enumerate(course.course_runs):
            runs.add(builder.course_run(run, f"courses[{position}].course_runs[{number}]"))
    return tuple(ProgramCourse(key, tuple(sorted(runs))) for key, runs in sorted(found.items()))


def _refuse_too_many(field: str, count: int, most: int) -> None:
    if count > most:
        fix = f"{count} are too many: a program has at most {most}"
        raise RefusedError(Reason.TOO_LARGE, f"program.{field}", fix)


# fmt: off
PROGRAM_CONFIGURED = event_type(
    "certificates.program.configured.v1", "program", _Program, _configured,
    "The program is defined like this from now on, as a whole: `courses` is a list of `key` and `course_runs`, "
    "`accepted_modes` null is every paid mode.",
    strict=("accepted_modes",),
    is_act=True,
)
PROGRAM_REVOCATION_HELD = event_type(
    "certificates.program.revocation.held.v1", "revocation", _Revocation, _revocation(RevocationAction.HELD),
    "The pending revocation of the program certificate with this cause waits for a person, without a due time.",
    is_act=True,
)
PROGRAM_REVOCATION_RELEASED = event_type(
    "certificates.program.revocation.released.v1", "revocation", _Revocation, _revocation(RevocationAction.RELEASED),
    "A person releases the pending revocation of the program certificate with this cause: it takes effect now.",
    is_act=True,
)
PROGRAM_REVOCATION_DISCARDED = event_type(
    "certificates.program.revocation.discarded.v1", "revocation", _Revocation, _revocation(RevocationAction.DISCARDED),
    "A person discards the pending revocation of the program certificate with this cause: it stays.",
    is_act=True,
)
# fmt: on

PROGRAM_EVENTS: tuple[EventType, ...] = (
    PROGRAM_CONFIGURED,
    PROGRAM_REVOCATION_HELD,
    PROGRAM_REVOCATION_RELEASED,
    PROGRAM_REVOCATION_DISCARDED,
)
