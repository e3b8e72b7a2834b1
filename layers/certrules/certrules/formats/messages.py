"""Messages: the content of one event, or of one table row, in the form that ingestion works with."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from certrules.core.instants import BEGINNING
from certrules.core.timeline import Entry
from certrules.formats.learner_names import Name

if TYPE_CHECKING:  # no event waits for what only programs and imports need
    from certrules.core.programs.definitions import DatedDefinition
    from certrules.core.programs.outcome import ActionOnProgram
    from certrules.formats.table_rows import Observation

OWN_SOURCE = "course-certificates"
"""The source of the events that this service sends. It ignores them when they come back."""

SUPPORT_SOURCE = f"{OWN_SOURCE}/support"
"""The source of the events that people cause through support's API."""

EVERYWHERE = ""
"""In place of a course run's key: the whole deployment."""

NAMED = "certificates.learner.named.v1"
RENAMED = "certificates.learner.renamed.v1"
ERASED = "certificates.learner.erased.v1"
REQUESTED = "certificates.generation.requested.v1"


class Message(NamedTuple):
    """The content of one event."""

    event_id: str
    event_type: str
    at: datetime  # UTC: when the facts became true
    learner_id: int | None  # None: about the whole course run
    course_run: str | None  # None: about the learner in all course runs
    entries: tuple[Entry, ...] = ()
    name: Name | None = None  # that the event was sent for, or that came along with it; None: not read, or none
    program: "DatedDefinition | None" = None  # of a program's event, which is about no learner and no course run
    program_action: "ActionOnProgram | None" = None  # on the learner's certificate of a program
    sent_at: datetime = BEGINNING  # UTC: as of when it is decided, see events_in.decode
    observations: "tuple[Observation, ...]" = ()  # of table rows, in place of entries
    is_of_service: bool = False  # this service sent it: a request to decide again, or an act through support's API

    @property
    def is_about_program(self) -> bool:
        """Whether it changes nothing but program certificates."""
        return self.program is not None or self.program_action is not None
