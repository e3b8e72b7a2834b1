"""Comparison: a learner's certificate by the facts alone and by the old logic, and what going live would change.

The replay that decides starts from recorded certificates. Here they are left out, so that each of the two logics is
judged by its own result for the same facts.
"""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

from certrules.core.certificate import Certificate, Outcome
from certrules.core.decision import Decision
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, is_downloadable, next_publication, published_before
from certrules.core.instants import BEGINNING
from certrules.core.old_statuses import OLD_STATUSES, Withheld
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.rollout import RolloutState
from certrules.core.rules import RULEBOOK, Rulebook
from certrules.core.terms import PERSON, Cause, Rollout, Status
from certrules.core.timeline import Timeline, at_instant
from certrules.core.wording import BECAUSE, listed, status_text, when

ISSUED_WITHIN = timedelta(hours=1)
"""The old logic dates a certificate when it was made, not when it was earned. Within this time the dates agree."""

_GRADE_LENGTH = 5
"""The platform stores so many characters of a grade: 0.84999 may be cut to 0.849."""

_PERCENT_DECIMALS = 2
"""The platform rounds to whole percents."""


class Kind(StrEnum):
    """How the certificates of the two logics compare, the gravest difference first."""

    WITHHELD = "withheld"
    CONTRADICTION = "contradiction"
    NO_OPINION = "no_opinion"
    WOULD_REVOKE = "would_revoke"
    WOULD_ISSUE = "would_issue"
    LABEL = "label"
    ID = "id"
    MODE_OR_GRADE = "mode_or_grade"
    DATE = "date"
    GRADE_MISSING = "grade_missing"
    AGREE = "agree"


KINDS: dict[Kind, str] = {
    Kind.WITHHELD: "Withheld by the old logic (restricted, deleted, error, ...), for no reason that the facts contain.",
    Kind.CONTRADICTION: "The old logic's record contradicts itself or the facts.",
    Kind.NO_OPINION: "A core fact is unknown here, so there is nothing to compare with.",
    Kind.WOULD_REVOKE: "Downloadable by the old logic, and not by the facts.",
    Kind.WOULD_ISSUE: "Downloadable by the facts, and not by the old logic.",
    Kind.LABEL: "Not downloadable by either; only the label differs.",
    Kind.ID: "Downloadable by both, under another id.",
    Kind.MODE_OR_GRADE: "Downloadable by both; only the mode or the grade differs.",
    Kind.DATE: "Downloadable by both; only a date differs.",
    Kind.GRADE_MISSING: "Both agree, but the old logic has no grade, and the facts do.",
    Kind.AGREE: "Both agree.",
}

AGREEING = frozenset({Kind.AGREE, Kind.GRADE_MISSING})
"""The classes that count as agreement: that the old logic stored no grade contradicts nothing."""


class Effect(StrEnum):
    """How going live would change the certificate that a learner has."""

    NONE = "none"
    ISSUE = "issue"
    LABEL = "label"
    DETAILS = "details"  # its status and its id stay
    HOLD = "hold"  # it stays, and a person decides on its revocation
    PENDING = "pending"  # it stays until its revocation is due


_EFFECTS = {
    Effect.NONE: "going live changes nothing",
    Effect.ISSUE: "going live issues it",
    Effect.LABEL: "going live changes the label",
    Effect.DETAILS: "going live changes its mode, grade or dates, and no status",
    Effect.HOLD: "going live keeps it, and holds its revocation until a person decides",
    Effect.PENDING: "going live keeps it until its pending revocation is due",
}


class DifferingField(NamedTuple):
    """A field on which the two logics differ; "" where one has no value."""

    field: str
    theirs: str
    ours: str


class Comparison(NamedTuple):
    """How the certificates of the two logics compare."""

    kind: Kind
    effect: Effect
    differences: tuple[DifferingField, ...]
    reasons: tuple[str, ...]  # codes
    sentence: str
    certificate: bool  # whether either has one
    recorded: bool  # whether a certificate of the old logic is recorded: without one there is nothing to compare with


