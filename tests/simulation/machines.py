"""The state machines of the stack as they are in statemachines/: steps that are tried again, and waits between them."""

import gzip
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from certrules.core.fact_types import Approval, Enrollment, Fact
from certrules.formats.table_rows import Observation, TableRow, encode_row
from certrules.importing import ACCEPTED
from certrules.storage import Pair
from tests.simulation.services import FakeAws
from tests.simulation.story import FIRST

GATHERING = timedelta(seconds=30)
SETTLING = timedelta(seconds=60)
BETWEEN_LOOKS = timedelta(seconds=900)


class Step(NamedTuple):
    """An invocation of a function that a state machine waits for, and tries again if it fails."""

    function: str
    event: dict[str, Any]


type Machine = Generator[Step | timedelta, Any]
"""Yields steps, and is sent their results; and waits. A step that failed for good is raised in it."""


class StepFailedError(Exception):
    """A step failed at every try."""


def importing(aws: FakeAws, folder: str, pairs: list[Pair], at: datetime) -> Machine:
    """Import the platform's tables: course runs, and a part for each learner. Returns the records of the import."""
    course_runs = sorted({pair.course_run for pair in pairs})
    parts = {"course-runs": [_row(None, run, Fact.COURSE_RUN, True, at) for run in course_runs]}
    for learner in sorted({pair.learner_id for pair in pairs}):
        mine = [pair for pair in pairs if pair.learner_id == learner]
        rows = [_row(learner, None, Fact.ID_VERIFICATION, Approval(None), at, subject="1")]
        rows += [
            TableRow(
                *pair,
                (
                    Observation(FIRST, at, Fact.ENROLLMENT, Enrollment("verified", active=True), "enrollments 1"),
                    Observation(FIRST, at, Fact.PASSING, True, "grades 1"),
                ),
            )
            for pair in mine
        ]
        parts[f"learner-{learner}"] = rows
    aws.files[f"{folder}/{ACCEPTED}"] = msgspec.json.encode(course_runs)  # whatever it publishes there
    for part, rows in parts.items():
        aws.files.setdefault(f"{folder}/{part}", gzip.compress(b"\n".join(map(encode_row, rows)), mtime=0))

    def step(do: str, part: str) -> Step:
        return Step("load", {"step": do, "folder": folder, "part": part, "at": at.isoformat()})

    yield step("load", "course-runs")
    yield SETTLING
    yield step("look", "course-runs")
    learners = [part for part in parts if part != "course-runs"]
    failed = []
    for do in ("load", "look"):
        for part in learners:
            try:
                yield step(do, part)
            except StepFailedError:
                failed.append(part)
        yield SETTLING
    if failed:
        raise StepFailedError(", ".join(failed))


def _row(
    learner: int | None, course_run: str | None, fact: Fact, value: Any, at: datetime, subject: str = ""
) -> TableRow:
    return TableRow(learner, course_run, (Observation(FIRST, at, fact, value, "table 1", subject),))


def redeciding(given: dict[str, Any]) -> Machine:
    """Decide a course run again that changed: gather changes, begin, settle, a page of each part, the rest."""
    yield GATHERING
    yield Step("decide", {"step": "begin", "course_run": given["course_run"], "run": given["run"]})
    yield SETTLING
    left = yield Step("decide", {"step": "first", "course_run": given["course_run"], "at": given["at"]})
    for part in left["parts"]:
        rest = part
        while not rest["done"]:
            rest = yield Step("decide", {"step": "part", "part": rest})


def regenerating(aws: FakeAws, name: str, course_runs: list[str], at: datetime) -> Machine:
    """Decide whole course runs again: plan, approve, apply."""
    request = {"course_runs": course_runs, "by": "ada", "reason": "the simulation", "at": at.isoformat()}
    run: dict[str, Any] = {"id": name, "request": request, "approval": None, "sealed": None}
    run = yield Step("plan", {"do": "begin", "run": run})
    for shard in _manifest(aws, run["begun"]):
        yield Step("plan", {"do": "shard", **shard})
    run["sealed"] = yield Step("plan", {"do": "seal", "run": run})
    if run["sealed"]["next"] == "ask":
        yield SETTLING
        run["approval"] = {"hash": run["sealed"]["hash"], "by": "bob", "at": at.isoformat()}
    elif run["sealed"]["next"] != "apply":
        return
    run["parts"] = yield Step("plan", {"do": "list-parts", "run": run})
    for part in _manifest(aws, run["parts"]):
        yield Step("apply", {"run": run, "item": part})


def _manifest(aws: FakeAws, step: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = msgspec.json.decode(aws.files[step["manifest"]])
    return items


def reconciling(name: str, at: datetime, segments: int = 1) -> Machine:
    """Compare what is stored with what was published and with the facts. Its report is a file."""
    asked = {"segments": segments}
    begun = yield Step("reconcile", {"step": "begin", "run": name, "asked": asked, "started": at.isoformat()})
    looked = []
    for part in begun["parts"]:
        found = part
        while not found["done"]:
            found = yield Step("reconcile", {"step": "look", "part": found})
        looked.append(found)
    yield BETWEEN_LOOKS
    again = []
    for part in begun["parts"]:
        found = part
        while not found["done"]:
            found = yield Step("reconcile", {"step": "look-again", "part": found})
        again.append(found)
    yield Step("reconcile", {"step": "report", "run": name, "at": begun["at"], "looked": looked, "again": again})
