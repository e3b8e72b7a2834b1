"""One history from its seed: what happens, and what has to hold after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from certrules.reconciliation.finding_types import OLD_LOGIC_DIFFERS, OTHERWISE
from certrules.storage import Pair, load
from tests.simulation.chances import Chances
from tests.simulation.functions import surroundings
from tests.simulation.invariants import BY_A_PERSON, BrokenError, Watch, differences, settled, unbroken
from tests.simulation.machines import Machine, importing, reconciling, regenerating
from tests.simulation.story import Reported, story_of
from tests.simulation.world import World

IMPORT, REGENERATION, RECONCILIATION = "import", "regeneration", "reconciliation"

ALARMS = {
    IMPORT: "ImportFailedAlarm",
    REGENERATION: "BulkRunFailedAlarm",
    RECONCILIATION: "ReconciliationFailedAlarm",
}

MOST_STEPS = 3_000


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """How a history ended."""

    seed: int
    broken: str  # what did not hold; "": everything held
    disturbed: dict[str, int]  # the decisions of chance that were not the undisturbed course
    trace: list[str]
    alarms: frozenset[str]
    requests: int
    faults: Mapping[str, int]


def run_history(
    seed: int,
    only: frozenset[str] | None = None,
    *,
    defect: str = "",
    traced: bool = False,
    calls: list[Any] | None = None,
) -> HistoryResult:
    """Run the history of a seed; if `only` names decisions of chance, all others take the undisturbed course.

    The requests to DynamoDB are added to `calls`, with their answers; then no read lags behind.
    """
    chances = Chances(seed, only)
    world = World(chances, seed, defect, traced=traced)
    world.requests.calls = calls
    broken = ""
    with surroundings(world.requests.request, world.clock, world.random):
        try:
            _History(world, story_of(chances, seed)).run()
        except BrokenError as error:
            broken = str(error)
            world.note(f"BROKEN: {broken}")
    requests = world.requests
    alarms = frozenset(world.alarms)
    return HistoryResult(seed, broken, chances.disturbed, world.trace, alarms, requests.count, requests.faults)


class _History:
    def __init__(self, world: World, story: list[Reported]) -> None:
        self._world = world
        self._story = story
        self._pairs = sorted({reported.pair for reported in story})
        self._watch = Watch()
        self._begun: dict[str, datetime] = {}  # when (UTC) each kind of state machine was started
        self._starts = {  # at which step
            kind: 1 + world.chances.number(f"{kind}: at step", 300)
            for kind in ALARMS
            if world.chances.happens(f"{kind} at all", 4)
        }

    def run(self) -> None:
        """Run it, disturbed; then let everything settle. Raises BrokenError."""
        self._disturbed()
        world = self._world
        world.requests.are_disturbed = False
        world.note("no more faults from here on")
        world.drain()
        unbroken(world, self._story, self._pairs)
        in_doubt = differences(world, self._story, self._pairs)
        found = self._reconcile("first")
        self._refuse_unnamed(in_doubt, found)
        self._operate()
        world.now += timedelta(days=2)
        world.drain()
        left = self._reconcile("last")
        left.pop(OLD_LOGIC_DIFFERS.code, None)  # stays reported until a person stops the old logic
        unbroken(world, self._story, self._pairs)
        settled(world, self._story, self._pairs)
        if self._is_taken_by_a_person(left.get(OTHERWISE.code, [])):
            del left[OTHERWISE.code]
        if left:
            raise BrokenError(f"reconciliation still finds {left}")

    # --- while faults happen

    def _disturbed(self) -> None:
        world, chances = self._world, self._world.chances
        left = list(self._story)
        for number in range(MOST_STEPS):
            if left and left[0].sent_at <= world.now:
                reported = left.pop(0)
                world.receive(reported, f"event {len(self._story) - len(left) - 1}")
                continue
            self._begin_machines(number)
            if actions := world.actions():
                if chances.happens(f"time passes at {number}", 30):
                    world.now += timedelta(seconds=1 + chances.number(f"time passes at {number}: seconds", 25))
                elif left and not world.requests.running and chances.happens(f"delivery stalls at {number}", 60):
                    world.now = left[0].sent_at
                else:
                    world.act(actions)
                self._watch.look(world)
                continue
            instants = [at for at in (world.next_instant(), left[0].sent_at if left else None) if at is not None]
            if not instants:
                return
            world.now = max(world.now, min(instants))

    def _begin_machines(self, number: int) -> None:
        world = self._world
        for kind in (IMPORT, REGENERATION, RECONCILIATION):
            if kind not in self._begun and self._starts.get(kind) == number:
                self._begun[kind] = world.now
                world.start(kind, self._machine(kind), ALARMS[kind])

    def _machine(self, kind: str) -> Machine:
        """Return a state machine as of when it was started first: it goes on where it was interrupted."""
        world, at = self._world, self._begun[kind]
        if kind == IMPORT:
            return importing(world.aws, f"runs/{kind}", self._pairs, at)
        if kind == REGENERATION:
            return regenerating(world.aws, kind, sorted({pair.course_run for pair in self._pairs}), at)
        return reconciling(kind, at, segments=2)

    # --- after the faults

    def _reconcile(self, name: str) -> dict[str, list[Pair]]:
        """Reconcile, let what it sends again arrive, and return its findings."""
        world = self._world
        world.start(name, reconciling(name, world.now), ALARMS[RECONCILIATION])
        world.drain()
        if world.failed_machines[-1:] == [name]:
            raise BrokenError("reconciliation fails without a fault")
        report = msgspec.json.decode(world.aws.files[f"reconciliations/{name}/report.json"])
        found: dict[str, list[Pair]] = {}
        for code, items in report["findings"].items():
            if items:
                found[code] = [Pair(item["learner_id"], item["course_run"]) for item in items]
        return found

    @staticmethod
    def _is_taken_by_a_person(pairs: list[Pair]) -> bool:
        """Whether a person took each of these certificates while it was held since it was never earned.

        The date that such a certificate had may differ from the date by the facts, which is reported, and no more.
        """
        published = (stored.published for stored in load(pairs).records.values()) if pairs else iter(())
        losses = [item.transitions[-1:] for item in published]
        return bool(losses) and all(loss and loss[0].cause in BY_A_PERSON for loss in losses)

    def _refuse_unnamed(self, in_doubt: dict[Pair, str], found: dict[str, list[Pair]]) -> None:
        """Raise BrokenError for a difference that no alarm names."""
        world = self._world
        dead = [message.body for messages in world.dead.values() for message in messages]
        named = {pair for pairs in found.values() for pair in pairs}
        for pair, difference in in_doubt.items():
            is_dead = any(_is_about(body, pair) for body in dead)
            if pair not in named and not is_dead and not world.failed_machines and not world.failed_executions:
                raise BrokenError(f"{pair}: {difference}, and no alarm names it")

    def _operate(self) -> None:
        """Do as the runbook has it: redrive dead letters, and start again what failed."""
        world = self._world
        world.redrive()
        for kind in world.failed_machines:
            world.start(kind, self._machine(kind), ALARMS[kind])
        world.failed_machines.clear()
        world.drain()
        if world.failed_machines or world.failed_executions:
            raise BrokenError(f"{world.failed_machines or world.failed_executions} fail without a fault")


def _is_about(body: str, pair: Pair) -> bool:
    return pair.course_run in body or f": {pair.learner_id}," in body or f":{pair.learner_id}," in body


def shrunk(seed: int, *, defect: str = "") -> HistoryResult:
    """Return the history of a failing seed with as few disturbances as still break it, and its trace."""
    needed = list(run_history(seed, defect=defect).disturbed)
    size = max(1, len(needed) // 2)
    while size:
        start = 0
        while start < len(needed):
            fewer = needed[:start] + needed[start + size :]
            result = run_history(seed, frozenset(fewer), defect=defect)
            if result.broken:
                needed = [name for name in fewer if name in result.disturbed]
            else:
                start += size
        size //= 2
    return run_history(seed, frozenset(needed), defect=defect, traced=True)
