"""What a request to the Credentials service came to, and the reasons for which a delivery waits."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple


class Waiting(StrEnum):
    """Why a delivery isn't acknowledged yet. Codes are never renamed."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    IN_DOUBT = "in_doubt"
    NOT_AUTHORISED = "not_authorised"
    SERVER_ERROR = "server_error"
    UNKNOWN_USERNAME = "unknown_username"
    UNKNOWN_PROGRAM = "unknown_program"
    NOT_IN_CATALOG = "not_in_catalog"
    SWITCHED_OFF = "switched_off"
    REFUSED_MODE = "refused_mode"
    REFUSED = "refused"
    RENAME_REFUSED = "rename_refused"
    NO_USERNAME = "no_username"
    RENAMING = "renaming"
    COURSES_FIRST = "courses_first"


class WaitingReason(NamedTuple):
    """What a reason means, what to do, and when the delivery is tried again."""

    meaning: str
    remedy: str
    retried: timedelta | None = None  # so much later; None: `backs_off`, or only after a change or a person's retry
    backs_off: bool = False  # tried again with exponential back-off and full jitter
    is_of_service: bool = False  # the service as a whole: the breaker counts it, and a new desired state waits, too


_DAY = timedelta(days=1)


def _of_service(meaning: str, remedy: str) -> WaitingReason:
    return WaitingReason(meaning, remedy, backs_off=True, is_of_service=True)


REASONS = {
    Waiting.THROTTLED: _of_service(
        "The service, or a proxy before it, has received too many requests (429).",
        "Nothing: it is sent again after the time that the answer names. If it lasts, raise the proxy's limit.",
    ),
    Waiting.UNAVAILABLE: _of_service(
        "The service can't be reached, and nothing was written.",
        "Nothing while the service is down: it is sent again. If it runs, compare its address with CredentialsUrl.",
    ),
    Waiting.IN_DOUBT: _of_service(
        "The request was sent, and no answer that can be read came: it may have been written, or be written soon.",
        "Nothing: the service is asked what holds, and then it is sent again if need be.",
    ),
    Waiting.NOT_AUTHORISED: _of_service(
        "The service, or the platform that gives the token, refuses this service's account (401 or 403).",
        "Compare the secret with the platform's OAuth application; its user has to be staff on the platform.",
    ),
    Waiting.SERVER_ERROR: WaitingReason(
        "The service answers 500 to this request and works otherwise: a deadlock, or a broken configuration.",
        "A deadlock passes. If it lasts, see whether the ProgramCertificate names a program of the catalog.",
        backs_off=True,
    ),
    Waiting.UNKNOWN_USERNAME: WaitingReason(
        "The service has no user of this name, and without one it takes no program credential.",
        "The learner signs in to the Credentials service once, or an administrator adds the user there.",
        _DAY,
    ),
    Waiting.UNKNOWN_PROGRAM: WaitingReason(
        "The service has no active ProgramCertificate for the program.",
        "An administrator of the Credentials service adds it, or switches it on; then retry.",
        _DAY,
    ),
    Waiting.NOT_IN_CATALOG: WaitingReason(
        "The course run is not in the service's catalog yet.",
        "The Credentials service runs its command copy_catalog.",
        timedelta(hours=6),
    ),
    Waiting.SWITCHED_OFF: WaitingReason(
        "The course run's CourseCertificate is switched off in the service: it refuses awards and revocations.",
        "An administrator of the Credentials service switches it on; then retry.",
        _DAY,
    ),
    Waiting.REFUSED_MODE: WaitingReason(
        "The service takes no available date for this mode, or it has another mode for the course run.",
        "Set the CourseCertificate's mode in the service's admin, then retry; credentials are delivered all the same.",
    ),
    Waiting.REFUSED: WaitingReason(
        "The service refuses the request; the detail names the fields.",
        "Correct what the fields are about, then retry. If nothing is wrong with them, this is a defect: report it.",
        _DAY,
    ),
    Waiting.RENAME_REFUSED: WaitingReason(
        "This service's account may not rename users in the service; deliveries go out under the former name.",
        "Name the account in USERNAME_REPLACEMENT_WORKER of the Credentials service, or rename with that worker.",
        _DAY,
    ),
    Waiting.NO_USERNAME: WaitingReason(
        "No username of the learner is stored, and the service knows learners by nothing else.",
        "Store usernames (LearnerNames), then import them or wait for the platform's next event about the learner.",
        _DAY,
    ),
    Waiting.RENAMING: WaitingReason(
        "The learner is being renamed in the service, and it isn't known yet whether that was written.",
        "See what the learner's username waits for.",
        timedelta(minutes=10),
    ),
    Waiting.COURSES_FIRST: WaitingReason(
        "A program credential is shown only beside those of its courses, and one of these isn't acknowledged yet.",
        "See what the learner's course credentials wait for.",
        timedelta(minutes=10),
    ),
}


class RecordWarning(StrEnum):
    """What is acknowledged and still wants a person's eye."""

    SECOND_ROW = "second_row"  # the service has another uuid for it than before: the former row may still be there
    OTHER_MODE = "other_mode"  # the service shows another mode: the first request of the course run had that one
    TWO_USERNAMES = "two_usernames"  # rows exist under the former and the new username


class Acknowledged(NamedTuple):
    """The Credentials service holds what was sent."""

    uuid: str | None = None  # of a credential's row; None: unknown, or it has none
    warning: RecordWarning | None = None


class Unacknowledged(NamedTuple):
    """It doesn't, or that isn't known."""

    reason: Waiting
    detail: str = ""  # names fields and statuses, never a value
    retry_after: float | None = None  # seconds
    is_over: bool = False  # in doubt, but the service is done with the request: nothing is written later


type Outcome = Acknowledged | Unacknowledged


def is_failure_of_service(outcome: Outcome) -> bool:
    """Whether an outcome is about the service as a whole, not about what was sent."""
    return isinstance(outcome, Unacknowledged) and REASONS[outcome.reason].is_of_service
