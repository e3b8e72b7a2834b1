"""Acts on the pending revocation of a program certificate. Each is an event, as on certificates in course runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certrules import aws
from certrules.core.explain.programs import action_sentences
from certrules.core.policy import Policies
from certrules.core.programs.outcome import ProgramAction, ProgramPending
from certrules.core.programs.reasons import ProgramCause, ProgramCertificateStatus
from certrules.core.terms import RevocationAction
from certrules.records.catalog import Catalog
from certrules.records.seen import see_learner
from certrules.requests import RefusedActError
from certrules.support.acts import Act, event_of
from certrules.support.records import demand_records


class ProgramAct(NamedTuple):
    """Something that a person can do with a pending revocation."""

    act: Act
    action: RevocationAction


def _act(action: RevocationAction, label: str, scope: str) -> ProgramAct:
    return ProgramAct(Act(f"certificates.program.revocation.{action}.v1", "revocation", label, scope), action)


PROGRAM_ACTS: Mapping[str, ProgramAct] = {
    "release": _act(RevocationAction.RELEASED, "Release the revocation", "revoke"),
    "discard": _act(RevocationAction.DISCARDED, "Discard the revocation", "act"),
    "hold": _act(RevocationAction.HELD, "Hold the revocation", "act"),
}


class WantedAct(NamedTuple):
    """What a person wants to do with a learner's certificate of a program."""

    act: str  # of PROGRAM_ACTS
    learner_id: int
    program: str  # uuid
    reason: str
    by: str
    cause: ProgramCause | None  # of the pending revocation that was seen: another is refused; None: any


class ProgramActPreview(NamedTuple):
    """What an act on a program certificate would do."""

    program: str  # uuid
    title: str
    cause: ProgramCause  # of the pending revocation
    before: ProgramCertificateStatus | None
    after: ProgramCertificateStatus | None
    takes_away: bool  # whether the program certificate falls
    pending: ProgramPending | None  # afterwards
    scope: str  # what it takes
    sentences: tuple[str, ...]  # what it does first, then what stays


def preview_program_act(wanted: WantedAct, now: datetime, policies: Policies) -> ProgramActPreview:
    """Return what an act of now (UTC) would do. Raises RefusedActError if nothing is pending, or another cause."""
    demand_records()
    learner = see_learner(wanted.learner_id, Catalog(aws.now))
    explained = learner.explained(policies, now)
    found = next((item for item in explained if item.program == wanted.program), None)
    if found is None:
        raise RefusedActError(404, "the learner has nothing in this program", "compare both with the list", "program")
    if found.pending is None:
        raise RefusedActError(409, "no revocation is pending", "look at the program again: it may be decided already")
    cause = found.pending.cause
    if wanted.cause not in {None, cause}:
        raise RefusedActError(409, f"by now it is pending for another cause, {cause}", "look at it again", "cause")
    known = PROGRAM_ACTS[wanted.act]
    action = ProgramAction(now, "preview", known.action, cause, wanted.by, wanted.reason)
    preview = learner.acted(wanted.program, action, policies, now)
    return ProgramActPreview(
        wanted.program,
        preview.title,
        cause,
        preview.before,
        preview.after,
        preview.takes_away,
        preview.pending,
        known.act.scope,
        action_sentences(preview),
    )


def plan_program_act(
    wanted: WantedAct, event_id: str, now: datetime, policies: Policies
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the event that is the act, as of now (UTC), and the answer. Raises like `preview_program_act`."""
    preview = preview_program_act(wanted, now, policies)
    data = {
        "learner_id": wanted.learner_id,
        "program": wanted.program,
        "cause": preview.cause,
        "by": wanted.by,
        "notes": wanted.reason,
    }
    act = PROGRAM_ACTS[wanted.act].act
    detail = event_of(act.event_type, act.key, data, event_id, now)
    answer = {
        "event_id": event_id,
        "at": detail["metadata"]["time"],
        "title": preview.title,
        "cause": preview.cause,
        "sentences": preview.sentences,
    }
    return detail, answer
