"""What support staff read of each rule, who can fix it, and what it would take."""

from dataclasses import replace
from datetime import datetime
from itertools import combinations

import pytest
from hypothesis import given

from certrules.core.explain import explanation as explaining
from certrules.core.explain import findings
from certrules.core.explain.rendering import as_text
from certrules.core.explain.what_if import PossibleChange, counterfactuals, possible_changes, what_if
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.policy import DEFAULT, PRESETS, Modes, Policies, read_policies, undated
from certrules.core.replay import replay
from certrules.core.rules import RULEBOOK, RULES
from certrules.core.terms import Status
from certrules.core.timeline import at_instant
from tests.scenes.explanations import EDX, OPEN_EDX_IDV, RULES_BY_CODE, explained, wanted
from tests.scenes.histories import instants, policies, records
from tests.scenes.phrases import CCX, instant, qualifying, record_of

# --- each rule's sentence, and what it looked at


def evidence_of(code: str, record: Record, policies: Policies = EDX) -> list[str]:
    findings = {finding.code: finding for finding in explained(record, policies=policies).verdicts}
    return [evidence.sentence for evidence in findings[code].evidence]


def test_a_fact_is_reported_with_its_event_and_instant() -> None:
    finding = next(finding for finding in explained(qualifying()).verdicts if finding.code == "not_passed")
    assert (finding.verdict, finding.sentence) == (
        "met",
        "The learner's grade, if there is one, is not failing.",
    )
    (evidence,) = finding.evidence
    assert evidence.sentence == "Passed on 3 January 2026 at 00:00 UTC (event event-0004)."
    assert evidence == findings.Evidence(
        evidence.sentence, "passing", "", "passed", "event-0004", instant("day 3"), "", ""
    )


def test_a_fact_is_dated_from_its_first_value_not_from_a_repeated_one() -> None:
    assert evidence_of("not_passed", qualifying(("day 4", "passing"), ("day 5", "passing"))) == [
        "Passed on 3 January 2026 at 00:00 UTC (event event-0004)."
    ]


def test_a_fact_that_was_never_received_is_named() -> None:
    finding = next(finding for finding in explained(record_of()).verdicts if finding.code == "no_grade")
    assert finding.verdict == "unmet"
    assert finding.evidence == (
        findings.Evidence(
            "No grade that says whether the learner passes has been received.",
            "passing",
            "",
            "nothing received",
        ),
    )
    assert evidence_of("course_run_unknown", record_of()) == ["No configuration of the course run has been received."]


def test_what_the_allowlist_waives_names_the_entry_and_who_added_it() -> None:
    explanation = explained(qualifying(("day 4", "failing"), ("day 2", "allowlisted by ada"), without=["grade"]))
    finding = next(finding for finding in explanation.verdicts if finding.code == "not_passed")
    assert (finding.verdict, finding.sentence) == (
        "waived",
        "The learner's grade is failing, which the allowlist waives.",
    )
    assert [evidence.sentence for evidence in finding.evidence] == [
        "Graded as failing on 4 January 2026 at 00:00 UTC (event event-0004).",
        "Allowlist entry added on 2 January 2026 at 00:00 UTC by ada (event event-0005).",
    ]


def test_every_attempt_at_an_id_verification_is_reported_with_its_end() -> None:
    record = qualifying(
        ("day 2", "ID attempt 2 approved until day 4"),
        ("day 2", "ID attempt 3 approved until day 30"),
        ("day 2", "ID attempt 4 denied"),
    )
    assert evidence_of("id_not_verified", record)[:4] == [
        ("ID verification (attempt 1) approved on 1 January 2026 at 00:00 UTC (event event-0003), without an end."),
        (
            "ID verification (attempt 2) approved on 2 January 2026 at 00:00 UTC (event event-0005), "
            "expired on 4 January 2026 at 00:00 UTC."
        ),
        (
            "ID verification (attempt 3) approved on 2 January 2026 at 00:00 UTC (event event-0006), "
            "valid until 30 January 2026 at 00:00 UTC."
        ),
        "ID verification (attempt 4) denied on 2 January 2026 at 00:00 UTC (event event-0007).",
    ]


@pytest.mark.parametrize(
    ("code", "policy", "sentence"),
    [
        (
            "mode_not_eligible",
            "open-edx",
            "The policy open-edx makes these modes eligible: every mode but audit.",
        ),
        ("id_not_verified", "edx-2021", "By the policy edx-2021 ID verification is required."),
        ("id_not_verified", "open-edx", "By the policy open-edx ID verification is not required."),
        (
            "id_verification_expired",
            "open-edx-idv",
            (
                "By the policy open-edx-idv ID verification is required, except in these modes: honor and "
                "no-id-professional."
            ),
        ),
        (
            "web_certificates_off_instance",
            "edx-2021",
            "By the policy edx-2021 web certificates are on for the whole deployment.",
        ),
    ],
)
def test_the_terms_of_the_policy_are_evidence_too(code: str, policy: str, sentence: str) -> None:
    assert evidence_of(code, qualifying(), undated(PRESETS[policy]))[-1] == sentence


