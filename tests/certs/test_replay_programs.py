"""`certs replay --programs`: after the certificates, a line for each learner and program."""

import json
import random
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from certs.sources import event_builders
from certs.sources.event_builders import Detail
from certs.sources.program_builder import program, program_revocation
from tests.scenes.commands import STORY, certs
from tests.scenes.phrases import instant

ROOT = Path(__file__).parents[2]
RUNS = [f"course-v1:DataX+DS{n}+2026" for n in (1, 2, 3)]
MICRO, OTHER = "8a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11", "0a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11"
FIELDS = [
    "learner_id",
    "program",
    "status",
    "cause",
    "reasons",
    "courses",
    "awarded_at",
    "first_awarded_at",
    "transitions",
    "pending",
]


def at(event: str, day: str, *about: object) -> tuple[Any, UUID, Any]:
    return event, uuid5(UUID(MICRO), f"{event} {day} {about}"), instant(day)


def qualified(learner: int, run: str, day: str) -> list[Detail]:
    """Return what earns a learner a certificate in a course run on a day."""
    return [
        event_builders.configuration(*at("course_run.configured", "day 1", run), run, self_paced=True),
        event_builders.enrollment(
            *at("course.enrollment.created", "day 1", learner, run), learner, run, mode="masters"
        ),
        event_builders.passing_status(
            *at("course.passing.status.updated", day, learner, run), learner, run, is_passing=True
        ),
    ]


def verified(learner: int) -> Detail:
    return event_builders.idv_attempt(*at("idv_attempt.approved", "day 1", learner), learner, attempt_id=1)


def defined(uuid: str, day: str, courses: dict[str, list[str]], **more: Any) -> Detail:
    return program(*at("program.configured", day, uuid), uuid, courses, title="Data", **more)


EVENTS = [
    defined(MICRO, "day 1", {"DS1": RUNS[:2], "DS3": RUNS[2:]}),
    defined(OTHER, "day 1", {"DS1": RUNS[:1]}),
    defined(OTHER, "day 20", {"DS1": RUNS[:1], "DS9": ["course-v1:DataX+DS9+2026"]}),
    verified(7),
    *qualified(7, RUNS[0], "day 3"),
    *qualified(7, RUNS[2], "day 5"),
    verified(8),
    *qualified(8, RUNS[1], "day 4"),
    *qualified(9, "course-v1:DataX+DS9+2026", "day 4"),
]


@pytest.fixture
def replayed(tmp_path: Path) -> Any:
    def lines(events: list[Detail], *arguments: str) -> list[str]:
        file = tmp_path / "events.jsonl"
        file.write_text("".join(json.dumps(event) + "\n" for event in events))
        result = certs("replay", file, "--programs", *arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.splitlines()

    return lines


def of_programs(lines: list[str]) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines) if "program" in line]


def test_the_lines_of_programs_follow_those_of_certificates_sorted_by_program_and_learner(replayed: Any) -> None:
    lines = [json.loads(line) for line in replayed(EVENTS)]
    assert [("program" in line) for line in lines] == [False] * 4 + [True] * 4
    assert [(line["program"], line["learner_id"]) for line in lines[4:]] == [
        (OTHER, 7),
        (OTHER, 9),
        (MICRO, 7),
        (MICRO, 8),
    ]


def test_a_line_is_as_documented(replayed: Any) -> None:
    table = (ROOT / "docs" / "replay.md").read_text().partition("## Programs")[2]
    documented = [
        field for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for field in re.findall(r"`(\w+)`", row)
    ]
    for line in of_programs(replayed(EVENTS)):
        assert list(line) == FIELDS == documented


def test_an_awarded_program_names_the_certificates_that_carry_it(replayed: Any) -> None:
    (line,) = [line for line in of_programs(replayed(EVENTS)) if (line["program"], line["learner_id"]) == (MICRO, 7)]
    assert line == {
        "learner_id": 7,
        "program": MICRO,
        "status": "awarded",
        "cause": "earned",
        "reasons": [],
        "courses": {
            "DS1": {"course_run": RUNS[0], "since": "2026-01-03T00:00:00Z"},
            "DS3": {"course_run": RUNS[2], "since": "2026-01-05T00:00:00Z"},
        },
        "awarded_at": "2026-01-05T00:00:00Z",
        "first_awarded_at": "2026-01-05T00:00:00Z",
        "transitions": [{"at": "2026-01-05T00:00:00Z", "status": "awarded", "cause": "earned"}],
        "pending": None,
    }


def test_what_is_missing_and_what_is_pending_are_named(replayed: Any) -> None:
    held, without, _, lacking = of_programs(replayed(EVENTS))
    assert held["pending"] == {"cause": "definition_changed", "since": "2026-01-20T00:00:00Z", "due": None}
    assert (held["status"], held["courses"]["DS9"]) == ("awarded", None)
    assert (without["status"], without["cause"], without["reasons"]) == (
        None,
        None,
        ["certificate_not_downloadable", "no_certificate"],
    )
    assert (lacking["status"], lacking["reasons"], lacking["courses"]["DS3"]) == (None, ["no_certificate"], None)
    assert (lacking["awarded_at"], lacking["transitions"]) == (None, [])


