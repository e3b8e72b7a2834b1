"""The platform's rows, as its dashboards and its old logic write them."""

from typing import Any

from opaque_keys.edx.keys import CourseKey


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
