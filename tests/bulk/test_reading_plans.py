"""A plan is read before it is approved: page by page, filtered, as CSV; and only as it was sealed."""

import csv
import json
from io import StringIO
from itertools import batched
from typing import Any, override

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules import aws
from certrules.bulk import plan_lines
from certrules.bulk.plan_lines import Filter, Line, ReadablePlan, page_of, sentence_of, table_of
from certrules.bulk.runs import (
    Approvers,
    End,
    PartName,
    Plan,
    PlanCounts,
    PlannedChange,
    Step,
    digest_of,
)
from certrules.core.rules import RULEBOOK, RULES
from certrules.core.terms import Cause
from certrules.requests import RefusedActError
from certrules.storage import shard_of
from tests.scenes.bulk_runs import NOW, Run, revocable, statuses, waiting
from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import Client

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

DUE = "2026-03-03T10:00:00Z"
EDITION = RULEBOOK.at(NOW)


def change(learner_id: int = 1, **more: Any) -> PlannedChange:
    fell = Step(DUE, "downloadable", "notpassing", Cause.GRADE_FELL)
    known: dict[str, Any] = {
        "learner_id": learner_id,
        "course_run": "course-v1:DemoX+CS101+2026_T1",
        "versions": (1, 1, 1),
        "before": "downloadable",
        "after": "notpassing",
        "cause": Cause.GRADE_FELL,
        "at": DUE,
        "reasons": ("not_passed",),
        "steps": (fell,),
        "end": End(certificate=None, pending=None, due=None),
    }
    return PlannedChange(**known | more)


def award(learner_id: int) -> PlannedChange:
    step = Step(DUE, None, "downloadable", Cause.EARNED)
    return change(learner_id, before=None, after="downloadable", cause=Cause.EARNED, reasons=(), steps=(step,))


