"""The decision at one instant: which rules are unmet, and the status that this leads to."""

from functools import lru_cache
from typing import NamedTuple

from certrules.core.facts import Facts
from certrules.core.instants import BEGINNING
from certrules.core.rules import RULEBOOK, Edition, Rule, Rulebook
from certrules.core.terms import Status


class Verdict(NamedTuple):
    """The result of one rule."""

    rule: Rule
    met: bool
    waived: bool  # unmet, but the allowlist waives it


class Judgement(NamedTuple):
    """The codes of the rules that fail, and the status that this leads to."""

    unmet: frozenset[str]  # all that fail and are not waived, never only the first
    waived: frozenset[str]  # those that fail and that the allowlist waives
    label: Status | None  # for a learner without a certificate
    label_if_exists: Status | None  # for one with a certificate, whatever its status, that isn't downloadable


class Decision(NamedTuple):
    """The results of all rules for the facts at an instant. Downloadable if no rule is unmet."""

    facts: Facts
    judgement: Judgement
    edition: Edition  # the rules in force

    @property
    def unmet(self) -> frozenset[str]:
        """The codes of the rules that fail and are not waived."""
        return self.judgement.unmet

    @property
    def waived(self) -> frozenset[str]:
        """The codes of the rules that fail and that the allowlist waives."""
        return self.judgement.waived

    @property
    def policy_version(self) -> str:
        """The version of the policy that it was made by."""
        return self.facts.policy.version

    @property
    def reasons_text(self) -> str:
        """Why there is no downloadable certificate, as one clause."""
        return self.edition.reasons_text(self.unmet)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the result of each rule in force, in the order of the rules."""
        return tuple(
            Verdict(rule, rule.code not in self.unmet and rule.code not in self.waived, rule.code in self.waived)
            for rule in self.edition.rules
        )


def decide(facts: Facts, rulebook: Rulebook = RULEBOOK) -> Decision:
    """Judge the facts by the rules in force at their instant."""
    edition = rulebook.at(facts.as_of)
    return Decision(facts, judge(facts, edition), edition)


def judge(facts: Facts, edition: Edition) -> Judgement:
    """Return which of an edition's rules fail."""
    return judge_by(edition, facts[2:])


@lru_cache(maxsize=8192)
def judge_by(edition: Edition, judged: tuple[object, ...]) -> Judgement:
    """Return which of an edition's rules fail.

    `judged` are the facts but for the first two, which no rule looks at. The others take few values, so most
    judgements are in the cache.
    """
    facts = Facts._make((BEGINNING, None, *judged))
    failed = [rule for rule in edition.rules if not rule.met(facts)]
    waived = [rule for rule in failed if rule.waived_by_allowlist] if facts.allowlisted else []
    unmet = [rule for rule in failed if rule not in waived] if waived else failed
    labels = {rule.label for rule in unmet}
    return Judgement(
        frozenset([rule.code for rule in unmet]),
        frozenset([rule.code for rule in waived]),
        label(labels, exists=False),
        label(labels, exists=True),
    )


def label(labels: set[Status | None], *, exists: bool) -> Status | None:
    """Return the status of a certificate that is not downloadable and can't become so; None leaves it as it is.

    `labels` are those of the unmet rules, and `exists` is whether there is a certificate, whatever its status.
    """
    if not labels or None in labels:
        return None
    if Status.UNAVAILABLE in labels and exists:
        return Status.UNAVAILABLE
    if Status.UNVERIFIED in labels and Status.NOTPASSING not in labels:
        return Status.UNVERIFIED
    if labels == {Status.NOTPASSING} and exists:
        return Status.NOTPASSING
    return None
