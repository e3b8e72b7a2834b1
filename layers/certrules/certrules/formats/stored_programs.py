"""The stored form of programs: a program's definitions, and a learner's program certificate. Compact JSON, as others.

The program's uuid is the key of both items, so it isn't in them. Instants are microseconds since 1970 (UTC).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from certrules.core.instants import instant_of, micros, optional_instant, optional_micros
from certrules.core.programs.definitions import (
    DatedDefinition,
    DefinitionTimeline,
    ProgramCourse,
    ProgramDefinition,
    ProgramStatus,
)
from certrules.core.programs.outcome import ProgramAction, ProgramPending, ProgramTransition
from certrules.core.programs.publication import PublishedProgram
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import Actor, RevocationAction

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ProgramState(NamedTuple):
    """A learner's program certificate as it is stored."""

    published: PublishedProgram = PublishedProgram()
    number: int = 0  # of the last transition: how many were ever published
    announced: int = 0  # the number of the last one whose event was put on the bus, or needed none
    actions: tuple[ProgramAction, ...] = ()  # of people, on its pending revocations; see merge_actions


NO_STATE = ProgramState()


def encode_definitions(timeline: DefinitionTimeline) -> str:
    """Return the definitions of a program in their stored form."""
    return _encode([_definition_out(entry) for entry in timeline]).decode()


def decode_definitions(uuid: str, text: str) -> DefinitionTimeline:
    """Return the definitions of a program from their stored form."""
    return tuple(_definition_in(uuid, *item) for item in _decode(text))


def encode_program(state: ProgramState) -> str:
    """Return a learner's program certificate in its stored form."""
    status, awarded_at, first_awarded_at, transitions, pending = state.published
    return _encode(
        [
            [status, optional_micros(awarded_at), optional_micros(first_awarded_at)],
            [_transition_out(transition) for transition in transitions],
            None if pending is None else [pending.cause, micros(pending.since), optional_micros(pending.due)],
            state.number,
            state.announced,
            [[micros(action.at), *action[1:]] for action in state.actions],
        ]
    ).decode()


def decode_program(text: str) -> ProgramState:
    """Return a learner's program certificate from its stored form."""
    (status, awarded_at, first_awarded_at), transitions, pending, number, announced, actions = _decode(text)
    published = PublishedProgram(
        None if status is None else ProgramCertificateStatus(status),
        optional_instant(awarded_at),
        optional_instant(first_awarded_at),
        tuple(_transitions_in(transitions)),
        None
        if pending is None
        else ProgramPending(ProgramCause(pending[0]), instant_of(pending[1]), optional_instant(pending[2])),
    )
    return ProgramState(published, number, announced, tuple(_action_in(*item) for item in actions))


def _definition_out(entry: DatedDefinition) -> list[Any]:
    definition = entry.definition
    courses = [[course.key, *course.course_runs] for course in definition.courses]
    what = [definition.title, definition.type, definition.status, definition.accepted_modes, courses]
    return [micros(entry.at), entry.event_id, what, entry.by, entry.notes]


def _definition_in(uuid: str, at: int, event_id: str, what: list[Any], by: str, notes: str) -> DatedDefinition:
    title, kind, status, modes, courses = what
    definition = ProgramDefinition(
        uuid,
        title,
        kind,
        ProgramStatus(status),
        None if modes is None else tuple(modes),
        tuple(ProgramCourse(key, tuple(runs)) for key, *runs in courses),
    )
    return DatedDefinition(instant_of(at), event_id, definition, by, notes)


def _action_in(at: int, event_id: str, action: str, cause: str, by: str, notes: str) -> ProgramAction:
    return ProgramAction(instant_of(at), event_id, RevocationAction(action), ProgramCause(cause), by, notes)


def _transition_out(transition: ProgramTransition) -> list[Any]:
    at, status, cause, actor, awarded_at, first_awarded_at = transition
    named = [*actor] if any(actor) else []
    return [micros(at), status, cause, micros(awarded_at), micros(first_awarded_at), *named]


def _transitions_in(items: Iterable[list[Any]]) -> Iterable[ProgramTransition]:
    for at, status, cause, awarded_at, first_awarded_at, *named in items:
        yield ProgramTransition(
            instant_of(at),
            ProgramCertificateStatus(status),
            ProgramCause(cause),
            Actor(*named),
            instant_of(awarded_at),
            instant_of(first_awarded_at),
        )
