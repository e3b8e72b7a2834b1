"""Answers of the Credentials service as outcomes, as they were recorded from the real one. Pure.

No outcome has a value of the answer, only names of fields and statuses: values could name a learner.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from certrules.core.deliveries.desired import (
    Availability,
    CourseCredential,
    Grade,
    ProgramCredential,
    four_decimals,
    in_seconds,
)
from certrules.core.deliveries.outcomes import Acknowledged, Outcome, RecordWarning, Unacknowledged, Waiting
from certrules.platform_client import Answer

_NOT_IN_CATALOG = "doesn't exist in the catalog"
_NO_COURSE_CERTIFICATE = "No active CourseCertificate exists"
_NO_PROGRAM_CERTIFICATE = "No active ProgramCertificate exists"
_NO_COURSE_RUN = "No CourseRun exists"

type Credential = CourseCredential | ProgramCredential


def credential_outcome(answer: Answer, desired: Credential, name: str) -> Outcome:
    """Return the outcome of an award or a revocation."""
    if answer.status == 201:
        return credential_shown(answer.body, desired, name) or _unreadable(answer)
    if answer.status == 400:
        found = _at(answer.body, "credential", "course_run_key")
        if _NOT_IN_CATALOG in found:
            return Unacknowledged(Waiting.NOT_IN_CATALOG)
        if _NO_COURSE_CERTIFICATE in found:
            return Unacknowledged(Waiting.SWITCHED_OFF)
        if _NO_PROGRAM_CERTIFICATE in _at(answer.body, "credential", "program_uuid"):
            return Unacknowledged(Waiting.UNKNOWN_PROGRAM)
    return refused(answer)


def credential_shown(body: Any, desired: Credential, name: str) -> Acknowledged | None:
    """Return the acknowledgement if the service shows a row under this name that is as desired, else None."""
    if not isinstance(body, dict) or not isinstance(body.get("uuid"), str):
        return None
    if _at(body, "username").lower() != name.lower():  # most databases of the service compare names without case
        return None
    if body.get("status") != ("awarded" if desired.is_awarded else "revoked"):
        return None
    if isinstance(desired, ProgramCredential):
        return Acknowledged(body["uuid"])
    if _override(body) != in_seconds(desired.date_override):
        return None
    has_mode = _at(body, "credential", "mode") == desired.mode
    return Acknowledged(body["uuid"], None if has_mode else RecordWarning.OTHER_MODE)


def _override(body: dict[str, Any]) -> datetime | str | None:
    override = body.get("date_override")
    return None if override is None else _instant(_at(override, "date"))


def grade_outcome(answer: Answer) -> Outcome:
    """Return the outcome of a grade."""
    if answer.status == 201:
        return Acknowledged() if _at(answer.body, "percent_grade") else _unreadable(answer)
    if answer.status == 400 and _NO_COURSE_RUN in _at(answer.body, "course_run"):
        return Unacknowledged(Waiting.NOT_IN_CATALOG)
    return refused(answer)


def grade_shown(status: Any, course_run: str, desired: Grade) -> Acknowledged | None:
    """Return the acknowledgement if the status of a learner shows a course run's grade as desired, else None."""
    for found in certificates_shown(status, course_run):
        grade = found.get("grade")
        if isinstance(grade, dict) and grade.get("letter_grade") == desired.letter and grade.get("verified") is True:
            return Acknowledged() if grade.get("percent_grade") == four_decimals(desired.percent) else None
    return None


def availability_outcome(answer: Answer, desired: Availability) -> Outcome:
    """Return the outcome of a course run's availability."""
    if answer.status == 201:
        return availability_shown(answer.body, desired) or _unreadable(answer)
    if answer.status == 400 and "certificate_type" in _names(answer.body):
        return Unacknowledged(Waiting.REFUSED_MODE, "certificate_type")
    return refused(answer)


