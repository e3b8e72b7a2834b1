"""The lines of `certs replay --programs`: one for each learner and program. Documented in docs/replay.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from certrules.core.policy import Policies
from certrules.core.programs.certificates import CertificateChange
from certrules.core.programs.deciding import decide_programs
from certrules.core.programs.definitions import DefinitionTimeline
from certrules.core.programs.kill_switches import KillSwitches
from certrules.core.programs.outcome import ProgramAction, ProgramOutcome
from certrules.formats.stored import as_time

type ProgramActions = Mapping[int, Mapping[str, Sequence[ProgramAction]]]
"""What people did with pending revocations of program certificates, by learner and program."""


class LearnerCertificates:
    """The certificates of each learner, as far as programs look at them."""

    def __init__(self, programs: Iterable[DefinitionTimeline], actions: ProgramActions) -> None:
        """Start with none."""
        self._programs, self._actions = tuple(programs), actions
        self._course_runs = {
            run
            for timeline in self._programs
            for entry in timeline
            for course in entry.definition.courses
            for run in course.course_runs
        }
        self._of_learners: dict[int, dict[str, tuple[CertificateChange, ...]]] = {}

    def counts(self, course_run: str) -> bool:
        """Whether a program lists the course run."""
        return course_run in self._course_runs

    def add(self, learner_id: int, course_run: str, changes: tuple[CertificateChange, ...]) -> None:
        """Add the certificate of a learner in a course run."""
        self._of_learners.setdefault(learner_id, {})[course_run] = changes

    def lines(self, until: datetime, policies: Policies, switches: KillSwitches) -> Iterator[dict[str, Any]]:
        """Yield the line of each learner and program as of an instant (UTC), sorted by program and learner."""
        found = [
            (outcome.program, learner_id, outcome)
            for learner_id, certificates in self._of_learners.items()
            for outcome in decide_programs(
                self._programs, certificates, until, policies, self._actions.get(learner_id, {}), switches=switches
            )
        ]
        for _, learner_id, outcome in sorted(found, key=lambda item: item[:2]):
            yield outcome_as_json(learner_id, outcome)


def outcome_as_json(learner_id: int, outcome: ProgramOutcome) -> dict[str, Any]:
    """Return the outcome for a learner and a program, in the stable form."""
    pending = outcome.pending
    return {
        "learner_id": learner_id,
        "program": outcome.program,
        "status": outcome.status,
        "cause": outcome.cause,
        "reasons": outcome.reasons,
        "courses": {
            key: carrier and {"course_run": carrier.course_run, "since": as_time(carrier.since)}
            for key, carrier in outcome.courses.items()
        },
        "awarded_at": as_time(outcome.awarded_at),
        "first_awarded_at": as_time(outcome.first_awarded_at),
        "transitions": [
            {"at": as_time(transition.at), "status": transition.status, "cause": transition.cause}
            for transition in outcome.transitions
        ],
        "pending": pending and {"cause": pending.cause, "since": as_time(pending.since), "due": as_time(pending.due)},
    }