class StoredParts(aws.Folder):
    """A folder with the parts of a plan, that counts how many of them are read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__("none", "none")
        self.files = files
        self.reads = 0

    @override
    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        self.reads += 1
        return self.files.get(name)


def plan_with(changes: list[PlannedChange], part_size: int = 3) -> ReadablePlan:
    """Return a plan with these changes in parts, each of one shard."""
    files: dict[str, bytes] = {}
    parts = []
    counts = PlanCounts()
    by_shard = sorted(changes, key=lambda item: shard_of(item.learner_id))
    for shard in sorted({shard_of(item.learner_id) for item in changes}):
        own = [item for item in by_shard if shard_of(item.learner_id) == shard]
        for number, some in enumerate(batched(own, part_size, strict=False)):
            name, content = f"000-{shard:02}-{number:04}", msgspec.json.encode(some)
            files[f"plan/{name}.json"] = content
            parts.append(PartName(name, digest_of(content), len(some)))
    for item in changes:
        counts.take(item)
    plan = Plan(
        hash="0" * 64, approvers=Approvers.NOBODY, parts=len(parts), shards=16, records=len(changes), seconds=0.0,
        requests={}, counts=counts, failed=[], course_runs_changed=1,
    )  # fmt: skip
    return ReadablePlan(StoredParts(files), plan, parts, EDITION)


FILTERS = st.sampled_from(
    [
        Filter(),
        Filter(takes_away=True),
        Filter(transition="none > downloadable"),
        Filter(cause=Cause.EARNED),
        Filter(reason="not_passed"),
        Filter(learner_id=3),
        Filter(course_run="course-v1:DemoX+CS101+2026_T1"),
    ]
)


@given(st.lists(st.booleans(), min_size=1, max_size=40), FILTERS, st.integers(1, 7))
def test_the_pages_of_a_plan_have_each_wanted_line_once_and_in_order(
    falls: list[bool], wanted: Filter, limit: int
) -> None:
    found = plan_with([change(1), award(2), *(change(n) if fell else award(n) for n, fell in enumerate(falls, 3))])
    everything = list(found.lines(Filter(), 0, found.size))
    read: list[Line] = []
    start: int | None = 0
    while start is not None:
        lines, start = page_of(found, wanted, start, limit)
        assert len(lines) <= limit
        read += lines

    assert [line.place for line in everything] == list(range(len(falls) + 2))
    assert read == [line for line in everything if wanted.takes(line.change)]


@given(st.integers(1, 30), FILTERS, st.integers(1, 7))
def test_the_pieces_of_a_table_have_each_wanted_line_once(size: int, wanted: Filter, piece: int) -> None:
    found = plan_with([change(1), award(2), *map(award, range(3, size + 3))])
    text = ""
    start: int | None = 0
    while start is not None:
        some, start = table_of(found, wanted, start, piece, heads=start == 0)
        text += some
    rows = list(csv.DictReader(StringIO(text)))

    assert [row["line"] for row in rows] == [str(line.place) for line in found.lines(wanted, 0, found.size)]
    assert all(row["why"] for row in rows)
    assert tuple(rows[0] if rows else plan_lines.COLUMNS) == plan_lines.COLUMNS


def test_a_page_reads_no_more_parts_than_it_shows_and_a_learner_is_looked_for_in_one_shard() -> None:
    found = plan_with([change(learner_id) for learner_id in range(1, 161)], part_size=5)
    parts = found.folder
    assert isinstance(parts, StoredParts)

    page_of(found, Filter(), 50, 5)
    first = parts.reads
    lines, _ = page_of(found, Filter(learner_id=7), 0, 100)

    assert first == 2
    assert (parts.reads - first, [line.change.learner_id for line in lines]) == (2, [7])


def test_a_page_without_a_wanted_line_ends_where_enough_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_lines, "MOST_LOOKED_AT", 20)
    found = plan_with([*map(award, range(1, 60)), change(63)])

    pages = [page_of(found, Filter(takes_away=True), start, 10) for start in (0, 20, 40)]

    assert [(len(lines), following) for lines, following in pages] == [(0, 20), (0, 40), (1, None)]


def test_no_part_is_read_beyond_what_a_page_or_a_piece_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_lines, "MOST_LOOKED_AT", 20)
    found = plan_with([*map(award, range(1, 200)), change(207)], part_size=5)
    parts = found.folder
    assert isinstance(parts, StoredParts)
    page_of(found, Filter(takes_away=True), 0, 10)
    table_of(found, Filter(takes_away=True), 0, 20, heads=True)
    assert parts.reads == 10


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Filter(transition="none > unavailable"), "downloadable > notpassing"),
        (Filter(cause="weather"), "grade_fell"),
        (Filter(reason="ccx"), "not_passed"),
    ],
)
def test_what_no_line_has_is_refused_with_what_there_is(wanted: Filter, named: str) -> None:
    with pytest.raises(RefusedActError, match=named):
        page_of(plan_with([change()]), wanted, 0, 10)
    with pytest.raises(RefusedActError, match="no line of it has a"):
        page_of(plan_with([]), wanted, 0, 10)


FELL = "the grade fell to failing and stayed failing"
SENTENCES: dict[str, PlannedChange] = {
    f"The certificate changes from downloadable to not passing because {FELL}: the learner's grade is failing.": (
        change()
    ),
    "There will be a certificate: downloadable, because all requirements were met.": award(1),
    "The certificate changes from unverified to not passing because the learner's grade is failing.": change(
        steps=(Step(DUE, "unverified", "notpassing", Cause.LABELLED),), before="unverified"
    ),
    "The certificate stays downloadable, with changes in between, the last one because all requirements were met "
    "again.": (
        change(after="downloadable", reasons=(), steps=(Step(DUE, "unavailable", "downloadable", Cause.REINSTATED),))
    ),
    "The certificate stays downloadable; only its details, or when it is looked at next, change.": change(
        steps=(), after="downloadable", end=End(certificate=None, pending=None, due=DUE)
    ),
    f"There is still no certificate; a revocation is pending until 3 March 2026 at 10:00 UTC because {FELL}.": change(
        steps=(), after=None, end=End(certificate=None, pending=(Cause.GRADE_FELL, DUE, DUE), due=DUE)
    ),
    "The certificate stays downloadable; a revocation is pending until a person decides because the facts known now do "
    "not carry it.": change(
        steps=(), after="downloadable", end=End(certificate=None, pending=(Cause.NEVER_EARNED, DUE, None), due=None)
    ),
}


@pytest.mark.parametrize(("sentence", "of"), SENTENCES.items())
def test_a_line_states_what_changes_and_why(sentence: str, of: PlannedChange) -> None:
    assert sentence_of(of, EDITION) == sentence


def test_who_approves_reads_whose_from_what_to_what_and_why(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 3)
    ada, bob = Client(scene, "ada"), Client(scene, "bob")
    run_id = ada.post("/v1/regenerations", course_runs=[learner.course_run], reason="new policy").body["id"]
    early = bob.get(f"/v1/regenerations/{run_id}/plan")
    scene.cloud.deliver()
    path = f"/v1/regenerations/{run_id}/plan"

    plan = bob.get(path).body
    of_one = bob.get(path, learner_id=learners[1].learner_id, takes_away="true").body
    table = bob.get(f"{path}.csv", transition="downloadable > notpassing").body
    refused = [
        bob.get(path, **query).status
        for query in ({"cause": "weather"}, {"learner_id": "x"}, {"takes_away": "perhaps"}, {"start": "-1"})
    ]
    bob.post(f"/v1/regenerations/{run_id}/approve", hash=plan["hash"])
    scene.cloud.deliver()

    assert early.status == 404
    assert {(line["learner_id"], line["before"], line["after"], line["takes_away"]) for line in plan["lines"]} == {
        (one.learner_id, "downloadable", "notpassing", True) for one in learners
    }
    assert plan["lines"][0]["sentence"].startswith("The certificate changes from downloadable to not passing because")
    assert [line["learner_id"] for line in of_one["lines"]] == [learners[1].learner_id]
    assert (plan["next"], plan["changes"], table["next"]) == (None, 3, None)
    assert [row["to"] for row in csv.DictReader(StringIO(table["text"]))] == ["notpassing"] * 3
    assert refused == [422] * 4
    assert bob.get("/v1/regenerations/none/plan").status == 404
    assert statuses(scene, learners) == ["notpassing"] * 3
    assert bob.get(path).body == plan  # it stays readable when it was applied


def test_a_plan_that_was_altered_is_not_shown(scene: Scene, learner: Learner) -> None:
    revocable(scene, learner, 2)
    ada = Client(scene, "ada")
    run_id = ada.post("/v1/regenerations", course_runs=[learner.course_run], reason="new policy").body["id"]
    scene.cloud.deliver()
    run, path = Run.of(scene, run_id), f"/v1/regenerations/{run_id}/plan"
    parts = run.file("parts.json")
    name = f"plan/{parts[0][0]}.json"
    content = run.text(name)

    run.write(name, content.replace("notpassing", "unavailable").encode())
    of_a_part = ada.get(path)
    run.write(name, content.encode())
    readable = ada.get(path).status
    run.write("parts.json", json.dumps(parts[1:]).encode())
    of_the_parts = ada.get(f"{path}.csv")

    assert (of_a_part.status, name in of_a_part.body["fix"]) == (409, True)
    assert readable == 200
    assert (of_the_parts.status, "parts" in of_the_parts.body["fix"]) == (409, True)


def test_a_plan_that_nobody_has_to_approve_is_readable_too_and_on_a_page(scene: Scene, learner: Learner) -> None:
    learners = waiting(scene, learner, 2)
    ada = Client(scene)
    run_id = ada.post("/v1/regenerations", course_runs=[learner.course_run], reason="look first", dry_run=True).body[
        "id"
    ]
    scene.cloud.deliver()

    page = ada.get("/regeneration/plan", id=run_id)
    of_one = ada.get(
        "/regeneration/plan", id=run_id, learner_id=learners[0].learner_id, transition="none > downloadable"
    )
    of_none = ada.get("/regeneration/plan", id=run_id, takes_away="true")
    table = ada.get("/regeneration/plan.csv", id=run_id)
    refused = [ada.get("/regeneration/plan", id=run_id, start=start).status for start in ("x", "-1", "9" * 13)]

    assert (page.status, page.body.count("/case?learner_id=")) == (200, 2)
    assert f"/regeneration/plan.csv?id={run_id}&amp;start=0" in page.body
    assert of_one.body.count("/case?learner_id=") == 1
    assert "No line is asked for." in of_none.body
    assert table.headers["content-disposition"] == f'attachment; filename="plan-{run_id}-0.csv"'
    assert len(table.body.splitlines()) == 3
    assert refused == [422] * 3
    assert f'"/regeneration/plan?id={run_id}"' in ada.get("/regeneration", id=run_id).body


def test_every_reason_code_is_one_by_which_a_plan_is_filtered() -> None:
    assert all(len(rule.code) <= 80 for rule in RULES)
