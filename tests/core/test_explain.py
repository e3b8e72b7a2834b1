"""What support staff read: sentences, evidence, next steps, what it would take, and what changed."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core import dates
from certrules.core.certificate import Certificate
from certrules.core.explain import explanation as explaining
from certrules.core.explain import findings
from certrules.core.explain.explanation import Explanation
from certrules.core.explain.rendering import as_json, as_text
from certrules.core.explain.timeline import changed
from certrules.core.explain.what_if import PossibleChange, counterfactuals, possible_changes, what_if
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, next_publication, published_before
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, PRESETS, Modes, Overrides, Policies, read_policies, undated
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.rules import RULEBOOK, RULES
from certrules.core.terms import Cause, Rollout, Status
from certrules.core.timeline import Entry, at_instant, merge
from certrules.core.wording import RECORDS_BEGIN, dated, when
from certrules.formats.refusals import EARLIEST
from tests.scenes.histories import END, INSTANTS, instants, policies, records
from tests.scenes.phrases import CCX, instant, qualifying, record_of

RULES_BY_CODE = {rule.code: rule for rule in RULES}
EDX = undated(DEFAULT)
OPEN_EDX_IDV = undated(PRESETS["open-edx-idv"])
EARNED = "The certificate has been downloadable since 3 January 2026 at 00:00 UTC because all requirements were met"


def explained(record: Record, as_of: str = "day 9", policies: Policies = EDX) -> Explanation:
    return explaining.explain(record, policies, instant(as_of))


def wanted(record: Record, policies: Policies = EDX) -> list[list[str]]:
    """Return the codes of each smallest set of changes on day 9."""
    return [[change.code for change in changes] for changes in counterfactuals(record, policies, instant("day 9"))]


# --- the status, in one sentence


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        pytest.param(
            record_of(),
            "There is no certificate because no enrollment of the learner in this course run has "
            "been received, "
            "no approved ID verification of the learner has been received, the configuration of the "
            "course run "
            "has not been received and no grade that says whether the learner passes has been received.",
            id="nothing was ever heard",
        ),
        pytest.param(
            qualifying(course_run=CCX),
            "There is no certificate because the course run is a custom course of a coach (CCX) and "
            "awards no "
            "certificates.",
            id="a custom course of a coach",
        ),
        pytest.param(qualifying(), f"{EARNED}.", id="earned"),
        pytest.param(
            qualifying(("day 4", "enrolled in audit")),
            f"{EARNED}; what is unmet now does not take it away.",
            id="earned, and the mode changed since",
        ),
        pytest.param(
            qualifying(("day 2", "allowlisted by ada"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met but for what the allowlist waives.",
            id="allowlisted",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada"), ("day 5", "invalidation lifted by bob")),
            "The certificate has been downloadable since 5 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met again.",
            id="reinstated",
        ),
        pytest.param(
            qualifying(("day 2", "recorded downloadable"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because the old logic "
            "recorded it so; what is unmet now does not take it away.",
            id="recorded by the old logic",
        ),
        pytest.param(
            qualifying(("day 1", "invalidated by ada"), ("day 2", "recorded downloadable"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because the old logic "
            "recorded it so; its revocation is held for a person to decide because the old logic recorded it "
            "while an invalidation was active.",
            id="recorded by the old logic while invalidated",
        ),
        pytest.param(
            qualifying(("day 8 23:30", "failing")),
            f"{EARNED}; its revocation has been pending since 8 January 2026 at 23:30 UTC because the "
            f"grade fell "
            "to failing, and takes effect on 9 January 2026 at 00:30 UTC unless the learner passes "
            "again or is "
            "put on the allowlist first.",
            id="the grade fell just now",
        ),
        pytest.param(
            qualifying(
                ("day 2", "allowlisted by ada"),
                ("day 8 23:30", "allowlist entry removed by system:cleanup"),
                without=["grade"],
            ),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met but for what the allowlist waives; its revocation has been pending since 8 "
            "January 2026 "
            "at 23:30 UTC because the allowlist entry that it rested on was removed (by the software "
            "cleanup), "
            "and takes effect on 9 January 2026 at 00:30 UTC unless the learner is put on the "
            "allowlist or meets "
            "the other requirements first.",
            id="software removed the allowlist entry just now",
        ),
        pytest.param(
            qualifying(("day 4", "failing")),
            "The certificate has been not passing since 4 January 2026 at 01:00 UTC because the "
            "grade fell to "
            "failing and stayed failing.",
            id="the grade fell",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was "
            "invalidated "
            "(by ada).",
            id="invalidated",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada"), ("day 5", "failing")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was "
            "invalidated "
            "(by ada); it is not downloadable now because the certificate is invalidated and the learner's "
            "grade is failing.",
            id="invalidated, and failing since",
        ),
        pytest.param(
            qualifying(("day 4", "exam final rejected")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because an exam "
            "attempt was "
            "rejected.",
            id="an exam attempt rejected",
        ),
        pytest.param(
            qualifying(
                ("day 2", "allowlisted by ada"),
                ("day 4", "allowlist entry removed by bob"),
                without=["grade"],
            ),
            "The certificate has been not passing since 4 January 2026 at 00:00 UTC because the "
            "allowlist entry "
            "that it rested on was removed (by bob); it is not downloadable now because no grade that says "
            "whether the learner passes has been received.",
            id="a person removed the allowlist entry",
        ),
        pytest.param(
            qualifying(without=["ID verification"]),
            "The certificate has been unverified since 3 January 2026 at 00:00 UTC because no approved ID "
            "verification of the learner has been received.",
            id="unverified",
        ),
        pytest.param(
            qualifying(("day 4", "failing"), without=["ID verification"]),
            "The certificate became unverified on 3 January 2026 at 00:00 UTC; it is not downloadable now "
            "because no approved ID verification of the learner has been received and the learner's grade is "
            "failing.",
            id="unverified, and failing since",
        ),
        pytest.param(
            record_of(("day 2", "recorded audit_notpassing")),
            'The certificate has had the status "audit not passing" since 2 January 2026 at 00:00 '
            "UTC because "
            "the old logic recorded it so; it is not downloadable now because no enrollment of the "
            "learner in "
            "this course run has been received, no approved ID verification of the learner has been "
            "received, "
            "the configuration of the course run has not been received and no grade that says whether the "
            "learner passes has been received.",
            id="a status that only the old logic set",
        ),
    ],
)
def test_the_status_is_one_plain_sentence(record: Record, sentence: str) -> None:
    assert explained(record).sentence == sentence


def test_whoever_took_the_certificate_away_is_named_with_the_reason_given() -> None:
    notes = ' copied "everything"\nfrom a friend '
    entry = Entry(instant("day 4"), "e-4", Fact.INVALIDATION, "", value=True, by="ada", notes=notes)
    record = qualifying()
    explanation = explained(replace(record, timeline=merge(record.timeline, [entry])))
    assert explanation.sentence == (
        "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was invalidated "
        "(by ada, with the note \"copied 'everything' from a friend\")."
    )
    assert explanation.timeline[-1].by == "ada"
    assert explanation.timeline[-1].reason == notes


def test_what_a_table_has_without_a_date_was_so_before_records_began() -> None:
    assert dated("Graded as failing", RECORDS_BEGIN) == "Graded as failing before records began."
    assert RECORDS_BEGIN == EARLIEST


def test_a_note_without_an_actor_is_reported_all_the_same() -> None:
    entry = Entry(instant("day 4"), "e-4", Fact.INVALIDATION, "final", value=True, notes="exam attempt rejected")
    record = qualifying()
    explanation = explained(replace(record, timeline=merge(record.timeline, [entry])))
    assert explanation.sentence.endswith(
        'because an exam attempt was rejected (with the note "exam attempt rejected").'
    )


# --- as learners see it


def published(record: Record, as_of: str = "day 9") -> PublishedCertificate:
    return next_publication(PublishedCertificate(), replay(record, EDX, instant(as_of)), "c-1").published


def test_a_certificate_that_is_stored_though_never_earned_is_downloadable_and_held_for_a_person() -> None:
    reported = published(qualifying())
    explanation = explaining.explain(qualifying(without=["grade"]), EDX, instant("day 9"), published=reported)
    assert explanation.status is Status.DOWNLOADABLE
    assert explanation.sentence == (
        "The certificate stays downloadable as it was published; its revocation is held for a person "
        "to decide "
        "because the facts known now do not carry it."
    )
    assert explanation.pending is not None
    assert explanation.pending.cause is Cause.NEVER_EARNED
    assert [step.reason for step in explanation.next_steps] == ["never_earned"]
    assert explanation.shown.date == instant("day 3")
    assert "What would make the facts carry it:\n  - the learner passes the course run" in as_text(explanation)


def test_a_revocation_in_a_compacted_past_is_explained_as_stored() -> None:
    reported, record = published(qualifying()), qualifying(("day 4", "failing"))
    now = instant("day 9")
    assert explaining.explain(record, EDX, now, published=reported).status is Status.NOTPASSING
    assert explaining.explain(record, EDX, now, published=reported, compacted_until=now).status is Status.DOWNLOADABLE


def test_a_status_that_was_published_stays_although_the_facts_no_longer_give_one() -> None:
    reported = published(qualifying(without=["ID verification"]))
    record = qualifying(without=["ID verification", "grade"])
    explanation = explaining.explain(record, EDX, instant("day 9"), published=reported)
    assert explanation.status is Status.UNVERIFIED
    assert explanation.sentence == (
        "The certificate keeps the status unverified that was published; it is not downloadable now "
        "because no "
        "approved ID verification of the learner has been received and no grade that says whether "
        "the learner "
        "passes has been received."
    )


def test_what_was_published_has_its_id() -> None:
    certificate = explaining.explain(qualifying(), EDX, instant("day 9"), published=published(qualifying())).certificate
    assert certificate is not None
    assert certificate.certificate_id == "c-1"


@given(records(), policies(), instants())
def test_reported_of_the_same_certificate_the_explanation_is_the_same(
    record: Record, policies: Policies, as_of: datetime
) -> None:
    reported = next_publication(PublishedCertificate(), replay(record, policies, as_of), "").published
    assert explaining.explain(record, policies, as_of, published=reported) == explaining.explain(
        record, policies, as_of
    )


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


def test_a_fact_that_was_never_received_of_is_reported_as_such() -> None:
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


def test_of_the_course_runs_settings_a_rule_shows_those_that_it_looks_at() -> None:
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


# --- what happened


def test_facts_and_transitions_are_reported_in_the_order_in_which_they_happened() -> None:
    record = qualifying(
        ("day 1", "ID approved until day 5"),
        ("day 3 12:00", "passing"),
        ("day 4", "invalidated by ada"),
        ("day 6", "invalidation lifted by bob"),
        ("day 10", "failing"),
        without=["ID verification"],
    )
    assert [(moment.kind, moment.sentence) for moment in explained(record).timeline] == [
        (
            "fact",
            "Configuration of the course run received on 1 January 2026 at 00:00 UTC (event event-0001).",
        ),
        ("fact", "Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0002)."),
        (
            "fact",
            (
                "ID verification (attempt 1) approved on 1 January 2026 at 00:00 UTC (event "
                "event-0004), valid until "
                "5 January 2026 at 00:00 UTC."
            ),
        ),
        ("fact", "Passed on 3 January 2026 at 00:00 UTC (event event-0003)."),
        (
            "transition",
            "Certificate set to downloadable on 3 January 2026 at 00:00 UTC: all requirements were met.",
        ),
        ("fact", "Certificate invalidated on 4 January 2026 at 00:00 UTC by ada (event event-0006)."),
        (
            "transition",
            "Certificate set to unavailable on 4 January 2026 at 00:00 UTC by ada: it was invalidated.",
        ),
        ("fact", "ID verification (attempt 1) expired on 5 January 2026 at 00:00 UTC (event event-0004)."),
        ("fact", "Invalidation lifted on 6 January 2026 at 00:00 UTC by bob (event event-0007)."),
        (
            "transition",
            (
                "Certificate set to unverified on 6 January 2026 at 00:00 UTC by bob: the learner's "
                "ID verification "
                "has expired."
            ),
        ),
    ]


def test_an_id_verification_that_was_denied_or_renewed_before_its_end_did_not_expire() -> None:
    record = record_of(
        ("day 1", "ID attempt 1 approved until day 3"),
        ("day 2", "ID attempt 1 denied"),
        ("day 1", "ID attempt 2 approved until day 3"),
        ("day 3", "ID attempt 2 approved until day 30"),
        ("day 4", "ID attempt 3 approved until day 2"),
        ("day 1", "ID attempt 4 approved until day 3"),
        ("day 5", "ID attempt 4 approved until day 30"),
    )
    expired = [moment.sentence for moment in explained(record).timeline if " expired on" in moment.sentence]
    assert expired[0] == "ID verification (attempt 4) expired on 3 January 2026 at 00:00 UTC (event event-0006)."
    assert len([sentence for sentence in expired if "approved" not in sentence]) == 1


def test_a_policy_that_came_into_force_is_reported() -> None:
    dated = read_policies(
        [
            {"since": "2026-01-01T00:00:00Z", "preset": "edx-2021"},
            {"since": "2026-01-05T00:00:00Z", "preset": "open-edx"},
            {"since": "2026-02-01T00:00:00Z", "preset": "edx-2021"},
        ]
    )
    record = qualifying(without=["ID verification"])
    explanation = explained(record, policies=dated)
    assert explanation.policy_version == "open-edx"
    assert [moment.sentence for moment in explanation.timeline][-2:] == [
        "Policy open-edx came into force on 5 January 2026 at 00:00 UTC.",
        "Certificate set to downloadable on 5 January 2026 at 00:00 UTC: all requirements were met.",
    ]


@pytest.mark.parametrize(
    ("phrase", "sentence"),
    [
        ("unenrolled from audit", "Unenrolled from audit mode on {}."),
        ("graded 0.875", "Graded 87.5% on {}."),
        ("graded 0.59999 F", "Graded 59.999% (F) on {}."),
        ("beta tester added by system:roles", "Beta tester role given on {} by the software roles."),
        ("beta tester removed by system:", "Beta tester role removed on {} by the software."),
        ("exam final rejected", "Attempt at the exam final rejected on {}."),
        ("exam final reset", "Attempt at the exam final verified or reset on {}."),
        ("date override removed", "Override of the certificate's date removed on {}."),
        (
            "date override day 2 by ada",
            "Override of the certificate's date set on {} by ada: 2 January 2026 at 00:00 UTC.",
        ),
        ("recorded downloadable", "Certificate recorded by the old logic as downloadable on {}."),
        ("self-paced", "Self-pacing of the course run enabled on {}."),
        ("course end day 2", "End of the course run set on {}: 2 January 2026 at 00:00 UTC."),
        ("display behavior end", "Certificate display behavior of the course run set on {}: end."),
        ("policy of the deployment", "Policy of the course run cleared on {}."),
        ("hold of 60 seconds", "Policy of the course run set on {}: hold of 60 seconds."),
        (
            "ID verification not required",
            "Policy of the course run set on {}: ID verification not required.",
        ),
    ],
)
def test_every_fact_has_its_wording(phrase: str, sentence: str) -> None:
    (moment, *_) = explained(record_of(("day 3", phrase))).timeline
    without_event = re.sub(r" \(event [^)]*\)", "", moment.sentence)
    assert without_event == sentence.format("3 January 2026 at 00:00 UTC")


@pytest.mark.parametrize(
    ("overrides", "all_phrases"),
    [
        (Overrides(), "that of the deployment"),
        (
            Overrides(breaker_limit=3, breaker_window=timedelta(hours=1)),
            "at most 3 automatic revocations at once; counted over 3600 seconds",
        ),
        (
            Overrides("open-edx", Modes(frozenset()), id_verification_required=True),
            "preset open-edx; eligible modes none; ID verification required",
        ),
        (
            Overrides(
                eligible_modes=Modes(frozenset(), all_but=True),
                modes_without_id_verification=Modes(frozenset({"honor", "masters", "credit"})),
            ),
            "eligible modes every mode; modes without ID verification credit, honor and masters",
        ),
    ],
)
def test_a_course_runs_own_policy_is_put_in_wording(overrides: Overrides, all_phrases: str) -> None:
    entry = Entry(instant("day 3"), "e-1", Fact.COURSE_RUN, "policy", overrides)
    (moment,) = explained(Record(7, CCX, (entry,))).timeline
    assert moment.sentence == (
        f"Policy of the course run set on 3 January 2026 at 00:00 UTC (event e-1): {all_phrases}."
    )


@pytest.mark.parametrize(
    ("at", "all_phrases"),
    [
        (datetime(2026, 3, 3, 14, 5, tzinfo=UTC), "3 March 2026 at 14:05 UTC"),
        (datetime(2026, 12, 31, 23, 59, 1, tzinfo=UTC), "31 December 2026 at 23:59:01 UTC"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "31 December 2025 at 23:30 UTC"),
    ],
)
def test_an_instant_is_written_in_utc(at: datetime, all_phrases: str) -> None:
    assert when(at) == all_phrases


# --- what changed between two instants


def test_the_difference_shows_who_changed_what_and_what_came_of_it() -> None:
    record = qualifying(("day 4", "invalidated by ada"), ("day 5", "failing"), ("day 6", "failing"))
    difference = changed(record, EDX, instant("day 3"), instant("day 9"))
    assert difference.sentence == (
        "Between 3 January 2026 at 00:00 UTC and 9 January 2026 at 00:00 UTC the status changed from "
        "downloadable "
        "to unavailable."
    )
    assert [fact.sentence for fact in difference.facts] == [
        ('Invalidation: from "nothing received" to "active" on 4 January 2026 at 00:00 UTC by ada (event event-0005).'),
        'Passing: from "passed" to "failing" on 5 January 2026 at 00:00 UTC (event event-0006).',
    ]
    assert difference.facts[0].by == "ada"
    assert [transition.at for transition in difference.transitions] == [instant("day 4")]
    assert [(verdict.code, verdict.before, verdict.after) for verdict in difference.verdicts] == [
        ("invalidated", "met", "unmet"),
        ("not_passed", "met", "unmet"),
    ]


def test_an_id_verification_that_ran_out_is_a_difference_though_nothing_was_received() -> None:
    record = qualifying(("day 1", "ID approved until day 5"), without=["ID verification", "grade"])
    difference = changed(record, EDX, instant("day 4"), instant("day 9"))
    assert difference.sentence.endswith("the status stayed the same: no certificate.")
    (fact,) = difference.facts
    assert fact.sentence == (
        'ID verification (attempt 1): from "approved, valid until 5 January 2026 at 00:00 UTC" to '
        '"approved, expired on 5 January 2026 at 00:00 UTC" on 5 January 2026 at 00:00 UTC (event '
        "event-0003)."
    )
    assert [verdict.code for verdict in difference.verdicts] == ["id_verification_expired"]


def test_a_fact_that_changed_and_changed_back_is_reported_twice() -> None:
    record = qualifying(("day 4", "failing"), ("day 5", "passing"))
    difference = changed(record, EDX, instant("day 3"), instant("day 9"))
    assert [(fact.before, fact.after) for fact in difference.facts] == [
        ("passed", "failing"),
        ("failing", "passed"),
    ]
    assert [transition.kind for transition in difference.transitions] == ["transition", "transition"]
    assert difference.verdicts == ()


def test_a_difference_looks_forward() -> None:
    with pytest.raises(ValueError, match="9 January 2026 at 00:00 UTC is after 8 January 2026 at 00:00 UTC"):
        changed(qualifying(), EDX, instant("day 9"), instant("day 8"))


@given(records(), policies(), st.tuples(instants(), instants()).map(sorted))
def test_what_did_not_change_makes_no_difference(record: Record, policies: Policies, span: list[datetime]) -> None:
    earlier, later = span
    before, after = replay(record, policies, earlier), replay(record, policies, later)
    difference = changed(record, policies, earlier, later)
    assert (difference.status_before, difference.status_after) == (before.status, after.status)
    assert len(difference.transitions) == len(after.transitions) - len(before.transitions)
    flipped = (before.decision.unmet ^ after.decision.unmet) | (before.decision.waived ^ after.decision.waived)
    assert {verdict.code for verdict in difference.verdicts} == flipped
    assert flipped == set() or difference.facts or difference.policy_before != difference.policy_after
    reported = {(fact.event_id, fact.at) for fact in difference.facts}
    was, now = at_instant(record.timeline, earlier), at_instant(record.timeline, later)
    assert {(now[line].event_id, now[line].at) for line in now if now[line] != was.get(line)} <= reported


# --- as text and JSON


def test_an_explanation_is_lines_of_plain_text() -> None:
    record = qualifying(("day 4", "failing"), without=["course run"])
    lines = as_text(explained(record)).splitlines()
    assert lines[:12] == [
        "Learner 7 in course-v1:CertX+CS101+2026",
        "As of 9 January 2026 at 00:00 UTC, by the policy edx-2021",
        "",
        (
            "There is no certificate because the configuration of the course run has not been "
            "received and the "
            "learner's grade is failing."
        ),
        "",
        "What can be done:",
        "  - The course team publishes the course run, or an operator sends its configuration again.",
        f"  - {RULES_BY_CODE['not_passed'].remedy}",
        "",
        "What would make it downloadable:",
        (
            "  - the learner passes the course run (the learner) and the configuration of the course "
            "run is received "
            "(the course team or an operator)"
        ),
        (
            "  - an allowlist entry is added (support) and the configuration of the course run is "
            "received (the course "
            "team or an operator)"
        ),
    ]
    assert lines[12:16] == [
        "",
        "What each rule says:",
        "  met     The learner has an enrollment in the course run; it need not be active.",
        "          Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0001).",
    ]
    assert lines[-6:] == [
        "",
        "What happened:",
        "  Enrolled in verified mode on 1 January 2026 at 00:00 UTC (event event-0001).",
        ("  ID verification (attempt 1) approved on 1 January 2026 at 00:00 UTC (event event-0002), without an end."),
        "  Passed on 3 January 2026 at 00:00 UTC (event event-0003).",
        "  Graded as failing on 4 January 2026 at 00:00 UTC (event event-0004).",
    ]


def test_a_brief_text_leaves_out_what_the_answer_rests_on() -> None:
    explanation = explained(qualifying(("day 4", "failing"), without=["course run"]))
    brief, whole = as_text(explanation, brief=True), as_text(explanation)
    assert whole.startswith(brief)
    assert "What would make it downloadable:" in brief
    assert "What each rule says:" not in brief
    assert "What happened:" not in brief


@pytest.mark.parametrize(
    ("phrases", "line"),
    [
        (
            [],
            (
                "It shows the date 3 January 2026 at 00:00 UTC (the day of issue); learners have "
                "seen it since "
                "3 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end"), ("day 1", "course end day 20")],
            (
                "It shows the date 20 January 2026 at 00:00 UTC (the end of the course run); "
                "learners will see it from "
                "20 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end_with_date"), ("day 1", "available date day 5")],
            (
                "It shows the date 5 January 2026 at 00:00 UTC (the course run's available date); "
                "learners have seen it "
                "since 5 January 2026 at 00:00 UTC."
            ),
        ),
        (
            [("day 1", "display behavior end"), ("day 4", "date override day 2 by ada")],
            (
                "It shows the date 2 January 2026 at 00:00 UTC (set by a date override); learners "
                "don't see it yet because "
                "the date that it waits for is unknown."
            ),
        ),
    ],
)
def test_the_date_that_the_certificate_shows_is_reported_with_where_it_comes_from(
    phrases: list[tuple[str, str]], line: str
) -> None:
    explanation = explained(qualifying(*phrases))
    assert as_text(explanation).splitlines()[4] == line
    assert explanation.shown == dates.shown(explanation.certificate, qualifying(*phrases).timeline, instant("day 9"))


def test_the_json_of_an_explanation_has_stable_fields() -> None:
    body = as_json(explained(qualifying(("day 8 23:30", "failing"))))
    assert list(body) == list(Explanation._fields)
    assert body["as_of"] == "2026-01-09T00:00:00Z"
    assert body["status"] == "downloadable"
    assert list(body["certificate"]) == list(Certificate._fields)
    assert body["pending"] == {
        "cause": "grade_fell",
        "since": "2026-01-08T23:30:00Z",
        "due": "2026-01-09T00:30:00Z",
        "actor": {"by": "", "reason": ""},
    }
    assert body["shown"] == {
        "date": "2026-01-03T00:00:00Z",
        "rests_on": "issued_at",
        "visible_from": "2026-01-03T00:00:00Z",
    }
    assert body["verdicts"][9] == {
        "code": "not_passed",
        "verdict": "unmet",
        "sentence": "The learner's grade is failing.",
        "evidence": [
            {
                "sentence": "Graded as failing on 8 January 2026 at 23:30 UTC (event event-0005).",
                "fact": "passing",
                "subject": "",
                "value": "failing",
                "event_id": "event-0005",
                "at": "2026-01-08T23:30:00Z",
                "by": "",
                "notes": "",
            }
        ],
    }
    refused = as_json(explained(qualifying(without=["grade"])))
    assert refused["status"] is None
    assert refused["counterfactuals"][1] == [
        {"code": "allowlist", "sentence": "An allowlist entry is added.", "who": "support"}
    ]


@given(records(), policies(), instants())
def test_explanations_and_differences_are_json(record: Record, policies: Policies, as_of: datetime) -> None:
    for body in (
        as_json(explaining.explain(record, policies, as_of)),
        as_json(changed(record, policies, min(as_of, INSTANTS[3]), END)),
    ):
        assert json.loads(json.dumps(body)) == body


def sentences(value: Any) -> Iterator[str]:
    """Return every sentence of an explanation or a difference."""
    if isinstance(value, PossibleChange):
        yield value.sentence
    elif isinstance(value, tuple):
        fields = getattr(value, "_fields", ())
        for position, item in enumerate(value):
            if fields and fields[position] == "sentence":
                yield item
            yield from sentences(item)


@given(records(), policies(), instants())
def test_every_sentence_is_a_sentence(record: Record, policies: Policies, as_of: datetime) -> None:
    explanation = explaining.explain(record, policies, as_of)
    for sentence in (
        *sentences(explanation),
        *sentences(changed(record, policies, min(as_of, INSTANTS[3]), END)),
    ):
        assert re.fullmatch(r"[A-Z][^\n]*[^.,;: ]\.", sentence), sentence
        for clumsy in ("  ", "None", "True", "False", " ,", " ;", "..", "because because", "system:", "()"):
            assert clumsy not in sentence
    assert as_text(explanation).isascii()


def test_where_the_old_logic_decides_its_certificate_is_explained_beside_what_the_facts_show() -> None:
    record = qualifying(("day 5", "recorded notpassing"), ("day 20", "recorded downloadable"))
    for at, status in (("day 10", Status.NOTPASSING), ("day 30", Status.DOWNLOADABLE)):
        found = explaining.explain(
            record, undated(DEFAULT), instant(at), rollout=RolloutState(Rollout.SHADOW, BEGINNING)
        )
        assert found.status is status
        assert found.pending is None
        start = (
            "The old logic decides certificates in this course run (rollout: shadow). The old logic has a certificate"
        )
        assert found.sentence.startswith(start)
    live = explaining.explain(
        record, undated(DEFAULT), instant("day 10"), rollout=RolloutState(Rollout.LIVE, BEGINNING)
    )
    assert live.sentence == explaining.explain(record, undated(DEFAULT), instant("day 10")).sentence


def test_what_is_held_since_going_live_is_explained_as_held() -> None:
    record = qualifying(("day 4", "recorded downloadable"), ("day 9", "exam final rejected"))
    terms = RolloutState(Rollout.LIVE, instant("day 20"))
    outcome = replay(record, undated(DEFAULT), instant("day 30"))
    before = published_before(PublishedCertificate(), record.timeline, RolloutState(Rollout.SHADOW, BEGINNING))
    held = next_publication(before, outcome, "", BEGINNING, record.timeline, terms.live_since).published
    found = explaining.explain(record, undated(DEFAULT), instant("day 30"), published=held, rollout=terms)
    assert found.status is Status.DOWNLOADABLE
    assert found.sentence.startswith("The certificate stays downloadable as it was published; its revocation is held")


def test_of_an_automatic_revocation_that_is_held_it_is_stated_who_decides() -> None:
    record = qualifying(("day 5", "failing"), ("day 5 00:10", "revocation held because grade_fell"))
    found = explaining.explain(record, undated(DEFAULT), instant("day 30"))
    (step,) = found.next_steps
    assert step.reason == Cause.GRADE_FELL
    assert step.sentence.startswith("A person with the right to revoke releases or discards the held revocation.")
