"""Every fact has one row, which has everything but what rules and replay make of it."""

from pathlib import Path

import pytest

from certrules.core.fact_types import BY_LETTER, FACTS, Fact, FactType
from certrules.core.rules import RULES, Rule

DECISIONS = Path(__file__).parents[2] / "docs" / "decisions"


def test_every_fact_has_a_row_and_a_letter_of_its_own() -> None:
    assert set(FACTS) == set(Fact)
    assert len(BY_LETTER) == len(FACTS)


@pytest.mark.parametrize("row", FACTS.values(), ids=FACTS)
def test_a_fact_without_an_entry_has_a_sentence(row: FactType) -> None:
    assert row.never_received == f"No {row.noun} has been received."


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_the_decision_record_that_states_a_rule_exists(rule: Rule) -> None:
    assert len(list(DECISIONS.glob(f"{rule.decided_in}-*.md"))) == 1
