"""A step of the platform's filter `org.openedx.learning.certificate.creation.requested.v1`."""

from typing import Any

from openedx_course_certificates.rollout import is_live


class LeaveLiveCourseRunsToTheService:
    """Stops the old logic from generating certificates in course runs that are live; lets it in all others."""

    def __init__(self, filter_type: str, running_pipeline: list[str], **extra_config: Any) -> None:
        self.filter_type = filter_type
        self.running_pipeline = running_pipeline
        self.extra_config = extra_config

    def run_filter(self, *, course_key: Any, **_: Any) -> dict[str, Any]:
        """Return nothing to change. Raises PreventCertificateCreation in a live course run."""
        if is_live(course_key):
            # the platform brings the library along; the plugin doesn't need it for anything else
            from openedx_filters.learning.filters import CertificateCreationRequested  # noqa: PLC0415

            raise CertificateCreationRequested.PreventCertificateCreation(
                f"The course-certificates service decides certificates in {course_key}."
            )
        return {}
