"""Rollout: who decides in a course run, and what learners have where the old logic does."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.terms import Fact, Rollout
from certrules.core.timeline import BEGINNING, Timeline


class RolloutState(NamedTuple):
    """Who decides in a course run now, whatever instant is decided."""

    rollout: Rollout
    live_since: datetime  # UTC: from when on this service decides, if it does; BEGINNING: it always did

    @property
    def is_live(self) -> bool:
        """Whether this service decides, and publishes."""
        return self.rollout is Rollout.LIVE


def rollout_state(course_run: Timeline, default: Rollout) -> RolloutState:
    """Return who decides in a course run by its configuration; the deployment's default counts until it has a word."""
    rollout, live_since = default, BEGINNING
    for entry in course_run:
        if entry.fact is Fact.COURSE_RUN and entry.subject == "rollout":
            if rollout is not Rollout.LIVE:
                live_since = entry.at
            rollout = Rollout(entry.value)
    return RolloutState(rollout, live_since)