def compare(
    record: Record,
    policies: Policies,
    as_of: datetime,
    *,
    published: PublishedCertificate | None = None,
    rollout: RolloutState | None = None,
    compacted_until: datetime = BEGINNING,
    rulebook: Rulebook = RULEBOOK,
) -> Comparison:
    """Compare the outcome of the facts as of an instant (UTC) with the last certificate of the old logic.

    `published` is the certificate that this service published last, and `rollout` who decides in the course run. Where
    this service decides, only recorded certificates are compared, and going live changes nothing.
    """
    published, rollout = published or PublishedCertificate(), rollout or RolloutState(Rollout.SHADOW, BEGINNING)
    timeline = tuple(entry for entry in record.timeline if entry.at <= as_of)
    own = PublishedCertificate() if rollout.is_live else published
    theirs = published_before(own, timeline, RolloutState(Rollout.SHADOW, BEGINNING))
    facts_only = tuple(entry for entry in timeline if entry.fact is not Fact.RECORDED)
    ours = replay(Record(record.learner_id, record.course_run, facts_only), policies, as_of, rulebook)
    effect = Effect.NONE
    if not rollout.is_live:
        effect = _effect(theirs, replay(record, policies, as_of, rulebook), timeline, compacted_until, as_of)
    kind, reasons, differences = _compared(theirs, ours, timeline, published, effect)
    sentence = _sentence(theirs.certificate, ours, (kind, reasons, differences), effect)
    exists = theirs.certificate is not None or ours.certificate is not None
    recorded = len(facts_only) < len(timeline)
    return Comparison(kind, effect, differences, reasons, sentence, exists, recorded)


def _effect(
    theirs: PublishedCertificate, outcome: Outcome, timeline: Timeline, compacted_until: datetime, live_since: datetime
) -> Effect:
    after = next_publication(theirs, outcome, "new", compacted_until, timeline, live_since)
    pending = after.published.pending
    if is_downloadable(theirs.certificate) and (after.new_transitions or pending is not None):
        return Effect.PENDING if pending is not None and pending.due is not None else Effect.HOLD
    if not after.new_transitions:
        return Effect.NONE if _look_the_same(theirs.certificate, after.published.certificate) else Effect.DETAILS
    return Effect.ISSUE if is_downloadable(after.published.certificate) else Effect.LABEL


def _look_the_same(before: Certificate | None, after: Certificate | None) -> bool:
    """Whether a learner would see the same certificate, given that its status and its id stay."""
    if before is None or after is None or before.issued_at is None or after.issued_at is None:
        return before is None or after is None or before[1:3] == after[1:3]
    return before[1:3] == after[1:3] and _is_same_date(before.issued_at, after.issued_at)


type _Compared = tuple[Kind, tuple[str, ...], tuple[DifferingField, ...]]


def _compared(
    published_theirs: PublishedCertificate,
    ours: Outcome,
    timeline: Timeline,
    published: PublishedCertificate,
    effect: Effect,
) -> _Compared:
    theirs = published_theirs.certificate
    status = _status(theirs, ours)
    their_status = theirs.status if theirs else None
    differences = [] if status is their_status else [DifferingField("status", their_status or "", status or "")]
    if theirs is not None and ours.certificate is not None and status is their_status is Status.DOWNLOADABLE:
        differences += _differences(theirs, ours.certificate, timeline, published)
    found = tuple(differences)
    if their_status is not None and _is_withheld(their_status, ours, effect):
        return Kind.WITHHELD, (their_status,), found
    if contradictions := _contradictions(published_theirs, ours.decision, timeline):
        return Kind.CONTRADICTION, contradictions, found
    unmet = tuple(sorted(ours.decision.unmet))
    if status is not their_status:
        if status is Status.DOWNLOADABLE:
            return Kind.WOULD_ISSUE, ((ours.pending or ours.transitions[-1]).cause,), found
        if unmet and set(unmet) <= _unknown(ours.decision, timeline):
            return Kind.NO_OPINION, unmet, found
        return (Kind.WOULD_REVOKE if their_status is Status.DOWNLOADABLE else Kind.LABEL), unmet, found
    fields = tuple(difference.field for difference in found)
    for kind, concerned in _KINDS_BY_FIELD:
        if concerned & set(fields):
            return kind, fields, found
    return Kind.AGREE, (), found


