"""Events of program certificates, as openedx-events defines them, for where this service announces them."""

from typing import NamedTuple

from certrules.core.programs.definitions import ProgramDefinition
from certrules.core.programs.outcome import ProgramTransition
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.formats.events_out import PROGRAM_AWARDED, PROGRAM_REVOKED, Outgoing, outgoing_event, user_data
from certrules.formats.stored import as_time


class ProgramChange(NamedTuple):
    """A transition of a learner's program certificate, with what its event needs."""

    learner_id: int
    number: int  # of the transition, counted from 1
    transition: ProgramTransition
    definition: ProgramDefinition
    uuid: str  # of the credential in the Credentials service; empty: unknown


def program_event(change: ProgramChange, host: str) -> Outgoing:
    """Return the event of a transition of a program certificate; of each, an event with the same id every time."""
    at, status, cause, actor, awarded_at, first_awarded_at = change.transition
    definition = change.definition
    data = {
        "user": user_data(change.learner_id),
        "program": {"uuid": definition.uuid, "title": definition.title, "program_type": definition.type},
        "uuid": change.uuid,
        "status": status,
        "url": "",
        "certificate_available_date": None,
    }
    decision = {
        "cause": cause,
        "by": actor.by,
        "reason": actor.reason,
        "awarded_at": as_time(awarded_at),
        "first_awarded_at": as_time(first_awarded_at),
        "number": change.number,
    }
    place = f"L#{change.learner_id}#P#{definition.uuid}#{change.number:08d}"
    item = {"at": as_time(at), "status": status, "cause": cause}
    event_type = PROGRAM_AWARDED if status is ProgramCertificateStatus.AWARDED else PROGRAM_REVOKED
    return outgoing_event(event_type, place, item, host, {"program_certificate": data, "decision": decision})
