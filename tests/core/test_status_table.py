"""The whole status table: every set of unmet rules, with and without a certificate, against the design."""

from itertools import combinations, product

import pytest

from certrules.core.decision import decide, label
from certrules.core.facts import Facts
from certrules.core.policy import DEFAULT, Modes, Policy
from certrules.core.rules import RULES, Rule
from certrules.core.terms import PERSON, Status
from tests.scenes.phrases import instant

CODES = tuple(rule.code for rule in RULES)


def label_by_the_design(unmet: frozenset[str], *, exists: bool) -> Status | None:
    """Return the label of a certificate that is not downloadable and can't become so, as the design states it."""
    if not unmet:
        return None  # it becomes downloadable
    enrolled_in_an_eligible_mode = "not_enrolled" not in unmet and "mode_not_eligible" not in unmet
    web_certificates_on = not {"web_certificates_off_instance", "web_certificates_off_course_run"} & unmet
    course_run_known = "course_run_unknown" not in unmet
    neither_ccx_nor_beta_tester = "ccx" not in unmet and "beta_tester" not in unmet  # or waived
    if not (enrolled_in_an_eligible_mode and course_run_known and web_certificates_on and neither_ccx_nor_beta_tester):
        return None
    id_verification_missing = "id_not_verified" in unmet or "id_verification_expired" in unmet
    passed_or_allowlisted = "no_grade" not in unmet and "not_passed" not in unmet
    if "invalidated" in unmet and exists:
        return Status.UNAVAILABLE
    if passed_or_allowlisted and id_verification_missing:
        return Status.UNVERIFIED
    all_else_holding = not id_verification_missing and "invalidated" not in unmet
    if not passed_or_allowlisted and all_else_holding and exists:
        return Status.NOTPASSING
    return None


def test_every_set_of_unmet_rules_is_labelled_as_designed() -> None:
    assert len(CODES) == len(set(CODES)) == 12
    sets = [frozenset(chosen) for size in range(13) for chosen in combinations(CODES, size)]
    assert len(sets) == 2**12
    of_rules = {unmet: {rule.label for rule in RULES if rule.code in unmet} for unmet in sets}
    labels = {(unmet, exists): label(of_rules[unmet], exists=exists) for unmet in sets for exists in (False, True)}
    assert labels == {key: label_by_the_design(key[0], exists=key[1]) for key in labels}
    assert set(labels.values()) == {None, Status.UNAVAILABLE, Status.UNVERIFIED, Status.NOTPASSING}


WAIVED = {"no_grade", "not_passed", "beta_tester", "ccx"}


def test_the_allowlist_waives_the_rules_that_the_design_lists() -> None:
    assert {rule.code for rule in RULES if rule.waived_by_allowlist} == WAIVED


def _demands(facts: Facts, *, needs_id: bool, eligible: bool) -> set[str]:
    """Return the demands of the design that fail, without the allowlist; of two for one fault, the more specific."""
    id_verification_missing = needs_id and not facts.id_verified
    fails = {
        "not_enrolled": facts.mode is None,
        "mode_not_eligible": facts.mode is not None and not eligible,
        "id_not_verified": id_verification_missing and not facts.id_verification_expired,
        "id_verification_expired": id_verification_missing and facts.id_verification_expired,
        "invalidated": len(facts.invalidations) > 0,
        "web_certificates_off_instance": not facts.policy.web_certificates,
        "web_certificates_off_course_run": facts.course_run_known and not facts.web_certificates,
        "course_run_unknown": not facts.course_run_known,
        "no_grade": facts.passed is None,
        "not_passed": facts.passed is False,
        "beta_tester": facts.beta_tester,
        "ccx": facts.ccx,
    }
    return {code for code, failed in fails.items() if failed}


@pytest.mark.parametrize("id_required", [True, False])
@pytest.mark.parametrize("web", [True, False])
def test_every_combination_of_facts_is_judged_as_designed(id_required: bool, web: bool) -> None:
    policy = Policy(
        version="tested",
        eligible_modes=Modes(frozenset({"verified", "honor"})),
        id_verification_required=id_required,
        modes_without_id_verification=Modes(frozenset({"honor"})),
        web_certificates=web,
    )
    switch = (False, True)
    id_states = ((False, False), (True, False), (False, True))
    for mode, (verified, expired), invalidated, known, run_web, passed, beta, ccx, listed in product(
        (None, "verified", "honor", "audit"),
        id_states,
        (frozenset[str](), frozenset({PERSON}), frozenset({"final"}), frozenset({PERSON, "final"})),
        switch,
        switch,
        (None, False, True),
        switch,
        switch,
        switch,
    ):
        facts = Facts(
            as_of=instant("day 3"),
            percent=None,
            policy=policy,
            ccx=ccx,
            course_run_known=known,
            web_certificates=run_web,
            mode=mode,
            passed=passed,
            id_verified=verified,
            id_verification_expired=expired,
            beta_tester=beta,
            allowlisted=listed,
            invalidations=invalidated,
        )
        failed = _demands(facts, needs_id=id_required and mode != "honor", eligible=mode in {"verified", "honor"})
        decision = decide(facts)
        assert decision.waived == (failed & WAIVED if listed else set())
        assert decision.unmet == failed - decision.waived


@pytest.mark.parametrize("rule", RULES, ids=CODES)
def test_each_rule_is_worded_for_people(rule: Rule) -> None:
    assert rule.requirement.endswith(".")
    assert rule.unmet.endswith(".")
    assert rule.remedy.endswith(".")


def test_the_paid_modes_are_the_default_policys() -> None:
    assert DEFAULT.eligible_modes.names == {
        "verified",
        "professional",
        "no-id-professional",
        "credit",
        "masters",
        "executive-education",
        "paid-executive-education",
        "paid-bootcamp",
    }
