"""Announcing program certificates: the events of new transitions are put on the bus, and that is noted.

An event that is put on the bus twice has one id. A certificate whose events are not noted is due, so they are put on
the bus again; the bus takes the older ones first.
"""

from collections.abc import Iterable

from certrules import aws
from certrules.formats.messages import OWN_SOURCE
from certrules.formats.program_events_out import ProgramChange, program_event
from certrules.records.programs import Unannounced
from certrules.storage import LostRaceError
from certrules.storage.learner_records import save_program


def announce(bus: str, learner_id: int, unannounced: Iterable[Unannounced], host: str) -> int:
    """Put the events of a learner's program certificates on the bus, and note it. Return how many.

    Raises SendError if the bus doesn't take all of a certificate's: a retry is safe.
    """
    sent = 0
    for program in unannounced:
        state, pending = program.write.state, program.write.state.published.pending
        first = state.number - len(program.transitions) + 1
        events = [
            program_event(ProgramChange(learner_id, number, transition, program.definition, program.uuid), host)
            for number, transition in enumerate(program.transitions, first)
        ]
        accepted = aws.put_events(bus, OWN_SOURCE, events)
        if accepted < len(events):
            raise aws.SendError(f"{len(events) - accepted} of {len(events)} events were not taken")
        sent += accepted
        noted = state._replace(announced=state.number)
        try:
            save_program(program.write._replace(state=noted, next_change_at=pending.due if pending else None))
        except LostRaceError:
            continue  # somebody else decided the program meanwhile, and notes it
    return sent
