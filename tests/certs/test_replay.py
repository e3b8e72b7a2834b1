"""`certs replay`: the stable format, any order, and what can't be taken in."""

import gzip
import json
import random
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from certs.cli import main
from certs.sources import course_run

COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"
USER = {"id": 42, "is_active": True, "pii": {"username": "", "email": "", "name": ""}}
COURSE = {"course_key": COURSE_RUN, "display_name": ""}


def _event(number: int, day: int, event_type: str, key: str, **content: object) -> dict[str, object]:
    metadata = {
        "id": str(UUID(int=number)),
        "event_type": event_type,
        "minorversion": 0,
        "time": f"2026-03-{day:02}T12:00:00+00:00",
        "source": "openedx/lms/web",
        "sourcehost": "lms.example.org",
        "sourcelib": [11, 2, 0],
    }
    return {"metadata": metadata, key: content}


def _passing(number: int, day: int, *, is_passing: bool) -> dict[str, object]:
    name = "org.openedx.learning.course.passing.status.updated.v1"
    return _event(number, day, name, "course_passing_status", is_passing=is_passing, course=COURSE, user=USER)


ENROLLED = _event(
    2,
    2,
    "org.openedx.learning.course.enrollment.created.v1",
    "enrollment",
    user=USER,
    course=COURSE,
    mode="verified",
    is_active=True,
)
GRADED = _event(
    5,
    4,
    "org.openedx.learning.course.persistent_grade_summary.changed.v1",
    "grade",
    user_id=42,
    course=COURSE,
    percent_grade=0.81,
    letter_grade="",
)
STORY = [
    _event(1, 1, "certificates.course_run.configured.v1", "course_run", course_key=COURSE_RUN, policy="open-edx"),
    ENROLLED,
    GRADED,
    _passing(6, 5, is_passing=True),
    _passing(7, 9, is_passing=False),
    _event(8, 9, "certificates.generation.requested.v1", "request", learner_id=7, course_key=COURSE_RUN),
]
LINE_42 = {
    "learner_id": 42,
    "course_run": COURSE_RUN,
    "status": "downloadable",
    "cause": "earned",
    "reasons": [],
    "mode": "verified",
    "grade": "0.81",
    "issued_at": "2026-03-05T12:00:00Z",
    "first_issued_at": "2026-03-05T12:00:00Z",
    "transitions": [{"at": "2026-03-05T12:00:00Z", "status": "downloadable", "cause": "earned"}],
    "pending": {"cause": "grade_fell", "since": "2026-03-09T12:00:00Z", "due": "2026-03-09T13:00:00Z"},
}
LINE_7 = {
    "learner_id": 7,
    "course_run": COURSE_RUN,
    "status": None,
    "cause": None,
    "reasons": ["no_grade", "not_enrolled"],
    "mode": None,
    "grade": None,
    "issued_at": None,
    "first_issued_at": None,
    "transitions": [],
    "pending": None,
}


def _replay(*arguments: str, events: str = "") -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["replay", *arguments], input=events)