def test_a_rule_shows_the_course_runs_settings_that_it_looks_at() -> None:
    record = qualifying(("day 2", "web certificates switched off"), ("day 2", "policy open-edx"))
    policy = "Policy of the course run set on 2 January 2026 at 00:00 UTC (event event-0006): preset open-edx."
    web = "Web certificates of the course run disabled on 2 January 2026 at 00:00 UTC (event event-0005)."
    assert policy in evidence_of("mode_not_eligible", record)
    assert web not in evidence_of("mode_not_eligible", record)
    assert evidence_of("web_certificates_off_course_run", record) == [web]
    assert evidence_of("course_run_unknown", record)[1:] == [web, policy]


def test_the_key_of_the_course_run_shows_a_custom_course() -> None:
    assert evidence_of("ccx", qualifying(course_run=CCX)) == [f"The key {CCX} is that of a custom course."]
    assert evidence_of("ccx", qualifying())[0].endswith("is that of an ordinary course run.")


@given(records(), policies(), instants())
def test_every_rule_in_force_is_reported_and_every_fact_that_it_looks_at_is_its_evidence(
    record: Record, policies: Policies, as_of: datetime
) -> None:
    findings = explaining.explain(record, policies, as_of).verdicts
    assert [finding.code for finding in findings] == [rule.code for rule in RULEBOOK.at(as_of).rules]
    known = at_instant(record.timeline, as_of)
    reported: set[tuple[str, str]] = set()
    for finding in findings:
        looked_at = {(evidence.fact, evidence.subject): evidence for evidence in finding.evidence}
        reported |= set(looked_at)
        for (fact, subject), entry in known.items():
            if fact in RULES_BY_CODE[finding.code].looks_at and fact is not Fact.COURSE_RUN:
                evidence = looked_at[fact, subject]
                assert (evidence.event_id, evidence.at, evidence.by) == (entry.event_id, entry.at, entry.by)
    of_rules = {fact for rule in RULES for fact in rule.looks_at}
    assert {line for line in known if line[0] in of_rules} <= reported


# --- who can fix it, and how


def test_there_is_a_next_step_for_each_unmet_rule_and_for_nothing_else() -> None:
    steps = explained(qualifying(("day 2", "beta tester added"), ("day 3", "failing"), without=["grade"])).next_steps
    assert [step.reason for step in steps] == ["not_passed", "beta_tester"]
    assert steps[1].sentence == RULES_BY_CODE["beta_tester"].remedy
    assert explained(qualifying(("day 4", "enrolled in audit"))).next_steps == ()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (qualifying(("day 8 23:30", "failing")), "grade_fell"),
        (
            qualifying(("day 2", "allowlisted"), ("day 8 23:30", "allowlist entry removed"), without=["grade"]),
            "allowlist_removed",
        ),
        (
            qualifying(("day 1", "invalidated by ada"), ("day 2", "recorded downloadable")),
            "recorded_while_invalidated",
        ),
    ],
)
def test_a_pending_revocation_shows_what_can_be_done_about_it(record: Record, reason: str) -> None:
    assert [step.reason for step in explained(record).next_steps] == [reason]


@given(records(), policies(), instants())
def test_every_refused_learner_has_a_next_step(record: Record, policies: Policies, as_of: datetime) -> None:
    explanation = explaining.explain(record, policies, as_of)
    reasons = {step.reason for step in explanation.next_steps}
    if explanation.status is not Status.DOWNLOADABLE:
        assert reasons == replay(record, policies, as_of).decision.unmet != frozenset()
    else:
        assert bool(reasons) is (explanation.pending is not None)


# --- what it would take


def test_a_downloadable_certificate_takes_nothing() -> None:
    assert wanted(qualifying(("day 4", "enrolled in audit"))) == []


def test_who_has_not_passed_passes_or_is_put_on_the_allowlist() -> None:
    assert wanted(qualifying(without=["grade"])) == [["pass"], ["allowlist"]]


def test_a_failing_beta_tester_loses_the_role_and_passes_or_is_put_on_the_allowlist() -> None:
    record = qualifying(("day 2", "beta tester added"), ("day 3", "failing"), without=["grade"])
    assert wanted(record) == [["allowlist"], ["pass", "remove_beta_tester"]]


def test_in_a_custom_course_only_the_allowlist_helps() -> None:
    assert wanted(qualifying(course_run=CCX, without=["grade"])) == [["allowlist"]]


def test_every_invalidation_is_to_be_lifted_by_who_made_it() -> None:
    record = qualifying(
        ("day 4", "invalidated by ada"),
        ("day 5", "exam final rejected"),
        ("day 5", "exam midterm rejected"),
        ("day 5", "exam quiz rejected"),
        ("day 6", "exam quiz reset"),
    )
    assert wanted(record) == [["lift_invalidation", "reset_exam:final", "reset_exam:midterm"]]


def test_an_unknown_course_run_is_configured_and_one_without_web_certificates_switches_them_on() -> None:
    assert wanted(qualifying(without=["course run"])) == [["configure_course_run"]]
    off = qualifying(("day 2", "web certificates switched off"))
    assert wanted(off) == [["web_certificates_on_course_run"]]


