"""The Open University Learning Analytics Dataset (OULAD): its tables as events, its outcomes to compare with.

docs/oulad.md has the mapping, and the result of the comparison. The tables know days, counted from a run's start;
the events of one day come in the order that makes sense: registration, submission, withdrawal, result.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from certs.sources import event_builders
from certs.sources.event_builders import Detail

type LearnerInRun = tuple[int, str]
"""The learner's id and the course-run key."""

MODE = "honor"  # a degree course's students pay otherwise, and it has no ID verification
POLICY = "open-edx"

_NAMESPACE = uuid5(NAMESPACE_URL, "https://doi.org/10.1038/sdata.2017.171")
_MONTHS = {"B": 2, "J": 10}  # presentations start in February or October

_REGISTERS = timedelta(hours=8)
_SUBMITS = timedelta(hours=12)
_WITHDRAWS = timedelta(hours=18)
_ENDS = timedelta(hours=23)


class _Run(NamedTuple):
    """A presentation of a module."""

    course_run: str
    starts: datetime  # UTC
    days: int

    def day(self, number: str | int) -> datetime:
        return self.starts + timedelta(days=int(number))

    @property
    def ends(self) -> datetime:
        return self.day(self.days) + _ENDS


class _Row(NamedTuple):
    """The rows of the tables about one learner in one run, joined."""

    learner_id: int
    run: _Run
    registered: str  # day number, "" if unknown
    unregistered: str  # day number, "" if never or unknown
    result: str  # Pass, Distinction, Fail, Withdrawn


class _Mark(NamedTuple):
    """The sum of a learner's counted assessments in one run."""

    percent: float  # 0 to 1
    last_day: int


class _Happening(NamedTuple):
    """A future event: when, its name within the data (unique and lasting), and its builder."""

    at: datetime
    key: str
    build: Callable[[UUID, datetime], Detail]


def oulad(folder: Path) -> Iterator[Detail]:
    """Yield the details of all events of all runs, oldest first. The same tables always give the same events.

    Raises FileNotFoundError where a table is missing.
    """
    marks = _marks(folder)
    happenings = [
        happening
        for row in _rows(folder)
        for happening in _events_of(row, marks.get((row.learner_id, row.run.course_run)))
    ]
    happenings += _configured(_runs(folder), happenings)
    happenings.sort(key=itemgetter(0, 1))
    for at, key, build in happenings:
        yield build(uuid5(_NAMESPACE, key), at)


# --- the tables


