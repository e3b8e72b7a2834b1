"""Rollout: who decides certificates in a course run."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING
from certrules.core.terms import Rollout
from certrules.core.timeline import Timeline


class RolloutState(NamedTuple):
    """Who decides in a course run now, whatever instant is decided."""

    rollout: Rollout
    live_since: datetime  # UTC: since when this service decides; BEGINNING: always

    @property
    def is_live(self) -> bool:
        """Whether this service decides, and publishes."""
        return self.rollout is Rollout.LIVE


def rollout_state(configuration: Timeline, default: Rollout) -> RolloutState:
    """Return who decides in a course run by its configuration; by the deployment's default if that names nobody."""
    rollout, live_since = default, BEGINNING
    for entry in configuration:
        if entry.fact is Fact.COURSE_RUN and entry.subject == "rollout":
            if rollout is not Rollout.LIVE:
                live_since = entry.at
            rollout = Rollout(entry.value)
    return RolloutState(rollout, live_since)
