"""What each rule found, which facts it looked at, and who can fix what is unmet."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.decision import Decision, Verdict
from certrules.core.facts import Record
from certrules.core.policy import Policy
from certrules.core.replay import Actor, Pending
from certrules.core.rules import BY_CODE, Rule
from certrules.core.terms import AUTOMATIC, Cause, Fact, Status, is_ccx
from certrules.core.timeline import Entry, at_instant
from certrules.core.wording import (
    dated,
    modes_text,
    on_or_off,
    wording_of,
)


class Evidence(NamedTuple):
    """Something that a rule looked at."""

    sentence: str
    fact: str  # a terms.Fact, or "policy" or "course_run_key"
    subject: str  # the ID verification attempt, the exam, the setting; "" if the fact has none
    value: str  # in words
    event_id: str = ""  # "" if no event said so
    at: datetime | None = None  # UTC; None: no event said so
    by: str = ""
    notes: str = ""


class Finding(NamedTuple):
    """What one rule says, and what it looked at."""

    code: str
    verdict: str  # "met", "unmet", or "waived" by the allowlist
    sentence: str
    evidence: tuple[Evidence, ...]


class NextStep(NamedTuple):
    """Who can do what about one reason."""

    reason: str  # a rule's code, or the cause of a pending revocation
    sentence: str


_UNHEARD: Mapping[Fact, str] = {
    Fact.ENROLLMENT: "enrollment",
    Fact.PASSING: "grade that says whether the learner passes",
    Fact.BETA_TESTER: "beta tester role",
    Fact.INVALIDATION: "invalidation",
    Fact.ID_VERIFICATION: "ID verification",
    Fact.COURSE_RUN: "configuration of the course run",
}


#: Of the course run's settings, the one that a rule looks at (None: any); the other rules look at its policy.
_SETTING: Mapping[str, str | None] = {
    "course_run_unknown": None,
    "web_certificates_off_course_run": "web_certificates_enabled",
}


def findings_of(record: Record, decision: Decision) -> tuple[Finding, ...]:
    """Return what each rule in force found, in the order of the rules."""
    sources = at_instant(record.timeline, decision.facts.as_of)
    return tuple(
        Finding(
            verdict.rule.code,
            verdict_text(verdict),
            verdict_sentence(verdict),
            _evidence(verdict, record, decision, sources),
        )
        for verdict in decision.verdicts()
    )


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as "met", "unmet" or "waived"."""
    return "waived" if verdict.waived else "met" if verdict.met else "unmet"


def verdict_sentence(verdict: Verdict) -> str:
    """Return a verdict as a sentence for support."""
    if verdict.met:
        return verdict.rule.requirement
    if verdict.waived:
        return f"{verdict.rule.unmet[:-1]}, which the allowlist waives."
    return verdict.rule.unmet


def _evidence(
    verdict: Verdict, record: Record, decision: Decision, sources: Mapping[tuple[Fact, str], Entry]
) -> tuple[Evidence, ...]:
    """Return what the rule looked at: facts with their events, facts never heard of, and the policy."""
    rule, facts = verdict.rule, decision.facts
    found: list[Evidence] = []
    for fact in rule.looks_at:
        heard = [entry for entry in sources.values() if entry.fact is fact and _concerns(entry, rule)]
        found += [_evidence_of(entry, facts.as_of) for entry in heard]
        if not heard and (fact is not Fact.COURSE_RUN or rule.code in _SETTING):
            found.append(Evidence(f"No {_UNHEARD[fact]} has been received.", fact, "", "nothing received"))
    if verdict.waived:
        found.append(_evidence_of(sources[Fact.ALLOWLIST, ""], facts.as_of))
    if rule.code in _TERMS:
        found.append(_TERMS[rule.code](record, facts.policy))
    return tuple(found)


def _concerns(entry: Entry, rule: Rule) -> bool:
    """Whether the rule looks at this entry, given that it looks at its fact."""
    return entry.fact is not Fact.COURSE_RUN or _SETTING.get(rule.code, "policy") in {None, entry.subject}


def _evidence_of(entry: Entry, as_of: datetime) -> Evidence:
    words = wording_of(entry, as_of)
    sentence = dated(words.event, entry.at, Actor(entry.by, entry.notes), words.detail, entry.event_id)
    return Evidence(sentence, entry.fact, entry.subject, words.value, entry.event_id, entry.at, entry.by, entry.notes)


def _eligible_modes(_record: Record, policy: Policy) -> Evidence:
    modes = modes_text(policy.eligible_modes)
    return Evidence(
        f"The policy {policy.version} makes these modes eligible: {modes}.", "policy", "eligible_modes", modes
    )


def _id_verification_terms(_record: Record, policy: Policy) -> Evidence:
    value = "not required"
    if policy.id_verification_required:
        exempt = policy.modes_without_id_verification
        value = f"required, except in these modes: {modes_text(exempt)}" if exempt.names else "required"
    sentence = f"By the policy {policy.version} ID verification is {value}."
    return Evidence(sentence, "policy", "id_verification_required", value)


def _deployment_terms(_record: Record, policy: Policy) -> Evidence:
    value = on_or_off(policy.web_certificates)
    sentence = f"By the policy {policy.version} web certificates are {value} for the whole deployment."
    return Evidence(sentence, "policy", "web_certificates", value)


def _key_terms(record: Record, _policy: Policy) -> Evidence:
    value = "a custom course" if is_ccx(record.course_run) else "an ordinary course run"
    return Evidence(f"The key {record.course_run} is that of {value}.", "course_run_key", "", value)


#: What a rule looks at beside dated facts.
_TERMS: Mapping[str, Callable[[Record, Policy], Evidence]] = {
    "mode_not_eligible": _eligible_modes,
    "id_not_verified": _id_verification_terms,
    "id_verification_expired": _id_verification_terms,
    "web_certificates_off_instance": _deployment_terms,
    "ccx": _key_terms,
}


_PENDING_STEPS: Mapping[Cause, str] = {
    Cause.GRADE_FELL: (
        "Before the revocation takes effect, the learner passes again, the course team corrects the grade, "
        "or support adds an allowlist entry."
    ),
    Cause.ALLOWLIST_REMOVED: (
        "Before the revocation takes effect, support adds the allowlist entry again, "
        "or the learner meets the other requirements."
    ),
    Cause.RECORDED_WHILE_INVALIDATED: (
        "A person with the right to revoke decides: the invalidation is lifted if the certificate is right, "
        "or the held revocation is released."
    ),
    Cause.NEVER_EARNED: "A person with the right to revoke releases or discards the held revocation.",
}


def next_steps_of(status: Status | None, pending: Pending | None, decision: Decision) -> tuple[NextStep, ...]:
    """Return what can be done; nothing about a downloadable certificate, which no unmet rule takes away."""
    if pending is not None:
        step = _PENDING_STEPS[pending.cause]
        if pending.due is None and pending.cause in AUTOMATIC:
            step = f"{_PENDING_STEPS[Cause.NEVER_EARNED]} {step.replace('takes effect', 'is released')}"
        return (NextStep(pending.cause, step),)
    if status is Status.DOWNLOADABLE:
        return ()
    return tuple(NextStep(code, rule.remedy) for code, rule in BY_CODE.items() if code in decision.unmet)
