"""What `certs replay` makes of the kill switch, of what only the breaker knows, and of odd instants."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest

from certs.sources import event_builders
from certs.sources.event_builders import Detail
from tests.scenes.commands import COURSE_RUN, STORY, certs
from tests.scenes.scene import ACTOR, Learner

EVENTS = STORY.read_text().splitlines()


def switch(action: Literal["stopped", "resumed"], at: datetime, course_run: str | None) -> Detail:
    event: Any = f"automatic_revocations.{action}"
    return event_builders.automatic_revocations(event, uuid4(), at, course_run, **ACTOR)


def replayed(details: Iterable[Detail], *arguments: str) -> tuple[dict[int, Any], list[Any]]:
    """Replay the story and more events: the lines of its course run by learner, and the notes."""
    lines = [*EVENTS, *map(json.dumps, details)]
    random.shuffle(lines)
    result = certs("replay", *arguments, stdin="".join(f"{line}\n" for line in lines))
    assert result.exit_code == 0, result.stderr
    found = (json.loads(line) for line in result.stdout.splitlines())
    notes = [json.loads(line) for line in result.stderr.splitlines()]
    return {line["learner_id"]: line for line in found if line["course_run"] == COURSE_RUN}, notes


# --- the kill switch


@pytest.mark.parametrize("where", [None, COURSE_RUN], ids=["everywhere", "in the course run"])
def test_a_revocation_that_is_due_while_stopped_is_held_whatever_the_order_of_events(where: str | None) -> None:
    """Learner 1 fails on 9 March at 12:00, and passes again on 20 March."""
    stopped = switch("stopped", datetime(2026, 3, 9, 12, 30, tzinfo=UTC), where)
    resumed = switch("resumed", datetime(2026, 3, 10, tzinfo=UTC), where)
    for at, held in (("2026-03-09T12:45:00Z", False), ("2026-03-09T13:00:00Z", True), ("2026-03-19T00:00:00Z", True)):
        line = replayed([stopped, resumed], "--until", at)[0][1]
        due = None if held else "2026-03-09T13:00:00Z"
        assert line["status"] == "downloadable"
        assert line["pending"] == {"cause": "grade_fell", "since": "2026-03-09T12:00:00Z", "due": due}
    line = replayed([stopped, resumed], "--explain")[0][1]
    assert (line["status"], line["pending"], len(line["transitions"])) == ("downloadable", None, 1)
    assert any("automatic revocations are stopped" in moment["sentence"] for moment in line["explanation"]["timeline"])


def test_a_switch_that_is_turned_after_a_revocation_does_not_undo_it() -> None:
    late = switch("stopped", datetime(2026, 3, 9, 13, 0, 1, tzinfo=UTC), None)
    assert replayed([late], "--until", "2026-03-19T00:00:00Z")[0][1]["status"] == "notpassing"


def test_a_course_run_s_switch_stops_nothing_in_another_one() -> None:
    other = switch("stopped", datetime(2026, 3, 1, tzinfo=UTC), "course-v1:DemoX+CS102+2026_T1")
    assert replayed([other], "--until", "2026-03-19T00:00:00Z")[0][1]["status"] == "notpassing"


# --- the breaker


def broken(size: int) -> list[Detail]:
    """Return the events of learners who earn a certificate on day 3, and whose grades all fall on day 10."""
    found: list[Detail] = []
    for number in range(size):
        learner = Learner(5_000 + number, COURSE_RUN)
        found += [*learner.qualifying(), learner.failing(datetime(2026, 1, 10, tzinfo=UTC) + timedelta(minutes=number))]
    return found


def test_more_revocations_than_the_breaker_lets_through_are_noted() -> None:
    details = broken(25)
    assert replayed(details[:-1])[0][5_000]["status"] == "notpassing"
    lines, notes = replayed(details)
    assert [(note["note"], note["course_run"]) for note in notes] == [("breaker", COURSE_RUN)]
    fallen = [line for line in lines.values() if any(item["cause"] == "grade_fell" for item in line["transitions"])]
    assert notes[0]["revocations"] == len(fallen)
    assert "5 of 26 automatic revocations are beyond the breaker's limit" in notes[0]["sentence"]


def test_what_the_breaker_lets_through_is_not_noted() -> None:
    assert replayed(broken(20))[1] == []


def test_a_breaker_that_lets_nothing_through_is_noted_of_every_revocation() -> None:
    learner = Learner(5_000, COURSE_RUN)
    policy = learner.configured(datetime(2026, 1, 1, tzinfo=UTC), policy={"breaker_limit": 0})
    assert [note["sentence"][:32] for note in replayed([policy])[1]] == ["1 of 1 automatic revocations are"]


# --- odd instants


@pytest.mark.parametrize(
    ("until", "shows"),
    [
        ("yesterday", "write it as 2026-01-31T00:00:00Z"),
        ("", "write it as 2026-01-31T00:00:00Z"),
        ("1772000000", "write it as 2026-01-31T00:00:00Z"),
        ("2026-13-01T00:00:00Z", "write it as 2026-01-31T00:00:00Z"),
        ("2026-03-09T13:00:00", "Z is UTC"),
        ("2026-03-09", "add the time of day and its offset from UTC, as in 2026-03-09T00:00:00Z"),
        ("20260309", "add the time of day and its offset from UTC, as in 2026-03-09T00:00:00Z"),
        ("0001-01-01T00:00:00+01:00", "before 1970 or after 2199"),
        ("1969-12-31T23:59:59Z", "before 1970 or after 2199"),
        ("2200-01-01T00:00:00Z", "before 1970 or after 2199"),
        ("9999-12-31T23:59:59.999999Z", "before 1970 or after 2199"),
        ("9999-12-31T23:59:59-14:00", "before 1970 or after 2199"),
    ],
)
def test_an_instant_that_is_none_is_refused_with_the_fix(until: str, shows: str) -> None:
    result = certs("replay", "--explain", "--until", until, STORY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--until" in result.stderr
    assert shows in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "until", ["2199-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", " 2026-03-09T13:00:00+14:00 "]
)
def test_every_other_instant_is_replayed(until: str) -> None:
    assert len(certs("replay", "--explain", "--until", until, STORY).stdout.splitlines()) == len(
        certs("replay", STORY).stdout.splitlines()
    )


def test_an_instant_before_the_first_event_is_noted() -> None:
    result = certs("replay", "--until", "2025-12-31T00:00:00Z", STORY)
    assert result.exit_code == 0
    (note,) = map(json.loads, result.stderr.splitlines())
    assert (note["note"], note["until"]) == ("before_first_event", "2025-12-31T00:00:00Z")
    assert "the first event is of 2026-01-01T00:00:00Z" in note["sentence"]
