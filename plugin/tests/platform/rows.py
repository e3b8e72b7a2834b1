"""The platform's rows, as its dashboards and its old logic write them."""

from typing import Any

from opaque_keys.edx.keys import CourseKey
from openedx_filters.learning.filters import CertificateCreationRequested


def row_of(learner: Any, course_run: str) -> Any:
    """Return the learner's certificate in a course run; None if there is none."""
    from plugin.tests.platform.certificates.models import GeneratedCertificate

    return GeneratedCertificate.objects.filter(user=learner, course_id=CourseKey.from_string(course_run)).first()


def write_row(learner: Any, course_run: str, **columns: Any) -> Any:
    """Have the old logic write a certificate."""
    from plugin.tests.platform.certificates.models import GeneratedCertificate

    return GeneratedCertificate.objects.update_or_create(
        user=learner, course_id=CourseKey.from_string(course_run), defaults={"mode": "verified", **columns}
    )[0]


def generates(learner: Any, course_run: str) -> bool:
    """Whether the old logic may go on, as the platform asks."""
    try:
        CertificateCreationRequested.run_filter(
            learner, CourseKey.from_string(course_run), "verified", "", 0.9, "batch"
        )
    except CertificateCreationRequested.PreventCertificateCreation:
        return False
    return True
