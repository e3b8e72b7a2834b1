"""What each rule found, which facts it looked at, and who can fix what is unmet."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Pending
from certrules.core.decision import Decision, Verdict
from certrules.core.explain.warnings import letter_text
from certrules.core.fact_types import FACTS, Fact
from certrules.core.facts import Facts, Record
from certrules.core.policy import Policy
from certrules.core.rules import Rule
from certrules.core.terms import AUTOMATIC, Actor, Cause, Status, is_ccx
from certrules.core.timeline import Entry, at_instant
from certrules.core.wording import (
    dated,
    modes_text,
    on_or_off,
)


class Evidence(NamedTuple):
    """A fact, or a term of the policy, that a rule looked at."""

    sentence: str
    fact: str  # a fact_types.Fact, or "policy" or "course_run_key"
    subject: str  # the ID verification attempt, the exam, the setting; "" if the fact has none
    value: str  # in plain English
    event_id: str = ""  # "" if it is from no event
    at: datetime | None = None  # UTC; None: it is from no event
    by: str = ""
    notes: str = ""


class Finding(NamedTuple):
    """The verdict of one rule, and its evidence."""

    code: str
    verdict: str  # "met", "unmet", or "waived" by the allowlist
    sentence: str
    evidence: tuple[Evidence, ...]


class NextStep(NamedTuple):
    """Who can do what about one reason."""

    reason: str  # a rule's code, or the cause of a pending revocation
    sentence: str


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
    """Return the facts that the rule looked at with their events, facts never received, and the policy."""
    rule, facts = verdict.rule, decision.facts
    found: list[Evidence] = []
    for fact in rule.looks_at:
        if fact is Fact.GRADE:
            found += _letter_evidence(sources.get((Fact.GRADE, "")), facts)
            continue
        entries = [entry for entry in sources.values() if entry.fact is fact and _concerns(entry, rule)]
        found += [_evidence_of(entry, facts.as_of) for entry in entries]
        if not entries and (fact is not Fact.COURSE_RUN or rule.setting != "policy"):
            found.append(Evidence(FACTS[fact].never_received, fact, "", "nothing received"))
    if verdict.waived:
        found.append(_evidence_of(sources[Fact.ALLOWLIST, ""], facts.as_of))
    if rule.terms:
        found.append(_TERMS[rule.terms](record, facts.policy))
    return tuple(found)


def _concerns(entry: Entry, rule: Rule) -> bool:
    """Whether the rule looks at this entry, given that it looks at its fact."""
    return entry.fact is not Fact.COURSE_RUN or rule.setting in {None, entry.subject}


def _evidence_of(entry: Entry, as_of: datetime) -> Evidence:
    text = entry.wording(as_of)
    sentence = dated(text.event, entry.at, Actor(entry.by, entry.notes), text.detail, entry.event_id)
    return Evidence(sentence, entry.fact, entry.subject, text.value, entry.event_id, entry.at, entry.by, entry.notes)


def _letter_evidence(entry: Entry | None, facts: Facts) -> tuple[Evidence, ...]:
    """Return the last grade, with what the policy makes of its letter."""
    if entry is None:
        return ()
    evidence = _evidence_of(entry, facts.as_of)
    if not entry.value.letter:
        return (evidence,)
    return (evidence._replace(sentence=f"{evidence.sentence} {letter_text(entry.value, facts.policy)}"),)


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


#: The evidence beside dated facts, by `Rule.terms`.
_TERMS: Mapping[str, Callable[[Record, Policy], Evidence]] = {
    "eligible_modes": _eligible_modes,
    "id_verification_required": _id_verification_terms,
    "web_certificates": _deployment_terms,
    "course_run_key": _key_terms,
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
    Cause.NEVER_PASSED: (
        "The learner passes, or a person with the right to revoke releases or discards the held revocation."
    ),
    Cause.LATE_ENTRY: (
        "A person with the right to revoke decides: the held revocation is discarded if the certificate is right, "
        "or the certificate is invalidated."
    ),
}


def next_steps_of(status: Status | None, pending: Pending | None, decision: Decision) -> tuple[NextStep, ...]:
    """Return who can do what; nothing for a downloadable certificate, since no unmet rule revokes it."""
    if pending is not None:
        step = _PENDING_STEPS[pending.cause]
        if pending.due is None and pending.cause in AUTOMATIC:
            step = f"{_PENDING_STEPS[Cause.NEVER_EARNED]} {step.replace('takes effect', 'is released')}"
        return (NextStep(pending.cause, step),)
    if status is Status.DOWNLOADABLE:
        return ()
    return tuple(NextStep(rule.code, rule.remedy) for rule in decision.edition.rules if rule.code in decision.unmet)