def test_order_and_duplicates_make_no_difference(replayed: Any) -> None:
    shuffled = [*EVENTS, *EVENTS[:5]]
    random.Random(7).shuffle(shuffled)
    assert replayed(shuffled) == replayed(EVENTS)


def test_a_program_that_is_not_defined_yet_has_no_line(replayed: Any) -> None:
    later = [defined(MICRO, "day 10", {"DS1": RUNS[:1]}), *EVENTS[3:]]
    assert of_programs(replayed(later, "--until", "2026-01-09T00:00:00Z")) == []
    (line,) = of_programs(replayed(later, "--until", "2026-01-10T00:00:00Z"))
    assert line["awarded_at"] == "2026-01-03T00:00:00Z"


def test_a_lost_course_takes_the_program_after_the_hold_unless_the_kill_switch_stops_it(replayed: Any) -> None:
    act: Any = {"by": "ada", "notes": "copied"}
    lost = event_builders.invalidation(*at("invalidation.created", "day 8"), 7, RUNS[2], **act)
    until = "--until", (instant("day 8") + timedelta(hours=2)).isoformat()
    (line, _) = [line for line in of_programs(replayed([*EVENTS, lost], *until)) if line["program"] == MICRO]
    assert line["transitions"][-1] == {"at": "2026-01-08T01:00:00Z", "status": "revoked", "cause": "course_lost"}
    held = {"cause": "course_lost", "since": "2026-01-08T00:00:00Z", "due": None}
    for where, pending in ((None, held), (RUNS[2], held), (RUNS[0], None)):
        stopped = event_builders.automatic_revocations(*at("automatic_revocations.stopped", "day 7"), where, **act)
        (line, _) = [
            item for item in of_programs(replayed([*EVENTS, lost, stopped], *until)) if item["program"] == MICRO
        ]
        assert line["pending"] == pending


def act(phrase: str, day: str, uuid: str, *, learner: int = 7, cause: str, by: str = "ada") -> Detail:
    about = at(f"program.revocation.{phrase}", day, learner, uuid, cause, by)
    return program_revocation(*about, learner, uuid, cause=cause, by=by, notes="Agreed.")


def of(lines: list[str], uuid: str) -> dict[str, Any]:
    (line,) = [line for line in of_programs(lines) if (line["program"], line["learner_id"]) == (uuid, 7)]
    return line


def test_what_is_held_for_a_person_is_released_or_discarded_by_one(replayed: Any) -> None:
    released = of(replayed([*EVENTS, act("released", "day 21", OTHER, cause="definition_changed")]), OTHER)
    assert (released["status"], released["pending"]) == ("revoked", None)
    revoked = {"at": "2026-01-21T00:00:00Z", "status": "revoked", "cause": "definition_changed"}
    assert released["transitions"][-1] == revoked
    discarded = of(replayed([*EVENTS, act("discarded", "day 21", OTHER, cause="definition_changed")]), OTHER)
    assert (discarded["status"], discarded["pending"]) == ("awarded", None)


def test_an_act_on_another_cause_program_or_learner_or_by_software_changes_nothing(replayed: Any) -> None:
    others = [
        act("released", "day 21", OTHER, cause="definition_gap"),
        act("released", "day 21", MICRO, cause="definition_changed"),
        act("released", "day 21", OTHER, learner=9, cause="definition_changed"),
        act("released", "day 21", OTHER, cause="definition_changed", by="system:nightly"),
        act("released", "day 19", OTHER, cause="definition_changed"),  # nothing was pending yet
    ]
    expected = of_programs(replayed(EVENTS))
    for other in others:
        assert of_programs(replayed([*EVENTS, other])) == expected


def test_the_hold_of_a_lost_course_can_be_made_to_wait_for_a_person(replayed: Any) -> None:
    lost = event_builders.invalidation(*at("invalidation.created", "day 8"), 7, RUNS[2], by="ada", notes="copied")
    events = [*EVENTS, lost, act("held", "day 8 00:30", MICRO, cause="course_lost")]
    until = "--until", "2026-01-09T00:00:00Z"
    pending = {"cause": "course_lost", "since": "2026-01-08T00:00:00Z", "due": None}
    assert of(replayed(events, *until), MICRO)["pending"] == pending
    events.append(act("released", "day 8 12:00", MICRO, cause="course_lost"))
    revoked = {"at": "2026-01-08T12:00:00Z", "status": "revoked", "cause": "course_lost"}
    assert of(replayed(events, *until), MICRO)["transitions"][-1] == revoked


def test_acts_in_any_order_and_any_number_of_times_make_the_same_lines(replayed: Any) -> None:
    acts = [
        act("discarded", "day 21", OTHER, cause="definition_changed"),
        act("released", "day 22", OTHER, cause="definition_changed"),
    ]
    expected = of_programs(replayed([*EVENTS, *acts]))
    assert of_programs(replayed([*reversed(acts), *acts, *EVENTS])) == expected
    assert expected[0]["status"] == "awarded"


def test_without_the_option_definitions_make_no_difference(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    assert "program" not in certs("replay", file).stdout
    assert certs("replay", STORY).stdout_bytes == certs("replay", STORY, "--programs").stdout_bytes
