"""The Django app: of the LMS and of Studio, which find it by the package's entry points."""

from typing import Any, ClassVar

from django.apps import AppConfig


class CourseCertificatesConfig(AppConfig):
    """Listens to the platform's rows, and has the tables of what was applied."""

    name = "openedx_course_certificates"
    verbose_name = "Course certificates: the service's side of the platform"
    default_auto_field = "django.db.models.BigAutoField"
    plugin_app: ClassVar[dict[str, Any]] = {}

    def ready(self) -> None:
        """Read the settings, so that a wrong one is named at the start, and listen."""
        from openedx_course_certificates import platform_rows  # noqa: PLC0415 - models have to be loaded
        from openedx_course_certificates.options import options  # noqa: PLC0415 - same

        options()
        platform_rows.connect()
