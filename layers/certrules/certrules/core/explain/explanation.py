"""Explaining: a record as of an instant in plain English, for the people who answer learners' questions.

Why the certificate is or isn't there, what every rule says and which facts it looked at, who can fix what is
unmet, the smallest sets of changes that would make it downloadable, and what happened in which order.

Nothing is decided here: every answer comes from the one replay and the one decision. Instants are in UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.comparison import compare
from certrules.core.dates import Shown, shown
from certrules.core.explain.findings import Finding, NextStep, findings_of, next_steps_of
from certrules.core.explain.timeline import Moment, cause_text, moments_of
from certrules.core.explain.what_if import PossibleChange, smallest_changes
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, next_publication, published_before
from certrules.core.policy import Policies
from certrules.core.replay import Certificate, Outcome, Pending, replay
from certrules.core.rollout import RolloutState
from certrules.core.terms import Cause, Status
from certrules.core.timeline import BEGINNING
from certrules.core.wording import (
    BECAUSE,
    credit,
    old_logic_decides,
    reasons_text,
    status_text,
    when,
)


class Explanation(NamedTuple):
    """All there is to say about one learner's certificate in one course run as of an instant."""

    learner_id: int
    course_run: str
    as_of: datetime  # UTC
    status: Status | None  # None: no certificate
    sentence: str  # the status and why
    certificate: Certificate | None
    pending: Pending | None
    shown: Shown
    verdicts: tuple[Finding, ...]  # every rule in force, in order
    next_steps: tuple[NextStep, ...]  # empty if nothing needs fixing
    counterfactuals: tuple[tuple[PossibleChange, ...], ...]
    timeline: tuple[Moment, ...]  # oldest first
    policy_version: str


def explain(
    record: Record,
    policies: Policies,
    as_of: datetime,
    *,
    published: PublishedCertificate | None = None,
    compacted_until: datetime = BEGINNING,
    rollout: RolloutState | None = None,
) -> Explanation:
    """Explain a learner's certificate in a course run as of an instant (UTC).

    `published` and `compacted_until` are what guard.settle takes: give them when `as_of` is now, so that a
    certificate which is kept although the facts no longer carry it is explained as learners see it. `rollout` tell who
    decides in the course run: where the old logic does, its certificate is explained beside what the facts say.
    """
    outcome = replay(record, policies, as_of)
    told, kept = PublishedCertificate(outcome.certificate, pending=outcome.pending), False
    if published is not None and (rollout is None or rollout.is_live):
        live_since = rollout.live_since if rollout else BEGINNING
        told, _, kept = next_publication(published, outcome, "", compacted_until, record.timeline, live_since)
    sentence = ""
    if rollout is not None and not rollout.is_live:
        heard = tuple(entry for entry in record.timeline if entry.at <= as_of)
        told = published_before(published or PublishedCertificate(), heard, rollout)
        found = compare(record, policies, as_of, published=published, rollout=rollout, compacted_until=compacted_until)
        sentence = f"{old_logic_decides(rollout.rollout)} {found.sentence}"
    status = told.certificate.status if told.certificate else None
    return Explanation(
        learner_id=record.learner_id,
        course_run=record.course_run,
        as_of=as_of,
        status=status,
        sentence=sentence or _status_sentence(told, outcome, kept=kept),
        certificate=told.certificate,
        pending=told.pending,
        shown=shown(told.certificate, record.timeline, as_of),
        verdicts=findings_of(record, outcome.decision),
        next_steps=next_steps_of(status, told.pending, outcome.decision),
        counterfactuals=smallest_changes(record, policies, outcome),
        timeline=moments_of(record, policies, outcome),
        policy_version=outcome.decision.policy_version,
    )


# --- the status, in one sentence

#: What keeps a certificate from being downloadable needs no further mention after these causes.
_TOLD_BY_CAUSE: Mapping[Cause, frozenset[str]] = {
    Cause.INVALIDATED: frozenset({"invalidated"}),
    Cause.EXAM_REJECTED: frozenset({"invalidated"}),
    Cause.GRADE_FELL: frozenset({"not_passed"}),
}

_SET_HERE = frozenset({Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.UNVERIFIED})

_UNLESS: Mapping[Cause, str] = {
    Cause.GRADE_FELL: "the learner passes again or is put on the allowlist first",
    Cause.ALLOWLIST_REMOVED: "the learner is put on the allowlist or meets the other requirements first",
}


def _status_sentence(told: PublishedCertificate, outcome: Outcome, *, kept: bool) -> str:
    """Say in one sentence what the learner has, since when, and why."""
    certificate = told.certificate
    reasons = reasons_text(outcome.decision.unmet)
    if certificate is None:
        return f"There is no certificate because {reasons}."
    status = status_text(certificate.status)
    now = f"it is not downloadable now because {reasons}"
    if kept:
        return f"The certificate stays {status} as it was published{_pending_clause(told.pending)}."
    if outcome.certificate is None:
        return f"The certificate keeps the status {status} that was published; {now}."
    last = outcome.transitions[-1]
    since = when(last.at)
    if certificate.status is Status.DOWNLOADABLE:
        sentence = f"The certificate has been {status} since {since} because {cause_text(last)}"
        if outcome.decision.unmet and told.pending is None:
            return f"{sentence}; what is unmet now does not take it away."
        return f"{sentence}{_pending_clause(told.pending)}."
    if last.cause is Cause.LABELLED and last.decision.unmet != outcome.decision.unmet:
        return f"The certificate became {status} on {since}; {now}."
    has_been = f"been {status}" if certificate.status in _SET_HERE else f'had the status "{status}"'
    sentence = f"The certificate has {has_been} since {since} because {cause_text(last)}{credit(last)}"
    told_already = last.decision.unmet if last.cause is Cause.LABELLED else _TOLD_BY_CAUSE.get(last.cause)
    return f"{sentence}." if outcome.decision.unmet == told_already else f"{sentence}; {now}."


def _pending_clause(pending: Pending | None) -> str:
    if pending is None:
        return ""
    because = BECAUSE[pending.cause]
    if pending.due is None:
        return f"; its revocation is held for a person to decide because {because}"
    if pending.cause is Cause.GRADE_FELL:
        because = "the grade fell to failing"
    return (
        f"; its revocation has been pending since {when(pending.since)} because {because}{credit(pending)}"
        f", and takes effect on {when(pending.due)} unless {_UNLESS[pending.cause]}"
    )


# --- what every rule says, and what it looked at


# --- who can fix it, and how


# --- what it would take


# --- what happened


# --- as text and JSON
