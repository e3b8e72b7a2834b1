"""Whatever was received, and however it was decided before: a bulk run changes nothing that its plan doesn't list."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certrules import storage
from certrules.bulk.runs import change_of, end_of
from certrules.core.deciding import decide_record
from certrules.core.fact_types import Fact
from certrules.core.instants import BEGINNING
from certrules.core.policy import Policies
from certrules.core.terms import Rollout
from certrules.core.timeline import Entry, merge
from certrules.ingestion import write_of
from certrules.storage.records import StoredTimeline, stored_record
from certrules.storage.tables import Item, Pair, record_key
from tests.scenes.bulk_runs import Run, everything
from tests.scenes.histories import END, FIRST, entries, policies
from tests.scenes.scene import Learner, Scene

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

SHARED = {Fact.ID_VERIFICATION, Fact.COURSE_RUN, Fact.AUTOMATIC_REVOCATIONS}


def reported(pair: Pair, arrived: list[Entry], known: int, decided_by: Policies) -> None:
    """Store what was received of a learner, of which only the first entries were decided, by another policy."""
    verification = [entry for entry in arrived if entry.fact is Fact.ID_VERIFICATION]
    own = [entry for entry in arrived if entry.fact not in SHARED]
    storage.save_timeline(storage.load([pair]).verifications[pair.learner_id], merge((), verification), BEGINNING)
    loaded = storage.load([pair])
    decided = decide_record(loaded.known(pair, decided_by, Rollout.LIVE), own[:known], FIRST)
    storage.save_record(write_of(loaded.records[pair], decided)[0])
    stored_record = storage.load([pair]).records[pair]
    timeline = merge(stored_record.timeline, own)
    storage.save_record(
        storage.RecordWrite(
            pair,
            stored_record,
            timeline,
            stored_record.compacted_until,
            stored_record.published,
            stored_record.next_change_at,
            (0, 0),
            (),
        )
    )


@given(entries(), st.integers(0, 40), policies(), policies(), st.sampled_from(Rollout))
def test_what_a_plan_leaves_out_would_have_no_transition_and_the_same_end(
    arrived: list[Entry], known: int, decided_by: Policies, planned_by: Policies, rollout: Rollout
) -> None:
    pair = Pair(7, "course-v1:CertX+CS101+2026")
    item = Item.new(*record_key(pair))
    shared = merge((), [entry for entry in arrived if entry.fact in SHARED])

    def loaded() -> storage.Loaded:
        others = StoredTimeline(Item.new("L#7", "ID")), StoredTimeline(Item.new("R#", "-"), shared)
        return storage.Loaded({pair: stored_record(item)}, {7: others[0]}, {pair.course_run: others[1]}, {})

    before = loaded()
    own = [entry for entry in arrived if entry.fact not in SHARED]
    decided = decide_record(before.known(pair, decided_by, Rollout.LIVE), own[:known], FIRST)
    storage.change_record(write_of(before.records[pair], decided)[0])
    before = loaded()
    decided = decide_record(before.known(pair, planned_by, rollout), (), END)

    change = change_of(pair, before, decided)

    end = end_of(before.records[pair])
    storage.change_record(write_of(before.records[pair], decided)[0])
    after = end_of(stored_record(item))
    assert (change is None) is (not decided.publication.new_transitions and after == end)
    assert change is None or change.end == after


def as_json(value: Any) -> Any:
    """Return a value as it is in a file."""
    return json.loads(msgspec.json.encode(value))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(entries(), st.integers(0, 30)), min_size=1, max_size=4), policies())
def test_a_run_changes_nothing_that_its_approved_plan_does_not_list(
    scene: Scene, learner: Learner, arrived: list[tuple[list[Entry], int]], decided_by: Policies
) -> None:
    scene.empty_tables()
    course_run = [entry for entry in arrived[0][0] if entry.fact in SHARED - {Fact.ID_VERIFICATION}]
    storage.save_timeline(
        storage.load(course_runs=[learner.course_run]).course_runs[learner.course_run], merge((), course_run), BEGINNING
    )
    pairs = [Pair(learner.learner_id + number, learner.course_run) for number in range(len(arrived))]
    for pair, (one, known) in zip(pairs, arrived, strict=True):
        reported(pair, one, known, decided_by)
    before = everything(scene)
    run = Run(scene, [learner.course_run], at=END, more={"learners": [pair.learner_id for pair in pairs]})

    report = run.go()

    after = everything(scene)
    changes = {change["learner_id"]: change for change in run.changes()}
    assert (report["state"], report["outcome"]["applied"]) == ("done", len(changes))
    changed = {key for key in after if after[key] != before.get(key)}
    assert {key for key in changed if key[0] == "CertificatesTable"} == {
        ("CertificatesTable", f"L#{learner_id}", learner.course_run) for learner_id in changes
    }
    loaded = storage.load(pairs)
    for learner_id, change in changes.items():
        assert as_json(end_of(loaded.records[Pair(learner_id, learner.course_run)])) == change["end"]
    new = [json.loads(after[key]["b"]["S"]) for key in changed if key[0] == "HistoryTable"]
    assert {item["kind"] for item in new} <= {"transition", "held"}
    published = [
        [item["learner_id"], *(item[name] for name in ("at", "previous", "status", "cause"))]
        for item in new
        if item["kind"] == "transition"
    ]
    planned = [[learner_id, *step] for learner_id, change in changes.items() for step in change["steps"]]
    assert sorted(published, key=str) == sorted(planned, key=str)
    assert Run(scene, [learner.course_run], at=END, more=run.more).go()["plan"]["counts"]["changes"] == 0
