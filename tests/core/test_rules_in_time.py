"""A changed rule is a new dated row: each instant is judged and explained by the rules in force at that instant."""

from certrules.core.decision import decide
from certrules.core.explain.explanation import explain
from certrules.core.explain.timeline import changed
from certrules.core.explain.what_if import smallest_changes
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.rules import RULEBOOK, RULES, Rule, Rulebook
from certrules.core.terms import Cause
from tests.scenes.phrases import instant, qualifying

CHANGE = instant("day 10")
CODES = {rule.code for rule in RULES}
BETA_TESTER = next(rule for rule in RULES if rule.code == "beta_tester")
OTHERS = tuple(rule for rule in RULES if rule is not BETA_TESTER)

#: The rule on beta testers ends on day 10.
ENDING = Rulebook((*OTHERS, BETA_TESTER._replace(until=CHANGE)))

#: From day 10 on, the rule on beta testers has another sentence and another remedy.
REWORDED = Rulebook(
    (
        *OTHERS,
        BETA_TESTER._replace(until=CHANGE),
        BETA_TESTER._replace(since=CHANGE, unmet="The learner tests the course run.", remedy="Ask the course team."),
    )
)


def codes(rules: tuple[Rule, ...]) -> set[str]:
    return {rule.code for rule in rules}


def test_all_of_todays_rules_were_always_in_force() -> None:
    assert len(RULEBOOK.editions) == 1
    assert RULEBOOK.at(BEGINNING).rules == RULEBOOK.at(instant("day 10")).rules == RULES


def test_an_instant_is_judged_by_the_rules_in_force_then() -> None:
    assert codes(ENDING.at(instant("day 9")).rules) == CODES
    assert codes(ENDING.at(CHANGE).rules) == CODES - {"beta_tester"}
    assert codes(ENDING.at(instant("day 11")).rules) == CODES - {"beta_tester"}


def test_a_certificate_is_awarded_at_the_instant_at_which_the_rule_against_it_ends() -> None:
    record = qualifying(("day 2", "beta tester added"))
    waiting = replay(record, undated(DEFAULT), instant("day 9"), ENDING)
    assert waiting.reasons == ("beta_tester",)
    assert waiting.next_change_at == CHANGE
    (award,) = replay(record, undated(DEFAULT), instant("day 30"), ENDING).transitions
    assert (award.at, award.cause) == (CHANGE, Cause.EARNED)
    assert award.decision.policy_version == "edx-2021"
    assert "beta_tester" not in {verdict.rule.code for verdict in award.decision.verdicts()}
    assert decide(award.decision.facts, ENDING) == award.decision


def test_an_instant_is_explained_by_the_sentences_and_remedies_in_force_then() -> None:
    record = qualifying(("day 2", "beta tester added"))
    before = explain(record, undated(DEFAULT), instant("day 9"), rulebook=REWORDED)
    after = explain(record, undated(DEFAULT), instant("day 11"), rulebook=REWORDED)
    assert "the learner is a beta tester in the course run" in before.sentence
    assert before.next_steps[0].sentence == BETA_TESTER.remedy
    assert "the learner tests the course run" in after.sentence
    assert after.next_steps[0].sentence == "Ask the course team."
    assert [finding.code for finding in before.verdicts] == [rule.code for rule in REWORDED.at(instant("day 9")).rules]


def test_changes_and_counterfactuals_use_the_rules_in_force() -> None:
    record = qualifying(("day 2", "beta tester added"), without=["ID verification"])
    found = changed(record, undated(DEFAULT), instant("day 9"), instant("day 11"), ENDING)
    assert "beta_tester" not in {verdict.code for verdict in found.verdicts}
    needed = [
        [change.code for change in enough]
        for day in ("day 9", "day 11")
        for enough in smallest_changes(
            record, undated(DEFAULT), replay(record, undated(DEFAULT), instant(day), ENDING), ENDING
        )
    ]
    assert needed == [["verify_id", "allowlist"], ["verify_id", "remove_beta_tester"], ["verify_id"]]
