"""A local cloud that stays up, asked from other processes: `certs run --keep`, `certs local`, `certs explain`."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from certs.stacks import NOTE
from tests.scenes.commands import CERTS, COURSE_RUN, STORY, certs, certs_apart, learner_of

LEARNER = 9  # of the story: has a certificate, and fails at its very end
AS_OF = "2026-03-31T23:30:00Z"  # then


@contextmanager
def stored_record(folder: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Have the command keep a cloud up, which is reached from this folder."""
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(
        [CERTS, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        stated = []
        try:
            for line in process.stdout:
                stated.append(line)
                if "In another terminal" in line:
                    break
            else:
                pytest.fail("".join(stated))
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], how: signal.Signals) -> str:
    """End the command by a signal and return its last words."""
    process.send_signal(how)
    assert process.stdout is not None
    phrases = process.stdout.read()
    assert process.wait() == 0
    return phrases


def explained(folder: Path, *arguments: str) -> dict[str, Any]:
    result = certs_apart("explain", *arguments, "--json", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    explanation: dict[str, Any] = json.loads(result.stdout)
    return explanation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a cloud that received the story."""
    path = tmp_path_factory.mktemp("kept")
    with stored_record(path, "run", STORY, "--keep") as process:
        yield path
        # It ends as cleanly on a signal as on Ctrl-C.
        assert "The local cloud is gone." in ended(process, signal.SIGTERM)
        assert not (path / NOTE).exists()


def test_a_person_reads_why_and_what_happened(folder: Path) -> None:
    result = certs_apart("explain", "2", COURSE_RUN, cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    for phrases in (
        f"Learner 2 in {COURSE_RUN}",
        "What can be done:",
        "What would make it downloadable:",
        "What each rule says:",
        "Certificate set to unverified on 6 March 2026 at 12:00 UTC",
    ):
        assert phrases in result.stdout


def test_as_of_any_instant_it_is_what_a_replay_explains(folder: Path) -> None:
    replayed = certs("replay", STORY, "--until", AS_OF, "--explain")
    lines = [json.loads(line) for line in replayed.stdout.splitlines()]
    (pure,) = (line for line in lines if line["learner_id"] == LEARNER)
    case = explained(folder, str(LEARNER), COURSE_RUN, "--as-of", AS_OF)
    certificate_id = case["certificate"]["certificate_id"]
    assert certificate_id == explained(folder, str(LEARNER), COURSE_RUN)["certificate"]["certificate_id"] != ""
    pure["explanation"]["certificate"]["certificate_id"] = certificate_id  # a replay publishes nothing: it has no id
    assert {name: case[name] for name in pure["explanation"]} == pure["explanation"]
    assert explained(folder, str(LEARNER), COURSE_RUN, "--as-of", "2026-03-08T11:59:59Z")["status"] is None


def test_now_the_hold_has_run_out_long_since(folder: Path) -> None:
    explanation = explained(folder, str(LEARNER), COURSE_RUN)
    assert explanation["status"] == "notpassing"
    assert "not passing since 1 April 2026 at 00:30 UTC" in explanation["sentence"]


def test_a_learner_without_events_is_explained(folder: Path) -> None:
    result = certs_apart("explain", "999", COURSE_RUN, "--json", cwd=folder)
    explanation = json.loads(result.stdout)
    assert (result.returncode, "certs learner 999" in result.stderr) == (1, True)
    assert (explanation["status"], explanation["timeline"][1:]) == (None, [])
    assert "no enrollment of the learner in this course run has been received" in explanation["sentence"]


def test_invalidations_are_listed(folder: Path) -> None:
    result = certs_apart("invalidations", COURSE_RUN, "--json", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["invalidations"] == [
        {
            "learner_id": 6,
            "origin": "person",
            "at": "2026-03-10T09:00:00Z",
            "by": "support",
            "notes": "Reported for plagiarism.",
            "lifted_at": "2026-03-15T09:00:00Z",
            "lifted_by": "support",
        }
    ]


@pytest.mark.parametrize("command", [("explain", "2"), ("invalidations",)])
def test_what_cannot_be_answered_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    left_behind = json.dumps({"api": "http://127.0.0.1:9", "token": "t"})
    for note, course_run, code, shows in (
        (None, "DemoX", 2, "'DemoX' is no key of a course run, such as course-v1:"),
        (None, COURSE_RUN, 1, "Error: no local cloud is up here: start one (`certs run --keep`, `certs local`)"),
        (left_behind, COURSE_RUN, 6, "Error: the local cloud that was up here, at http://127.0.0.1:9, doesn't answer"),
    ):
        if note is not None:
            NOTE.write_text(note)
        result = certs(*command, course_run)
        assert (result.exit_code, result.stdout) == (code, "")
        assert shows in result.stderr


def test_what_others_put_on_its_bus_becomes_certificates_until_ctrl_c(tmp_path: Path) -> None:
    with stored_record(tmp_path, "local", "--port", "0") as process:
        endpoint = json.loads((tmp_path / NOTE).read_text())["endpoint"]
        events, sqs = client("events", endpoint), client("sqs", endpoint)
        (bus,) = (bus["Name"] for bus in events.list_event_buses(NamePrefix="local-")["EventBuses"])
        queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="heard", EventBusName=bus, EventPattern='{"source": ["course-certificates"]}')
        events.put_targets(Rule="heard", EventBusName=bus, Targets=[{"Id": "heard", "Arn": arn}])

        lines = map(json.loads, STORY.read_text().splitlines())
        details = [line.get("detail", line) for line in lines]
        entries = [
            {
                "EventBusName": bus,
                "Source": "openedx/lms/web",
                "DetailType": detail["metadata"]["event_type"],
                "Detail": json.dumps(detail),
            }
            for detail in details
            if learner_of(detail) in {LEARNER, None} and not detail["metadata"]["time"].startswith(AS_OF[:-1])
        ]
        assert events.put_events(Entries=entries)["FailedEntryCount"] == 0  # all but the fall
        arrived = json.loads(first_of(sqs, queue)["Body"])
        assert arrived["detail-type"] == "org.openedx.learning.certificate.created.v1"
        assert learner_of(arrived["detail"]) == LEARNER
        assert explained(tmp_path, str(LEARNER), COURSE_RUN)["status"] == "downloadable"

        assert "The local cloud is gone." in ended(process, signal.SIGINT)
        assert not (tmp_path / NOTE).exists()


def test_a_port_that_is_taken_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = certs("local", "--port", str(port))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: port {port}: Address already in use; name another one with --port\n"
    assert not NOTE.exists()


def test_a_policy_that_cannot_be_read_is_reported_before_anything_is_up() -> None:
    result = certs("local", "--policy", "none-such")
    assert result.exit_code == 1
    assert "edx-2021, open-edx, open-edx-idv" in result.stderr


def client(service: Any, endpoint: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, aws_access_key_id="any", aws_secret_access_key="any")


def first_of(sqs: Any, queue: str) -> dict[str, Any]:
    """Return the first message of a queue, when it comes."""
    for _ in range(6):
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", []):
            found: dict[str, Any] = message
            return found
    pytest.fail("nothing came")