def _lines(events: list[dict[str, object]]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_a_story_becomes_a_line_a_learner_in_the_documented_form() -> None:
    result = _replay(events=_lines(STORY))
    assert result.exit_code == 0
    assert [list(json.loads(line)) for line in result.stdout.splitlines()] == [list(LINE_7), list(LINE_42)]
    assert [json.loads(line) for line in result.stdout.splitlines()] == [LINE_7, LINE_42]


def test_after_its_hold_the_fall_counts() -> None:
    result = _replay("--until", "2026-03-09T13:00:00Z", events=_lines(STORY))
    line = json.loads(result.stdout.splitlines()[1])
    assert (line["status"], line["cause"], line["reasons"]) == ("notpassing", "grade_fell", ["not_passed"])
    assert line["transitions"][-1] == {"at": "2026-03-09T13:00:00Z", "status": "notpassing", "cause": "grade_fell"}
    assert line["pending"] is None


def test_events_after_until_still_name_their_learners() -> None:
    result = _replay("--until", "2026-03-01T00:00:00Z", events=_lines(STORY))
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == [None, None]


def test_order_duplicates_files_and_compression_make_no_difference(tmp_path: Path) -> None:
    events = [event for event in course_run.history(60, 7) if event["metadata"].get("event_type")]
    whole = _replay(events=_lines(events)).stdout
    assert len(whole.splitlines()) == 60
    shuffled = [*events, *events[::3]]
    random.Random(3).shuffle(shuffled)
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_text(_lines(shuffled[::2]))
    packed.write_bytes(gzip.compress(_lines(shuffled[1::2]).encode()))
    assert _replay(str(plain), str(packed)).stdout == whole


def test_envelopes_and_bare_details_are_the_same() -> None:
    wrapped = [
        {"source": "openedx/lms", "detail-type": event["metadata"]["event_type"], "detail": event}  # type: ignore[index]
        for event in STORY
    ]
    assert _replay(events=_lines(wrapped)).stdout == _replay(events=_lines(STORY)).stdout


def test_lines_that_cannot_be_taken_in_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    broken = '{"metadata":\n' + _lines(STORY) + "\n" + json.dumps({**ENROLLED, "enrollment": {}}) + "\n"
    result = _replay(events=broken)
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 2
    reported = [json.loads(line) for line in result.stderr.splitlines()]
    assert [(item["line"], item["reason"]) for item in reported] == [(1, "not_json"), (9, "missing_field")]
    assert reported[1]["field"] == "enrollment.user"
    parked = tmp_path / "parked.jsonl"
    quiet = _replay("--parked", str(parked), events=broken)
    assert quiet.stderr == ""
    assert [json.loads(line) for line in parked.read_text().splitlines()] == reported


def test_a_policy_file_can_be_dated_and_never_judges_the_past_anew(tmp_path: Path) -> None:
    policies = tmp_path / "policies.json"
    strict = {"since": "2026-03-07T00:00:00Z", "preset": "edx-2021", "version": "strict"}
    policies.write_text(json.dumps([{"since": "2026-01-01T00:00:00Z", "preset": "open-edx"}, strict]))
    story = [event for event in STORY if event["metadata"]["event_type"] != STORY[0]["metadata"]["event_type"]]  # type: ignore[index]
    known = _event(1, 1, "certificates.course_run.configured.v1", "course_run", course_key=COURSE_RUN)
    result = _replay("--policy", str(policies), "--until", "2026-03-08T00:00:00Z", events=_lines([known, *story]))
    assert json.loads(result.stdout.splitlines()[1])["status"] == "downloadable"
    strictly = _replay("--policy", "edx-2021", "--until", "2026-03-08T00:00:00Z", events=_lines([known, *story]))
    assert json.loads(strictly.stdout.splitlines()[1])["status"] == "unverified"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ('{"hold_seconds": -1}', "policy.hold_seconds"),
        ('{"eligible_modes": "verified"}', "policy.eligible_modes"),
        ('{"preset": "other"}', "policy.preset"),
        ("[]", "the list is empty"),
    ],
)
def test_a_policy_that_cannot_be_read_names_the_field(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(content)
    result = _replay("--policy", str(path), events=_lines(STORY))
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_policy_of_no_such_name_lists_those_there_are() -> None:
    result = _replay("--policy", "none-such", events="")
    assert result.exit_code == 1
    assert "edx-2021, open-edx, open-edx-idv" in result.stderr


def test_a_time_without_an_offset_is_refused() -> None:
    result = _replay("--until", "2026-03-09T13:00:00", events="")
    assert result.exit_code != 0
    assert "add Z for UTC" in result.stderr


def test_explained_lines_say_what_would_help() -> None:
    result = _replay("--explain", events=_lines(STORY))
    explanation = json.loads(result.stdout.splitlines()[0])["explanation"]
    assert explanation["sentence"].startswith("There is no certificate because")
    assert explanation["counterfactuals"]


def test_nothing_in_is_nothing_out() -> None:
    result = _replay(events="")
    assert (result.exit_code, result.output) == (0, "")
