"""The simulation finds nothing in the code as it is, and everything in an AWS that does not hold what it promises.

It replaces botocore's requests and the clock for a whole process, so it has one of its own.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.history import ALARMS
from tests.simulation.services import DEFECTS
from tests.simulation.world import REDECIDE_FAILED

ROOT = Path(__file__).resolve().parents[2]


def simulate(*options: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run histories in a process of their own."""
    command = [sys.executable, "-m", "tests.simulation", "--workers", "1", *options]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=environment)


def test_no_history_of_faults_costs_a_certificate_an_event_or_a_fact() -> None:
    done = simulate("--histories", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 histories" in done.stdout


def test_what_a_person_took_though_the_facts_never_gave_it_stays_so_when_the_act_is_lifted() -> None:
    done = simulate("--seed", "54882", "--histories", "1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("defect", DEFECTS)
def test_an_aws_that_does_not_hold_what_it_promises_is_noticed_and_shrunk(defect: str) -> None:
    done = simulate("--histories", "100", "--defect", defect)
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.search(r"seed (\d+), shrunk from (\d+) to (\d+) disturbances", done.stdout)
    assert found is not None
    assert int(found[3]) < int(found[2])
    assert f"--seed {found[1]} --histories 1" in done.stdout


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    options = ("--histories", "3", "--seed", "11", "--trace")
    traces = {simulate(*options, hash_seed=seed).stdout.partition("\nseed ")[2] for seed in ("1", "2")}
    (trace,) = traces
    assert trace.count("\n") > 100


def test_every_alarm_that_names_a_doubt_is_one_of_the_template() -> None:
    template = (ROOT / "template.yaml").read_text()
    queues = {"IngestDeadLettersAlarm", "RedecideDeadLettersAlarm", "PublishDeadLettersAlarm"}
    for alarm in {*ALARMS.values(), *queues, REDECIDE_FAILED, "ReconciliationFindingsAlarm"}:
        assert f"\n  {alarm}:\n" in template
