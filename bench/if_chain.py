"""The baseline of the core: all reasons by one straight-line chain of ifs, as quick as Python has it by hand.

It knows nothing of rules as rows, of dates from which a rule is in force, of labels or of what is waived.
"""

from certrules.core.facts import Facts


def reasons(facts: Facts) -> list[str]:
    """Return the codes of all that keeps the learner from a certificate."""
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