def test_web_certificates_that_are_off_for_the_deployment_are_a_change_of_policy() -> None:
    off = read_policies({"web_certificates": False})
    ((change,),) = counterfactuals(qualifying(), off, instant("day 9"))
    assert (change.code, change.who, change.entries) == ("web_certificates_on_instance", "an operator", ())
    assert change.policy is not None
    assert change.policy.web_certificates
    assert what_if(qualifying(), off, instant("day 9"), [change]).status is Status.DOWNLOADABLE


def test_who_needs_another_mode_is_offered_one_without_id_verification_only_if_that_spares_them_one() -> None:
    audit = ("day 1", "enrolled in audit")
    unverified = qualifying(audit, without=["enrollment", "ID verification"])
    verified = qualifying(audit, without=["enrollment"])
    sentences = [
        [change.sentence for change in changes]
        for changes in counterfactuals(unverified, OPEN_EDX_IDV, instant("day 9"))
    ]
    assert sentences == [
        ["The learner changes to honor mode."],
        ["The learner changes to verified mode.", "The learner verifies their ID."],
    ]
    assert wanted(verified, OPEN_EDX_IDV) == [["change_mode"]]
    assert wanted(qualifying(without=["ID verification"]), OPEN_EDX_IDV) == [["verify_id"]]


def test_who_is_not_enrolled_enrolls_in_an_eligible_mode_of_the_policy() -> None:
    only = undated(replace(DEFAULT, eligible_modes=Modes(frozenset({"masters"}))))
    ((change,),) = counterfactuals(qualifying(without=["enrollment"]), only, instant("day 9"))
    assert (change.code, change.sentence) == ("enroll", "The learner enrolls in masters mode.")


def test_where_no_mode_is_eligible_nothing_is_promised() -> None:
    none = undated(replace(DEFAULT, eligible_modes=Modes(frozenset())))
    explanation = explained(qualifying(), policies=none)
    assert explanation.counterfactuals == ()
    assert "What would make" not in as_text(explanation)
    assert evidence_of("mode_not_eligible", qualifying(), none)[-1].endswith("makes these modes eligible: none.")


def test_an_expired_id_verification_is_to_be_renewed_even_at_the_instant_of_an_invalidation() -> None:
    record = qualifying(
        ("day 1", "ID approved until day 4"), ("day 5", "invalidated by ada"), without=["ID verification"]
    )
    found = counterfactuals(record, EDX, instant("day 5"))
    assert [[change.code for change in changes] for changes in found] == [["verify_id", "lift_invalidation"]]


@given(records(), policies(), instants())
def test_each_set_of_changes_makes_it_downloadable_and_no_part_of_it_does(
    record: Record, policies: Policies, as_of: datetime
) -> None:
    found = counterfactuals(record, policies, as_of)
    refused = replay(record, policies, as_of).status is not Status.DOWNLOADABLE
    assert bool(found) is refused  # every policy drawn has an eligible mode
    assert list(map(len, found)) == sorted(map(len, found))
    for changes in found:
        assert what_if(record, policies, as_of, changes).status is Status.DOWNLOADABLE
        for part in combinations(changes, len(changes) - 1):
            assert what_if(record, policies, as_of, part).status is not Status.DOWNLOADABLE


@given(records(), policies(), instants())
def test_no_smallest_set_of_changes_is_missing(record: Record, policies: Policies, as_of: datetime) -> None:
    found = [set(changes) for changes in counterfactuals(record, policies, as_of)]
    offered = sorted(set[PossibleChange]().union(*found), key=lambda change: change.sentence)
    failed: list[set[PossibleChange]] = []
    for size in range(len(offered), 0, -1):
        for tried in map(set, combinations(offered, size)):
            differ = len({change.code for change in tried}) == size  # nobody is in two modes at once
            if differ and not any(enough <= tried for enough in found) and not any(map(tried.issubset, failed)):
                assert what_if(record, policies, as_of, tried).status is not Status.DOWNLOADABLE
                failed.append(tried)


def test_what_if_hears_nothing_of_what_came_later() -> None:
    record = qualifying(("day 9", "enrolled in verified"), without=["enrollment"])
    outcome = what_if(record, EDX, instant("day 8"), ())
    assert outcome.certificate is None
    assert outcome.decision.unmet == {"not_enrolled"}


@given(records(), policies(), instants())
def test_every_change_that_is_offered_can_be_tried_and_nothing_is_offered_twice(
    record: Record, policies: Policies, at: datetime
) -> None:
    offered = possible_changes(record, policies, at)
    assert len({change.code for change in offered}) == len(offered)
    arrived = Record(record.learner_id, record.course_run, tuple(entry for entry in record.timeline if entry.at <= at))
    for change in offered:
        (entry,) = change.entries or (None,)
        facts = what_if(record, policies, at, [change]).decision.facts
        if entry is not None and entry.fact is Fact.ENROLLMENT:
            assert facts.mode == entry.value.mode
        elif change.code in {"pass", "fail"}:
            assert facts.passed is (change.code == "pass")
    assert what_if(arrived, policies, at, ()).certificate == what_if(record, policies, at, ()).certificate
