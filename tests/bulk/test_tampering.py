"""Whoever can write to the bucket can stop a bulk run, and change nothing: what is applied is what was approved."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.bulk.runs import Approvers, BulkRequest, PartName, Plan, PlanCounts
from certrules.bulk.seal import ListedPart, PlanError, Seal, fields_of, hash_of, listed_parts, refuse_foreign
from tests.scenes.bulk_runs import NOW, Run, everything, in_parts_of, revocable, statuses, waiting
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, Reported

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Alteration = Callable[[Run], None]


@pytest.fixture(autouse=True)
def _in_parts_of_one_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts_of(1, scene, monkeypatch)


@contextmanager
def refused(named: str) -> Iterator[None]:
    """Expect a refusal of the plan. Functions have modules of their own, so that its class is known by its name."""
    with pytest.raises(Exception, match=named) as error:
        yield
    assert error.type.__name__ == PlanError.__name__


def edited(name: str, edit: Callable[[Any], Any]) -> Alteration:
    """Return the alteration of a file: `edit` changes its content, or returns another one."""

    def alter(run: Run) -> None:
        content = run.file(name)
        other = edit(content)
        run.write(name, json.dumps(content if other is None else other).encode())

    return alter


def part_of(run: Run, place: int) -> str:
    """Return the file of a part."""
    return f"plan/{run.file('parts.json')[place][0]}.json"


def swap_parts(run: Run) -> None:
    """Put the content of one part in the place of another."""
    one, other = part_of(run, 0), part_of(run, 1)
    contents = run.text(one).encode(), run.text(other).encode()
    run.write(one, contents[1])
    run.write(other, contents[0])


def add_a_change(run: Run) -> None:
    """Add to a part a change of somebody else, and have parts.json name the part as it is now."""
    name = part_of(run, 0)
    change = run.file(name)[0]
    edited(name, lambda changes: [*changes, {**change, "learner_id": change["learner_id"] + 5}])(run)


REQUEST: dict[str, tuple[str, Any]] = {
    "mode": ("dry_run", True),
    "course runs": ("course_runs", "all"),
    "learners": ("learners", [1]),
    "statuses": ("statuses", ["downloadable"]),
    "instant": ("at", "2027-01-01T00:00:00Z"),
    "policy": ("terms", ["open-edx", "on"]),
    "asked for by": ("by", "eve"),
    "reason": ("reason", "another one"),
    "run": ("id", "another-run"),
}

PLAN: dict[str, tuple[str, Any]] = {
    "approvers": ("approvers", "nobody"),
    "counts": ("records", 1),
    "hash": ("hash", "0" * 64),
}


def field(name: str, value: Any) -> Callable[[Any], None]:
    """Return the edit that gives a field another value."""
    return lambda content: content.update({name: value})


ALTERATIONS: dict[str, tuple[Alteration, str]] = {
    **{f"request: {what}": (edited("request.json", field(*new)), what) for what, new in REQUEST.items()},
    **{f"plan: {what}": (edited("plan.json", field(*new)), what) for what, new in PLAN.items()},
    "plan: revocations": (edited("plan.json", lambda plan: plan["counts"].update(revocations=0)), "counts"),
    "plan: failed": (edited("plan.json", field("failed", [{"what": "record", "error": "no"}])), "counts"),
    "parts: one left out": (edited("parts.json", lambda parts: parts[1:]), "parts"),
    "parts: one twice": (edited("parts.json", lambda parts: [*parts, parts[0]]), "parts"),
    "parts: another order": (edited("parts.json", lambda parts: parts[::-1]), "parts"),
    "parts: another content": (edited("parts.json", lambda parts: [[parts[0][0], "0" * 64, 1], *parts[1:]]), "parts"),
    "a part: a change more": (add_a_change, "plan/000"),
    "a part: emptied": (lambda run: run.write(part_of(run, 1), b"[]"), "plan/000"),
    "two parts swapped": (swap_parts, "2 parts"),
    "a comparison": (lambda run: run.write("comparison.json", b"{}"), "comparison"),
    "plan.json is nonsense": (lambda run: run.write("plan.json", b"[nonsense"), "plan.json"),
    "parts.json is nonsense": (lambda run: run.write("parts.json", b"\xff"), "parts.json"),
    "request.json is nonsense": (lambda run: run.write("request.json", b"{}"), "request.json"),
}
ALTERED = [pytest.param(*found, id=name) for name, found in ALTERATIONS.items()]


@pytest.mark.parametrize(("alter", "named"), ALTERED)
def test_what_is_altered_after_it_was_approved_is_named_and_nothing_is_applied(
    scene: Scene, learner: Learner, alter: Alteration, named: str
) -> None:
    revocable(scene, learner, 2)
    run = Run(scene, [learner.course_run])
    assert run.planned() == "ask"
    run.approve("bob")
    before = everything(scene)

    alter(run)

    with refused(f"{named}.*start a new run"):
        run.list_parts()
    assert everything(scene) == before


@pytest.mark.parametrize(
    "name", ["plan: approvers", "request: policy", "a part: a change more", "plan.json is nonsense"]
)
def test_the_state_machine_applies_nothing_of_an_altered_plan_and_reports_what_differs(
    scene: Scene, learner: Learner, name: str
) -> None:
    learners = revocable(scene, learner, 2)
    ada, bob = Client(scene), Client(scene, "bob")
    started = ada.post("/v1/regenerations", course_runs=[learner.course_run], reason="new policy")
    run_id = str(started.body["id"])
    scene.cloud.deliver()
    waits = ada.get(f"/v1/regenerations/{run_id}").body
    before = everything(scene)
    alter, named = ALTERATIONS[name]
    alter(Run.of(scene, run_id))

    assert ada.get(f"/v1/regenerations/{run_id}").body["plan"] == waits["plan"]
    assert ada.post(f"/v1/regenerations/{run_id}/approve", hash=waits["plan"]["hash"]).status == 403
    assert bob.post(f"/v1/regenerations/{run_id}/approve", hash=waits["plan"]["hash"]).status == 200
    scene.cloud.deliver()

    found = ada.get(f"/v1/regenerations/{run_id}").body
    assert (found["state"], named in found["report"]["problem"]) == ("failed", True)
    assert "nothing is applied" in found["report"]["problem"]
    assert everything(scene) == before
    assert ada.post(f"/v1/regenerations/{run_id}/resume").status == 202
    scene.cloud.deliver()
    assert ada.get(f"/v1/regenerations/{run_id}").body["state"] == "failed"
    assert statuses(scene, learners) == ["downloadable"] * 2


def test_an_older_plan_in_the_place_of_the_approved_one_is_refused(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 2)
    older, run = Run(scene, [learner.course_run]), Run(scene, [learner.course_run])
    older.planned()
    run.planned()
    run.approve("bob")
    for name in ("request.json", "plan.json", "parts.json", *(part_of(older, place) for place in (0, 1))):
        run.write(name, older.text(name).encode())

    with refused("run"):
        run.list_parts()
    run.state["approval"] = {**run.state["approval"], "hash": older.file("plan.json")["hash"]}
    with refused("not the one that was approved"):
        run.list_parts()
    assert statuses(scene, learners) == ["downloadable"] * 2


def test_what_is_altered_before_it_is_sealed_takes_nothing_away_unasked(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 2)
    run = Run(scene, [learner.course_run])
    run.plan(*run.begin())
    for number in range(16):
        edited(f"shards/000-{number:02}.json", lambda shard: shard["counts"].update(revocations=0))(run)

    assert run.seal() == "apply"  # as if it took nothing away
    with refused("counts"):
        run.list_parts()
    assert statuses(scene, learners) == ["downloadable"] * 2


@pytest.mark.parametrize("only", ["course runs", "learners", "statuses"])
def test_a_change_that_nobody_asked_for_is_refused_even_if_it_is_sealed(
    scene: Scene, learner: Learner, only: str
) -> None:
    (one,) = waiting(scene, learner, 1)
    foreign = Run(scene, [one.course_run])
    foreign.planned()
    course_runs = [f"{one.course_run}_other" if only == "course runs" else one.course_run]
    more: dict[str, Any] = {"learners": [one.learner_id + 16]} if only == "learners" else {}
    run = Run(scene, course_runs, more={"statuses": ["downloadable"]} if only == "statuses" else more)
    name = part_of(foreign, 0)
    shard = f"shards/{name.removeprefix('plan/')[:6]}.json"
    run.plan(*run.begin())
    run.write(name, foreign.text(name).encode())
    run.write(shard, foreign.text(shard).encode())

    assert run.seal() == "apply"
    with refused(f"nobody asked for learner {one.learner_id}"):
        run.list_parts()
    assert statuses(scene, [one]) == [None]


def test_a_part_is_believed_only_with_its_proof_and_its_content(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 2)
    run = Run(scene, [learner.course_run])
    run.planned()
    run.approve("bob")
    one, other = run.list_parts()

    for false in (
        {**one, "proof": other["proof"]},
        {**one, "proof": []},
        {**one, "part": [one["part"][0], other["part"][1], 1]},
        {**one, "part": ["../elsewhere", *one["part"][1:]]},
    ):
        with refused("not one of the plan"):
            run.apply(false)
    run.write(f"plan/{one['part'][0]}.json", b"[]")
    run.apply(one, other)

    assert run.report()["outcome"] == {"applied": 1, "already": 0, "changed_since": 0, "failed": 1, "unknown": 0}
    assert sorted(statuses(scene, learners), key=str) == ["downloadable", "notpassing"]


def test_a_resumed_run_whose_files_were_altered_meanwhile_does_no_more(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 2)
    run = Run(scene, [learner.course_run])
    run.planned()
    run.approve("bob")
    run.apply(run.list_parts()[0])
    before = statuses(scene, learners)
    edited("plan.json", field("approvers", "nobody"))(run)

    with refused("approvers"):
        run.seal()
    del run.state["sealed"]
    with refused("plan.json is not as it was sealed"):
        run.seal()
    assert statuses(scene, learners) == before


def test_an_altered_comparison_takes_nothing_live(scene: Scene, learner: Learner) -> None:
    scene.ingest(learner.configured(day(1), rollout="shadow"))
    ada = Client(scene)
    run_id = str(
        ada.post("/v1/regenerations", course_runs=[learner.course_run], reason="compare", purpose="compare").body["id"]
    )
    scene.cloud.deliver()

    def live() -> Reported:
        return ada.post("/v1/rollout/live", course_runs=[learner.course_run], reason="compared", comparison=run_id)

    assert live().body["field"] == "accept_not_compared"
    edited("comparison.json", lambda found: found["course_runs"][0].update(not_compared=None))(Run.of(scene, run_id))

    assert (live().status, live().body["field"]) == (409, "comparison")


# --- the hash, and the proofs


PARTS = st.lists(st.builds(PartName, st.text(max_size=9), st.text("0123456789abcdef", max_size=9), st.integers(0, 500)))


@given(PARTS, st.data())
def test_every_part_is_proved_and_no_other_is(parts: list[PartName], drawn: st.DataObject) -> None:
    request, plan = _request(), _plan()
    fields = fields_of(request, plan, parts)
    seal = Seal(hash_of(fields), fields)
    items = listed_parts(parts)
    assert [item.part for item in items] == parts
    for item in items:
        refuse_foreign(seal, item)
    other = drawn.draw(PARTS.filter(lambda found: found != parts))
    assert fields_of(request, plan, other)["parts"] != fields["parts"]
    for item in listed_parts(other):
        if item.part not in parts:
            with pytest.raises(PlanError):
                refuse_foreign(seal, item)
            for proof in (found.proof for found in items):
                with pytest.raises(PlanError):
                    refuse_foreign(seal, ListedPart(item.part, proof))


def _request() -> BulkRequest:
    return BulkRequest(id="run", course_runs=["one"], by="ada", reason="why", at=NOW)


def _plan() -> Plan:
    return Plan(
        hash="", approvers=Approvers.NOBODY, parts=0, shards=0, records=0, seconds=0, requests={}, counts=PlanCounts(),
        failed=[], course_runs_changed=0,
    )  # fmt: skip


def test_the_hash_covers_all_that_decides() -> None:
    request = {
        "id": "other", "course_runs": "all", "by": "eve", "reason": "other", "at": day(1), "statuses": ["none"],
        "learners": [1], "dry_run": True, "purpose": "compare", "as_if": "live", "terms": ("open-edx", "on"),
    }  # fmt: skip
    undecided = {"concurrency", "approval_seconds", "records_per_second"}
    assert set(BulkRequest.__struct_fields__) == request.keys() | undecided
    plan = {
        "approvers": "a person", "parts": 1, "shards": 1, "records": 1, "seconds": 1.0, "requests": {"Query": 1},
        "counts": PlanCounts(revocations=1), "failed": [1], "course_runs_changed": 1,
    }  # fmt: skip
    assert set(Plan.__struct_fields__) == plan.keys() | {"hash"}
    sealed = [hash_of(fields_of(_request(), _plan(), []))]
    sealed += [
        hash_of(fields_of(msgspec.structs.replace(_request(), **{name: value}), _plan(), []))
        for name, value in request.items()
    ]
    sealed += [
        hash_of(fields_of(_request(), msgspec.structs.replace(_plan(), **{name: value}), []))
        for name, value in plan.items()
    ]
    sealed.append(hash_of(fields_of(_request(), _plan(), [PartName("one", "", 1)])))
    sealed.append(hash_of(fields_of(_request(), _plan(), [], b"{}")))
    assert len(set(sealed)) == len(sealed) == 1 + len(request) + len(plan) + 2
