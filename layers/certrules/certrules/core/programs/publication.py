"""The guard of program certificates: what was published stays unless a listed cause revokes it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from certrules.core.programs.outcome import ProgramAction, ProgramOutcome, ProgramPending, ProgramTransition
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import Actor, RevocationAction, is_person

MOST_TRANSITIONS = 30
"""How many published transitions are stored beside a program certificate, the newest: an item has at most 400 KB."""

MOST_ACTIONS = 10
"""How many actions of people are stored beside a program certificate: the newest, which alone decide."""


def merge_actions(stored: Sequence[ProgramAction], new: Iterable[ProgramAction]) -> tuple[ProgramAction, ...]:
    """Return the actions on a program certificate, oldest first, in whatever order and however often they came."""
    by_event = {action.event_id: action for action in sorted({*stored, *new}, reverse=True)}
    return tuple(sorted(by_event.values()))[-MOST_ACTIONS:]


class PublishedProgram(NamedTuple):
    """A program certificate as it was last published: what the learner has and consumers know."""

    status: ProgramCertificateStatus | None = None
    awarded_at: datetime | None = None  # UTC
    first_awarded_at: datetime | None = None  # UTC
    transitions: tuple[ProgramTransition, ...] = ()  # the newest MOST_TRANSITIONS
    pending: ProgramPending | None = None


class ProgramPublication(NamedTuple):
    """The program certificate to publish next."""

    published: PublishedProgram
    new_transitions: tuple[ProgramTransition, ...]  # those that were not published yet, oldest first
    retained: bool  # the facts do not carry the published certificate: it stays, and its revocation is held


def next_program_publication(
    before: PublishedProgram, outcome: ProgramOutcome, as_of: datetime, actions: Sequence[ProgramAction] = ()
) -> ProgramPublication:
    """Return what to publish, given what was published and the outcome of the facts as of an instant (UTC).

    A published certificate is revoked only by a revocation of the outcome that came after its award. If the outcome has
    none, because late facts show that it was never earned, it is retained and its revocation is held for a person:
    `actions` has what people did with it. What was published keeps its dates until it is earned again.
    """
    new = _new_transitions(before, outcome)
    awarded = ProgramCertificateStatus.AWARDED
    if (
        before.status is awarded
        and outcome.status is not awarded
        and not (new and new[-1].at >= before.transitions[-1].at)
    ):
        return _retained(before, as_of, actions)
    if outcome.status is None:  # what was revoked stays revoked
        return ProgramPublication(before._replace(pending=None), (), retained=False)
    dates = before.awarded_at, before.first_awarded_at
    if before.awarded_at is None or any(transition.cause is ProgramCause.EARNED for transition in new):
        dates = outcome.awarded_at, before.first_awarded_at or outcome.first_awarded_at
    return _published(PublishedProgram(outcome.status, *dates, before.transitions, outcome.pending), new)


def _new_transitions(before: PublishedProgram, outcome: ProgramOutcome) -> tuple[ProgramTransition, ...]:
    """Return the transitions that follow on the published ones, also if late facts changed the past."""
    transitions = outcome.transitions
    if not before.transitions:
        return transitions
    last = before.transitions[-1]
    if last in transitions:
        return transitions[transitions.index(last) + 1 :]
    return () if outcome.status is before.status else transitions[-1:]


def _published(published: PublishedProgram, new: tuple[ProgramTransition, ...]) -> ProgramPublication:
    transitions = (*published.transitions, *new)[-MOST_TRANSITIONS:]
    return ProgramPublication(published._replace(transitions=transitions), new, retained=False)


def _retained(before: PublishedProgram, as_of: datetime, actions: Sequence[ProgramAction]) -> ProgramPublication:
    """Retain the certificate and hold its revocation, unless a person released or discarded it."""
    pending = before.pending
    if pending is None or pending.cause is not ProgramCause.NEVER_EARNED:
        pending = ProgramPending(ProgramCause.NEVER_EARNED, as_of, None)
    own = [action for action in sorted(set(actions)) if action.cause is ProgramCause.NEVER_EARNED]
    action = own[-1] if own and own[-1].at > before.transitions[-1].at else None
    if action is not None and action.action is RevocationAction.DISCARDED:
        return ProgramPublication(before._replace(pending=None), (), retained=True)
    if action is not None and action.action is RevocationAction.RELEASED and is_person(action.by):
        assert before.awarded_at is not None
        assert before.first_awarded_at is not None
        transition = ProgramTransition(
            action.at,
            ProgramCertificateStatus.REVOKED,
            ProgramCause.NEVER_EARNED,
            Actor(action.by, action.notes),
            before.awarded_at,
            before.first_awarded_at,
        )
        return _published(before._replace(status=transition.status, pending=None), (transition,))
    return ProgramPublication(before._replace(pending=pending), (), retained=True)
