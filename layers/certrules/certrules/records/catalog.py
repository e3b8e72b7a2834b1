"""What is read for many learners: the programs of course runs, their definitions, the kill switch, course runs."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from certrules import storage
from certrules.core.programs.definitions import DefinitionTimeline
from certrules.core.programs.kill_switches import KillSwitches
from certrules.core.timeline import Timeline
from certrules.formats.messages import EVERYWHERE
from certrules.storage.program_definitions import load_definitions, programs_of

LASTS = timedelta(seconds=30)
"""For how long what was read is used again. A changed definition is decided with later: see records.definitions."""


class Catalog:
    """The programs and course runs, read when they are needed, and again when LASTS is over."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Read nothing so far."""
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        self._read_at = self._clock()
        self._listed: dict[str, frozenset[str]] = {}
        self._definitions: dict[str, DefinitionTimeline] = {}
        self._configurations: dict[str, Timeline] = {}

    def refresh(self) -> None:
        """Forget what was read too long ago. To be called between learners: one is decided with one state of it."""
        if self._clock() - self._read_at > LASTS:
            self._forget()

    def programs_of(self, course_run: str) -> frozenset[str]:
        """Return the uuids of the programs that ever listed a course run."""
        if course_run not in self._listed:
            self._listed[course_run] = programs_of(course_run)
        return self._listed[course_run]

    def definitions(self, uuids: Iterable[str]) -> list[DefinitionTimeline]:
        """Return the definitions of programs, without those that have none."""
        wanted = set(uuids)
        unread = wanted - self._definitions.keys()
        if unread:
            self._definitions |= {uuid: found.timeline for uuid, found in load_definitions(unread).items()}
        return [self._definitions[uuid] for uuid in sorted(wanted) if self._definitions[uuid]]

    def switches(self, course_runs: Iterable[str]) -> KillSwitches:
        """Return the kill switches of the deployment and of course runs; what isn't known yet is read at once."""
        found = self.configurations({EVERYWHERE, *course_runs})
        return KillSwitches(found.pop(EVERYWHERE), found)

    def configuration(self, course_run: str) -> Timeline:
        """Return the settings of a course run."""
        return self.configurations([course_run])[course_run]

    def configurations(self, course_runs: Iterable[str]) -> dict[str, Timeline]:
        """Return the settings of course runs; those that are not known yet are read at once."""
        wanted = set(course_runs)
        if unread := wanted - self._configurations.keys():
            found = storage.load(course_runs=unread).course_runs
            self._configurations |= {course_run: stored.timeline for course_run, stored in found.items()}
        return {course_run: self._configurations[course_run] for course_run in wanted}
