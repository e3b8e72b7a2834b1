"""Comparing on the whole stack: people do it by a command, and the schedule once a day; both heal, then all is well."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from certrules import aws
from certrules.storage.learner_records import load_learner
from certrules.storage.record_owners import load_comparison
from certrules.storage.records_table import RecordsItem
from certs.stacks import NOTE
from tests.records.cloud import COURSES, cloud_scene, defined, earn, pass_is_due, send
from tests.records.scene import A1, ADA, B1, P1
from tests.records.service import CREDENTIALS, Host
from tests.scenes.commands import certs
from tests.scenes.scene import Learner, Scene, day

__all__ = ["cloud_scene"]


@pytest.fixture
def completed(cloud_scene: Scene, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Ada has completed the program, and an account that may read sees it."""
    monkeypatch.chdir(tmp_path)
    NOTE.write_text(json.dumps({"api": "", "token": "", "aws": {}, "outputs": cloud_scene.cloud.outputs}))
    host.service.platform.is_superuser = True
    send(cloud_scene, defined(day(1), COURSES))
    earn(cloud_scene, A1, B1)
    cloud_scene.cloud.run_schedules()  # the pass of this day
    return cloud_scene


def compare(*arguments: str) -> Result:
    return certs("records", "compare", *arguments)


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def statuses(host: Host) -> dict[str, str | None]:
    found = {key: host.service.state.credential("ada", key) for key in (A1, B1, P1)}
    return {key: None if row is None else row.status for key, row in found.items()}


@pytest.mark.parametrize("whose", [["--learner", str(ADA)], [A1], ["--all"]])
def test_what_the_service_lost_is_named_and_healed_only_on_demand(
    completed: Scene, host: Host, whose: list[str]
) -> None:
    well = compare(*whose)
    assert (well.exit_code, well.stdout) == (0, ""), well.stderr
    assert "none differ" in well.stderr
    host.service.state.forget("ada", A1)
    host.service.state.forget("ada", P1)

    for _ in range(2):
        found = compare(*whose)
        assert found.exit_code == 9
        assert "2 differ." in found.stderr
        course, program = sorted(lines(found), key=lambda line: line["kind"])
        assert (course["kind"], course["learner_id"], course["course_run"]) == ("course", ADA, A1)
        assert course["desired"]["is_awarded"]
        assert (program["kind"], program["program"], program["refusal"]) == ("program", P1, None)
        completed.cloud.run_schedules()
        assert statuses(host)[A1] is None
    assert compare(*whose, "--heal").exit_code == 9
    completed.cloud.run_schedules()
    assert set(statuses(host).values()) == {"awarded"}
    assert compare(*whose).exit_code == 0


def test_what_the_service_lost_is_healed_by_the_schedule_and_the_next_pass_finds_nothing(
    completed: Scene, host: Host
) -> None:
    host.service.state.forget("ada", B1)
    completed.cloud.run_schedules()
    assert statuses(host)[B1] is None  # the pass of this day is over

    pass_is_due()
    completed.cloud.run_schedules()
    completed.cloud.run_schedules()
    assert set(statuses(host).values()) == {"awarded"}
    sent = host.service.misbehaviour.requests[f"POST {CREDENTIALS}"]
    pass_is_due()
    completed.cloud.run_schedules()
    completed.cloud.run_schedules()
    assert host.service.misbehaviour.requests[f"POST {CREDENTIALS}"] == sent


def test_a_lost_hint_is_healed_by_the_next_pass(completed: Scene, host: Host) -> None:
    stored = load_learner(ADA).deliveries
    forgotten = next(item for target, item in stored.items() if target.key == B1 and target.kind == "course")
    next(
        RecordsItem.query(f"L#{ADA}", RecordsItem.s == f"D#course#{B1}")
    ).delete()  # as if the hint of this certificate had never come
    host.service.state.forget("ada", B1)
    pass_is_due()
    completed.cloud.run_schedules()
    assert statuses(host)[B1] == "awarded"
    again = load_learner(ADA).deliveries[forgotten.delivery.target]
    assert again.delivery.desired == forgotten.delivery.desired


def test_a_learner_of_whom_nothing_is_stored_is_found_by_the_next_pass(completed: Scene, host: Host) -> None:
    for item in RecordsItem.query(f"L#{ADA}"):
        item.delete()  # as if no hint of theirs had ever come
    for key in (A1, B1, P1):
        host.service.state.forget("ada", key)
    pass_is_due()
    completed.cloud.run_schedules()
    assert set(statuses(host).values()) == {"awarded"}
    sent = host.service.misbehaviour.requests[f"POST {CREDENTIALS}"]
    pass_is_due()
    completed.cloud.run_schedules()
    assert host.service.misbehaviour.requests[f"POST {CREDENTIALS}"] == sent


def test_certificates_without_a_delivery_are_found_however_the_passes_end(
    completed: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = [Learner(number, A1) for number in range(3001, 3006)]
    for learner in learners:
        completed.ingest(*learner.qualifying())
    completed.ingest(*Learner(3006, A1).qualifying()[:2])  # who has no certificate
    completed.empty_queues()
    module = completed.app("RecordsFunction").RECORDS.work_due.__globals__["compare_due"].__globals__
    monkeypatch.setitem(module, "CERTIFICATES", 2)
    pass_is_due()
    for _ in range(20):
        completed.cloud.run_schedules()
        if msgspec.json.decode(load_comparison().text or "{}").get("is_over"):
            break
    assert [bool(load_learner(learner.learner_id).deliveries) for learner in learners] == [True] * 5
    assert not load_learner(3006).deliveries
    text = load_comparison().text
    assert text is not None
    assert msgspec.json.decode(text)["is_over"]


def test_nothing_is_compared_while_the_service_is_down(completed: Scene, host: Host) -> None:
    host.service.misbehaviour.down_until = aws.now() + timedelta(hours=1)
    for _ in range(3):
        found = compare("--all")
        assert found.exit_code == 9
    assert "The service is down" in found.stderr
    pass_is_due()
    due = load_comparison().text
    asked = host.service.misbehaviour.requests.total()
    completed.cloud.run_schedules()
    assert load_comparison().text == due
    assert host.service.misbehaviour.requests.total() == asked


def test_whose_records_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["--all", A1], ["--learner", "1", A1]):
        assert compare(*arguments).exit_code == 2
    NOTE.write_text(json.dumps({"api": "", "token": "", "aws": {}, "outputs": {}}))
    off = compare("--all")
    assert off.exit_code == 1
    assert "CredentialsUrl" in off.stderr
