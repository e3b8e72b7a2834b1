"""What the platform has no public event for becomes one of the service's own events, as rows are saved.

Course runs as they are published, entries of the allowlist, invalidations, date overrides, and certificates of the old
logic. Each is sent after the commit, with who did it.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from openedx_course_certificates import rows
from openedx_course_certificates.events import own_metadata
from openedx_course_certificates.producer import is_silent, send
from openedx_course_certificates.rollout import is_live

logger = logging.getLogger(__name__)

SYSTEM = "system:openedx"
"""Who did it, where no person is known: a task, or a management command."""


def connect() -> None:
    """Listen to the platform's models, as far as they are installed: Studio has no certificates."""
    for (app, model), (saved, deleted) in _LISTENERS.items():
        try:
            sender = apps.get_model(app, model)
        except LookupError:
            continue
        name = f"openedx_course_certificates.{model}"
        post_save.connect(_safely(saved), sender=sender, weak=False, dispatch_uid=f"{name}.saved")
        if deleted is not None:
            post_delete.connect(_safely(deleted), sender=sender, weak=False, dispatch_uid=f"{name}.deleted")
        if sender is rows.certificate_model():
            saving = _safely(_certificate_saving)
            pre_save.connect(saving, sender=sender, weak=False, dispatch_uid=f"{name}.saving")


def _safely(act: Callable[[Any, str], None]) -> Callable[..., None]:
    """Return a receiver that never fails the save of a row."""

    def receiver(*, instance: Any, using: str = "", raw: bool = False, **_: Any) -> None:
        if raw or is_silent():
            return  # a fixture is loaded, or the service's own decision is written
        try:
            act(instance, using)
        except Exception:  # whatever it is, the platform's own save goes on
            logger.exception("%s %s could not be sent.", type(instance).__name__, instance.pk)

    return receiver


def _allowlist_saved(row: Any, using: str) -> None:
    _send_entry(row, using, listed=bool(row.allowlist))


def _allowlist_deleted(row: Any, using: str) -> None:
    if row.allowlist:
        _send_entry(row, using, listed=False)


def _send_entry(row: Any, using: str, *, listed: bool) -> None:
    name = "added" if listed else "removed"
    data = _act(row.user_id, row.course_id, _who(), row.notes)
    _send(f"certificates.allowlist.entry.{name}.v1", "entry", data, using)


def _invalidation_saved(row: Any, using: str) -> None:
    _send_invalidation(row, using, _person(row.invalidated_by_id) if row.active else _who(), active=row.active)


def _invalidation_deleted(row: Any, using: str) -> None:
    if row.active:
        _send_invalidation(row, using, _who(), active=False)


def _send_invalidation(row: Any, using: str, by: str, *, active: bool) -> None:
    certificate = row.generated_certificate
    name = "created" if active else "lifted"
    data = _act(certificate.user_id, certificate.course_id, by, row.notes)
    _send(f"certificates.invalidation.{name}.v1", "invalidation", data, using)


def _override_saved(row: Any, using: str) -> None:
    certificate = row.generated_certificate
    by = _person(row.overridden_by_id)
    data = {**_act(certificate.user_id, certificate.course_id, by, row.reason), "date": _time(row.date)}
    _send("certificates.date_override.set.v1", "override", data, using)


def _override_deleted(row: Any, using: str) -> None:
    certificate = row.generated_certificate
    data = _act(certificate.user_id, certificate.course_id, _who(), row.reason)
    _send("certificates.date_override.removed.v1", "override", data, using)


def _certificate_saving(row: Any, using: str) -> None:
    """Store what the old logic is about to write over in a live course run."""
    del using
    if row.pk is not None and is_live(row.course_id) and rows.are_written():
        rows.store_adopted(row.user_id, row.course_id)


def _certificate_saved(row: Any, using: str) -> None:
    """Send a certificate of the old logic. In a live course run, undo what the old logic wrote there."""
    if is_live(row.course_id):
        if rows.are_written():
            restore = partial(rows.restore, row.user_id, row.course_id)
            transaction.on_commit(restore, using=using or None, robust=True)
        return
    data = {
        "learner_id": row.user_id,
        "course_key": str(row.course_id),
        "status": row.status,
        "mode": row.mode,
        "grade": row.grade,
        "certificate_id": row.verify_uuid or None,
        "created": _time(row.created_date),
        "modified": _time(row.modified_date),
    }
    _send("certificates.recorded.v1", "certificate", data, using, at=row.modified_date)


def _overview_saved(row: Any, using: str) -> None:
    """Send the settings of a course run, as the platform takes them over from Studio when it is published."""
    behavior = row.certificates_display_behavior
    if row.certificates_show_before_end or behavior == "early_with_info":
        behavior = "early_no_info"
    data = {
        "course_key": str(row.id),
        "web_certificates_enabled": bool(row.cert_html_view_enabled),
        "display_behavior": behavior or None,
        "available_date": _time(row.certificate_available_date),
        "end": _time(row.end),
        "self_paced": bool(row.self_paced),
    }
    _send("certificates.course_run.configured.v1", "course_run", data, using)


type_of_listener = Callable[[Any, str], None]

_LISTENERS: Mapping[tuple[str, str], tuple[type_of_listener, type_of_listener | None]] = {
    ("certificates", "CertificateAllowlist"): (_allowlist_saved, _allowlist_deleted),
    ("certificates", "CertificateInvalidation"): (_invalidation_saved, _invalidation_deleted),
    ("certificates", "CertificateDateOverride"): (_override_saved, _override_deleted),
    ("certificates", "GeneratedCertificate"): (_certificate_saved, None),
    ("course_overviews", "CourseOverview"): (_overview_saved, None),
}


def _send(event_type: str, key: str, data: Mapping[str, Any], using: str, at: datetime | None = None) -> None:
    transport = {"topic": "course-certificates", "key": data["course_key"]}
    send(own_metadata(event_type, at), {key: data}, transport, using=using)


def _act(learner_id: int, course_key: object, by: str, notes: str | None) -> dict[str, Any]:
    return {"learner_id": learner_id, "course_key": str(course_key), "by": by, "notes": notes or ""}


def _person(user_id: int | None) -> str:
    return SYSTEM if user_id is None else f"user:{user_id}"


def _who() -> str:
    """Return who sent the request that is answered now."""
    try:
        from crum import get_current_user  # noqa: PLC0415 - openedx-events brings it along
    except ImportError:
        return SYSTEM
    return _person(getattr(get_current_user(), "pk", None))


def _time(instant: datetime | None) -> str | None:
    """Return an instant in UTC; one without an offset is taken for UTC, as the platform's database has it."""
    if instant is None:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)  # noqa: UP017 - as everywhere here
    return aware.astimezone(timezone.utc).isoformat()  # noqa: UP017 - same
