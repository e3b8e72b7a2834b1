"""Words for codes: what people read where a program would read a code. Every code has its own.

Pages, reports, answers and commands take them from here; no page makes words of a code's letters.
"""

from collections.abc import Mapping

from certrules.core.programs.reasons import ProgramCause
from certrules.core.rules import RULES
from certrules.core.terms import Cause, RevocationAction, Status
from certrules.core.wording import clause, status_text
from certrules.formats.refusals import Reason

_NO_STATUS = "none"

WORDS: Mapping[str, Mapping[str, str]] = {
    "cause": {
        Cause.EARNED: "all requirements met",
        Cause.REINSTATED: "all requirements met again",
        Cause.RECORDED: "recorded by the old logic",
        Cause.LABELLED: "a requirement is not met",
        Cause.INVALIDATED: "invalidated by a person",
        Cause.EXAM_REJECTED: "exam attempt rejected",
        Cause.GRADE_FELL: "grade fell to failing",
        Cause.ALLOWLIST_REMOVED: "allowlist entry removed",
        Cause.RECORDED_WHILE_INVALIDATED: "recorded by the old logic while invalidated",
        Cause.NEVER_EARNED: "not carried by the facts",
        Cause.NEVER_PASSED: "first grade received is failing",
        Cause.LATE_ENTRY: "an entry came too late",
    },
    "program_cause": {
        ProgramCause.EARNED: "every course satisfied",
        ProgramCause.REINSTATED: "every course satisfied again",
        ProgramCause.COURSE_LOST: "a course is no longer satisfied",
        ProgramCause.DEFINITION_CHANGED: "the definition of the program changed",
        ProgramCause.DEFINITION_GAP: "the definition of the program has a gap",
        ProgramCause.PROGRAM_WITHDRAWN: "the program was withdrawn",
        ProgramCause.NEVER_EARNED: "not carried by the facts",
    },
    "status": {_NO_STATUS: "no certificate", **{status: status_text(status) for status in Status}},
    "reason": {rule.code: clause(rule.unmet) for rule in RULES},
    "refusal": {
        Reason.TOO_LARGE: "this is too large",
        Reason.WRONG_FORM: "this has another form than it is to have",
        Reason.NOT_JSON: "this is no JSON",
        Reason.MISSING_FIELD: "a field is missing",
        Reason.WRONG_TYPE: "a field has the wrong type",
        Reason.BAD_VALUE: "a value makes no sense",
        Reason.UNKNOWN_TYPE: "no event has this type",
        Reason.UNKNOWN_VERSION: "this version of the event is unknown",
        Reason.TYPE_MISMATCH: "the types in the event and around it differ",
        Reason.NAIVE_TIME: "a time has no offset from UTC",
        Reason.FUTURE_TIME: "a time is in the future",
        Reason.BAD_COURSE_KEY: "this is no key of a course run",
        Reason.SOURCE_NOT_TRUSTED: "the sender may not send this",
        Reason.TIMELINE_FULL: "the record is full",
        Reason.NOT_AVRO: "this is no Avro record",
        Reason.UNKNOWN_SCHEMA: "the schema is unknown",
        Reason.REPEATED_HEADER: "a header comes twice",
        Reason.NO_USERNAME: "no username is known",
    },
    "rests_on": {
        "date_override": "set by a date override",
        "available_date": "the course run's available date",
        "course_end": "the end of the course run",
        "issued_at": "the day of issue",
    },
    "action": {
        RevocationAction.HELD: "held for a person",
        RevocationAction.RELEASED: "released",
        RevocationAction.DISCARDED: "discarded",
    },
    "waiting": {
        "throttled": "too many requests",
        "unavailable": "the service can't be reached",
        "in_doubt": "sent without a readable answer",
        "not_authorised": "the service refuses the access",
        "server_error": "the service failed",
        "unknown_username": "the service doesn't know the username",
        "unknown_program": "the service doesn't know the program",
        "not_in_catalog": "not in the service's catalog",
        "switched_off": "records are switched off",
        "refused_mode": "the service refuses the mode",
        "refused": "the service refuses it",
        "rename_refused": "the service refuses the new username",
        "no_username": "no username is known",
        "renaming": "the username is being changed",
        "courses_first": "its courses come first",
    },
    "outcome": {
        "applied": "applied",
        "already": "were as planned already",
        "changed_since": "had changed since, and were not written",
        "failed": "failed",
        "unknown": "nothing is known of: their part has no result",
    },
    "run_state": {
        "started": "It was asked for, and begins in a moment.",
        "planning": "It is being planned; nothing was changed so far.",
        "waiting": "The plan waits for its approval; nothing was changed so far.",
        "applying": "The plan is being applied.",
        "interrupted": "Interrupted. Resume the run: only what is missing is done.",
        "planned": "Planned; nothing was changed.",
        "done": "Done: everything that the plan lists was looked at.",
        "incomplete": "Not complete: what is named below failed. Resume the run when its cause is mended.",
        "failed": "Failed before anything was changed. Resume the run when the cause is mended.",
        "declined": "Declined; nothing was changed.",
        "expired": "Nobody approved the plan in time; nothing was changed. Start a new run if it is still wanted.",
    },
    "field": {
        "kind": "Kind",
        "course_run": "Course run",
        "learner_id": "Learner id",
        "mode": "Mode on the certificate",
        "enrollment_mode": "Enrollment mode now",
        "grade": "Grade on the certificate",
        "url": "Address of the certificate",
        "certificate_id": "Certificate id",
        "generated_at": "First issued",
        "issued_at": "Issued",
        "regenerated_at": "Issued again",
        "last_changed_by": "Last changed by",
        "pacing": "Pacing",
        "display_behavior": "When certificates are shown",
    },
    "display_behavior": {
        "early_no_info": "as soon as they are earned",
        "early_with_info": "as soon as they are earned, with their date",
        "end": "at the end of the course run",
        "end_with_date": "from a set date on",
    },
}
"""By kind of code. Kinds of the layer's own enumerations have a word for each of their codes: a test holds that."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as 1 change or 1,234 changes; `many` if that is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def words_of(kind: str, code: str) -> str:
    """Return the words for a code of a kind; a code that another program made up stands as it is."""
    return WORDS[kind].get(code, code)


def change_words(code: str) -> str:
    """Return the words for a change of a status, as plans name it: "downloadable > notpassing"."""
    return " → ".join(words_of("status", part) for part in code.split(" > "))


def count_words(kind: str, code: str) -> str:
    """Return the words for what a plan counts by: a code of a kind, or a change of a status (`transition`)."""
    return change_words(code) if kind == "transition" else words_of(kind, code)
