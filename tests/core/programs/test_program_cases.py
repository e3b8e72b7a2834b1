"""The cases of cases.yaml: what a program expert would answer about a learner, one sentence each."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from certrules.core.programs.deciding import decide_program
from certrules.core.programs.outcome import ProgramOutcome, ProgramPending
from tests.scenes.cases import policies_of
from tests.scenes.phrases import instant
from tests.scenes.programs import action, certificates_of, day, switches_of, timeline_of

CASES = [
    pytest.param(case, id=case["name"]) for case in yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())
]
FIELDS = {"name", "program", "then", "certificates", "actions", "switch", "policy", "until", "expect"}
EXPECTATIONS = {
    "status",
    "reasons",
    "gaps",
    "courses",
    "awarded",
    "first awarded",
    "history",
    "pending",
    "cause",
    "wakes",
    "by",
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    assert case.keys() <= FIELDS
    expected = case["expect"]
    assert expected.keys() <= EXPECTATIONS

    outcome = decide_program(
        timeline_of(case),
        certificates_of(case),
        instant(case.get("until", "day 30")),
        policies_of(case.get("policy", "edx-2021")),
        [action(text) for text in case.get("actions", [])],
        switches=switches_of(case),
    )

    assert in_words(outcome, expected.keys()) == {"reasons": [], "gaps": outcome_gaps(expected), "pending": None} | (
        expected
    )


def outcome_gaps(expected: dict[str, Any]) -> list[str]:
    """Return the gaps among the expected reasons: no case has to name them twice."""
    return [reason for reason in expected.get("reasons", []) if reason in {"no_courses", "no_course_runs"}]


def in_words(outcome: ProgramOutcome, asked: set[str]) -> dict[str, Any]:
    """Return the outcome as the cases word it; reasons, gaps and pending always, the rest if asked for."""
    phrases = {
        "status": str(outcome.status) if outcome.status else None,
        "reasons": [str(reason) for reason in outcome.reasons],
        "gaps": [str(gap) for gap in outcome.gaps],
        "courses": {
            key: carrier and f"{carrier.course_run} since {day(carrier.since)}"
            for key, carrier in outcome.courses.items()
        },
        "awarded": day(outcome.awarded_at),
        "first awarded": day(outcome.first_awarded_at),
        "history": [f"{day(change.at)} {change.status} ({change.cause})" for change in outcome.transitions],
        "pending": pending(outcome.pending),
        "cause": str(outcome.cause) if outcome.cause else None,
        "wakes": day(outcome.next_change_at),
        "by": outcome.transitions[-1].actor.by if outcome.transitions else None,
    }
    return {name: value for name, value in phrases.items() if name in {"reasons", "gaps", "pending"} | asked}


def pending(found: ProgramPending | None) -> str | None:
    if found is None:
        return None
    due = f"due {day(found.due)}" if found.due else "held for a person"
    return f"{found.cause} since {day(found.since)}, {due}"


def test_no_two_cases_are_the_same() -> None:
    names = [str(case.id) for case in CASES]
    assert len(names) == len(set(names)) >= 50
