"""Whether learners can see a certificate."""

from certrules.core.explain.explanation import Explanation
from certrules.core.terms import Status
from certrules.core.wording import when


def visibility_of(explanation: Explanation) -> tuple[bool, str]:
    """Return whether the learner can see the certificate at the instant explained, and the sentence on it."""
    since = explanation.shown.visible_from
    if explanation.status is None:
        return False, "There is nothing that the learner could see."
    if explanation.status is not Status.DOWNLOADABLE:
        return False, "The learner can't see a certificate."
    if since is None:
        return False, "The learner can't see it yet: the date that it waits for is unknown."
    if since > explanation.as_of:
        return False, f"The learner can't see it yet: it is shown from {when(since)} on."
    return True, f"The learner can see it, since {when(since)}."
