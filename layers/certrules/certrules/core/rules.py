"""The rules: what a course certificate demands, a row each. Explain, docs, metrics and tests derive from these rows.

A changed rule is a new row beside the old one: the old one gets the `until` at which the new one's `since` begins,
so that each instant is judged by the rules in force at that instant, also after a release.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from certrules.core.fact_types import Fact
from certrules.core.facts import Facts
from certrules.core.instants import BEGINNING
from certrules.core.terms import Status
from certrules.core.wording import clause, listed


class Rule(NamedTuple):
    """One requirement. `met` is pure and total: any Facts in, a bool out."""

    code: str  # never renamed: API reason, metric name, docs anchor
    requirement: str  # completes the sentence "The learner ..." or "The course run ..."
    unmet: str  # the sentence for support when it isn't met
    remedy: str  # who can fix it, and how
    decided_in: str  # the number of the decision record that states it, in docs/decisions
    met: Callable[[Facts], bool]
    looks_at: tuple[Fact, ...]  # the facts that it depends on
    setting: str | None = "policy"  # of the course run's settings, the one that it depends on; None: on any
    terms: str = ""  # the field of the policy that it depends on, or "course_run_key"
    unknown_without: Fact | None = None  # the core fact whose absence leaves it unmet
    waived_by_allowlist: bool = False
    label: Status | None = None  # the status of a certificate while it is unmet; None: it stands against any label
    since: datetime = BEGINNING  # in force from this instant (UTC) ...
    until: datetime | None = None  # ... up to, not including, this one


def _needs_id_verification(facts: Facts) -> bool:
    policy = facts.policy
    return policy.id_verification_required and facts.mode not in policy.modes_without_id_verification


def is_enrolled(facts: Facts) -> bool:
    """Whether the learner has an enrollment, active or not."""
    return facts.mode is not None


def mode_is_eligible(facts: Facts) -> bool:
    """Whether the enrollment, if there is one, is in a mode that earns certificates."""
    return facts.mode is None or facts.mode in facts.policy.eligible_modes


def id_was_verified(facts: Facts) -> bool:
    """Whether the learner needs no ID verification, or has or had one."""
    return facts.id_verified or facts.id_verification_expired or not _needs_id_verification(facts)


def id_verification_is_current(facts: Facts) -> bool:
    """Whether the ID verification, if one is needed and was there, is unexpired."""
    return not facts.id_verification_expired or not _needs_id_verification(facts)


def is_not_invalidated(facts: Facts) -> bool:
    """Whether no invalidation is active."""
    return not facts.invalidations


def instance_has_web_certificates(facts: Facts) -> bool:
    """Whether the deployment has web certificates on."""
    return facts.policy.web_certificates


def course_run_has_web_certificates(facts: Facts) -> bool:
    """Whether the course run, if it is known, has web certificates on."""
    return facts.web_certificates or not facts.course_run_known


def course_run_is_known(facts: Facts) -> bool:
    """Whether the course run was ever configured."""
    return facts.course_run_known


def has_grade(facts: Facts) -> bool:
    """Whether an entry on passing was received."""
    return facts.passed is not None


def is_not_failing(facts: Facts) -> bool:
    """Whether the last entry on passing, if there is one, is not failing."""
    return facts.passed is not False


def is_no_beta_tester(facts: Facts) -> bool:
    """Whether the learner is an ordinary participant."""
    return not facts.beta_tester


def is_no_ccx(facts: Facts) -> bool:
    """Whether the course run is an ordinary one."""
    return not facts.ccx


RULES: tuple[Rule, ...] = (
    Rule(
        code="not_enrolled",
        requirement="The learner has an enrollment in the course run; it need not be active.",
        unmet="No enrollment of the learner in this course run has been received.",
        remedy="The learner enrolls in the course run, or support enrolls them.",
        decided_in="0001",
        met=is_enrolled,
        looks_at=(Fact.ENROLLMENT,),
        unknown_without=Fact.ENROLLMENT,
    ),
    Rule(
        code="mode_not_eligible",
        requirement="The enrollment, if there is one, is in a mode that earns a certificate.",
        unmet="The learner's enrollment mode earns no certificate.",
        remedy=("The learner upgrades to a mode that earns a certificate, or support changes the enrollment mode."),
        decided_in="0001",
        met=mode_is_eligible,
        looks_at=(Fact.ENROLLMENT, Fact.COURSE_RUN),
        terms="eligible_modes",
    ),
    Rule(
        code="id_not_verified",
        requirement="The learner's ID has been verified, if the enrollment mode needs that.",
        unmet="No approved ID verification of the learner has been received.",
        remedy="The learner verifies their ID.",
        decided_in="0001",
        met=id_was_verified,
        looks_at=(Fact.ID_VERIFICATION, Fact.ENROLLMENT, Fact.COURSE_RUN),
        terms="id_verification_required",
        unknown_without=Fact.ID_VERIFICATION,
        label=Status.UNVERIFIED,
    ),
    Rule(
        code="id_verification_expired",
        requirement=(
            "The learner's ID verification, if there is one and the enrollment mode needs it, has not expired."
        ),
        unmet="The learner's ID verification has expired.",
        remedy="The learner verifies their ID again.",
        decided_in="0001",
        met=id_verification_is_current,
        looks_at=(Fact.ID_VERIFICATION, Fact.ENROLLMENT, Fact.COURSE_RUN),
        terms="id_verification_required",
        label=Status.UNVERIFIED,
    ),
    Rule(
        code="invalidated",
        requirement="The learner's certificate in the course run is not invalidated.",
        unmet="The certificate is invalidated.",
        remedy=(
            "Support lifts an invalidation that a person made; the exam team verifies or resets a "
            "rejected exam attempt."
        ),
        decided_in="0001",
        met=is_not_invalidated,
        looks_at=(Fact.INVALIDATION,),
        label=Status.UNAVAILABLE,
    ),
    Rule(
        code="web_certificates_off_instance",
        requirement="Web certificates are on for the whole deployment.",
        unmet="Web certificates are switched off for the whole deployment.",
        remedy="An operator switches web certificates on in the stack's parameters.",
        decided_in="0001",
        met=instance_has_web_certificates,
        looks_at=(),
        terms="web_certificates",
    ),
    Rule(
        code="web_certificates_off_course_run",
        requirement="Web certificates are on for the course run, if it is known.",
        unmet="Web certificates are switched off for the course run.",
        remedy="The course team switches web certificates on in the course run's settings.",
        decided_in="0001",
        met=course_run_has_web_certificates,
        looks_at=(Fact.COURSE_RUN,),
        setting="web_certificates_enabled",
    ),
    Rule(
        code="course_run_unknown",
        requirement="The configuration of the course run has been received.",
        unmet="The configuration of the course run has not been received.",
        remedy="The course team publishes the course run, or an operator sends its configuration again.",
        decided_in="0001",
        met=course_run_is_known,
        looks_at=(Fact.COURSE_RUN,),
        setting=None,
        unknown_without=Fact.COURSE_RUN,
    ),
    Rule(
        code="no_grade",
        requirement="A grade that says whether the learner passes has been received.",
        unmet="No grade that says whether the learner passes has been received.",
        remedy=(
            "The learner completes graded work, or an operator sends the grade again; support can add "
            "an allowlist entry."
        ),
        decided_in="0001",
        met=has_grade,
        looks_at=(Fact.PASSING, Fact.GRADE),
        unknown_without=Fact.PASSING,
        waived_by_allowlist=True,
        label=Status.NOTPASSING,
    ),
    Rule(
        code="not_passed",
        requirement="The learner's grade, if there is one, is not failing.",
        unmet="The learner's grade is failing.",
        remedy=(
            "The learner passes the course run, or the course team corrects the grade; support can add "
            "an allowlist entry."
        ),
        decided_in="0001",
        met=is_not_failing,
        looks_at=(Fact.PASSING, Fact.GRADE),
        waived_by_allowlist=True,
        label=Status.NOTPASSING,
    ),
    Rule(
        code="beta_tester",
        requirement="The learner is not a beta tester in the course run.",
        unmet="The learner is a beta tester in the course run.",
        remedy="The course team removes the beta tester role; support can add an allowlist entry.",
        decided_in="0001",
        met=is_no_beta_tester,
        looks_at=(Fact.BETA_TESTER,),
        waived_by_allowlist=True,
    ),
    Rule(
        code="ccx",
        requirement="The course run is not a custom course of a coach (CCX).",
        unmet="The course run is a custom course of a coach (CCX) and awards no certificates.",
        remedy="Support can add an allowlist entry.",
        decided_in="0001",
        met=is_no_ccx,
        looks_at=(),
        terms="course_run_key",
        waived_by_allowlist=True,
    ),
)


class Edition:
    """The rules in force between two instants at which the rules change."""

    def __init__(self, since: datetime, rules: tuple[Rule, ...]) -> None:
        """`since` is the first of the two (UTC)."""
        self.since = since
        self.rules = rules

    def reasons_text(self, codes: Collection[str]) -> str:
        """Return why these rules are unmet, as one clause, in the order of the rules."""
        return listed([clause(rule.unmet) for rule in self.rules if rule.code in codes])


class Rulebook:
    """Dated rules, and which of them are in force at an instant."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Divide time into editions, one for each instant at which a rule begins or ends."""
        self.rules = tuple(rules)
        begin = {rule.since for rule in self.rules}
        end = {rule.until for rule in self.rules if rule.until is not None}
        self.editions = tuple(
            Edition(
                date, tuple(rule for rule in self.rules if rule.since <= date and (not rule.until or date < rule.until))
            )
            for date in sorted({BEGINNING} | begin | end)
        )
        self._dates = [edition.since for edition in self.editions]

    def at(self, instant: datetime) -> Edition:
        """Return the rules by which this instant (UTC) is judged."""
        return self.editions[bisect_right(self._dates, instant) - 1]


RULEBOOK = Rulebook(RULES)
"""The rules of this release."""
