"""What people see of a learner's record: programs and deliveries, what waits, and what an act would take away.

Nothing is decided here, and of what is stored only a person's retry changes anything.
"""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec import Meta

from certrules import storage
from certrules.core.deliveries.delivery import Delivery, lost, retried
from certrules.core.deliveries.desired import Kind, Owner, Target
from certrules.core.deliveries.outcomes import Waiting
from certrules.core.explain.programs import ProgramExplanation, explain_program
from certrules.core.policy import Policies
from certrules.core.programs.certificates import Certificates, changes_of_published
from certrules.core.programs.deciding import decide_programs
from certrules.core.programs.definitions import DefinitionTimeline
from certrules.core.programs.kill_switches import NO_SWITCHES, KillSwitches, lost_in
from certrules.core.programs.outcome import ProgramAction
from certrules.core.programs.preview import (
    ActionPreview,
    HiddenProgram,
    ProgramsPreview,
    preview_action,
    preview_programs,
)
from certrules.core.programs.publication import PublishedProgram
from certrules.records.availability import shown_from
from certrules.records.catalog import Catalog
from certrules.storage import LostRaceError
from certrules.storage.learner_records import (
    deliveries_of,
    load_delivery,
    load_learner,
    save_delivery,
    unsettled_in,
)
from certrules.storage.records_table import SHARDS, connect_records

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SeenLearner:
    """What is stored of a learner's certificates, programs and deliveries."""

    learner_id: int
    certificates: Certificates  # as they were published
    programs: Mapping[str, PublishedProgram]  # by uuid, as they were published
    actions: Mapping[str, tuple[ProgramAction, ...]]  # of people, by program
    definitions: tuple[DefinitionTimeline, ...]  # of the programs that list a course run
    switches: KillSwitches
    deliveries: Mapping[Target, Delivery]

    def explained(self, policies: Policies, now: datetime, as_of: datetime | None = None) -> list[ProgramExplanation]:
        """Explain the programs as of an instant (UTC), or (None) as they are published now; sorted by title."""
        until = as_of or now
        found = []
        for outcome in decide_programs(
            self.definitions, self.certificates, until, policies, self.actions, switches=self.switches
        ):
            published = self.programs.get(outcome.program, PublishedProgram()) if as_of is None else None
            actions = self.actions.get(outcome.program, ())
            found.append(explain_program(self.learner_id, outcome, self.certificates, until, published, actions))
        return sorted(found, key=lambda item: (item.title, item.program))

    def previewed(
        self, policies: Policies, now: datetime, lost: Collection[str], shown_from: Mapping[str, datetime]
    ) -> ProgramsPreview:
        """Return what becomes of the program certificates; see `preview_programs`."""
        return preview_programs(
            self.definitions,
            self.certificates,
            now,
            policies,
            self.programs,
            self.actions,
            lost=lost,
            shown_from=shown_from,
            switches=self.switches,
        )

    def acted(self, program: str, action: ProgramAction, policies: Policies, now: datetime) -> ActionPreview:
        """Return what an action of now (UTC) on the certificate of a program that is explained would do."""
        return preview_action(
            next(timeline for timeline in self.definitions if timeline[0].definition.uuid == program),
            self.certificates,
            now,
            policies,
            self.programs.get(program, PublishedProgram()),
            actions=self.actions.get(program, ()),
            action=action,
            switches=self.switches,
        )

    def hidden(self, policies: Policies, now: datetime, catalog: Catalog) -> Mapping[str, HiddenProgram]:
        """Return the program certificates that the learner has and nobody is shown yet, by uuid.

        One request more, if the learner has credentials in course runs that the catalog doesn't know yet.
        """
        course_runs = [target.key for target in self.deliveries if target.kind is Kind.COURSE]
        catalog.configurations(course_runs)
        dates = {course_run: shown_from(course_run, catalog, now) for course_run in course_runs}
        shown = {course_run: date for course_run, date in dates.items() if date is not None}
        return {item.program: item for item in self.previewed(policies, now, (), shown).hidden}


def see_learner(learner_id: int, catalog: Catalog, course_runs: Collection[str] | None = None) -> SeenLearner:
    """Read a learner: two requests, and those of the catalog for what it doesn't know yet.

    `course_runs`: only the programs that list one of these; None: all of the learner.
    """
    stored = load_learner(learner_id)
    records = storage.records_of(learner_id)
    listed = {uuid for run in (records if course_runs is None else course_runs) for uuid in catalog.programs_of(run)}
    definitions = tuple(catalog.definitions(listed))
    certificates = {course_run: changes_of_published(record.published) for course_run, record in records.items()}
    return SeenLearner(
        learner_id,
        certificates,
        {uuid: program.state.published for uuid, program in stored.programs.items()},
        {uuid: program.state.actions for uuid, program in stored.programs.items()},
        definitions,
        catalog.switches({*lost_in(certificates), *(course_runs or ())}) if definitions else NO_SWITCHES,
        {target: item.delivery for target, item in stored.deliveries.items()},
    )


