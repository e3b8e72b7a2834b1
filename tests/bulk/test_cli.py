"""The commands of bulk runs, against the API of a stack: a run from its start to its report, and exit codes."""

import csv
import json
from pathlib import Path

import pytest

from certs.support.api import CONTRADICTS, NOT_ALLOWED, NOT_FOUND
from certs.support.regenerations import NOT_DONE, WAITS
from tests.scenes.bulk_runs import revocable, statuses, waiting
from tests.scenes.commands import certs
from tests.scenes.scene import Learner, Scene
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = ["_cloud_in_folder", "address"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

WHY = ("--reason", "new policy")


def test_a_run_is_started_watched_approved_and_reported(scene: Scene, learner: Learner, tmp_path: Path) -> None:
    learners = revocable(scene, learner, 2)
    started = certs("regenerate", "start", learner.course_run, *WHY, "--json")
    run_id = json.loads(started.stdout)["id"]
    early = certs("regenerate", "report", run_id)
    scene.cloud.deliver()

    watched = certs("regenerate", "watch", run_id)
    plan = json.loads(certs("regenerate", "status", run_id, "--json").stdout)["plan"]
    read = certs("regenerate", "plan", run_id, "--takes-away")
    lines = json.loads(certs("regenerate", "plan", run_id, "--json").stdout)
    of_one = certs("regenerate", "plan", run_id, "--learner", str(learners[0].learner_id), "--csv", "-")
    alone = certs("regenerate", "approve", run_id, "--hash", plan["hash"])
    wrong = certs("regenerate", "approve", run_id, "--hash", "0" * 64, "--colleague")
    approved = certs("regenerate", "approve", run_id, "--hash", plan["hash"], "--colleague")
    scene.cloud.deliver()
    ended = certs("regenerate", "watch", run_id)
    files = tmp_path / "report.html", tmp_path / "changes.csv"
    saved = certs("regenerate", "report", run_id, "--html", str(files[0]), "--csv", str(files[1]))
    report = certs("regenerate", "report", run_id)
    listed = certs("regenerate", "list")

    assert early.exit_code == NOT_FOUND
    assert watched.exit_code == WAITS
    assert "take a certificate away" in watched.stdout
    assert f"--hash {plan['hash']}" in watched.stdout
    assert str(learners[1].learner_id) in read.stdout
    assert (lines["hash"], len(lines["lines"])) == (plan["hash"], 2)
    assert [row["learner_id"] for row in csv.DictReader(of_one.stdout.splitlines())] == [str(learners[0].learner_id)]
    assert (alone.exit_code, wrong.exit_code, approved.exit_code) == (NOT_ALLOWED, CONTRADICTS, 0)
    assert statuses(scene, learners) == ["notpassing"] * 2
    assert (ended.exit_code, saved.exit_code, report.exit_code) == (0, 0, 0)
    assert "<svg" in files[0].read_text()
    with files[1].open() as lines:
        assert {row["outcome"] for row in csv.DictReader(lines)} == {"applied"}
    assert "downloadable → not passing" in report.stdout
    assert run_id in listed.stdout
    assert certs("regenerate", "resume", run_id).exit_code == CONTRADICTS


def test_a_declined_plan_has_an_exit_code_of_its_own(scene: Scene, learner: Learner) -> None:
    learners = revocable(scene, learner, 1)
    run_id = json.loads(certs("regenerate", "start", learner.course_run, *WHY, "--json").stdout)["id"]
    scene.cloud.deliver()
    plan = json.loads(certs("regenerate", "status", run_id, "--json").stdout)["plan"]

    declined = certs("regenerate", "decline", run_id, "--hash", plan["hash"])
    scene.cloud.deliver()

    assert declined.exit_code == 0
    assert certs("regenerate", "status", run_id).exit_code == NOT_DONE
    assert statuses(scene, learners) == ["downloadable"]


def test_a_dry_run_over_all_course_runs_is_limited_to_statuses_and_learners(scene: Scene, learner: Learner) -> None:
    first, *_ = waiting(scene, learner, 3)
    options = ("--status", "none", "--learner", str(first.learner_id), "--rate", "40", "--key", "the same key")
    started = certs("regenerate", "start", "--all", "--dry-run", *options, *WHY)
    again = certs("regenerate", "start", "--all", "--dry-run", *options, *WHY)
    scene.cloud.deliver()
    run_id = started.stdout.split()[2].rstrip(".")

    report = json.loads(certs("regenerate", "report", run_id, "--json").stdout)

    assert again.stdout == started.stdout
    assert (report["state"], report["plan"]["counts"]["by_course_run"]) == ("planned", {learner.course_run: 1})


@pytest.mark.parametrize("arguments", [(), ("--all", "course-v1:A+B+C"), ("no-course-run",)])
def test_a_run_over_nothing_or_over_two_things_is_not_started(scene: Scene, arguments: tuple[str, ...]) -> None:
    assert certs("regenerate", "start", *arguments, *WHY).exit_code == 2
    assert [one for one in scene.cloud.executions() if one.status == "RUNNING"] == []
