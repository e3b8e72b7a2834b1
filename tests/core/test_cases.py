"""The cases of tests/core/cases: what a certificate expert would answer about a learner, one sentence each."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from certrules.core.certificate import Outcome, Pending
from certrules.core.replay import replay
from tests.scenes.cases import facts_of, policies_of
from tests.scenes.phrases import CCX, COURSE_RUN, instant, record_of

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text())
]
FIELDS = {"name", "unlike", "ccx", "policy", "then", "until", "expect"}
EXPECTATIONS = {
    "status",
    "reasons",
    "history",
    "cause",
    "by",
    "issued",
    "first issued",
    "id",
    "mode",
    "grade",
    "pending",
    "wakes",
}
END = "day 30"


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    assert case.keys() <= FIELDS
    expected = case["expect"]
    assert expected.keys() <= EXPECTATIONS

    outcome = replay(
        record_of(*facts_of(case), course_run=CCX if case.get("ccx") else COURSE_RUN),
        policies_of(case.get("policy", "edx-2021")),
        instant(case.get("until", END)),
    )

    assert _in_wording(outcome, expected.keys()) == {"reasons": [], "pending": None} | expected


def test_there_are_enough_cases_and_no_two_are_the_same() -> None:
    names = [str(case.id) for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 80


def _in_wording(outcome: Outcome, asked: set[str]) -> dict[str, Any]:
    """Return the outcome as the cases word it; reasons and pending always, the rest if asked for."""
    certificate = outcome.certificate
    last = outcome.transitions[-1] if outcome.transitions else None
    all_phrases = {
        "status": str(outcome.status) if outcome.status else None,
        "reasons": list(outcome.reasons),
        "history": [f"{_day(change.at)} {change.status} ({change.cause})" for change in outcome.transitions],
        "cause": str(last.cause) if last else None,
        "by": last.actor.by if last else None,
        "issued": _day(certificate.issued_at) if certificate else None,
        "first issued": _day(certificate.first_issued_at) if certificate else None,
        "id": certificate.certificate_id if certificate else None,
        "mode": certificate.mode if certificate else None,
        "grade": certificate.grade if certificate else None,
        "pending": _pending(outcome.pending),
        "wakes": _day(outcome.next_change_at),
    }
    return {name: value for name, value in all_phrases.items() if name in {"reasons", "pending"} | asked}


def _pending(pending: Pending | None) -> str | None:
    if pending is None:
        return None
    due = f"due {_day(pending.due)}" if pending.due else "held for a person"
    return f"{pending.cause} since {_day(pending.since)}, {due}"


def _day(at: datetime | None) -> str | None:
    if at is None:
        return None
    days = (at - instant("day 1")).days + 1
    return f"day {days}" if at == instant(f"day {days}") else f"day {days} {at:%H:%M}"
