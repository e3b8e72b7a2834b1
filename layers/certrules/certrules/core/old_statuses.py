"""What each certificate status meant to the old logic, and whether going live may overrule it without a person."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from certrules.core.terms import Status


class Withheld(StrEnum):
    """Whether a status shows that the old logic withheld a certificate for a reason that the facts may not contain."""

    NO = "no"  # the facts decide
    IF_ISSUED = "if it would be issued"  # a person accepts it if going live would issue the certificate
    ALWAYS = "yes"  # a person accepts it, even if the facts carry the certificate only later


class OldStatus(NamedTuple):
    """A status of the old logic."""

    meaning: str  # completes the sentence "The certificate ..."
    withheld: Withheld


OLD_STATUSES: Mapping[Status, OldStatus] = {
    Status.DOWNLOADABLE: OldStatus("was issued", Withheld.NO),
    Status.NOTPASSING: OldStatus("waits for a passing grade", Withheld.NO),
    Status.UNVERIFIED: OldStatus("waits for an ID verification", Withheld.NO),
    Status.UNAVAILABLE: OldStatus("was invalidated, or its row was never completed", Withheld.IF_ISSUED),
    Status.RESTRICTED: OldStatus("was withheld from a learner who may get none (embargo)", Withheld.ALWAYS),
    Status.INVALIDATED: OldStatus("was invalidated", Withheld.ALWAYS),
    Status.DELETED: OldStatus("was deleted at a person's request", Withheld.ALWAYS),
    Status.DELETING: OldStatus("was about to be deleted at a person's request", Withheld.ALWAYS),
    Status.ERROR: OldStatus("could not be generated, and nobody found out why", Withheld.IF_ISSUED),
    Status.AUDIT_PASSING: OldStatus("was not given for passing in audit mode", Withheld.IF_ISSUED),
    Status.HONOR_PASSING: OldStatus("was not given for passing in honor mode", Withheld.IF_ISSUED),
    Status.AUDIT_NOTPASSING: OldStatus("waits for a passing grade, in audit mode", Withheld.NO),
    Status.AUDITING: OldStatus("waits for an eligible mode", Withheld.NO),
    Status.REQUESTING: OldStatus("was earned, and about to be generated", Withheld.NO),
    Status.GENERATING: OldStatus("was earned, and being generated", Withheld.NO),
}
"""All statuses of the platform. An active invalidation that is known here explains any of them."""
