"""The way back: the service's certificates become the LMS's own rows, `certificates.GeneratedCertificate`.

The service decides status, mode, grade, id (`verify_uuid`) and dates. All other columns stay as they are.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from opaque_keys import InvalidKeyError
from opaque_keys.edx.keys import CourseKey

from openedx_course_certificates.options import options
from openedx_course_certificates.producer import nothing_sent
from openedx_course_certificates.rollout import is_live

logger = logging.getLogger(__name__)

GRADE_LENGTH = 5
"""The length of the platform's column, at which the platform cuts grades, too."""

DECIDED = ("status", "mode", "grade", "verify_uuid")
"""The columns that the service decides, beside the dates."""

INVALIDATED = "unavailable"
DOWNLOADABLE = "downloadable"


class RowError(Exception):
    """A certificate can't be written as a row. A retry helps only where the learner is still missing."""


def certificate_model() -> Any:
    """Return the platform's model of certificates; None where it isn't installed, as in Studio."""
    try:
        return apps.get_model("certificates", "GeneratedCertificate")
    except LookupError:
        return None


def are_written() -> bool:
    """Whether this is the LMS, and the service's certificates become rows here."""
    return options().write_certificates and certificate_model() is not None


def apply(detail: Mapping[str, Any], at: datetime) -> bool:
    """Write the certificate of an event as a row, and return whether it was new here. Raises RowError.

    A state that is older than the one applied, or the same, changes nothing.
    """
    learner_id, course_key, number, state = _read(detail, at)
    if not get_user_model().objects.filter(pk=learner_id).exists():
        raise RowError(f"there is no learner {learner_id} on this platform")
    from openedx_course_certificates.models import AppliedCertificate  # noqa: PLC0415 - apps have to be loaded

    with transaction.atomic():
        applied, _ = AppliedCertificate.objects.select_for_update().get_or_create(
            learner_id=learner_id, course_key=str(course_key)
        )
        if number <= applied.number:
            return False
        applied.number, applied.state = number, state
        applied.save()
        _write(learner_id, course_key, state)
    if not is_live(course_key):
        logger.warning(
            "The service published a certificate in %s, which is not live here. If this lasts, the setting ROLLOUT is "
            "not the parameter Rollout of the service's stack.",
            course_key,
        )
    return True


def restore(learner_id: int, course_key: CourseKey) -> bool:
    """Write what the service decided over what the old logic wrote; return whether there was a difference.

    An invalidation in the platform's dashboard stays: the service is about to publish it itself.
    """
    from openedx_course_certificates.models import AppliedCertificate  # noqa: PLC0415 - as above

    with transaction.atomic():
        applied = (
            AppliedCertificate.objects.select_for_update()
            .filter(learner_id=learner_id, course_key=str(course_key))
            .first()
        )
        row = certificate_model().objects.filter(user_id=learner_id, course_id=course_key).first()
        if applied is None or not applied.state or row is None or row.status == INVALIDATED:
            return False
        if all(getattr(row, name) == applied.state[name] for name in DECIDED):
            return False
        logger.warning(
            "The old logic wrote %r for learner %s in %s, which is live: restored to %r.",
            row.status,
            learner_id,
            course_key,
            applied.state["status"],
        )
        _write(learner_id, course_key, applied.state)
    return True


def store_adopted(learner_id: int, course_key: CourseKey) -> None:
    """Store a certificate of the old logic before the old logic writes over it in a live course run.

    The service adopted it when the course run went live, and does not publish what it adopts.
    """
    from openedx_course_certificates.models import AppliedCertificate  # noqa: PLC0415 - as above

    stored = certificate_model().objects.filter(user_id=learner_id, course_id=course_key, status=DOWNLOADABLE)
    with transaction.atomic():
        row = stored.first()
        if row is None:
            return
        applied, _ = AppliedCertificate.objects.select_for_update().get_or_create(
            learner_id=learner_id, course_key=str(course_key)
        )
        if not applied.state:
            dates = {name: getattr(row, name).isoformat() for name in ("created_date", "modified_date")}
            applied.state = {name: getattr(row, name) for name in DECIDED} | dates
            applied.save()


def with_name(detail: dict[str, Any]) -> dict[str, Any]:
    """Return an event about a certificate with the learner's names as this LMS knows them; elsewhere as it is."""
    if certificate_model() is None:
        return detail
    certificate = detail["certificate"]
    learner = get_user_model().objects.filter(pk=certificate["user"]["id"]).first()
    if learner is None:
        return detail
    pii = {"username": learner.get_username(), "email": learner.email, "name": _name_of(learner)}
    return {**detail, "certificate": {**certificate, "user": {**certificate["user"], "pii": pii}}}


def _read(detail: Mapping[str, Any], at: datetime) -> tuple[int, CourseKey, int, dict[str, Any]]:
    """Return learner, course run, place in the history, and the columns as they are to be. Raises RowError."""
    try:
        certificate, decision = detail["certificate"], detail["decision"]
        status = str(certificate["current_status"])
        issued_at = decision["issued_at"] if status == DOWNLOADABLE else None
        state = {
            "status": status,
            "mode": str(certificate["mode"] or ""),
            "grade": str(certificate["grade"] or "")[:GRADE_LENGTH],
            "verify_uuid": str(decision["certificate_id"]),
            "created_date": _time(decision["first_issued_at"] or at.isoformat()),
            "modified_date": _time(issued_at or at.isoformat()),
        }
        course_key = CourseKey.from_string(certificate["course"]["course_key"])
        return int(certificate["user"]["id"]), course_key, int(decision["number"]), state
    except (KeyError, TypeError, ValueError, InvalidKeyError) as error:
        raise RowError(f"its certificate can't be read: {type(error).__name__}: {error}") from error


def _time(text: str) -> str:
    return datetime.fromisoformat(text).isoformat()


def _write(learner_id: int, course_key: CourseKey, state: Mapping[str, Any]) -> None:
    """Save the row, so that the platform's own receivers learn of it, and nothing of it comes back as an event."""
    model = certificate_model()
    row = model.objects.select_for_update().filter(user_id=learner_id, course_id=course_key).first()
    created = datetime.fromisoformat(state["created_date"])
    if row is None:
        row = model(user_id=learner_id, course_id=course_key)
        row.name = _name_of(row.user)
    else:
        created = min(created, row.created_date)
    for column in DECIDED:
        setattr(row, column, state[column])
    with nothing_sent():
        row.save()
        dates = {"created_date": created, "modified_date": datetime.fromisoformat(state["modified_date"])}
        model.objects.filter(pk=row.pk).update(**dates)  # the columns are set to now at each save


def _name_of(learner: Any) -> str:
    """Return the name in the learner's profile, which the platform puts on a new certificate."""
    try:
        return str(learner.profile.name or "")
    except (AttributeError, ObjectDoesNotExist):  # no profile
        return ""
