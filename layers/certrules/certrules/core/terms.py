"""The field's terms: certificate statuses, causes, actors, rollout; and the keys of course runs."""

from enum import StrEnum
from typing import NamedTuple, override


class Status(StrEnum):
    """Every certificate status on the platform. The first four are set here; all are accepted on import."""

    DOWNLOADABLE = "downloadable"
    NOTPASSING = "notpassing"
    UNAVAILABLE = "unavailable"
    UNVERIFIED = "unverified"

    AUDIT_NOTPASSING = "audit_notpassing"
    AUDIT_PASSING = "audit_passing"
    AUDITING = "auditing"
    DELETED = "deleted"
    DELETING = "deleting"
    ERROR = "error"
    GENERATING = "generating"
    HONOR_PASSING = "honor_passing"
    INVALIDATED = "invalidated"
    REQUESTING = "requesting"
    RESTRICTED = "restricted"

    @classmethod
    @override
    def _missing_(cls, value: object) -> "Status | None":
        """Read a status in another case, and `regenerating` of older platforms: a certificate is being made."""
        name = value.strip().casefold() if isinstance(value, str) else ""
        name = "generating" if name == "regenerating" else name
        return next((status for status in cls if status == name), None)


class Cause(StrEnum):
    """Why a certificate changed its status, or why a revocation is pending."""

    EARNED = "earned"  # all rules are met
    REINSTATED = "reinstated"  # all rules are met again: same id, URL and issue date
    RECORDED = "recorded"  # the old logic recorded it
    LABELLED = "labelled"  # it can't become downloadable; the status shows why

    INVALIDATED = "invalidated"  # by a person
    EXAM_REJECTED = "exam_rejected"
    GRADE_FELL = "grade_fell"
    ALLOWLIST_REMOVED = "allowlist_removed"

    RECORDED_WHILE_INVALIDATED = "recorded_while_invalidated"  # held until a person releases it
    NEVER_EARNED = "never_earned"  # held until a person releases it
    NEVER_PASSED = "never_passed"  # held until a person releases it, or the learner passes
    LATE_ENTRY = "late_entry"  # held until a person discards it: it contradicts entries that are no longer stored


#: Causes that revoke without a person, when their hold ends.
AUTOMATIC = frozenset({Cause.GRADE_FELL, Cause.ALLOWLIST_REMOVED})

#: Causes that revoke only when a person releases the held revocation.
RELEASED = frozenset({Cause.RECORDED_WHILE_INVALIDATED, Cause.NEVER_EARNED, Cause.NEVER_PASSED, Cause.LATE_ENTRY})

#: All causes that revoke a downloadable certificate.
REVOKING = AUTOMATIC | RELEASED | {Cause.INVALIDATED, Cause.EXAM_REJECTED}


class RevocationAction(StrEnum):
    """What a person, or the breaker, does with a pending revocation."""

    HELD = "held"  # it waits for a person, without a due time
    RELEASED = "released"  # a person lets it take effect
    DISCARDED = "discarded"  # a person ends it; the certificate stays


class Rollout(StrEnum):
    """Who decides certificates in a course run."""

    OFF = "off"  # the old logic; facts are stored
    SHADOW = "shadow"  # the old logic; its certificates are compared with the decisions made here
    LIVE = "live"  # this service


class Actor(NamedTuple):
    """Who caused something ("" for the platform itself), and why."""

    by: str = ""
    reason: str = ""


PERSON = ""
"""The subject of an invalidation that a person made; an exam's has the exam's usage key."""


_NOTHING = frozenset({"", "none", "null", "nil", "nan", "na", "undefined", "false", "0", "00"})


def is_nothing(text: str) -> bool:
    """Whether a text is a spelling of nothing, such as None, null, NaN, N/A, a dash, blanks or the NULL of MySQL."""
    return text.strip().casefold() == r"\n" or "".join(filter(str.isalnum, text.casefold())) in _NOTHING


def mode_of(text: str) -> str:
    """Return an enrollment mode as it is compared: trimmed, in lower case; "" for a spelling of nothing."""
    return "" if is_nothing(text) else text.strip().casefold()


def is_ccx(course_run: str) -> bool:
    """Whether the key is that of a custom course of a coach (CCX)."""
    return course_run.startswith("ccx-v1:")


def described(value: object) -> str:
    """Return the kind and size of a JSON value, and nothing of the value itself: it may be personal data."""
    match value:
        case str():
            return f"a text of {len(value)} characters"
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def is_person(actor: str) -> bool:
    """Whether an actor is a person: neither the platform ("") nor software, which signs as `system:name`."""
    return bool(actor) and not actor.startswith("system:")
