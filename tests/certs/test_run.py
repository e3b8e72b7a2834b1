"""`certs run`: the whole stack comes to the same certificates as the pure core, and tells each change once."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from certrules.core.policy import PRESETS, undated
from certrules.core.replay import replay
from certrules.core.terms import Cause
from certs import run as job
from certs.cli import main
from certs.local import LocalCloud
from certs.replay import Parked, read_history
from certs.sources import course_run

POLICIES = undated(PRESETS["edx-2021"])
PARAMETERS = {"DeletionProtection": "false", "IngestMemory": "512"}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_cloud_comes_to_what_the_core_says(tmp_path: Path, seed: int) -> None:
    details = list(course_run.history(60, seed))
    with LocalCloud(job.TEMPLATE, PARAMETERS) as cloud:
        run = job.drive(cloud, job.events_of(details), lambda _: None)
        job.look(cloud, run, POLICIES)
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(detail) + "\n" for detail in details))
    parked: list[Parked] = []
    history = read_history([str(events)], datetime.now(UTC), parked)
    outcomes = {
        (record.learner_id, record.course_run): replay(record, POLICIES, run.as_of) for record in history.records()
    }
    assert len(run.held) > 50
    for held in run.held:
        outcome = outcomes[held.record.learner_id, held.record.course_run]
        published = held.published
        if published.pending is not None and published.pending.cause is Cause.NEVER_EARNED:
            continue
        ours, pure = published.certificate, outcome.certificate
        assert (ours and ours._replace(certificate_id="")) == (pure and pure._replace(certificate_id=""))
        assert [mark.at for mark in published.marks] == [transition.at for transition in outcome.transitions]
        assert held.reasons == outcome.reasons
    assert sum(run.parked.values()) == len({(item.line) for item in parked})
    assert run.dead == 0
    told = Counter({name.split(".")[-2]: count for name, count in run.published.items()})
    assert told["changed"] >= sum(len(held.published.marks) for held in run.held)
    assert told["created"] > told["revoked"]


def test_files_go_through_the_cloud_and_the_outcome_is_there_for_scripts(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    details = [json.dumps(detail) for detail in course_run.history(5, 3)]
    events.write_text("\n".join([*details, "{ no event", '{"source": "x"}']) + "\n")
    result = CliRunner(mix_stderr=False).invoke(main, ["run", str(events), "--json"])
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert sum(outcome["status"].values()) == 5
    assert outcome["parked"]["not_json"] == 1
    assert outcome["events"] == len(details) + 2


def test_a_person_sees_counts_reasons_and_explained_learners() -> None:
    result = CliRunner(mix_stderr=False).invoke(main, ["run", "--learners", "20", "--seed", "2026"])
    assert result.exit_code == 0
    for words in ("Certificates", "Why not downloadable", "Learner ", "events in", "certs explain"):
        assert words in result.output