def _is_withheld(their_status: Status, ours: Outcome, effect: Effect) -> bool:
    """Whether the old logic withheld the certificate for a reason that the facts do not contain, or act against."""
    withheld, is_invalidated = OLD_STATUSES[their_status].withheld, "invalidated" in ours.decision.unmet
    if effect is Effect.ISSUE and is_invalidated:
        return True
    is_issued = effect is Effect.ISSUE or ours.status is Status.DOWNLOADABLE
    is_wanted = withheld is Withheld.ALWAYS or (withheld is Withheld.IF_ISSUED and is_issued)
    return is_wanted and not is_invalidated


_DATES = ("issued_at", "first_issued_at")
_KINDS_BY_FIELD = (
    (Kind.ID, {"id"}),
    (Kind.MODE_OR_GRADE, {"mode", "grade"}),
    (Kind.DATE, set(_DATES)),
    (Kind.GRADE_MISSING, {"grade_missing"}),
)


def _status(theirs: Certificate | None, ours: Outcome) -> Status | None:
    """Return the status by the facts; where the facts would not have made a certificate, of the one that there is."""
    if ours.certificate is not None or theirs is None:
        return ours.status
    if theirs.status is Status.DOWNLOADABLE:
        return ours.decision.judgement.label_if_exists
    return ours.decision.judgement.label_if_exists or theirs.status


def _differences(
    theirs: Certificate, ours: Certificate, timeline: Timeline, published: PublishedCertificate
) -> list[DifferingField]:
    """Return on what two certificates differ that are both downloadable."""
    found = []
    recorded = [entry.value.certificate_id for entry in timeline if entry.fact is Fact.RECORDED]
    their_id = next((name for name in reversed(recorded) if name), "")
    our_id = published.certificate.certificate_id if published.certificate else ""
    if their_id and our_id and their_id != our_id:
        found.append(DifferingField("id", their_id, our_id))
    if theirs.mode and theirs.mode != ours.mode:
        found.append(DifferingField("mode", theirs.mode, ours.mode))
    if ours.grade and not is_same_grade(theirs.grade, ours.grade):
        name = "grade" if theirs.grade.strip() else "grade_missing"
        found.append(DifferingField(name, theirs.grade, ours.grade))
    dates: list[tuple[str, Any, Any]] = [(name, getattr(theirs, name), getattr(ours, name)) for name in _DATES]
    for name, one, other in dates:
        # An earlier first date is no difference: the platform made the row when the certificate first had a label.
        if not _is_same_date(one, other) and (one > other or name == "issued_at"):
            found.append(DifferingField(name, when(one), when(other)))
    return found


def _is_same_date(one: datetime, other: datetime) -> bool:
    """Whether two instants are the same to whoever reads the date: of one day (UTC), or within ISSUED_WITHIN."""
    return one.date() == other.date() or abs(one - other) <= ISSUED_WITHIN


def is_same_grade(theirs: str, ours: str) -> bool:
    """Whether a grade as the platform stores it is the same as one that is known here as a fraction of one.

    The platform rounds to whole percents and stores five characters: 0.8499999 may be 0.85, 0.8499 or 0.849 there.
    """
    try:
        one, other = Decimal(theirs.strip()), Decimal(ours)
        digits = max(_PERCENT_DECIMALS, -int(one.as_tuple().exponent))
        unit = Decimal(1).scaleb(-digits)
        if one == other or one == other.quantize(unit, ROUND_HALF_UP):
            return True
        return len(theirs.strip()) == _GRADE_LENGTH and one == other.quantize(unit, ROUND_DOWN)
    except (InvalidOperation, ValueError):  # a letter, or no number
        return theirs.strip() == ours


