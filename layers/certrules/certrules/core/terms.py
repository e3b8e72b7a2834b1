"""The field's words: certificate statuses, causes of a transition, the facts, and course-run keys."""

from enum import StrEnum


class Status(StrEnum):
    """Every certificate status on the platform. Four are set here; all are accepted on import."""

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


class Cause(StrEnum):
    """Why a certificate changed its status, or why a revocation is pending."""

    EARNED = "earned"  # all rules held
    REINSTATED = "reinstated"  # all rules held again: same id, URL and issue date
    RECORDED = "recorded"  # the old logic said so
    LABELLED = "labelled"  # not downloadable and can't become so: the status says why

    INVALIDATED = "invalidated"  # by a person
    EXAM_REJECTED = "exam_rejected"
    GRADE_FELL = "grade_fell"
    ALLOWLIST_REMOVED = "allowlist_removed"

    RECORDED_WHILE_INVALIDATED = "recorded_while_invalidated"  # held until a person releases it
    NEVER_EARNED = "never_earned"  # held until a person releases it


#: What takes `downloadable` away by itself, once it was pending for long enough.
AUTOMATIC = frozenset({Cause.GRADE_FELL, Cause.ALLOWLIST_REMOVED})

#: What only ever takes `downloadable` away when a person releases it.
RELEASED = frozenset({Cause.RECORDED_WHILE_INVALIDATED, Cause.NEVER_EARNED})

#: The only causes that take `downloadable` away.
REVOKING = AUTOMATIC | RELEASED | {Cause.INVALIDATED, Cause.EXAM_REJECTED}


class Fact(StrEnum):
    """What an entry of a timeline is about. The value of the entry is named beside each."""

    ENROLLMENT = "enrollment"  # facts.Enrollment
    PASSING = "passing"  # bool: the word on passing
    GRADE = "grade"  # facts.Grade: percent and letter
    BETA_TESTER = "beta_tester"  # bool
    ALLOWLIST = "allowlist"  # bool
    INVALIDATION = "invalidation"  # bool; the subject is the exam's usage key, "" for a person's
    DATE_OVERRIDE = "date_override"  # datetime, or None when removed
    RECORDED = "recorded"  # facts.Recorded: a certificate of the old logic
    ID_VERIFICATION = "id_verification"  # facts.Approval, or None when denied; the subject is the attempt
    COURSE_RUN = "course_run"  # the subject is the setting, "" says only that the course run exists
    REVOCATION = "revocation"  # Word: what was said of a pending revocation; the subject is its Cause
    AUTOMATIC_REVOCATIONS = "automatic_revocations"  # bool: whether they take effect; of a course run, or of all


class RevocationAction(StrEnum):
    """What is said of a pending revocation."""

    HELD = "held"  # it waits for a person, however long
    RELEASED = "released"  # a person lets it take effect
    DISCARDED = "discarded"  # a person has the certificate stay


class Rollout(StrEnum):
    """Who decides certificates in a course run."""

    OFF = "off"  # the old logic; facts are gathered
    SHADOW = "shadow"  # the old logic; what would be decided here is compared with what it did
    LIVE = "live"  # this service


PERSON = ""
"""The subject of an invalidation made by a person rather than by an exam."""


def is_ccx(course_run: str) -> bool:
    """Tell a custom course of a coach (CCX) by its key."""
    return course_run.startswith("ccx-v1:")


def is_person(actor: str) -> bool:
    """Tell a person from the platform itself ("") and from software, which signs as `system:name`."""
    return bool(actor) and not actor.startswith("system:")
