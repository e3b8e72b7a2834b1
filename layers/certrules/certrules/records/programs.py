"""Deciding a learner: published certificates and definitions give program certificates, and what is to be delivered.

What is stored of the learner is read first, then the facts, and what is saved has the condition that nobody saved it
since. So whoever saves has facts that are as new as those of whoever saved before; a lost race is decided again. It
doesn't matter how often or in which order learners are decided, or where a run ends: nothing but what is stored counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certrules import storage
from certrules.core.deliveries.desired import CourseCredential, Desired, Kind, Target
from certrules.core.policy import Policies
from certrules.core.programs.certificates import changes_of_published
from certrules.core.programs.deciding import decide_programs
from certrules.core.programs.definitions import ProgramDefinition
from certrules.core.programs.kill_switches import lost_in
from certrules.core.programs.outcome import ActionOnProgram, ProgramAction, ProgramOutcome, ProgramTransition
from certrules.core.programs.publication import merge_actions, next_program_publication
from certrules.formats.stored_programs import ProgramState
from certrules.records.availability import want_availability
from certrules.records.catalog import Catalog
from certrules.records.desired import (
    LearnerFacts,
    desired_in_course_run,
    desired_program,
    desired_username,
    former_username,
    next_delivery,
)
from certrules.storage import LostRaceError
from certrules.storage.learner_records import (
    ProgramWrite,
    StoredDelivery,
    StoredLearner,
    StoredProgram,
    load_learner,
    new_program,
    save_learner,
)

_ATTEMPTS = 5


class Unannounced(NamedTuple):
    """A program certificate with transitions whose events were not put on the bus."""

    write: ProgramWrite  # as it was saved
    definition: ProgramDefinition
    uuid: str  # of the credential in the service; empty: unknown

    @property
    def transitions(self) -> tuple[ProgramTransition, ...]:
        """Those transitions, oldest first."""
        state = self.write.state
        count = state.number - state.announced
        return state.published.transitions[-count:] if count else ()


class Decided(NamedTuple):
    """A learner after a decision, as it was saved."""

    new_transitions: tuple[ProgramTransition, ...]
    unannounced: tuple[Unannounced, ...]
    is_due: bool  # whether there is something to deliver
    course_runs: tuple[str, ...]  # from when on their credentials are shown has to be delivered


class _Next(NamedTuple):
    """What is to be saved of a learner."""

    programs: list[ProgramWrite]
    new_transitions: list[ProgramTransition]
    unannounced: list[Unannounced]
    desired: dict[Target, Desired]


def decide_learner(
    learner_id: int,
    catalog: Catalog,
    policies: Policies,
    now: datetime,
    actions: Sequence[ActionOnProgram] = (),
    *,
    announces: bool,
) -> Decided:
    """Decide the programs of a learner as of now (UTC), and save them with what is to be delivered.

    `actions` are new ones, of people, on pending revocations. `announces`: whether this service puts the events of
    programs on the bus. Four requests, fewer where the catalog knows the programs. Raises LostRaceError: a retry helps.
    """
    for _ in range(_ATTEMPTS):
        stored = load_learner(learner_id)
        facts = LearnerFacts(learner_id, *storage.records_and_name_of(learner_id))
        known = _Known(stored, facts, _actions(stored, actions))
        decided = _next(known, catalog, policies, now, announces=announces)
        deliveries, removed = _deliveries(stored, facts, decided.desired, now)
        first = list(_first_in(deliveries))
        course_runs = tuple(run for run, mode in first if want_availability(run, mode, catalog, now))
        try:
            if decided.programs or deliveries or removed:
                save_learner(decided.programs, deliveries, removed)
        except LostRaceError:
            continue
        left = {} if removed else stored.deliveries | {item.delivery.target: item for item in deliveries}
        return Decided(
            tuple(decided.new_transitions),
            tuple(decided.unannounced),
            any(item.delivery.next_at is not None and item.delivery.next_at <= now for item in left.values()),
            course_runs,
        )
    raise LostRaceError(f"lost {_ATTEMPTS} races for learner {learner_id}")


class _Known(NamedTuple):
    """What a decision about a learner's programs rests on, beside the definitions."""

    stored: StoredLearner
    facts: LearnerFacts
    actions: Mapping[str, tuple[ProgramAction, ...]]  # of people, by program

    def program(self, uuid: str) -> StoredProgram:
        """Return the learner's program certificate as it is stored; a new one if there is none."""
        return self.stored.programs.get(uuid) or new_program(self.facts.learner_id, uuid)


