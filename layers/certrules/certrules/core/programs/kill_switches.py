"""The kill switches that stop the loss of a program certificate: the deployment's, and those of course runs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from certrules.core.guard import is_stopped
from certrules.core.programs.certificates import CertificateChange, Certificates
from certrules.core.terms import Status
from certrules.core.timeline import Timeline

_NONE: Mapping[str, Timeline] = MappingProxyType({})


class KillSwitches(NamedTuple):
    """The timelines that have kill switches. Of a course run that is missing here none is set."""

    everywhere: Timeline = ()  # the deployment's
    course_runs: Mapping[str, Timeline] = _NONE

    def stop(self, course_runs: Iterable[str], instant: datetime) -> bool:
        """Whether automatic revocations are stopped at an instant (UTC), everywhere or in one of these course runs."""
        timelines = [self.everywhere, *(self.course_runs.get(course_run, ()) for course_run in course_runs)]
        return any(is_stopped(timeline, instant) for timeline in timelines)


NO_SWITCHES = KillSwitches()


def lost_in(certificates: Certificates) -> frozenset[str]:
    """Return the course runs in which the learner has lost a certificate: their kill switches count."""
    return frozenset(course_run for course_run, changes in certificates.items() if _is_lost(changes))


def _is_lost(changes: Iterable[CertificateChange]) -> bool:
    had = False
    for change in changes:
        if change.status is Status.DOWNLOADABLE:
            had = True
        elif had:
            return True
    return False
