"""The one decision, at one instant: which rules are unmet, and what status that makes."""

from functools import lru_cache
from typing import NamedTuple

from certrules.core.facts import Facts
from certrules.core.rules import EDITIONS, Rule, edition_at, in_force
from certrules.core.terms import Status
from certrules.core.timeline import BEGINNING

_NOT_PASSED = frozenset({"no_grade", "not_passed"})
_ID_MISSING = frozenset({"id_not_verified", "id_verification_expired"})
#: While one of these is unmet, a status would tell the learner of a certificate that they can't earn.
_UNLABELLED = frozenset(
    {
        "not_enrolled",
        "mode_not_eligible",
        "course_run_unknown",
        "web_certificates_off_instance",
        "web_certificates_off_course_run",
        "beta_tester",
        "ccx",
    }
)


class Verdict(NamedTuple):
    """What one rule says."""

    rule: Rule
    met: bool
    waived: bool  # unmet, but the allowlist waives it


class Decision(NamedTuple):
    """What all rules say about the facts at an instant. Downloadable if nothing is unmet."""

    facts: Facts
    unmet: frozenset[str]
    waived: frozenset[str]

    @property
    def policy_version(self) -> str:
        """The version of the policy that it was judged by."""
        return self.facts.policy.version

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what each rule in force says, in the order of the rules."""
        return tuple(
            Verdict(rule, rule.code not in self.unmet and rule.code not in self.waived, rule.code in self.waived)
            for rule in in_force(self.facts.as_of)
        )


class Judgement(NamedTuple):
    """The codes of the rules that fail, and the status to which that leads."""

    unmet: frozenset[str]  # all that fail and are not waived, never only the first
    waived: frozenset[str]  # those that fail but for the allowlist
    label: Status | None  # for a learner without a certificate ...
    label_if_exists: Status | None  # ... and with one, whatever its status, that isn't downloadable


def decide(facts: Facts) -> Decision:
    """Judge the facts by the rules in force at their instant."""
    judgement = judge(facts)
    return Decision(facts, judgement.unmet, judgement.waived)


def judge(facts: Facts) -> Judgement:
    """Return which rules fail."""
    return judge_by(edition_at(facts[0]), facts[2:])


@lru_cache(maxsize=8192)
def judge_by(edition: int, judged: tuple[object, ...]) -> Judgement:
    """Return which of an edition's rules fail.

    `judged` are the facts but for the first two, which no rule looks at: they have few values, so that most of it
    was judged before.
    """
    facts = Facts._make((BEGINNING, None, *judged))
    failed = [rule for rule in EDITIONS[edition] if not rule.met(facts)]
    waived = frozenset(rule.code for rule in failed if facts.allowlisted and rule.waived_by_allowlist)
    unmet = frozenset(rule.code for rule in failed) - waived
    return Judgement(unmet, waived, label(unmet, exists=False), label(unmet, exists=True))


def label(unmet: frozenset[str], *, exists: bool) -> Status | None:
    """Return the status of a certificate that is not downloadable and can't become so; None leaves it as it is.

    `exists` tells whether there is a certificate, whatever its status.
    """
    if not unmet or unmet & _UNLABELLED:
        return None
    if "invalidated" in unmet and exists:
        return Status.UNAVAILABLE
    if unmet & _ID_MISSING and not unmet & _NOT_PASSED:
        return Status.UNVERIFIED
    if unmet <= _NOT_PASSED and exists:
        return Status.NOTPASSING
    return None