def _table(folder: Path, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(folder / name, "rt") if name.endswith(".gz") else (folder / name).open() as file:
        yield from csv.DictReader(file)


def _name(row: Mapping[str, str]) -> str:
    return f"{row['code_module']}+{row['code_presentation']}"


def _runs(folder: Path) -> dict[str, _Run]:
    runs = {}
    for row in _table(folder, "courses.csv"):
        presentation = row["code_presentation"]
        starts = datetime(int(presentation[:4]), _MONTHS[presentation[4]], 1, tzinfo=UTC)
        name = _name(row)
        runs[name] = _Run(f"course-v1:OU+{name}", starts, int(row["module_presentation_length"]))
    return runs


def _rows(folder: Path) -> Iterator[_Row]:
    runs = _runs(folder)
    results = own_outcome(folder)
    for row in _table(folder, "studentRegistration.csv.gz"):
        run = runs[_name(row)]
        learner_id = int(row["id_student"])
        result = results[learner_id, run.course_run]
        yield _Row(learner_id, run, row["date_registration"], row["date_unregistration"], result)


def _marks(folder: Path) -> dict[LearnerInRun, _Mark]:
    """Return the weighted mark of everyone who has a score in an assessment that counts.

    An assessment counts if it has a weight and anyone at all has a score in it: most exams' results aren't in
    the data. What a learner didn't submit counts as nothing scored.
    """
    runs = _runs(folder)
    assessments = {
        row["id_assessment"]: (runs[_name(row)].course_run, float(row["weight"]))
        for row in _table(folder, "assessments.csv.gz")
    }
    scored: defaultdict[LearnerInRun, float] = defaultdict(float)
    last_days: dict[LearnerInRun, int] = {}
    counted = set()
    for row in _table(folder, "studentAssessment.csv.gz"):
        course_run, weight = assessments[row["id_assessment"]]
        if not weight or not row["score"]:
            continue
        who = (int(row["id_student"]), course_run)
        day = int(row["date_submitted"])
        counted.add(row["id_assessment"])
        scored[who] += weight * float(row["score"]) / 100
        last_days[who] = max(day, last_days.get(who, day))
    weights: defaultdict[str, float] = defaultdict(float)
    for assessment in counted:
        course_run, weight = assessments[assessment]
        weights[course_run] += weight
    return {who: _Mark(round(scored[who] / weights[who[1]], 4), day) for who, day in last_days.items()}


# --- their events


def _events_of(row: _Row, mark: _Mark | None) -> Iterator[_Happening]:
    yield _registration(row)
    if mark:
        yield _grade(row, mark)
    if row.unregistered or row.result == "Withdrawn":
        yield _withdrawal(row)
    if row.result != "Withdrawn":
        yield _result(row)


def _key(table: str, row: _Row) -> str:
    return f"{table}/{row.run.course_run}/{row.learner_id}"


def _registered_at(row: _Row) -> datetime:
    """Return when the learner registered; if unknown, the run's start, or a withdrawal before it."""
    day = row.registered or min(0, int(row.unregistered or 0))
    return row.run.day(day) + _REGISTERS


def _registration(row: _Row) -> _Happening:
    def build(event_id: UUID, at: datetime) -> Detail:
        return event_builders.enrollment(
            "course.enrollment.created", event_id, at, row.learner_id, row.run.course_run, mode=MODE
        )

    return _Happening(_registered_at(row), _key("registration", row), build)


def _withdrawal(row: _Row) -> _Happening:
    """Yield the learner's withdrawal; if its day is unknown, at the run's end, which is the latest that it can be."""
    withdrawn_at = row.run.day(row.unregistered) + _WITHDRAWS if row.unregistered else row.run.ends

    def build(event_id: UUID, at: datetime) -> Detail:
        return event_builders.enrollment(
            "course.unenrollment.completed",
            event_id,
            at,
            row.learner_id,
            row.run.course_run,
            mode=MODE,
            created=_registered_at(row),
        )

    return _Happening(withdrawn_at, _key("unregistration", row), build)


def _grade(row: _Row, mark: _Mark) -> _Happening:
    def build(event_id: UUID, at: datetime) -> Detail:
        return event_builders.grade_summary(
            "course.persistent_grade_summary.changed",
            event_id,
            at,
            row.learner_id,
            row.run.course_run,
            percent=mark.percent,
            letter="",  # the result shows who passed, not the mark
        )

    return _Happening(row.run.day(mark.last_day) + _SUBMITS, _key("assessment", row), build)


def _result(row: _Row) -> _Happening:
    def build(event_id: UUID, at: datetime) -> Detail:
        return event_builders.passing_status(
            "course.passing.status.updated",
            event_id,
            at,
            row.learner_id,
            row.run.course_run,
            is_passing=row.result in _PASSED,
        )

    return _Happening(row.run.ends, _key("result", row), build)


def _configured(runs: Mapping[str, _Run], happenings: list[_Happening]) -> Iterator[_Happening]:
    """Yield the configuration of each run, on the day before the first event."""
    first_at = min([*(run.starts for run in runs.values()), *(happening.at for happening in happenings)])
    for run in runs.values():

        def build(event_id: UUID, at: datetime, run: _Run = run) -> Detail:
            return event_builders.configuration(
                "course_run.configured",
                event_id,
                at,
                run.course_run,
                web_certificates_enabled=True,
                end=run.ends,
                self_paced=False,
                policy=POLICY,
            )

        yield _Happening(first_at - timedelta(days=1), f"course/{run.course_run}", build)


# --- the comparison

EXAMPLES = 5
"""How many learners a difference names."""

_PASSED = frozenset({"Pass", "Distinction"})

_EXPECTED: Mapping[str, tuple[str | None, tuple[str, ...]]] = {
    "Pass": ("downloadable", ()),
    "Distinction": ("downloadable", ()),
    "Fail": (None, ("not_passed",)),
    "Withdrawn": (None, ("no_grade",)),
}
"""The result here for each outcome of the data: the status, and the reasons for no certificate."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Learners whose certificate differs from the data's own outcome, all in the same way."""

    outcome: str | None  # the data's own; None: the data doesn't know them
    status: str | None
    reasons: tuple[str, ...]
    explanation: str
    count: int
    examples: tuple[LearnerInRun, ...]  # the first few


@dataclass(frozen=True, slots=True)
class OuladComparison:
    """How certificates and the data's own outcomes agree."""

    agreeing: Mapping[str, int]  # by the data's own outcome
    differences: tuple[Difference, ...]  # most frequent first

    @property
    def total(self) -> int:
        """How many were compared, counting a learner once in each course run."""
        return sum(self.agreeing.values()) + sum(difference.count for difference in self.differences)


def own_outcome(folder: Path) -> dict[LearnerInRun, str]:
    """Return the data's own outcomes by learner and course run: Pass, Distinction, Fail or Withdrawn."""
    return {
        (int(row["id_student"]), f"course-v1:OU+{_name(row)}"): row["final_result"]
        for row in _table(folder, "studentInfo.csv.gz")
    }


def compare(
    outcomes: Mapping[LearnerInRun, str], certificates: Mapping[LearnerInRun, tuple[str | None, list[str]]]
) -> OuladComparison:
    """Compare the data's own outcomes with certificates: the status (None for none) and the reasons."""
    agreeing: Counter[str] = Counter()
    differing: defaultdict[tuple[str | None, str | None, tuple[str, ...]], list[LearnerInRun]] = defaultdict(list)
    for who in sorted(outcomes.keys() | certificates.keys()):
        outcome = outcomes.get(who)
        status, reasons = certificates.get(who, (None, []))
        found = (status, tuple(sorted(reasons)))
        if outcome is not None and who in certificates and found == _EXPECTED[outcome]:
            agreeing[outcome] += 1
        else:
            differing[outcome, *found].append(who)
    differences = [
        Difference(*kind, _explanation(*kind), len(learners), tuple(learners[:EXAMPLES]))
        for kind, learners in differing.items()
    ]
    return OuladComparison(agreeing, tuple(sorted(differences, key=lambda difference: -difference.count)))


def _explanation(outcome: str | None, status: str | None, reasons: tuple[str, ...]) -> str:
    if outcome is None:
        return "The data has no such learner in this course run: their events came from somewhere else."
    if status is None and not reasons:
        return "Nothing was received about the learner in this course run: their events have not arrived."
    certified = status == "downloadable"
    if certified and outcome not in _PASSED:
        return "By an event the learner passed, and by the data not: it came from somewhere else."
    if certified:
        return "The certificate is there, yet reasons against it were given: the two contradict each other."
    missing = [sentence for code, sentence in _MISSING.items() if code in reasons]
    because = " ".join(missing) or "Rules that the data knows nothing of stand against it: see the reasons."
    if outcome in _PASSED:
        return f"Passed, but without a certificate. {because}"
    return f"No certificate, as the data has it, but for other reasons. {because}"


_MISSING = {
    "course_run_unknown": "The configuration of the course run has not arrived.",
    "not_enrolled": "The registration has not arrived.",
    "mode_not_eligible": f"Another mode than {MODE} was told, or another policy than {POLICY} holds.",
    "id_not_verified": f"Another policy than {POLICY} holds: the Open University has no ID verification.",
    "no_grade": "The final result has not arrived: it is dated at the end of the run.",
    "not_passed": "The last passing status that arrived is failing.",
}
