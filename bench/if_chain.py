"""The baseline of the core: all reasons by one straight-line chain of ifs, as one would write it by hand.

It knows nothing of rules as rows, of dates from which a rule is in force, of labels or of what is waived.
"""

from certrules.core.facts import Facts


def reasons(facts: Facts) -> list[str]:
    """Return the codes of all that keeps the learner from a certificate."""
    policy = facts.policy
    unmet = []
    if facts.mode is None:
        unmet.append("not_enrolled")
    elif facts.mode not in policy.eligible_modes:
        unmet.append("mode_not_eligible")
    if not facts.id_verified and policy.id_verification_required:
        if facts.mode not in policy.modes_without_id_verification:
            unmet.append("id_verification_expired" if facts.id_verification_expired else "id_not_verified")
    if facts.invalidations:
        unmet.append("invalidated")
    if not policy.web_certificates:
        unmet.append("web_certificates_off_instance")
    if not facts.course_run_known:
        unmet.append("course_run_unknown")
    elif not facts.web_certificates:
        unmet.append("web_certificates_off_course_run")
    if not facts.allowlisted:
        if facts.passed is None:
            unmet.append("no_grade")
        elif not facts.passed:
            unmet.append("not_passed")
        if facts.beta_tester:
            unmet.append("beta_tester")
        if facts.ccx:
            unmet.append("ccx")
    return unmet


def reasons_tuned(facts: Facts) -> list[str]:
    """Return the same by the same chain, with each look-up and call removed that Python lets one remove."""
    (_, _, policy, ccx, known, web, mode, passed, verified, expired, beta_tester, listed, invalidations) = facts
    unmet = []
    if mode is None:
        unmet.append("not_enrolled")
    elif (mode in policy.eligible_modes.names) is policy.eligible_modes.all_but:
        unmet.append("mode_not_eligible")
    if not verified and policy.id_verification_required:
        exempt = policy.modes_without_id_verification
        if (mode in exempt.names) is exempt.all_but:
            unmet.append("id_verification_expired" if expired else "id_not_verified")
    if invalidations:
        unmet.append("invalidated")
    if not policy.web_certificates:
        unmet.append("web_certificates_off_instance")
    if not known:
        unmet.append("course_run_unknown")
    elif not web:
        unmet.append("web_certificates_off_course_run")
    if not listed:
        if passed is None:
            unmet.append("no_grade")
        elif not passed:
            unmet.append("not_passed")
        if beta_tester:
            unmet.append("beta_tester")
        if ccx:
            unmet.append("ccx")
    return unmet
