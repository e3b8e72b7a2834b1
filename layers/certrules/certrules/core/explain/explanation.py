"""Explanations: a record as of an instant in plain English, for the people who answer learners' questions.

An explanation has the status and its reason, the verdict of every rule with its evidence, who can fix what is unmet,
the smallest sets of changes that would make the certificate downloadable, and what happened in which order.

Nothing is decided here: every answer comes from the one replay and the one decision. Instants are in UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certrules.core.certificate import Certificate, Outcome, Pending
from certrules.core.comparison import compare
from certrules.core.dates import Shown, shown
from certrules.core.explain.findings import Finding, NextStep, findings_of, next_steps_of
from certrules.core.explain.timeline import Moment, cause_text, moments_of
from certrules.core.explain.warnings import FieldWarning, warnings_of
from certrules.core.explain.what_if import PossibleChange, smallest_changes
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, is_downloadable, next_publication, published_before
from certrules.core.instants import BEGINNING
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.rules import RULEBOOK, Rulebook
from certrules.core.terms import Cause, Status
from certrules.core.wording import (
    BECAUSE,
    credit,
    old_logic_decides,
    status_text,
    when,
)


class Explanation(NamedTuple):
    """One learner's certificate in one course run as of an instant, explained."""

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
    warnings: tuple[FieldWarning, ...]  # fields that were not used
    other_spellings: tuple[str, ...] = ()  # keys under which something is known, too: they differ only in spelling


def explain(
    record: Record,
    policies: Policies,
    as_of: datetime,
    *,
    published: PublishedCertificate | None = None,
    compacted_until: datetime = BEGINNING,
    rollout: RolloutState | None = None,
    rulebook: Rulebook = RULEBOOK,
    other_spellings: tuple[str, ...] = (),
) -> Explanation:
    """Explain a learner's certificate in a course run as of an instant (UTC).

    If `as_of` is now, give what was published and up to when timelines were compacted: a certificate that is retained
    although the facts do not carry it is then explained as learners see it. `rollout` is who decides in the course
    run: if the old logic does, its certificate is explained and compared with the facts. `other_spellings` are keys
    under which facts may have come that are missing here.
    """
    outcome = replay(record, policies, as_of, rulebook)
    state, retained = PublishedCertificate(outcome.certificate, pending=outcome.pending), False
    if published is not None and (rollout is None or rollout.is_live):
        live_since = rollout.live_since if rollout else BEGINNING
        state, _, retained = next_publication(published, outcome, "", compacted_until, record.timeline, live_since)
    sentence = ""
    if rollout is not None and not rollout.is_live:
        timeline = tuple(entry for entry in record.timeline if entry.at <= as_of)
        state = published_before(published or PublishedCertificate(), timeline, rollout)
        found = compare(
            record,
            policies,
            as_of,
            published=published,
            rollout=rollout,
            compacted_until=compacted_until,
            rulebook=rulebook,
        )
        sentence = f"{old_logic_decides(rollout.rollout)} {found.sentence}"
    status = state.certificate.status if state.certificate else None
    return Explanation(
        learner_id=record.learner_id,
        course_run=record.course_run,
        as_of=as_of,
        status=status,
        sentence=sentence or _status_sentence(state, outcome, retained=retained),
        certificate=state.certificate,
        pending=state.pending,
        shown=shown(state.certificate, record.timeline, as_of),
        verdicts=findings_of(record, outcome.decision),
        next_steps=next_steps_of(status, state.pending, outcome.decision),
        counterfactuals=smallest_changes(record, policies, outcome, rulebook),
        timeline=moments_of(record, policies, outcome),
        policy_version=outcome.decision.policy_version,
        warnings=warnings_of(record.timeline, as_of, outcome.decision.facts.policy),
        other_spellings=other_spellings,
    )


# --- the status, in one sentence

#: Unmet rules that the sentence about these causes names already.
_NAMED_BY_CAUSE: Mapping[Cause, frozenset[str]] = {
    Cause.INVALIDATED: frozenset({"invalidated"}),
    Cause.EXAM_REJECTED: frozenset({"invalidated"}),
    Cause.GRADE_FELL: frozenset({"not_passed"}),
}

_SET_HERE = frozenset({Status.DOWNLOADABLE, Status.NOTPASSING, Status.UNAVAILABLE, Status.UNVERIFIED})

_UNLESS: Mapping[Cause, str] = {
    Cause.GRADE_FELL: "the learner passes again or is put on the allowlist first",
    Cause.ALLOWLIST_REMOVED: "the learner is put on the allowlist or meets the other requirements first",
}


def _status_sentence(state: PublishedCertificate, outcome: Outcome, *, retained: bool) -> str:
    """Return in one sentence what the learner has, since when, and why."""
    certificate = state.certificate
    reasons = outcome.decision.reasons_text
    if certificate is None:
        return f"There is no certificate because {reasons}."
    status = status_text(certificate.status)
    now = f"it is not downloadable now because {reasons}"
    if retained:
        return f"The certificate stays {status} as it was published{_pending_clause(state.pending)}."
    if outcome.certificate is None or (is_downloadable(outcome.certificate) and not is_downloadable(certificate)):
        return f"The certificate keeps the status {status} that was published; {now}."
    last = outcome.transitions[-1]
    since = when(last.at)
    if certificate.status is Status.DOWNLOADABLE:
        sentence = f"The certificate has been {status} since {since} because {cause_text(last)}"
        if outcome.decision.unmet and state.pending is None:
            return f"{sentence}; what is unmet now does not take it away."
        return f"{sentence}{_pending_clause(state.pending)}."
    if last.cause is Cause.LABELLED and last.decision.unmet != outcome.decision.unmet:
        return f"The certificate became {status} on {since}; {now}."
    has_been = f"been {status}" if certificate.status in _SET_HERE else f'had the status "{status}"'
    sentence = (
        f"The certificate has {has_been} since {since} because {cause_text(last)}{credit(last.cause, last.actor)}"
    )
    named = last.decision.unmet if last.cause is Cause.LABELLED else _NAMED_BY_CAUSE.get(last.cause)
    return f"{sentence}." if outcome.decision.unmet == named else f"{sentence}; {now}."


def _pending_clause(pending: Pending | None) -> str:
    if pending is None:
        return ""
    because = BECAUSE[pending.cause]
    if pending.due is None:
        return f"; its revocation is held for a person to decide because {because}"
    if pending.cause is Cause.GRADE_FELL:
        because = "the grade fell to failing"
    by = credit(pending.cause, pending.actor)
    return (
        f"; its revocation has been pending since {when(pending.since)} because {because}{by}"
        f", and takes effect on {when(pending.due)} unless {_UNLESS[pending.cause]}"
    )
