"""`certs replay`: the stable format, any order, and what can't be taken in or read.

story/events.jsonl has a learner for each kind of line, and events that name none; story/certificates.jsonl is what
was read, line by line, to be right.
"""

import gzip
import json
import os
import random
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.sources import course_run
from tests.scenes.commands import CERTIFICATES, CERTS, COURSE_RUN, STORY, certs, certs_apart

ROOT = Path(__file__).parents[2]
EVENTS = STORY.read_text().splitlines()
WRITTEN = CERTIFICATES.read_bytes()

TYPES: dict[str, tuple[type | None, ...]] = {
    "learner_id": (int,),
    "course_run": (str,),
    "status": (str, None),
    "cause": (str, None),
    "reasons": (list,),
    "mode": (str, None),
    "grade": (str, None),
    "issued_at": (str, None),
    "first_issued_at": (str, None),
    "transitions": (list,),
    "pending": (dict, None),
    "other_spellings": (list,),
}


def text(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def certificates(output: str) -> dict[tuple[int, str], dict[str, Any]]:
    """The lines by learner and course run."""
    lines = [json.loads(line) for line in output.splitlines()]
    return {(line["learner_id"], line["course_run"]): line for line in lines}


def replayed(*arguments: str | Path) -> dict[tuple[int, str], dict[str, Any]]:
    """What is made of the story."""
    result = certs("replay", STORY, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return certificates(result.stdout)


# --- the format


def test_the_story_becomes_the_certificates_on_file() -> None:
    assert certs("replay", STORY).stdout_bytes == WRITTEN


def test_each_line_is_as_documented() -> None:
    of_certificates = (ROOT / "docs" / "replay.md").read_text().partition("## Programs")[0]
    rows = re.findall(r"^\| (`.*?) \|", of_certificates, re.MULTILINE)
    documented = [field for row in rows for field in re.findall(r"`(\w+)`", row)]
    assert documented == [*TYPES, "explanation"]
    for line in map(json.loads, WRITTEN.splitlines()):
        assert list(line) == list(TYPES)
        for field, types in TYPES.items():
            assert (None if line[field] is None else type(line[field])) in types
        assert line["reasons"] == sorted(line["reasons"])
        assert bool(line["reasons"]) is (line["status"] != "downloadable")


def test_every_time_is_in_utc_with_a_z() -> None:
    times = re.findall(rb"\d{4}-\d\d-\d\dT[^\"]*", WRITTEN)
    assert len(times) > 20
    assert all(re.fullmatch(rb"[\d-]{10}T[\d:]{8}(\.\d+)?Z", time) for time in times)


def test_an_explanation_only_adds_to_a_line() -> None:
    explained = replayed("--explain")
    for who, line in certificates(WRITTEN.decode()).items():
        explanation = explained[who].pop("explanation")
        assert explained[who] == line
        assert (explanation["status"], explanation["as_of"]) == (line["status"], "2026-03-31T23:30:00Z")
        assert explanation["sentence"]
        assert explanation["counterfactuals"] or not line["reasons"]


# --- whatever way it arrives


@pytest.mark.parametrize("seed", range(3))
def test_order_duplicates_files_and_compression_make_no_difference(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    lines = [*EVENTS, *chance.sample(EVENTS, 15)]
    chance.shuffle(lines)
    plain, packed = tmp_path / "plain.jsonl", tmp_path / "packed.jsonl.gz"
    plain.write_text(text(lines[::3]))
    packed.write_bytes(gzip.compress(text(lines[1::3]).encode()))
    assert certs("replay", "-", plain, packed, stdin=text(lines[2::3])).stdout_bytes == WRITTEN


def test_nor_do_they_for_a_whole_course_run() -> None:
    lines = [json.dumps(detail) for detail in course_run.history(200, 7)]
    whole = certs("replay", stdin=text(lines))
    assert len(whole.stdout.splitlines()) == 200
    random.Random(3).shuffle(lines)
    assert certs("replay", stdin=text([*lines, *lines[::3]])).stdout_bytes == whole.stdout_bytes


def test_envelopes_and_bare_details_are_the_same() -> None:
    details = [event.get("detail", event) for event in map(json.loads, EVENTS)]
    envelopes = [
        {"source": detail["metadata"]["source"], "detail-type": detail["metadata"]["event_type"], "detail": detail}
        for detail in details
        if detail.get("course_passing_status", {}).get("user") != {"id": 13}  # its envelope marks it as our own
    ]
    assert certs("replay", stdin=text(map(json.dumps, envelopes))).stdout_bytes == WRITTEN


# --- who gets a line


def test_whoever_an_event_names_with_a_course_run_gets_a_line_in_order() -> None:
    named = list(certificates(WRITTEN.decode()))
    assert named == sorted(named, key=lambda who: (who[1], who[0]))
    assert (7, COURSE_RUN) in named  # only asked for
    assert (8, COURSE_RUN) in named  # only has a role without an effect
    assert {learner_id for learner_id, _ in named}.isdisjoint({11})  # ID-verified, in no course run


def test_own_events_are_ignored() -> None:
    assert {learner_id for learner_id, _ in certificates(WRITTEN.decode())}.isdisjoint({12, 13})
    result = certs("replay", stdin=text(EVENTS[-2:]))
    assert (result.exit_code, result.output) == (0, "")


def test_events_after_until_still_name_their_learners() -> None:
    before = certificates(certs("replay", STORY, "--until", "2025-12-31T00:00:00Z").stdout)
    assert before.keys() == certificates(WRITTEN.decode()).keys()
    assert {line["status"] for line in before.values()} == {None}


@pytest.mark.parametrize("nothing", ["", "\n", "\r\n \n"])
def test_nothing_in_is_nothing_out(nothing: str) -> None:
    result = certs("replay", stdin=nothing)
    assert (result.exit_code, result.output) == (0, "")


# --- as of when, and by which policy


@pytest.mark.parametrize(
    ("until", "status", "cause", "pending"),
    [
        ("2026-03-05T12:00:00Z", None, None, False),
        ("2026-03-05T13:00:00.250+01:00", "downloadable", "earned", False),
        ("2026-03-09T12:59:59Z", "downloadable", "earned", True),
        ("2026-03-09T13:00:00Z", "notpassing", "grade_fell", False),
        ("2026-03-20T12:00:00Z", "downloadable", "earned", False),
    ],
)
def test_until_decides_as_of_an_instant(until: str, status: str | None, cause: str | None, pending: bool) -> None:
    line = replayed("--until", until)[1, COURSE_RUN]
    assert (line["status"], line["cause"], line["pending"] is not None) == (status, cause, pending)


def test_what_is_pending_takes_effect_when_it_is_due() -> None:
    line = replayed("--until", "2026-04-01T00:30:00Z")[9, COURSE_RUN]
    assert (line["status"], line["pending"], line["reasons"]) == ("notpassing", None, ["not_passed"])
    assert line["transitions"][-1] == {"at": "2026-04-01T00:30:00Z", "status": "notpassing", "cause": "grade_fell"}


def test_a_preset_is_named() -> None:
    assert replayed("--policy", "edx-2021") == certificates(WRITTEN.decode())
    lines = replayed("--policy", "open-edx")
    assert {learner_id for learner_id, run in lines if lines[learner_id, run]["status"] == "downloadable"} == {
        *(1, 2, 5, 6, 9),
    }
    assert lines[3, COURSE_RUN]["reasons"] == ["mode_not_eligible"]


def test_a_policy_is_a_file(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"eligible_modes": {"all_but": []}, "id_verification_required": false, "hold_seconds": 0}')
    lines = replayed("--policy", policy)
    assert lines[3, COURSE_RUN]["status"] == "downloadable"
    assert (lines[9, COURSE_RUN]["status"], lines[9, COURSE_RUN]["pending"]) == ("notpassing", None)


def test_a_new_policy_does_not_judge_the_past_again(tmp_path: Path) -> None:
    policies = tmp_path / "policies.json"
    old = {"preset": "open-edx", "since": "2026-01-01T00:00:00Z"}
    new = {"preset": "edx-2021", "since": "2026-03-07T00:00:00Z"}
    policies.write_text(json.dumps([new, old]))
    passed_before = replayed("--policy", policies)[2, COURSE_RUN]
    assert (passed_before["status"], passed_before["issued_at"]) == ("downloadable", "2026-03-06T12:00:00Z")
    new["since"] = "2026-03-06T12:00:00Z"
    policies.write_text(json.dumps([old, new]))
    assert replayed("--policy", policies)[2, COURSE_RUN]["status"] == "unverified"


# --- what can't be taken in


def test_malformed_lines_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl.gz"
    first.write_text(text(["{", *EVENTS[:20], "", '{"metadata": {}}']))
    second.write_bytes(gzip.compress(b"\xff\n" + text(EVENTS[20:]).encode()))
    result = certs("replay", first, second)
    assert (result.exit_code, result.stdout_bytes) == (2, WRITTEN)
    reports = [json.loads(line) for line in result.stderr.splitlines()]
    assert [list(report) for report in reports] == [["file", "line", "reason", "field", "fix"]] * 3
    assert [(report["file"], report["line"], report["reason"], report["field"]) for report in reports] == [
        (str(first), 1, "not_json", ""),
        (str(first), 23, "missing_field", "metadata.id"),
        (str(second), 1, "not_json", ""),
    ]


@pytest.mark.parametrize("sample", sorted((ROOT / "events" / "parked").iterdir()), ids=lambda path: path.stem)
def test_each_kind_of_malformed_event_is_reported_by_its_reason(sample: Path) -> None:
    result = certs("replay", stdin=sample.read_text().replace("\n", " "))
    assert (result.exit_code, result.stdout) == (2, "")
    (report,) = map(json.loads, result.stderr.splitlines())
    assert (report["file"], report["line"], report["reason"]) == ("-", 1, sample.stem.replace("-", "_"))
    assert report["fix"]


def test_malformed_lines_can_go_to_a_file_that_is_empty_without_any(tmp_path: Path) -> None:
    parked = tmp_path / "parked.jsonl"
    result = certs("replay", "--parked", parked, stdin="{\n")
    assert (result.exit_code, result.output) == (2, "")
    assert json.loads(parked.read_text())["reason"] == "not_json"
    assert certs("replay", "--parked", parked, STORY).exit_code == 0
    assert parked.read_text() == ""


@pytest.mark.parametrize("settings", [[True], [True, False]])
def test_a_course_run_configured_thousands_of_times_is_the_same_for_its_learners(settings: list[bool]) -> None:
    event = json.loads((ROOT / "events" / "course-run-configured.json").read_text())["detail"]
    metadata, course_run = event["metadata"], event["course_run"]
    stated = []
    for number in range(2_400):
        time = datetime(2025, 11, 1, tzinfo=UTC) + timedelta(minutes=number)
        setting = course_run | {"web_certificates_enabled": settings[number % len(settings)]}
        stated.append({"metadata": metadata | {"id": str(number), "time": time.isoformat()}, "course_run": setting})
    much, little = (text([*EVENTS, *map(json.dumps, [*events, event])]) for events in (stated, []))
    assert certs("replay", stdin=much).stdout == certs("replay", stdin=little).stdout


# --- what can't be read


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(STORY.read_bytes())
    damaged = bytearray(packed)
    damaged[300:310] = bytes(10)
    files = {"missing.jsonl": None, "cut.gz": packed[:-9], "damaged.gz": bytes(damaged)}
    for name, content in files.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        result = certs("replay", STORY, path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: {path}: ")
    assert "directory" in certs("replay", tmp_path).stderr
    assert "directory" in certs("replay", "--parked", tmp_path, stdin="{").stderr


@pytest.mark.parametrize(
    ("content", "shows"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"true", "policy: a boolean is neither"),
        (b"[]", "policy: the list is empty"),
        (b"[{}]", "policy[0].since"),
        (b'[{"since": "2026-01-01T00:00:00Z"}, {"since": "yesterday"}]', "policy[1].since"),
        (b'{"preset": "other"}', "policy.preset"),
        (b'{"hold_seconds": -1}', "policy.hold_seconds"),
        (b'{"hold_seconds": NaN}', "policy.hold_seconds"),
        (b'{"eligible_modes": "verified"}', "policy.eligible_modes"),
        (b'{"modes_without_id_verification": [1]}', "policy.modes_without_id_verification"),
        (b'{"id_verification_required": "no"}', "policy.id_verification_required"),
        (b'{"holdseconds": 1}', "policy.holdseconds"),
    ],
)
def test_a_policy_that_cannot_be_read_names_the_field(tmp_path: Path, content: bytes, shows: str) -> None:
    policy = tmp_path / "policy.json"
    policy.write_bytes(content)
    result = certs("replay", "--policy", policy, STORY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: policy")
    assert shows in result.stderr


def test_a_policy_that_is_not_there_is_reported_with_those_that_are(tmp_path: Path) -> None:
    result = certs("replay", "--policy", "none-such", STORY)
    assert result.exit_code == 1
    assert "edx-2021, open-edx, open-edx-idv" in result.stderr
    assert "directory" in certs("replay", "--policy", tmp_path, STORY).stderr


# --- as a program among others


def test_who_reads_only_the_first_line_is_left_in_peace(tmp_path: Path) -> None:
    requested = json.loads(next(line for line in EVENTS if "generation.requested" in line))
    many = tmp_path / "many.jsonl"
    with many.open("w") as file:
        for learner_id in range(1, 2_000):  # more output than a pipe holds
            requested["request"]["learner_id"] = learner_id
            requested["metadata"]["id"] = f"request-{learner_id}"
            file.write(json.dumps(requested) + "\n")
    with subprocess.Popen([CERTS, "replay", many], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["learner_id"] == 1
        process.stdout.close()
        assert process.stderr.read() == b""


def test_the_output_is_utf_8_whatever_the_terminal_is() -> None:
    event = next(line for line in EVENTS if "generation.requested" in line).replace("DemoX", "Prüfung")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run([CERTS, "replay"], check=True, input=event.encode(), capture_output=True, env=environment)
    assert "course-v1:Prüfung+CS101".encode() in result.stdout


def test_the_installed_program_does_the_same() -> None:
    result = certs_apart("replay", STORY)
    assert (result.returncode, result.stdout.encode(), result.stderr) == (0, WRITTEN, "")