def availability_shown(body: Any, desired: Availability) -> Outcome | None:
    """Return the outcome that a configuration shows: as desired, or of another mode. None: neither."""
    if not isinstance(body, dict) or "certificate_available_date" not in body:
        return None
    if body.get("certificate_type") != desired.mode:
        return Unacknowledged(Waiting.REFUSED_MODE, "certificate_type")
    date = body["certificate_available_date"]
    shown = None if date is None else _instant(date)
    return Acknowledged() if shown == in_seconds(desired.date) and body.get("is_active") is True else None


def rename_outcome(answer: Answer) -> Outcome:
    """Return the outcome of a rename: what fails is in the answer, not in its status."""
    if answer.status == 200 and isinstance(answer.body, dict):
        if answer.body.get("successful_replacements"):
            return Acknowledged()
        if answer.body.get("failed_replacements"):
            return Acknowledged(warning=RecordWarning.TWO_USERNAMES)
    if answer.status in {403, 404}:
        return Unacknowledged(Waiting.RENAME_REFUSED)
    return _unreadable(answer) if answer.status == 200 else refused(answer)


def certificates_shown(body: Any, course_run: str) -> Iterator[dict[str, Any]]:
    """Yield what the status of a learner shows of a course run: it has awarded and visible credentials only."""
    listed = body.get("status") if isinstance(body, dict) else None
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and _at(item, "course_run", "key") == course_run:
            yield item


def is_completed(body: Any, program: str) -> bool:
    """Whether the list of a learner's program records shows this program's credential."""
    listed = body.get("enrolled_programs") if isinstance(body, dict) else None
    return any(
        isinstance(item, dict) and item.get("completed") is True and _plain(item.get("uuid")) == _plain(program)
        for item in (listed if isinstance(listed, list) else ())
    )


def rows_shown(body: Any, key: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a list of credentials that are about a course run or program."""
    listed = body.get("results") if isinstance(body, dict) else None
    for row in listed if isinstance(listed, list) else ():
        found = {_at(row, "credential", name) for name in ("course_run_key", "program_uuid")}
        if key in found:
            yield row


def refused(answer: Answer) -> Unacknowledged:
    """Return what any call may come to beside being acknowledged."""
    detail = f"{answer.status}"
    if answer.status == 429:
        return Unacknowledged(Waiting.THROTTLED, detail, answer.retry_after)
    if answer.status in {401, 403}:
        return Unacknowledged(Waiting.NOT_AUTHORISED, detail)
    if answer.status == 500:
        return Unacknowledged(Waiting.IN_DOUBT, detail, is_over=True)
    if answer.status > 500:  # of a proxy: the service may still be at it
        return Unacknowledged(Waiting.IN_DOUBT, detail, answer.retry_after)
    if answer.status == 400 and isinstance(answer.body, dict):
        return Unacknowledged(Waiting.REFUSED, f"400: {', '.join(sorted(_names(answer.body)))}")
    return Unacknowledged(Waiting.UNAVAILABLE, detail)  # a redirect, or an address where the service isn't


def _unreadable(answer: Answer) -> Unacknowledged:
    """Return the outcome of an answer that is cut off, a page, or shows something else than was sent."""
    return Unacknowledged(Waiting.IN_DOUBT, f"{answer.status} in another form")


def _names(body: Any) -> Iterator[str]:
    """Yield the names of the fields that a refusal is about."""
    for name, value in body.items() if isinstance(body, dict) else ():
        inner = [f"{name}.{field}" for field in value] if isinstance(value, dict) else [name]
        yield from (field[:80] for field in inner)


def _at(body: Any, *names: str) -> str:
    """Return the text at a path of names; empty if there is none."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    if isinstance(body, list) and body:
        body = body[0]
    return body if isinstance(body, str) else ""


def _instant(text: object) -> datetime | str:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return "unreadable"


def _plain(uuid: object) -> str:
    return str(uuid).replace("-", "").lower()
