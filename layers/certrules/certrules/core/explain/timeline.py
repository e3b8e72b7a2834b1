"""What happened in a case, in order, and what changed between two instants."""

from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Outcome, Transition
from certrules.core.decision import Decision
from certrules.core.explain.findings import (
    verdict_sentence,
    verdict_text,
)
from certrules.core.fact_types import Approval, Fact
from certrules.core.facts import Record
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rules import RULEBOOK, Rulebook
from certrules.core.terms import Actor, Cause, Status
from certrules.core.timeline import Entry
from certrules.core.wording import (
    BECAUSE,
    dated,
    status_text,
    when,
)


class Moment(NamedTuple):
    """Something that happened: a fact, the policy, or the certificate's status changed."""

    at: datetime  # UTC
    kind: str  # "fact", "policy" or "transition"
    sentence: str
    by: str = ""
    reason: str = ""
    event_id: str = ""
    fact: str = ""  # of a fact: a fact_types.Fact
    value: str = ""  # in plain English; of a transition the new status, of a policy its version


class ChangedFact(NamedTuple):
    """A fact whose value changed."""

    name: str
    before: str  # in plain English
    after: str
    at: datetime  # UTC
    by: str
    reason: str
    event_id: str
    sentence: str


class ChangedVerdict(NamedTuple):
    """A rule whose verdict changed."""

    code: str
    before: str  # "met", "unmet" or "waived"; "not in force" if the rules themselves changed
    after: str
    sentence: str


class CaseChanges(NamedTuple):
    """What changed between two instants: after the earlier, up to and including the later one."""

    learner_id: int
    course_run: str
    earlier: datetime  # UTC
    later: datetime  # UTC
    status_before: Status | None
    status_after: Status | None
    sentence: str
    facts: tuple[ChangedFact, ...]  # oldest first; one that changed and changed back is listed twice
    transitions: tuple[Moment, ...]
    verdicts: tuple[ChangedVerdict, ...]
    policy_before: str
    policy_after: str


class _FactChange(NamedTuple):
    """A change of a fact's value: by an entry, or because an ID verification expired."""

    at: datetime
    entry: Entry
    before: Entry | None
    expired: bool = False


def _fact_changes(record: Record, until: datetime) -> list[_FactChange]:
    """Return every change of a fact up to and including an instant, oldest first. A repeated value is none."""
    current: dict[tuple[Fact, str], Entry] = {}
    found: list[_FactChange] = []
    for entry in record.timeline:
        if entry.at > until:
            break
        line = (entry.fact, entry.subject)
        before = current.get(line)
        if before is None or before.value != entry.value or entry.fact is Fact.REVOCATION:
            found += _expiry(before, entry.at, inclusive=False)
            found.append(_FactChange(entry.at, entry, before))
            current[line] = entry
    for entry in current.values():
        found += _expiry(entry, until, inclusive=True)
    return sorted(found, key=lambda change: change.at)


def _expiry(entry: Entry | None, until: datetime, *, inclusive: bool) -> list[_FactChange]:
    """Return the expiry of an ID verification, if it expired before (or at) an instant and after its approval."""
    if entry is None or not isinstance(entry.value, Approval):
        return []
    ends = entry.value.expires_at
    if ends is None or not entry.at < ends <= until or (ends == until and not inclusive):
        return []
    return [_FactChange(ends, entry, entry, expired=True)]


def moments_of(record: Record, policies: Policies, outcome: Outcome) -> tuple[Moment, ...]:
    """Return the changes of facts, the policies that came into force, and the transitions, in order."""
    as_of = outcome.decision.facts.as_of
    moments = [_moment_of_fact_change(change) for change in _fact_changes(record, as_of)]
    moments += [
        Moment(since, "policy", dated(f"Policy {policy.version} came into force", since), value=policy.version)
        for since, policy in policies[1:]
        if since <= as_of
    ]
    moments += [_moment_of_transition(transition) for transition in outcome.transitions]
    return tuple(sorted(moments, key=lambda moment: moment.at))  # stable: facts before the transitions that they cause


def _moment_of_fact_change(change: _FactChange) -> Moment:
    entry = change.entry
    text = entry.wording(change.at)
    if change.expired:
        sentence = dated(f"{text.name} expired", change.at, event_id=entry.event_id)
        return Moment(change.at, "fact", sentence, event_id=entry.event_id, fact=entry.fact, value="expired")
    sentence = dated(text.event, change.at, Actor(entry.by, entry.notes), text.detail, entry.event_id)
    return Moment(change.at, "fact", sentence, entry.by, entry.notes, entry.event_id, entry.fact, text.value)


def _moment_of_transition(transition: Transition) -> Moment:
    actor = transition.actor
    what = f"Certificate set to {status_text(transition.status)}"
    sentence = dated(what, transition.at, actor, f": {cause_text(transition)}")
    return Moment(transition.at, "transition", sentence, actor.by, actor.reason, value=transition.status)


def changed(
    record: Record, policies: Policies, earlier: datetime, later: datetime, rulebook: Rulebook = RULEBOOK
) -> CaseChanges:
    """Return the changes between two instants (UTC). Raises ValueError if the earlier is after the later."""
    if earlier > later:
        raise ValueError(f"{when(earlier)} is after {when(later)}")
    before, after = (replay(record, policies, until, rulebook) for until in (earlier, later))
    return CaseChanges(
        learner_id=record.learner_id,
        course_run=record.course_run,
        earlier=earlier,
        later=later,
        status_before=before.status,
        status_after=after.status,
        sentence=_difference_sentence(before.status, after.status, earlier, later),
        facts=tuple(_changed_fact(change) for change in _fact_changes(record, later) if change.at > earlier),
        transitions=tuple(_moment_of_transition(item) for item in after.transitions if item.at > earlier),
        verdicts=_changed_verdicts(before.decision, after.decision),
        policy_before=before.decision.policy_version,
        policy_after=after.decision.policy_version,
    )


def _difference_sentence(before: Status | None, after: Status | None, earlier: datetime, later: datetime) -> str:
    span = f"Between {when(earlier)} and {when(later)}"
    if before is after:
        return f"{span} the status stayed the same: {status_text(after)}."
    return f"{span} the status changed from {status_text(before)} to {status_text(after)}."


def _changed_fact(change: _FactChange) -> ChangedFact:
    entry = change.entry
    text = entry.wording(change.at)
    before = change.before.wording(change.before.at).value if change.before else "nothing received"
    actor = Actor() if change.expired else Actor(entry.by, entry.notes)
    event = f'{text.name}: from "{before}" to "{text.value}"'
    sentence = dated(event, change.at, actor, event_id=entry.event_id)
    return ChangedFact(text.name, before, text.value, change.at, actor.by, actor.reason, entry.event_id, sentence)


def _changed_verdicts(before: Decision, after: Decision) -> tuple[ChangedVerdict, ...]:
    old = {verdict.rule.code: verdict_text(verdict) for verdict in before.verdicts()}
    return tuple(
        ChangedVerdict(verdict.rule.code, was, verdict_text(verdict), verdict_sentence(verdict))
        for verdict in after.verdicts()
        if (was := old.get(verdict.rule.code, "not in force")) != verdict_text(verdict)
    )


def cause_text(transition: Transition) -> str:
    """Return why a certificate changed its status, as a clause."""
    if transition.cause is Cause.LABELLED:
        return transition.decision.reasons_text
    if transition.decision.waived and transition.cause in {Cause.EARNED, Cause.REINSTATED}:
        return f"{BECAUSE[transition.cause]} but for what the allowlist waives"
    return BECAUSE[transition.cause]
