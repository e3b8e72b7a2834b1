"""A changed rule is a new dated row: each instant is judged by the rules in force then, and the past never again."""

from dataclasses import replace

import pytest

from certrules.core import decision, rules
from certrules.core import replay as replaying
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.rules import BY_CODE, RULES, in_force
from certrules.core.terms import Cause
from certrules.core.timeline import BEGINNING
from tests.core.words import instant, qualifying

CHANGE = instant("day 10")


@pytest.fixture
def _beta_testers_count_from_day_10(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rule on beta testers end on day 10."""
    ended = replace(BY_CODE["beta_tester"], until=CHANGE)
    before = tuple(ended if rule.code == "beta_tester" else rule for rule in RULES)
    after = tuple(rule for rule in RULES if rule.code != "beta_tester")
    for module in (rules, replaying):
        monkeypatch.setattr(module, "EDITION_DATES", (BEGINNING, CHANGE))
    for module in (rules, decision):
        monkeypatch.setattr(module, "EDITIONS", (before, after))


def test_all_of_todays_rules_were_always_in_force() -> None:
    assert in_force(BEGINNING) == in_force(instant("day 10")) == RULES


@pytest.mark.usefixtures("_beta_testers_count_from_day_10")
def test_an_instant_is_judged_by_the_rules_in_force_then() -> None:
    codes = {rule.code for rule in RULES}
    assert {rule.code for rule in in_force(instant("day 9"))} == codes
    assert {rule.code for rule in in_force(CHANGE)} == codes - {"beta_tester"}
    assert {rule.code for rule in in_force(instant("day 11"))} == codes - {"beta_tester"}


@pytest.mark.usefixtures("_beta_testers_count_from_day_10")
def test_a_certificate_is_awarded_at_the_instant_at_which_the_rule_against_it_ends() -> None:
    record = qualifying(("day 2", "beta tester added"))
    waiting = replay(record, undated(DEFAULT), instant("day 9"))
    assert waiting.reasons == ("beta_tester",)
    assert waiting.next_change_at == CHANGE
    (award,) = replay(record, undated(DEFAULT), instant("day 30")).transitions
    assert (award.at, award.cause) == (CHANGE, Cause.EARNED)
    assert award.decision.policy_version == "edx-2021"
    assert "beta_tester" not in {verdict.rule.code for verdict in award.decision.verdicts()}
