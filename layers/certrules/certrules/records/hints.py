"""Hints: the messages of the records queue. Each names who or what may have changed, and never how.

The events of certificates are hints of their learners. What the platform and people send is read and believed as
`ingest` does; definitions of programs, and acts on their certificates, are the only events whose content counts here.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from certrules.core.programs.definitions import DatedDefinition
from certrules.core.programs.outcome import ActionOnProgram
from certrules.formats.events_in import decode
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.senders import TrustedSenders

SETTLING_SECONDS = 120
"""So long after an event, longer than any run of `ingest`, what it reports is stored."""


class Hint(NamedTuple):
    """What may have changed; nothing at all for an event that is none."""

    learner_id: int | None = None
    course_run: str | None = None
    program: DatedDefinition | None = None
    action: ActionOnProgram | None = None  # on the learner's certificate of a program
    is_early: bool = False  # `ingest` may not have stored it yet


class _User(Struct):
    id: int


class _Certificate(Struct):
    user: _User


class _Detail(Struct):
    certificate: _Certificate


class _OwnEvent(Struct):
    source: str
    detail: _Detail


class _Request(Struct, forbid_unknown_fields=True, omit_defaults=True):
    learner_id: int | None = None
    course_run: str | None = None


_own_event = msgspec.json.Decoder(_OwnEvent)
_request = msgspec.json.Decoder(_Request)


def read_hint(body: str, now: datetime, senders: TrustedSenders) -> Hint:
    """Read a message of the records queue. Raises RefusedError for an event that can't be read or believed."""
    try:
        request = _request.decode(body)
        return Hint(request.learner_id, request.course_run)
    except msgspec.DecodeError:
        pass  # it is an event
    try:
        event = _own_event.decode(body)
        if event.source == OWN_SOURCE:  # the bus lets nobody else use this name
            return Hint(event.detail.certificate.user.id)
    except msgspec.DecodeError:
        pass  # it is an event of somebody else
    message = decode(body, now, senders)
    if message is None:
        return Hint()
    is_early = not message.is_about_program
    return Hint(message.learner_id, message.course_run, message.program, message.program_action, is_early=is_early)


def hints_for(learners: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Yield a message for each learner who is to be decided."""
    for learner_id in learners:
        yield _entry(_Request(learner_id))


def later(hint: Hint) -> dict[str, Any]:
    """Return a message that comes when what an event reports is stored."""
    return {**_entry(_Request(hint.learner_id, hint.course_run)), "DelaySeconds": SETTLING_SECONDS}


def _entry(request: _Request) -> dict[str, Any]:
    return {"MessageBody": msgspec.json.encode(request).decode()}
