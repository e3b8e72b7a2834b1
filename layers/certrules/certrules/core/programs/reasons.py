"""Reasons why a program certificate is missing, and causes of its changes: rows, from which the docs are generated."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class ProgramCertificateStatus(StrEnum):
    """The status of a program certificate."""

    AWARDED = "awarded"
    REVOKED = "revoked"


class ProgramReason(StrEnum):
    """What is missing. Never renamed."""

    PROGRAM_UNPUBLISHED = "program_unpublished"
    PROGRAM_DELETED = "program_deleted"
    NO_COURSES = "no_courses"
    NO_COURSE_RUNS = "no_course_runs"
    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE_NOT_DOWNLOADABLE = "certificate_not_downloadable"
    MODE_NOT_ACCEPTED = "mode_not_accepted"


GAPS = frozenset({ProgramReason.NO_COURSES, ProgramReason.NO_COURSE_RUNS})
"""The reasons that show a gap in the definition. A gap never revokes."""


class Missing(NamedTuple):
    """What a reason means."""

    sentence: str
    remedy: str  # who can do what about it


REASONS: Mapping[ProgramReason, Missing] = {
    ProgramReason.PROGRAM_UNPUBLISHED: Missing(
        "The program is not published.", "Whoever runs the catalog publishes it, and its definition is sent again."
    ),
    ProgramReason.PROGRAM_DELETED: Missing(
        "The program was deleted.",
        "Nobody can complete it any more; a certificate that was awarded stays until a person releases it.",
    ),
    ProgramReason.NO_COURSES: Missing(
        "The definition of the program lists no courses.",
        "Read the catalog again and send the whole definition: an empty list is most often a failed reading.",
    ),
    ProgramReason.NO_COURSE_RUNS: Missing(
        "The definition lists a course without course runs.",
        "Send the definition with the course's runs; restricted ones, too, which an answer of the catalog may lack.",
    ),
    ProgramReason.NO_CERTIFICATE: Missing(
        "In a course, the learner has no certificate in any of its course runs.",
        "The learner earns one in any of them.",
    ),
    ProgramReason.CERTIFICATE_NOT_DOWNLOADABLE: Missing(
        "In a course, the learner's certificates are not downloadable.",
        "The explanation of the certificate names what it takes.",
    ),
    ProgramReason.MODE_NOT_ACCEPTED: Missing(
        "In a course, the learner's certificates are in modes that the program does not accept.",
        "The learner earns one in an accepted mode; or the program's definition accepts this one.",
    ),
}


class ProgramCause(StrEnum):
    """Why a program certificate changed its status, or why its revocation is pending. Never renamed."""

    EARNED = "earned"
    REINSTATED = "reinstated"
    COURSE_LOST = "course_lost"

    DEFINITION_CHANGED = "definition_changed"
    DEFINITION_GAP = "definition_gap"
    PROGRAM_WITHDRAWN = "program_withdrawn"
    NEVER_EARNED = "never_earned"


HELD = frozenset(
    {
        ProgramCause.DEFINITION_CHANGED,
        ProgramCause.DEFINITION_GAP,
        ProgramCause.PROGRAM_WITHDRAWN,
        ProgramCause.NEVER_EARNED,
    }
)
"""Causes that revoke only when a person releases the held revocation."""

CAUSES: Mapping[ProgramCause, str] = {
    ProgramCause.EARNED: "Every course is satisfied.",
    ProgramCause.REINSTATED: "The certificates that carried it are back: same dates.",
    ProgramCause.COURSE_LOST: "A course is no longer satisfied by any certificate. Takes effect after the hold.",
    ProgramCause.DEFINITION_CHANGED: "The definition changed, and the certificates don't satisfy the new one.",
    ProgramCause.DEFINITION_GAP: "The definition has a gap: no courses, or a course without course runs.",
    ProgramCause.PROGRAM_WITHDRAWN: "The program was deleted, or is no longer published.",
    ProgramCause.NEVER_EARNED: "Facts that came late show that it was never earned.",
}