def _actions(stored: StoredLearner, new: Sequence[ActionOnProgram]) -> dict[str, tuple[ProgramAction, ...]]:
    """Return the actions that are stored and the new ones, by program."""
    actions = {uuid: program.state.actions for uuid, program in stored.programs.items()}
    for uuid, action in new:
        actions[uuid] = merge_actions(actions.get(uuid, ()), [action])
    return actions


def _next(known: _Known, catalog: Catalog, policies: Policies, now: datetime, *, announces: bool) -> _Next:
    """Decide the programs in whose course runs the learner has a record."""
    facts = known.facts
    result = _Next([], [], [], dict(desired_username(facts)))
    listed: set[str] = set(known.actions)
    for course_run in facts.records:
        own = catalog.programs_of(course_run)
        listed |= own
        result.desired.update(desired_in_course_run(facts, course_run, now, in_program=bool(own)))
    definitions = catalog.definitions(listed)
    undecided = dict(known.actions)
    if definitions:
        certificates = {run: changes_of_published(record.published) for run, record in facts.records.items()}
        switches = catalog.switches(lost_in(certificates))
        for outcome in decide_programs(definitions, certificates, now, policies, known.actions, switches=switches):
            _add(result, known, outcome, now, announces=announces)
            undecided.pop(outcome.program, None)
    for uuid, actions in undecided.items():
        program = known.program(uuid)
        if actions != program.state.actions:
            result.programs.append(
                ProgramWrite(program, program.state._replace(actions=actions), program.next_change_at)
            )
    return result


def _add(result: _Next, known: _Known, outcome: ProgramOutcome, now: datetime, *, announces: bool) -> None:
    """Add the next publication of a program certificate."""
    learner_id, program = known.facts.learner_id, known.program(outcome.program)
    before, actions = program.state, known.actions.get(outcome.program, ())
    publication = next_program_publication(before.published, outcome, now, actions)
    number = before.number + len(publication.new_transitions)
    state = ProgramState(publication.published, number, before.announced if announces else number, actions)
    result.desired.update(desired_program(learner_id, outcome, publication.published))
    pending = publication.published.pending
    due = now if state.announced < number else pending.due if pending else None
    write = ProgramWrite(program, state, due)
    if state != before or (due != program.next_change_at and state.announced == number):
        result.programs.append(write)
        result.new_transitions.extend(publication.new_transitions)
    if state.announced < number:
        delivery = known.stored.deliveries.get(Target(Kind.PROGRAM, learner_id, outcome.program))
        uuid = "" if delivery is None else delivery.delivery.uuid or ""
        result.unannounced.append(Unannounced(write, outcome.definition.definition, uuid))


def _deliveries(
    stored: StoredLearner, facts: LearnerFacts, desired: Mapping[Target, Desired], now: datetime
) -> tuple[list[StoredDelivery], list[StoredDelivery]]:
    """Return the deliveries that change, and those to be removed: of an erased learner, all."""
    if facts.is_erased:
        return [], list(stored.deliveries.values())
    changed, former = [], former_username(facts)
    for target, wish in desired.items():
        before = stored.deliveries.get(target)
        delivery = next_delivery(before, target, wish, now, former)
        if delivery is not None:
            changed.append(StoredDelivery(delivery, 0 if before is None else before.version))
    return changed, []


def _first_in(deliveries: list[StoredDelivery]) -> Iterator[tuple[str, str]]:
    """Yield the course runs in which the learner's credential is delivered for the first time, with its mode."""
    for stored in deliveries:
        desired = stored.delivery.desired
        if stored.version == 0 and isinstance(desired, CourseCredential):
            yield stored.delivery.target.key, desired.mode