def _contradictions(theirs: PublishedCertificate, decision: Decision, timeline: Timeline) -> tuple[str, ...]:
    """Return the contradictions in the certificate of the old logic, as codes."""
    certificate = theirs.certificate
    if certificate is None or theirs.transitions[-1].cause is not Cause.RECORDED:
        return ()
    found = []
    modes = {entry.value.mode for entry in timeline if entry.fact is Fact.ENROLLMENT}
    if certificate.mode and modes and certificate.mode not in modes:
        found.append("mode_never_held")
    if certificate.status is Status.DOWNLOADABLE:
        then = at_instant(timeline, theirs.transitions[-1].at)
        active = {subject for (fact, subject), entry in then.items() if fact is Fact.INVALIDATION and entry.value}
        counted = {PERSON} if decision.facts.allowlisted else decision.facts.invalidations
        if active & decision.facts.invalidations & counted:
            found.append("downloadable_while_invalidated")
    last = next(entry.value for entry in reversed(timeline) if entry.fact is Fact.RECORDED)
    if last.created is not None and last.modified is not None and last.modified < last.created:
        found.append("modified_before_created")
    return tuple(found)


def _unknown(decision: Decision, timeline: Timeline) -> set[str]:
    """Return the codes of the rules that are unmet because a core fact was never received."""
    received = {entry.fact for entry in timeline}
    return {
        rule.code
        for rule in decision.edition.rules
        if rule.unknown_without is not None and rule.unknown_without not in received
    }


# --- wording

_CONTRADICTIONS = {
    "mode_never_held": "its mode is one that the learner never had",
    "downloadable_while_invalidated": "it was downloadable while an invalidation was active",
    "modified_before_created": "it was modified before it was created",
}


def _sentence(theirs: Certificate | None, ours: Outcome, compared: _Compared, effect: Effect) -> str:
    kind, codes, differences = compared
    has = f"The old logic has {_named(theirs)}"
    reasons = ours.decision.reasons_text
    status = next((item.ours for item in differences if item.field == "status"), None)
    if kind is Kind.WITHHELD and theirs is not None:
        has = f"The old logic has a certificate with status {theirs.status}: it {OLD_STATUSES[theirs.status].meaning}"
    is_ours = ours.status is Status.DOWNLOADABLE and kind in {Kind.WITHHELD, Kind.WOULD_ISSUE}
    if kind is Kind.CONTRADICTION:
        text = f"{has}, but {listed([_CONTRADICTIONS[code] for code in codes])}"
    elif kind is Kind.NO_OPINION:
        text = f"{has}; the facts known here can't tell, because {reasons}"
    elif is_ours and ours.pending is not None:
        due = "a person decides" if ours.pending.due is None else when(ours.pending.due)
        text = f"{has}; by the facts its revocation is pending until {due} because {BECAUSE[ours.pending.cause]}"
    elif is_ours:
        last = ours.transitions[-1]
        text = f"{has}; by the facts it is downloadable since {when(last.at)} because {BECAUSE[last.cause]}"
    elif kind is Kind.WITHHELD:
        text = f"{has}; by the facts alone it is not earned because {reasons}"
    elif status is not None:
        by_the_facts = f"it is {status_text(Status(status))}" if status else "there is none"
        text = f"{has}; by the facts {by_the_facts} because {reasons}"
    elif kind is Kind.AGREE:
        text = f"{has}, and so do the facts"
    else:
        fields = [
            f"{_FIELDS[item.field]} {item.theirs or 'unknown'} there and {item.ours} here" for item in differences
        ]
        text = f"{has}, and so do the facts, but {listed(fields)}"
    later = kind is Kind.WITHHELD and effect is not Effect.ISSUE
    return f"{text}; {_EFFECTS[effect]}{', and the facts decide from then on' if later else ''}."


_FIELDS = {
    "id": "the id",
    "mode": "the mode",
    "grade": "the grade",
    "grade_missing": "the grade",
    "issued_at": "the date",
    "first_issued_at": "the first date",
}


def _named(certificate: Certificate | None) -> str:
    if certificate is None:
        return "no certificate"
    return f"a certificate that is {status_text(certificate.status)}"
