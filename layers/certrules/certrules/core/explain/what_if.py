"""What would change a case: possible changes, their outcome, and the smallest sets that suffice."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from certrules.core.certificate import Outcome
from certrules.core.decision import Decision, judge
from certrules.core.fact_types import Approval, Enrollment, Fact
from certrules.core.facts import CurrentFacts, Facts, Record
from certrules.core.policy import Policies, Policy
from certrules.core.replay import replay
from certrules.core.rules import RULEBOOK, Rulebook
from certrules.core.terms import PERSON, Status
from certrules.core.timeline import Entry, merge


class PossibleChange(NamedTuple):
    """A change that could be made. `what_if` returns its outcome."""

    code: str
    sentence: str
    who: str
    entries: tuple[Entry, ...] = ()  # the entries that it would bring, just after the instant explained
    policy: Policy | None = None  # what the deployment's policy would be from then on; None: as it is


_NEXT_INSTANT = timedelta(microseconds=1)  # changes come after the entries of the instant explained


_USUAL_MODES = ("verified", "professional", "honor", "no-id-professional")


def counterfactuals(record: Record, policies: Policies, as_of: datetime) -> tuple[tuple[PossibleChange, ...], ...]:
    """Return all smallest sets of changes that would make it downloadable, those of the fewest changes first.

    A set is smallest if no part of it is enough. There is none if the certificate is downloadable as of the
    instant (UTC), or if no mode is known to be eligible.
    """
    return smallest_changes(record, policies, replay(record, policies, as_of))


def possible_changes(record: Record, policies: Policies, as_of: datetime) -> tuple[PossibleChange, ...]:
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
        PossibleChange(code, sentence, who, (Entry(now, f"what-if:{code}", fact, subject, value, "what-if"),))
        for code, sentence, who, fact, subject, value in (undone, invalidated, unlisted)
    )
    renamed = tuple(change._replace(code=f"mode:{change.entries[0].value.mode}") for change in modes)
    return (*_changes(facts, deployed, now), *others, *renamed)


def what_if(record: Record, policies: Policies, as_of: datetime, changes: Iterable[PossibleChange]) -> Outcome:
    """Return the outcome for the record as of an instant (UTC) just after these changes. Later entries are left out."""
    now = as_of + _NEXT_INSTANT
    changes = tuple(changes)
    known = tuple(entry for entry in record.timeline if entry.at <= as_of)
    timeline = merge(known, (entry for change in changes for entry in change.entries))
    past = policies[:1] + tuple(dated for dated in policies[1:] if dated[0] <= as_of)
    changed = tuple((now, change.policy) for change in changes if change.policy is not None)
    return replay(record._replace(timeline=timeline), past + changed, now)


def smallest_changes(
    record: Record, policies: Policies, outcome: Outcome, rulebook: Rulebook = RULEBOOK
) -> tuple[tuple[PossibleChange, ...], ...]:
    """Search the sets of changes by the one decision. Modes exclude each other, so each is tried without the others."""
    if outcome.status is Status.DOWNLOADABLE:
        return ()
    facts = outcome.decision.facts
    now = facts.as_of + _NEXT_INSTANT
    edition = rulebook.at(now)
    deployed = next((policy for since, policy in reversed(policies) if since <= facts.as_of), policies[0][1])

    known = CurrentFacts(record, deployed)
    for entry in record.timeline:
        if entry.at <= facts.as_of:
            known.apply(entry)

    def after(changes: Iterable[PossibleChange]) -> Facts:
        current = known.copy()
        for change in changes:
            for entry in change.entries:
                current.apply(entry)
            if change.policy is not None:
                current.set_policy(change.policy)
        return current.at(now)

    def suffices(changes: Iterable[PossibleChange]) -> bool:
        return not judge(after(changes), edition).unmet

    offered = {
        after(()): PossibleChange("", "", "")
    }  # of changes with one result only the first, and none without effect
    for change in _changes(facts, deployed, now):
        offered.setdefault(after((change,)), change)
    changes = tuple(offered.values())[1:]
    modes = _mode_changes(outcome.decision, now)
    found = [enough for mode in modes for enough in _smallest((*mode, *changes), suffices)]
    return tuple(sorted(found, key=len))


def _smallest(
    offered: tuple[PossibleChange, ...], suffices: Callable[[Iterable[PossibleChange]], bool]
) -> Iterator[tuple[PossibleChange, ...]]:
    """Find the smallest sufficient sets. A change never does harm, so those that every set needs are found first."""
    needed = [change for change in offered if not suffices(other for other in offered if other is not change)]
    choice = [change for change in offered if change not in needed]
    found: list[set[str]] = []
    for size in range(len(choice) + 1):
        for chosen in combinations(choice, size):
            codes = {change.code for change in chosen}
            if not any(smaller <= codes for smaller in found) and suffices((*needed, *chosen)):
                found.append(codes)
                yield tuple(change for change in offered if change in needed or change in chosen)


def _mode_changes(decision: Decision, now: datetime) -> tuple[tuple[PossibleChange, ...], ...]:
    """Return the changes of mode to try, each in a tuple: only an empty one if the mode is eligible as it is.

    Of the modes that leave the same rules unmet only the most usual is offered.
    """
    if not decision.unmet & {"not_enrolled", "mode_not_eligible"}:
        return ((),)
    facts, policy = decision.facts, decision.facts.policy
    named = sorted(policy.eligible_modes.names | policy.modes_without_id_verification.names)
    offered: dict[frozenset[str], tuple[PossibleChange, ...]] = {}
    for mode in (*_USUAL_MODES, *named):
        unmet = judge(facts._replace(mode=mode), decision.edition).unmet
        if "mode_not_eligible" not in unmet:
            offered.setdefault(unmet, (_mode_change(facts, mode, now),))
    return tuple(offered.values())


def _mode_change(facts: Facts, mode: str, now: datetime) -> PossibleChange:
    code, does = ("enroll", "enrolls in") if facts.mode is None else ("change_mode", "changes to")
    entry = Entry(now, f"what-if:{code}", Fact.ENROLLMENT, "", Enrollment(mode, active=True))
    return PossibleChange(code, f"The learner {does} {mode} mode.", "the learner or support", (entry,))


def _changes(facts: Facts, deployed: Policy, now: datetime) -> Iterator[PossibleChange]:
    """Return what else could be done for a certificate, whether or not it is needed."""
    for code, sentence, who, fact, subject, value in _POSSIBLE:
        yield PossibleChange(code, sentence, who, (Entry(now, f"what-if:{code}", fact, subject, value),))
    for exam in sorted(facts.invalidations - {PERSON}):
        code, sentence = (
            f"reset_exam:{exam}",
            f"The rejected attempt at the exam {exam} is verified or reset.",
        )
        entry = Entry(now, f"what-if:{code}", Fact.INVALIDATION, exam, value=False)
        yield PossibleChange(code, sentence, "the exam team", (entry,))
    sentence = "Web certificates are switched on for the whole deployment."
    policy = _with_web_certificates(deployed)
    yield PossibleChange("web_certificates_on_instance", sentence, "an operator", policy=policy)


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
    """Return the same object for the same policy: policies are compared by identity."""
    if policy.web_certificates:
        return policy
    return replace(policy, version=f"{policy.version}+web-certificates", web_certificates=True)
