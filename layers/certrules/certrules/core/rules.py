"""The rules: what a course certificate demands, a row each. Explain, docs, metrics and tests derive from these rows.

A changed rule is a new row beside the old one: the old one gets the `until` at which the new one's `since` begins,
so that no instant of the past is ever judged by another rule than the one that was in force.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from certrules.core.facts import Facts
from certrules.core.terms import Fact
from certrules.core.timeline import BEGINNING


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One requirement. `met` is pure and total: any Facts in, a bool out."""

    code: str  # never renamed: API reason, metric name, docs anchor
    requirement: str  # completes the sentence "The learner ..." or "The course run ..."
    unmet: str  # the sentence for support when it isn't met
    remedy: str  # who can fix it, and how
    looks_at: tuple[Fact, ...]  # the facts that it depends on, for evidence
    met: Callable[[Facts], bool]
    waived_by_allowlist: bool = False
    decided_in: str = "0001"  # the decision record that states it
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
    """Whether there ever was a word on passing."""
    return facts.passed is not None


def is_not_failing(facts: Facts) -> bool:
    """Whether the last word on passing, if there is one, is not that the learner fails."""
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
        looks_at=(Fact.ENROLLMENT,),
        met=is_enrolled,
    ),
    Rule(
        code="mode_not_eligible",
        requirement="The enrollment, if there is one, is in a mode that earns a certificate.",
        unmet="The learner's enrollment mode earns no certificate.",
        remedy=("The learner upgrades to a mode that earns a certificate, or support changes the enrollment mode."),
        looks_at=(Fact.ENROLLMENT, Fact.COURSE_RUN),
        met=mode_is_eligible,
    ),
    Rule(
        code="id_not_verified",
        requirement="The learner's ID has been verified, if the enrollment mode needs that.",
        unmet="No approved ID verification of the learner has been received.",
        remedy="The learner verifies their ID.",
        looks_at=(Fact.ID_VERIFICATION, Fact.ENROLLMENT, Fact.COURSE_RUN),
        met=id_was_verified,
    ),
    Rule(
        code="id_verification_expired",
        requirement=(
            "The learner's ID verification, if there is one and the enrollment mode needs it, has not expired."
        ),
        unmet="The learner's ID verification has expired.",
        remedy="The learner verifies their ID again.",
        looks_at=(Fact.ID_VERIFICATION, Fact.ENROLLMENT, Fact.COURSE_RUN),
        met=id_verification_is_current,
    ),
    Rule(
        code="invalidated",
        requirement="The learner's certificate in the course run is not invalidated.",
        unmet="The certificate is invalidated.",
        remedy=(
            "Support lifts an invalidation that a person made; the exam team verifies or resets a "
            "rejected exam attempt."
        ),
        looks_at=(Fact.INVALIDATION,),
        met=is_not_invalidated,
    ),
    Rule(
        code="web_certificates_off_instance",
        requirement="Web certificates are on for the whole deployment.",
        unmet="Web certificates are switched off for the whole deployment.",
        remedy="An operator switches web certificates on in the stack's parameters.",
        looks_at=(),
        met=instance_has_web_certificates,
    ),
    Rule(
        code="web_certificates_off_course_run",
        requirement="Web certificates are on for the course run, if it is known.",
        unmet="Web certificates are switched off for the course run.",
        remedy="The course team switches web certificates on in the course run's settings.",
        looks_at=(Fact.COURSE_RUN,),
        met=course_run_has_web_certificates,
    ),
    Rule(
        code="course_run_unknown",
        requirement="The configuration of the course run has been received.",
        unmet="The configuration of the course run has not been received.",
        remedy="The course team publishes the course run, or an operator sends its configuration again.",
        looks_at=(Fact.COURSE_RUN,),
        met=course_run_is_known,
    ),
    Rule(
        code="no_grade",
        requirement="A grade that says whether the learner passes has been received.",
        unmet="No grade that says whether the learner passes has been received.",
        remedy=(
            "The learner completes graded work, or an operator sends the grade again; support can add "
            "an allowlist entry."
        ),
        looks_at=(Fact.PASSING,),
        met=has_grade,
        waived_by_allowlist=True,
    ),
    Rule(
        code="not_passed",
        requirement="The learner's grade, if there is one, is not failing.",
        unmet="The learner's grade is failing.",
        remedy=(
            "The learner passes the course run, or the course team corrects the grade; support can add "
            "an allowlist entry."
        ),
        looks_at=(Fact.PASSING,),
        met=is_not_failing,
        waived_by_allowlist=True,
    ),
    Rule(
        code="beta_tester",
        requirement="The learner is not a beta tester in the course run.",
        unmet="The learner is a beta tester in the course run.",
        remedy="The course team removes the beta tester role; support can add an allowlist entry.",
        looks_at=(Fact.BETA_TESTER,),
        met=is_no_beta_tester,
        waived_by_allowlist=True,
    ),
    Rule(
        code="ccx",
        requirement="The course run is not a custom course of a coach (CCX).",
        unmet="The course run is a custom course of a coach (CCX) and awards no certificates.",
        remedy="Support can add an allowlist entry.",
        looks_at=(),
        met=is_no_ccx,
        waived_by_allowlist=True,
    ),
)

BY_CODE = {rule.code: rule for rule in RULES}

#: The instants at which the rules changed, oldest first.
EDITION_DATES: tuple[datetime, ...] = tuple(
    sorted({BEGINNING} | {rule.since for rule in RULES} | {rule.until for rule in RULES if rule.until is not None})
)
EDITIONS: tuple[tuple[Rule, ...], ...] = tuple(
    tuple(rule for rule in RULES if rule.since <= date and (rule.until is None or date < rule.until))
    for date in EDITION_DATES
)


def edition_at(instant: datetime) -> int:
    """Return the number of the edition of the rules by which this instant (UTC) is judged."""
    return bisect_right(EDITION_DATES, instant) - 1


def in_force(instant: datetime) -> tuple[Rule, ...]:
    """Return the rules by which this instant (UTC) is judged."""
    return EDITIONS[edition_at(instant)]
