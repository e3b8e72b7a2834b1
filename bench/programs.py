"""Programs: one decision for a learner with many certificates, against loops written by hand."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from bench.learners import ENDS, STARTS
from bench.measure import compare, timed
from bench.tables import Goal, Row, Table, microseconds, per_second
from certrules.core.policy import DEFAULT, undated
from certrules.core.programs.certificates import CertificateChange
from certrules.core.programs.deciding import decide_programs
from certrules.core.programs.definitions import (
    PAID_MODES,
    DatedDefinition,
    DefinitionTimeline,
    ProgramCourse,
    ProgramDefinition,
    ProgramStatus,
)
from certrules.core.programs.reasons import ProgramCertificateStatus
from certrules.core.terms import Status

LEARNERS = 40
CERTIFICATES, PROGRAMS = 50, 20
ROUNDS = 25

_LOOPS = "loops over the newest state"

type Held = dict[str, tuple[CertificateChange, ...]]


def programs(chance: Random, course_runs: Sequence[str]) -> list[DefinitionTimeline]:
    """Return programs of three to eight courses with two to four runs each; half of them changed once."""
    found = []
    for number in range(PROGRAMS):
        definitions = []
        for edition in range(1 + number % 2):
            courses = tuple(
                ProgramCourse(
                    f"CertX+C{number}-{course}", tuple(sorted(chance.sample(course_runs, chance.randint(2, 4))))
                )
                for course in range(chance.randint(3, 8))
            )
            definition = ProgramDefinition(
                f"{number:08}-6c1f-4c55-9d5e-2b7a1e4f0c11", "Title", "Type", ProgramStatus.ACTIVE, None, courses
            )
            definitions.append(
                DatedDefinition(STARTS + timedelta(days=90 * edition), f"{number}/{edition}", definition)
            )
        found.append(tuple(definitions))
    return found


def certificates(chance: Random, course_runs: Sequence[str]) -> Held:
    """Return a learner's certificates: most are downloadable, some were lost, and some of those came back."""
    held = {}
    for run in course_runs:
        at = STARTS + timedelta(days=chance.randrange(100), seconds=chance.randrange(86_400))
        changes = [CertificateChange(at, Status.DOWNLOADABLE, "verified", at)]
        if chance.random() < 0.2:
            changes.append(CertificateChange(at + timedelta(days=5), Status.UNAVAILABLE, "verified", at))
            if chance.random() < 0.5:
                changes.append(CertificateChange(at + timedelta(days=9), Status.DOWNLOADABLE, "verified", at))
        held[run] = tuple(changes)
    return held


def completed(timelines: Sequence[DefinitionTimeline], held: Held) -> dict[str, datetime]:
    """Return when each completed program was, by the newest state alone: no history, no reasons, no hold."""
    found = {}
    for timeline in timelines:
        definition = timeline[-1].definition
        dates = []
        for course in definition.courses:
            own = [
                held[run][-1].since
                for run in course.course_runs
                if run in held and held[run][-1].status is Status.DOWNLOADABLE and held[run][-1].mode in PAID_MODES
            ]
            if not own:
                break
            dates.append(min(own))
        else:
            found[definition.uuid] = max(dates)
    return found


def measure() -> Table:
    """Return the cost of a decision of all programs of a learner. Raises ValueError if the sides disagree."""
    chance = Random(13)
    own = [f"course-v1:CertX+CS{n}+2026" for n in range(CERTIFICATES)]
    others = [f"course-v1:CertX+CS{n}+2025" for n in range(CERTIFICATES)]
    timelines = programs(chance, own + others)
    learners = [certificates(chance, own) for _ in range(LEARNERS)]
    policies = undated(DEFAULT)
    for held in learners:
        awarded = {
            outcome.program
            for outcome in decide_programs(timelines, held, ENDS + timedelta(days=60), policies)
            if outcome.status is ProgramCertificateStatus.AWARDED
        }
        if not completed(timelines, held).keys() <= awarded:
            raise ValueError("a program that the newest state completes is not awarded")

    def by_core() -> None:
        for held in learners:
            decide_programs(timelines, held, ENDS, policies)

    def by_loops() -> None:
        for held in learners:
            completed(timelines, held)

    name = f"all programs: {CERTIFICATES} certificates, {PROGRAMS} programs"
    turns = {_LOOPS: timed(by_loops, LEARNERS), name: timed(by_core, LEARNERS)}
    sides = compare(turns, ROUNDS)
    rows = [
        Row(label, (microseconds(side), per_second(side)), None if label == _LOOPS else side.ratio, goal)
        for (label, side), goal in zip(sides.items(), (None, Goal(25)), strict=True)
    ]
    return Table("a learner's programs", ("µs of CPU", "a second, one core"), _LOOPS, rows)
