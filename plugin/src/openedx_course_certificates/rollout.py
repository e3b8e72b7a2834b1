"""Which course runs are live: the service decides their certificates. What isn't known is the old logic's."""

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from openedx_course_certificates.options import ROLLOUTS, options

logger = logging.getLogger(__name__)

_known: dict[str, tuple[float, str]] = {}
"""The rollout of course runs, and until when (monotonic) this process doesn't ask again."""

MOST_KNOWN = 10_000


def save(detail: Mapping[str, Any], at: datetime) -> None:
    """Store the rollout that an event sets for a course run; never an older one over a newer one."""
    from openedx_course_certificates.models import AppliedCertificate, CourseRunRollout  # noqa: PLC0415 - apps are loaded

    course_run = detail.get("course_run")
    if not isinstance(course_run, Mapping) or course_run.get("rollout") not in ROLLOUTS:
        return  # it sets something else
    key = str(course_run.get("course_key"))
    with transaction.atomic():
        found, created = CourseRunRollout.objects.select_for_update().get_or_create(
            course_key=key, defaults={"rollout": course_run["rollout"], "since": at}
        )
        before = options().rollout if created else found.rollout
        if not created and found.since < at:
            found.rollout, found.since = course_run["rollout"], at
            found.save()
        if found.rollout != before:  # what was applied before is no longer what a row is restored to
            AppliedCertificate.objects.filter(course_key=key).update(state={})
    _known.pop(key, None)
    logger.info("Rollout of %s: %s", key, found.rollout)


def rollout_of(course_key: str) -> str:
    """Return `off`, `shadow` or `live`. What can't be read is `off`: then the old logic decides."""
    from openedx_course_certificates.models import CourseRunRollout  # noqa: PLC0415 - as above

    until, known = _known.get(course_key, (0.0, ""))
    if until > time.monotonic():
        return known
    try:
        stored = CourseRunRollout.objects.filter(course_key=course_key).values_list("rollout", flat=True).first()
        found = str(stored or options().rollout)
    except Exception:  # whatever it is, the request goes on by the old logic
        logger.exception("The rollout of %s can't be read; the old logic decides.", course_key)
        return "off"
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[course_key] = (time.monotonic() + options().cache_seconds, found)
    return found


def is_live(course_key: object) -> bool:
    """Whether the service decides certificates in a course run."""
    return rollout_of(str(course_key)) == "live"


def forget() -> None:
    """Ask the database again for every course run."""
    _known.clear()
