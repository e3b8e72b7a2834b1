"""Explaining: a record as of an instant in plain English, for the people who answer learners' questions.

Why the certificate is or isn't there, what every rule says and which facts it looked at, who can fix what is
unmet, the smallest sets of changes that would make it downloadable, and what happened in which order.

Nothing is decided here: every answer comes from the one replay and the one decision. Instants are in UTC.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from certrules.core.comparison import compare
from certrules.core.dates import Shown, shown
from certrules.core.decision import Decision, Verdict, judge
from certrules.core.facts import Approval, Enrollment, Facts, Record, Standing
from certrules.core.guard import Published, settle
from certrules.core.policy import Policies, Policy
from certrules.core.replay import Actor, Certificate, Outcome, Pending, Transition, replay
from certrules.core.rollout import Terms, told_before
from certrules.core.rules import BY_CODE, Rule
from certrules.core.terms import AUTOMATIC, PERSON, Cause, Fact, Status, is_ccx
from certrules.core.timeline import BEGINNING, Entry, at_instant, merge
from certrules.core.wording import (
    BECAUSE,
    clause,
    credit,
    dated,
    listed,
    modes_words,
    old_logic_decides,
    on_or_off,
    reasons_in_words,
    status_words,
    when,
    words_of,
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


class Change(NamedTuple):
    """Something that could be done. `what_if` tells what comes of it."""

    code: str
    sentence: str
    who: str
    entries: tuple[Entry, ...] = ()  # what would be heard of it, just after the instant explained
    policy: Policy | None = None  # what the deployment's policy would be from then on; None: as it is


class Moment(NamedTuple):
    """Something that happened: a fact or the policy changed, or the certificate its status."""

    at: datetime  # UTC
    kind: str  # "fact", "policy" or "transition"
    sentence: str
    by: str = ""
    reason: str = ""
    event_id: str = ""


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
    counterfactuals: tuple[tuple[Change, ...], ...]
    timeline: tuple[Moment, ...]  # oldest first
    policy_version: str


class ChangedFact(NamedTuple):
    """A fact got another value."""

    name: str
    before: str  # in words
    after: str
    at: datetime  # UTC
    by: str
    reason: str
    event_id: str
    sentence: str


class ChangedVerdict(NamedTuple):
    """A rule says something else than before."""

    code: str
    before: str  # "met", "unmet" or "waived"; "not in force" if the rules themselves changed
    after: str
    sentence: str


class Difference(NamedTuple):
    """What changed between two instants: after the earlier, up to and including the later one."""

    learner_id: int
    course_run: str
    earlier: datetime  # UTC
    later: datetime  # UTC
    status_before: Status | None
    status_after: Status | None
    sentence: str
    facts: tuple[ChangedFact, ...]  # oldest first; one that changed and changed back is told twice
    transitions: tuple[Moment, ...]
    verdicts: tuple[ChangedVerdict, ...]
    policy_before: str
    policy_after: str


def explain(
    record: Record,
    policies: Policies,
    as_of: datetime,
    *,
    published: Published | None = None,
    compacted: datetime = BEGINNING,
    terms: Terms | None = None,
) -> Explanation:
    """Explain a learner's certificate in a course run as of an instant (UTC).

    `published` and `compacted` are what guard.settle takes: give them when `as_of` is now, so that a
    certificate which is kept although the facts no longer carry it is explained as learners see it. `terms` tell who
    decides in the course run: where the old logic does, its certificate is explained beside what the facts say.
    """
    outcome = replay(record, policies, as_of)
    told, kept = Published(outcome.certificate, pending=outcome.pending), False
    if published is not None and (terms is None or terms.is_live):
        live_since = terms.live_since if terms else BEGINNING
        told, _, kept = settle(published, outcome, "", compacted, record.timeline, live_since)
    sentence = ""
    if terms is not None and not terms.is_live:
        heard = tuple(entry for entry in record.timeline if entry.at <= as_of)
        told = told_before(published or Published(), heard, terms)
        found = compare(record, policies, as_of, published=published, terms=terms, compacted=compacted)
        sentence = f"{old_logic_decides(terms.rollout)} {found.sentence}"
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
        verdicts=_findings(record, outcome.decision),
        next_steps=_next_steps(status, told.pending, outcome.decision),
        counterfactuals=_counterfactuals(record, policies, outcome),
        timeline=_timeline(record, policies, outcome),
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


def _status_sentence(told: Published, outcome: Outcome, *, kept: bool) -> str:
    """Say in one sentence what the learner has, since when, and why."""
    certificate = told.certificate
    reasons = reasons_in_words(outcome.decision.unmet)
    if certificate is None:
        return f"There is no certificate because {reasons}."
    status = status_words(certificate.status)
    now = f"it is not downloadable now because {reasons}"
    if kept:
        return f"The certificate stays {status} as it was published{_pending_clause(told.pending)}."
    if outcome.certificate is None:
        return f"The certificate keeps the status {status} that was published; {now}."
    last = outcome.transitions[-1]
    since = when(last.at)
    if certificate.status is Status.DOWNLOADABLE:
        sentence = f"The certificate has been {status} since {since} because {_why(last)}"
        if outcome.decision.unmet and told.pending is None:
            return f"{sentence}; what is unmet now does not take it away."
        return f"{sentence}{_pending_clause(told.pending)}."
    if last.cause is Cause.LABELLED and last.decision.unmet != outcome.decision.unmet:
        return f"The certificate became {status} on {since}; {now}."
    has_been = f"been {status}" if certificate.status in _SET_HERE else f'had the status "{status}"'
    sentence = f"The certificate has {has_been} since {since} because {_why(last)}{credit(last)}"
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


def _why(transition: Transition) -> str:
    if transition.cause is Cause.LABELLED:
        return reasons_in_words(transition.decision.unmet)
    if transition.decision.waived and transition.cause in {Cause.EARNED, Cause.REINSTATED}:
        return f"{BECAUSE[transition.cause]} but for what the allowlist waives"
    return BECAUSE[transition.cause]


# --- what every rule says, and what it looked at

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


def _findings(record: Record, decision: Decision) -> tuple[Finding, ...]:
    sources = at_instant(record.timeline, decision.facts.as_of)
    return tuple(
        Finding(
            verdict.rule.code,
            _verdict_word(verdict),
            _verdict_sentence(verdict),
            _evidence(verdict, record, decision, sources),
        )
        for verdict in decision.verdicts()
    )


def _verdict_word(verdict: Verdict) -> str:
    return "waived" if verdict.waived else "met" if verdict.met else "unmet"


def _verdict_sentence(verdict: Verdict) -> str:
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
    words = words_of(entry, as_of)
    sentence = dated(words.event, entry.at, Actor(entry.by, entry.notes), words.detail, entry.event_id)
    return Evidence(sentence, entry.fact, entry.subject, words.value, entry.event_id, entry.at, entry.by, entry.notes)


def _eligible_modes(_record: Record, policy: Policy) -> Evidence:
    modes = modes_words(policy.eligible_modes)
    return Evidence(
        f"The policy {policy.version} makes these modes eligible: {modes}.", "policy", "eligible_modes", modes
    )


def _id_verification_terms(_record: Record, policy: Policy) -> Evidence:
    value = "not required"
    if policy.id_verification_required:
        exempt = policy.modes_without_id_verification
        value = f"required, except in these modes: {modes_words(exempt)}" if exempt.names else "required"
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


# --- who can fix it, and how

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


def _next_steps(status: Status | None, pending: Pending | None, decision: Decision) -> tuple[NextStep, ...]:
    """Return what can be done; nothing about a downloadable certificate, which no unmet rule takes away."""
    if pending is not None:
        step = _PENDING_STEPS[pending.cause]
        if pending.due is None and pending.cause in AUTOMATIC:
            step = f"{_PENDING_STEPS[Cause.NEVER_EARNED]} {step.replace('takes effect', 'is released')}"
        return (NextStep(pending.cause, step),)
    if status is Status.DOWNLOADABLE:
        return ()
    return tuple(NextStep(code, rule.remedy) for code, rule in BY_CODE.items() if code in decision.unmet)


# --- what it would take

_NEXT_INSTANT = timedelta(microseconds=1)  # so that what is dated at the instant explained has happened already

_USUAL_MODES = ("verified", "professional", "honor", "no-id-professional")


def counterfactuals(record: Record, policies: Policies, as_of: datetime) -> tuple[tuple[Change, ...], ...]:
    """Return all smallest sets of changes that would make it downloadable, those of the fewest changes first.

    A set is smallest if no part of it is enough. There is none if the certificate is downloadable as of the
    instant (UTC), or if no mode is known to be eligible.
    """
    return _counterfactuals(record, policies, replay(record, policies, as_of))


def possible_changes(record: Record, policies: Policies, as_of: datetime) -> tuple[Change, ...]:
    """Return every change that `what_if` knows to make to a record as of an instant (UTC), needed or not."""
    facts = replay(record, policies, as_of).decision.facts
    now = as_of + _NEXT_INSTANT
    deployed = next((policy for since, policy in reversed(policies) if since <= as_of), policies[0][1])
    named = sorted(facts.policy.eligible_modes.names | facts.policy.modes_without_id_verification.names)
    modes = (_mode_change(facts, mode, now) for mode in dict.fromkeys((*_USUAL_MODES, "audit", *named)))
    undone = ("fail", "The learner fails the course run.", "the platform", Fact.PASSING, "", False)
    invalidated = ("invalidate", "The certificate is invalidated.", "support", Fact.INVALIDATION, PERSON, True)
    unlisted = ("unlist", "The allowlist entry is removed.", "support", Fact.ALLOWLIST, "", False)
    others = tuple(
        Change(code, sentence, who, (Entry(now, f"what-if:{code}", fact, subject, value, "what-if"),))
        for code, sentence, who, fact, subject, value in (undone, invalidated, unlisted)
    )
    renamed = tuple(change._replace(code=f"mode:{change.entries[0].value.mode}") for change in modes)
    return (*_changes(facts, deployed, now), *others, *renamed)


def what_if(record: Record, policies: Policies, as_of: datetime, changes: Iterable[Change]) -> Outcome:
    """Return what the record as of an instant (UTC) amounts to just after these changes, and nothing else."""
    now = as_of + _NEXT_INSTANT
    changes = tuple(changes)
    heard = tuple(entry for entry in record.timeline if entry.at <= as_of)
    timeline = merge(heard, (entry for change in changes for entry in change.entries))
    past = policies[:1] + tuple(dated for dated in policies[1:] if dated[0] <= as_of)
    changed = tuple((now, change.policy) for change in changes if change.policy is not None)
    return replay(replace(record, timeline=timeline), past + changed, now)


def _counterfactuals(record: Record, policies: Policies, outcome: Outcome) -> tuple[tuple[Change, ...], ...]:
    """Search the sets of changes by the one decision. Modes exclude each other: each is tried by itself."""
    if outcome.status is Status.DOWNLOADABLE:
        return ()
    facts = outcome.decision.facts
    now = facts.as_of + _NEXT_INSTANT
    sources = at_instant(record.timeline, facts.as_of).values()
    deployed = next((policy for since, policy in reversed(policies) if since <= facts.as_of), policies[0][1])

    def after(changes: Iterable[Change]) -> Facts:
        standing = Standing(record, deployed)
        for entry in sources:
            standing.tell(entry)
        for change in changes:
            for entry in change.entries:
                standing.tell(entry)
            if change.policy is not None:
                standing.adopt(change.policy)
        return standing.at(now)

    def suffices(changes: Iterable[Change]) -> bool:
        return not judge(after(changes)).unmet

    offered = {after(()): Change("", "", "")}  # of changes that come to the same, or to nothing, only the first
    for change in _changes(facts, deployed, now):
        offered.setdefault(after((change,)), change)
    changes = tuple(offered.values())[1:]
    found = [enough for mode in _mode_changes(facts, now) for enough in _smallest((*mode, *changes), suffices)]
    return tuple(sorted(found, key=len))


def _smallest(
    offered: tuple[Change, ...], suffices: Callable[[Iterable[Change]], bool]
) -> Iterator[tuple[Change, ...]]:
    """Find the smallest sufficient sets. More never does harm, so what all need is set apart first."""
    needed = [change for change in offered if not suffices(other for other in offered if other is not change)]
    choice = [change for change in offered if change not in needed]
    found: list[set[str]] = []
    for size in range(len(choice) + 1):
        for chosen in combinations(choice, size):
            codes = {change.code for change in chosen}
            if not any(smaller <= codes for smaller in found) and suffices((*needed, *chosen)):
                found.append(codes)
                yield tuple(change for change in offered if change in needed or change in chosen)


def _mode_changes(facts: Facts, now: datetime) -> tuple[tuple[Change, ...], ...]:
    """Return the changes of mode to try, each in a tuple: only an empty one if the mode is eligible as it is.

    Of the modes that lead to the same further demands only the most usual is offered.
    """
    if not judge(facts).unmet & {"not_enrolled", "mode_not_eligible"}:
        return ((),)
    policy = facts.policy
    named = sorted(policy.eligible_modes.names | policy.modes_without_id_verification.names)
    offered: dict[frozenset[str], tuple[Change, ...]] = {}
    for mode in (*_USUAL_MODES, *named):
        unmet = judge(facts._replace(mode=mode)).unmet
        if "mode_not_eligible" not in unmet:
            offered.setdefault(unmet, (_mode_change(facts, mode, now),))
    return tuple(offered.values())


def _mode_change(facts: Facts, mode: str, now: datetime) -> Change:
    code, does = ("enroll", "enrolls in") if facts.mode is None else ("change_mode", "changes to")
    entry = Entry(now, f"what-if:{code}", Fact.ENROLLMENT, "", Enrollment(mode, active=True))
    return Change(code, f"The learner {does} {mode} mode.", "the learner or support", (entry,))


def _changes(facts: Facts, deployed: Policy, now: datetime) -> Iterator[Change]:
    """Return what else could be done for a certificate, whether or not it is needed."""
    for code, sentence, who, fact, subject, value in _POSSIBLE:
        yield Change(code, sentence, who, (Entry(now, f"what-if:{code}", fact, subject, value),))
    for exam in sorted(facts.invalidations - {PERSON}):
        code, sentence = (
            f"reset_exam:{exam}",
            f"The rejected attempt at the exam {exam} is verified or reset.",
        )
        entry = Entry(now, f"what-if:{code}", Fact.INVALIDATION, exam, value=False)
        yield Change(code, sentence, "the exam team", (entry,))
    sentence = "Web certificates are switched on for the whole deployment."
    policy = _with_web_certificates(deployed)
    yield Change("web_certificates_on_instance", sentence, "an operator", policy=policy)


_POSSIBLE: tuple[tuple[str, str, str, Fact, str, Any], ...] = (
    ("pass", "The learner passes the course run.", "the learner", Fact.PASSING, "", True),
    (
        "verify_id",
        "The learner verifies their ID.",
        "the learner",
        Fact.ID_VERIFICATION,
        "what-if",
        Approval(None),
    ),
    ("allowlist", "An allowlist entry is added.", "support", Fact.ALLOWLIST, "", True),
    ("lift_invalidation", "The invalidation is lifted.", "support", Fact.INVALIDATION, PERSON, False),
    (
        "remove_beta_tester",
        "The beta tester role is removed.",
        "the course team",
        Fact.BETA_TESTER,
        "",
        False,
    ),
    (
        "configure_course_run",
        "The configuration of the course run is received.",
        "the course team or an operator",
        Fact.COURSE_RUN,
        "",
        True,
    ),
    (
        "web_certificates_on_course_run",
        "Web certificates are switched on for the course run.",
        "the course team",
        Fact.COURSE_RUN,
        "web_certificates_enabled",
        True,
    ),
)


@lru_cache(maxsize=64)
def _with_web_certificates(policy: Policy) -> Policy:
    """Return the very same policy for the same one, so that decisions by it can be told to be the same."""
    if policy.web_certificates:
        return policy
    return replace(policy, version=f"{policy.version}+web-certificates", web_certificates=True)


# --- what happened


class _Turn(NamedTuple):
    """A fact got another value: by an entry, or because an ID verification ran out."""

    at: datetime
    entry: Entry
    before: Entry | None
    expired: bool = False


def _turns(record: Record, until: datetime) -> list[_Turn]:
    """Return every change of a fact up to and including an instant, oldest first. Repeated words are none."""
    current: dict[tuple[Fact, str], Entry] = {}
    turns: list[_Turn] = []
    for entry in record.timeline:
        if entry.at > until:
            break
        line = (entry.fact, entry.subject)
        before = current.get(line)
        if before is None or before.value != entry.value or entry.fact is Fact.REVOCATION:
            turns += _expiry(before, entry.at, inclusive=False)
            turns.append(_Turn(entry.at, entry, before))
            current[line] = entry
    for entry in current.values():
        turns += _expiry(entry, until, inclusive=True)
    return sorted(turns, key=lambda turn: turn.at)


def _expiry(entry: Entry | None, until: datetime, *, inclusive: bool) -> list[_Turn]:
    """Return the running out of an ID verification that stood until an instant, if it did run out."""
    if entry is None or not isinstance(entry.value, Approval):
        return []
    ends = entry.value.expires_at
    if ends is None or not entry.at < ends <= until or (ends == until and not inclusive):
        return []
    return [_Turn(ends, entry, entry, expired=True)]


def _timeline(record: Record, policies: Policies, outcome: Outcome) -> tuple[Moment, ...]:
    """Interleave what was heard, what policy came into force, and what the certificate did."""
    as_of = outcome.decision.facts.as_of
    moments = [_moment_of_turn(turn) for turn in _turns(record, as_of)]
    moments += [
        Moment(since, "policy", dated(f"Policy {policy.version} came into force", since))
        for since, policy in policies[1:]
        if since <= as_of
    ]
    moments += [_moment_of_transition(transition) for transition in outcome.transitions]
    return tuple(sorted(moments, key=lambda moment: moment.at))  # stable: facts before what comes of them


def _moment_of_turn(turn: _Turn) -> Moment:
    entry = turn.entry
    words = words_of(entry, turn.at)
    if turn.expired:
        sentence = dated(f"{words.name} expired", turn.at, event_id=entry.event_id)
        return Moment(turn.at, "fact", sentence, event_id=entry.event_id)
    sentence = dated(words.event, turn.at, Actor(entry.by, entry.notes), words.detail, entry.event_id)
    return Moment(turn.at, "fact", sentence, entry.by, entry.notes, entry.event_id)


def _moment_of_transition(transition: Transition) -> Moment:
    actor = transition.actor
    what = f"Certificate set to {status_words(transition.status)}"
    sentence = dated(what, transition.at, actor, f": {_why(transition)}")
    return Moment(transition.at, "transition", sentence, actor.by, actor.reason)


def changed(record: Record, policies: Policies, earlier: datetime, later: datetime) -> Difference:
    """Return what changed between two instants (UTC). Raises ValueError if the earlier is after the later."""
    if earlier > later:
        raise ValueError(f"{when(earlier)} is after {when(later)}")
    before, after = replay(record, policies, earlier), replay(record, policies, later)
    return Difference(
        learner_id=record.learner_id,
        course_run=record.course_run,
        earlier=earlier,
        later=later,
        status_before=before.status,
        status_after=after.status,
        sentence=_difference_sentence(before.status, after.status, earlier, later),
        facts=tuple(_changed_fact(turn) for turn in _turns(record, later) if turn.at > earlier),
        transitions=tuple(_moment_of_transition(item) for item in after.transitions if item.at > earlier),
        verdicts=_changed_verdicts(before.decision, after.decision),
        policy_before=before.decision.policy_version,
        policy_after=after.decision.policy_version,
    )


def _difference_sentence(before: Status | None, after: Status | None, earlier: datetime, later: datetime) -> str:
    span = f"Between {when(earlier)} and {when(later)}"
    if before is after:
        return f"{span} the status stayed the same: {status_words(after)}."
    return f"{span} the status changed from {status_words(before)} to {status_words(after)}."


def _changed_fact(turn: _Turn) -> ChangedFact:
    entry = turn.entry
    words = words_of(entry, turn.at)
    before = words_of(turn.before, turn.before.at).value if turn.before else "nothing received"
    actor = Actor() if turn.expired else Actor(entry.by, entry.notes)
    change = f'{words.name}: from "{before}" to "{words.value}"'
    sentence = dated(change, turn.at, actor, event_id=entry.event_id)
    return ChangedFact(words.name, before, words.value, turn.at, actor.by, actor.reason, entry.event_id, sentence)


def _changed_verdicts(before: Decision, after: Decision) -> tuple[ChangedVerdict, ...]:
    old = {verdict.rule.code: _verdict_word(verdict) for verdict in before.verdicts()}
    return tuple(
        ChangedVerdict(verdict.rule.code, was, _verdict_word(verdict), _verdict_sentence(verdict))
        for verdict in after.verdicts()
        if (was := old.get(verdict.rule.code, "not in force")) != _verdict_word(verdict)
    )


# --- as text and JSON

_RESTS_ON: Mapping[str, str] = {
    "date_override": "set by a date override",
    "available_date": "the course run's available date",
    "course_end": "the end of the course run",
    "issued_at": "the day of issue",
}


def as_text(explanation: Explanation, *, brief: bool = False) -> str:
    """Write an explanation as lines of plain text, the last one ended too; a brief one without what it rests on."""
    downloadable = explanation.status is Status.DOWNLOADABLE
    wanted = "What would make the facts carry it" if downloadable else "What would make it downloadable"
    lines = [
        f"Learner {explanation.learner_id} in {explanation.course_run}",
        f"As of {when(explanation.as_of)}, by the policy {explanation.policy_version}",
        "",
        explanation.sentence,
        *_shown_lines(explanation),
        *_block("What can be done", [f"- {step.sentence}" for step in explanation.next_steps]),
        *_block(wanted, [f"- {_changes_words(changes)}" for changes in explanation.counterfactuals]),
    ]
    if not brief:
        findings = [line for item in explanation.verdicts for line in _finding_lines(item)]
        lines += _block("What each rule says", findings)
        lines += _block("What happened", [moment.sentence for moment in explanation.timeline])
    return "\n".join(lines) + "\n"


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _shown_lines(explanation: Explanation) -> list[str]:
    date, rests_on, visible_from = explanation.shown
    if date is None:
        return []
    visible = "learners don't see it yet because the date that it waits for is unknown"
    if visible_from is not None:
        has_begun = visible_from <= explanation.as_of
        visible = f"learners {'have seen it since' if has_begun else 'will see it from'} {when(visible_from)}"
    return [f"It shows the date {when(date)} ({_RESTS_ON[rests_on]}); {visible}."]


def _finding_lines(finding: Finding) -> list[str]:
    return [
        f"{finding.verdict:<6}  {finding.sentence}",
        *(f"        {evidence.sentence}" for evidence in finding.evidence),
    ]


def _changes_words(changes: tuple[Change, ...]) -> str:
    return listed([f"{clause(change.sentence)} ({change.who})" for change in changes])


def as_json(explanation: Explanation | Difference) -> dict[str, Any]:
    """Return it as JSON has it: the fields by their names, instants as ISO 8601 with `Z`.

    A change that could be done is told by its code, its sentence and who can do it.
    """
    body: dict[str, Any] = _plain(explanation)
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Change):
        return {"code": value.code, "sentence": value.sentence, "who": value.who}
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        items = [_plain(item) for item in value]
        return items if fields is None else dict(zip(fields, items, strict=True))
    return str(value) if isinstance(value, str) else value