def actions_on(learner_id: int, program: str) -> tuple[ProgramAction, ...]:
    """Return what people did with the pending revocations of a program certificate: one request."""
    stored = load_learner(learner_id).programs.get(program)
    return () if stored is None else stored.state.actions


def connect_records_if_on() -> bool:
    """Connect to the records table if the deployment has one. Return whether it has."""
    table = os.environ.get("RECORDS_TABLE", "")
    if table:
        connect_records(table)
    return bool(table)


def loss_previews(policies: Policies, now: datetime) -> Callable[[int, Collection[str]], ProgramsPreview]:
    """Return what previews, as of now (UTC), a learner's programs without the certificates in some course runs.

    Two requests a learner; what many learners need is read once.
    """
    catalog = Catalog(lambda: now)

    def preview(learner_id: int, lost: Collection[str]) -> ProgramsPreview:
        return see_learner(learner_id, catalog, lost).previewed(policies, now, lost, {})

    return preview


# --- what waits


class WaitingDelivery(NamedTuple):
    """A delivery that waits."""

    target: Target
    reason: str  # a `Waiting`; empty: it was not tried so far, or is tried just now


class WaitingPlace(NamedTuple):
    """Where a page of what waits starts."""

    shard: Annotated[int, Meta(ge=0, lt=SHARDS)] = 0
    since: Annotated[str, Meta(pattern="^[0-9]{0,20}$")] = ""  # µs; empty: at the beginning of the shard
    p: str = ""
    s: str = ""


def see_waiting(
    reason: Waiting | None, place: WaitingPlace, limit: int
) -> tuple[list[WaitingDelivery], WaitingPlace | None]:
    """Return a page of what waits, for a reason or (None) for any, and where the next one starts.

    The longest waiting of each shard come first. A request for each shard, at most; of a rare reason a page may be
    empty, and others follow.
    """
    found: list[WaitingDelivery] = []
    following: WaitingPlace | None = place
    for _ in range(SHARDS):
        if following is None or len(found) >= limit:
            break
        waiting, following = _page(following, limit - len(found))
        found += [item for item in waiting if reason in {None, item.reason}]
    return found, following


def _page(place: WaitingPlace, limit: int) -> tuple[list[WaitingDelivery], WaitingPlace | None]:
    """Return a page of a shard, and where the next one starts, there or in the next shard."""
    shard, since, p, s = place
    after = {"u": {"S": str(shard)}, "o": {"N": since}, "p": {"S": p}, "s": {"S": s}} if since and p and s else None
    page, end = unsettled_in(shard, after, limit)
    following = None
    if end:
        following = WaitingPlace(shard, end["o"]["N"], end["p"]["S"], end["s"]["S"])
    elif shard + 1 < SHARDS:
        following = WaitingPlace(shard + 1)
    return [WaitingDelivery(target, code) for target, code in page], following


def retry(owner: Owner, now: datetime) -> int:
    """Have all that waits of an owner be tried now (UTC), as far as it isn't being sent. Return how many that are.

    A request, and one for each of them. Raises LostRaceError: a retry helps.
    """
    done: set[Target] = set()
    for _ in range(_ATTEMPTS):
        try:
            for stored in deliveries_of(owner):
                changed = retried(stored.delivery, now)
                if changed != stored.delivery:
                    save_delivery(changed, stored.version)
                    done.add(changed.target)
        except LostRaceError:
            continue
        return len(done)
    raise LostRaceError(f"lost {_ATTEMPTS} races for a delivery of {owner}")


def send_again(target: Target, now: datetime) -> int | None:
    """Have one delivery be sent again, even if it is acknowledged. Return 1; 0: it is being sent, or due; None: none.

    Two requests. Raises LostRaceError: a retry helps.
    """
    for _ in range(_ATTEMPTS):
        stored = load_delivery(target)
        if stored is None:
            return None
        delivery = stored.delivery
        changed = lost(delivery, now) if delivery.is_settled else retried(delivery, now)
        if changed == delivery:
            return 0
        try:
            save_delivery(changed, stored.version)
        except LostRaceError:
            continue
        return 1
    raise LostRaceError(f"lost {_ATTEMPTS} races for a delivery of {target.owner}")
